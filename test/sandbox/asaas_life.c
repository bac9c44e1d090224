/*-------------------------------------------------------------------------
 *
 * asaas_life.c
 *	  Asaas: statuses of a payment, and what time does to it.
 *
 * Pix is received at once.  A boleto is credited on the next working day,
 * and unless it is configured otherwise nobody knows of its payment before
 * that: it may become overdue in between.  A card is confirmed, and received
 * 32 days later.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#include "instance.h"

#define CARD_DAYS 32

static json_int_t balance = 0;

/* What the account holds, in cents. */
json_int_t
sandbox_asaas_balance(void)
{
	return balance;
}

void
sandbox_asaas_life_reset(void)
{
	balance = 0;
}

/* Write a movement of money into the ledger. */
static void
book(const SandboxAsaas *payment, const char *type, json_int_t cents)
{
	json_t	   *fields;

	balance += cents;
	fields = json_pack("{s:s, s:I, s:I, s:s, s:s}",
					   "object", "financialTransaction", "value", cents,
					   "balance", balance, "type", type,
					   "payment", payment->id);
	json_object_set_new(fields, "date",
						sandbox_asaas_day_json(sandbox_asaas_today()));
	sandbox_asaas_add(SANDBOX_ASAAS_TRANSACTIONS, fields, NULL);
}

bool
sandbox_asaas_is_status(const SandboxAsaas *payment, const char *status)
{
	return strcmp(sandbox_asaas_text(payment, "status"), status) == 0;
}

/* Is it still to be paid? */
bool
sandbox_asaas_is_open(const SandboxAsaas *payment)
{
	return !sandbox_asaas_flag(payment, "deleted") &&
		(sandbox_asaas_is_status(payment, "PENDING") ||
		 sandbox_asaas_is_status(payment, "OVERDUE"));
}

