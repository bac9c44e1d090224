/*-------------------------------------------------------------------------
 *
 * test_asaas_build.c
 *	  Unit tests of what is sent to Asaas: paths, headers, bodies, searches.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

#define TOKEN "\naccess_token: PARTNER\nUser-Agent: partner_api"
#define JSON TOKEN "\nContent-Type: application/json\n\n"

/* 2030-01-15T12:00:00Z */
#define NOW_MS INT64CONST(1894708800000)

static PartnerApiAction
action_with(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = action_of(kind, arguments);

	if (partner_api_kind_traits(kind)->creates)
		action.instance_id = NULL;
	action.instance_token = NULL;
	action.nonce = "n-1";
	action.now_ms = NOW_MS;
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
	{"customer with what must be there", PARTNER_API_CREATE_CUSTOMER,
		"{'name':'Ana','document':'529.982.247-25'}",
		"POST /customers" JSON
		"{'name':'Ana','cpfCnpj':'52998224725',"
	"'externalReference':'n-1'}"},
	{"customer with everything", PARTNER_API_CREATE_CUSTOMER,
		"{'name':'X','document':'11.222.333/0001-81','email':'a@b.c',"
		"'phone':'1130000000','mobile':'11999990000','street':'Rua A',"
		"'number':'10','complement':'B','district':'Centro',"
		"'postal_code':'01310-100','notifications_disabled':true,"
		"'additional_emails':'d@e.f','municipal_inscription':'1',"
		"'state_inscription':'2','observations':'a\\nb','group_name':'G',"
		"'company':'C','foreign_customer':false}",
		"POST /customers" JSON
		"{'name':'X','cpfCnpj':'11222333000181','email':'a@b.c',"
		"'phone':'1130000000','mobilePhone':'11999990000',"
		"'address':'Rua A','addressNumber':'10','complement':'B',"
		"'province':'Centro','postalCode':'01310-100',"
		"'notificationDisabled':true,'additionalEmails':'d@e.f',"
		"'municipalInscription':'1','stateInscription':'2',"
		"'observations':'a\\nb','groupName':'G','company':'C',"
	"'foreignCustomer':false,'externalReference':'n-1'}"},
	{"customer from abroad", PARTNER_API_CREATE_CUSTOMER,
		"{'name':'Eve','document':'AB-1','foreign_customer':true}",
		"POST /customers" JSON
		"{'name':'Eve','cpfCnpj':'AB-1','foreignCustomer':true,"
	"'externalReference':'n-1'}"},
	{"change of a customer", PARTNER_API_CHANGE_CUSTOMER,
		"{'email':'','notifications_disabled':false}",
		"PUT /customers/ID" JSON
	"{'email':'','notificationDisabled':false}"},
	{"delete a customer", PARTNER_API_DELETE_CUSTOMER, "{}",
	"DELETE /customers/ID" TOKEN},
	{"restore a customer", PARTNER_API_RESTORE_CUSTOMER, "{}",
	"POST /customers/ID/restore" JSON "{}"},
	{"charge with what must be there", PARTNER_API_CREATE_CHARGE,
		"{'customer_id':'cus_1','billing_type':'PIX','value_cents':1990,"
		"'due_date':'2030-01-15'}",
		"POST /payments" JSON
		"{'customer':'cus_1','billingType':'PIX','value':19.90,"
	"'dueDate':'2030-01-15','externalReference':'n-1'}"},
	{"charge with everything", PARTNER_API_CREATE_CHARGE,
		"{'customer_id':'cus_1','billing_type':'BOLETO','value_cents':1,"
		"'due_date':'2030-02-28','description':'A \\'value\\':\\'1\\'',"
		"'days_to_cancel':0,'discount':{'value_cents':205,"
		"'days_before_due':5},'interest':{'percent':'1.5'},"
		"'fine':{'percent':2},'postal_service':false}",
		"POST /payments" JSON
		"{'customer':'cus_1','billingType':'BOLETO','value':0.01,"
		"'dueDate':'2030-02-28','description':'A \\'value\\':\\'1\\'',"
		"'daysAfterDueDateToRegistrationCancellation':0,"
		"'discount':{'value':2.05,'dueDateLimitDays':5,'type':'FIXED'},"
		"'interest':{'value':1.50},"
		"'fine':{'value':2.00,'type':'PERCENTAGE'},"
	"'postalService':false,'externalReference':'n-1'}"},
	{"charge that doubles do not hold", PARTNER_API_CREATE_CHARGE,
		"{'customer_id':'cus_1','billing_type':'UNDEFINED',"
		"'value_cents':9223372036854775807,'due_date':'2030-01-15'}",
		"POST /payments" JSON
		"{'customer':'cus_1','billingType':'UNDEFINED',"
		"'value':92233720368547758.07,'dueDate':'2030-01-15',"
	"'externalReference':'n-1'}"},
	{"change of a charge", PARTNER_API_CHANGE_CHARGE,
		"{'value_cents':100,'due_date':'2030-03-01','description':null}",
	"PUT /payments/ID" JSON "{'value':1.00,'dueDate':'2030-03-01'}"},
	{"delete a charge", PARTNER_API_DELETE_CHARGE, "{}",
	"DELETE /payments/ID" TOKEN},
	{"restore a charge", PARTNER_API_RESTORE_CHARGE, "{}",
	"POST /payments/ID/restore" JSON "{}"},
	{"refund", PARTNER_API_REFUND_CHARGE, "{}",
	"POST /payments/ID/refund" JSON "{}"},
	{"refund of a part", PARTNER_API_REFUND_CHARGE,
		"{'value_cents':50,'description':'D'}",
		"POST /payments/ID/refund" JSON
	"{'value':0.50,'description':'D'}"},
	{"received in cash", PARTNER_API_RECEIVE_CHARGE,
		"{'payment_date':'2030-01-14','value_cents':1990,"
		"'notify_customer':true}",
		"POST /payments/ID/receiveInCash" JSON
		"{'paymentDate':'2030-01-14','value':19.90,"
	"'notifyCustomer':true}"},
	{"not received in cash", PARTNER_API_UNDO_RECEIVE_CHARGE, "{}",
	"POST /payments/ID/undoReceivedInCash" JSON "{}"},
	{"recurrence", PARTNER_API_CREATE_RECURRENCE,
		"{'customer_id':'cus_1','billing_type':'CREDIT_CARD',"
		"'value_cents':10000,'next_due_date':'2030-02-01',"
		"'cycle':'BIWEEKLY','description':'D','end_date':'2031-02-01',"
		"'max_payments':12}",
		"POST /subscriptions" JSON
		"{'customer':'cus_1','billingType':'CREDIT_CARD',"
		"'value':100.00,'nextDueDate':'2030-02-01','cycle':'BIWEEKLY',"
		"'description':'D','endDate':'2031-02-01','maxPayments':12,"
	"'externalReference':'n-1'}"},
	{"change of a recurrence", PARTNER_API_CHANGE_RECURRENCE,
		"{'value_cents':5,'status':'INACTIVE','update_pending':true}",
		"PUT /subscriptions/ID" JSON
		"{'value':0.05,'status':'INACTIVE',"
	"'updatePendingPayments':true}"},
	{"delete a recurrence", PARTNER_API_DELETE_RECURRENCE, "{}",
	"DELETE /subscriptions/ID" TOKEN},
	{"question for notifications", PARTNER_API_CHECK_NOTIFICATIONS, "{}",
	"GET /customers/ID/notifications" TOKEN},
	{"notifications", PARTNER_API_CHANGE_NOTIFICATIONS,
		"{'notifications':[{'notification_id':'not_1','enabled':true,"
		"'email_customer':true,'sms_customer':false,"
		"'phone_customer':false,'whatsapp_customer':false,"
		"'email_provider':false,'sms_provider':false},"
		"{'notification_id':'not_2','schedule_offset':0}]}",
		"PUT /notifications/batch" JSON
		"{'customer':'ID','notifications':[{'id':'not_1','enabled':true,"
		"'emailEnabledForCustomer':true,'smsEnabledForCustomer':false,"
		"'phoneCallEnabledForCustomer':false,"
		"'whatsappEnabledForCustomer':false,"
		"'emailEnabledForProvider':false,'smsEnabledForProvider':false},"
	"{'id':'not_2','scheduleOffset':0}]}"},
	{"webhook", PARTNER_API_CREATE_WEBHOOK,
		"{'name':'W','url':'https://h/x','email':'a@b.c',"
		"'events':['PAYMENT_RECEIVED','PAYMENT_OVERDUE']}",
		"POST /webhooks" JSON
		"{'name':'W [n-1]','url':'https://h/x','email':'a@b.c',"
		"'events':['PAYMENT_RECEIVED','PAYMENT_OVERDUE'],"
		"'apiVersion':3,'enabled':true,'interrupted':false,"
	"'sendType':'NON_SEQUENTIALLY','authToken':'CLIENT'}"},
	{"change of a webhook", PARTNER_API_CHANGE_WEBHOOK,
		"{'interrupted':false}",
		"PUT /webhooks/ID" JSON
	"{'interrupted':false,'authToken':'CLIENT'}"},
	{"delete a webhook", PARTNER_API_DELETE_WEBHOOK, "{}",
	"DELETE /webhooks/ID" TOKEN}
};

