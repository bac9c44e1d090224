/*-------------------------------------------------------------------------
 *
 * test_provider.c
 *	  Unit tests of provider.c: the registry and the shared rules.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/* ---- names ---- */

static void
test_find(const void *unused)
{
	assert_ptr_equal(partner_api_provider_find("zapi"), &partner_api_zapi);
	assert_ptr_equal(partner_api_provider_find("greenapi"),
					 &partner_api_greenapi);
	assert_ptr_equal(partner_api_provider_find("zsystems"),
					 &partner_api_zsystems);
	assert_ptr_equal(partner_api_provider_find("asaas"), &partner_api_asaas);
	assert_null(partner_api_provider_find("ZAPI"));
	assert_null(partner_api_provider_find("zap"));
	assert_null(partner_api_provider_find(""));
	assert_text(partner_api_provider_names(), "asaas, greenapi, zapi, zsystems");
}

static void
test_kinds(const void *unused)
{
	PartnerApiKind kind;

	for (int i = 0; i < PARTNER_API_KINDS; i++)
	{
		assert_true(partner_api_kind_parse(partner_api_kind_name(i), &kind));
		assert_int_equal(kind, i);
	}
	assert_text(partner_api_kind_name(PARTNER_API_CREATE_INSTANCE),
				"create_instance");
	assert_text(partner_api_kind_name(PARTNER_API_DELETE_INSTANCES),
				"delete_instances");
	assert_false(partner_api_kind_parse("create", &kind));
	assert_false(partner_api_kind_parse("", &kind));
}

static void
test_subscriptions(const void *unused)
{
	static const char *const names[] = {
		[PARTNER_API_SUBSCRIPTION_UNKNOWN] = "unknown",
		[PARTNER_API_SUBSCRIPTION_TRIAL] = "trial",
		[PARTNER_API_SUBSCRIPTION_SIGNED] = "signed",
		[PARTNER_API_SUBSCRIPTION_CANCELLING] = "cancelling",
		[PARTNER_API_SUBSCRIPTION_CANCELLED] = "ended"
	};

	for (size_t i = 0; i < lengthof(names); i++)
		assert_text(partner_api_subscription_name(i), names[i]);
}

static void
test_nonce(const void *unused)
{
	assert_text(partner_api_name_with_nonce("Acme", "n1"), "Acme [n1]");
	assert_text(partner_api_name_with_nonce("Acme %s", NULL), "Acme %s");
}

/* ---- ids and names of instances ---- */

static void
check_id(void *id)
{
	partner_api_check_instance_id(id);
}

static void
check_name(void *name)
{
	partner_api_check_instance_name(name);
}

typedef struct TextRow
{
	const char *name;
	const char *str;
} TextRow;

static const TextRow good_ids[] = {
	{"id of the usual form", "3B2E0D5F8A7C4E61903F5D2B1A8C7E44"},
	{"id in lower case", "3b2e"},
	{"id of one character", "a"},
	{"id with dots", "a..b"},
	{"id with punctuation", "a-b_c.d:e~f"},
	{"id beyond ASCII", "inst\xC3\xA2ncia"}
};

static const TextRow bad_ids[] = {
	{"no id", NULL},
	{"empty id", ""},
	{"id with a slash", "a/b"},
	{"id with a backslash", "a\\b"},
	{"id that is a dot", "."},
	{"id that is two dots", ".."},
	{"id that climbs", "../secret"},
	{"id with a single quote", "a'b"},
	{"id with a double quote", "a\"b"},
	{"id with a backquote", "a`b"},
	{"id with a line feed", "a\nb"},
	{"id with a carriage return", "a\rb"},
	{"id with a trailing line feed", "a\n"},
	{"id with a tab", "a\tb"},
	{"id with a blank", "a b"},
	{"id with a leading blank", " a"},
	{"id with a query", "a?b"},
	{"id with a fragment", "a#b"},
	{"id with an escape", "a%2Fb"},
	{"id with a control character", "a\x01" "b"},
	{"id with DEL", "a\x7F"},
	{"id with a C1 control character", "a\xC2\x85"}
};

static void
test_good_id(const void *data)
{
	const TextRow *row = data;

	assert_null(backend_catch(check_id, unconstify(char *, row->str)));
}

static void
test_bad_id(const void *data)
{
	const TextRow *row = data;

	assert_error(check_id, unconstify(char *, row->str),
				 ERRCODE_INVALID_PARAMETER_VALUE, "invalid instance id");
}

