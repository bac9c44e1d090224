/*-------------------------------------------------------------------------
 *
 * test_zsystems_list.c
 *	  Unit tests of zsystems_list.c and zsystems_sight.c: lists, reads, and
 *	  what rows show of a lost answer.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"
#include "providers/zsystems.h"

#define PLANS PARTNER_API_LIST_PLANS
#define SUBSCRIPTIONS PARTNER_API_LIST_SUBSCRIPTIONS
#define CLIENTS PARTNER_API_LIST_CLIENTS
#define INVOICES PARTNER_API_LIST_INVOICES

typedef struct PageRow
{
	const char *name;
	PartnerApiList list;
	int			status;
	const char *body;
	const char *expected;		/* rows, or what is wrong */
} PageRow;

static const PageRow good_rows[] = {
	{"plans", PLANS, 200,
		"{'success':true,'planos':[{'id':1,'description':'A "
		"[pa-0123abcd-7-0123abcd]','created':'2030-01-15T12:00:00Z'},"
		"{'id':'2','amount':9900}]}",
		"1 A [pa-0123abcd-7-0123abcd] 1894708800000 {'plan_id':'1',"
		"'description':'A','details':{'id':1,'description':'A "
		"[pa-0123abcd-7-0123abcd]','created':'2030-01-15T12:00:00Z'}}\n"
		"2 - 0 {'plan_id':'2','amount_cents':9900,'details':{'id':'2',"
	"'amount':9900}}\n"},
	{"plans in data", PLANS, 200, "{'data':[{'id':1}]}",
	"1 - 0 {'plan_id':'1','details':{'id':1}}\n"},
	{"plans in an array", PLANS, 200, "[{'id':1}]",
	"1 - 0 {'plan_id':'1','details':{'id':1}}\n"},
	{"no plans", PLANS, 200, "{'success':true,'planos':[]}", ""},
	{"no plans in an array", PLANS, 200, "[]", ""},
	{"one page of plans", PLANS, 200, "{'data':[],'lastPage':1}", ""},
	{"plan with an amount of another unit", PLANS, 200,
		"[{'id':1,'amount':99.0,'frequency':'annualy','has_expiration':0}]",
		"1 - 0 {'plan_id':'1','frequency':'annualy',"
		"'has_expiration':false,'details':{'id':1,'amount':99.0,"
	"'frequency':'annualy','has_expiration':0}}\n"},
	{"plan with what does not suit", PLANS, 200,
		"[{'id':1,'name':5,'amount':-1,'interval':99999999999,'logo':2,"
		"'email':false,'grace_period':'x'}]",
		"1 - 0 {'plan_id':'1','details':{'id':1,'name':5,'amount':-1,"
		"'interval':99999999999,'logo':2,'email':false,"
	"'grace_period':'x'}}\n"},
	{"subscriptions", SUBSCRIPTIONS, 200,
		"{'assinaturas':[{'id':90,'amount':'49.90',"
		"'expiration_date':'2031-01-15','suspended_at':null,"
		"'status_assinatura_id':4,'plano':{'id':46},"
		"'cliente':{'id':7,'nome':'Ana'},"
		"'status_assinatura':{'titulo':'Ativa'}}]}",
		"90 - 0 {'subscription_id':'90','plan_id':'46','client_id':'7',"
		"'status':'active','status_id':4,'amount_cents':4990,"
		"'expires_at':'2031-01-15T03:00:00.000Z',"
		"'details':{'id':90,'amount':'49.90',"
		"'expiration_date':'2031-01-15','suspended_at':null,"
		"'status_assinatura_id':4,'plano':{'id':46},"
		"'cliente':{'id':7,'nome':'Ana'},"
	"'status_assinatura':{'titulo':'Ativa'}}}\n"},
	{"client", CLIENTS, 200,
		"{'success':true,'cliente':{'id':7,'cnpj':'11222333000181'}}",
		"7 - 0 {'client_id':'7','document':'11222333000181',"
	"'details':{'id':7,'cnpj':'11222333000181'}}\n"},
	{"client in a list", CLIENTS, 200, "{'data':[{'id':7}]}",
	"7 - 0 {'client_id':'7','details':{'id':7}}\n"},
	{"client who is null", CLIENTS, 200, "{'success':true,'cliente':null}",
	""},
	{"client who is not found", CLIENTS, 404,
	"{'success':false,'error':'Cliente não encontrado'}", ""},
	{"client who is not found, with success", CLIENTS, 200,
	"{'success':false,'message':'Cliente não encontrado'}", ""},
	{"document that is not registered", CLIENTS, 404,
	"{'errors':['Documento não cadastrado']}", ""},
	{"invoices", INVOICES, 200,
		"{'faturas':[{'id':5,'assinatura_id':90,'amount':49.0,"
		"'status':'paid','date_invoice':'2030-01-15T00:00:00.000Z',"
		"'paid_at':'2030-01-15T12:00:00.000Z'},"
		"{'id':6,'assinatura':{'id':91},'status':'voided'},{'id':7}]}",
		"5 - 0 {'invoice_id':'5','subscription_id':'90',"
		"'amount_cents':4900,'status':'paid','invoiced_on':'2030-01-15',"
		"'paid_at':'2030-01-15T12:00:00.000Z','details':{'id':5,"
		"'assinatura_id':90,'amount':49.0,'status':'paid',"
		"'date_invoice':'2030-01-15T00:00:00.000Z',"
		"'paid_at':'2030-01-15T12:00:00.000Z'}}\n"
		"6 - 0 {'invoice_id':'6','subscription_id':'91',"
		"'status':'voided','details':{'id':6,'assinatura':{'id':91},"
		"'status':'voided'}}\n"
		"7 - 0 {'invoice_id':'7','subscription_id':'52998224725',"
	"'details':{'id':7}}\n"},
	{"secrets in a row", SUBSCRIPTIONS, 200,
		"[{'id':1,'cartao':{'numero':'4111'},'tokenCardId':'x',"
		"'cliente':{'senha':'x','id':2}}]",
		"1 - 0 {'subscription_id':'1','client_id':'2','status':'unknown',"
	"'details':{'id':1,'cliente':{'id':2}}}\n"}
};