static void
check(void *action)
{
	partner_api_asaas.check(action);
}

/* What is expected is written with ' for ", and \' for what stays ". */
static void
test_build(const void *data)
{
	const BuildRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments);
	const BackendError *error = backend_catch(check, &action);
	PartnerApiRequest request;

	if (error != NULL)
		fail_msg("refused: %s", error->message);
	memset(&request, 0x7F, sizeof(request));
	partner_api_asaas.build(&action, &credential, &request);
	assert_text(request_text(&request), quoted(row->expected));
	assert_null(request.parts);
	assert_null(request.base_url);
}

/* Each kind that is supported is built here. */
static void
test_supports(const void *unused)
{
	for (PartnerApiKind kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const char *hint = "unset";
		bool		has = partner_api_asaas.supports(kind, &hint);
		bool		built = false;

		for (size_t i = 0; i < lengthof(build_rows); i++)
			built = built || build_rows[i].kind == kind;
		assert_int_equal(has, built);
		assert_int_equal(has, hint == NULL);
		assert_false(partner_api_asaas.needs_token(kind));
	}
}

static void
test_without_nonce(const void *unused)
{
	PartnerApiAction action = action_with(PARTNER_API_CREATE_CUSTOMER,
										  build_rows[0].arguments);
	PartnerApiRequest request;

	action.nonce = NULL;
	partner_api_asaas.build(&action, &credential, &request);
	assert_null(strstr(request.body, "externalReference"));
}

