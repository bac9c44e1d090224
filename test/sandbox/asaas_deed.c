/*-------------------------------------------------------------------------
 *
 * asaas_deed.c
 *	  Asaas: what payers, banks and Asaas do to a payment, as a test says.
 *
 * None of it asks for a particular status, but to pay: a test may tell of
 * what should not happen, too.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <string.h>

/* What is wrong with it, or NULL */
typedef const char *(*Deed) (SandboxAsaas *payment, const json_t *body);

/* The method that a word names, or NULL. */
static const char *
method_of(const char *word)
{
	static const char *const methods[] = {"PIX", "BOLETO", "CREDIT_CARD"};
	size_t		i;

	for (i = 0; word != NULL && i < lengthof(methods); i++)
	{
		if (strcmp(methods[i], word) == 0)
			return methods[i];
	}
	return NULL;
}

/* Let the payer pay, now or at another time. */
static const char *
pay(SandboxAsaas *payment, const json_t *body)
{
	const json_t *at = json_object_get(body, "at");
	const char *type = sandbox_asaas_text(payment, "billingType");
	const char *word = json_string_value(json_object_get(body, "method"));
	const char *method = method_of(word != NULL ? word : type);
	int64_t		when = sandbox_asaas_now();

	if (!sandbox_asaas_is_open(payment))
		return "not to be paid";
	if (method == NULL)
		return "want a method";
	if (at != NULL && !sandbox_parse_time(at, &when))
		return "bad time";
	payment->paid_cents =
		json_integer_value(json_object_get(body, "value_cents"));
	sandbox_asaas_pay(payment, method, when);
	return NULL;
}

/* Give back as by hand in the panel. */
static const char *
refund(SandboxAsaas *payment, const json_t *body)
{
	json_t	   *cents = json_object_get(body, "value_cents");

	sandbox_asaas_give_back(payment, json_is_integer(cents) ?
							json_integer_value(cents) :
							sandbox_asaas_number(payment, "value") -
							payment->refunded, NULL);
	return NULL;
}

/* A card that was looked at is good. */
static const char *
approve(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_enter_status(payment, NULL,
							   "PAYMENT_APPROVED_BY_RISK_ANALYSIS");
	sandbox_asaas_pay(payment, "CREDIT_CARD", sandbox_asaas_now());
	return NULL;
}

static const char *
reprove(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_reopen(payment, "PAYMENT_REPROVED_BY_RISK_ANALYSIS");
	return NULL;
}

static const char *
win_dispute(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_uphold(payment, NULL);
	return NULL;
}

static const char *
deny_refund(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_uphold(payment, "PAYMENT_REFUND_DENIED");
	return NULL;
}

static const char *
recover(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_recover(payment);
	return NULL;
}

/* The payer looks at the page, or at the slip. */
static const char *
view(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_put(payment, "lastInvoiceViewedDate",
					  sandbox_asaas_stamp_json(sandbox_asaas_now()));
	return NULL;
}

static const char *
view_slip(SandboxAsaas *payment, const json_t *body)
{
	sandbox_asaas_put(payment, "lastBankSlipViewedDate",
					  sandbox_asaas_stamp_json(sandbox_asaas_now()));
	return NULL;
}

/* First the deed, then the status, then the event, whatever there is */
static const struct
{
	const char *verb;
	Deed		deed;
	const char *status;
	const char *event;
}			deeds[] =

{
	{"pay", pay, NULL, NULL},
	{"fail", NULL, NULL, "PAYMENT_CREDIT_CARD_CAPTURE_REFUSED"},
	{"authorize", NULL, "AUTHORIZED", "PAYMENT_AUTHORIZED"},
	{"analyse", NULL, "AWAITING_RISK_ANALYSIS",
	"PAYMENT_AWAITING_RISK_ANALYSIS"},
	{"approve", approve, NULL, NULL},
	{"reprove", reprove, NULL, NULL},
	{"refund", refund, NULL, NULL},
	{"request_refund", NULL, "REFUND_REQUESTED", NULL},
	{"deny_refund", deny_refund, NULL, NULL},
	{"chargeback", NULL, "CHARGEBACK_REQUESTED",
	"PAYMENT_CHARGEBACK_REQUESTED"},
	{"dispute", NULL, "CHARGEBACK_DISPUTE", "PAYMENT_CHARGEBACK_DISPUTE"},
	{"chargeback_won", NULL, "AWAITING_CHARGEBACK_REVERSAL",
	"PAYMENT_AWAITING_CHARGEBACK_REVERSAL"},
	{"chargeback_reversed", win_dispute, NULL, NULL},
	{"chargeback_lost", refund, NULL, NULL},
	{"request_dunning", NULL, "DUNNING_REQUESTED",
	"PAYMENT_DUNNING_REQUESTED"},
	{"recover", recover, NULL, NULL},
	{"anticipate", NULL, NULL, "PAYMENT_ANTICIPATED"},
	{"view", view, NULL, "PAYMENT_CHECKOUT_VIEWED"},
	{"view_slip", view_slip, NULL, "PAYMENT_BANK_SLIP_VIEWED"}
};

/* Do what a verb says; what is wrong, or NULL. */
static const char *
do_deed(SandboxAsaas *payment, const char *verb, const json_t *body)
{
	const char *error;
	size_t		i;

	for (i = 0; verb != NULL && i < lengthof(deeds); i++)
	{
		if (strcmp(deeds[i].verb, verb) != 0)
			continue;
		error = deeds[i].deed != NULL ? deeds[i].deed(payment, body) : NULL;
		if (error == NULL)
			sandbox_asaas_enter_status(payment, deeds[i].status,
									   deeds[i].event);
		return error;
	}
	return "no such verb";
}

/* POST /charges/{id} {"do": verb, ...} */
void
sandbox_asaas_charge_control(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_find(SANDBOX_ASAAS_PAYMENTS,
											   request->parameter);
	const char *error = "no such charge";

	if (payment != NULL)
		error = do_deed(payment,
						json_string_value(json_object_get(request->json,
														  "do")),
						request->json);
	if (error != NULL)
		sandbox_reply_error(&request->reply, 400, error);
	else
		sandbox_reply_json(&request->reply, 200,
						   sandbox_asaas_record_json(payment));
}