static const PageRow bad_rows[] = {
	{"plans refused", PLANS, 200, "{'success':false,'error':'Token'}",
	"Token"},
	{"plans refused beside a list", PLANS, 200,
	"{'success':false,'planos':[],'message':'x'}", "x"},
	{"plans with a wrong token", PLANS, 401, "{'error':'Token'}", "Token"},
	{"plans elsewhere", PLANS, 404, "{'error':'Rota não encontrada'}",
	"Rota não encontrada"},
	{"plans under another key", PLANS, 200, "{'plans':[]}",
	"answer has no list \"planos\""},
	{"plans that are one", PLANS, 200, "{'planos':{'id':1}}",
	"answer has no list \"planos\""},
	{"plans that are null", PLANS, 200, "{'planos':null}",
	"answer has no list \"planos\""},
	{"plans in text", PLANS, 200, "'planos'", "answer is no JSON object"},
	{"plans with an empty body", PLANS, 200, "",
	"JSON text ends too early at byte 0"},
	{"half of the plans", PLANS, 200, "{'planos':[{'id':1}",
	"JSON text ends too early at byte 19"},
	{"first page of plans", PLANS, 200, "{'data':[{'id':1}],'lastPage':2}",
	"answer has pages, and how to read them is not documented"},
	{"plan without an id", PLANS, 200, "[{'id':1},{'name':'x'}]",
	"row 2 of the list has no id"},
	{"plan that is a number", PLANS, 200, "[1]",
	"row 1 of the list has no id"},
	{"invoices of no subscription", INVOICES, 404,
	"{'error':'Assinatura não encontrado'}", "Assinatura não encontrado"},
	{"clients elsewhere", CLIENTS, 404, "{'error':'Rota não encontrada'}",
	"Rota não encontrada"},
	{"clients at a page", CLIENTS, 404, "<html>",
	"HTTP 404 with a page of markup"},
	{"clients refused", CLIENTS, 400, "{'error':'Cliente não encontrado'}",
	"Cliente não encontrado"},
	{"client's words in a success", CLIENTS, 200,
		"{'success':true,'message':'Cliente não encontrado'}",
	"answer has no list \"cliente\""},
	{"clients refused with success", CLIENTS, 200,
	"{'success':false,'errors':['CPF inválido']}", "CPF inválido"}
};

