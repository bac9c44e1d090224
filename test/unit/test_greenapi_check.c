/*-------------------------------------------------------------------------
 *
 * test_greenapi_check.c
 *	  Unit tests of greenapi_check.c: what is refused before it is sent.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define CREATE PARTNER_API_CREATE_INSTANCE
#define CHANGE PARTNER_API_CHANGE_SETTINGS
#define INVALID ERRCODE_INVALID_PARAMETER_VALUE
#define NO_OPTION ERRCODE_FDW_INVALID_OPTION_NAME

#define CHANGEABLE \
	"delaySendMessagesMilliseconds, deletedMessageWebhook, deviceWebhook, " \
	"editedMessageWebhook, enableMessagesHistory, incomingBlockWebhook, " \
	"incomingCallWebhook, incomingWebhook, keepOnlineStatus, " \
	"markIncomingMessagesReaded, markIncomingMessagesReadedOnReply, " \
	"outgoingAPIMessageWebhook, outgoingMessageWebhook, outgoingWebhook, "

static PartnerApiAction
instance_action(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = action_of(kind, arguments);

	if (action.instance_id != NULL)
		action.instance_id = "1101728000";
	return action;
}

static void
check(void *action)
{
	partner_api_greenapi.check(action);
}

/* ---- accepted ---- */

typedef struct GoodRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
} GoodRow;

static const GoodRow good_rows[] = {
	{"create with a name alone", CREATE, "{'name':'Acme'}"},
	{"create that is to be kept", CREATE,
	"{'name':'Acme','trial_end':'sign'}"},
	{"create with no settings in them", CREATE,
	"{'name':'Acme','settings':{}}"},
	{"create with every switch", CREATE,
		"{'name':'Acme','settings':{"
		"'markIncomingMessagesReaded':true,"
		"'markIncomingMessagesReadedOnReply':false,"
		"'outgoingWebhook':'yes','outgoingMessageWebhook':'no',"
		"'outgoingAPIMessageWebhook':true,'incomingWebhook':true,"
		"'deviceWebhook':true,'stateWebhook':true,'keepOnlineStatus':true,"
		"'pollMessageWebhook':true,'incomingBlockWebhook':true,"
		"'incomingCallWebhook':true,'editedMessageWebhook':true,"
	"'deletedMessageWebhook':true,'enableMessagesHistory':true}}"},
	{"create with every other setting", CREATE,
		"{'name':'Acme','settings':{"
		"'webhookUrl':'https://example.com/hook?k=1',"
		"'webhookUrlToken':'Bearer x','delaySendMessagesMilliseconds':500,"
		"'typeInstance':'whatsapp','countryInstance':'us',"
	"'partnerUserUiid':'123e4567-e89b-12d3-a456-426614174000'}}"},
	{"longest pause", CREATE,
		"{'name':'a','settings':"
	"{'delaySendMessagesMilliseconds':600000}}"},
	{"no webhook", CHANGE,
	"{'settings':{'webhookUrl':'','webhookUrlToken':''}}"},
	{"change", CHANGE, "{'settings':{'stateWebhook':true}}"},
	{"delete", PARTNER_API_DELETE_INSTANCE, "{}"},
	{"disconnect", PARTNER_API_DISCONNECT_INSTANCE, "{}"},
	{"reboot", PARTNER_API_REBOOT_INSTANCE, "{}"},
	{"wait", PARTNER_API_AWAIT_INSTANCE, "{}"},
	{"compare nothing", PARTNER_API_CHECK_SETTINGS, "{}"},
	{"compare what is given for good", PARTNER_API_CHECK_SETTINGS,
	"{'settings':{'countryInstance':'us'}}"}
};

