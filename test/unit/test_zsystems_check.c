/*-------------------------------------------------------------------------
 *
 * test_zsystems_check.c
 *	  Unit tests of the arguments that are not sent to zsystems.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "providers/common.h"
#include "providers/zsystems.h"

#define PLAN PARTNER_API_CREATE_PLAN
#define CHANGE PARTNER_API_CHANGE_PLAN
#define SUBSCRIBE PARTNER_API_CREATE_SUBSCRIPTION
#define CLIENT PARTNER_API_CREATE_CLIENT
#define STORE PARTNER_API_STORE_CARD

#define NUMBER "4111111111111111"
#define CARD "{'holder':'A','number':'" NUMBER "','security_code':'123'," \
	"'valid_until':'08/2031'}"
#define ANA "'client':{'name':'Ana','document':'52998224725'}"
#define IS(argument, must) "argument \"" argument "\" must be " must

/* 2030-01-15T12:00:00Z */
#define NOW_MS INT64CONST(1894708800000)

typedef struct BadRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	const char *secret;
	const char *message;
} BadRow;

/* A plan that lacks nothing, with these members in addition. */
#define WITH(members) \
	"{'name':'G','amount_cents':1,'frequency':'daily'," members "}"

static const BadRow plan_rows[] = {
	{"plan without a name", PLAN, "{'amount_cents':1,'frequency':'daily'}",
	NULL, IS("name", "the name of the plan")},
	{"plan with a blank name", PLAN,
		"{'name':'  ','amount_cents':1,'frequency':'daily'}",
	NULL, IS("name", "the name of the plan")},
	{"plan with a name of two lines", PLAN,
		"{'name':'a\\nb','amount_cents':1,'frequency':'daily'}",
	NULL, IS("name", "on one line")},
	{"plan with a number for a name", PLAN,
		"{'name':1,'amount_cents':1,'frequency':'daily'}",
	NULL, IS("name", "a string")},
	{"plan without an amount", PLAN, "{'name':'G','frequency':'daily'}",
	NULL, IS("amount_cents", "the price of the plan")},
	{"plan with less than nothing to pay", PLAN,
		"{'name':'G','amount_cents':-1,'frequency':'daily'}",
	NULL, IS("amount_cents", "a whole number of cents")},
	{"plan with parts of a cent", PLAN,
		"{'name':'G','amount_cents':99.5,'frequency':'daily'}",
	NULL, IS("amount_cents", "a whole number of cents")},
	{"plan with an amount in words", PLAN,
		"{'name':'G','amount_cents':'9900','frequency':'daily'}",
	NULL, IS("amount_cents", "a whole number of cents")},
	{"plan with a negative setup", PLAN, WITH("'setup_amount_cents':-5"),
	NULL, IS("setup_amount_cents", "a whole number of cents")},
	{"plan without a frequency", PLAN, "{'name':'G','amount_cents':1}",
		NULL,
	IS("frequency", "one of daily, weekly, monthly, annualy")},
	{"plan with a frequency of its own", PLAN,
		"{'name':'G','amount_cents':1,'frequency':'fortnightly'}", NULL,
	IS("frequency", "one of daily, weekly, monthly, annualy")},
	{"plan with a frequency in capitals", PLAN,
		"{'name':'G','amount_cents':1,'frequency':'Monthly'}", NULL,
	IS("frequency", "one of daily, weekly, monthly, annualy")},
	{"interval of nothing", PLAN, WITH("'interval_count':0"), NULL,
	IS("interval_count", "a whole number, 1 or more")},
	{"interval that is huge", PLAN, WITH("'interval_count':2147483648"),
	NULL, IS("interval_count", "a whole number, 1 or more")},
	{"negative grace", PLAN, WITH("'grace_period':-1"), NULL,
	IS("grace_period", "a whole number, 0 or more")},
	{"half a tolerance", PLAN, WITH("'tolerance_period':0.5"), NULL,
	IS("tolerance_period", "a whole number, 0 or more")},
	{"logo that is a file", PLAN, WITH("'logo':'logo.png'"), NULL,
	IS("logo", "a boolean")},
	{"dollars", PLAN, WITH("'currency':'USD'"), NULL,
	IS("currency", "\"BRL\"")},
	{"expiry in the past", PLAN,
		WITH("'plan_expiration_date':'2030-01-15T11:59:59Z'"), NULL,
	IS("plan_expiration_date", "a time in the future")},
	{"expiry now", PLAN,
		WITH("'plan_expiration_date':'2030-01-15T12:00:00Z'"), NULL,
	IS("plan_expiration_date", "a time in the future")},
	{"expiry without a zone", PLAN,
		WITH("'plan_expiration_date':'2031-01-15T12:00:00'"), NULL,
	IS("plan_expiration_date", "a time with a zone")},
	{"expiry of true", PLAN, WITH("'plan_expiration_date':true"), NULL,
	IS("plan_expiration_date", "a time with a zone")},
	{"expires, but when", PLAN, WITH("'has_expiration':true"), NULL,
	IS("plan_expiration_date", "given with has_expiration")},
	{"expires, but never", PLAN,
		WITH("'has_expiration':true,'plan_expiration_date':false"), NULL,
	IS("plan_expiration_date", "given with has_expiration")},
	{"does not expire, but then", PLAN,
		WITH("'has_expiration':false,"
			 "'plan_expiration_date':'2031-01-15T12:00:00Z'"), NULL,
	IS("has_expiration", "true with plan_expiration_date")},
	{"subscriptions expire, but when", PLAN,
		WITH("'expire_subscriptions':true"), NULL,
	IS("subscription_duration", "given with expire_subscriptions")},
	{"subscriptions do not expire, but then", PLAN,
		WITH("'expire_subscriptions':false,'subscription_duration':1"), NULL,
	IS("expire_subscriptions", "true with subscription_duration")},
	{"format of its own", PLAN, WITH("'format':'xml'"), NULL,
	IS("format", "\"json\" or \"multipart\"")},
	{"file in JSON", PLAN,
		WITH("'file_field':'f','file_name':'n','file_content':'AA=='"), NULL,
	IS("format", "\"multipart\" with a file")},
	{"file without a field", PLAN,
		WITH("'format':'multipart','file_name':'n','file_content':'AA=='"),
	NULL, IS("file_field", "given")},
	{"file without a name", PLAN,
		WITH("'format':'multipart','file_field':'f','file_content':'AA=='"),
	NULL, IS("file_name", "given")},
	{"file without content", PLAN,
		WITH("'format':'multipart','file_field':'f','file_name':'n'"),
	NULL, IS("file_content", "bytes in base64")},
	{"file that cannot be decoded", PLAN,
		WITH("'format':'multipart','file_field':'f','file_name':'n',"
			 "'file_content':'a!'"),
	NULL, IS("file_content", "bytes in base64")},
	{"file in a field of the plan", PLAN,
		WITH("'format':'multipart','file_field':'amount','file_name':'n',"
			 "'file_content':'AA=='"),
	NULL, IS("file_field", "a field of its own")},
	{"change of nothing", CHANGE, "{}", NULL,
	IS("name", "given, or another field")},
	{"change to no name", CHANGE, "{'name':''}", NULL,
	IS("name", "the name of the plan")},
	{"change to another currency", CHANGE, "{'currency':'EUR'}", NULL,
	IS("currency", "\"BRL\"")},
	{"change to an expiry in the past", CHANGE,
		"{'plan_expiration_date':'2001-01-01T00:00:00Z'}", NULL,
	IS("plan_expiration_date", "a time in the future")}
};

