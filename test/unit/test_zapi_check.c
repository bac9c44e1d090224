/*-------------------------------------------------------------------------
 *
 * test_zapi_check.c
 *	  Unit tests of zapi_check.c: what is refused before it is sent.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define HTTPS_ONLY "setting \"receivedCallbackUrl\" must be an https URL"
#define ALL_SETTINGS \
	"Known settings are: autoReadMessage, autoReadStatus, " \
	"blockCallbackUrl, businessDevice, callRejectAuto, callRejectMessage, " \
	"connectedCallbackUrl, deliveryCallbackUrl, " \
	"disableEnqueueWhenDisconnected, disconnectedCallbackUrl, isDevice, " \
	"messageStatusCallbackUrl, presenceChatCallbackUrl, profileName, " \
	"profilePictureUrl, receivedAndDeliveryCallbackUrl, " \
	"receivedCallbackUrl, sessionName."

static void
check(void *action)
{
	partner_api_zapi.check(action);
}

/* ---- accepted ---- */

typedef struct GoodRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
} GoodRow;

static const GoodRow good_rows[] = {
	{"create with a name alone", PARTNER_API_CREATE_INSTANCE,
	"{'name':'Acme'}"},
	{"create with no settings in them", PARTNER_API_CREATE_INSTANCE,
	"{'name':'Acme','settings':{}}"},
	{"create with every setting", PARTNER_API_CREATE_INSTANCE,
		"{'name':'Acme','settings':{"
		"'sessionName':'S','callRejectMessage':'','profileName':'P',"
		"'profilePictureUrl':'http://example.com/p.png',"
		"'autoReadMessage':true,'autoReadStatus':false,'isDevice':true,"
		"'businessDevice':false,'callRejectAuto':true,"
		"'disableEnqueueWhenDisconnected':false,"
		"'deliveryCallbackUrl':'https://example.com/a?k=1',"
		"'receivedCallbackUrl':'https://example.com',"
		"'receivedAndDeliveryCallbackUrl':'HTTPS://example.com:8443/b',"
		"'presenceChatCallbackUrl':'https://u:p@example.com/',"
		"'disconnectedCallbackUrl':'https://[2001:db8::1]/c',"
		"'connectedCallbackUrl':'https://example.com/#d',"
		"'messageStatusCallbackUrl':'https://example.com/%20',"
	"'blockCallbackUrl':'https://example.com/e'}}"},
	{"sign", PARTNER_API_SIGN_INSTANCE, "{}"},
	{"sign with calls", PARTNER_API_SIGN_INSTANCE, "{'with_calls':true}"},
	{"sign without calls", PARTNER_API_SIGN_INSTANCE, "{'with_calls':false}"},
	{"add calls", PARTNER_API_UPDATE_SUBSCRIPTION, "{'with_calls':true}"},
	{"cancel", PARTNER_API_CANCEL_INSTANCE, "{}"},
	{"delete", PARTNER_API_DELETE_INSTANCE, "{}"},
	{"disconnect", PARTNER_API_DISCONNECT_INSTANCE, "{}"},
	{"delete many", PARTNER_API_DELETE_INSTANCES,
	"{'instance_ids':['A','B']}"}
};

static void
test_accepted(const void *data)
{
	const GoodRow *row = data;
	PartnerApiAction action = action_of(row->kind, row->arguments);
	const BackendError *error = backend_catch(check, &action);

	assert_text(error == NULL ? NULL : error->message, NULL);
}

/* ---- refused ---- */

typedef struct BadRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	int			sqlstate;
	const char *message;
} BadRow;