static void
build(void *data)
{
	PartnerApiRequest request;

	partner_api_asaas.check(data);
	partner_api_asaas.build(data, &credential, &request);
}

static void
test_no_memory(const void *unused)
{
	PartnerApiAction action = action_with(PARTNER_API_CREATE_CHARGE,
										  "{'customer_id':'cus_1',"
										  "'billing_type':'PIX',"
										  "'value_cents':1990,"
										  "'due_date':'2030-01-15',"
										  "'discount':{'percent':'1.5'}}");

	assert_survives_no_memory(build, &action);
}

/* ---- lists ---- */

typedef struct ListRow
{
	const char *name;
	PartnerApiList list;
	const char *query;
	int			page;
	int			page_size;
	const char *expected;		/* request, or error */
} ListRow;

#define PAGE "offset=0&limit=100" TOKEN

static const ListRow list_rows[] = {
	{"all charges", PARTNER_API_LIST_CHARGES, NULL, 1, 0,
	"GET /payments?" PAGE},
	{"third page", PARTNER_API_LIST_CHARGES, NULL, 3, 0,
	"GET /payments?offset=200&limit=100" TOKEN},
	{"one row", PARTNER_API_LIST_CHARGES, NULL, 1, 1,
	"GET /payments?offset=0&limit=1" TOKEN},
	{"no more than a page holds", PARTNER_API_LIST_CHARGES, NULL, 2, 500,
	"GET /payments?offset=100&limit=100" TOKEN},
	{"by the nonce", PARTNER_API_LIST_CHARGES, "nonce=pa-1", 1, 0,
	"GET /payments?externalReference=pa-1&" PAGE},
	{"by several terms", PARTNER_API_LIST_CHARGES,
		"status=OVERDUE&due_from=2030-01-01&due_until=2030-01-31", 1, 0,
		"GET /payments?status=OVERDUE&dueDate[ge]=2030-01-01&"
	"dueDate[le]=2030-01-31&" PAGE},
	{"charges of a recurrence", PARTNER_API_LIST_CHARGES,
		"recurrence_id=sub_1", 1, 0,
	"GET /payments?subscription=sub_1&" PAGE},
	{"one charge", PARTNER_API_LIST_CHARGES, "charge_id=pay_1", 1, 0,
	"GET /payments/pay_1" TOKEN},
	{"customers by document", PARTNER_API_LIST_CUSTOMERS,
		"document=52998224725&name=Ana%20%26%20Co%3d", 1, 0,
	"GET /customers?cpfCnpj=52998224725&name=Ana & Co=&" PAGE},
	{"one customer", PARTNER_API_LIST_CUSTOMERS, "customer_id=cus_1", 1, 0,
	"GET /customers/cus_1" TOKEN},
	{"recurrences", PARTNER_API_LIST_RECURRENCES,
		"include_deleted=true&customer_id=cus_1", 1, 0,
	"GET /subscriptions?includeDeleted=true&customer=cus_1&" PAGE},
	{"notifications", PARTNER_API_LIST_NOTIFICATIONS, "cus_1", 1, 0,
	"GET /customers/cus_1/notifications?" PAGE},
	{"webhooks", PARTNER_API_LIST_WEBHOOKS, NULL, 1, 0,
	"GET /webhooks?" PAGE}
};

