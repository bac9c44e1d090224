/*-------------------------------------------------------------------------
 *
 * test_policy.c
 *	  Unit tests of policy.c: what becomes of an action whose outcome is
 *	  unknown, with and without a deadline.
 *
 * The lag is 60 seconds, so time is short in the last 120 before a deadline.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "policy.h"
#include "utils/timestamp.h"

#define NOW INT64CONST(800000000000000)
#define LAG 60
#define NONE 0
#define MOST_LOST 5

#define CREATE PARTNER_API_CREATE_INSTANCE
#define SIGN PARTNER_API_SIGN_INSTANCE
#define UPDATE PARTNER_API_UPDATE_SUBSCRIPTION
#define CANCEL PARTNER_API_CANCEL_INSTANCE
#define DELETE PARTNER_API_DELETE_INSTANCE
#define DISCONNECT PARTNER_API_DISCONNECT_INSTANCE
#define PLAN PARTNER_API_CREATE_PLAN
#define SUSPEND PARTNER_API_SUSPEND_SUBSCRIPTION
#define SUBSCRIBE PARTNER_API_CREATE_SUBSCRIPTION
#define REFUND PARTNER_API_REFUND_INVOICE
#define STORE PARTNER_API_STORE_CARD
#define REGISTER PARTNER_API_CREATE_CLIENT

#define EFFECT PARTNER_API_FINDING_EFFECT
#define ABSENT PARTNER_API_FINDING_NO_EFFECT
#define CONTRADICTION PARTNER_API_FINDING_CONTRADICTION

/* ---- the situation of an action ---- */

typedef struct Situation
{
	PartnerApiKind kind;
	bool		repeat;			/* the server's policy for its kind */
	int			left;			/* seconds until the deadline; NONE */
	int			age;			/* seconds since the request */
	int			looks;
	int			lost;
} Situation;

static PartnerApiServer
server_of(const Situation *situation)
{
	PartnerApiServer server = {
		.list_lag = LAG * USECS_PER_SEC,
		.name_nonce = true,
		.repeats_unknown_create = situation->repeat,
		.repeats_unknown_sign = situation->repeat
	};

	return server;
}

static PartnerApiClaim
claim_of(const Situation *situation)
{
	PartnerApiClaim claim = {
		.kind = situation->kind,
		.purpose = PARTNER_API_LOOK,
		.sent_at = NOW - situation->age * USECS_PER_SEC,
		.looks = situation->looks,
		.lost = Max(situation->lost, 1),
		.attempts = Max(situation->lost, 1)
	};

	if (situation->left != NONE)
		claim.deadline = NOW + situation->left * USECS_PER_SEC;
	return claim;
}

/* ---- a complete listing ---- */

typedef struct LookRow
{
	const char *name;
	Situation	situation;
	PartnerApiFinding finding;
	bool		shows_nonces;
	const char *state;
} LookRow;