static const BadRow bad_rows[] = {
	{"create without a name", PARTNER_API_CREATE_INSTANCE, "{}",
	ERRCODE_INVALID_PARAMETER_VALUE, "instance name must not be empty"},
	{"create with an empty name", PARTNER_API_CREATE_INSTANCE, "{'name':''}",
	ERRCODE_INVALID_PARAMETER_VALUE, "instance name must not be empty"},
	{"create with a number for a name", PARTNER_API_CREATE_INSTANCE,
		"{'name':1}",
	ERRCODE_INVALID_PARAMETER_VALUE, "instance name must not be empty"},
	{"create with a name of two lines", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a\\nb'}", ERRCODE_INVALID_PARAMETER_VALUE,
	"instance name must not contain control characters"},
	{"settings in an array", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':[]}", ERRCODE_INVALID_PARAMETER_VALUE,
	"settings of an instance must be a JSON object"},
	{"settings in a string", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':'{}'}", ERRCODE_INVALID_PARAMETER_VALUE,
	"settings of an instance must be a JSON object"},
	{"settings of null", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':null}", ERRCODE_INVALID_PARAMETER_VALUE,
	"settings of an instance must be a JSON object"},
	{"unknown setting", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'webhook':'x'}}",
		ERRCODE_FDW_INVALID_OPTION_NAME,
	"unrecognized setting \"webhook\""},
	{"setting in the wrong case", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'isdevice':true}}",
		ERRCODE_FDW_INVALID_OPTION_NAME,
	"unrecognized setting \"isdevice\""},
	{"setting as others misspell it", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'chatPresenceCallbackUrl':'https://x'}}",
		ERRCODE_FDW_INVALID_OPTION_NAME,
	"unrecognized setting \"chatPresenceCallbackUrl\""},
	{"setting without a name", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'':1}}",
	ERRCODE_FDW_INVALID_OPTION_NAME, "unrecognized setting \"\""},
	{"setting that would break the message", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'a\\nb\xC3\xA3\\u007F':1}}",
	ERRCODE_FDW_INVALID_OPTION_NAME, "unrecognized setting \"a?b???\""},
	{"setting with a very long name", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'0123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789':1}}",
		ERRCODE_FDW_INVALID_OPTION_NAME,
		"unrecognized setting \"0123456789012345678901234567890123456789"
	"01234567890123456789012\""},
	{"name among the settings", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'name':'b'}}",
	ERRCODE_FDW_INVALID_OPTION_NAME, "setting \"name\" is not allowed"},
	{"string for a boolean", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'isDevice':'true'}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"isDevice\" must be a boolean"},
	{"number for a boolean", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'isDevice':1}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"isDevice\" must be a boolean"},
	{"null for a boolean", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'isDevice':null}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"isDevice\" must be a boolean"},
	{"boolean for a string", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'sessionName':true}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"sessionName\" must be a string"},
	{"object for a string", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'sessionName':{}}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"sessionName\" must be a string"},
	{"null for a webhook", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':null}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"receivedCallbackUrl\" must be a string"},
	{"line break in a string", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'sessionName':'a\\r\\nb'}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"sessionName\" must not contain control characters"},
	{"line break in a webhook", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':'https://a\\nb'}}",
		ERRCODE_INVALID_PARAMETER_VALUE,
	"setting \"receivedCallbackUrl\" must not contain control characters"},
	{"webhook over http", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':'http://example.com'}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"webhook that is empty", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':''}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"webhook without a host", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':'https:///a'}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"webhook that ends before its host", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':'https://'}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"webhook with a blank", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':'https://a b'}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"webhook after a blank", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':' https://a'}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"webhook without a scheme", PARTNER_API_CREATE_INSTANCE,
		"{'name':'a','settings':{'receivedCallbackUrl':'example.com/a'}}",
	ERRCODE_INVALID_PARAMETER_VALUE, HTTPS_ONLY},
	{"sign with a string for calls", PARTNER_API_SIGN_INSTANCE,
		"{'with_calls':'true'}", ERRCODE_INVALID_PARAMETER_VALUE,
	"argument \"with_calls\" must be a boolean"},
	{"take calls away", PARTNER_API_UPDATE_SUBSCRIPTION,
		"{'with_calls':false}", ERRCODE_INVALID_PARAMETER_VALUE,
	"cannot downgrade a subscription"},
	{"change nothing", PARTNER_API_UPDATE_SUBSCRIPTION,
		"{}", ERRCODE_INVALID_PARAMETER_VALUE,
	"cannot downgrade a subscription"},
	{"add calls by a number", PARTNER_API_UPDATE_SUBSCRIPTION,
		"{'with_calls':1}", ERRCODE_INVALID_PARAMETER_VALUE,
	"argument \"with_calls\" must be a boolean"},
	{"delete none", PARTNER_API_DELETE_INSTANCES, "{'instance_ids':[]}",
	ERRCODE_INVALID_PARAMETER_VALUE, "cannot delete 0 instances at once"},
	{"delete without a list", PARTNER_API_DELETE_INSTANCES, "{}",
	ERRCODE_INVALID_PARAMETER_VALUE, "cannot delete 0 instances at once"},
	{"delete by a string", PARTNER_API_DELETE_INSTANCES,
		"{'instance_ids':'A'}",
	ERRCODE_INVALID_PARAMETER_VALUE, "cannot delete 0 instances at once"},
	{"delete one twice", PARTNER_API_DELETE_INSTANCES,
		"{'instance_ids':['A','B','A']}", ERRCODE_INVALID_PARAMETER_VALUE,
	"instance \"A\" is listed twice"},
	{"delete a number", PARTNER_API_DELETE_INSTANCES,
		"{'instance_ids':['A',1]}", ERRCODE_INVALID_PARAMETER_VALUE,
	"invalid instance id"},
	{"delete null", PARTNER_API_DELETE_INSTANCES,
		"{'instance_ids':[null]}", ERRCODE_INVALID_PARAMETER_VALUE,
	"invalid instance id"},
	{"delete a path", PARTNER_API_DELETE_INSTANCES,
		"{'instance_ids':['A','../B']}", ERRCODE_INVALID_PARAMETER_VALUE,
	"invalid instance id"}
};

