/*-------------------------------------------------------------------------
 *
 * asaas_notice.c
 *	  Asaas: the notifications of each customer, and what they send.
 *
 * Nothing leaves the sandbox: a message is a record that tests count.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

/* The fixed set; the second ones of an event differ in their offset. */
static const struct
{
	const char *event;
	int			offset;
}			fixed_set[] =

{
	{"PAYMENT_CREATED", 0},
	{"PAYMENT_UPDATED", 0},
	{"PAYMENT_DUEDATE_WARNING", 10},
	{"PAYMENT_DUEDATE_WARNING", 0},
	{"SEND_LINHA_DIGITAVEL", 0},
	{"PAYMENT_OVERDUE", 0},
	{"PAYMENT_OVERDUE", 7},
	{"PAYMENT_RECEIVED", 0}
};

/* Switches, and the channel that each opens */
static const struct
{
	const char *name;
	const char *channel;
	const char *contact;		/* of the customer, or NULL: ours */
}			switches[] =

{
	{"emailEnabledForCustomer", "email", "email"},
	{"smsEnabledForCustomer", "sms", "mobilePhone"},
	{"phoneCallEnabledForCustomer", "voice", "mobilePhone"},
	{"whatsappEnabledForCustomer", "whatsapp", "mobilePhone"},
	{"emailEnabledForProvider", "email", NULL},
	{"smsEnabledForProvider", "sms", NULL}
};

/* Make a customer's notifications, with e-mail and SMS switched on. */
void
sandbox_asaas_notification_make(SandboxAsaas *customer)
{
	size_t		i;

	for (i = 0; i < lengthof(fixed_set); i++)
	{
		json_t	   *fields =
		json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:i,"
				  " s:b}",
				  "object", "notification", "customer", customer->id,
				  "enabled", 1, "emailEnabledForProvider", 1,
				  "smsEnabledForProvider", 0, "emailEnabledForCustomer", 1,
				  "smsEnabledForCustomer", 1,
				  "phoneCallEnabledForCustomer", 0,
				  "whatsappEnabledForCustomer", 0,
				  "event", fixed_set[i].event,
				  "scheduleOffset", fixed_set[i].offset, "deleted", 0);

		sandbox_asaas_add(SANDBOX_ASAAS_NOTIFICATIONS, fields,
						  NULL)->customer = customer;
	}
}

/* One of a customer's notifications: no others are ever made. */
static SandboxAsaas *
notification_of(const SandboxAsaas *customer, size_t number)
{
	return sandbox_asaas_get(SANDBOX_ASAAS_NOTIFICATIONS,
							 customer->position * lengthof(fixed_set) +
							 number);
}

/* GET /customers/{id}/notifications: all of them, as one page */
void
sandbox_asaas_notification_list(SandboxRequest *request)
{
	SandboxAsaas *customer = sandbox_asaas_of(request,
											  SANDBOX_ASAAS_CUSTOMERS);
	json_t	   *rows;
	size_t		i;

	if (customer == NULL)
		return;
	rows = json_array();
	for (i = 0; i < lengthof(fixed_set); i++)
		json_array_append_new(rows,
							  sandbox_asaas_shown(notification_of(customer,
																  i),
												  false));
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:s, s:b, s:I, s:i, s:i, s:o}",
								 "object", "list", "hasMore", 0,
								 "totalCount",
								 (json_int_t) json_array_size(rows),
								 "limit", 10, "offset", 0, "data", rows));
}

/* May a notification be sent so many days before or after? */
static bool
is_offset(const SandboxAsaas *notification, const json_t *value)
{
	static const json_int_t before[] = {0, 5, 10, 15, 30};
	static const json_int_t after[] = {1, 7, 15, 30};
	const char *event = sandbox_asaas_text(notification, "event");
	bool		warns = strcmp(event, "PAYMENT_DUEDATE_WARNING") == 0;
	const json_int_t *allowed = warns ? before : after;
	size_t		count = warns ? lengthof(before) : lengthof(after);
	size_t		i;

	if (!json_is_integer(value))
		return false;
	if (json_integer_value(value) ==
		sandbox_asaas_number(notification, "scheduleOffset"))
		return true;
	if (!warns && strcmp(event, "PAYMENT_OVERDUE") != 0)
		return false;
	for (i = 0; i < count; i++)
	{
		if (allowed[i] == json_integer_value(value))
			return true;
	}
	return false;
}

/* Are these switches that a notification may have? */
static bool
check_switches(SandboxRequest *request, const SandboxAsaas *notification,
			   const json_t *body)
{
	const json_t *offset = json_object_get(body, "scheduleOffset");
	size_t		i;

	for (i = 0; i < lengthof(switches); i++)
	{
		const json_t *value = json_object_get(body, switches[i].name);

		if (value != NULL && !json_is_boolean(value))
			return sandbox_asaas_invalid(request, switches[i].name,
										 "O campo informado é inválido.");
	}
	if (offset != NULL && !is_offset(notification, offset))
		return sandbox_asaas_invalid(request, "scheduleOffset",
									 "O prazo informado é inválido.");
	return true;
}

static void
take_switches(SandboxAsaas *notification, const json_t *body)
{
	static const char *const own[] = {"enabled", "scheduleOffset"};
	size_t		i;

	sandbox_asaas_take(notification, body, own, lengthof(own));
	for (i = 0; i < lengthof(switches); i++)
		sandbox_asaas_take(notification, body, &switches[i].name, 1);
}

