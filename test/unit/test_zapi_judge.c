/*-------------------------------------------------------------------------
 *
 * test_zapi_judge.c
 *	  Unit tests of zapi_judge.c: what an answer to an action proves.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define CREATE PARTNER_API_CREATE_INSTANCE
#define SIGN PARTNER_API_SIGN_INSTANCE
#define UPDATE PARTNER_API_UPDATE_SUBSCRIPTION
#define CANCEL PARTNER_API_CANCEL_INSTANCE
#define DELETE PARTNER_API_DELETE_INSTANCE
#define DISCONNECT PARTNER_API_DISCONNECT_INSTANCE
#define REBOOT PARTNER_API_REBOOT_INSTANCE

typedef struct JudgeRow
{
	const char *name;
	PartnerApiKind kind;
	int			status;
	const char *body;
	const char *expected;
} JudgeRow;

static const JudgeRow create_rows[] = {
	{"create", CREATE, 200, "{'id':'I','token':'T','due':1648565999675}",
	"done id=I token=T due=1648565999675"},
	{"create, as it was once documented", CREATE, 201,
		"{'id':'I','token':'T','due':'1648565999675'}",
	"done id=I token=T due=1648565999675"},
	{"create with unknown keys", CREATE, 200,
		"{'id':'I','token':'T','due':1648565999675,'x':[{'id':'J'}]}",
	"done id=I token=T due=1648565999675"},
	{"create without due", CREATE, 200, "{'id':'I','token':'T'}",
	"done id=I token=T"},
	{"create with due of null", CREATE, 200,
	"{'id':'I','token':'T','due':null}", "done id=I token=T"},
	{"create with due in seconds", CREATE, 200,
	"{'id':'I','token':'T','due':1648565999}", "done id=I token=T"},
	{"create with due in microseconds", CREATE, 200,
	"{'id':'I','token':'T','due':1648565999675000}", "done id=I token=T"},
	{"create with due in words", CREATE, 200,
	"{'id':'I','token':'T','due':'tomorrow'}", "done id=I token=T"},
	{"create with due as a date", CREATE, 200,
	"{'id':'I','token':'T','due':'2022-03-29'}", "done id=I token=T"},
	{"create with due as a real", CREATE, 200,
	"{'id':'I','token':'T','due':1648565999675.5}", "done id=I token=T"},
	{"create with due below zero", CREATE, 200,
	"{'id':'I','token':'T','due':-1648565999675}", "done id=I token=T"},
	{"create with due of the wrong type", CREATE, 200,
	"{'id':'I','token':'T','due':{}}", "done id=I token=T"},
	{"create with an error of null", CREATE, 200,
	"{'id':'I','token':'T','error':null}", "done id=I token=T"},
	{"create with an empty error", CREATE, 200,
	"{'id':'I','token':'T','error':''}", "done id=I token=T"},
	{"create that complains, but tells id and token", CREATE, 200,
	"{'id':'I','token':'T','error':'webhook'}", "done id=I token=T"},
	{"create refused with a success status", CREATE, 200,
	"{'error':'quota used up'}", "failed, refused: quota used up"},
	{"create that complains and tells half", CREATE, 200,
		"{'id':'I','error':'timeout'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create without a token", CREATE, 200, "{'id':'I'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create without an id", CREATE, 200, "{'token':'T'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with an empty id", CREATE, 200, "{'id':'','token':'T'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with an empty token", CREATE, 200, "{'id':'I','token':''}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with a number for an id", CREATE, 200, "{'id':7,'token':'T'}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with an empty object", CREATE, 200, "{}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with a wrapped answer", CREATE, 200,
		"{'data':{'id':'I','token':'T'}}",
	"unknown, lost: answer has no id and token of an instance"},
	{"create with an empty body", CREATE, 200, "",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 0"},
	{"create with half a body", CREATE, 200, "{'id':'I','token':'T",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 20"},
	{"create with a page", CREATE, 200, "<html></html>",
	"unknown, lost: HTTP 200, but text is not valid JSON at byte 1"},
	{"create with OK", CREATE, 201, "OK",
	"unknown, lost: HTTP 201, but text is not valid JSON at byte 2"},
	{"create with an array", CREATE, 200, "[{'id':'I','token':'T'}]",
	"unknown, lost: HTTP 200, but JSON value is no object"},
	{"create with a string", CREATE, 200, "'I'",
	"unknown, lost: HTTP 200, but JSON value is no object"},
	{"create with invalid UTF-8", CREATE, 200,
		"{'id':'I\xFF','token':'T'}",
	"unknown, lost: HTTP 200, but JSON text is not valid UTF-8 at byte 8"},
	{"create refused", CREATE, 400, "{'error':'name is required'}",
	"failed, refused: name is required"},
	{"create refused with a message", CREATE, 422, "{'message':'bad name'}",
	"failed, refused: bad name"},
	{"create refused in plain text", CREATE, 402, "Payment Required\n",
	"failed, refused: Payment Required"},
	{"create refused with a page", CREATE, 400, "<html></html>",
	"failed, refused: HTTP 400 with a page of markup"},
	{"create refused with nothing", CREATE, 409, "",
	"failed, refused: HTTP 409 with an empty body"},
	{"create refused, never mind an id", CREATE, 400,
		"{'id':'I','token':'T'}",
	"failed, refused: {\"id\":\"I\",\"token\":\"T\"}"},
	{"create at a wrong base URL", CREATE, 404, "<html></html>",
	"failed, not found: HTTP 404 with a page of markup"},
	{"create in words that are another call's", CREATE, 400,
	"{'error':'plan not found'}", "failed, refused: plan not found"},
	{"create is never done by being paid", CREATE, 400,
	"{'error':'already paid'}", "failed, refused: already paid"},
	{"create from an address not listed", CREATE, 400,
		"{'error':'[203.0.113.7] not allowed'}",
	"failed, credential: [203.0.113.7] not allowed"},
	{"create from an address not listed, with success", CREATE, 200,
		"{'error':'[203.0.113.7] not allowed'}",
	"failed, credential: [203.0.113.7] not allowed"}
};

static const JudgeRow sign_rows[] = {
	{"sign with an empty body", SIGN, 201, "", "done"},
	{"sign with OK", SIGN, 201, "OK", "done"},
	{"sign with ok and a line break", SIGN, 201, "ok\r\n", "done"},
	{"sign with OK in JSON", SIGN, 200, "'OK'", "done"},
	{"sign with null", SIGN, 200, "null", "done"},
	{"sign with true", SIGN, 200, "true", "done"},
	{"sign without content", SIGN, 204, "", "done"},
	{"sign with an empty object", SIGN, 201, "{}", "done"},
	{"sign with due", SIGN, 201, "{'due':1648565999675}",
	"done due=1648565999675"},
	{"sign with due as a string", SIGN, 201, "{'due':'1648565999675'}",
	"done due=1648565999675"},
	{"sign with due in seconds", SIGN, 201, "{'due':1648565999}", "done"},
	{"sign with an empty error", SIGN, 201, "{'error':''}", "done"},
	{"sign with an error of null", SIGN, 201, "{'error':null}", "done"},
	{"sign with an error of false", SIGN, 201, "{'error':false}", "done"},
	{"sign twice", SIGN, 400, "{'error':'Instance is already paid'}", "done"},
	{"sign twice, in any case", SIGN, 409,
	"{'message':'ALREADY subscribed and Paid'}", "done"},
	{"sign twice, with success", SIGN, 200,
	"{'error':'this instance has already been paid'}", "done"},
	{"sign twice, in plain text", SIGN, 400, "already paid", "done"},
	{"sign something else already", SIGN, 400,
		"{'error':'already canceled'}",
	"failed, refused: already canceled"},
	{"sign unpaid", SIGN, 400, "{'error':'last invoice is not paid'}",
	"failed, refused: last invoice is not paid"},
	{"sign refused with success", SIGN, 200, "{'error':'trial is over'}",
	"failed, refused: trial is over"},
	{"sign refused with success and a flag", SIGN, 200,
		"{'error':true,'message':'trial is over'}",
	"failed, refused: trial is over"},
	{"sign refused by its value", SIGN, 200, "{'value':false}",
	"failed, refused: {\"value\":false}"},
	{"sign refused by its success", SIGN, 200, "{'success':false}",
	"failed, refused: {\"success\":false}"},
	{"sign an unknown instance", SIGN, 404, "{'error':'Instance not found'}",
	"failed, not found: Instance not found"},
	{"sign an unknown instance, with another status", SIGN, 400,
	"{'error':'Instance Not Found'}", "failed, not found: Instance Not Found"},
	{"sign with a page", SIGN, 200, "<html>OK</html>",
	"unknown, lost: HTTP 200, but text is not valid JSON at byte 1"},
	{"sign with half a body", SIGN, 201, "{'error':'tri",
	"unknown, lost: HTTP 201, but JSON text ends too early at byte 13"},
	{"sign with an unknown word", SIGN, 201, "queued",
	"unknown, lost: HTTP 201, but text is not valid JSON at byte 6"},
	{"sign with an array", SIGN, 201, "[]",
	"unknown, lost: HTTP 201, but JSON value is no object"},
	{"sign with false", SIGN, 201, "false",
	"unknown, lost: HTTP 201, but JSON value is no object"},
	{"add calls", UPDATE, 201, "", "done"},
	{"add calls on an unknown path", UPDATE, 404, "",
	"failed, not found: HTTP 404 with an empty body"},
	{"add calls that are there", UPDATE, 400, "{'error':'already paid'}",
	"failed, refused: already paid"}
};

static const JudgeRow other_rows[] = {
	{"cancel with an empty body", CANCEL, 201, "", "done"},
	{"cancel with due", CANCEL, 201, "{'due':1648565999675}",
	"done due=1648565999675"},
	{"cancel an unknown instance", CANCEL, 404, "",
	"failed, not found: HTTP 404 with an empty body"},
	{"cancel an unknown instance, in words", CANCEL, 400,
	"{'message':'no: not found'}", "failed, not found: no: not found"},
	{"cancel an unknown instance, with success", CANCEL, 200,
	"{'error':'not found'}", "failed, not found: not found"},
	{"cancel refused", CANCEL, 400, "{'error':'already canceled'}",
	"failed, refused: already canceled"},
	{"cancel is not done by being paid", CANCEL, 400,
	"{'error':'already paid'}", "failed, refused: already paid"},
	{"delete with an empty body", DELETE, 200, "", "done"},
	{"delete without content", DELETE, 204, "", "done"},
	{"delete in trial", DELETE, 400, "{'error':'instance is in trial'}",
	"failed, refused: instance is in trial"},
	{"delete too early", DELETE, 200,
		"{'error':'40 days must pass after the cancellation'}",
	"failed, refused: 40 days must pass after the cancellation"},
	{"delete what does not let itself be deleted", DELETE, 400,
		"{'error':'deletion of a paid instance is not allowed'}",
	"failed, refused: deletion of a paid instance is not allowed"},
	{"delete an unknown instance", DELETE, 404, "{'error':'not found'}",
	"failed, not found: not found"},
	{"disconnect", DISCONNECT, 200, "{'value':true}", "done"},
	{"disconnect with an empty body", DISCONNECT, 200, "", "done"},
	{"disconnect refused", DISCONNECT, 200, "{'value':false}",
	"failed, refused: {\"value\":false}"},
	{"disconnect after the trial", DISCONNECT, 400,
		"{'error':'To continue sending a message, you must subscribe to this "
		"instance again'}",
		"failed, refused: To continue sending a message, you must subscribe "
	"to this instance again"},
	{"disconnect without a client token", DISCONNECT, 400,
		"{'error':'your client-token is not configured'}",
	"failed, credential: your client-token is not configured"},
	{"disconnect without a client token, as documented", DISCONNECT, 400,
	"{'error':'null not allowed'}", "failed, credential: null not allowed"},
	{"disconnect with a wrong client token", DISCONNECT, 400,
		"{'error':'Client-Token XYZ not allowed'}",
	"failed, credential: Client-Token XYZ not allowed"},
	{"disconnect with bad credentials", DISCONNECT, 400,
	"{'error':'Bad Credentials'}", "failed, credential: Bad Credentials"},
	{"reboot", REBOOT, 200, "{'value':true}", "done"},
	{"reboot refused", REBOOT, 200, "{'value':false}",
	"failed, refused: {\"value\":false}"},
	{"reboot what does not exist", REBOOT, 400,
	"{'error':'Instance not found'}", "failed, not found: Instance not found"}
};

static void
test_judge(const void *data)
{
	const JudgeRow *row = data;
	Judgement	judgement;

	judgement.action = action_of(row->kind, "{'with_calls':true}");
	judgement.response = answer_of(row->status, row->body);
	judge_zapi(&judgement);
	assert_text(verdict_text(&judgement.verdict), row->expected);
}

/*
 * The message of an answer that half tells of an instance must not spread
 * the token in it.
 */
