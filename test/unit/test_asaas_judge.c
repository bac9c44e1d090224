/*-------------------------------------------------------------------------
 *
 * test_asaas_judge.c
 *	  Unit tests of what an answer of Asaas to an action proves, and of its
 *	  words.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"
#include "providers/asaas.h"

#define CUSTOMER PARTNER_API_CREATE_CUSTOMER
#define CHARGE PARTNER_API_CREATE_CHARGE
#define CHANGE PARTNER_API_CHANGE_CHARGE
#define DELETE PARTNER_API_DELETE_CHARGE
#define RECUR PARTNER_API_CREATE_RECURRENCE
#define NOTIFY PARTNER_API_CHANGE_NOTIFICATIONS
#define HOOK PARTNER_API_CREATE_WEBHOOK

typedef struct JudgeRow
{
	const char *name;
	PartnerApiKind kind;
	int			status;
	const char *body;
	const char *expected;
} JudgeRow;

static const JudgeRow done_rows[] = {
	{"customer", CUSTOMER, 200,
		"{'object':'customer','id':'cus_1','name':'Ana',"
		"'cpfCnpj':'52998224725','mobilePhone':null,"
		"'notificationDisabled':false,'externalReference':'n-1',"
		"'dateCreated':'2030-01-15','deleted':false}",
		"done id=cus_1 token=(null) {'customer_id':'cus_1','name':'Ana',"
		"'document':'52998224725','notifications_disabled':false,"
		"'external_reference':'n-1','created_on':'2030-01-15',"
		"'deleted':false,'details':{'object':'customer','id':'cus_1',"
		"'name':'Ana','cpfCnpj':'52998224725','mobilePhone':null,"
		"'notificationDisabled':false,'externalReference':'n-1',"
	"'dateCreated':'2030-01-15','deleted':false}}"},
	{"charge", CHARGE, 200,
		"{'id':'pay_1','customer':'cus_1','value':19.9,'netValue':17.91,"
		"'originalValue':null,'billingType':'PIX','status':'PENDING',"
		"'dueDate':'2030-01-15','invoiceUrl':'https://h/i/1',"
		"'bankSlipUrl':null,'subscription':null,"
		"'creditCard':{'creditCardToken':'SECRET',"
		"'creditCardNumber':'1111'}}",
		"done id=pay_1 token=(null) {'charge_id':'pay_1',"
		"'customer_id':'cus_1','billing_type':'PIX','status':'PENDING',"
		"'value_cents':1990,'net_value_cents':1791,"
		"'due_on':'2030-01-15','invoice_url':'https://h/i/1',"
		"'details':{'id':'pay_1','customer':'cus_1','value':19.9,"
		"'netValue':17.91,'originalValue':null,'billingType':'PIX',"
		"'status':'PENDING','dueDate':'2030-01-15',"
		"'invoiceUrl':'https://h/i/1','bankSlipUrl':null,"
	"'subscription':null,'creditCard':{'creditCardNumber':'1111'}}}"},
	{"charge with a status of tomorrow", CHARGE, 201,
		"{'id':'pay_1','status':'WHATEVER'}",
		"done id=pay_1 token=(null) {'charge_id':'pay_1',"
		"'status':'WHATEVER','details':{'id':'pay_1',"
	"'status':'WHATEVER'}}"},
	{"charge with parts of a cent", CHARGE, 200,
		"{'id':'pay_1','value':0.005}",
		"done id=pay_1 token=(null) {'charge_id':'pay_1',"
	"'details':{'id':'pay_1','value':0.005}}"},
	{"charge with empty errors", CHARGE, 200, "{'id':'p','errors':[]}",
		"done id=p token=(null) {'charge_id':'p','details':{'id':'p',"
	"'errors':[]}}"},
	{"change", CHANGE, 200, "{'id':'ID','value':5}",
		"done {'charge_id':'ID','value_cents':500,'details':{'id':'ID',"
	"'value':5}}"},
	{"delete", DELETE, 200, "{'deleted':true,'id':'ID'}",
	"done {'charge_id':'ID','deleted':true}"},
	{"delete without an answer", PARTNER_API_DELETE_WEBHOOK, 204, "",
	"done {'webhook_id':'ID','deleted':true}"},
	{"restore", PARTNER_API_RESTORE_CHARGE, 200,
		"{'id':'ID','deleted':false}",
		"done {'charge_id':'ID','deleted':false,'details':{'id':'ID',"
	"'deleted':false}}"},
	{"recurrence", RECUR, 200,
		"{'id':'sub_1','cycle':'MONTHLY','nextDueDate':'2030-02-15',"
		"'maxPayments':12,'value':98.01}",
		"done id=sub_1 token=(null) {'recurrence_id':'sub_1',"
		"'cycle':'MONTHLY','value_cents':9801,"
		"'next_due_on':'2030-02-15','max_payments':12,"
		"'details':{'id':'sub_1','cycle':'MONTHLY',"
		"'nextDueDate':'2030-02-15','maxPayments':12,"
	"'value':98.01}}"},
	{"notifications", NOTIFY, 200,
		"{'notifications':[{'id':'not_1','event':'PAYMENT_OVERDUE',"
		"'smsEnabledForCustomer':true,'scheduleOffset':7}]}",
		"done {'customer_id':'ID','notifications':[{"
		"'notification_id':'not_1','event':'PAYMENT_OVERDUE',"
	"'sms_customer':true,'schedule_offset':7}]}"},
	{"notifications under another name", NOTIFY, 200, "{'data':[]}",
	"done {'customer_id':'ID','notifications':[]}"},
	{"webhook", HOOK, 200,
		"{'id':'w','name':'W','events':['PAYMENT_RECEIVED'],"
		"'hasAuthToken':true,'authToken':'SECRET',"
		"'penalizedRequestsCount':0}",
		"done id=w token=(null) {'webhook_id':'w','name':'W',"
		"'has_token':true,'penalized_requests':0,"
		"'events':['PAYMENT_RECEIVED'],'details':{'id':'w','name':'W',"
	"'events':['PAYMENT_RECEIVED'],'penalizedRequestsCount':0}}"}
};

#define ERRORS(code, words) \
	"{'errors':[{'code':'" code "','description':'" words "'}]}"

static const JudgeRow refused_rows[] = {
	{"refusal", CHARGE, 400, ERRORS("invalid_value", "Valor baixo"),
	"failed, refused: Valor baixo (invalid_value)"},
	{"two refusals", CHARGE, 400,
		"{'errors':[{'code':'a','description':'A'},{'code':'b'},{},5]}",
	"failed, refused: A (a); b"},
	{"bad document", CUSTOMER, 400,
		ERRORS("invalid_object", "O CPF/CNPJ informado \xC3\xA9 inv\xC3\xA1lido."),
		"failed, refused: O CPF/CNPJ informado \xC3\xA9 inv\xC3\xA1lido. "
	"(invalid_object)"},
	{"refusal of a success", CHARGE, 200, ERRORS("x", "Y"),
	"failed, refused: Y (x)"},
	{"refusal without words", CHARGE, 400, "",
	"failed, refused: HTTP 400 with an empty body"},
	{"not found", CHANGE, 404, "",
	"failed, not found: HTTP 404 with an empty body"},
	{"not possible now", DELETE, 400, ERRORS("invalid_action", "N"),
	"failed, refused: N (invalid_action)"},
	{"key of the other environment", CHARGE, 401,
		ERRORS("invalid_environment", "D"),
		"failed, credential: the key and the base URL belong to different "
	"environments: D (invalid_environment)"},
	{"key that is not valid", CHARGE, 401, ERRORS("invalid_access_token", "D"),
		"failed, credential: the key is not valid, or was disabled: one "
	"that is not used for 3 months is: D (invalid_access_token)"},
	{"key without its dollar", CHARGE, 401,
		ERRORS("invalid_access_token_format", "D"),
		"failed, credential: the key is malformed; it begins with a dollar "
		"sign, which shells take away: D "
	"(invalid_access_token_format)"},
	{"no key", CHARGE, 401, ERRORS("access_token_not_found", "D"),
		"failed, credential: the request arrived without a key: D "
	"(access_token_not_found)"},
	{"missing permission", CHARGE, 403, "<html>",
		"failed, permission: the key lacks the permission for this call, or "
		"its list of addresses does not have ours: HTTP 403 with a page of "
	"markup"},
	{"limit", CHARGE, 429, ERRORS("too_many", "D"),
	"retry, busy: D (too_many)"},
	{"server error", CHARGE, 500, "",
	"unknown, lost: HTTP 500 with an empty body"},
	{"gateway", CHARGE, 502, "<html>",
	"unknown, lost: HTTP 502 with a page of markup"},
	{"no JSON", CHARGE, 200, "ok",
	"unknown, lost: HTTP 200, but text is not valid JSON at byte 2"},
	{"no object", CHARGE, 200, "[]",
	"unknown, lost: HTTP 200, but answer is no JSON object"},
	{"empty", CHARGE, 200, "",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 0"},
	{"no id", CHARGE, 200, "{'object':'payment'}",
	"unknown, lost: answer has no id"},
	{"id that is a number", CHARGE, 200, "{'id':5}",
	"unknown, lost: answer has no id"},
	{"another id", CHANGE, 200, "{'id':'X'}",
	"unknown, lost: answer is about another id"},
	{"another is deleted", DELETE, 200, "{'id':'X','deleted':true}",
	"unknown, lost: answer is about another id"},
	{"not deleted", DELETE, 200, "{'id':'ID','deleted':false}",
	"unknown, lost: answer does not say that it was deleted"},
	{"no notifications", NOTIFY, 200, "{}",
	"unknown, lost: answer has no notifications"}
};

static Judgement
judgement_of(const JudgeRow *row)
{
	Judgement	judgement = {.action = action_of(row->kind, NULL)};

	if (partner_api_kind_traits(row->kind)->creates)
		judgement.action.instance_id = NULL;
	judgement.response = answer_of(row->status, row->body);
	return judgement;
}

static void
judge(void *arg)
{
	Judgement  *judgement = arg;

	partner_api_provider_judge(&partner_api_asaas, &judgement->action,
							   &judgement->response, &judgement->verdict);
}

static void
test_judge(const void *data)
{
	const JudgeRow *row = data;
	Judgement	judgement = judgement_of(row);

	judge(&judgement);
	assert_text(verdict_text(&judgement.verdict), quoted(row->expected));
}

static void
test_no_memory(const void *data)
{
	Judgement	judgement = judgement_of(data);

	assert_survives_no_memory(judge, &judgement);
}

/* The time to wait is the transport's to know, and is handed on. */
static void
test_wait(const void *unused)
{
	const JudgeRow row = {"", CHARGE, 429, "{}", NULL};
	Judgement	judgement = judgement_of(&row);

	judgement.response.retry_after_ms = 42000;
	judge(&judgement);
	assert_int_equal(judgement.verdict.kind, PARTNER_API_RETRY);
	assert_true(judgement.verdict.retry_after_ms == 42000);
}

static void
test_amounts(const void *unused)
{
	static const struct
	{
		const char *json;
		int64		cents;
	}			rows[] = {
		{"'19.90'", 1990}, {"100", 10000}, {"'-0.01'", -1}, {"-3", -300},
		{"'-3.5'", -350}, {"0", 0}
	};
	static const char *const bad[] = {
		"null", "true", "'1e2'", "'-'", "'--1'", "'0.001'", "''"
	};
	int64		cents;

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		assert_true(partner_api_asaas_amount(json_of(rows[i].json), &cents));
		assert_true(cents == rows[i].cents);
	}
	for (size_t i = 0; i < lengthof(bad); i++)
		assert_false(partner_api_asaas_amount(json_of(bad[i]), &cents));
}

int
main(void)
{
	add_table(test_judge, done_rows);
	add_table(test_judge, refused_rows);
	add_table(test_no_memory, done_rows);
	add_test("time to wait", test_wait);
	add_test("amounts", test_amounts);
	return run_suite("asaas judge");
}