/*
 * Rows of a page: id, name, time of creation, fields.
 */
static char *
rows_text(const PartnerApiPage *page)
{
	char	   *lines = pstrdup("");
	ListCell   *cell;

	foreach(cell, page->rows)
	{
		const PartnerApiListRow *row = lfirst(cell);

		assert_non_null(strstr(row->fields, row->details));
		lines = psprintf("%s%s %s %lld %s\n", lines, row->instance_id,
						 row->name == NULL ? "-" : row->name,
						 (long long) row->created_ms, row->fields);
	}
	return lines;
}

static const PartnerApiFilter *
filter_of(PartnerApiList list)
{
	PartnerApiFilter *filter = palloc0(sizeof(PartnerApiFilter));

	filter->list = list;
	filter->query = "52998224725";
	return filter;
}

static void
test_page(const void *data)
{
	const PageRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiPage page;
	char	   *message = NULL;

	memset(&page, 0x7F, sizeof(page));
	if (!partner_api_zsystems.parse_list(filter_of(row->list), &response, 1,
										 &page, &message))
		fail_msg("not a list: %s", message);
	assert_text(rows_text(&page), quoted(row->expected));
	assert_true(page.last);
	assert_false(page.local_times);
	assert_true(page.total == -1);
}

static void
test_bad_page(const void *data)
{
	const PageRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiPage page;
	char	   *message = NULL;

	assert_false(partner_api_zsystems.parse_list(filter_of(row->list),
												 &response, 1, &page,
												 &message));
	assert_text(message, row->expected);
}

/*
 * An answer that did not come is no list, of clients neither.
 */
static void
test_lost_page(const void *unused)
{
	PartnerApiResponse response = answer_of(200, "");
	PartnerApiPage page;
	char	   *message = NULL;

	response.complete = false;
	response.transport_error = "timed out";
	for (int list = PLANS; list < PARTNER_API_LISTS; list++)
	{
		assert_false(partner_api_zsystems.parse_list(filter_of(list),
													 &response, 1, &page,
													 &message));
		assert_text(message, "timed out");
	}
}

/* ---- states ---- */

static void
test_statuses(const void *unused)
{
	static const char *const rows[][2] = {
		{"{'status_assinatura':{'titulo':'Ativa'}}", "active"},
		{"{'status_assinatura':{'titulo':'ATIVO'}}", "active"},
		{"{'status_assinatura':{'titulo':'Em teste'}}", "trial"},
		{"{'status_assinatura':{'titulo':'Trial'}}", "trial"},
		{"{'status_assinatura':{'titulo':'Em atraso'}}", "past_due"},
		{"{'status_assinatura':{'titulo':'Vencida'}}", "past_due"},
		{"{'status_assinatura':{'titulo':'Unpaid'}}", "past_due"},
		{"{'status_assinatura':{'titulo':'Suspensa'}}", "suspended"},
		{"{'status_assinatura':{'titulo':'Cancelada'}}", "cancelled"},
		{"{'status_assinatura':{'titulo':'Expirada'}}", "expired"},
		{"{'status_assinatura':{'titulo':'Aguardando pagamento'}}",
		"waiting"},
		{"{'status_assinatura':{'titulo':'Paga'}}", "paid"},
		{"{'status_assinatura':{'titulo':'Inativa'}}", "unknown"},
		{"{'status_assinatura':{'titulo':'Nova'}}", "unknown"},
		{"{'status_assinatura':'Cancelada'}", "cancelled"},
		{"{'suspended_at':'2030-01-15T12:00:00Z'}", "suspended"},
		{"{'suspended_at':'2030-01-15T12:00:00Z',"
		"'status_assinatura':{'titulo':'Ativa'}}", "active"},
		{"{'removed':true}", "cancelled"},
		{"{'removed':'2030-01-15T12:00:00Z'}", "cancelled"},
		{"{'removed':false,'suspended_at':null}", "unknown"},
		{"{'ativo':1,'status_assinatura_id':1}", "unknown"}
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		json_t	   *fields =
		partner_api_zsystems_subscription_fields(json_of(rows[i][0]));

		assert_text(json_string_value(json_object_get(fields, "status")),
					rows[i][1]);
	}
}

