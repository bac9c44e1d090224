/*-------------------------------------------------------------------------
 *
 * test_zapi_build.c
 *	  Unit tests of zapi.c and of the other builders: what is sent.
 *
 * Requests are compared as a whole, so that a header too many is found too:
 * a token in the wrong place is the commonest mistake with this provider.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define PARTNER_GET "\nAuthorization: Bearer PARTNER"
#define PARTNER_PUT PARTNER_GET "\nContent-Type: application/json"
#define CLIENT "\nClient-Token: CLIENT"

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
	"POST /instances/integrator/on-demand" PARTNER_PUT "\n\n{'name':'Acme'}"},
	{"create with empty settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{}}",
	"POST /instances/integrator/on-demand" PARTNER_PUT "\n\n{'name':'Acme'}"},
	{"create with settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{'isDevice':false,'sessionName':'S'}}",
		"POST /instances/integrator/on-demand" PARTNER_PUT
	"\n\n{'isDevice':false,'sessionName':'S','name':'Acme'}"},
	{"create with what JSON escapes", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a\\\\b\\u0022/\xC3\xA3\\u0001'}",
		"POST /instances/integrator/on-demand" PARTNER_PUT
	"\n\n{'name':'a\\\\b\\'/\xC3\xA3\\u0001'}"},
	{"name is not taken from the settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{'name':'Evil'}}",
	"POST /instances/integrator/on-demand" PARTNER_PUT "\n\n{'name':'Acme'}"},
	{"sign without a word of calls", PARTNER_API_SIGN_INSTANCE, "{}",
		"POST /instances/ID/token/TOKEN/integrator/on-demand/subscription"
	PARTNER_PUT},
	{"sign without calls", PARTNER_API_SIGN_INSTANCE, "{'with_calls':false}",
		"POST /instances/ID/token/TOKEN/integrator/on-demand/subscription"
	PARTNER_PUT},
	{"sign with calls", PARTNER_API_SIGN_INSTANCE, "{'with_calls':true}",
		"POST /instances/ID/token/TOKEN/integrator/on-demand/subscription"
	PARTNER_PUT "\n\n{'withCalls':true}"},
	{"add calls", PARTNER_API_UPDATE_SUBSCRIPTION, "{'with_calls':true}",
		"PUT /instances/ID/token/TOKEN/integrator/on-demand/subscription"
	"/update" PARTNER_PUT "\n\n{'withCalls':true}"},
	{"cancel", PARTNER_API_CANCEL_INSTANCE, "{}",
		"POST /instances/ID/token/TOKEN/integrator/on-demand/cancel"
	PARTNER_PUT},
	{"delete", PARTNER_API_DELETE_INSTANCE, "{}",
		"DELETE /instances/ID/token/TOKEN/integrator/on-demand/delete"
	PARTNER_GET},
	{"disconnect", PARTNER_API_DISCONNECT_INSTANCE, "{}",
	"GET /instances/ID/token/TOKEN/disconnect" CLIENT},
	{"reboot", PARTNER_API_REBOOT_INSTANCE, "{}",
	"GET /instances/ID/token/TOKEN/restart" CLIENT}
};

static void
test_build(const void *data)
{
	const BuildRow *row = data;
	PartnerApiAction action = action_of(row->kind, row->arguments);
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_zapi.build(&action, &credential, &request);
	assert_text(request_text(&request), quoted(row->expected));
}

static void
test_create_with_nonce(const void *unused)
{
	PartnerApiAction action = action_of(PARTNER_API_CREATE_INSTANCE,
										"{'name':'Acme'}");
	PartnerApiRequest request;

	action.nonce = "n-1";
	partner_api_zapi.build(&action, &credential, &request);
	assert_text(request.body, "{\"name\":\"Acme [n-1]\"}");
}

/*
 * The action is borrowed: its name stays as it is, and what the body shares
 * with it has one more owner.
 */
