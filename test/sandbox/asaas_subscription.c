/*-------------------------------------------------------------------------
 *
 * asaas_subscription.c
 *	  Asaas: subscriptions, and the charges that come of them.
 *
 * The first charge is made at once.  The others are made in the nights, so
 * many days before they are due.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "ledger.h"

/* Cycles, in days or in months */
static const struct
{
	const char *name;
	int			days;
	int			months;
}			cycles[] =

{
	{"WEEKLY", 7, 0}, {"BIWEEKLY", 14, 0}, {"MONTHLY", 0, 1},
	{"BIMONTHLY", 0, 2}, {"QUARTERLY", 0, 3}, {"SEMIANNUALLY", 0, 6},
	{"YEARLY", 0, 12}
};

/* Members that a client may set and that are kept as they come */
static const char *const known[] = {
	"billingType", "nextDueDate", "cycle", "description", "endDate",
	"maxPayments", "externalReference", "discount", "interest", "fine",
	"split", "callback"
};

/* The place of a cycle in the table, or -1. */
static int
cycle_of(const json_t *value)
{
	const char *text = json_string_value(value);
	size_t		i;

	for (i = 0; text != NULL && i < lengthof(cycles); i++)
	{
		if (strcmp(cycles[i].name, text) == 0)
			return (int) i;
	}
	return -1;
}

static int
day_field(const SandboxAsaas *subscription, const char *key)
{
	int			day = 0;

	sandbox_asaas_is_day(json_object_get(subscription->fields, key), &day);
	return day;
}

static bool
runs(const SandboxAsaas *subscription)
{
	return !sandbox_asaas_flag(subscription, "deleted") &&
		strcmp(sandbox_asaas_text(subscription, "status"), "ACTIVE") == 0;
}

/* Look again in the night in which the next charge may be made. */
static void
reschedule(SandboxAsaas *subscription)
{
	int			day = day_field(subscription, "nextDueDate") -
	(int) sandbox_config.asaas_ahead_days;

	if (day <= sandbox_asaas_today())
		day = sandbox_asaas_today() + 1;
	sandbox_asaas_schedule(subscription, runs(subscription) ?
						   sandbox_asaas_day_start(day) : SANDBOX_NEVER);
}

/* Is there to be another charge? */
static bool
has_more(const SandboxAsaas *subscription)
{
	json_int_t	most = sandbox_asaas_number(subscription, "maxPayments");
	int			end = day_field(subscription, "endDate");

	return (most == 0 || subscription->charges < most) &&
		(end == 0 || day_field(subscription, "nextDueDate") <= end);
}

/* Move the next due date one cycle ahead. */
static void
step(SandboxAsaas *subscription)
{
	int			cycle = cycle_of(json_object_get(subscription->fields,
												 "cycle"));
	int			due = day_field(subscription, "nextDueDate");

	due = cycles[cycle].months == 0 ? due + cycles[cycle].days :
		sandbox_asaas_add_months(due, cycles[cycle].months,
								 subscription->day_of_month);
	sandbox_asaas_put(subscription, "nextDueDate",
					  sandbox_asaas_day_json(due));
}

/* Make the charge that is due next. */
static void
charge(SandboxAsaas *subscription)
{
	json_t	   *body = json_deep_copy(subscription->fields);
	SandboxAsaas *payment;

	json_object_set(body, "dueDate", json_object_get(body, "nextDueDate"));
	json_object_set_new(body, "value",
						sandbox_asaas_reais(sandbox_asaas_number(subscription,
																 "value")));
	payment = sandbox_asaas_payment_enter(subscription->customer, body, NULL);
	payment->subscription = subscription;
	sandbox_asaas_put(payment, "subscription", json_string(subscription->id));
	subscription->charges++;
	step(subscription);
	sandbox_asaas_begin(payment);
	json_decref(body);
}

/* A night: make all charges that are near enough, and end what is over. */
void
sandbox_asaas_subscription_wake(SandboxAsaas *subscription)
{
	while (runs(subscription))
	{
		if (!has_more(subscription))
			sandbox_asaas_put(subscription, "status", json_string("EXPIRED"));
		else if (day_field(subscription, "nextDueDate") -
				 sandbox_config.asaas_ahead_days > sandbox_asaas_today())
			break;
		else
			charge(subscription);
	}
	reschedule(subscription);
}

/* A text day's last two digits: the day of the month that it names. */
static void
anchor(SandboxAsaas *subscription)
{
	subscription->day_of_month =
		(int) strtol(sandbox_asaas_text(subscription, "nextDueDate") + 8,
					 NULL, 10);
}

