/*-------------------------------------------------------------------------
 *
 * test_zsystems_judge.c
 *	  Unit tests of zsystems_judge.c and zsystems_answer.c: what an answer to
 *	  an action proves, and the values in it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

#define PLAN PARTNER_API_CREATE_PLAN
#define CHANGE PARTNER_API_CHANGE_PLAN
#define SUBSCRIBE PARTNER_API_CREATE_SUBSCRIPTION
#define SUSPEND PARTNER_API_SUSPEND_SUBSCRIPTION
#define CANCEL PARTNER_API_CANCEL_SUBSCRIPTION
#define REFUND PARTNER_API_REFUND_INVOICE
#define CLIENT PARTNER_API_CREATE_CLIENT
#define STORE PARTNER_API_STORE_CARD

#define NO_ID "unknown, lost: answer has no id of what was made"
#define NOT_SAID "unknown, lost: answer does not say that it was done"

typedef struct JudgeRow
{
	const char *name;
	PartnerApiKind kind;
	int			status;
	const char *body;
	const char *expected;
} JudgeRow;

static const JudgeRow plan_rows[] = {
	{"plan with a number", PLAN, 200, "{'success':true,'plano':4605}",
	"done id=4605 {'plan_id':'4605'}"},
	{"plan with digits", PLAN, 201, "{'plano':'4605'}",
	"done id=4605 {'plan_id':'4605'}"},
	{"plan with an object", PLAN, 200,
		"{'success':true,'plano':{'id':4605,'name':'Gold','amount':9900,"
		"'interval':'2','logo':1,'description':'All "
		"[pa-0123abcd-7-0123abcd]','plan_expiration_date':false,"
		"'token':'SECRET'}}",
		"done id=4605 {'plan_id':'4605','name':'Gold','description':'All',"
		"'amount_cents':9900,'interval_count':2,'logo':true,"
		"'details':{'id':4605,'name':'Gold','amount':9900,'interval':'2',"
		"'logo':1,'description':'All [pa-0123abcd-7-0123abcd]',"
	"'plan_expiration_date':false}}"},
	{"plan in data", PLAN, 200, "{'success':true,'data':{'id':'7'}}",
	"done id=7 {'plan_id':'7','details':{'id':'7'}}"},
	{"plan with a success of one", PLAN, 200, "{'success':1,'plano':1}",
	"done id=1 {'plan_id':'1'}"},
	{"plan with empty errors", PLAN, 200,
		"{'success':true,'plano':1,'error':null,'errors':[],'erros':{}}",
	"done id=1 {'plan_id':'1'}"},
	{"plan with words of success", PLAN, 200,
		"{'success':true,'message':'Operação realizada','plano':1}",
	"done id=1 {'plan_id':'1'}"},
	{"plan without an id", PLAN, 200, "{'success':true}", NO_ID},
	{"plan with an object without an id", PLAN, 200,
	"{'success':true,'plano':{'name':'Gold'}}", NO_ID},
	{"plan with an id of null", PLAN, 200, "{'success':true,'plano':null}",
	NO_ID},
	{"plan with an id of zero", PLAN, 200, "{'success':true,'plano':0}",
	NO_ID},
	{"plan with an id of true", PLAN, 200, "{'success':true,'plano':true}",
	NO_ID},
	{"plan with a list of ids", PLAN, 200, "{'success':true,'plano':[1]}",
	NO_ID},
	{"plan with nothing but a message", PLAN, 200, "{'message':'ok'}",
	NO_ID},
	{"plan with an empty object", PLAN, 200, "{}", NO_ID},
	{"plan with an empty body", PLAN, 200, "",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 0"},
	{"plan with a page", PLAN, 200, "<html></html>",
	"unknown, lost: HTTP 200, but text is not valid JSON at byte 1"},
	{"plan with half an object", PLAN, 200, "{'plano':46",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 11"},
	{"plan with an array", PLAN, 200, "[4605]",
	"unknown, lost: HTTP 200, but JSON value is no object"},
	{"plan refused, but with an id", PLAN, 200,
		"{'success':false,'error':'x','plano':4605}",
	"unknown, lost: answer refuses, but has an id: x"},

	/* five shapes, and their order */
	{"error as text", PLAN, 200, "{'success':false,'error':'bad name'}",
	"failed, refused: bad name"},
	{"error as an object", PLAN, 200,
		"{'success':false,'error':{'code':5,'message':'bad name'}}",
	"failed, refused: bad name"},
	{"errors as a list", PLAN, 200,
		"{'success':false,'errors':['bad name','bad amount']}",
	"failed, refused: bad name; bad amount"},
	{"errors as a list of objects", PLAN, 200,
		"{'success':false,'errors':[{'field':'name','message':'bad'}]}",
	"failed, refused: bad"},
	{"erros as an object", PLAN, 200,
		"{'success':false,'erros':{'name':['bad'],'amount':['worse']}}",
	"failed, refused: bad; worse"},
	{"erros as text", PLAN, 200, "{'success':false,'erros':'ruim'}",
	"failed, refused: ruim"},
	{"message", PLAN, 200, "{'success':false,'message':'bad name'}",
	"failed, refused: bad name"},
	{"error before errors", PLAN, 200,
		"{'message':'d','erros':'c','errors':['b'],'error':'a'}",
	"failed, refused: a"},
	{"errors before erros", PLAN, 200,
		"{'message':'d','erros':'c','errors':['b'],'error':''}",
	"failed, refused: b"},
	{"erros before message", PLAN, 200,
		"{'message':'d','erros':'c','errors':[],'error':null}",
	"failed, refused: c"},
	{"error of true", PLAN, 200, "{'error':true}",
	"failed, refused: true"},
	{"no success, no words", PLAN, 200, "{'success':false}",
	"failed, refused: {'success':false}"},
	{"no success in words", PLAN, 200, "{'success':'false'}",
	"failed, refused: {'success':'false'}"},
	{"no success in numbers", PLAN, 200, "{'success':0,'message':'x'}",
	"failed, refused: x"},
	{"refused", PLAN, 422, "{'success':false,'erros':{'name':['x']}}",
	"failed, refused: x"},
	{"refused, never mind an id", PLAN, 400, "{'plano':5,'error':'x'}",
	"failed, refused: x"},
	{"refused in plain text", PLAN, 400, "nope", "failed, refused: nope"},
	{"refused with a page", PLAN, 400, "<html>",
	"failed, refused: HTTP 400 with a page of markup"},
	{"not here", PLAN, 404, "{'error':'Rota'}", "failed, not found: Rota"},
	{"wrong token", PLAN, 401, "{'success':false,'error':'Token inválido'}",
	"failed, credential: Token inválido"},
	{"wrong token, another status", PLAN, 403, "{'error':'Token inválido'}",
	"failed, credential: Token inválido"},
	{"not this way", PLAN, 405, "{'message':'Método não permitido'}",
	"failed, protocol: Método não permitido"},
	{"too often", PLAN, 429, "", "retry, busy: HTTP 429 with an empty body"},
	{"broken", PLAN, 500, "{'success':false,'error':'x'}",
	"unknown, lost: x"}
};