static void
test_token_is_not_repeated(const void *unused)
{
	Judgement	judgement;

	judgement.action = action_of(CREATE, "{'name':'a'}");
	judgement.response = answer_of(200, "{'token':'SECRET'}");
	judge_zapi(&judgement);
	assert_null(strstr(judgement.verdict.message, "SECRET"));
	judgement.response = answer_of(200, "{'token':'SECRET");
	judge_zapi(&judgement);
	assert_null(strstr(judgement.verdict.message, "SECRET"));
}

static void
test_judge_without_memory(const void *unused)
{
	Judgement	judgement;

	judgement.action = action_of(CREATE, "{'name':'a'}");
	judgement.response = answer_of(200, "{'id':'I','token':'T','due':'1'}");
	assert_survives_no_memory(judge_zapi, &judgement);
	judgement.response = answer_of(400, "{'error':'no'}");
	assert_survives_no_memory(judge_zapi, &judgement);
	judgement.action = action_of(SIGN, NULL);
	judgement.response = answer_of(200, "{'value':false}");
	assert_survives_no_memory(judge_zapi, &judgement);
}

int
main(void)
{
	add_table(test_judge, create_rows);
	add_table(test_judge, sign_rows);
	add_table(test_judge, other_rows);
	add_test("token is not repeated", test_token_is_not_repeated);
	add_test("judge without memory", test_judge_without_memory);
	return run_suite("zapi judge");
}