/* Check what only a subscription has. */
static bool
check_members(SandboxRequest *request)
{
	const json_t *cycle = json_object_get(request->json, "cycle");
	const json_t *end = json_object_get(request->json, "endDate");
	int			day;

	if (cycle != NULL && cycle_of(cycle) < 0)
		return sandbox_asaas_invalid(request, "cycle",
									 "A periodicidade informada é inválida.");
	return end == NULL || json_is_null(end) ||
		sandbox_asaas_is_day(end, &day) ||
		sandbox_asaas_invalid(request, "endDate",
							  "A data final informada é inválida.");
}

/* POST /subscriptions */
void
sandbox_asaas_subscription_create(SandboxRequest *request)
{
	SandboxAsaas *customer = sandbox_asaas_payment_of_body(request,
														   "nextDueDate");
	SandboxAsaas *subscription;
	const char *reference;
	json_int_t	cents = 0;

	if (customer == NULL)
		return;
	if (json_object_get(request->json, "cycle") == NULL)
	{
		sandbox_asaas_invalid(request, "cycle",
							  "A periodicidade deve ser informada.");
		return;
	}
	if (!check_members(request))
		return;
	sandbox_asaas_cents(json_object_get(request->json, "value"), &cents);
	subscription =
		sandbox_asaas_add(SANDBOX_ASAAS_SUBSCRIPTIONS,
						  json_pack("{s:s, s:s, s:s, s:b, s:I, s:n, s:n}",
									"object", "subscription", "customer",
									customer->id, "status", "ACTIVE",
									"deleted", 0, "value", cents,
									"externalReference", "description"),
						  request->partner);
	subscription->customer = customer;
	sandbox_asaas_put(subscription, "dateCreated",
					  sandbox_asaas_day_json(sandbox_asaas_today()));
	sandbox_asaas_take(subscription, request->json, known, lengthof(known));
	anchor(subscription);
	sandbox_asaas_event("SUBSCRIPTION_CREATED", "subscription", subscription);
	charge(subscription);
	reschedule(subscription);
	request->effects++;
	reference = sandbox_asaas_text(subscription, "externalReference");
	if (reference != NULL)
		sandbox_ledger_name_effects(reference)->count[SANDBOX_CREATES]++;
	sandbox_asaas_reply(request, subscription);
}

/* What a list shows of deleted ones; the context is the request. */
static bool
is_shown(const SandboxAsaas *subscription, const void *context)
{
	const SandboxRequest *request = context;
	bool		deleted = sandbox_asaas_flag(subscription, "deleted");
	char	   *only = sandbox_query_value(request, "deletedOnly");
	char	   *include = sandbox_query_value(request, "includeDeleted");
	bool		result;

	if (only != NULL && strcmp(only, "true") == 0)
		result = deleted;
	else
		result = !deleted ||
			(include != NULL && strcmp(include, "true") == 0);
	free(only);
	free(include);
	return result;
}

/* GET /subscriptions */
void
sandbox_asaas_subscription_list(SandboxRequest *request)
{
	static const SandboxAsaasFilter filters[] = {
		{"customer", "customer", SANDBOX_ASAAS_EQUAL},
		{"customerGroupName", "groupName", SANDBOX_ASAAS_OF_CUSTOMER},
		{"billingType", "billingType", SANDBOX_ASAAS_EQUAL},
		{"status", "status", SANDBOX_ASAAS_EQUAL},
		{"externalReference", "externalReference", SANDBOX_ASAAS_EQUAL}
	};
	const SandboxAsaasList list = {
		SANDBOX_ASAAS_SUBSCRIPTIONS, filters, lengthof(filters), is_shown,
		request
	};

	sandbox_asaas_list(request, &list);
}

static SandboxAsaas *
subscription_of(SandboxRequest *request)
{
	return sandbox_asaas_of(request, SANDBOX_ASAAS_SUBSCRIPTIONS);
}

/* GET /subscriptions/{id} */
void
sandbox_asaas_subscription_read(SandboxRequest *request)
{
	SandboxAsaas *subscription = subscription_of(request);

	if (subscription != NULL)
		sandbox_asaas_reply(request, subscription);
}

/* GET /subscriptions/{id}/payments */
void
sandbox_asaas_subscription_charges(SandboxRequest *request)
{
	SandboxAsaas *subscription = subscription_of(request);

	if (subscription != NULL)
		sandbox_asaas_payments_of(request, subscription);
}

/* GET /subscriptions/{id}/paymentBook: a PDF */
void
sandbox_asaas_subscription_book(SandboxRequest *request)
{
	if (subscription_of(request) != NULL)
		sandbox_reply_text(&request->reply, 200, "application/pdf",
						   "%PDF-1.4\n%%EOF\n");
}