/* ---- reads ---- */

typedef struct ReadRow
{
	const char *name;
	PartnerApiRead read;
	int			status;
	const char *body;
	const char *text;			/* NULL if it is none */
	const char *message;
} ReadRow;

static const ReadRow read_rows[] = {
	{"plan", PARTNER_API_READ_PLAN, 200, "{'plano':{'id':1,'amount':5}}",
		"{'plan_id':'1','amount_cents':5,'details':{'id':1,'amount':5}}",
	NULL},
	{"plan by its id alone", PARTNER_API_READ_PLAN, 200, "{'plano':1}",
	NULL, "answer has no plan"},
	{"plan that is not there", PARTNER_API_READ_PLAN, 404,
		"{'success':false,'error':'Plano não encontrado'}", NULL,
	"Plano não encontrado"},
	{"plan with a page", PARTNER_API_READ_PLAN, 200, "<html>", NULL,
	"text is not valid JSON at byte 1"},
	{"plan in an array", PARTNER_API_READ_PLAN, 200, "[{'id':1}]", NULL,
	"answer has no plan"},
	{"subscription", PARTNER_API_READ_SUBSCRIPTION, 200,
		"{'data':{'id':90,'amount':0.1}}",
		"{'subscription_id':'90','status':'unknown','amount_cents':10,"
	"'details':{'id':90,'amount':0.1}}", NULL},
	{"subscription without data", PARTNER_API_READ_SUBSCRIPTION, 200,
	"{'success':true}", NULL, "answer has no subscription"},
	{"subscription refused", PARTNER_API_READ_SUBSCRIPTION, 200,
	"{'success':false,'erros':['x'],'data':{'id':90}}", NULL, "x"}
};

static void
test_read(const void *data)
{
	const ReadRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiReadResult result;
	char	   *message = NULL;
	bool		readable;

	memset(&result, 0x7F, sizeof(result));
	readable = partner_api_zsystems.parse_read(row->read, &response, &result,
											   &message);
	assert_int_equal(readable, row->text != NULL);
	if (readable)
	{
		assert_text(result.text, quoted(row->text));
		assert_null(result.bytes);
	}
	else
		assert_text(message, row->message);
}

/* ---- sights ---- */

/* 2030-01-15T12:00:00Z */
#define SENT_MS INT64CONST(1894708800000)

#define LONG_FORM "{'plan_id':'46','client':{'name':'Ana'," \
	"'email':'A@b.c','document':'529.982.247-25'}}"
#define SHORT_FORM "{'plan_id':'46','client_id':'7'}"
#define NEW "'created':'2030-01-15T12:00:01Z','plano_id':46"
#define TITLE(word) "{'id':46,'status_assinatura':{'titulo':'" word "'}}"

typedef struct SightRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	const char *row;
	PartnerApiSight expected;
} SightRow;