static const JudgeRow other_rows[] = {
	{"change", CHANGE, 200, "{'success':true,'plano':{'id':46,'name':'G'}}",
	"done {'plan_id':'46','name':'G','details':{'id':46,'name':'G'}}"},
	{"change, by its id alone", CHANGE, 200, "{'plano':{'id':'46'}}",
	"done {'plan_id':'46','details':{'id':'46'}}"},
	{"change, by its word alone", CHANGE, 200, "{'success':true}", "done"},
	{"change of another plan", CHANGE, 200,
		"{'success':true,'plano':{'id':47}}",
	"unknown, lost: answer is about another id"},
	{"change, not said", CHANGE, 200, "{'message':'ok'}", NOT_SAID},
	{"change of no plan", CHANGE, 404,
		"{'success':false,'error':'Plano não encontrado'}",
	"failed, not found: Plano não encontrado"},
	{"change of no plan, with success", CHANGE, 200,
		"{'success':false,'error':'Plano não encontrado'}",
	"failed, not found: Plano não encontrado"},
	{"change that the provider does not have", CHANGE, 404, "<html>",
		"failed, not found: HTTP 404 with a page of markup (the provider "
	"does not document this operation, and may not have it)"},

	{"subscribe", SUBSCRIBE, 200,
		"{'success':true,'message':'Operação realizada com sucesso',"
		"'data':{'id':90,'ativo':1,'status_assinatura_id':1,"
		"'payment_method':'credit','due_date':'2030-02-01',"
		"'expiration_date':null,'amount':49.00,'currency':'BRL',"
		"'plano_id':46,'cliente_id':7,"
		"'created':'2030-01-15T12:00:00.000Z'}}",
		"done id=90 {'subscription_id':'90','plan_id':'46',"
		"'client_id':'7','status':'unknown','status_id':1,"
		"'amount_cents':4900,'currency':'BRL','payment_method':'credit',"
		"'due_on':'2030-02-01','created_at':'2030-01-15T12:00:00.000Z',"
		"'details':{'id':90,'ativo':1,'status_assinatura_id':1,"
		"'payment_method':'credit','due_date':'2030-02-01',"
		"'expiration_date':null,'amount':49.0,'currency':'BRL',"
		"'plano_id':46,'cliente_id':7,"
	"'created':'2030-01-15T12:00:00.000Z'}}"},
	{"subscribe, told with the card", SUBSCRIBE, 200,
		"{'data':{'id':90,'cartao':{'numero':'4111'},'tokenCardId':8}}",
		"done id=90 {'subscription_id':'90','status':'unknown',"
	"'details':{'id':90}}"},
	{"subscribe refused", SUBSCRIBE, 200,
		"{'success':false,'message':'Plano inválido'}",
	"failed, refused: Plano inválido"},
	{"card declined", SUBSCRIBE, 200,
		"{'success':false,'message':'51 - {\\u0022error\\u0022:"
		"{\\u0022message\\u0022:\\u0022Saldo insuficiente\\u0022}}'}",
	"failed, refused: 51 - Saldo insuficiente"},
	{"card declined without saying no", SUBSCRIBE, 200,
		"{'message':'51 - {\\u0022error\\u0022:"
		"{\\u0022message\\u0022:\\u0022Saldo insuficiente\\u0022}}'}",
	"failed, refused: 51 - Saldo insuficiente"},
	{"card declined, but with an id", SUBSCRIBE, 200,
		"{'success':true,'data':{'id':90},'message':'51 - "
		"{\\u0022error\\u0022:{\\u0022message\\u0022:\\u0022x\\u0022}}'}",
	"unknown, lost: answer refuses, but has an id: 51 - x"},
	{"message that only looks like it", SUBSCRIBE, 200,
	"{'success':true,'message':'51 - {x'}", NO_ID},
	{"subscribe without data", SUBSCRIBE, 200,
	"{'success':true,'message':'ok'}", NO_ID},

	{"suspend", SUSPEND, 200,
		"{'success':true,'data':{'id':46,"
		"'status_assinatura':{'titulo':'Suspensa'}}}",
		"done {'subscription_id':'46','status':'suspended',"
	"'details':{'id':46,'status_assinatura':{'titulo':'Suspensa'}}}"},
	{"suspend, by its word alone", SUSPEND, 200,
	"{'success':true,'message':'ok'}", "done"},
	{"suspend refused", SUSPEND, 422,
		"{'success':false,'message':'Assinatura Suspensa'}",
	"failed, refused: Assinatura Suspensa"},
	{"cancel with no content", CANCEL, 204, "",
	"unknown, lost: HTTP 204, but JSON text ends too early at byte 0"},
	{"cancel", CANCEL, 200, "{'success':true}", "done"},
	{"cancel that the provider does not have", CANCEL, 404,
		"{'error':'Rota inexistente'}",
		"failed, not found: Rota inexistente (the provider does not "
	"document this operation, and may not have it)"},
	{"refund", REFUND, 200, "{'success':true,'data':{'id':5}}", "done"},
	{"refund, not said", REFUND, 200, "{'data':{'id':46}}", NOT_SAID},
	{"refund refused", REFUND, 200,
		"{'success':false,'message':'A fatura não está paga'}",
	"failed, refused: A fatura não está paga"},

	{"client", CLIENT, 200,
		"{'success':true,'cliente':{'id':7,'nome':'Ana','email':'a@b.c',"
		"'cpf':'529.982.247-25'}}",
		"done id=7 {'client_id':'7','name':'Ana','email':'a@b.c',"
		"'document':'52998224725','details':{'id':7,'nome':'Ana',"
	"'email':'a@b.c','cpf':'529.982.247-25'}}"},
	{"client who is there", CLIENT, 202,
		"{'success':false,'error':'Documento já cadastrado',"
		"'cliente':{'id':7}}",
		"done id=7 {'client_id':'7','document':'52998224725',"
	"'details':{'id':7},'existed':true}"},
	{"client who is there, but who", CLIENT, 202,
		"{'success':false,'error':'Documento já cadastrado'}",
	"failed, refused: Documento já cadastrado"},
	{"client refused", CLIENT, 422, "{'success':false,'errors':['e-mail']}",
	"failed, refused: e-mail"},

	{"card", STORE, 200,
		"{'success':true,'cartaoId':{'id':8,'ultimos_digitos':'1111'}}",
		"done id=8 {'card_id':'8','last_digits':'1111','client_id':'46',"
	"'details':{'id':8,'ultimos_digitos':'1111'}}"},
	{"card by its id alone", STORE, 200, "{'cartaoId':'c-8'}",
	"done id=c-8 {'card_id':'c-8','client_id':'46'}"},
	{"card refused", STORE, 200, "{'success':false,'errors':['numero']}",
	"failed, refused: numero"},
	{"card without an id", STORE, 200, "{'success':true}", NO_ID}
};