static const ListRow bad_list_rows[] = {
	{"unknown term", PARTNER_API_LIST_CHARGES, "colour=red", 1, 0,
	"argument \"query\" must be of known terms"},
	{"term without a value", PARTNER_API_LIST_CHARGES, "status", 1, 0,
	"argument \"query\" must be terms such as \"name=value\""},
	{"line break", PARTNER_API_LIST_CHARGES, "status=a%0Ab", 1, 0,
	"argument \"query\" must be without control characters"},
	{"path for an id", PARTNER_API_LIST_CHARGES, "charge_id=..%2Fx", 1, 0,
	"argument \"charge_id\" must be an id of the provider"},
	{"nobody's notifications", PARTNER_API_LIST_NOTIFICATIONS, NULL, 1, 0,
	"argument \"customer_id\" must be an id of the provider"}
};

static void
build_list(void *data)
{
	const ListRow *row = data;
	PartnerApiFilter filter = {.list = row->list,.query = row->query,
		.page_size = row->page_size
	};
	PartnerApiRequest request;

	memset(&request, 0x7F, sizeof(request));
	partner_api_asaas.build_list(&filter, row->page, &credential, &request);
	assert_null(request.body);
	assert_text(request_text(&request), row->expected);
}

static void
test_build_list(const void *data)
{
	ListRow		row = *(const ListRow *) data;

	build_list(&row);
}

static void
test_bad_list(const void *data)
{
	ListRow		row = *(const ListRow *) data;

	assert_error(build_list, &row, ERRCODE_INVALID_PARAMETER_VALUE,
				 row.expected);
}

/* ---- reads ---- */

