/*-------------------------------------------------------------------------
 *
 * test_greenapi_build.c
 *	  Unit tests of greenapi.c and of the other builders: what is sent, and
 *	  where to.
 *
 * Requests are compared as a whole: both tokens are in paths, and each must
 * go to its own host.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"

#define JSON "\nContent-Type: application/json\n\n"
#define HOST "https://1101.api.greenapi.com"
#define INSTANCE "/waInstance1101728000"

static PartnerApiAction
instance_action(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = action_of(kind, arguments);

	if (action.instance_id != NULL)
		action.instance_id = "1101728000";
	return action;
}

/* ---- actions ---- */

typedef struct BuildRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	const char *expected;
} BuildRow;

static const BuildRow build_rows[] = {
	{"create with a name alone", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme'}",
	"POST /partner/createInstance/PARTNER" JSON "{'name':'Acme'}"},
	{"create with empty settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{}}",
	"POST /partner/createInstance/PARTNER" JSON "{'name':'Acme'}"},
	{"create with switches", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{'stateWebhook':true,"
		"'incomingWebhook':false,'outgoingWebhook':'yes',"
		"'deviceWebhook':'no'}}",
		"POST /partner/createInstance/PARTNER" JSON
		"{'stateWebhook':'yes','incomingWebhook':'no',"
	"'outgoingWebhook':'yes','deviceWebhook':'no','name':'Acme'}"},
	{"create with other settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{'delaySendMessagesMilliseconds':500,"
		"'webhookUrl':'https://h/?k=1','countryInstance':'us'}}",
		"POST /partner/createInstance/PARTNER" JSON
		"{'delaySendMessagesMilliseconds':500,'webhookUrl':'https://h/?k=1',"
	"'countryInstance':'us','name':'Acme'}"},
	{"name is not taken from the settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{'name':'Evil'}}",
	"POST /partner/createInstance/PARTNER" JSON "{'name':'Acme'}"},
	{"delete", PARTNER_API_DELETE_INSTANCE, "{}",
		"POST /partner/deleteInstanceAccount/PARTNER" JSON
	"{'idInstance':1101728000}"},
	{"disconnect", PARTNER_API_DISCONNECT_INSTANCE, "{}",
	"GET " HOST INSTANCE "/logout/TOKEN"},
	{"reboot", PARTNER_API_REBOOT_INSTANCE, "{}",
	"GET " HOST INSTANCE "/reboot/TOKEN"},
	{"change settings", PARTNER_API_CHANGE_SETTINGS,
		"{'settings':{'stateWebhook':true,'webhookUrl':''}}",
		"POST " HOST INSTANCE "/setSettings/TOKEN" JSON
	"{'stateWebhook':'yes','webhookUrl':''}"},
	{"wait", PARTNER_API_AWAIT_INSTANCE, "{}",
	"GET " HOST INSTANCE "/getStateInstance/TOKEN"},
	{"check settings", PARTNER_API_CHECK_SETTINGS,
		"{'settings':{'stateWebhook':true}}",
	"GET " HOST INSTANCE "/getSettings/TOKEN"}
};

static void
test_build(const void *data)
{
	const BuildRow *row = data;
	PartnerApiAction action = instance_action(row->kind, row->arguments);
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_greenapi.build(&action, &credential, &request);
	assert_text(request_text(&request), quoted(row->expected));
}

static void
test_create_with_nonce(const void *unused)
{
	PartnerApiAction action = instance_action(PARTNER_API_CREATE_INSTANCE,
											  "{'name':'Acme'}");
	PartnerApiRequest request;

	action.nonce = "n-1";
	partner_api_greenapi.build(&action, &credential, &request);
	assert_text(request.body, "{\"name\":\"Acme [n-1]\"}");
}

/*
 * A delete needs no token: the list may not show it any more.
 */
static void
test_delete_without_token(const void *unused)
{
	PartnerApiAction action = instance_action(PARTNER_API_DELETE_INSTANCE,
											  NULL);
	PartnerApiRequest request;

	action.instance_token = NULL;
	action.instance_id = "18446744073709551615";
	partner_api_greenapi.build(&action, &credential, &request);
	assert_text(request.body, "{\"idInstance\":18446744073709551615}");
}

static void
build_action(void *action)
{
	PartnerApiRequest request;

	partner_api_greenapi.build(action, &credential, &request);
}

static void
test_missing_token(const void *unused)
{
	PartnerApiAction action = instance_action(PARTNER_API_DISCONNECT_INSTANCE,
											  NULL);

	action.instance_token = NULL;
	assert_non_null(backend_catch(build_action, &action));
	action = instance_action(PARTNER_API_REBOOT_INSTANCE, NULL);
	action.instance_id = NULL;
	assert_non_null(backend_catch(build_action, &action));
}

/*
 * The arguments are borrowed: a switch among them stays a boolean.
 */
static void
test_arguments_are_borrowed(const void *unused)
{
	PartnerApiAction action;
	PartnerApiRequest request;

	action = instance_action(PARTNER_API_CREATE_INSTANCE,
							 "{'name':'Acme','settings':"
							 "{'stateWebhook':true}}");
	action.nonce = "n-1";
	partner_api_greenapi.build(&action, &credential, &request);
	assert_text(partner_api_json_print(action.arguments),
				quoted("{'name':'Acme','settings':{'stateWebhook':true}}"));
}

/* ---- hosts ---- */

typedef struct HostRow
{
	const char *name;
	const char *id;
	const char *url;			/* as told; NULL for none */
	const char *expected;
} HostRow;

static const HostRow host_rows[] = {
	{"host of ten digits", "7107000001", NULL,
	"GET https://7107.api.greenapi.com/waInstance7107000001/reboot/TOKEN"},
	{"host of twelve digits", "710700000123", NULL,
	"GET https://7107.api.greenapi.com/waInstance710700000123/reboot/TOKEN"},
	{"host of four digits", "7107", NULL,
	"GET https://7107.api.greenapi.com/waInstance7107/reboot/TOKEN"},
	{"host of too few digits", "710", NULL,
	"GET /waInstance710/reboot/TOKEN"},
	{"host as told", "7107000001", "https://3100.api.green-api.com/v3",
		"GET https://3100.api.green-api.com/v3/waInstance7107000001/reboot"
	"/TOKEN"}
};

static void
test_host(const void *data)
{
	const HostRow *row = data;
	PartnerApiAction action = action_of(PARTNER_API_REBOOT_INSTANCE, NULL);
	PartnerApiRequest request;

	action.instance_id = row->id;
	action.instance_url = row->url;
	partner_api_greenapi.build(&action, &credential, &request);
	assert_text(request_text(&request), row->expected);
}

/* ---- lists and reads ---- */

static void
test_build_list(const void *unused)
{
	const PartnerApiFilter filter = {.query = "a",.middleware = "whatsapp"};
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_greenapi.build_list(&filter, 1, &credential, &request);
	assert_text(request_text(&request), "GET /partner/getInstances/PARTNER");
}

typedef struct ReadRow
{
	const char *name;
	PartnerApiRead read;
	const char *parameter;
	const char *expected;
} ReadRow;

static const ReadRow read_rows[] = {
	{"status", PARTNER_API_READ_STATUS, NULL,
	"GET " HOST INSTANCE "/getStateInstance/TOKEN"},
	{"QR", PARTNER_API_READ_QR, NULL, "GET " HOST INSTANCE "/qr/TOKEN"},
	{"phone code", PARTNER_API_READ_PHONE_CODE, "5511999990000",
		"POST " HOST INSTANCE "/getAuthorizationCode/TOKEN" JSON
	"{'phoneNumber':5511999990000}"},
	{"settings", PARTNER_API_READ_SETTINGS, NULL,
	"GET " HOST INSTANCE "/getSettings/TOKEN"}
};

static void
test_build_read(const void *data)
{
	const ReadRow *row = data;
	const PartnerApiTarget target = {"1101728000", "TOKEN", NULL};
	PartnerApiReadResult result;
	PartnerApiRequest request;

	assert_false(partner_api_greenapi.answer_read(row->read, &target,
												  &result));
	memset(&request, 0x7F, sizeof(request));
	partner_api_greenapi.build_read(row->read, &target, row->parameter,
									&credential, &request);
	assert_text(request_text(&request), quoted(row->expected));
}

/* ---- what it can do ---- */

static void
test_supports(const void *unused)
{
	static const PartnerApiKind kinds[] = {
		PARTNER_API_CREATE_INSTANCE, PARTNER_API_DELETE_INSTANCE,
		PARTNER_API_DISCONNECT_INSTANCE, PARTNER_API_REBOOT_INSTANCE,
		PARTNER_API_CHANGE_SETTINGS, PARTNER_API_AWAIT_INSTANCE,
		PARTNER_API_CHECK_SETTINGS
	};
	const char *hint;
	int			count = 0;

	for (size_t i = 0; i < lengthof(kinds); i++)
		assert_true(partner_api_greenapi.supports(kinds[i], &hint));
	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		if (partner_api_greenapi.supports(kind, &hint))
			count++;
		else
			assert_true(hint[strlen(hint) - 1] == '.');
	}
	assert_int_equal(count, lengthof(kinds));
}

