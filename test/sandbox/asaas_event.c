/*-------------------------------------------------------------------------
 *
 * asaas_event.c
 *	  Asaas: events, and their way to the webhooks that want them.
 *
 * Every event is kept, whether anybody wants it or not.  A webhook has a
 * queue: if it is sequential, the first in it holds up all that follow.
 * What fails is tried again at intervals, by the sandbox's clock; after the
 * last attempt the whole queue is interrupted.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "instance.h"
#include "outgoing.h"

#define MS_PER_SECOND INT64_C(1000)
#define KEPT_DAYS 14
#define MS_PER_DAY INT64_C(86400000)
#define MAX_COPIES 100

/* Seconds before each attempt */
static const int waits[] = {
	0, 30, 60, 210, 300, 900, 1500, 3600, 3600, 3600, 3600, 3600, 7200, 7200,
	10800
};

/* An event on its way to one webhook. */
typedef struct SandboxAsaasDelivery
{
	SandboxAsaas *event;
	SandboxAsaas *webhook;
	unsigned	attempts;		/* that have failed */
	int64_t		queued_at;
	int64_t		due;			/* of the next one */
	bool		flying;
} SandboxAsaasDelivery;

/* A test collects events, to let them go in another order. */
static bool on_hold = false;

static void
append(SandboxAsaas *webhook, SandboxAsaas *event)
{
	SandboxAsaasDelivery *delivery = sandbox_alloc(sizeof(*delivery));

	delivery->event = event;
	delivery->webhook = webhook;
	delivery->queued_at = sandbox_clock_now();
	delivery->due = delivery->queued_at;
	webhook->queue = sandbox_realloc(webhook->queue, (webhook->queued + 1) *
									 sizeof(SandboxAsaasDelivery *));
	webhook->queue[webhook->queued++] = delivery;
}

static void
drop(SandboxAsaas *webhook, size_t place)
{
	free(webhook->queue[place]);
	webhook->queued--;
	memmove(webhook->queue + place, webhook->queue + place + 1,
			(webhook->queued - place) * sizeof(SandboxAsaasDelivery *));
}

/* Does a webhook want events of this name? */
static bool
wants(const SandboxAsaas *webhook, const char *event)
{
	json_t	   *name;
	size_t		i;

	if (sandbox_asaas_flag(webhook, "deleted") ||
		!sandbox_asaas_flag(webhook, "enabled"))
		return false;
	json_array_foreach(json_object_get(webhook->fields, "events"), i, name)
	{
		if (json_is_string(name) && strcmp(json_string_value(name),
										   event) == 0)
			return true;
	}
	return false;
}

/* Queue an event for all that want it. */
static void
queue_event(SandboxAsaas *event)
{
	size_t		i;

	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_WEBHOOKS); i++)
	{
		SandboxAsaas *webhook = sandbox_asaas_get(SANDBOX_ASAAS_WEBHOOKS, i);

		if (!wants(webhook, sandbox_asaas_text(event, "event")))
			continue;
		append(webhook, event);
		sandbox_asaas_pump(webhook);
	}
}

/* Something has happened to a record, which is told as it is now. */
void
sandbox_asaas_event(const char *event, const char *member,
					const SandboxAsaas *record)
{
	SandboxAsaas *added =
	sandbox_asaas_add(SANDBOX_ASAAS_EVENTS,
					  json_pack("{s:s}", "event", event), NULL);

	sandbox_asaas_put(added, "dateCreated",
					  sandbox_asaas_stamp_json(sandbox_asaas_now()));
	sandbox_asaas_put(added, member, sandbox_asaas_shown(record, false));
	added->attempts = json_array();
	queue_event(added);
}

/* Is this what a receiver has to answer? */
static bool
is_success(int status)
{
	return sandbox_config.asaas_webhook_success == SANDBOX_ASAAS_ONLY_200 ?
		status == 200 : status >= 200 && status <= 299;
}