static void
test_refused(const void *data)
{
	const BadRow *row = data;
	PartnerApiAction action = action_of(row->kind, row->arguments);

	assert_error(check, &action, row->sqlstate, row->message);
}

/* ---- what tables do not show ---- */

static const BackendError *
refuse(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = action_of(kind, arguments);
	const BackendError *error = backend_catch(check, &action);

	assert_non_null(error);
	return error;
}

static void
test_hints(const void *unused)
{
	assert_text(refuse(PARTNER_API_CREATE_INSTANCE,
					   "{'name':'a','settings':{'x':1}}")->hint,
				ALL_SETTINGS);
	assert_text(refuse(PARTNER_API_CREATE_INSTANCE,
					   "{'name':'a','settings':1}")->hint, ALL_SETTINGS);
	assert_text(refuse(PARTNER_API_CREATE_INSTANCE,
					   "{'name':'a','settings':{'name':'b'}}")->hint,
				"Give the name as an argument of its own.");
	assert_text(refuse(PARTNER_API_UPDATE_SUBSCRIPTION,
					   "{'with_calls':false}")->hint,
				"Cancel the instance and sign it anew.");
	assert_text(refuse(PARTNER_API_DELETE_INSTANCES,
					   "{'instance_ids':['A','B','A']}")->detail,
				"Elements 1 and 3 of the list are the same.");
}

static void
test_type_names(const void *unused)
{
	static const char *const values[][2] = {
		{"1", "The value is a number."},
		{"1.5", "The value is a number."},
		{"'x'", "The value is a string."},
		{"null", "The value is null."},
		{"{}", "The value is an object."},
		{"[]", "The value is an array."}
	};

	for (size_t i = 0; i < lengthof(values); i++)
	{
		char	   *arguments = psprintf("{'with_calls':%s}", values[i][0]);

		assert_text(refuse(PARTNER_API_SIGN_INSTANCE, arguments)->detail,
					values[i][1]);
	}
	assert_text(refuse(PARTNER_API_CREATE_INSTANCE,
					   "{'name':'a','settings':{'sessionName':true}}")->detail,
				"The value is a boolean.");
}

/*
 * A webhook's key and a foreign name do not get into the log.
 */
static void
test_values_are_not_repeated(const void *unused)
{
	const BackendError *error;

	error = refuse(PARTNER_API_CREATE_INSTANCE,
				   "{'name':'a','settings':"
				   "{'receivedCallbackUrl':'http://h/?key=SECRET'}}");
	assert_null(strstr(error->message, "SECRET"));
	assert_null(strstr(error->detail, "SECRET"));
	assert_null(strstr(error->hint, "SECRET"));
}

static void
test_instance_ids(const void *unused)
{
	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		PartnerApiAction action = action_of(kind, "{'with_calls':true}");

		if (action.instance_id == NULL)
			continue;
		action.instance_id = "a/b";
		assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
					 "invalid instance id");
		action.instance_id = NULL;
		assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
					 "invalid instance id");
	}
}

/*
 * A bulk delete of so many instances.
 */
static PartnerApiAction
batch_of(int count)
{
	PartnerApiAction action = action_of(PARTNER_API_DELETE_INSTANCES,
										"{'instance_ids':[]}");
	json_t	   *ids = json_object_get(action.arguments, "instance_ids");

	for (int i = 0; i < count; i++)
		json_array_append_new(ids, json_string(psprintf("I%d", i)));
	return action;
}

static void
test_batch_size(const void *unused)
{
	PartnerApiAction action = batch_of(100);

	assert_null(backend_catch(check, &action));
	action = batch_of(101);
	assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
				 "cannot delete 101 instances at once");
}

static void
test_batch_tokens(const void *unused)
{
	PartnerApiAction action = action_of(PARTNER_API_DELETE_INSTANCES,
										"{'instance_ids':['A','B']}");

	action.tokens = json_of("{'A':'TA','B':'TB'}");
	assert_null(backend_catch(check, &action));
	action.tokens = json_of("{'A':'TA'}");
	assert_error(check, &action, ERRCODE_UNDEFINED_OBJECT,
				 "token of instance \"B\" is not known");
	action.tokens = json_of("{'A':'TA','B':null}");
	assert_error(check, &action, ERRCODE_UNDEFINED_OBJECT,
				 "token of instance \"B\" is not known");
}

int
main(void)
{
	add_table(test_accepted, good_rows);
	add_table(test_refused, bad_rows);
	add_test("hints", test_hints);
	add_test("names of JSON types", test_type_names);
	add_test("values are not repeated", test_values_are_not_repeated);
	add_test("ids of instances", test_instance_ids);
	add_test("size of a bulk delete", test_batch_size);
	add_test("tokens of a bulk delete", test_batch_tokens);
	return run_suite("zapi check");
}
