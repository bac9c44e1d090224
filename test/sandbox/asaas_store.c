/*-------------------------------------------------------------------------
 *
 * asaas_store.c
 *	  Everything that Asaas keeps, and the agenda of what time will do.
 *
 * Nothing is forgotten before a reset, since tests look at what there was.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "index.h"
#include "instance.h"

/* A number of the first customer, so that ids look as they do there */
#define FIRST_CUSTOMER 5219613L

typedef struct RecordList
{
	SandboxAsaas **records;
	size_t		count;
	size_t		size;
} RecordList;

const char *const sandbox_asaas_kinds[SANDBOX_ASAAS_KINDS] = {
	"asaas_customers", "asaas_notifications", "asaas_payments",
	"asaas_subscriptions", "asaas_webhooks", "asaas_events",
	"asaas_messages", "asaas_transactions"
};

/* What ids begin with, and how many random digits follow */
static const struct
{
	const char *prefix;
	int			digits;
}			id_forms[SANDBOX_ASAAS_KINDS] =

{
	{"cus_", 0}, {"not_", 16}, {"pay_", 16}, {"sub_", 16}, {"wh_", 20},
	{"evt_", 32}, {"msg_", 16}, {"ftr_", 16}
};

static RecordList lists[SANDBOX_ASAAS_KINDS];
static SandboxMap ids;
static SandboxHeap agenda;

/* While time is made up for: the moment that it has got to; else 0. */
static int64_t moment = 0;

/* The time by which everything here goes. */
int64_t
sandbox_asaas_now(void)
{
	return moment != 0 ? moment : sandbox_clock_now();
}

size_t
sandbox_asaas_count(SandboxAsaasKind kind)
{
	return lists[kind].count;
}

/* position counts from 0, oldest first */
SandboxAsaas *
sandbox_asaas_get(SandboxAsaasKind kind, size_t position)
{
	return lists[kind].records[position];
}

/* The record of an id; NULL if there is none of this kind. */
SandboxAsaas *
sandbox_asaas_find(SandboxAsaasKind kind, const char *id)
{
	SandboxAsaas *record = id != NULL ? sandbox_map_get(&ids, id) : NULL;

	return record != NULL && record->kind == kind ? record : NULL;
}

/* The record of the path; NULL with an empty 404 if there is none. */
SandboxAsaas *
sandbox_asaas_of(SandboxRequest *request, SandboxAsaasKind kind)
{
	SandboxAsaas *record = sandbox_asaas_find(kind, request->id);

	if (record == NULL)
		sandbox_reply_text(&request->reply, 404, NULL, "");
	return record;
}

/* A new id; of an event it ends in a number. */
static char *
make_id(SandboxAsaasKind kind)
{
	long		number = (long) lists[kind].count;
	char		digits[40];
	char	   *c;

	if (kind == SANDBOX_ASAAS_CUSTOMERS)
		return sandbox_printf("%s%012ld", id_forms[kind].prefix,
							  FIRST_CUSTOMER + number);
	sandbox_random_hex(digits, id_forms[kind].digits);
	for (c = digits; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
	if (kind == SANDBOX_ASAAS_EVENTS)
		return sandbox_printf("%s%s&%ld", id_forms[kind].prefix, digits,
							  368604920L + number);
	return sandbox_printf("%s%s", id_forms[kind].prefix, digits);
}

static void
append(RecordList *list, SandboxAsaas *record)
{
	if (list->count == list->size)
	{
		list->size = list->size > 0 ? list->size * 2 : 64;
		list->records = sandbox_realloc(list->records, list->size *
										sizeof(SandboxAsaas *));
	}
	list->records[list->count++] = record;
}

/*
 * Keep a new record; takes the reference to fields, and adds the id.  What
 * a call made is listed only after the lag.
 */
SandboxAsaas *
sandbox_asaas_add(SandboxAsaasKind kind, json_t *fields, SandboxToken *maker)
{
	SandboxAsaas *record = sandbox_alloc(sizeof(*record));

	record->kind = kind;
	record->position = lists[kind].count;
	record->id = make_id(kind);
	record->fields = fields;
	record->maker = maker;
	record->created_at = sandbox_asaas_now();
	record->visible_at = record->created_at + (maker == NULL ? 0 :
											   sandbox_config.list_lag_seconds *
											   INT64_C(1000));
	record->next = SANDBOX_NEVER;
	record->pay_at = SANDBOX_NEVER;
	record->credit_at = SANDBOX_NEVER;
	record->refund_at = SANDBOX_NEVER;
	json_object_set_new(fields, "id", json_string(record->id));
	append(&lists[kind], record);
	sandbox_map_put(&ids, record->id, record);
	return record;
}

/* Is it old enough to be listed? */
bool
sandbox_asaas_listed(const SandboxAsaas *record)
{
	return record->visible_at <= sandbox_asaas_now();
}

/* Something happens to the record then, and at no other time. */
void
sandbox_asaas_schedule(SandboxAsaas *record, int64_t next)
{
	record->next = next;
	record->generation++;
	if (next != SANDBOX_NEVER)
		sandbox_heap_push(&agenda, next, record, record->generation);
}

static void
wake(SandboxAsaas *record)
{
	switch (record->kind)
	{
		case SANDBOX_ASAAS_PAYMENTS:
			sandbox_asaas_payment_wake(record);
			break;
		case SANDBOX_ASAAS_SUBSCRIPTIONS:
			sandbox_asaas_subscription_wake(record);
			break;
		case SANDBOX_ASAAS_WEBHOOKS:
			sandbox_asaas_pump(record);
			break;
		default:
			break;
	}
}

/* Let everything happen whose time has come, in its order. */
void
sandbox_asaas_tick(void)
{
	int64_t		now = sandbox_clock_now();

	while (agenda.count > 0 && agenda.items[0].key <= now)
	{
		SandboxHeapItem item = sandbox_heap_pop(&agenda);
		SandboxAsaas *record = item.value;

		if (item.tag != record->generation)
			continue;
		/* a delivery happens now, whenever it was due */
		moment = record->kind == SANDBOX_ASAAS_WEBHOOKS ? 0 : item.key;
		wake(record);
		moment = 0;
	}
}

/* How long until something happens by itself, in ms; -1: never. */
int64_t
sandbox_asaas_sleep_ms(void)
{
	int64_t		left;

	if (agenda.count == 0)
		return -1;
	left = agenda.items[0].key - sandbox_clock_now();
	return left > 0 ? left : 0;
}

static void
free_record(SandboxAsaas *record)
{
	size_t		i;

	for (i = 0; i < record->queued; i++)
		free(record->queue[i]);
	free(record->queue);
	json_decref(record->attempts);
	json_decref(record->fields);
	free(record->id);
	free(record);
}

/* Forget everything. */
void
sandbox_asaas_reset(void)
{
	int			kind;
	size_t		i;

	sandbox_heap_clear(&agenda);
	sandbox_map_clear(&ids);
	for (kind = 0; kind < SANDBOX_ASAAS_KINDS; kind++)
	{
		for (i = 0; i < lists[kind].count; i++)
			free_record(lists[kind].records[i]);
		free(lists[kind].records);
	}
	memset(lists, 0, sizeof(lists));
	sandbox_asaas_gate_reset();
	sandbox_asaas_life_reset();
	sandbox_asaas_event_reset();
	sandbox_asaas_inbox_reset();
}