static int64_t
sooner(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

/* May what was paid be credited?  A dispute holds it up. */
static bool
is_creditable(const SandboxAsaas *payment)
{
	return sandbox_asaas_is_open(payment) ||
		sandbox_asaas_is_status(payment, "CONFIRMED");
}

/* Look at the payment again when the next thing is to happen. */
static void
reschedule(SandboxAsaas *payment)
{
	int64_t		next = sooner(payment->refund_at, payment->pay_at);

	if (is_creditable(payment))
		next = sooner(next, payment->credit_at);
	if (sandbox_asaas_is_open(payment))
		next = sooner(next,
					  sandbox_asaas_day_start(sandbox_asaas_today() + 1));
	sandbox_asaas_schedule(payment, next);
}

/* Give it a status, and tell of that; either may be NULL. */
void
sandbox_asaas_enter_status(SandboxAsaas *payment, const char *status,
						   const char *event)
{
	if (status != NULL)
		sandbox_asaas_put(payment, "status", json_string(status));
	if (event != NULL)
		sandbox_asaas_event(event, "payment", payment);
	reschedule(payment);
}

/* How many days it is late; negative while it is not due. */
static int
days_late(const SandboxAsaas *payment)
{
	int			due = 0;

	sandbox_asaas_is_day(json_object_get(payment->fields, "dueDate"), &due);
	return sandbox_asaas_today() - due;
}

/* Make it one that is to be paid, by its due date. */
void
sandbox_asaas_reopen(SandboxAsaas *payment, const char *event)
{
	static const char *const emptied[] = {
		"paymentDate", "clientPaymentDate", "creditDate",
		"estimatedCreditDate"
	};
	size_t		i;

	for (i = 0; i < lengthof(emptied); i++)
		sandbox_asaas_put(payment, emptied[i], json_null());
	sandbox_asaas_enter_status(payment, days_late(payment) > 0 ?
							   "OVERDUE" : "PENDING", event);
}

/* A payment has just been made: tell of it, and wait for what comes. */
void
sandbox_asaas_begin(SandboxAsaas *payment)
{
	payment->noticed_day = sandbox_asaas_today();
	sandbox_asaas_enter_status(payment, NULL, "PAYMENT_CREATED");
	sandbox_asaas_notify(payment, "PAYMENT_CREATED");
}

/* Take over what was paid, if that is not what was asked for. */
static void
take_value(SandboxAsaas *payment)
{
	json_int_t	asked = sandbox_asaas_number(payment, "value");
	json_int_t	paid = payment->paid_cents;

	payment->paid_cents = 0;
	if (paid == 0 || paid == asked)
		return;
	sandbox_asaas_put(payment, "originalValue", json_integer(asked));
	sandbox_asaas_put(payment, "value", json_integer(paid));
	sandbox_asaas_put(payment, "netValue",
					  json_integer(paid - sandbox_config.asaas_fee_cents));
	if (paid > asked)
		sandbox_asaas_put(payment, "interestValue",
						  json_integer(paid - asked));
}

/* The money is there, and is booked as of a day. */
static void
receive(SandboxAsaas *payment, int day, const char *status, const char *event)
{
	payment->credit_at = SANDBOX_NEVER;
	take_value(payment);
	sandbox_asaas_put(payment, "paymentDate", sandbox_asaas_day_json(day));
	sandbox_asaas_put(payment, "clientPaymentDate",
					  sandbox_asaas_day_json(payment->paid_day));
	sandbox_asaas_put(payment, "creditDate", sandbox_asaas_day_json(day));
	sandbox_asaas_put(payment, "estimatedCreditDate",
					  sandbox_asaas_day_json(day));
	sandbox_asaas_put(payment, "transactionReceiptUrl",
					  json_sprintf("https://sandbox.asaas.com/comprovantes/%s",
								   payment->id + strlen("pay_")));
	book(payment, "PAYMENT_RECEIVED",
		 sandbox_asaas_number(payment, "netValue") - payment->refunded);
	sandbox_asaas_enter_status(payment, status, event);
}

/* What was paid is credited; a Pix on the day on which it was paid. */
static void
credit(SandboxAsaas *payment)
{
	receive(payment, strcmp(payment->method, "PIX") == 0 ?
			payment->paid_day : sandbox_asaas_today(),
			"RECEIVED", "PAYMENT_RECEIVED");
	if (strcmp(payment->method, "CREDIT_CARD") != 0)
		sandbox_asaas_notify(payment, "PAYMENT_RECEIVED");
}

/* It is paid after all, to those who collect debts. */
void
sandbox_asaas_recover(SandboxAsaas *payment)
{
	payment->paid_day = sandbox_asaas_today();
	receive(payment, payment->paid_day, "DUNNING_RECEIVED",
			"PAYMENT_DUNNING_RECEIVED");
}

/*
 * A dispute is over: the payment is where it was before.  Without an event,
 * that of its status is told.
 */
void
sandbox_asaas_uphold(SandboxAsaas *payment, const char *event)
{
	bool		credited = sandbox_asaas_text(payment, "creditDate") != NULL;

	if (event == NULL)
		event = credited ? "PAYMENT_RECEIVED" : "PAYMENT_CONFIRMED";
	sandbox_asaas_enter_status(payment, credited ? "RECEIVED" : "CONFIRMED",
							   event);
}

/* The payer has paid, but the money comes on a later day. */
static void
confirm(SandboxAsaas *payment, int credit_day)
{
	json_t	   *day = sandbox_asaas_day_json(payment->paid_day);

	take_value(payment);
	sandbox_asaas_put(payment, "clientPaymentDate", json_incref(day));
	sandbox_asaas_put(payment, "confirmedDate", day);
	sandbox_asaas_put(payment, "estimatedCreditDate",
					  sandbox_asaas_day_json(credit_day));
	sandbox_asaas_enter_status(payment, "CONFIRMED", "PAYMENT_CONFIRMED");
	if (strcmp(payment->method, "CREDIT_CARD") == 0)
		sandbox_asaas_notify(payment, "PAYMENT_RECEIVED");
}

/* The payer pays, by the method that was chosen. */
static void
settle(SandboxAsaas *payment)
{
	int			day;

	payment->pay_at = SANDBOX_NEVER;
	sandbox_asaas_put(payment, "billingType", json_string(payment->method));
	if (strcmp(payment->method, "PIX") == 0)
	{
		credit(payment);
		return;
	}
	day = strcmp(payment->method, "BOLETO") == 0 ?
		sandbox_asaas_working_day(payment->paid_day) :
		payment->paid_day + CARD_DAYS;
	payment->credit_at = sandbox_asaas_day_start(day);
	if (strcmp(payment->method, "CREDIT_CARD") == 0 ||
		sandbox_config.asaas_boleto_confirms)
		confirm(payment, day);
	reschedule(payment);
}

/* The payer pays then; what is not in the future happens now. */
void
sandbox_asaas_pay(SandboxAsaas *payment, const char *method, int64_t at)
{
	payment->method = method;
	payment->pay_at = at;
	payment->paid_day = sandbox_asaas_day_of(at);
	if (at <= sandbox_asaas_now())
		settle(payment);
	reschedule(payment);
	/* a credit that was due in the past is not waited for */
	sandbox_asaas_tick();
}

/* What was given back has arrived. */
static void
end_refund(SandboxAsaas *payment)
{
	json_t	   *refund;
	size_t		i;

	payment->refund_at = SANDBOX_NEVER;
	json_array_foreach(json_object_get(payment->fields, "refunds"), i, refund)
		json_object_set_new(refund, "status", json_string("DONE"));
	if (payment->refunded < sandbox_asaas_number(payment, "value"))
		sandbox_asaas_enter_status(payment, NULL,
								   "PAYMENT_PARTIALLY_REFUNDED");
	else
		sandbox_asaas_enter_status(payment, "REFUNDED", "PAYMENT_REFUNDED");
}

/* Give part or all of a payment back, at once or after a while. */
void
sandbox_asaas_give_back(SandboxAsaas *payment, json_int_t cents,
						const char *description)
{
	json_t	   *refunds = json_object_get(payment->fields, "refunds");
	long		seconds = sandbox_config.asaas_refund_seconds;

	if (!json_is_array(refunds))
	{
		refunds = json_array();
		sandbox_asaas_put(payment, "refunds", refunds);
	}
	json_array_append_new(refunds,
						  json_pack("{s:o, s:s, s:I, s:s?}", "dateCreated",
									sandbox_asaas_stamp_json(sandbox_asaas_now()),
									"status", "PENDING", "value", cents,
									"description", description));
	payment->refunded += cents;
	/* what has not been credited yet is credited as what is left of it */
	if (payment->credit_at == SANDBOX_NEVER)
		book(payment, "PAYMENT_REVERSAL", -cents);
	if (payment->refunded >= sandbox_asaas_number(payment, "value"))
		payment->credit_at = SANDBOX_NEVER;
	if (seconds == 0)
	{
		end_refund(payment);
		return;
	}
	payment->refund_at = sandbox_asaas_now() + seconds * INT64_C(1000);
	sandbox_asaas_enter_status(payment,
							   payment->refunded <
							   sandbox_asaas_number(payment, "value") ?
							   NULL : "REFUND_IN_PROGRESS",
							   "PAYMENT_REFUND_IN_PROGRESS");
}

/* Delete a payment; a slip that was paid all the same is of no effect. */
void
sandbox_asaas_remove(SandboxAsaas *payment)
{
	payment->pay_at = SANDBOX_NEVER;
	payment->credit_at = SANDBOX_NEVER;
	sandbox_asaas_put(payment, "deleted", json_true());
	sandbox_asaas_enter_status(payment, NULL, "PAYMENT_DELETED");
}

/* A day has begun for a payment that is still to be paid. */
static void
begin_day(SandboxAsaas *payment)
{
	int			late = days_late(payment);

	if (payment->noticed_day == sandbox_asaas_today())
		return;
	payment->noticed_day = sandbox_asaas_today();
	if (late > 0 && sandbox_asaas_is_status(payment, "PENDING"))
		sandbox_asaas_enter_status(payment, "OVERDUE", "PAYMENT_OVERDUE");
	sandbox_asaas_notify_by_day(payment, late);
}

/* Do to a payment what is due now. */
void
sandbox_asaas_payment_wake(SandboxAsaas *payment)
{
	int64_t		now = sandbox_asaas_now();

	if (payment->pay_at <= now && sandbox_asaas_is_open(payment))
		settle(payment);
	if (payment->credit_at <= now && is_creditable(payment))
		credit(payment);
	if (payment->refund_at <= now)
		end_refund(payment);
	if (sandbox_asaas_is_open(payment))
		begin_day(payment);
	if (payment->pay_at <= now)
		payment->pay_at = SANDBOX_NEVER;
	reschedule(payment);
}