static const SightRow sight_rows[] = {
	{"short form", PARTNER_API_CREATE_SUBSCRIPTION, SHORT_FORM,
	"{'id':90,'cliente_id':7," NEW "}", PARTNER_API_SIGHT_EFFECT},
	{"short form, another client", PARTNER_API_CREATE_SUBSCRIPTION,
		SHORT_FORM, "{'id':90,'cliente_id':8," NEW "}",
	PARTNER_API_SIGHT_NOTHING},
	{"short form, another plan", PARTNER_API_CREATE_SUBSCRIPTION,
		SHORT_FORM, "{'id':90,'cliente_id':7,"
		"'created':'2030-01-15T12:00:01Z','plano_id':47}",
	PARTNER_API_SIGHT_NOTHING},
	{"short form, a minute before", PARTNER_API_CREATE_SUBSCRIPTION,
		SHORT_FORM, "{'id':90,'cliente_id':7,"
		"'created':'2030-01-15T11:59:00Z','plano_id':46}",
	PARTNER_API_SIGHT_EFFECT},
	{"short form, before", PARTNER_API_CREATE_SUBSCRIPTION,
		SHORT_FORM, "{'id':90,'cliente_id':7,"
		"'created':'2030-01-15T11:58:59Z','plano_id':46}",
	PARTNER_API_SIGHT_NOTHING},
	{"short form, nobody knows when", PARTNER_API_CREATE_SUBSCRIPTION,
		SHORT_FORM, "{'id':90,'cliente_id':7,'plano_id':46}",
	PARTNER_API_SIGHT_NOTHING},
	{"long form, by document", PARTNER_API_CREATE_SUBSCRIPTION, LONG_FORM,
		"{'id':90,'cliente':{'id':7,'cpf':'52998224725'}," NEW "}",
	PARTNER_API_SIGHT_EFFECT},
	{"long form, another document", PARTNER_API_CREATE_SUBSCRIPTION,
		LONG_FORM, "{'id':90,'cliente':{'id':7,'email':'a@b.c',"
	"'cnpj':'11222333000181'}," NEW "}", PARTNER_API_SIGHT_NOTHING},
	{"long form, by address", PARTNER_API_CREATE_SUBSCRIPTION, LONG_FORM,
		"{'id':90,'cliente':{'id':7,'email':'a@b.c'}," NEW "}",
	PARTNER_API_SIGHT_EFFECT},
	{"long form, of somebody", PARTNER_API_CREATE_SUBSCRIPTION, LONG_FORM,
	"{'id':90,'cliente_id':7," NEW "}", PARTNER_API_SIGHT_NOTHING},

	{"suspended", PARTNER_API_SUSPEND_SUBSCRIPTION, "{}", TITLE("Suspensa"),
	PARTNER_API_SIGHT_EFFECT},
	{"not suspended", PARTNER_API_SUSPEND_SUBSCRIPTION, "{}",
	TITLE("Ativa"), PARTNER_API_SIGHT_NO_EFFECT},
	{"suspended or not", PARTNER_API_SUSPEND_SUBSCRIPTION, "{}",
	"{'id':46}", PARTNER_API_SIGHT_RIDDLE},
	{"another suspended", PARTNER_API_SUSPEND_SUBSCRIPTION, "{}",
		"{'id':47,'suspended_at':'2030-01-15T12:00:00Z'}",
	PARTNER_API_SIGHT_NOTHING},
	{"reactivated", PARTNER_API_REACTIVATE_SUBSCRIPTION, "{}",
	TITLE("Ativa"), PARTNER_API_SIGHT_EFFECT},
	{"reactivated and late", PARTNER_API_REACTIVATE_SUBSCRIPTION, "{}",
	TITLE("Em atraso"), PARTNER_API_SIGHT_EFFECT},
	{"not reactivated", PARTNER_API_REACTIVATE_SUBSCRIPTION, "{}",
	TITLE("Suspensa"), PARTNER_API_SIGHT_NO_EFFECT},
	{"reactivated or not", PARTNER_API_REACTIVATE_SUBSCRIPTION, "{}",
	"{'id':46}", PARTNER_API_SIGHT_RIDDLE},
	{"cancelled", PARTNER_API_CANCEL_SUBSCRIPTION, "{}",
	TITLE("Cancelada"), PARTNER_API_SIGHT_EFFECT},
	{"cancelled by time", PARTNER_API_CANCEL_SUBSCRIPTION, "{}",
	TITLE("Expirada"), PARTNER_API_SIGHT_EFFECT},
	{"not cancelled", PARTNER_API_CANCEL_SUBSCRIPTION, "{}",
	TITLE("Ativa"), PARTNER_API_SIGHT_NO_EFFECT},
	{"changed or not", PARTNER_API_CHANGE_SUBSCRIPTION, "{}",
	TITLE("Ativa"), PARTNER_API_SIGHT_NO_EFFECT},
	{"client who was searched for", PARTNER_API_CREATE_CLIENT, "{}",
	"{'id':7}", PARTNER_API_SIGHT_EFFECT},
	{"plan, which has a nonce", PARTNER_API_CREATE_PLAN, "{}", "{'id':46}",
	PARTNER_API_SIGHT_NOTHING},
	{"plan of a change", PARTNER_API_CHANGE_PLAN, "{}", "{'id':46}",
	PARTNER_API_SIGHT_NO_EFFECT},
	{"card, which shows nowhere", PARTNER_API_STORE_CARD, "{}", "{'id':46}",
	PARTNER_API_SIGHT_NOTHING},
	{"voided", PARTNER_API_REFUND_INVOICE, "{}",
	"{'id':46,'status':'voided'}", PARTNER_API_SIGHT_EFFECT},
	{"paid", PARTNER_API_REFUND_INVOICE, "{}", "{'id':46,'status':'paid'}",
	PARTNER_API_SIGHT_NO_EFFECT},
	{"another voided", PARTNER_API_REFUND_INVOICE, "{}",
	"{'id':47,'status':'voided'}", PARTNER_API_SIGHT_NOTHING}
};

