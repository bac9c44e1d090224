/*-------------------------------------------------------------------------
 *
 * test_due.c
 *	  Unit tests of due.c: what a pass asks the tables for, and from where.
 *
 * The tables are played by the functions below, which note what they are
 * asked.  In a server a mistake here is healed by the look that follows 100 ms
 * later, so only here it can be seen.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/* the file itself, for its state is to be set back */
/* NOLINTNEXTLINE(bugprone-suspicious-include): its static state is needed */
#include "due.c"

#define NOW INT64CONST(800000000000000)
#define SECOND USECS_PER_SEC
#define LIMIT 3

MemoryContext TopMemoryContext = NULL;

/* ---- the tables and the clock ---- */

static char asked[1024];		/* what was asked for in this pass */
static int	due_rows[2];		/* waiting, without and with a deadline */
static int	due_looks;
static TimestampTz told_next;
static int64 monotonic_us;

/* So many claims; their run_at and number grow. */
static List *
some_claims(int count)
{
	List	   *claims = NIL;

	for (int i = 0; i < count; i++)
	{
		PartnerApiClaim *claim = palloc0(sizeof(PartnerApiClaim));

		claim->run_at = NOW - SECOND;
		claim->action_id = 100 + i;
		claims = lappend(claims, claim);
	}
	return claims;
}

/* "age after 12:34", in seconds from NOW and the action's number. */
static void
note_asked(const char *what, const PartnerApiPosition *after)
{
	size_t		len = strlen(asked);
	char	   *text;

	if (after == NULL)
		text = pstrdup(what);
	else if (after->run_at == DT_NOBEGIN)
		text = psprintf("%s from the beginning", what);
	else if (after->action_id == PG_INT64_MAX)
		text = psprintf("%s after %d", what,
						(int) ((after->run_at - NOW) / SECOND));
	else
		text = psprintf("%s after %d:%d", what,
						(int) ((after->run_at - NOW) / SECOND),
						(int) after->action_id);
	strlcpy(asked + len, len > 0 ? ", " : "", sizeof(asked) - len);
	strlcat(asked, text, sizeof(asked));
}

List *
partner_api_claim_due(MemoryContext parent, const PartnerApiClaimScope *scope)
{
	note_asked(scope->with_deadline ? "deadline" : "age", &scope->after);
	return some_claims(Min(scope->limit, due_rows[scope->with_deadline]));
}

List *
partner_api_claim_looks(MemoryContext parent, TimestampTz now, int limit)
{
	note_asked("looks", NULL);
	return some_claims(Min(limit, due_looks));
}

TimestampTz
partner_api_next_due(TimestampTz now)
{
	note_asked("next", NULL);
	return told_next;
}

int64
partner_api_monotonic_us(void)
{
	return monotonic_us;
}

/* ---- passes ---- */

/* As at the start of a worker; each pass comes a second after the last. */
static void
begin(void)
{
	queues = NIL;
	ask_looks = ask_next = ask_all = true;
	left_out = failed = false;
	next_due = DT_NOBEGIN;
	memset(due_rows, 0, sizeof(due_rows));
	due_looks = 0;
	told_next = DT_NOEND;
	monotonic_us = SECOND;
}

/* Actions of a server, whoever asked for them. */
static PartnerApiClaimScope
scope_of(const char *server, TimestampTz now, int limit, bool with_deadline)
{
	PartnerApiClaimScope scope = {
		.server = server,
		.now = now,
		.limit = limit,
		.with_deadline = with_deadline,
		.latest_deadline = DT_NOEND,
		.paid = true
	};

	return scope;
}

/* Claim what there is, with so many lanes. */
static void
claim(TimestampTz now, int limit)
{
	for (int i = 0; i < 2; i++)
	{
		PartnerApiClaimScope scope = scope_of("zapi", now, limit, i == 0);

		(void) partner_api_due_claim(NULL, &scope);
	}
	(void) partner_api_due_claim_looks(NULL, now, limit);
}

/* A whole pass; returns what it has asked for. */
static const char *
pass(TimestampTz woken_for, TimestampTz now)
{
	asked[0] = '\0';
	partner_api_due_begin_pass(woken_for);
	claim(now, LIMIT);
	partner_api_due_end_pass(now);
	return asked;
}

#define ALL "deadline from the beginning, age from the beginning, looks, next"

/* The first pass has asked for everything, and found nothing. */
static void
begin_idle(void)
{
	begin();
	assert_text(pass(DT_NOEND, NOW), ALL);
}

/* ---- tests ---- */

static void
test_nothing(const void *row)
{
	begin_idle();
	assert_int_equal(partner_api_due_time_to_look_ms(), -1);
	assert_text(pass(DT_NOEND, NOW + SECOND), "");
	/* something was left out, so everything is asked for soon */
	assert_int_equal(partner_api_due_time_to_look_ms(), LOOK_AGAIN_MS + 1);
	monotonic_us += (LOOK_AGAIN_MS - 1) * INT64CONST(1000);
	assert_text(pass(DT_NOEND, NOW + SECOND), "");
	monotonic_us += 1000;
	assert_text(pass(DT_NOEND, NOW + SECOND), ALL);
	assert_int_equal(partner_api_due_time_to_look_ms(), -1);
}