static void
judge(void *judgement)
{
	Judgement  *row = judgement;

	partner_api_provider_judge(&partner_api_zsystems, &row->action,
							   &row->response, &row->verdict);
}

static Judgement
judgement_of(const JudgeRow *row)
{
	Judgement	judgement;

	memset(&judgement, 0, sizeof(judgement));
	judgement.action.kind = row->kind;
	if (partner_api_kind_traits(row->kind)->id_argument != NULL)
		judgement.action.instance_id = "46";
	judgement.action.arguments = json_of("{'document':'529.982.247-25'}");
	judgement.response = answer_of(row->status, row->body);
	memset(&judgement.verdict, 0x7F, sizeof(judgement.verdict));
	return judgement;
}

/*
 * What of a verdict is told by objects.
 */
static char *
told_text(const PartnerApiVerdict *verdict)
{
	char	   *line = pstrdup("done");

	if (verdict->kind != PARTNER_API_DONE)
		return verdict_text(verdict);
	assert_null(verdict->instance_token);
	assert_null(verdict->message);
	assert_null(verdict->outcomes);
	if (verdict->instance_id != NULL)
		line = psprintf("%s id=%s", line, verdict->instance_id);
	if (verdict->fields != NULL)
		line = psprintf("%s %s", line, verdict->fields);
	return line;
}