static void
test_accepted(const void *data)
{
	const GoodRow *row = data;
	PartnerApiAction action = instance_action(row->kind, row->arguments);
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
	{"create without a name", CREATE, "{}", INVALID,
	"instance name must not be empty"},
	{"create that is left to lapse", CREATE,
		"{'name':'a','trial_end':'lapse'}", ERRCODE_FEATURE_NOT_SUPPORTED,
	"provider \"greenapi\" has no trials"},
	{"create that waits for an approval", CREATE,
		"{'name':'a','trial_end':'ask'}", ERRCODE_FEATURE_NOT_SUPPORTED,
	"provider \"greenapi\" has no trials"},
	{"settings in an array", CREATE, "{'name':'a','settings':[]}", INVALID,
	"settings of an instance must be a JSON object"},
	{"unknown setting", CREATE, "{'name':'a','settings':{'webhook':'x'}}",
	NO_OPTION, "unrecognized setting \"webhook\""},
	{"setting of another provider", CREATE,
		"{'name':'a','settings':{'isDevice':true}}",
	NO_OPTION, "unrecognized setting \"isDevice\""},
	{"name among the settings", CREATE,
		"{'name':'a','settings':{'name':'b'}}",
	NO_OPTION, "setting \"name\" is not allowed"},
	{"quoted boolean", CREATE,
		"{'name':'a','settings':{'stateWebhook':'true'}}", INVALID,
	"setting \"stateWebhook\" must be true, false, \"yes\" or \"no\""},
	{"switch in capitals", CREATE,
		"{'name':'a','settings':{'stateWebhook':'Yes'}}", INVALID,
	"setting \"stateWebhook\" must be true, false, \"yes\" or \"no\""},
	{"switch of a number", CREATE,
		"{'name':'a','settings':{'stateWebhook':1}}", INVALID,
	"setting \"stateWebhook\" must be true, false, \"yes\" or \"no\""},
	{"switch of null", CREATE,
		"{'name':'a','settings':{'stateWebhook':null}}", INVALID,
	"setting \"stateWebhook\" must be true, false, \"yes\" or \"no\""},
	{"pause too short", CREATE,
		"{'name':'a','settings':{'delaySendMessagesMilliseconds':499}}",
	INVALID, "setting \"delaySendMessagesMilliseconds\" is out of range"},
	{"pause too long", CREATE,
		"{'name':'a','settings':{'delaySendMessagesMilliseconds':600001}}",
	INVALID, "setting \"delaySendMessagesMilliseconds\" is out of range"},
	{"pause far too long", CREATE,
		"{'name':'a','settings':{'delaySendMessagesMilliseconds':4294967796}}",
	INVALID, "setting \"delaySendMessagesMilliseconds\" is out of range"},
	{"pause below zero", CREATE,
		"{'name':'a','settings':{'delaySendMessagesMilliseconds':-500}}",
	INVALID, "setting \"delaySendMessagesMilliseconds\" is out of range"},
	{"pause with a fraction", CREATE,
		"{'name':'a','settings':{'delaySendMessagesMilliseconds':500.5}}",
		INVALID,
	"setting \"delaySendMessagesMilliseconds\" must be a whole number"},
	{"pause in a string", CREATE,
		"{'name':'a','settings':{'delaySendMessagesMilliseconds':'500'}}",
		INVALID,
	"setting \"delaySendMessagesMilliseconds\" must be a whole number"},
	{"webhook over http", CREATE,
		"{'name':'a','settings':{'webhookUrl':'http://example.com'}}",
	INVALID, "setting \"webhookUrl\" must be an https URL"},
	{"webhook of a boolean", CREATE,
		"{'name':'a','settings':{'webhookUrl':false}}",
	INVALID, "setting \"webhookUrl\" must be a string"},
	{"token that breaks a header", CREATE,
		"{'name':'a','settings':{'webhookUrlToken':'a\\r\\nX: b'}}", INVALID,
	"setting \"webhookUrlToken\" must not contain control characters"},
	{"unknown country", CREATE,
		"{'name':'a','settings':{'countryInstance':'br'}}", INVALID,
	"invalid value for setting \"countryInstance\""},
	{"country in capitals", CREATE,
		"{'name':'a','settings':{'countryInstance':'RU'}}", INVALID,
	"invalid value for setting \"countryInstance\""},
	{"unknown messenger", CREATE,
		"{'name':'a','settings':{'typeInstance':'signal'}}", INVALID,
	"invalid value for setting \"typeInstance\""},
	{"user id too long", CREATE,
		"{'name':'a','settings':{'partnerUserUiid':"
		"'123e4567-e89b-12d3-a456-4266141740000'}}", INVALID,
	"setting \"partnerUserUiid\" is too long"},
	{"change nothing", CHANGE, "{'settings':{}}", INVALID,
	"no setting to change"},
	{"change without settings", CHANGE, "{}", INVALID,
	"settings of an instance must be a JSON object"},
	{"change the country", CHANGE, "{'settings':{'countryInstance':'us'}}",
	NO_OPTION, "setting \"countryInstance\" cannot be changed"},
	{"change the messenger", CHANGE, "{'settings':{'typeInstance':'v3'}}",
	NO_OPTION, "setting \"typeInstance\" cannot be changed"},
	{"change the name", CHANGE, "{'settings':{'name':'b'}}",
	NO_OPTION, "setting \"name\" is not allowed"}
};