/* A long transaction commits what was due before what has been claimed. */
static void
test_new(const void *row)
{
	begin_idle();
	assert_text(pass(NOW + SECOND, NOW + 2 * SECOND), "age after 0");
	assert_text(pass(NOW, NOW + 3 * SECOND), "age after 0:0");
	assert_text(pass(NOW - 5 * SECOND, NOW + 3 * SECOND), "age after -5:0");
	assert_text(pass(DT_NOBEGIN, NOW + 4 * SECOND), ALL);
	assert_text(pass(DT_NOEND, NOW + 5 * SECOND), "");
}

static void
test_cut(const void *row)
{
	begin();
	due_rows[false] = LIMIT;
	assert_text(pass(DT_NOEND, NOW), ALL);
	assert_text(pass(DT_NOEND, NOW), "age after -1:102");
	due_rows[false] = LIMIT - 1;
	assert_text(pass(DT_NOEND, NOW), "age after -1:102");
	assert_text(pass(DT_NOEND, NOW), "");

	/* those with a deadline are not claimed in the order of the index */
	due_rows[true] = LIMIT;
	assert_text(pass(DT_NOBEGIN, NOW), ALL);
	due_rows[true] = 0;
	assert_text(pass(DT_NOEND, NOW), "deadline from the beginning");

	due_looks = LIMIT;
	assert_text(pass(DT_NOBEGIN, NOW), ALL);
	assert_text(pass(DT_NOEND, NOW), "looks");
}

static void
test_no_lane(const void *row)
{
	begin_idle();
	asked[0] = '\0';
	partner_api_due_begin_pass(NOW);
	claim(NOW, 0);
	partner_api_due_end_pass(NOW);
	assert_text(asked, "");
	assert_text(pass(DT_NOEND, NOW), "age after 0:0");
}

/* A server that comes later has actions that nobody told of. */
static void
test_new_server(const void *row)
{
	PartnerApiClaimScope scope = scope_of("other", NOW, LIMIT, false);

	begin_idle();
	asked[0] = '\0';
	partner_api_due_begin_pass(DT_NOEND);
	(void) partner_api_due_claim(NULL, &scope);
	assert_text(asked, "age from the beginning");
}

/* While paid calls are stopped, those that are not are claimed. */
static void
test_partial_scope(const void *row)
{
	PartnerApiClaimScope scope = scope_of("zapi", NOW, LIMIT, false);

	begin_idle();
	scope.paid = false;
	asked[0] = '\0';
	partner_api_due_begin_pass(NOW);
	(void) partner_api_due_claim(NULL, &scope);
	partner_api_due_end_pass(NOW);
	assert_text(asked, "age from the beginning");
	assert_text(pass(DT_NOEND, NOW), "age from the beginning");
}

static void
test_due_at(const void *row)
{
	begin();
	told_next = NOW + 60 * SECOND;
	assert_text(pass(DT_NOEND, NOW), ALL);
	assert_true(partner_api_due_next() == NOW + 60 * SECOND);

	partner_api_due_at(NOW + 5 * SECOND, NOW);
	assert_true(partner_api_due_next() == NOW + 5 * SECOND);
	partner_api_due_at(NOW + 50 * SECOND, NOW);
	assert_true(partner_api_due_next() == NOW + 5 * SECOND);
	assert_text(pass(DT_NOEND, NOW), "");

	/* it has come: the tables say what is next */
	partner_api_due_at(NOW - SECOND, NOW);
	assert_text(pass(DT_NOEND, NOW),
				"deadline after -1:0, age after -1:0, looks, next");
	assert_true(partner_api_due_next() == NOW + 60 * SECOND);
}

/* What a failed claim has moved does not count. */
static void
test_failure(const void *row)
{
	begin();
	due_rows[false] = LIMIT;
	partner_api_due_begin_pass(DT_NOEND);
	claim(NOW, LIMIT);
	partner_api_due_claim_failed();
	partner_api_due_end_pass(NOW);
	assert_int_equal(partner_api_due_time_to_look_ms(), LOOK_AGAIN_MS + 1);
	assert_text(pass(DT_NOEND, NOW),
				"deadline from the beginning, age from the beginning, looks");
}

/* A look that takes long is not taken often. */
static void
test_costly_look(const void *row)
{
	begin();
	partner_api_due_begin_pass(DT_NOEND);
	monotonic_us += SECOND;
	claim(NOW, LIMIT);
	partner_api_due_end_pass(NOW);
	assert_text(pass(DT_NOEND, NOW), "");
	assert_int_equal(partner_api_due_time_to_look_ms(),
					 LOOK_SHARE * 1000 + 1);
}

int
main(void)
{
	add_test("nothing happens", test_nothing);
	add_test("new actions", test_new);
	add_test("a claim that was cut", test_cut);
	add_test("no lane is free", test_no_lane);
	add_test("a new server", test_new_server);
	add_test("a claim of some only", test_partial_scope);
	add_test("a due time", test_due_at);
	add_test("a claim that failed", test_failure);
	add_test("a look that takes long", test_costly_look);
	return run_suite("due");
}
