/*-------------------------------------------------------------------------
 *
 * support.c
 *	  What the unit tests share.
 *
 * jansson gets its memory from here while tests run: what it holds is
 * counted, so that a reference that nobody owns fails the test that left it,
 * and any allocation can be made to fail.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"

#define MAX_TESTS 500

typedef struct Entry
{
	TestFunction function;
	const void *row;
} Entry;

const PartnerApiCredential credential = {"PARTNER", "CLIENT"};

static struct CMUnitTest tests[MAX_TESTS];
static Entry entries[MAX_TESTS];
static int	test_count = 0;

static int	jansson_held = 0;
static int	jansson_countdown = -1;

/* ---- jansson's memory ---- */

static void *
counted_malloc(size_t size)
{
	if (jansson_countdown >= 0 && jansson_countdown-- == 0)
		return NULL;
	jansson_held++;
	return malloc(size);
}

static void
counted_free(void *chunk)
{
	if (chunk != NULL)
		jansson_held--;
	free(chunk);
}

/* ---- suites ---- */

/*
 * Run one entry, and see that nothing of jansson's outlives the context.
 */
static void
run_entry(void **state)
{
	const Entry *entry = *state;

	entry->function(entry->row);
	backend_reset();
	assert_int_equal(jansson_held, 0);
}

/*
 * Clean up after a test that failed half-way.
 */
static int
clean_up(void **state)
{
	jansson_countdown = -1;
	backend_reset();
	jansson_held = 0;
	return 0;
}

static void
add_entry(const char *name, TestFunction function, const void *row)
{
	struct CMUnitTest *test = &tests[test_count];
	Entry	   *entry = &entries[test_count];

	assert_true(test_count < MAX_TESTS);
	entry->function = function;
	entry->row = row;
	test->name = name;
	test->test_func = run_entry;
	test->teardown_func = clean_up;
	test->initial_state = entry;
	test_count++;
}

void
add_test(const char *name, TestFunction function)
{
	add_entry(name, function, NULL);
}

void
add_rows(TestFunction function, const void *rows, size_t size, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		const void *row = (const char *) rows + i * size;

		add_entry(*(const char *const *) row, function, row);
	}
}

int
run_suite(const char *name)
{
	json_set_alloc_funcs(counted_malloc, counted_free);
	return _cmocka_run_group_tests(name, tests, test_count, NULL, NULL);
}

/* ---- assertions ---- */

void
assert_text(const char *actual, const char *expected)
{
	assert_string_equal(actual == NULL ? "(null)" : actual,
						expected == NULL ? "(null)" : expected);
}

/*
 * A sentence begins with a capital and ends with a period.
 */
static void
assert_sentence(const char *sentence)
{
	if (sentence[0] < 'A' || sentence[0] > 'Z' ||
		sentence[strlen(sentence) - 1] != '.')
		fail_msg("not a sentence: \"%s\"", sentence);
}

void
assert_error(void (*function) (void *), void *argument, int sqlstate,
			 const char *message)
{
	const BackendError *error = backend_catch(function, argument);

	if (error == NULL)
	{
		fail_msg("no error, expected: %s", message);
		return;
	}
	assert_text(error->message, message);
	assert_string_equal(unpack_sql_state(error->sqlstate),
						unpack_sql_state(sqlstate));
	assert_sentence(error->detail);
	assert_sentence(error->hint);
}

/*
 * Run once with one allocation failing; true if the function succeeded
 * because it did not need that many.
 */
static bool
survives_failure(void (*function) (void *), void *argument,
				 int palloc_count, int jansson_count)
{
	const BackendError *error;
	bool		exhausted;

	backend_fail_palloc_after(palloc_count);
	jansson_countdown = jansson_count;
	error = backend_catch(function, argument);
	if (error != NULL)
		assert_text(error->message, "out of memory");
	exhausted = (error == NULL && (jansson_count < 0 ||
								   jansson_countdown >= 0));
	jansson_countdown = -1;
	backend_fail_palloc_after(-1);
	return exhausted;
}

void
assert_survives_no_memory(void (*function) (void *), void *argument)
{
	int			count;

	for (count = 0; !survives_failure(function, argument, count, -1); count++)
		assert_true(count < 10000);
	for (count = 0; !survives_failure(function, argument, -1, count); count++)
		assert_true(count < 10000);
	assert_true(count > 0);
}