/*
 * A text of so many times the same characters.
 */
static char *
repeated(const char *characters, int count)
{
	size_t		len = strlen(characters);
	char	   *result = palloc(len * count + 1);

	for (int i = 0; i < count; i++)
		memcpy(result + i * len, characters, len);
	result[len * count] = '\0';
	return result;
}

static void
test_id_length(const void *unused)
{
	assert_null(backend_catch(check_id, repeated("a", 255)));
	assert_error(check_id, repeated("a", 256),
				 ERRCODE_INVALID_PARAMETER_VALUE, "invalid instance id");
}

static const TextRow good_names[] = {
	{"name of one character", "a"},
	{"name beyond ASCII", "Padaria S\xC3\xA3o Jo\xC3\xA3o \xF0\x9F\x91\x8D"},
	{"name with quotes and slashes", "a'b\"c/d\\e"},
	{"name with a nonce of somebody", "a [b]"}
};

static const TextRow empty_names[] = {
	{"no name", NULL},
	{"empty name", ""},
	{"name of blanks", "   "}
};

static const TextRow control_names[] = {
	{"name with a line feed", "a\nb"},
	{"name with a carriage return", "a\rb"},
	{"name with a tab", "a\tb"},
	{"name with a control character", "a\x1B[31m"},
	{"name with DEL", "a\x7F"},
	{"name with a C1 control character", "a\xC2\x9F" "b"}
};

static void
test_good_name(const void *data)
{
	const TextRow *row = data;

	assert_null(backend_catch(check_name, unconstify(char *, row->str)));
}

static void
test_empty_name(const void *data)
{
	const TextRow *row = data;

	assert_error(check_name, unconstify(char *, row->str),
				 ERRCODE_INVALID_PARAMETER_VALUE,
				 "instance name must not be empty");
}

static void
test_control_name(const void *data)
{
	const TextRow *row = data;

	assert_error(check_name, unconstify(char *, row->str),
				 ERRCODE_INVALID_PARAMETER_VALUE,
				 "instance name must not contain control characters");
}

/*
 * The limit counts characters, whatever they need in UTF-8.
 */
static void
test_name_length(const void *unused)
{
	assert_null(backend_catch(check_name, repeated("a", 200)));
	assert_null(backend_catch(check_name, repeated("\xC3\xA3", 200)));
	assert_null(backend_catch(check_name, repeated("\xF0\x9F\x91\x8D", 200)));
	assert_error(check_name, repeated("a", 201),
				 ERRCODE_INVALID_PARAMETER_VALUE,
				 "instance name is too long");
	assert_error(check_name, repeated("\xC3\xA3", 201),
				 ERRCODE_INVALID_PARAMETER_VALUE,
				 "instance name is too long");
}

/* ---- the outside of an answer ---- */

/*
 * The reason that a status gives; REASON_NONE and the two that the body may
 * refine go to the provider.
 */
static PartnerApiReason
expected_reason(int status)
{
	static const int lost[] = {408, 425, 499, 300, 302, 303, 304, 305, 306};
	static const int protocol[] = {301, 307, 308, 405, 415};

	for (size_t i = 0; i < lengthof(lost); i++)
		if (status == lost[i])
			return PARTNER_API_REASON_LOST;
	for (size_t i = 0; i < lengthof(protocol); i++)
		if (status == protocol[i])
			return PARTNER_API_REASON_PROTOCOL;
	if (status == 401 || status == 403)
		return PARTNER_API_REASON_CREDENTIAL;
	if (status == 404)
		return PARTNER_API_REASON_NOT_FOUND;
	if (status == 429)
		return PARTNER_API_REASON_BUSY;
	if (status / 100 == 2)
		return PARTNER_API_REASON_NONE;
	return status / 100 == 4 ? PARTNER_API_REASON_REFUSED :
		PARTNER_API_REASON_LOST;
}

static void
test_every_status(const void *unused)
{
	for (int status = 0; status < 1000; status++)
	{
		PartnerApiResponse response = answer_of(status, "");

		if (partner_api_response_reason(&response) != expected_reason(status))
			fail_msg("HTTP %d: reason %d", status,
					 partner_api_response_reason(&response));
	}
}

/* A provider whose judge only leaves a mark. */
static void
mark(const PartnerApiAction *action, const PartnerApiResponse *response,
	 PartnerApiVerdict *verdict)
{
	verdict->message = pstrdup("judged by the provider");
}

