/*-------------------------------------------------------------------------
 *
 * test_zsystems_build.c
 *	  Unit tests of what is sent to zsystems: paths, headers, bodies, forms.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "providers/zsystems.h"

#define TOKEN "\nAuthorization: Bearer PARTNER"
#define JSON TOKEN "\nContent-Type: application/json\n\n"
#define PLAN "'name':'Gold','amount_cents':9900,'frequency':'monthly'"
#define CARD "{'holder':'A B','number':'4111 1111-1111 1111'," \
	"'security_code':'123','valid_until':'08/2031'}"

typedef struct BuildRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	const char *secret;
	const char *expected;
} BuildRow;

static const BuildRow build_rows[] = {
	{"plan with what must be there", PARTNER_API_CREATE_PLAN,
		"{" PLAN "}", NULL,
		"POST /planos" JSON
		"{'name':'Gold','description':'Gold [n-1]','setup_amount':0,"
		"'amount':9900,'grace_period':0,'tolerance_period':0,"
		"'frequency':'monthly','interval':1,'currency':'BRL',"
	"'has_expiration':false,'expire_subscriptions':false}"},
	{"plan with everything", PARTNER_API_CREATE_PLAN,
		"{'subscription_duration':12,'name':'Gold','description':'All you "
		"need','email':'a@b.c','setup_amount_cents':2500,"
		"'amount_cents':9007199254740993,'grace_period':14,"
		"'tolerance_period':3,'frequency':'weekly','interval_count':4,"
		"'logo':true,'currency':'BRL','payment_methods':'boleto',"
		"'plan_expiration_date':'2099-12-01T01:00:00+00:00'}", NULL,
		"POST /planos" JSON
		"{'name':'Gold','description':'All you need [n-1]',"
		"'email':'a@b.c','setup_amount':2500,'amount':9007199254740993,"
		"'grace_period':14,'tolerance_period':3,'frequency':'weekly',"
		"'interval':4,'logo':true,'currency':'BRL',"
		"'payment_methods':'boleto',"
		"'plan_expiration_date':'2099-12-01T01:00:00.000Z',"
		"'has_expiration':true,'expire_subscriptions':true,"
	"'subscription_duration':12}"},
	{"plan by the year, as others spell it", PARTNER_API_CREATE_PLAN,
		"{'name':'Gold','amount_cents':1,'frequency':'yearly',"
		"'description':'','email':null}", NULL,
		"POST /planos" JSON
		"{'name':'Gold','description':'Gold [n-1]','setup_amount':0,"
		"'amount':1,'grace_period':0,'tolerance_period':0,"
		"'frequency':'annualy','interval':1,'currency':'BRL',"
	"'has_expiration':false,'expire_subscriptions':false}"},
	{"change of one field", PARTNER_API_CHANGE_PLAN,
		"{'description':'New'}", NULL,
	"PUT /planos/46" JSON "{'description':'New'}"},
	{"change that lets a plan expire", PARTNER_API_CHANGE_PLAN,
		"{'has_expiration':true,"
		"'plan_expiration_date':'2030-01-31T21:59:59.25-02:00'}", NULL,
		"PUT /planos/46" JSON
		"{'plan_expiration_date':'2030-01-31T23:59:59.250Z',"
	"'has_expiration':true}"},
	{"change that takes an expiry back", PARTNER_API_CHANGE_PLAN,
		"{'has_expiration':false,'plan_expiration_date':false,"
		"'frequency':'annually'}", NULL,
		"PUT /planos/46" JSON
		"{'frequency':'annualy','plan_expiration_date':false,"
	"'has_expiration':false}"},
	{"subscription, long form", PARTNER_API_CREATE_SUBSCRIPTION,
		"{'plan_id':'46','client':{'name':'Ana','email':'a@b.c',"
		"'birth_date':'1960-02-29','document':'529.982.247-25',"
		"'phone':'11 3000-0000','mobile':'11999990000'},"
		"'address':{'street':'Rua A','number':'10','complement':'',"
		"'district':'Centro','postal_code':'01310-100','city':'X',"
		"'state':'SP'},'expiration_date':'2030-12-31'}", CARD,
		"POST /planos/assinar" JSON
		"{'planoId':46,'cliente':{'nome':'Ana','email':'a@b.c',"
		"'dataNascimento':'1960-02-29','telefone':'11 3000-0000',"
		"'celular':'11999990000','cpf':'52998224725'},"
		"'endereco':{'logradouro':'Rua A','numero':'10',"
		"'bairro':'Centro','cep':'01310-100','cidade':'X','estado':'SP'},"
		"'cartao':{'titular':'A B','numero':'4111111111111111',"
		"'codigoSeguranca':'123','validade':'08/31'},"
	"'expiration_date':'2030-12-31'}"},
	{"subscription of a company, without an address",
		PARTNER_API_CREATE_SUBSCRIPTION,
		"{'plan_id':'46','client':{'name':'X','document':"
		"'11.222.333/0001-81'},'expiration_date':false}", CARD,
		"POST /planos/assinar" JSON
		"{'planoId':46,'cliente':{'nome':'X','cnpj':'11222333000181'},"
		"'cartao':{'titular':'A B','numero':'4111111111111111',"
		"'codigoSeguranca':'123','validade':'08/31'},"
	"'expiration_date':false}"},
	{"subscription, short form", PARTNER_API_CREATE_SUBSCRIPTION,
		"{'plan_id':'46','client_id':'7','card_id':'8',"
		"'expiration_date':'2030-12-31T00:00:00Z'}", NULL,
		"POST /planos/assinar" JSON
		"{'planoId':46,'clienteId':7,'tokenCardId':8,"
	"'expiration_date':'2030-12-31T00:00:00.000Z'}"},
	{"subscription with a card whose id is a text",
		PARTNER_API_CREATE_SUBSCRIPTION,
		"{'plan_id':'46','client_id':'7','card_id':'007-x'}", NULL,
		"POST /planos/assinar" JSON
	"{'planoId':46,'clienteId':7,'tokenCardId':'007-x'}"},
	{"change of a subscription", PARTNER_API_CHANGE_SUBSCRIPTION,
		"{'changes':{'amount':12.35,'x':null}}", NULL,
	"PUT /planos/assinatura/46" JSON "{'amount':12.35,'x':null}"},
	{"suspend", PARTNER_API_SUSPEND_SUBSCRIPTION, "{}", NULL,
	"POST /planos/assinatura/suspender" JSON "{'assinatura_id':46}"},
	{"reactivate", PARTNER_API_REACTIVATE_SUBSCRIPTION, "{}", NULL,
	"POST /planos/assinatura/reativar" JSON "{'assinatura_id':46}"},
	{"cancel", PARTNER_API_CANCEL_SUBSCRIPTION, "{}", NULL,
	"DELETE /planos/assinatura/46" TOKEN},
	{"refund", PARTNER_API_REFUND_INVOICE, "{'subscription_id':'9'}", NULL,
	"POST /planos/assinatura/estornar" JSON "{'id':46}"},
	{"client", PARTNER_API_CREATE_CLIENT,
		"{'name':'Ana','document':'52998224725','email':'a@b.c',"
		"'address':{'city':'X'}}", NULL,
		"POST /clientes" JSON
		"{'nome':'Ana','email':'a@b.c','cpf':'52998224725',"
	"'documento':'52998224725','endereco':{'cidade':'X'}}"},
	{"card", PARTNER_API_STORE_CARD, "{}", CARD,
		"POST /clientes/46/cartoes" JSON
		"{'titular':'A B','numero':'4111111111111111',"
	"'codigoSeguranca':'123','validade':'08/2031'}"},
	{"card whose year has two digits", PARTNER_API_STORE_CARD, "{}",
		"{'holder':'A','number':'4111111111111111',"
		"'security_code':'1234','valid_until':'08/31'}",
		"POST /clientes/46/cartoes" JSON
		"{'titular':'A','numero':'4111111111111111',"
	"'codigoSeguranca':'1234','validade':'08/2031'}"}
};

static PartnerApiAction
action_with(PartnerApiKind kind, const char *arguments, const char *secret)
{
	PartnerApiAction action = {.kind = kind};

	if (partner_api_kind_traits(kind)->id_argument != NULL)
		action.instance_id = "46";
	action.nonce = "n-1";
	action.arguments = json_of(arguments);
	action.secret = json_of(secret);
	return action;
}

static void
check(void *action)
{
	partner_api_zsystems.check(action);
}

/*
 * What is built has passed the check.
 */
