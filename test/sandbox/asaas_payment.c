/*-------------------------------------------------------------------------
 *
 * asaas_payment.c
 *	  Asaas: payments, as a client makes, finds, changes and deletes them.
 *
 * Nothing keeps a client from making the same one twice: there is no key of
 * idempotency, and the external reference is not unique.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#include "ledger.h"

#define MAX_DESCRIPTION 500
#define MAX_INSTALLMENTS 21

/* Members that a client may set and that are kept as they come */
static const char *const known[] = {
	"billingType", "description", "dueDate", "externalReference", "discount",
	"fine", "interest", "postalService", "callback", "split",
	"daysAfterDueDateToRegistrationCancellation"
};

/* Sums of GET /finance/payment/statistics */
typedef struct Sums
{
	json_int_t	quantity;
	json_int_t	value;
	json_int_t	net;
} Sums;

bool
sandbox_asaas_is_billing_type(const json_t *value)
{
	static const char *const types[] = {
		"UNDEFINED", "BOLETO", "CREDIT_CARD", "PIX"
	};
	const char *text = json_string_value(value);
	size_t		i;

	for (i = 0; text != NULL && i < lengthof(types); i++)
	{
		if (strcmp(types[i], text) == 0)
			return true;
	}
	return false;
}

/* Check a way of payment, which the account must be approved for. */
static bool
check_billing_type(SandboxRequest *request, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!sandbox_asaas_is_billing_type(value))
		return sandbox_asaas_invalid(request, "billingType",
									 "A forma de pagamento informada é"
									 " inválida.");
	if (!sandbox_config.asaas_account_approved &&
		strcmp(text, "CREDIT_CARD") == 0)
		return sandbox_asaas_invalid(request, "billingType",
									 "Para utilizar cartão de crédito é"
									 " necessário que a conta esteja"
									 " aprovada.");
	return true;
}

static bool
check_value(SandboxRequest *request, const json_t *value)
{
	json_int_t	cents;

	return (sandbox_asaas_cents(value, &cents) && cents > 0) ||
		sandbox_asaas_invalid(request, "value",
							  "O valor da cobrança é inválido.");
}

static bool
check_due(SandboxRequest *request, const char *key, const json_t *value)
{
	int			day;

	if (!sandbox_asaas_is_day(value, &day))
		return sandbox_asaas_invalid(request, key,
									 "A data de vencimento é inválida.");
	return day >= sandbox_asaas_today() ||
		sandbox_asaas_invalid(request, key,
							  "Não é permitido data de vencimento inferior a"
							  " hoje.");
}

static bool
check_description(SandboxRequest *request)
{
	const json_t *value = json_object_get(request->json, "description");

	return json_string_length(value) <= MAX_DESCRIPTION ||
		sandbox_asaas_invalid(request, "description",
							  "A descrição deve ter no máximo 500"
							  " caracteres.");
}

/* What a body of installments asks for each of them, or its value. */
static json_t *
value_of(const json_t *body)
{
	json_int_t	count =
	json_integer_value(json_object_get(body, "installmentCount"));
	json_int_t	total;

	if (count > 1 && sandbox_asaas_cents(json_object_get(body, "totalValue"),
										 &total))
		return sandbox_asaas_reais(total / count);
	if (count > 1)
		return json_incref(json_object_get(body, "installmentValue"));
	return json_incref(json_object_get(body, "value"));
}

/*
 * The customer of a body that may become a payment or a subscription; NULL
 * with a reply if it may not.  At the first fault it stops.
 */
SandboxAsaas *
sandbox_asaas_payment_of_body(SandboxRequest *request, const char *due_key)
{
	const json_t *body = request->json;
	json_t	   *value = value_of(body);
	const char *id = json_string_value(json_object_get(body, "customer"));
	SandboxAsaas *customer = sandbox_asaas_find(SANDBOX_ASAAS_CUSTOMERS, id);
	bool		good;

	good = customer != NULL && !sandbox_asaas_flag(customer, "deleted");
	if (!good)
		sandbox_asaas_invalid(request, "customer",
							  "Customer inválido ou não informado.");
	good = good &&
		check_billing_type(request, json_object_get(body, "billingType")) &&
		check_value(request, value) &&
		check_due(request, due_key, json_object_get(body, due_key)) &&
		check_description(request);
	json_decref(value);
	return good ? customer : NULL;
}

/* Charges that were made today by calls. */
static long
made_today(void)
{
	size_t		i = sandbox_asaas_count(SANDBOX_ASAAS_PAYMENTS);
	int			today = sandbox_asaas_today();
	long		result = 0;

	for (; i > 0; i--)
	{
		const SandboxAsaas *payment =
		sandbox_asaas_get(SANDBOX_ASAAS_PAYMENTS, i - 1);

		if (sandbox_asaas_day_of(payment->created_at) != today)
			break;
		result += payment->maker != NULL;
	}
	return result;
}