static void
test_needs_token(const void *unused)
{
	bool		(*needs_token) (PartnerApiKind kind);

	needs_token = partner_api_greenapi.needs_token;
	assert_false(needs_token(PARTNER_API_CREATE_INSTANCE));
	assert_false(needs_token(PARTNER_API_DELETE_INSTANCE));
	assert_true(needs_token(PARTNER_API_DISCONNECT_INSTANCE));
}

static void
test_build_without_memory(const void *unused)
{
	PartnerApiAction action;

	action = instance_action(PARTNER_API_CREATE_INSTANCE,
							 "{'name':'a','settings':{'stateWebhook':true}}");
	assert_survives_no_memory(build_action, &action);
	action = instance_action(PARTNER_API_CHANGE_SETTINGS,
							 "{'settings':{'stateWebhook':true}}");
	assert_survives_no_memory(build_action, &action);
}

int
main(void)
{
	add_table(test_build, build_rows);
	add_test("create with a nonce", test_create_with_nonce);
	add_test("delete without a token", test_delete_without_token);
	add_test("missing token", test_missing_token);
	add_test("arguments are borrowed", test_arguments_are_borrowed);
	add_table(test_host, host_rows);
	add_test("list", test_build_list);
	add_table(test_build_read, read_rows);
	add_test("what it supports", test_supports);
	add_test("what needs a token", test_needs_token);
	add_test("build without memory", test_build_without_memory);
	return run_suite("greenapi build");
}