static const BadRow other_rows[] = {
	{"subscription without a plan", SUBSCRIBE, "{" ANA "}", CARD,
	IS("plan_id", "given")},
	{"subscription to a word", SUBSCRIBE, "{'plan_id':'x'," ANA "}", CARD,
	IS("plan_id", "an id of the provider")},
	{"subscription of nobody", SUBSCRIBE, "{'plan_id':'1'}", CARD,
	IS("client", "given, or client_id")},
	{"subscription of two", SUBSCRIBE,
		"{'plan_id':'1','client_id':'2'," ANA "}", NULL,
	IS("client", "left out, or client_id")},
	{"client that is a text", SUBSCRIBE, "{'plan_id':'1','client':'Ana'}",
	CARD, IS("client", "a JSON object")},
	{"client without a name", SUBSCRIBE,
		"{'plan_id':'1','client':{'document':'52998224725'}}", CARD,
	IS("client.name", "given")},
	{"client without a document", SUBSCRIBE,
		"{'plan_id':'1','client':{'name':'Ana'}}", CARD,
	IS("client.document", "given")},
	{"client with a wrong document", SUBSCRIBE,
		"{'plan_id':'1','client':{'name':'Ana','document':'52998224726'}}",
	CARD, IS("client.document", "a CPF or CNPJ")},
	{"client with a member of the API", SUBSCRIBE,
		"{'plan_id':'1','client':{'name':'Ana','document':'52998224725',"
	"'nome':'x'}}", CARD, IS("client", "without further members")},
	{"client born on no day", SUBSCRIBE,
		"{'plan_id':'1','client':{'name':'Ana','document':'52998224725',"
	"'birth_date':'1961-02-29'}}", CARD, IS("client.birth_date", "a date")},
	{"address that is a list", SUBSCRIBE,
		"{'plan_id':'1','address':[]," ANA "}", CARD,
	IS("address", "a JSON object")},
	{"address with a number that is one", SUBSCRIBE,
		"{'plan_id':'1','address':{'number':10}," ANA "}", CARD,
	IS("address.number", "a string")},
	{"client with a stored card", SUBSCRIBE,
		"{'plan_id':'1','card_id':'2'," ANA "}", CARD,
	IS("card_id", "given with client_id")},
	{"known client with a new card", SUBSCRIBE,
		"{'plan_id':'1','client_id':'2'}", CARD,
	IS("client_id", "given without address and card")},
	{"client without a card", SUBSCRIBE, "{'plan_id':'1'," ANA "}", NULL,
	IS("card", "a JSON object")},
	{"subscription that has expired", SUBSCRIBE,
		"{'plan_id':'1','expiration_date':'2030-01-15'," ANA "}", CARD,
	IS("expiration_date", "in the future")},
	{"subscription that expires sometime", SUBSCRIBE,
		"{'plan_id':'1','expiration_date':'soon'," ANA "}", CARD,
	IS("expiration_date", "a date, or a time with a zone")},
	{"new client without a document", CLIENT, "{'name':'Ana'}", NULL,
	IS("document", "given")},
	{"new client with a slip in the document", CLIENT,
		"{'name':'Ana','document':'11.222.333/0001-82'}", NULL,
	IS("document", "a CPF or CNPJ")},
	{"new client without a name", CLIENT, "{'document':'52998224725'}",
	NULL, IS("name", "given")},
	{"new client with an address of its own", CLIENT,
		"{'name':'Ana','document':'52998224725','address':{'planet':'x'}}",
	NULL, IS("address", "without further members")},
	{"change of a subscription by nothing", PARTNER_API_CHANGE_SUBSCRIPTION,
		"{'changes':{}}", NULL,
	IS("changes", "a JSON object with members")},
	{"change of a subscription with a card", PARTNER_API_CHANGE_SUBSCRIPTION,
	"{'changes':{'cartao':{}}}", NULL, IS("changes", "without a card")},
	{"the same inside", PARTNER_API_CHANGE_SUBSCRIPTION,
		"{'changes':{'a':[{'cliente':{'CVV':'1'}}]}}", NULL,
	IS("changes", "without a card")},
	{"refund of nobody's invoice", PARTNER_API_REFUND_INVOICE, "{}", NULL,
	IS("subscription_id", "an id of the provider")},
	{"no card", STORE, "{}", NULL, IS("card", "a JSON object")},
	{"card without a holder", STORE, "{}",
		"{'number':'" NUMBER "','security_code':'123',"
	"'valid_until':'08/2031'}", IS("card.holder", "given")},
	{"card with more", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'123',"
		"'valid_until':'08/2031','" NUMBER "':1}",
	IS("card", "an object of four members")},
	{"card with a number that is one", STORE, "{}",
		"{'holder':'A','number':4111111111111111,'security_code':'123',"
	"'valid_until':'08/2031'}", IS("card.number", "a string")},
	{"card with a slip", STORE, "{}",
		"{'holder':'A','number':'4111111111111112','security_code':'123',"
	"'valid_until':'08/2031'}", IS("card.number", "the number of a card")},
	{"card that is too short", STORE, "{}",
		"{'holder':'A','number':'0000','security_code':'123',"
	"'valid_until':'08/2031'}", IS("card.number", "the number of a card")},
	{"card with a code of two", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'12',"
	"'valid_until':'08/2031'}", IS("card.security_code", "3 or 4 digits")},
	{"card with a code of letters", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'12a',"
	"'valid_until':'08/2031'}", IS("card.security_code", "3 or 4 digits")},
	{"card of no month", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'123',"
	"'valid_until':'13/2031'}", IS("card.valid_until", "a month")},
	{"card of a day", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'123',"
	"'valid_until':'2031-08'}", IS("card.valid_until", "a month")},
	{"card that was valid", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'123',"
		"'valid_until':'12/29'}", IS("card.valid_until",
									 "a month that is not over")}
};