static void
test_build(const void *data)
{
	const BuildRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments,
										  row->secret);
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	assert_null(backend_catch(check, &action));
	partner_api_zsystems.build(&action, &credential, &request);
	assert_text(request_text(&request), quoted(row->expected));
	assert_null(request.parts);
	assert_null(request.base_url);
}

/*
 * A name_nonce of "off".
 */
static void
test_build_without_nonce(const void *unused)
{
	PartnerApiAction action = action_with(PARTNER_API_CREATE_PLAN,
										  "{" PLAN ",'description':'D'}",
										  NULL);
	PartnerApiRequest request;

	action.nonce = NULL;
	partner_api_zsystems.build(&action, &credential, &request);
	assert_non_null(strstr(request.body, "\"description\":\"D\""));
}

/* ---- forms ---- */

static char *
parts_text(const List *parts)
{
	char	   *lines = pstrdup("");
	ListCell   *cell;

	foreach(cell, parts)
	{
		const PartnerApiPart *part = lfirst(cell);

		lines = psprintf("%s%s%s%s=%.*s\n", lines, part->name,
						 part->file_name == NULL ? "" : "@",
						 part->file_name == NULL ? "" : part->file_name,
						 (int) part->value_len, part->value);
	}
	return lines;
}

static void
test_form(const void *unused)
{
	PartnerApiAction action = action_with(PARTNER_API_CREATE_PLAN,
										  "{" PLAN ",'format':'multipart',"
										  "'logo':true,'email':null,"
										  "'description':'a\\nb'}", NULL);
	PartnerApiRequest request;

	assert_null(backend_catch(check, &action));
	partner_api_zsystems.build(&action, &credential, &request);
	assert_text(request_text(&request), "POST /planos" TOKEN);
	assert_null(request.body);
	assert_text(parts_text(request.parts),
				"name=Gold\n"
				"description=a\nb [n-1]\n"
				"setup_amount=0\n"
				"amount=9900\n"
				"grace_period=0\n"
				"tolerance_period=0\n"
				"frequency=monthly\n"
				"interval=1\n"
				"logo=true\n"
				"currency=BRL\n"
				"has_expiration=false\n"
				"expire_subscriptions=false\n");
}