static size_t
place_of(const SandboxAsaasDelivery *delivery)
{
	const SandboxAsaas *webhook = delivery->webhook;
	size_t		place = 0;

	while (webhook->queue[place] != delivery)
		place++;
	return place;
}

/* An attempt has failed: wait, or give the whole queue up. */
static void
fail(SandboxAsaasDelivery *delivery)
{
	SandboxAsaas *webhook = delivery->webhook;

	delivery->attempts++;
	sandbox_asaas_put(webhook, "penalizedRequestsCount",
					  json_integer(delivery->attempts));
	if (delivery->attempts < lengthof(waits))
		delivery->due = sandbox_clock_now() +
			waits[delivery->attempts] * MS_PER_SECOND;
	else
		sandbox_asaas_put(webhook, "interrupted", json_true());
}

/* The receiver has answered, or has not. */
static void
end_attempt(void *context, int status)
{
	SandboxAsaasDelivery *delivery = context;
	SandboxAsaas *webhook = delivery->webhook;

	delivery->flying = false;
	json_array_append_new(delivery->event->attempts,
						  json_pack("{s:s, s:o, s:i}", "webhook", webhook->id,
									"at",
									sandbox_asaas_stamp_json(sandbox_clock_now()),
									"status", status));
	if (is_success(status))
	{
		drop(webhook, place_of(delivery));
		sandbox_asaas_put(webhook, "penalizedRequestsCount", json_integer(0));
	}
	else
		fail(delivery);
	sandbox_asaas_pump(webhook);
}

static void
send_event(SandboxAsaasDelivery *delivery)
{
	const SandboxAsaas *webhook = delivery->webhook;
	const char *token = sandbox_asaas_text(webhook, "authToken");
	bool		production =
	sandbox_config.asaas_environment == SANDBOX_ASAAS_PRODUCTION;
	char	   *headers =
	sandbox_printf("Content-Type: application/json; charset=UTF-8\r\n"
				   "User-Agent: Asaas_%s/3.0\r\n%s%s%s",
				   production ? "Prod" : "Hmlg",
				   token != NULL ? "asaas-access-token: " : "",
				   token != NULL ? token : "", token != NULL ? "\r\n" : "");
	char	   *body = json_dumps(delivery->event->fields, JSON_COMPACT |
								  JSON_REAL_PRECISION(15));

	delivery->flying = true;
	sandbox_outgoing_post(sandbox_asaas_text(webhook, "url"), headers, body,
						  sandbox_config.asaas_webhook_timeout_seconds *
						  MS_PER_SECOND, end_attempt, delivery);
	free(headers);
	free(body);
}

/*
 * Events are not kept for ever.  What happened while the clock was turned
 * far ahead is as old as the turn.
 */
static void
drop_old(SandboxAsaas *webhook)
{
	int64_t		oldest = sandbox_clock_now() - KEPT_DAYS * MS_PER_DAY;
	size_t		i = webhook->queued;

	while (i-- > 0)
	{
		if (!webhook->queue[i]->flying &&
			webhook->queue[i]->queued_at < oldest)
			drop(webhook, i);
	}
}

/* Send what may be sent, and wake up for what has to wait. */
void
sandbox_asaas_pump(SandboxAsaas *webhook)
{
	bool		sequential = strcmp(sandbox_asaas_text(webhook, "sendType"),
									"SEQUENTIALLY") == 0;
	int64_t		now = sandbox_clock_now();
	int64_t		next = SANDBOX_NEVER;
	size_t		i;

	if (on_hold || sandbox_asaas_flag(webhook, "deleted") ||
		!sandbox_asaas_flag(webhook, "enabled"))
		return;
	drop_old(webhook);
	if (sandbox_asaas_flag(webhook, "interrupted"))
		return;
	for (i = 0; i < webhook->queued && (i == 0 || !sequential); i++)
	{
		SandboxAsaasDelivery *delivery = webhook->queue[i];

		if (delivery->flying)
			continue;
		if (delivery->due <= now)
			send_event(delivery);
		else if (delivery->due < next)
			next = delivery->due;
	}
	sandbox_asaas_schedule(webhook, next);
}