/* Keys of relations that are absent, which may be missing or null */
static void
add_absent(SandboxAsaas *payment)
{
	static const char *const relations[] = {
		"subscription", "installment", "installmentNumber",
		"pixTransaction"
	};
	static const char *const empty[] = {
		"checkoutSession", "paymentLink", "originalValue", "interestValue",
		"description", "externalReference", "paymentDate",
		"clientPaymentDate", "creditDate", "estimatedCreditDate",
		"transactionReceiptUrl", "nossoNumero", "bankSlipUrl",
		"lastInvoiceViewedDate", "lastBankSlipViewedDate", "escrow",
		"refunds"
	};
	size_t		i;

	for (i = 0; i < lengthof(empty); i++)
		sandbox_asaas_put(payment, empty[i], json_null());
	for (i = 0; i < lengthof(relations) &&
		 sandbox_config.asaas_absent == SANDBOX_ASAAS_ABSENT_NULL; i++)
		sandbox_asaas_put(payment, relations[i], json_null());
}

/* Pages and numbers that go with the way of payment. */
static void
set_slip(SandboxAsaas *payment)
{
	const char *type = sandbox_asaas_text(payment, "billingType");
	const char *code = payment->id + strlen("pay_");
	bool		boleto = strcmp(type, "BOLETO") == 0;

	sandbox_asaas_put(payment, "invoiceUrl",
					  json_sprintf("https://sandbox.asaas.com/i/%s", code));
	sandbox_asaas_put(payment, "bankSlipUrl", boleto ?
					  json_sprintf("https://sandbox.asaas.com/b/pdf/%s",
								   code) : json_null());
	sandbox_asaas_put(payment, "nossoNumero", boleto ?
					  json_sprintf("%zu", 1500000 + payment->position) :
					  json_null());
	if (boleto)
		sandbox_asaas_put(payment, "canBePaidAfterDueDate", json_true());
	else
		json_object_del(payment->fields, "canBePaidAfterDueDate");
}

static void
set_value(SandboxAsaas *payment, const json_t *value)
{
	json_int_t	cents = 0;

	sandbox_asaas_cents(value, &cents);
	sandbox_asaas_put(payment, "value", json_integer(cents));
	sandbox_asaas_put(payment, "netValue",
					  json_integer(cents - sandbox_config.asaas_fee_cents));
}

/*
 * Keep a new payment as a body says, which has been checked; it begins when
 * the caller has added what else belongs to it.
 */
SandboxAsaas *
sandbox_asaas_payment_enter(SandboxAsaas *customer, const json_t *body,
							SandboxToken *maker)
{
	SandboxAsaas *payment =
	sandbox_asaas_add(SANDBOX_ASAAS_PAYMENTS,
					  json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b}",
								"object", "payment", "customer", customer->id,
								"status", "PENDING", "deleted", 0,
								"anticipated", 0, "anticipable", 0,
								"postalService", 0), maker);
	json_t	   *value = value_of(body);

	payment->customer = customer;
	add_absent(payment);
	sandbox_asaas_put(payment, "dateCreated",
					  sandbox_asaas_day_json(sandbox_asaas_today()));
	sandbox_asaas_put(payment, "invoiceNumber",
					  json_sprintf("%08zu", 5000000 + payment->position));
	sandbox_asaas_put(payment, "discount",
					  json_pack("{s:i, s:i, s:s}", "value", 0,
								"dueDateLimitDays", 0, "type", "FIXED"));
	sandbox_asaas_put(payment, "fine",
					  json_pack("{s:i, s:s}", "value", 0, "type", "FIXED"));
	sandbox_asaas_put(payment, "interest",
					  json_pack("{s:i, s:s}", "value", 0, "type",
								"PERCENTAGE"));
	sandbox_asaas_take(payment, body, known, lengthof(known));
	json_object_set(payment->fields, "originalDueDate",
					json_object_get(payment->fields, "dueDate"));
	set_value(payment, value);
	set_slip(payment);
	json_decref(value);
	return payment;
}

/* The charges of an installment plan, a month apart; the first of them. */
static SandboxAsaas *
enter_installments(SandboxAsaas *customer, const json_t *body, long count,
				   SandboxToken *maker)
{
	SandboxAsaas *first = NULL;
	json_t	   *plan = NULL;
	int			due = 0;
	int			day_of_month;
	int			i;

	sandbox_asaas_is_day(json_object_get(body, "dueDate"), &due);
	day_of_month = (int) strtol(json_string_value(json_object_get(body,
																  "dueDate")) + 8,
								NULL, 10);
	for (i = 0; i < count; i++)
	{
		SandboxAsaas *payment = sandbox_asaas_payment_enter(customer, body,
															maker);
		int			day = sandbox_asaas_add_months(due, i, day_of_month);

		if (plan == NULL)
			plan = json_sprintf("ins_%s", payment->id + strlen("pay_"));
		first = first != NULL ? first : payment;
		sandbox_asaas_put(payment, "installment", json_incref(plan));
		sandbox_asaas_put(payment, "installmentNumber", json_integer(i + 1));
		sandbox_asaas_put(payment, "dueDate", sandbox_asaas_day_json(day));
		sandbox_asaas_put(payment, "originalDueDate",
						  sandbox_asaas_day_json(day));
		sandbox_asaas_begin(payment);
	}
	json_decref(plan);
	return first;
}