static void
test_file(const void *unused)
{
	PartnerApiAction action = action_with(PARTNER_API_CHANGE_PLAN,
										  "{'format':'multipart','name':'G',"
										  "'file_field':'logo',"
										  "'file_name':'l.png',"
										  "'file_content':'AGEA'}", NULL);
	PartnerApiRequest request;
	const PartnerApiPart *file;

	assert_null(backend_catch(check, &action));
	partner_api_zsystems.build(&action, &credential, &request);
	assert_text(request_text(&request), "PUT /planos/46" TOKEN);
	assert_int_equal(list_length(request.parts), 2);
	file = lsecond(request.parts);
	assert_text(file->name, "logo");
	assert_text(file->file_name, "l.png");
	assert_int_equal(file->value_len, 3);
	assert_memory_equal(file->value, "\0a\0", 3);
}

/*
 * A dry run shows a card without its data.
 */
static void
test_masked_card(const void *unused)
{
	PartnerApiAction action = action_with(PARTNER_API_STORE_CARD, "{}",
										  "{'holder':'***','number':'***',"
										  "'security_code':'***',"
										  "'valid_until':'***'}");
	PartnerApiRequest request;

	partner_api_zsystems.build(&action, &credential, &request);
	assert_text(request.body,
				quoted("{'titular':'***','numero':'***',"
					   "'codigoSeguranca':'***','validade':'***'}"));
}

/* ---- what is not there ---- */

static void
test_unsupported(const void *unused)
{
	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const char *hint = "unset";
		bool		has = partner_api_zsystems.supports(kind, &hint);

		assert_int_equal(has, kind >= PARTNER_API_CREATE_PLAN &&
						 kind <= PARTNER_API_STORE_CARD &&
						 kind != PARTNER_API_DELETE_PLAN);
		assert_int_equal(has, hint == NULL);
		assert_false(partner_api_zsystems.needs_token(kind));
	}
	for (int read = 0; read < PARTNER_API_READS; read++)
	{
		const char *hint = "unset";
		bool		has = partner_api_zsystems.supports_read(read, &hint);

		assert_int_equal(has, read == PARTNER_API_READ_PLAN ||
						 read == PARTNER_API_READ_SUBSCRIPTION);
		assert_int_equal(has, hint == NULL);
	}
	for (int list = 0; list < PARTNER_API_LISTS; list++)
		assert_int_equal(partner_api_zsystems.supports_list(list),
						 list >= PARTNER_API_LIST_PLANS &&
						 list <= PARTNER_API_LIST_INVOICES);
}