/* Begin anew with everything that waits. */
void
sandbox_asaas_forgive(SandboxAsaas *webhook)
{
	size_t		i;

	for (i = 0; i < webhook->queued; i++)
	{
		webhook->queue[i]->attempts = 0;
		webhook->queue[i]->due = sandbox_clock_now();
	}
	sandbox_asaas_put(webhook, "penalizedRequestsCount", json_integer(0));
	sandbox_asaas_pump(webhook);
}

/* Bring a queue into the order of a release. */
static void
reorder(SandboxAsaas *webhook, const char *order)
{
	bool		shuffled = strcmp(order, "shuffled") == 0;
	size_t		i;

	for (i = webhook->queued; i > 1; i--)
	{
		SandboxAsaasDelivery *last = webhook->queue[i - 1];
		size_t		other = shuffled ? (size_t) random() % i :
		webhook->queued - i;

		if (!shuffled && other >= i - 1)
			break;
		webhook->queue[i - 1] = webhook->queue[other];
		webhook->queue[other] = last;
	}
}

/* Let go what was held, each so many times. */
static void
let_go(const char *order, json_int_t copies)
{
	size_t		i;

	on_hold = false;
	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_WEBHOOKS); i++)
	{
		SandboxAsaas *webhook = sandbox_asaas_get(SANDBOX_ASAAS_WEBHOOKS, i);
		size_t		wanted = webhook->queued * (copies > 1 ?
												(size_t) copies : 1);
		size_t		j;

		for (j = 0; webhook->queued < wanted; j++)
			append(webhook, webhook->queue[j]->event);
		if (strcmp(order, "in_order") != 0)
			reorder(webhook, order);
		sandbox_asaas_pump(webhook);
	}
}

/* Lose what waits, as what nobody took in time is lost. */
static void
discard(void)
{
	size_t		i;

	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_WEBHOOKS); i++)
	{
		SandboxAsaas *webhook = sandbox_asaas_get(SANDBOX_ASAAS_WEBHOOKS, i);
		size_t		place = webhook->queued;

		while (place-- > 0)
		{
			if (!webhook->queue[place]->flying)
				drop(webhook, place);
		}
	}
}

/*
 * POST /_sandbox/events: hold, lose what waits, release in an order, send one
 * again, or tell of something that has not happened
 */
void
sandbox_asaas_event_control(SandboxRequest *request)
{
	const json_t *body = request->json;
	const char *order = json_string_value(json_object_get(body, "release"));
	const json_t *copies = json_object_get(body, "copies");
	SandboxAsaas *again =
	sandbox_asaas_find(SANDBOX_ASAAS_EVENTS,
					   json_string_value(json_object_get(body, "resend")));
	const char *name = json_string_value(json_object_get(body, "tell"));
	SandboxAsaas *payment =
	sandbox_asaas_find(SANDBOX_ASAAS_PAYMENTS,
					   json_string_value(json_object_get(body, "payment")));

	if (json_is_true(json_object_get(body, "hold")))
		on_hold = true;
	else if (order != NULL && json_integer_value(copies) <= MAX_COPIES)
		let_go(order, json_integer_value(copies));
	else if (json_is_true(json_object_get(body, "discard")))
		discard();
	else if (again != NULL)
		queue_event(again);
	else if (name != NULL && payment != NULL)
		sandbox_asaas_event(name, "payment", payment);
	else
	{
		sandbox_reply_error(&request->reply, 400,
							"want hold, discard, release, resend or tell");
		return;
	}
	sandbox_reply_json(&request->reply, 200, json_pack("{s:b}", "on_hold",
													   on_hold));
}

void
sandbox_asaas_event_reset(void)
{
	on_hold = false;
	sandbox_outgoing_clear();
}