static void
test_build_read(const void *unused)
{
	static const char *const paths[PARTNER_API_READS] = {
		[PARTNER_API_READ_CUSTOMER] = "/customers/a1",
		[PARTNER_API_READ_CHARGE] = "/payments/a1",
		[PARTNER_API_READ_RECURRENCE] = "/subscriptions/a1",
		[PARTNER_API_READ_BOLETO] = "/payments/a1/identificationField",
		[PARTNER_API_READ_PIX] = "/payments/a1/pixQrCode",
		[PARTNER_API_READ_VIEWS] = "/payments/a1/viewingInfo",
		[PARTNER_API_READ_BALANCE] = "/finance/balance",
		[PARTNER_API_READ_ACCOUNT] = "/myAccount/status/",
		[PARTNER_API_READ_CHARGE_LIMIT] = "/payments/limits"
	};
	PartnerApiTarget target = {.id = "a1"};

	for (int read = 0; read < PARTNER_API_READS; read++)
	{
		PartnerApiRequest request;
		const char *hint;

		assert_int_equal(partner_api_asaas.supports_read(read, &hint),
						 paths[read] != NULL);
		assert_int_equal(hint == NULL, paths[read] != NULL);
		if (paths[read] == NULL)
			continue;
		partner_api_asaas.build_read(read, &target, NULL, &credential,
									 &request);
		assert_text(request_text(&request),
					psprintf("GET %s" TOKEN, paths[read]));
	}
}

/* ---- the key and where it belongs ---- */

typedef struct KeyRow
{
	const char *name;
	const char *key;
	const char *base_url;
	const char *expected;		/* how the fault begins, or NULL */
} KeyRow;

static const KeyRow key_rows[] = {
	{"production", "$aact_prod_1", "https://api.asaas.com/v3", NULL},
	{"sandbox", "$aact_hmlg_1", "https://api-sandbox.asaas.com/v3", NULL},
	{"older key", "$aact_1", "https://api-sandbox.asaas.com/v3", NULL},
	{"key of the sandbox", "$aact_hmlg_1", "https://API.asaas.com/v3",
	"It is a key of the sandbox"},
	{"key of the sandbox, older host", "$aact_hmlg_1",
	"https://www.asaas.com/api/v3", "It is a key of the sandbox"},
	{"key of production", "$aact_prod_1", "https://api-sandbox.asaas.com",
	"It is a key of production"},
	{"key of production, older host", "$aact_prod_1",
	"https://sandbox.asaas.com:443/api/v3", "It is a key of production"},
	{"key without its dollar", "aact_prod_1", "https://api.asaas.com/v3",
	"Keys begin with a dollar sign"},
	{"another host", "$aact_hmlg_1", "https://api.asaas.com.example/v3",
	NULL},
	{"host of one's own", "PARTNER", "http://127.0.0.1:8080/v3", NULL}
};

static void
test_key(const void *data)
{
	const KeyRow *row = data;
	const PartnerApiCredential key = {row->key, NULL};
	const char *fault = partner_api_asaas.credential_fault(&key,
														   row->base_url);

	assert_int_equal(fault == NULL, row->expected == NULL);
	if (fault != NULL && row->expected != NULL)
		assert_int_equal(strncmp(fault, row->expected,
								 strlen(row->expected)), 0);
}

/* ---- encoding ---- */

static void
test_url_decode(const void *unused)
{
	static const char *const rows[][2] = {
		{"a%20b", "a b"}, {"%C3%a7", "\xC3\xA7"}, {"100%", "100%"},
		{"%4", "%4"}, {"%zz", "%zz"}, {"%00", "%00"}, {"", ""}
	};

	for (size_t i = 0; i < lengthof(rows); i++)
		assert_text(partner_api_url_decode(rows[i][0], strlen(rows[i][0])),
					rows[i][1]);
	assert_text(partner_api_url_decode("%41%42", 4), "A%");
}

int
main(void)
{
	add_table(test_build, build_rows);
	add_test("what the provider has", test_supports);
	add_test("without a nonce", test_without_nonce);
	add_test("no memory", test_no_memory);
	add_table(test_build_list, list_rows);
	add_table(test_bad_list, bad_list_rows);
	add_test("reads", test_build_read);
	add_table(test_key, key_rows);
	add_test("encoded text", test_url_decode);
	return run_suite("asaas build");
}