/* ---- lists and reads ---- */

typedef struct ListRow
{
	const char *name;
	PartnerApiList list;
	const char *query;
	const char *expected;
} ListRow;

static const ListRow list_rows[] = {
	{"plans", PARTNER_API_LIST_PLANS, NULL, "GET /planos" TOKEN},
	{"plans, whatever is searched for", PARTNER_API_LIST_PLANS, "x",
	"GET /planos" TOKEN},
	{"subscriptions", PARTNER_API_LIST_SUBSCRIPTIONS, NULL,
	"GET /planos/assinaturas" TOKEN},
	{"clients", PARTNER_API_LIST_CLIENTS, "529.982.247-25",
	"GET /clientes/por_documento/52998224725" TOKEN},
	{"invoices", PARTNER_API_LIST_INVOICES, "90",
	"GET /planos/assinatura/90/faturas" TOKEN}
};

static void
test_build_list(const void *data)
{
	const ListRow *row = data;
	PartnerApiFilter filter = {.list = row->list,.query = row->query};
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_zsystems.build_list(&filter, 1, &credential, &request);
	assert_text(request_text(&request), row->expected);
}

static void
build_list(void *filter)
{
	PartnerApiRequest request;

	partner_api_zsystems.build_list(filter, 1, &credential, &request);
}

static void
test_bad_query(const void *unused)
{
	PartnerApiFilter clients = {
		.list = PARTNER_API_LIST_CLIENTS,.query = "../planos"
	};
	PartnerApiFilter invoices = {.list = PARTNER_API_LIST_INVOICES};

	assert_error(build_list, &clients, ERRCODE_INVALID_PARAMETER_VALUE,
				 "argument \"document\" must be a CPF or CNPJ");
	assert_error(build_list, &invoices, ERRCODE_INVALID_PARAMETER_VALUE,
				 "argument \"subscription_id\" must be an id of the provider");
}

static void
build_read(void *id)
{
	PartnerApiTarget target = {.id = id};
	PartnerApiRequest request;

	partner_api_zsystems.check_read(PARTNER_API_READ_PLAN, NULL);
	partner_api_zsystems.build_read(PARTNER_API_READ_PLAN, &target, NULL,
									&credential, &request);
	assert_text(request_text(&request), "GET /planos/46" TOKEN);
	partner_api_zsystems.build_read(PARTNER_API_READ_SUBSCRIPTION, &target,
									NULL, &credential, &request);
	assert_text(request_text(&request), "GET /planos/assinatura/46" TOKEN);
}

/*
 * A word in the place of an id would be another endpoint.
 */
static void
test_build_read(const void *unused)
{
	assert_null(backend_catch(build_read, "46"));
	assert_error(build_read, "assinaturas", ERRCODE_INVALID_PARAMETER_VALUE,
				 "argument \"plan_id\" must be an id of the provider");
}

/* ---- out of memory ---- */

static void
check_and_build(void *action)
{
	PartnerApiRequest request;

	partner_api_zsystems.check(action);
	partner_api_zsystems.build(action, &credential, &request);
}

static void
test_no_memory(const void *data)
{
	const BuildRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments,
										  row->secret);

	if (row->kind == PARTNER_API_CANCEL_SUBSCRIPTION)
		return;					/* nothing of it is JSON */
	assert_survives_no_memory(check_and_build, &action);
}

int
main(void)
{
	add_table(test_build, build_rows);
	add_test("build without a nonce", test_build_without_nonce);
	add_test("form", test_form);
	add_test("form with a file", test_file);
	add_test("masked card", test_masked_card);
	add_test("what the provider does not have", test_unsupported);
	add_table(test_build_list, list_rows);
	add_test("searches that cannot be sent", test_bad_query);
	add_test("reads", test_build_read);
	add_table(test_no_memory, build_rows);
	return run_suite("zsystems build");
}