/* ---- actions, answers, requests, verdicts ---- */

char *
quoted(const char *str)
{
	char	   *copy = pstrdup(str);

	for (char *c = copy; *c != '\0'; c++)
	{
		if (*c == '\'')
			*c = '"';
	}
	return copy;
}

json_t *
json_of(const char *str)
{
	char	   *error = NULL;
	json_t	   *value;

	if (str == NULL)
		return NULL;
	str = quoted(str);
	value = partner_api_json_parse(str, strlen(str), &error);
	if (value == NULL)
		fail_msg("test data: %s: %s", error, str);
	return value;
}

PartnerApiAction
action_of(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = {.kind = kind};

	if (kind != PARTNER_API_CREATE_INSTANCE &&
		kind != PARTNER_API_DELETE_INSTANCES)
	{
		action.instance_id = "ID";
		action.instance_token = "TOKEN";
	}
	action.arguments = json_of(arguments == NULL ? "{}" : arguments);
	return action;
}

PartnerApiResponse
answer_of(int status, const char *body)
{
	PartnerApiResponse response = {
		.sent = true,
		.complete = true,
		.status = status,
		.retry_after_ms = -1
	};

	response.body = quoted(body);
	response.body_len = strlen(response.body);
	return response;
}

char *
request_text(const PartnerApiRequest *request)
{
	char	   *lines = psprintf("%s %s", request->method,
								 request->base_url != NULL ?
								 request->base_url : "");
	const char *separator = "?";
	ListCell   *cell;

	foreach(cell, request->path)
		lines = psprintf("%s/%s", lines, (char *) lfirst(cell));
	foreach(cell, request->query)
	{
		PartnerApiPair *pair = lfirst(cell);

		lines = psprintf("%s%s%s=%s", lines, separator, pair->name,
						 pair->value);
		separator = "&";
	}
	foreach(cell, request->headers)
	{
		PartnerApiPair *pair = lfirst(cell);

		lines = psprintf("%s\n%s: %s", lines, pair->name, pair->value);
	}
	if (request->body != NULL)
	{
		assert_int_equal(request->body_len, strlen(request->body));
		lines = psprintf("%s\n\n%s", lines, request->body);
	}
	return lines;
}

void
judge_greenapi(void *judgement)
{
	Judgement  *case_at_hand = judgement;

	partner_api_provider_judge(&partner_api_greenapi, &case_at_hand->action,
							   &case_at_hand->response,
							   &case_at_hand->verdict);
}

void
judge_zapi(void *judgement)
{
	Judgement  *case_at_hand = judgement;

	partner_api_provider_judge(&partner_api_zapi, &case_at_hand->action,
							   &case_at_hand->response,
							   &case_at_hand->verdict);
}

/*
 * What a verdict of done told.
 */
static char *
done_text(const PartnerApiVerdict *verdict)
{
	char	   *line = pstrdup("done");

	assert_int_equal(verdict->reason, PARTNER_API_REASON_NONE);
	assert_null(verdict->message);
	if (verdict->instance_id != NULL)
		line = psprintf("%s id=%s token=%s", line, verdict->instance_id,
						verdict->instance_token);
	if (verdict->instance_url != NULL)
		line = psprintf("%s url=%s", line, verdict->instance_url);
	if (verdict->due_ms != 0)
		line = psprintf("%s due=%lld", line, (long long) verdict->due_ms);
	if (verdict->fields != NULL)
		line = psprintf("%s %s", line, verdict->fields);
	return line;
}

char *
verdict_text(const PartnerApiVerdict *verdict)
{
	static const char *const kinds[] = {"done", "failed", "retry", "unknown"};
	static const char *const reasons[] = {
		"none", "unreachable", "lost", "credential", "permission", "not found",
		"refused", "busy", "not ready", "protocol"
	};
	char	   *lines;
	ListCell   *cell;

	if (verdict->kind == PARTNER_API_DONE)
		lines = done_text(verdict);
	else
		lines = psprintf("%s, %s: %s", kinds[verdict->kind],
						 reasons[verdict->reason], verdict->message);

	foreach(cell, verdict->outcomes)
	{
		PartnerApiOutcome *outcome = lfirst(cell);

		assert_int_equal(outcome->done, outcome->message == NULL);
		lines = psprintf("%s\n%s: %s", lines, outcome->instance_id,
						 outcome->done ? "done" : outcome->message);
	}
	return lines;
}