/* PUT or POST /notifications/{id} */
void
sandbox_asaas_notification_change(SandboxRequest *request)
{
	SandboxAsaas *notification =
	sandbox_asaas_of(request, SANDBOX_ASAAS_NOTIFICATIONS);

	if (notification == NULL ||
		!check_switches(request, notification, request->json))
		return;
	take_switches(notification, request->json);
	request->effects++;
	sandbox_asaas_reply(request, notification);
}

/* The notification that one row of a batch names, if its switches fit. */
static SandboxAsaas *
check_row(SandboxRequest *request, const json_t *row)
{
	const char *id = json_string_value(json_object_get(row, "id"));
	const char *customer =
	json_string_value(json_object_get(request->json, "customer"));
	SandboxAsaas *result =
	sandbox_asaas_find(SANDBOX_ASAAS_NOTIFICATIONS, id);

	if (result == NULL || customer == NULL ||
		strcmp(result->customer->id, customer) != 0)
	{
		sandbox_asaas_invalid(request, "notification",
							  "Notificação não encontrada.");
		return NULL;
	}
	return check_switches(request, result, row) ? result : NULL;
}

/* PUT /notifications/batch: all or none */
void
sandbox_asaas_notification_batch(SandboxRequest *request)
{
	const json_t *rows = json_object_get(request->json, "notifications");
	json_t	   *changed = json_array();
	json_t	   *row;
	size_t		i;

	json_array_foreach(rows, i, row)
	{
		if (check_row(request, row) == NULL)
		{
			json_decref(changed);
			return;
		}
	}
	json_array_foreach(rows, i, row)
	{
		SandboxAsaas *notification = check_row(request, row);

		take_switches(notification, row);
		json_array_append_new(changed,
							  sandbox_asaas_shown(notification, false));
	}
	request->effects++;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o}", "notifications", changed));
}

/* Send one message for each channel that is open and has a contact. */
static void
send_messages(const SandboxAsaas *payment, const SandboxAsaas *notification)
{
	const SandboxAsaas *customer = payment->customer;
	size_t		i;

	for (i = 0; i < lengthof(switches); i++)
	{
		const char *to = switches[i].contact;

		if (!sandbox_asaas_flag(notification, switches[i].name) ||
			(to != NULL && sandbox_asaas_text(customer, to) == NULL))
			continue;
		sandbox_asaas_add(SANDBOX_ASAAS_MESSAGES,
						  json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}",
									"customer", customer->id,
									"payment", payment->id, "event",
									sandbox_asaas_text(notification, "event"),
									"channel", switches[i].channel,
									"to", to != NULL ? "customer" : "provider",
									"scheduleOffset",
									json_integer(sandbox_asaas_number(notification,
																	  "scheduleOffset")),
									"sentAt",
									sandbox_asaas_stamp_json(sandbox_asaas_now())),
						  NULL);
	}
}

/*
 * What a charge of a subscription is silent about: its creation, and by
 * card everything but the end.
 */
static bool
is_silent(const SandboxAsaas *payment, const char *event)
{
	const char *type = sandbox_asaas_text(payment, "billingType");

	if (payment->subscription == NULL)
		return false;
	return strcmp(event, "PAYMENT_CREATED") == 0 ||
		(strcmp(type, "CREDIT_CARD") == 0 &&
		 strcmp(event, "PAYMENT_RECEIVED") != 0);
}

typedef bool (*IsDue) (const SandboxAsaas *notification, int late);

/* Send what the customer's notifications of an event say. */
static void
notify(const SandboxAsaas *payment, const char *event, IsDue is_due, int late)
{
	size_t		i;

	if (sandbox_asaas_flag(payment->customer, "notificationDisabled") ||
		is_silent(payment, event))
		return;
	for (i = 0; i < lengthof(fixed_set); i++)
	{
		const SandboxAsaas *notification =
		notification_of(payment->customer, i);

		if (sandbox_asaas_flag(notification, "enabled") &&
			strcmp(sandbox_asaas_text(notification, "event"), event) == 0 &&
			(is_due == NULL || is_due(notification, late)))
			send_messages(payment, notification);
	}
}

/* Something has just happened to a payment. */
void
sandbox_asaas_notify(const SandboxAsaas *payment, const char *event)
{
	notify(payment, event, NULL, 0);
}

static bool
warns_today(const SandboxAsaas *notification, int late)
{
	return -late == sandbox_asaas_number(notification, "scheduleOffset");
}

/* Once when it becomes overdue, or again and again at an interval. */
static bool
reminds_today(const SandboxAsaas *notification, int late)
{
	json_int_t	offset = sandbox_asaas_number(notification,
											  "scheduleOffset");

	return offset == 0 ? late == 1 : late % offset == 0;
}

/* A day has begun on which a payment is so many days late, or early. */
void
sandbox_asaas_notify_by_day(const SandboxAsaas *payment, int late)
{
	const char *type = sandbox_asaas_text(payment, "billingType");

	if (late > 0)
		notify(payment, "PAYMENT_OVERDUE", reminds_today, late);
	else
		notify(payment, "PAYMENT_DUEDATE_WARNING", warns_today, late);
	if (late == 0 && strcmp(type, "BOLETO") == 0)
		notify(payment, "SEND_LINHA_DIGITAVEL", NULL, late);
}