static void
test_arguments_are_borrowed(const void *unused)
{
	PartnerApiAction action = action_of(PARTNER_API_CREATE_INSTANCE,
										"{'name':'Acme',"
										"'settings':{'sessionName':'S'}}");
	json_t	   *settings = json_object_get(action.arguments, "settings");
	PartnerApiRequest request;

	action.nonce = "n-1";
	partner_api_zapi.build(&action, &credential, &request);
	assert_text(json_string_value(json_object_get(action.arguments, "name")),
				"Acme");
	assert_int_equal(json_object_size(settings), 1);
	assert_int_equal(json_object_get(settings, "sessionName")->refcount, 2);
}

static void
test_batch(const void *unused)
{
	PartnerApiAction action = action_of(PARTNER_API_DELETE_INSTANCES,
										"{'instance_ids':['B','A']}");
	PartnerApiRequest request;

	action.tokens = json_of("{'A':'TA','B':'TB','C':'TC'}");
	partner_api_zapi.build(&action, &credential, &request);
	assert_text(request_text(&request),
				quoted("POST /instances/integrator/on-demand/batch-delete"
					   PARTNER_PUT
					   "\n\n{'instances':[{'id':'B','token':'TB'},"
					   "{'id':'A','token':'TA'}]}"));
}

/*
 * Ids and tokens are handed over as they are; encoding is the transport's.
 */
static void
test_raw_segments(const void *unused)
{
	PartnerApiAction action = action_of(PARTNER_API_CANCEL_INSTANCE, NULL);
	PartnerApiRequest request;

	action.instance_id = "i:\xC3\xA3";
	action.instance_token = "t/+ ?";
	partner_api_zapi.build(&action, &credential, &request);
	assert_int_equal(list_length(request.path), 7);
	assert_text(list_nth(request.path, 1), "i:\xC3\xA3");
	assert_text(list_nth(request.path, 3), "t/+ ?");
}

/*
 * Most accounts do not ask for the client token.
 */
static void
test_without_client_token(const void *unused)
{
	const PartnerApiCredential partner_only = {"PARTNER", NULL};
	PartnerApiAction action = action_of(PARTNER_API_DISCONNECT_INSTANCE, NULL);
	PartnerApiRequest request;

	partner_api_zapi.build(&action, &partner_only, &request);
	assert_text(request_text(&request),
				"GET /instances/ID/token/TOKEN/disconnect");
}

static void
build_action(void *action)
{
	PartnerApiRequest request;

	partner_api_zapi.build(action, &credential, &request);
}

/*
 * What check() has let through cannot lack these; without them the request
 * would address something else.
 */
static void
test_missing_token(const void *unused)
{
	PartnerApiAction action = action_of(PARTNER_API_CANCEL_INSTANCE, NULL);

	action.instance_token = NULL;
	assert_non_null(backend_catch(build_action, &action));
	action = action_of(PARTNER_API_CANCEL_INSTANCE, NULL);
	action.instance_id = NULL;
	assert_non_null(backend_catch(build_action, &action));
	action = action_of(PARTNER_API_DELETE_INSTANCES,
					   "{'instance_ids':['A']}");
	assert_non_null(backend_catch(build_action, &action));
	action.tokens = json_of("{'B':'TB'}");
	assert_non_null(backend_catch(build_action, &action));
}

static void
test_build_without_memory(const void *unused)
{
	PartnerApiAction action;

	action = action_of(PARTNER_API_CREATE_INSTANCE,
					   "{'name':'a','settings':{'isDevice':true}}");
	assert_survives_no_memory(build_action, &action);
	action = action_of(PARTNER_API_SIGN_INSTANCE, "{'with_calls':true}");
	assert_survives_no_memory(build_action, &action);
	action = action_of(PARTNER_API_DELETE_INSTANCES,
					   "{'instance_ids':['A','B']}");
	action.tokens = json_of("{'A':'TA','B':'TB'}");
	assert_survives_no_memory(build_action, &action);
}