/* Let open charges follow what has changed. */
static void
update_pending(const SandboxAsaas *subscription, const json_t *body)
{
	static const char *const followed[] = {"billingType", "description"};
	json_t	   *value = json_object_get(subscription->fields, "value");
	size_t		i;

	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_PAYMENTS); i++)
	{
		SandboxAsaas *payment = sandbox_asaas_get(SANDBOX_ASAAS_PAYMENTS, i);

		if (payment->subscription != subscription ||
			!sandbox_asaas_is_open(payment))
			continue;
		sandbox_asaas_put(payment, "value", json_incref(value));
		sandbox_asaas_put(payment, "netValue",
						  json_integer(json_integer_value(value) -
									   sandbox_config.asaas_fee_cents));
		sandbox_asaas_take(payment, body, followed, lengthof(followed));
		sandbox_asaas_enter_status(payment, NULL, "PAYMENT_UPDATED");
	}
}

/* Check those members of a change that it has; its value in cents. */
static bool
check_change(SandboxRequest *request, json_int_t *cents)
{
	const json_t *body = request->json;
	const json_t *value = json_object_get(body, "value");
	const json_t *type = json_object_get(body, "billingType");
	const json_t *due = json_object_get(body, "nextDueDate");
	const json_t *status = json_object_get(body, "status");
	int			day;

	if (value != NULL && (!sandbox_asaas_cents(value, cents) || *cents <= 0))
		return sandbox_asaas_invalid(request, "value",
									 "O valor informado é inválido.");
	if (type != NULL && !sandbox_asaas_is_billing_type(type))
		return sandbox_asaas_invalid(request, "billingType",
									 "A forma de pagamento é inválida.");
	if (due != NULL && (!sandbox_asaas_is_day(due, &day) ||
						day < sandbox_asaas_today()))
		return sandbox_asaas_invalid(request, "nextDueDate",
									 "A data informada é inválida.");
	if (status != NULL && (json_string_value(status) == NULL ||
						   (strcmp(json_string_value(status), "ACTIVE") != 0 &&
							strcmp(json_string_value(status),
								   "INACTIVE") != 0)))
		return sandbox_asaas_invalid(request, "status",
									 "O status informado é inválido.");
	return check_members(request);
}

/* PUT /subscriptions/{id} */
void
sandbox_asaas_subscription_change(SandboxRequest *request)
{
	static const char *const status[] = {"status"};
	SandboxAsaas *subscription = subscription_of(request);
	json_int_t	cents = 0;

	if (subscription == NULL)
		return;
	if (sandbox_asaas_flag(subscription, "deleted"))
	{
		sandbox_asaas_impossible(request, "A assinatura está removida.");
		return;
	}
	if (!check_change(request, &cents))
		return;
	sandbox_asaas_take(subscription, request->json, known, lengthof(known));
	sandbox_asaas_take(subscription, request->json, status, lengthof(status));
	if (cents > 0)
		sandbox_asaas_put(subscription, "value", json_integer(cents));
	if (json_object_get(request->json, "nextDueDate") != NULL)
		anchor(subscription);
	if (json_is_true(json_object_get(request->json, "updatePendingPayments")))
		update_pending(subscription, request->json);
	sandbox_asaas_event("SUBSCRIPTION_UPDATED", "subscription", subscription);
	reschedule(subscription);
	request->effects++;
	sandbox_asaas_reply(request, subscription);
}

/* Delete a subscription, and with it what is still to be paid. */
void
sandbox_asaas_subscription_remove(SandboxAsaas *subscription)
{
	size_t		i;

	sandbox_asaas_put(subscription, "deleted", json_true());
	sandbox_asaas_put(subscription, "status", json_string("INACTIVE"));
	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_PAYMENTS); i++)
	{
		SandboxAsaas *payment = sandbox_asaas_get(SANDBOX_ASAAS_PAYMENTS, i);

		if (payment->subscription == subscription &&
			sandbox_asaas_is_open(payment))
			sandbox_asaas_remove(payment);
	}
	sandbox_asaas_event("SUBSCRIPTION_DELETED", "subscription", subscription);
	reschedule(subscription);
}

/* DELETE /subscriptions/{id} */
void
sandbox_asaas_subscription_delete(SandboxRequest *request)
{
	SandboxAsaas *subscription = subscription_of(request);

	if (subscription == NULL)
		return;
	if (sandbox_asaas_flag(subscription, "deleted"))
	{
		sandbox_asaas_impossible(request, "A assinatura está removida.");
		return;
	}
	sandbox_asaas_subscription_remove(subscription);
	request->effects++;
	sandbox_asaas_reply_deleted(request, subscription);
}