static void
test_judge(const void *data)
{
	Judgement	judgement = judgement_of(data);
	const JudgeRow *row = data;

	judge(&judgement);
	assert_text(told_text(&judgement.verdict), quoted(row->expected));
}

/* jansson's own parser does not survive it in tokens of 16 bytes or more */
static const JudgeRow short_rows[] = {
	{"no memory for a plan", PLAN, 200,
		"{'success':true,'plano':{'id':1,'name':'G','interval':'2'}}",
	NULL},
	{"no memory for a subscription", SUBSCRIBE, 200,
		"{'data':{'id':9,'due_date':'2030-02-01','amount':4.5,'card':{}}}",
	NULL},
	{"no memory for a client", CLIENT, 202,
	"{'error':'x','cliente':{'id':7,'nome':'Ana'}}", NULL},
	{"no memory for a card", STORE, 200, "{'cartaoId':{'id':8}}", NULL},
	{"no memory for a refusal", PLAN, 400,
	"{'errors':['a',{'message':'b'}],'erros':{'c':'d'}}", NULL}
};

static void
test_no_memory(const void *data)
{
	Judgement	judgement = judgement_of(data);

	assert_survives_no_memory(judge, &judgement);
}

/* ---- money ---- */

typedef struct MoneyRow
{
	const char *name;
	const char *json;
	int64		cents;			/* -1: none */
} MoneyRow;