static void
test_supports(const void *unused)
{
	const char *hint = "unset";

	for (int kind = 0; kind <= PARTNER_API_REBOOT_INSTANCE; kind++)
	{
		assert_true(partner_api_zapi.supports(kind, &hint));
		assert_null(hint);
	}
	assert_false(partner_api_zapi.supports(PARTNER_API_CREATE_PLAN, &hint));
	assert_non_null(strstr(hint, "zsystems"));
	assert_text(partner_api_zapi.name, "zapi");
	assert_text(partner_api_zapi.base_url, "https://api.z-api.io");
	assert_int_equal(partner_api_zapi.trial_ms, 2 * 86400000);
}

/* ---- lists ---- */

typedef struct ListRow
{
	const char *name;
	PartnerApiFilter filter;
	int			page;
	const char *expected;
} ListRow;

static const ListRow list_rows[] = {
	{"list everything", {.page_size = 0}, 1,
	"GET /instances?page=1&pageSize=50" PARTNER_GET},
	{"list a page", {.page_size = 20}, 7,
	"GET /instances?page=7&pageSize=20" PARTNER_GET},
	{"list one row, to test a token", {.page_size = 1}, 1,
	"GET /instances?page=1&pageSize=1" PARTNER_GET},
	{"search", {.query = "Acme [n-1] & more"}, 1,
	"GET /instances?page=1&pageSize=50&query=Acme [n-1] & more" PARTNER_GET},
	{"list by middleware", {.middleware = "web"}, 2,
	"GET /instances?page=2&pageSize=50&middleware=web" PARTNER_GET},
	{"search by middleware", {.query = "a",.middleware = "mobile",
	.page_size = 5}, 3,
	"GET /instances?page=3&pageSize=5&query=a&middleware=mobile"
	PARTNER_GET}
};

static void
test_build_list(const void *data)
{
	const ListRow *row = data;
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_zapi.build_list(&row->filter, row->page, &credential,
								&request);
	assert_text(request_text(&request), row->expected);
}

/* ---- reads ---- */

typedef struct ReadRow
{
	const char *name;
	PartnerApiRead read;
	const char *parameter;
	const char *expected;
} ReadRow;

static const ReadRow read_rows[] = {
	{"read the status", PARTNER_API_READ_STATUS, NULL,
	"GET /instances/ID/token/TOKEN/status" CLIENT},
	{"read the QR image", PARTNER_API_READ_QR, NULL,
	"GET /instances/ID/token/TOKEN/qr-code/image" CLIENT},
	{"read the QR text", PARTNER_API_READ_QR_URL, NULL,
	"GET /instances/ID/token/TOKEN/qr-code" CLIENT},
	{"read a phone code", PARTNER_API_READ_PHONE_CODE, "5511999990000",
	"GET /instances/ID/token/TOKEN/phone-code/5511999990000" CLIENT}
};

static void
test_build_read(const void *data)
{
	static const PartnerApiTarget target = {.id = "ID",.token = "TOKEN"};
	const ReadRow *row = data;
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_zapi.build_read(row->read, &target, row->parameter,
								&credential, &request);
	assert_text(request_text(&request), row->expected);
}

int
main(void)
{
	add_table(test_build, build_rows);
	add_test("create with a nonce", test_create_with_nonce);
	add_test("arguments are borrowed", test_arguments_are_borrowed);
	add_test("delete many", test_batch);
	add_test("segments are not encoded", test_raw_segments);
	add_test("no client token, no header", test_without_client_token);
	add_test("no request without its token", test_missing_token);
	add_test("build without memory", test_build_without_memory);
	add_test("what the provider is", test_supports);
	add_table(test_build_list, list_rows);
	add_table(test_build_read, read_rows);
	return run_suite("zapi build");
}