static PartnerApiAction
action_with(PartnerApiKind kind, const char *arguments, const char *secret)
{
	PartnerApiAction action = {.kind = kind,.now_ms = NOW_MS};

	if (partner_api_kind_traits(kind)->id_argument != NULL)
		action.instance_id = "46";
	action.arguments = json_of(arguments);
	action.secret = json_of(secret);
	return action;
}

static void
check(void *action)
{
	partner_api_zsystems.check(action);
}

static void
test_refused(const void *data)
{
	const BadRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments,
										  row->secret);

	assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
				 row->message);
}

/* ---- what is let through ---- */

static const BadRow good_rows[] = {
	{"expiry after now", PLAN,
	WITH("'plan_expiration_date':'2030-01-15T12:00:01Z'"), NULL, NULL},
	{"description of two lines", PLAN, WITH("'description':'a\\nb'"), NULL,
	NULL},
	{"whatever is null", PLAN,
		WITH("'description':null,'logo':null,'setup_amount_cents':null,"
			 "'plan_expiration_date':null,'format':null"),
	NULL, NULL},
	{"nothing to pay", PLAN,
		"{'name':'G','amount_cents':0,'frequency':'monthly'}", NULL,
	NULL},
	{"known client without a card", SUBSCRIBE,
	"{'plan_id':'1','client_id':'2'}", NULL, NULL},
	{"card in its last month", STORE, "{}",
		"{'holder':'A','number':'" NUMBER "','security_code':'123',"
	"'valid_until':'01/2030'}", NULL},
	{"card of American Express", STORE, "{}",
		"{'holder':'A','number':'3782 822463 10005',"
	"'security_code':'1234','valid_until':'01/30'}", NULL}
};