static const LookRow look_rows[] = {
	{"effect", {CREATE, false, NONE, 1, 0, 1}, EFFECT, true, "done"},
	{"effect after the deadline", {SIGN, true, -9, 99, 5, 9}, EFFECT, true, "done"},
	{"first look", {CREATE, false, NONE, 1, 0, 1}, ABSENT, true, "unknown"},
	{"first look, late", {CREATE, false, NONE, 99, 0, 1}, ABSENT, true, "unknown"},
	{"second look", {CREATE, false, NONE, 60, 1, 1}, ABSENT, true, "waiting"},
	{"no evidence of nonces", {CREATE, false, NONE, 60, 1, 1}, ABSENT, false, "needs_attention"},
	{"contradiction", {SIGN, true, NONE, 1, 0, 1}, CONTRADICTION, true, "needs_attention"},
	{"the fourth lost", {CREATE, false, NONE, 60, 1, MOST_LOST - 1}, ABSENT, true, "waiting"},
	{"the fifth lost", {CREATE, false, NONE, 60, 1, MOST_LOST}, ABSENT, true, "needs_attention"},
	{"the fifth lost, with a deadline", {SIGN, true, 9999, 60, 1, MOST_LOST}, ABSENT, true, "waiting"},
	{"change, one look", {UPDATE, false, NONE, 1, 0, 1}, ABSENT, true, "waiting"},
	{"change, the fifth lost", {UPDATE, false, NONE, 1, 0, MOST_LOST}, ABSENT, true, "needs_attention"},
	{"disconnect, one look", {DISCONNECT, false, NONE, 1, 0, 1}, ABSENT, true, "waiting"},
	{"cancel, first look", {CANCEL, false, NONE, 1, 0, 1}, ABSENT, true, "unknown"},
	{"cancel, second look", {CANCEL, false, NONE, 60, 1, 1}, ABSENT, true, "waiting"},
	{"cancel at its deadline", {CANCEL, true, 1, 1, 0, 1}, ABSENT, true, "unknown"},

	{"plan, first look", {PLAN, false, NONE, 1, 0, 1}, ABSENT, true, "unknown"},
	{"plan, second look", {PLAN, false, NONE, 60, 1, 1}, ABSENT, true, "waiting"},
	{"plan, no evidence", {PLAN, false, NONE, 60, 1, 1}, ABSENT, false, "needs_attention"},
	{"suspend, one look", {SUSPEND, false, NONE, 1, 0, 1}, ABSENT, true, "waiting"},
	{"client, one look", {REGISTER, false, NONE, 1, 0, 1}, ABSENT, true, "waiting"},
	{"subscription, first look", {SUBSCRIBE, true, NONE, 1, 0, 1}, ABSENT, true, "unknown"},
	{"subscription, second look", {SUBSCRIBE, true, NONE, 60, 1, 1}, ABSENT, true, "needs_attention"},
	{"subscription, short", {SUBSCRIBE, true, 100, 1, 0, 1}, ABSENT, true, "unknown"},
	{"refund, second look", {REFUND, true, NONE, 60, 1, 1}, ABSENT, true, "needs_attention"},
	{"card, second look", {STORE, true, NONE, 60, 1, 1}, ABSENT, true, "needs_attention"},

	{"sign with time", {SIGN, true, 121, 1, 0, 1}, ABSENT, true, "unknown"},
	{"sign, short, repeat", {SIGN, true, 120, 1, 0, 1}, ABSENT, true, "waiting"},
	{"sign, short, person", {SIGN, false, 120, 1, 0, 1}, ABSENT, true, "needs_attention"},
	{"sign, proved, person", {SIGN, false, 120, 60, 1, 1}, ABSENT, true, "waiting"},
	{"sign, over", {SIGN, true, -1, 1, 0, 1}, ABSENT, true, "unknown"},
	{"sign, over and proved", {SIGN, true, -1, 60, 1, 1}, ABSENT, true, "waiting"},

	{"create, short, person", {CREATE, false, 1, 1, 0, 1}, ABSENT, true, "unknown"},
	{"create with time, repeat", {CREATE, true, 121, 1, 0, 1}, ABSENT, true, "unknown"},
	{"create, short, repeat", {CREATE, true, 120, 1, 0, 1}, ABSENT, true, "waiting"},
	{"create, short, no evidence", {CREATE, true, 120, 1, 0, 1}, ABSENT, false, "unknown"},
	{"create, over, repeat", {CREATE, true, -1, 1, 0, 1}, ABSENT, true, "unknown"},
	{"create, no deadline, repeat", {CREATE, true, NONE, 1, 0, 1}, ABSENT, true, "unknown"}
};

static void
test_look(const void *arg)
{
	const LookRow *row = arg;
	PartnerApiServer server = server_of(&row->situation);
	PartnerApiClaim claim = claim_of(&row->situation);
	PartnerApiEvidence evidence = {
		.finding = row->finding,
		.whole = partner_api_look_needs_whole(&claim, &server, NOW),
		.last = partner_api_look_is_last(&claim),
		.shows_nonces = row->shows_nonces
	};
	PartnerApiNextStep next = partner_api_after_look(&claim, &evidence,
													 &server, NOW);

	assert_text(next.state, row->state);
	assert_int_equal(next.attempts, claim.attempts);
	if (strcmp(next.state, "done") != 0 &&
		strcmp(next.state, "needs_attention") != 0)
		assert_true(next.run_at > NOW);
}

/* The first look counts, and the second comes when the list has caught up. */
static void
test_lag(const void *unused)
{
	Situation	situation = {CREATE, false, NONE, 1, 0, 1};
	PartnerApiServer server = server_of(&situation);
	PartnerApiClaim claim = claim_of(&situation);
	PartnerApiEvidence evidence = {
		.finding = ABSENT,.shows_nonces = true
	};
	PartnerApiNextStep next = partner_api_after_look(&claim, &evidence,
													 &server, NOW);

	assert_int_equal(next.looks, 1);
	assert_true(next.run_at == NOW + LAG * USECS_PER_SEC);
}

/* A look that comes for a decision, before the lag is over, does not. */
static void
test_look_before_lag(const void *unused)
{
	Situation	situation = {SIGN, true, 150, 1, 0, 1};
	PartnerApiServer server = server_of(&situation);
	PartnerApiClaim claim = claim_of(&situation);
	PartnerApiEvidence evidence = {
		.finding = ABSENT,.shows_nonces = true
	};
	PartnerApiNextStep next = partner_api_after_look(&claim, &evidence,
													 &server, NOW);

	assert_text(next.state, "unknown");
	assert_int_equal(next.looks, 0);
	assert_true(next.run_at == partner_api_decide_by(&claim, &server));
}

/* A search that found nothing is no reason for a second create. */
static void
test_search_proves_nothing(const void *unused)
{
	Situation	situation = {CREATE, true, 120, 1, 0, 1};
	PartnerApiServer server = server_of(&situation);
	PartnerApiClaim claim = claim_of(&situation);
	PartnerApiEvidence evidence = {
		.finding = ABSENT,.shows_nonces = true
	};

	assert_text(partner_api_after_look(&claim, &evidence, &server, NOW).state,
				"unknown");
}