static const MoneyRow money_rows[] = {
	{"reais and no more", "49", 4900},
	{"reais with a point", "49.00", 4900},
	{"with one decimal", "49.9", 4990},
	{"with two", "0.29", 29},
	{"what doubles round", "1.15", 115},
	{"what doubles round, larger", "4503599627370.49", 450359962737049},
	{"nothing", "0", 0},
	{"nothing with a point", "0.00", 0},
	{"one cent", "0.01", 1},
	{"parts of a cent", "0.015", -1},
	{"parts of a cent, larger", "49.999", -1},
	{"parts of a cent, small", "0.0000001", -1},
	{"less than nothing", "-1", -1},
	{"less than nothing, with a point", "-0.5", -1},
	{"more than doubles hold", "90071992547409930.5", -1},
	{"more than cents hold", "92233720368547759", -1},
	{"text", "'49.00'", 4900},
	{"text without a point", "'49'", 4900},
	{"text with one decimal", "'49.9'", 4990},
	{"text with zeros behind", "'49.9000'", 4990},
	{"text with parts of a cent", "'49.901'", -1},
	{"text with a comma", "'49,00'", -1},
	{"text with two points", "'4.9.0'", -1},
	{"text with a sign", "'-4'", -1},
	{"text that is none", "''", -1},
	{"text that is a point", "'.'", -1},
	{"text that holds all", "'92233720368547758.07'",
	INT64CONST(9223372036854775807)},
	{"text that holds more", "'92233720368547758.08'", -1},
	{"text that holds far more", "'99999999999999999999'", -1},
	{"true", "true", -1},
	{"null", "null", -1},
	{"an object", "{}", -1}
};

static void
test_money(const void *data)
{
	const MoneyRow *row = data;
	int64		cents = -1;
	bool		is_money = partner_api_cents(json_of(row->json),
											 &cents);

	assert_int_equal(is_money, row->cents >= 0);
	if (is_money)
		assert_true(cents == row->cents);
}

/*
 * Every amount of cents comes back from the double that is nearest to it.
 */
static void
test_money_is_exact(const void *unused)
{
	for (int64 cents = 0; cents < INT64CONST(100000000000);
		 cents += 1 + cents / 1000)
	{
		json_t	   *real = json_real((double) cents / 100);
		int64		read = -1;

		assert_true(partner_api_cents(real, &read));
		assert_true(read == cents);
		json_decref(real);
	}
}

/* ---- times ---- */

static void
test_times(const void *unused)
{
	static const char *const rows[][2] = {
		{"'2030-01-15T12:00:00.000Z'", "2030-01-15T12:00:00.000Z"},
		{"'2030-01-15 09:00:00.5-03:00'", "2030-01-15T12:00:00.500Z"},
		{"'2028-02-29'", "2028-02-29T03:00:00.000Z"},
		{"'9999-12-31'", "9999-12-31T03:00:00.000Z"},
		{"'2030-02-29'", NULL},
		{"'2030-01-15T12:00:00'", NULL},
		{"'0001-01-01'", NULL},
		{"'15/01/2030'", NULL},
		{"1894708800", NULL},
		{"false", NULL},
		{"null", NULL}
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		json_t	   *object = partner_api_json_object();

		partner_api_put_time(object, "t", json_of(rows[i][0]));
		assert_text(json_string_value(json_object_get(object, "t")),
					rows[i][1]);
	}
}

static void
test_days(const void *unused)
{
	static const char *const rows[][2] = {
		{"'2030-01-15'", "2030-01-15"},
		{"'2030-01-15T12:00:00.000Z'", "2030-01-15"},
		{"'2030-01-15 12:00'", "2030-01-15"},
		{"'2030-01-151'", NULL},
		{"'2030-13-15'", NULL},
		{"'2030-04-31'", NULL},
		{"'0000-01-01'", NULL},
		{"'1900-02-29'", NULL},
		{"'2000-02-29'", "2000-02-29"},
		{"'2030-1-15'", NULL},
		{"20300115", NULL}
	};

	for (size_t i = 0; i < lengthof(rows); i++)
		assert_text(partner_api_day(json_of(rows[i][0])),
					rows[i][1]);
}

int
main(void)
{
	add_table(test_judge, plan_rows);
	add_table(test_judge, other_rows);
	add_table(test_money, money_rows);
	add_test("money is exact", test_money_is_exact);
	add_test("times", test_times);
	add_test("days", test_days);
	add_table(test_no_memory, short_rows);
	return run_suite("zsystems judge");
}
