/*-------------------------------------------------------------------------
 *
 * asaas_settle.c
 *	  Asaas: the calls by which money is taken, noted and given back.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <string.h>

/* The payment of the path if it has this status; else NULL with a reply. */
static SandboxAsaas *
payment_in(SandboxRequest *request, const char *status, const char *refusal)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment == NULL || (!sandbox_asaas_flag(payment, "deleted") &&
							sandbox_asaas_is_status(payment, status)))
		return payment;
	sandbox_asaas_impossible(request, refusal);
	return NULL;
}

/* The payment of the path if it is open; else NULL with a reply. */
static SandboxAsaas *
open_payment(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment == NULL || sandbox_asaas_is_open(payment))
		return payment;
	sandbox_asaas_impossible(request, "A cobrança não está aguardando"
							 " pagamento nem vencida.");
	return NULL;
}

static void
done(SandboxRequest *request, const SandboxAsaas *payment)
{
	request->effects++;
	sandbox_asaas_reply(request, payment);
}

/* How much is to be given back; false with a reply if that is too much. */
static bool
read_refund(SandboxRequest *request, const SandboxAsaas *payment,
			json_int_t *cents)
{
	const json_t *value = json_object_get(request->json, "value");
	json_int_t	left = sandbox_asaas_number(payment, "value") -
	payment->refunded;

	*cents = left;
	if (value == NULL || json_is_null(value))
		return true;
	return (sandbox_asaas_cents(value, cents) && *cents > 0 &&
			*cents <= left) ||
		sandbox_asaas_invalid(request, "value",
							  "O valor do estorno é inválido.");
}

/* POST /payments/{id}/refund */
void
sandbox_asaas_payment_refund(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);
	const json_t *text = json_object_get(request->json, "description");
	json_int_t	cents;

	if (payment == NULL)
		return;
	if (!sandbox_asaas_is_status(payment, "RECEIVED") &&
		!sandbox_asaas_is_status(payment, "CONFIRMED"))
	{
		sandbox_asaas_impossible(request, "Só é possível estornar cobranças"
								 " confirmadas ou recebidas.");
		return;
	}
	if (!read_refund(request, payment, &cents))
		return;
	sandbox_asaas_give_back(payment, cents, json_string_value(text));
	done(request, payment);
}

/* POST /payments/{id}/receiveInCash: it touches no balance */
void
sandbox_asaas_payment_receive(SandboxRequest *request)
{
	SandboxAsaas *payment = open_payment(request);
	json_t	   *day = json_object_get(request->json, "paymentDate");
	const json_t *value = json_object_get(request->json, "value");
	json_int_t	cents;
	int			when;

	if (payment == NULL)
		return;
	if (!sandbox_asaas_is_day(day, &when) || when > sandbox_asaas_today())
	{
		sandbox_asaas_invalid(request, "paymentDate",
							  "A data de pagamento é inválida.");
		return;
	}
	if (!sandbox_asaas_cents(value, &cents) || cents <= 0)
	{
		sandbox_asaas_invalid(request, "value",
							  "O valor recebido é inválido.");
		return;
	}
	sandbox_asaas_put(payment, "paymentDate", json_incref(day));
	sandbox_asaas_put(payment, "clientPaymentDate", json_incref(day));
	sandbox_asaas_put(payment, "originalValue",
					  json_integer(sandbox_asaas_number(payment, "value")));
	sandbox_asaas_put(payment, "value", json_integer(cents));
	sandbox_asaas_put(payment, "netValue", json_integer(cents));
	sandbox_asaas_enter_status(payment, "RECEIVED_IN_CASH",
							   "PAYMENT_RECEIVED");
	if (json_is_true(json_object_get(request->json, "notifyCustomer")))
		sandbox_asaas_notify(payment, "PAYMENT_RECEIVED");
	done(request, payment);
}

/* POST /payments/{id}/undoReceivedInCash */
void
sandbox_asaas_payment_undo(SandboxRequest *request)
{
	SandboxAsaas *payment =
	payment_in(request, "RECEIVED_IN_CASH",
			   "A cobrança não foi recebida em dinheiro.");
	json_int_t	cents;

	if (payment == NULL)
		return;
	cents = sandbox_asaas_number(payment, "originalValue");
	sandbox_asaas_put(payment, "value", json_integer(cents));
	sandbox_asaas_put(payment, "netValue",
					  json_integer(cents - sandbox_config.asaas_fee_cents));
	sandbox_asaas_put(payment, "originalValue", json_null());
	sandbox_asaas_reopen(payment, "PAYMENT_RECEIVED_IN_CASH_UNDONE");
	done(request, payment);
}

/* POST /payments/{id}/payWithCreditCard */
void
sandbox_asaas_payment_by_card(SandboxRequest *request)
{
	SandboxAsaas *payment = open_payment(request);
	const json_t *body = request->json;

	if (payment == NULL)
		return;
	if (json_object_get(body, "creditCard") == NULL &&
		json_object_get(body, "creditCardToken") == NULL)
	{
		sandbox_asaas_invalid(request, "creditCard",
							  "Informe os dados do cartão de crédito.");
		return;
	}
	sandbox_asaas_put(payment, "creditCard",
					  json_pack("{s:s, s:s}", "creditCardNumber", "8829",
								"creditCardBrand", "MASTERCARD"));
	sandbox_asaas_pay(payment, "CREDIT_CARD", sandbox_asaas_now());
	done(request, payment);
}

/* POST /payments/{id}/captureAuthorizedPayment */
void
sandbox_asaas_payment_capture(SandboxRequest *request)
{
	SandboxAsaas *payment = payment_in(request, "AUTHORIZED",
									   "A cobrança não está autorizada.");

	if (payment == NULL)
		return;
	sandbox_asaas_pay(payment, "CREDIT_CARD", sandbox_asaas_now());
	done(request, payment);
}

/* POST /sandbox/payment/{id}/confirm: the payer pays now */
void
sandbox_asaas_payment_confirm(SandboxRequest *request)
{
	SandboxAsaas *payment = open_payment(request);
	const char *type;

	if (payment == NULL)
		return;
	type = sandbox_asaas_text(payment, "billingType");
	sandbox_asaas_pay(payment, strcmp(type, "BOLETO") == 0 ? "BOLETO" :
					  strcmp(type, "CREDIT_CARD") == 0 ? "CREDIT_CARD" :
					  "PIX", sandbox_asaas_now());
	done(request, payment);
}

/* POST /sandbox/payment/{id}/overdue */
void
sandbox_asaas_payment_overdue(SandboxRequest *request)
{
	SandboxAsaas *payment =
	payment_in(request, "PENDING", "A cobrança não está pendente.");

	if (payment == NULL)
		return;
	sandbox_asaas_put(payment, "dueDate",
					  sandbox_asaas_day_json(sandbox_asaas_today() - 1));
	sandbox_asaas_enter_status(payment, "OVERDUE", "PAYMENT_OVERDUE");
	sandbox_asaas_notify_by_day(payment, 1);
	done(request, payment);
}