static const PartnerApiProvider marker = {.judge = mark};

static PartnerApiVerdict
judge(const PartnerApiResponse *response)
{
	PartnerApiAction action = action_of(PARTNER_API_CREATE_INSTANCE, NULL);
	PartnerApiVerdict verdict;

	memset(&verdict, 0x7F, sizeof(verdict));
	partner_api_provider_judge(&marker, &action, response, &verdict);
	return verdict;
}

typedef struct StatusRow
{
	const char *name;
	int			status;
	PartnerApiVerdictKind kind;
	PartnerApiReason reason;
} StatusRow;

static const StatusRow status_rows[] = {
	{"401 fails", 401, PARTNER_API_FAILED, PARTNER_API_REASON_CREDENTIAL},
	{"403 fails", 403, PARTNER_API_FAILED, PARTNER_API_REASON_CREDENTIAL},
	{"405 fails", 405, PARTNER_API_FAILED, PARTNER_API_REASON_PROTOCOL},
	{"415 fails", 415, PARTNER_API_FAILED, PARTNER_API_REASON_PROTOCOL},
	{"301 fails", 301, PARTNER_API_FAILED, PARTNER_API_REASON_PROTOCOL},
	{"308 fails", 308, PARTNER_API_FAILED, PARTNER_API_REASON_PROTOCOL},
	{"302 is unknown", 302, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"303 is unknown", 303, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"408 is unknown", 408, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"425 is unknown", 425, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"499 is unknown", 499, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"500 is unknown", 500, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"502 is unknown", 502, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"503 is unknown", 503, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"504 is unknown", 504, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"no status is unknown", 0, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST},
	{"429 is retried", 429, PARTNER_API_RETRY, PARTNER_API_REASON_BUSY}
};

static void
test_shared_verdict(const void *data)
{
	const StatusRow *row = data;
	PartnerApiResponse response = answer_of(row->status, "{'error':'x'}");
	PartnerApiVerdict verdict = judge(&response);

	assert_int_equal(verdict.kind, row->kind);
	assert_int_equal(verdict.reason, row->reason);
	assert_text(verdict.message, "x");
	assert_int_equal(verdict.retry_after_ms, -1);
	assert_null(verdict.instance_id);
	assert_null(verdict.instance_token);
	assert_null(verdict.outcomes);
	assert_int_equal(verdict.due_ms, 0);
}

static void
test_left_to_provider(const void *unused)
{
	static const int statuses[] = {
		200, 201, 204, 299, 400, 402, 404, 409, 410, 422, 451
	};

	for (size_t i = 0; i < lengthof(statuses); i++)
	{
		PartnerApiResponse response = answer_of(statuses[i], "{'error':'x'}");

		assert_text(judge(&response).message, "judged by the provider");
	}
}

static void
test_retry_after(const void *unused)
{
	PartnerApiResponse response = answer_of(429, "");

	response.retry_after_ms = 1500;
	assert_int_equal(judge(&response).retry_after_ms, 1500);
	response.status = 503;
	assert_int_equal(judge(&response).retry_after_ms, 1500);
}

/*
 * Nothing was sent: tried again, whatever else the transport filled in.
 */
static void
test_not_sent(const void *unused)
{
	PartnerApiResponse response = {
		.retry_after_ms = -1,
		.transport_error = "connection refused"
	};
	PartnerApiVerdict verdict = judge(&response);

	assert_int_equal(verdict.kind, PARTNER_API_RETRY);
	assert_int_equal(verdict.reason, PARTNER_API_REASON_UNREACHABLE);
	assert_text(verdict.message, "connection refused");

	response.transport_error = NULL;
	assert_text(judge(&response).message, "no answer");
}

/*
 * Something was sent and no whole answer came: a status that was read before
 * the connection broke proves nothing.
 */
static void
test_lost(const void *unused)
{
	static const int statuses[] = {0, 200, 201, 400, 401, 404, 429};

	for (size_t i = 0; i < lengthof(statuses); i++)
	{
		PartnerApiResponse response = answer_of(statuses[i], "{'error':'x'}");
		PartnerApiVerdict verdict;

		response.complete = false;
		response.transport_error = "timed out";
		verdict = judge(&response);
		assert_int_equal(verdict.kind, PARTNER_API_UNKNOWN);
		assert_int_equal(verdict.reason, PARTNER_API_REASON_LOST);
		assert_text(verdict.message, "timed out");
	}
}