/* POST /payments */
void
sandbox_asaas_payment_create(SandboxRequest *request)
{
	json_t	   *count = json_object_get(request->json, "installmentCount");
	SandboxAsaas *customer = sandbox_asaas_payment_of_body(request,
														   "dueDate");
	const char *reference;
	SandboxAsaas *payment;

	if (customer == NULL)
		return;
	if (made_today() >= sandbox_config.asaas_daily_charges)
	{
		sandbox_asaas_impossible(request, "O limite diário de criação de"
								 " cobranças foi atingido.");
		return;
	}
	if (json_integer_value(count) > MAX_INSTALLMENTS)
	{
		sandbox_asaas_invalid(request, "installmentCount",
							  "O número de parcelas é inválido.");
		return;
	}
	if (json_integer_value(count) > 1)
		payment = enter_installments(customer, request->json,
									 (long) json_integer_value(count),
									 request->partner);
	else
	{
		payment = sandbox_asaas_payment_enter(customer, request->json,
											  request->partner);
		sandbox_asaas_begin(payment);
	}
	request->effects++;
	reference = sandbox_asaas_text(payment, "externalReference");
	if (reference != NULL)
		sandbox_ledger_name_effects(reference)->count[SANDBOX_CREATES]++;
	sandbox_asaas_reply(request, payment);
}

/* Everything that a client may narrow a list of payments by */
static const SandboxAsaasFilter filters[] = {
	{"customer", "customer", SANDBOX_ASAAS_EQUAL},
	{"customerGroupName", "groupName", SANDBOX_ASAAS_OF_CUSTOMER},
	{"billingType", "billingType", SANDBOX_ASAAS_EQUAL},
	{"status", "status", SANDBOX_ASAAS_EQUAL},
	{"subscription", "subscription", SANDBOX_ASAAS_EQUAL},
	{"installment", "installment", SANDBOX_ASAAS_EQUAL},
	{"externalReference", "externalReference", SANDBOX_ASAAS_EQUAL},
	{"invoiceStatus", "invoiceStatus", SANDBOX_ASAAS_EQUAL},
	{"pixQrCodeId", "pixQrCodeId", SANDBOX_ASAAS_EQUAL},
	{"anticipated", "anticipated", SANDBOX_ASAAS_EQUAL},
	{"anticipable", "anticipable", SANDBOX_ASAAS_EQUAL},
	{"user", "user", SANDBOX_ASAAS_EQUAL},
	{"checkoutSession", "checkoutSession", SANDBOX_ASAAS_EQUAL},
	{"paymentDate", "paymentDate", SANDBOX_ASAAS_EQUAL},
	{"estimatedCreditDate", "estimatedCreditDate", SANDBOX_ASAAS_EQUAL},
	{"dateCreated[ge]", "dateCreated", SANDBOX_ASAAS_FROM},
	{"dateCreated[le]", "dateCreated", SANDBOX_ASAAS_UNTIL},
	{"paymentDate[ge]", "paymentDate", SANDBOX_ASAAS_FROM},
	{"paymentDate[le]", "paymentDate", SANDBOX_ASAAS_UNTIL},
	{"estimatedCreditDate[ge]", "estimatedCreditDate", SANDBOX_ASAAS_FROM},
	{"estimatedCreditDate[le]", "estimatedCreditDate", SANDBOX_ASAAS_UNTIL},
	{"dueDate[ge]", "dueDate", SANDBOX_ASAAS_FROM},
	{"dueDate[le]", "dueDate", SANDBOX_ASAAS_UNTIL}
};

static bool
is_shown(const SandboxAsaas *payment, const void *context)
{
	return (context == NULL || payment->subscription == context) &&
		(sandbox_config.asaas_list_deleted ||
		 !sandbox_asaas_flag(payment, "deleted"));
}

/* The payments of one subscription, or of all and of none. */
void
sandbox_asaas_payments_of(SandboxRequest *request,
						  const SandboxAsaas *subscription)
{
	const SandboxAsaasList list = {
		SANDBOX_ASAAS_PAYMENTS, filters, lengthof(filters), is_shown,
		subscription
	};

	sandbox_asaas_list(request, &list);
}

