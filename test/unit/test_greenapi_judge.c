/*-------------------------------------------------------------------------
 *
 * test_greenapi_judge.c
 *	  Unit tests of greenapi_judge.c: what an answer to an action proves.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"

#define CREATE PARTNER_API_CREATE_INSTANCE
#define DELETE PARTNER_API_DELETE_INSTANCE
#define DISCONNECT PARTNER_API_DISCONNECT_INSTANCE
#define REBOOT PARTNER_API_REBOOT_INSTANCE
#define CHANGE PARTNER_API_CHANGE_SETTINGS
#define AWAIT PARTNER_API_AWAIT_INSTANCE
#define CHECK PARTNER_API_CHECK_SETTINGS

#define UNAUTHORIZED "{'code':401,'description':'Unauthorized'}"
#define NOT_FOUND "{'code':404,'description':'Not found'}"

/* ---- verdicts ---- */

typedef struct JudgeRow
{
	const char *name;
	PartnerApiKind kind;
	int			status;
	const char *body;
	const char *expected;		/* with ' for " */
} JudgeRow;

static const JudgeRow create_rows[] = {
	{"create", CREATE, 200,
		"{'idInstance':1101728000,'apiTokenInstance':'T',"
		"'typeInstance':'whatsapp'}",
	"done id=1101728000 token=T {'middleware':'whatsapp'}"},
	{"create, as it was once documented", CREATE, 200,
		"{'idInstance':1101728000,'apiTokenInstance':'T'}",
	"done id=1101728000 token=T"},
	{"create with an id in a string", CREATE, 201,
		"{'idInstance':'710700000123','apiTokenInstance':'T'}",
	"done id=710700000123 token=T"},
	{"create with an id of 64 bits", CREATE, 200,
		"{'idInstance':18446744073709551615,'apiTokenInstance':'T'}",
	"done id=18446744073709551615 token=T"},
	{"create with the host of its calls", CREATE, 200,
		"{'idInstance':1,'apiTokenInstance':'T',"
		"'apiUrl':'https://7107.api.greenapi.com'}",
	"done id=1 token=T url=https://7107.api.greenapi.com"},
	{"create with the host as promised", CREATE, 200,
		"{'idInstance':1,'apiTokenInstance':'T',"
		"'apiUrlInstance':'https://3100.api.green-api.com:8443/v3/'}",
	"done id=1 token=T url=https://3100.api.green-api.com:8443/v3/"},
	{"create with one host that is none", CREATE, 200,
		"{'idInstance':1,'apiTokenInstance':'T','apiUrl':'',"
		"'apiUrlInstance':'https://h'}",
	"done id=1 token=T url=https://h"},
	{"create, never mind a code beside it", CREATE, 200,
		"{'idInstance':1,'apiTokenInstance':'T','code':200}",
	"done id=1 token=T"},
	{"create with a wrong token", CREATE, 200, UNAUTHORIZED,
	"failed, credential: Unauthorized"},
	{"create with a wrong token, at the other host", CREATE, 400, UNAUTHORIZED,
	"failed, credential: Unauthorized"},
	{"create with a wrong token, in plain text", CREATE, 400,
	"Unauthorized", "failed, credential: Unauthorized"},
	{"create with a wrong token, by status", CREATE, 401, "",
	"failed, credential: HTTP 401 with an empty body"},
	{"create with none free", CREATE, 400,
		"{'code':100,'description':'Temporarily no free instances.'}",
	"retry, not ready: Temporarily no free instances."},
	{"create with none free, with success", CREATE, 200,
		"{'code':'100','description':'Temporarily no free instances.'}",
	"retry, not ready: Temporarily no free instances."},
	{"create with none free, in plain text", CREATE, 400,
		"Temporarily no free instances. Try after a while",
	"retry, not ready: Temporarily no free instances. Try after a while"},
	{"create that could not be saved", CREATE, 400,
		"{'code':200,'description':'Error saving instance.'}",
	"unknown, lost: Error saving instance."},
	{"create that could not be saved, with success", CREATE, 200,
		"{'code':200,'description':'Error saving instance.'}",
	"unknown, lost: Error saving instance."},
	{"create with its code alone", CREATE, 400, "{'code':200}",
	"unknown, lost: {'code':200}"},
	{"create that could not be saved, in plain text", CREATE, 400,
		"Error saving instance. Try creating the instance again.",
		"unknown, lost: Error saving instance. Try creating the instance "
	"again."},
	{"create with another code", CREATE, 200,
	"{'code':1001,'description':'new'}", "unknown, lost: new"},
	{"create with a code that is none", CREATE, 200,
	"{'code':'E1','description':'new'}", "unknown, lost: new"},
	{"create refused with a code", CREATE, 200,
		"{'code':400,'description':'bad request data'}",
	"failed, refused: bad request data"},
	{"create refused", CREATE, 400, "bad request data",
	"failed, refused: bad request data"},
	{"create beyond the tariff", CREATE, 466, "{'correspondentsStatus':{}}",
	"failed, refused: {'correspondentsStatus':{}}"},
	{"create too often", CREATE, 429, "Too Many Requests",
	"retry, busy: Too Many Requests"},
	{"create too often, with success", CREATE, 200,
		"{'code':429,'description':'Too Many Requests'}",
	"retry, busy: Too Many Requests"},
	{"create given up by the client", CREATE, 499, "",
	"unknown, lost: HTTP 499 with an empty body"},
	{"create behind a bad gateway", CREATE, 502, "<html></html>",
	"unknown, lost: HTTP 502 with a page of markup"},
	{"create with a failure inside", CREATE, 200,
		"{'code':500,'description':'Internal Server Error'}",
	"unknown, lost: Internal Server Error"},
	{"create without a token", CREATE, 200, "{'idInstance':1}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create without an id", CREATE, 200, "{'apiTokenInstance':'T'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with an id that is none", CREATE, 200,
		"{'idInstance':0,'apiTokenInstance':'T'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create of another provider", CREATE, 200, "{'id':'I','token':'T'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with an empty object", CREATE, 200, "{}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with null", CREATE, 200, "null",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with a list", CREATE, 200,
		"[{'idInstance':1,'apiTokenInstance':'T'}]",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with half a body", CREATE, 200, "{'idInstance':1,",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 16"},
	{"create with an empty body", CREATE, 200, "",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 0"},
	{"create with an id and no success", CREATE, 400,
		"{'idInstance':1,'apiTokenInstance':'T'}",
	"unknown, lost: HTTP 400, but with id or token of an instance"}
};

static const JudgeRow delete_rows[] = {
	{"delete", DELETE, 200, "{'deleteInstanceAccount':true}", "done"},
	{"delete refused", DELETE, 200, "{'deleteInstanceAccount':false}",
	"failed, refused: provider answered 'deleteInstanceAccount': false"},
	{"delete what is not there", DELETE, 200, NOT_FOUND,
	"unknown, not found: Not found"},
	{"delete what is not there, at the other host", DELETE, 400, NOT_FOUND,
	"unknown, not found: Not found"},
	{"delete at a wrong base URL", DELETE, 404, "<html></html>",
	"failed, not found: HTTP 404 with a page of markup"},
	{"delete with a wrong token", DELETE, 200, UNAUTHORIZED,
	"failed, credential: Unauthorized"},
	{"delete with an empty object", DELETE, 200, "{}",
	"unknown, lost: answer has no 'deleteInstanceAccount'"},
	{"delete with a word", DELETE, 200, "OK",
	"unknown, lost: HTTP 200, but text is not valid JSON at byte 2"},
	{"delete behind a bad gateway", DELETE, 504, "",
	"unknown, lost: HTTP 504 with an empty body"}
};

static const JudgeRow instance_rows[] = {
	{"disconnect", DISCONNECT, 200, "{'isLogout':true}", "done"},
	{"disconnect refused", DISCONNECT, 200, "{'isLogout':false}",
	"failed, refused: provider answered 'isLogout': false"},
	{"disconnect without a phone", DISCONNECT, 400,
	"instance account not authorized", "done"},
	{"disconnect without a phone, in JSON", DISCONNECT, 400,
	"{'message':'Instance account not authorized'}", "done"},
	{"disconnect at its start", DISCONNECT, 400,
		"instance is starting or not authorized",
	"retry, not ready: instance is starting or not authorized"},
	{"disconnect what is deleted", DISCONNECT, 400, "Instance is deleted",
	"failed, not found: Instance is deleted"},
	{"disconnect with a wrong token", DISCONNECT, 401, "Unauthorized",
	"failed, credential: Unauthorized"},
	{"disconnect by another's confirmation", DISCONNECT, 200,
	"{'isReboot':true}", "unknown, lost: answer has no 'isLogout'"},
	{"reboot", REBOOT, 200, "{'isReboot':true}", "done"},
	{"reboot at its start", REBOOT, 400,
		"instance in starting process try later",
	"retry, not ready: instance in starting process try later"},
	{"reboot without a phone", REBOOT, 400, "instance account not authorized",
	"failed, refused: instance account not authorized"},
	{"change settings", CHANGE, 200, "{'saveSettings':true}", "done"},
	{"change settings too often", CHANGE, 429, "",
	"retry, busy: HTTP 429 with an empty body"},
	{"change settings of what expired", CHANGE, 400,
		"Instance account is expired. Renew your instance from personal area",
		"failed, refused: Instance account is expired. Renew your instance "
	"from personal area"},
	{"change settings with the wrong method", CHANGE, 405, "",
	"failed, protocol: HTTP 405 with an empty body"}
};

static const JudgeRow await_rows[] = {
	{"ready", AWAIT, 200, "{'stateInstance':'notAuthorized'}",
	"done {'connected':false,'state':'notAuthorized'}"},
	{"ready and linked", AWAIT, 200, "{'stateInstance':'authorized'}",
	"done {'connected':true,'state':'authorized'}"},
	{"blocked", AWAIT, 200, "{'stateInstance':'blocked'}",
	"done {'connected':true,'state':'blocked'}"},
	{"asleep", AWAIT, 200, "{'stateInstance':'sleepMode'}",
	"done {'connected':true,'state':'sleepMode'}"},
	{"yellow card", AWAIT, 200, "{'stateInstance':'yellowCard'}",
	"done {'connected':true,'state':'yellowCard'}"},
	{"in a new state", AWAIT, 200, "{'stateInstance':'pendingCode'}",
	"done {'connected':true,'state':'pendingCode'}"},
	{"starting", AWAIT, 200, "{'stateInstance':'starting'}",
	"retry, not ready: instance is starting"},
	{"still being made", AWAIT, 200, "null",
	"retry, not ready: instance is still being made"},
	{"no state", AWAIT, 200, "{}",
	"retry, not ready: answer has no 'stateInstance'"},
	{"empty state", AWAIT, 200, "{'stateInstance':''}",
	"retry, not ready: answer has no 'stateInstance'"},
	{"early expired", AWAIT, 400, "Instance account is expired.",
	"retry, not ready: Instance account is expired."},
	{"early starting", AWAIT, 400, "instance in starting process try later",
	"retry, not ready: instance in starting process try later"},
	{"early unauthorized", AWAIT, 401, "Unauthorized",
	"retry, not ready: Unauthorized"},
	{"early unauthorized, with success", AWAIT, 200, UNAUTHORIZED,
	"retry, not ready: Unauthorized"},
	{"early forbidden", AWAIT, 403, "",
	"retry, not ready: HTTP 403 with an empty body"},
	{"early not found", AWAIT, 200, NOT_FOUND, "retry, not ready: Not found"},
	{"deleted while it is waited for", AWAIT, 400, "Instance is deleted",
	"failed, not found: Instance is deleted"},
	{"a state that cannot be read", AWAIT, 200, "<html></html>",
	"retry, lost: HTTP 200, but text is not valid JSON at byte 1"},
	{"a state behind a bad gateway", AWAIT, 502, "",
	"retry, lost: HTTP 502 with an empty body"}
};

static void
test_judge(const void *data)
{
	const JudgeRow *row = data;
	Judgement	judgement;
	char	   *verdict;

	judgement.action = action_of(row->kind, NULL);
	judgement.response = answer_of(row->status, row->body);
	judge_greenapi(&judgement);
	verdict = verdict_text(&judgement.verdict);
	assert_text(verdict, quoted(row->expected));
}

/* ---- settings that were asked for ---- */

typedef struct SettingsRow
{
	const char *name;
	const char *asked;
	const char *found;
	const char *expected;
} SettingsRow;

static const SettingsRow settings_rows[] = {
	{"kept", "{'stateWebhook':true,'webhookUrl':'https://h/?k=1',"
		"'delaySendMessagesMilliseconds':500}",
		"{'wid':'','stateWebhook':'yes','webhookUrl':'https://h/?k=1',"
	"'delaySendMessagesMilliseconds':500,'other':1}", "{}"},
	{"kept in other types", "{'stateWebhook':'yes','deviceWebhook':false,"
		"'delaySendMessagesMilliseconds':500}",
		"{'stateWebhook':true,'deviceWebhook':'no',"
	"'delaySendMessagesMilliseconds':'500'}", "{}"},
	{"nothing asked", "{}", "{'stateWebhook':'no'}", "{}"},
	{"given for good", "{'countryInstance':'us','typeInstance':'whatsapp'}",
	"{'countryInstance':'','stateWebhook':'no'}", "{}"},
	{"another switch", "{'stateWebhook':true,'deviceWebhook':true}",
		"{'stateWebhook':'no','deviceWebhook':'yes'}",
	"{'stateWebhook':{'asked':'yes','found':'no'}}"},
	{"another number", "{'delaySendMessagesMilliseconds':500}",
		"{'delaySendMessagesMilliseconds':3000}",
	"{'delaySendMessagesMilliseconds':{'asked':500,'found':3000}}"},
	{"one that is not told", "{'incomingBlockWebhook':false}", "{'wid':''}",
	"{'incomingBlockWebhook':{'asked':'no'}}"},
	{"another token", "{'webhookUrlToken':'SECRET'}",
		"{'webhookUrlToken':'SECRET2'}",
	"{'webhookUrlToken':{'secret':true}}"},
	{"another URL", "{'webhookUrl':'https://u:SECRET@h/a?k=SECRET'}",
		"{'webhookUrl':'https://g/?k=SECRET'}",
	"{'webhookUrl':{'asked':'https://h/a','found':'https://g/'}}"},
	{"another key in the URL", "{'webhookUrl':'https://h/?k=SECRET'}",
		"{'webhookUrl':'https://h/'}",
	"{'webhookUrl':{'asked':'https://h/','found':'https://h/'}}"}
};

static void
test_settings(const void *data)
{
	const SettingsRow *row = data;
	char	   *arguments = psprintf("{'settings':%s}", row->asked);
	Judgement	judgement;
	char	   *expected;

	judgement.action = action_of(CHECK, arguments);
	judgement.response = answer_of(200, row->found);
	judge_greenapi(&judgement);
	expected = psprintf("done {'settings_differ':%s}", row->expected);
	assert_text(verdict_text(&judgement.verdict), quoted(expected));
	/* the arguments are borrowed */
	assert_text(partner_api_json_print(judgement.action.arguments),
				quoted(arguments));
}

static const JudgeRow no_settings_rows[] = {
	{"no settings", CHECK, 200, "{}",
	"retry, not ready: answer has no settings"},
	{"settings of null", CHECK, 200, "null",
	"retry, not ready: answer has no settings"},
	{"settings with a wrong token", CHECK, 401, "Unauthorized",
	"failed, credential: Unauthorized"},
	{"settings with a wrong token, with success", CHECK, 200, UNAUTHORIZED,
	"failed, credential: Unauthorized"},
	{"settings at a start", CHECK, 400,
		"instance in starting process try later",
	"retry, not ready: instance in starting process try later"},
	{"settings that were lost", CHECK, 500, "",
	"retry, lost: HTTP 500 with an empty body"}
};

/* ---- what tables do not show ---- */

/*
 * A token must not be sent to where an answer points without being a base
 * URL: the instance is there all the same.
 */
static void
test_bad_urls(const void *unused)
{
	static const char *const urls[] = {
		"http://h", "https://", "https:///a", "https://u@h", "https://u:p@h",
		"https://h/?a", "https://h/#a", "https://h/../a", "https://h:x",
		"https://h/%2e", "https://h\\\\g", "ftp://h", "h", "https://h a",
		"https://h:443@g"
	};

	for (size_t i = 0; i < lengthof(urls); i++)
	{
		Judgement	judgement;

		judgement.action = action_of(CREATE, NULL);
		judgement.response = answer_of(200, psprintf("{'idInstance':1,"
													 "'apiTokenInstance':'T',"
													 "'apiUrl':'%s'}",
													 urls[i]));
		judge_greenapi(&judgement);
		assert_text(verdict_text(&judgement.verdict), "done id=1 token=T");
	}
}

typedef struct PauseRow
{
	const char *name;
	PartnerApiKind kind;
	const char *body;
	int64		told_ms;
	int64		pause_ms;
} PauseRow;

static const PauseRow pause_rows[] = {
	{"pause until some are free", CREATE,
	"{'code':100,'description':'no free instances'}", -1, 60000},
	{"longer pause as told", CREATE,
	"{'code':100,'description':'no free instances'}", 90000, 90000},
	{"pause of what is waited for", AWAIT, "null", -1, 5000},
	{"no pause", CREATE, "{'code':400,'description':'no'}", -1, -1}
};

static void
test_pause(const void *data)
{
	const PauseRow *row = data;
	Judgement	judgement;

	judgement.action = action_of(row->kind, NULL);
	judgement.response = answer_of(200, row->body);
	judgement.response.retry_after_ms = row->told_ms;
	judge_greenapi(&judgement);
	assert_int_equal(judgement.verdict.retry_after_ms, row->pause_ms);
}

/*
 * The message of an answer that half tells of an instance must not spread
 * the token in it.
 */
static void
test_token_is_not_repeated(const void *unused)
{
	static const int statuses[] = {200, 400};

	for (size_t i = 0; i < lengthof(statuses); i++)
	{
		Judgement	judgement;

		judgement.action = action_of(CREATE, NULL);
		judgement.response = answer_of(statuses[i],
									   "{'apiTokenInstance':'SECRET'}");
		judge_greenapi(&judgement);
		assert_null(strstr(judgement.verdict.message, "SECRET"));
	}
}

static void
test_judge_without_memory(const void *unused)
{
	Judgement	judgement;

	judgement.action = action_of(CREATE, NULL);
	judgement.response = answer_of(200, "{'idInstance':18446744073709551615,"
								   "'apiTokenInstance':'T','apiUrl':"
								   "'https://h','typeInstance':'v3'}");
	assert_survives_no_memory(judge_greenapi, &judgement);
	judgement.response = answer_of(200, UNAUTHORIZED);
	assert_survives_no_memory(judge_greenapi, &judgement);
	judgement.action = action_of(CHECK, "{'settings':{'stateWebhook':true,"
								 "'webhookUrl':'https://h/?k'}}");
	judgement.response = answer_of(200, "{'stateWebhook':'no'}");
	assert_survives_no_memory(judge_greenapi, &judgement);
	judgement.action = action_of(AWAIT, NULL);
	judgement.response = answer_of(200, "{'stateInstance':'authorized'}");
	assert_survives_no_memory(judge_greenapi, &judgement);
}

int
main(void)
{
	add_table(test_judge, create_rows);
	add_table(test_judge, delete_rows);
	add_table(test_judge, instance_rows);
	add_table(test_judge, await_rows);
	add_table(test_settings, settings_rows);
	add_table(test_judge, no_settings_rows);
	add_test("URLs that are none", test_bad_urls);
	add_table(test_pause, pause_rows);
	add_test("token is not repeated", test_token_is_not_repeated);
	add_test("judge without memory", test_judge_without_memory);
	return run_suite("greenapi judge");
}