/* ---- words ---- */

typedef struct WordsRow
{
	const char *name;
	const char *body;
	const char *words;
} WordsRow;

static const WordsRow words_rows[] = {
	{"words of an error", "{'error':'no'}", "no"},
	{"words of a message", "{'message':'no'}", "no"},
	{"error before message", "{'message':'b','error':'a'}", "a"},
	{"message of a true error", "{'message':'b','error':true}", "b"},
	{"message of an error code", "{'message':'b','error':17}", "b"},
	{"code alone", "{'error':17}", "17"},
	{"error object alone", "{'error':{'code':17}}", "{\"code\":17}"},
	{"message beside a null error", "{'message':'b','error':null}", "b"},
	{"message beside an empty error", "{'message':'b','error':' '}", "b"},
	{"words are trimmed", "{'error':' no\\n '}", "no"},
	{"object without words", " {'a':1} ", "{\"a\":1}"},
	{"array", "[1]", "[1]"},
	{"text", "Bad Credentials\r\n", "Bad Credentials"},
	{"half an object", "{'error':'n", "{\"error\":\"n"},
	{"page", "<html><body>Bad Gateway</body></html>",
	"HTTP 400 with a page of markup"},
	{"page after blanks", "\n <!DOCTYPE html>",
	"HTTP 400 with a page of markup"},
	{"nothing", "", "HTTP 400 with an empty body"},
	{"blanks", " \r\n", "HTTP 400 with an empty body"},
	{"invalid UTF-8", "no\xFF", "HTTP 400 with a body that is not text"}
};

static void
test_words(const void *data)
{
	const WordsRow *row = data;
	PartnerApiResponse response = answer_of(400, row->body);

	assert_text(partner_api_response_words(&response), row->words);
}

static void
test_words_with_nul(const void *unused)
{
	PartnerApiResponse response = answer_of(400, "");

	response.body = "a\0b";
	response.body_len = 3;
	assert_text(partner_api_response_words(&response),
				"HTTP 400 with a body that is not text");
	response.body = "\0\0\0";
	assert_text(partner_api_response_words(&response),
				"HTTP 400 with a body that is not text");
}

/*
 * A body of megabytes is not kept as a message, and is cut between two
 * characters.
 */
static void
test_long_words(const void *unused)
{
	const int	kept = 65536;
	char	   *body = repeated("\xC3\xA3", kept);
	PartnerApiResponse response = answer_of(400, body);

	assert_text(partner_api_response_words(&response),
				repeated("\xC3\xA3", kept / 2));
	response = answer_of(400, psprintf("a%s", body));
	assert_text(partner_api_response_words(&response),
				psprintf("a%s", repeated("\xC3\xA3", kept / 2 - 1)));
	response = answer_of(400, psprintf("{'error':'%s'}", body));
	assert_text(partner_api_response_words(&response),
				repeated("\xC3\xA3", kept / 2));
	response = answer_of(400, psprintf("{'error':['%s']}", body));
	assert_int_equal(strlen(partner_api_response_words(&response)), kept);
}

static void
put_into_words(void *response)
{
	(void) partner_api_response_words(response);
}

static void
test_words_without_memory(const void *unused)
{
	PartnerApiResponse response = answer_of(400, "{'error':{'code':'x'}}");

	assert_survives_no_memory(put_into_words, &response);
}

int
main(void)
{
	add_test("find providers", test_find);
	add_test("names of kinds", test_kinds);
	add_test("names of subscription states", test_subscriptions);
	add_test("name with nonce", test_nonce);
	add_table(test_good_id, good_ids);
	add_table(test_bad_id, bad_ids);
	add_test("length of an id", test_id_length);
	add_table(test_good_name, good_names);
	add_table(test_empty_name, empty_names);
	add_table(test_control_name, control_names);
	add_test("length of a name", test_name_length);
	add_test("every status has its reason", test_every_status);
	add_table(test_shared_verdict, status_rows);
	add_test("2xx and refusals are left to the provider",
			 test_left_to_provider);
	add_test("Retry-After is passed on", test_retry_after);
	add_test("not sent is retried", test_not_sent);
	add_test("sent without an answer is unknown", test_lost);
	add_table(test_words, words_rows);
	add_test("body with NUL", test_words_with_nul);
	add_test("long words are cut", test_long_words);
	add_test("words without memory", test_words_without_memory);
	return run_suite("provider");
}