/* ---- a listing that failed ---- */

typedef struct FailedRow
{
	const char *name;
	Situation	situation;
	const char *state;
} FailedRow;

static const FailedRow failed_rows[] = {
	{"failed, no deadline", {CREATE, true, NONE, 9999999, 9, 9}, "unknown"},
	{"failed, sign with time", {SIGN, true, 121, 1, 0, 1}, "unknown"},
	{"failed, sign, short, repeat", {SIGN, true, 120, 1, 0, 1}, "waiting"},
	{"failed, sign, short, person", {SIGN, false, 120, 1, 0, 1}, "needs_attention"},
	{"failed, sign, over", {SIGN, true, -1, 1, 0, 1}, "needs_attention"},
	{"failed, create, short, repeat", {CREATE, true, 1, 1, 0, 1}, "unknown"},
	{"failed, create, short, person", {CREATE, false, 1, 1, 0, 1}, "unknown"},
	{"failed, create, over, repeat", {CREATE, true, -1, 1, 0, 1}, "needs_attention"},
	{"failed, create, over, person", {CREATE, false, -1, 1, 0, 1}, "needs_attention"},
	{"failed, cancel with time", {CANCEL, false, 1, 1, 0, 1}, "unknown"},
	{"failed, cancel, over", {CANCEL, false, -1, 1, 0, 1}, "needs_attention"}
};

static void
test_failed_look(const void *arg)
{
	const FailedRow *row = arg;
	PartnerApiServer server = server_of(&row->situation);
	PartnerApiClaim claim = claim_of(&row->situation);
	PartnerApiNextStep next = partner_api_after_failed_look(&claim, &server,
															NOW);

	assert_text(next.state, row->state);
	assert_int_equal(next.looks, claim.looks);
	/* the next look comes in time for the decision */
	if (strcmp(next.state, "unknown") == 0 && row->situation.left > LAG * 2)
		assert_true(next.run_at <= partner_api_decide_by(&claim, &server));
}

/* Where the server cannot be used, nothing is sent again. */
static void
test_no_server(const void *unused)
{
	Situation	situation = {SIGN, true, 120, 1, 0, 1};
	PartnerApiClaim claim = claim_of(&situation);

	assert_text(partner_api_after_failed_look(&claim, NULL, NOW).state,
				"unknown");
	claim.deadline = NOW - 1;
	assert_text(partner_api_after_failed_look(&claim, NULL, NOW).state,
				"needs_attention");
}

/* ---- what is read ---- */

typedef struct WholeRow
{
	const char *name;
	Situation	situation;
	bool		whole;
} WholeRow;

static const WholeRow whole_rows[] = {
	{"search for a create", {CREATE, true, NONE, 1, 0, 1}, false},
	{"whole list for the last look", {CREATE, true, NONE, 60, 1, 1}, true},
	{"whole list if time is short", {CREATE, true, 120, 1, 0, 1}, true},
	{"search for a sign", {SIGN, true, 60, 60, 1, 1}, false},
	{"search for a change", {UPDATE, true, NONE, 60, 1, 1}, false},
	{"search for a disconnect", {DISCONNECT, true, NONE, 60, 1, 1}, false},
	{"whole list for a cancel", {CANCEL, true, NONE, 1, 0, 1}, true},
	{"whole list for a delete", {DELETE, true, NONE, 1, 0, 1}, true}
};

static void
test_whole(const void *arg)
{
	const WholeRow *row = arg;
	PartnerApiServer server = server_of(&row->situation);
	PartnerApiClaim claim = claim_of(&row->situation);

	assert_true(partner_api_look_needs_whole(&claim, &server, NOW) ==
				row->whole);
}

static void
test_decide_by(const void *unused)
{
	Situation	situation = {SIGN, true, 600, 1, 0, 1};
	PartnerApiServer server = server_of(&situation);
	PartnerApiClaim claim = claim_of(&situation);

	assert_true(partner_api_decide_by(&claim, &server) ==
				claim.deadline - INT64CONST(2) * LAG * USECS_PER_SEC);
	server.list_lag = 0;		/* a request takes its time all the same */
	assert_true(partner_api_decide_by(&claim, &server) ==
				claim.deadline - USECS_PER_MINUTE);
	claim.kind = CANCEL;
	assert_true(partner_api_decide_by(&claim, &server) == claim.deadline);
	claim.deadline = 0;
	assert_true(TIMESTAMP_IS_NOEND(partner_api_decide_by(&claim, &server)));
}

int
main(void)
{
	add_table(test_look, look_rows);
	add_test("two looks and the lag between them", test_lag);
	add_test("a look before the lag is over", test_look_before_lag);
	add_test("a search proves nothing", test_search_proves_nothing);
	add_table(test_failed_look, failed_rows);
	add_test("a server that cannot be used", test_no_server);
	add_table(test_whole, whole_rows);
	add_test("until when looking may settle it", test_decide_by);
	return run_suite("policy");
}