static void
test_accepted(const void *data)
{
	const BadRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments,
										  row->secret);

	assert_null(backend_catch(check, &action));
	assert_null(backend_notice());
}

/*
 * Without a clock nothing is in the past.
 */
static void
test_no_clock(const void *unused)
{
	PartnerApiAction action = action_with(PLAN,
										  WITH("'plan_expiration_date':"
											   "'2001-01-01T00:00:00Z'"),
										  NULL);

	action.now_ms = 0;
	assert_null(backend_catch(check, &action));
}

/* ---- what is said of what is let through ---- */

static void
test_spelling_is_said(const void *unused)
{
	PartnerApiAction action = action_with(CHANGE, "{'frequency':'annually'}",
										  NULL);

	assert_null(backend_catch(check, &action));
	assert_non_null(backend_notice());
	assert_text(backend_notice()->message,
				"frequency \"annually\" is sent as \"annualy\"");
	action = action_with(CHANGE, "{'frequency':'yearly'}", NULL);
	assert_null(backend_catch(check, &action));
	assert_text(backend_notice()->message,
				"frequency \"yearly\" is sent as \"annualy\"");
}

static void
test_payment_method_is_warned_of(const void *unused)
{
	PartnerApiAction action = action_with(CHANGE, "{'payment_methods':'pix'}",
										  NULL);

	assert_null(backend_catch(check, &action));
	assert_non_null(backend_notice());
	assert_text(backend_notice()->message,
				"payment method \"pix\" is not known");
}