static PartnerApiAction
action_with(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = {.kind = kind};

	if (partner_api_kind_traits(kind)->id_argument != NULL)
		action.instance_id = "46";
	action.arguments = json_of(arguments);
	return action;
}

static void
test_sight(const void *data)
{
	const SightRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments);
	PartnerApiFilter filter = {
		.list = partner_api_kind_traits(row->kind)->list
	};
	PartnerApiResponse response = answer_of(200, psprintf("{'data':[%s]}",
														  row->row));
	PartnerApiPage page;
	char	   *message = NULL;

	if (!partner_api_zsystems.parse_list(&filter, &response, 1, &page,
										 &message))
		fail_msg("not a list: %s", message);
	assert_int_equal(partner_api_zsystems.sight(&action, SENT_MS,
												linitial(page.rows)),
					 row->expected);
}

/*
 * What is searched for can be sent: a list must be there for each look.
 */
static void
test_look_queries(const void *unused)
{
	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		PartnerApiAction action = action_with(kind,
											  "{'document':'529.982.247-25',"
											  "'subscription_id':'90'}");
		PartnerApiFilter filter = {
			.list = partner_api_kind_traits(kind)->list
		};
		PartnerApiRequest request;
		const char *hint;

		if (!partner_api_zsystems.supports(kind, &hint))
			continue;
		filter.query = partner_api_zsystems.look_query(&action);
		assert_int_equal(filter.query != NULL,
						 partner_api_list_is_narrow(filter.list));
		partner_api_zsystems.build_list(&filter, 1, &credential, &request);
		assert_text(request.method, "GET");
	}
}

/* ---- out of memory ---- */

typedef struct Look
{
	PartnerApiAction action;
	PartnerApiResponse response;
} Look;

static void
parse_and_see(void *argument)
{
	Look	   *look = argument;
	PartnerApiPage page;
	char	   *message;

	(void) partner_api_zsystems.parse_list(filter_of(CLIENTS),
										   &look->response, 1, &page,
										   &message);
	if (partner_api_zsystems.parse_list(filter_of(SUBSCRIPTIONS),
										&look->response, 1, &page, &message))
		(void) partner_api_zsystems.sight(&look->action, 0,
										  linitial(page.rows));
}

static void
test_no_memory(const void *unused)
{
	Look		look;

	look.action = action_with(PARTNER_API_CREATE_SUBSCRIPTION,
							  "{'plan_id':'1','client':{'email':'a'}}");
	look.response = answer_of(200,
							  "{'data':[{'id':1,'plano_id':1,"
							  "'created':'2030-02-01',"
							  "'cliente':{'email':'a'}}]}");
	assert_survives_no_memory(parse_and_see, &look);
}

int
main(void)
{
	add_table(test_page, good_rows);
	add_table(test_bad_page, bad_rows);
	add_test("answer that did not come", test_lost_page);
	add_test("states", test_statuses);
	add_table(test_read, read_rows);
	add_table(test_sight, sight_rows);
	add_test("what looks search for", test_look_queries);
	add_test("no memory", test_no_memory);
	return run_suite("zsystems list");
}