/* GET /payments */
void
sandbox_asaas_payment_list(SandboxRequest *request)
{
	sandbox_asaas_payments_of(request, NULL);
}

static void
add_up(const SandboxAsaas *payment, void *context)
{
	Sums	   *sums = context;

	sums->quantity++;
	sums->value += sandbox_asaas_number(payment, "value");
	sums->net += sandbox_asaas_number(payment, "netValue");
}

/* GET /finance/payment/statistics */
void
sandbox_asaas_payment_statistics(SandboxRequest *request)
{
	const SandboxAsaasList list = {
		SANDBOX_ASAAS_PAYMENTS, filters, lengthof(filters), is_shown, NULL
	};
	Sums		sums = {0, 0, 0};

	sandbox_asaas_visit(request, &list, add_up, &sums);
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:I, s:o, s:o}",
								 "quantity", sums.quantity,
								 "value", sandbox_asaas_reais(sums.value),
								 "netValue", sandbox_asaas_reais(sums.net)));
}

/* GET /payments/{id}, also of one that is deleted */
void
sandbox_asaas_payment_read(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment != NULL)
		sandbox_asaas_reply(request, payment);
}

/* The payment of the path if it is open; else NULL with a reply. */
static SandboxAsaas *
open_payment(SandboxRequest *request, const char *refusal)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment == NULL || sandbox_asaas_is_open(payment))
		return payment;
	sandbox_asaas_impossible(request, refusal);
	return NULL;
}

/* Check those members of a change that it has. */
static bool
check_change(SandboxRequest *request, const SandboxAsaas *payment)
{
	const json_t *body = request->json;
	const json_t *type = json_object_get(body, "billingType");
	const json_t *value = json_object_get(body, "value");
	const json_t *due = json_object_get(body, "dueDate");

	return (type == NULL || check_billing_type(request, type)) &&
		(value == NULL || check_value(request, value)) &&
		(due == NULL ||
		 json_equal(due, json_object_get(payment->fields, "dueDate")) ||
		 check_due(request, "dueDate", due)) &&
		check_description(request);
}

/* PUT or POST /payments/{id} */
void
sandbox_asaas_payment_change(SandboxRequest *request)
{
	SandboxAsaas *payment =
	open_payment(request, "Só é possível alterar cobranças aguardando"
				 " pagamento ou vencidas.");
	const json_t *value = json_object_get(request->json, "value");

	if (payment == NULL || !check_change(request, payment))
		return;
	sandbox_asaas_take(payment, request->json, known, lengthof(known));
	if (value != NULL)
		set_value(payment, value);
	set_slip(payment);
	request->effects++;
	sandbox_asaas_reopen(payment, "PAYMENT_UPDATED");
	sandbox_asaas_notify(payment, "PAYMENT_UPDATED");
	sandbox_asaas_reply(request, payment);
}

/* DELETE /payments/{id} */
void
sandbox_asaas_payment_delete(SandboxRequest *request)
{
	SandboxAsaas *payment =
	open_payment(request, "Só é possível remover cobranças aguardando"
				 " pagamento ou vencidas.");

	if (payment == NULL)
		return;
	sandbox_asaas_remove(payment);
	request->effects++;
	sandbox_asaas_reply_deleted(request, payment);
}

/* POST /payments/{id}/restore */
void
sandbox_asaas_payment_restore(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment == NULL)
		return;
	if (!sandbox_asaas_flag(payment, "deleted"))
	{
		sandbox_asaas_impossible(request, "A cobrança não está removida.");
		return;
	}
	sandbox_asaas_put(payment, "deleted", json_false());
	request->effects++;
	sandbox_asaas_reopen(payment, "PAYMENT_RESTORED");
	sandbox_asaas_reply(request, payment);
}

/* GET /payments/limits */
void
sandbox_asaas_payment_limits(SandboxRequest *request)
{
	long		used = made_today();
	long		limit = sandbox_config.asaas_daily_charges;

	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:{s:{s:I, s:I, s:b}}}", "creation",
								 "daily", "limit", (json_int_t) limit,
								 "used", (json_int_t) used,
								 "wasReached", used >= limit));
}

/* POST /payments/simulate */
void
sandbox_asaas_payment_simulate(SandboxRequest *request)
{
	const json_t *value = json_object_get(request->json, "value");
	json_int_t	cents;
	json_int_t	net;

	if (!check_value(request, value))
		return;
	sandbox_asaas_cents(value, &cents);
	net = cents - sandbox_config.asaas_fee_cents;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o, s:{s:o}, s:{s:o}}",
								 "value", sandbox_asaas_reais(cents),
								 "bankSlip", "netValue",
								 sandbox_asaas_reais(net),
								 "pix", "netValue",
								 sandbox_asaas_reais(net)));
}