static void
test_known_payment_methods(const void *unused)
{
	static const char *const methods[] = {
		"credit_card", "cartao", "credit", "boleto"
	};

	for (size_t i = 0; i < lengthof(methods); i++)
	{
		PartnerApiAction action = action_with(CHANGE,
											  psprintf("{'payment_methods':'%s'}",
													   methods[i]), NULL);

		assert_null(backend_catch(check, &action));
		assert_null(backend_notice());
	}
}

/* ---- ids ---- */

/*
 * Only digits: "/planos/assinaturas" is a list, and no plan.
 */
static void
test_ids(const void *unused)
{
	static const char *const bad[] = {
		NULL, "", "assinaturas", "4/6", "46 ", "-1", "1234567890123456789"
	};

	for (size_t i = 0; i < lengthof(bad); i++)
	{
		PartnerApiAction action = action_with(CHANGE, "{'name':'G'}", NULL);

		action.instance_id = bad[i];
		assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
					 IS("plan_id", "an id of the provider"));
	}
}

/* ---- documents ---- */

typedef struct DocumentRow
{
	const char *name;
	const char *document;
	const char *expected;
} DocumentRow;

static const DocumentRow document_rows[] = {
	{"CPF", "52998224725", "52998224725"},
	{"CPF with punctuation", " 529.982.247-25 ", "52998224725"},
	{"CPF that begins with zeros", "00000001910", "00000001910"},
	{"CPF whose first digit checks to ten", "10000000108", "10000000108"},
	{"CPF with a slip at the end", "52998224724", NULL},
	{"CPF with two digits swapped", "25998224725", NULL},
	{"CPF of one digit", "11111111111", NULL},
	{"CPF that is short", "5299822472", NULL},
	{"CPF with a letter", "5299822472A", NULL},
	{"CNPJ", "11222333000181", "11222333000181"},
	{"CNPJ with punctuation", "11.222.333/0001-81", "11222333000181"},
	{"CNPJ with a slip", "11222333000191", NULL},
	{"CNPJ of zeros", "00000000000000", NULL},
	{"CNPJ with letters", "12.ABC.345/01DE-35", "12ABC34501DE35"},
	{"CNPJ with small letters", "12abc34501de35", "12ABC34501DE35"},
	{"CNPJ with a letter that checks", "12ABC34501DE3A", NULL},
	{"nothing", "", NULL},
	{"punctuation", "./-", NULL},
	{"no document", NULL, NULL}
};

static void
test_document(const void *data)
{
	const DocumentRow *row = data;

	assert_text(partner_api_document(row->document), row->expected);
}

/* ---- what errors do not show ---- */

/*
 * Nothing of a card, and no document, gets into the log.
 */
static void
test_values_are_not_repeated(const void *unused)
{
	static const char *const secrets[] = {
		"4111", "529", "SECRET", "987", "08/20"
	};

	for (size_t i = 0; i < lengthof(other_rows); i++)
	{
		PartnerApiAction action = action_with(other_rows[i].kind,
											  other_rows[i].arguments,
											  other_rows[i].secret);
		const BackendError *error = backend_catch(check, &action);
		char	   *said = psprintf("%s %s", error->message, error->detail);

		for (size_t j = 0; j < lengthof(secrets); j++)
			assert_null(strstr(said, secrets[j]));
	}
}

int
main(void)
{
	add_table(test_refused, plan_rows);
	add_table(test_refused, other_rows);
	add_table(test_accepted, good_rows);
	add_test("without a clock", test_no_clock);
	add_test("spelling is said", test_spelling_is_said);
	add_test("payment methods are warned of",
			 test_payment_method_is_warned_of);
	add_test("known payment methods", test_known_payment_methods);
	add_test("ids", test_ids);
	add_table(test_document, document_rows);
	add_test("values are not repeated", test_values_are_not_repeated);
	return run_suite("zsystems check");
}