static void
test_refused(const void *data)
{
	const BadRow *row = data;
	PartnerApiAction action = instance_action(row->kind, row->arguments);

	assert_error(check, &action, row->sqlstate, row->message);
}

/* ---- ids ---- */

typedef struct IdRow
{
	const char *name;
	const char *id;
	bool		good;
} IdRow;

static const IdRow id_rows[] = {
	{"id of one digit", "7", true},
	{"id of ten digits", "1101728000", true},
	{"id of twelve digits", "710700000123", true},
	{"id of 64 bits", "18446744073709551615", true},
	{"id of more than 64 bits", "18446744073709551616", false},
	{"id of 21 digits", "100000000000000000000", false},
	{"id of zero", "0", false},
	{"id with a zero before it", "0110", false},
	{"id with a sign", "-1", false},
	{"id in letters", "A", false},
	{"id and more", "1101 ", false},
	{"id of a path", "1101/..", false},
	{"empty id", "", false},
	{"no id", NULL, false}
};

static void
test_id(const void *data)
{
	const IdRow *row = data;

	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		PartnerApiAction action = action_of(kind, "{'settings':"
											"{'stateWebhook':true}}");
		const char *hint;

		if (action.instance_id == NULL ||
			!partner_api_greenapi.supports(kind, &hint))
			continue;
		action.instance_id = row->id;
		if (row->good)
			assert_null(backend_catch(check, &action));
		else
			assert_error(check, &action, INVALID, "invalid instance id");
	}
}

/* ---- what tables do not show ---- */

static const BackendError *
refuse(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = instance_action(kind, arguments);
	const BackendError *error = backend_catch(check, &action);

	assert_non_null(error);
	return error;
}

static void
test_hints(const void *unused)
{
	assert_text(refuse(CREATE, "{'name':'a','settings':{'x':1}}")->hint,
				"Known settings are: countryInstance, " CHANGEABLE
				"partnerUserUiid, pollMessageWebhook, stateWebhook, "
				"typeInstance, webhookUrl, webhookUrlToken.");
	assert_text(refuse(CHANGE, "{'settings':{'typeInstance':'v3'}}")->hint,
				"Settings that can be changed are: " CHANGEABLE
				"pollMessageWebhook, stateWebhook, webhookUrl, "
				"webhookUrlToken.");
	assert_text(refuse(CREATE, "{'name':'a','settings':"
					   "{'delaySendMessagesMilliseconds':1}}")->hint,
				"Give a whole number from 500 to 600000.");
	assert_text(refuse(CREATE, "{'name':'a','settings':"
					   "{'typeInstance':'x'}}")->hint,
				"Known values are: whatsapp, telegram, v3.");
	assert_text(refuse(CREATE, "{'name':'a','settings':"
					   "{'stateWebhook':'on'}}")->detail,
				"The value is another string.");
	assert_text(refuse(CHANGE, "{}")->detail, "The value is missing.");
	assert_text(refuse(CHANGE, "{'settings':{'name':'b'}}")->hint,
				"An instance keeps the name that it was given.");
}

/*
 * A webhook's key and token do not get into the log.
 */
static void
test_values_are_not_repeated(const void *unused)
{
	static const char *const settings[] = {
		"{'name':'a','settings':{'webhookUrl':'http://h/?key=SECRET'}}",
		"{'name':'a','settings':{'webhookUrlToken':'SECRET\\n'}}",
		"{'name':'a','settings':{'countryInstance':'SECRET'}}",
		"{'name':'a','settings':{'stateWebhook':'SECRET'}}"
	};

	for (size_t i = 0; i < lengthof(settings); i++)
	{
		const BackendError *error = refuse(CREATE, settings[i]);

		assert_null(strstr(error->message, "SECRET"));
		assert_null(strstr(error->detail, "SECRET"));
		assert_null(strstr(error->hint, "SECRET"));
	}
}

int
main(void)
{
	add_table(test_accepted, good_rows);
	add_table(test_refused, bad_rows);
	add_table(test_id, id_rows);
	add_test("hints", test_hints);
	add_test("values are not repeated", test_values_are_not_repeated);
	return run_suite("greenapi check");
}
