/*-------------------------------------------------------------------------
 *
 * zsystems_store.c
 *	  All plans, subscriptions, clients, cards and invoices.
 *
 * Nothing is forgotten before a reset, since tests look at what there was.
 * Ids of a kind go up one by one, so that one leads to its record at once;
 * each kind begins elsewhere, so that an id of the wrong kind is noticed.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "index.h"
#include "instance.h"

typedef struct RecordList
{
	SandboxRecord **records;
	size_t		count;
	size_t		size;
} RecordList;

static const json_int_t first_ids[SANDBOX_RECORD_KINDS] = {
	4605, 90, 20001, 300001, 7000001
};

static RecordList lists[SANDBOX_RECORD_KINDS];
static SandboxHeap agenda;

size_t
sandbox_record_count(SandboxRecordKind kind)
{
	return lists[kind].count;
}

/* position counts from 0, oldest first */
SandboxRecord *
sandbox_record_get(SandboxRecordKind kind, size_t position)
{
	return lists[kind].records[position];
}

/* The record of an id, unless it was removed. */
static SandboxRecord *
find(SandboxRecordKind kind, json_int_t id)
{
	const RecordList *list = &lists[kind];
	json_int_t	position = id - first_ids[kind];

	if (position < 0 || position >= (json_int_t) list->count ||
		list->records[position]->removed)
		return NULL;
	return list->records[position];
}

/* The record of an id as text, or NULL. */
SandboxRecord *
sandbox_record_find(SandboxRecordKind kind, const char *id)
{
	long		number;

	return sandbox_parse_long(id, 0, LONG_MAX, &number) ?
		find(kind, number) : NULL;
}

/* The record that a member of a body names, by number or by digits. */
SandboxRecord *
sandbox_record_named(SandboxRecordKind kind, const json_t *id)
{
	return json_is_integer(id) ? find(kind, json_integer_value(id)) :
		sandbox_record_find(kind, json_string_value(id));
}

/* Write a time into a record's fields; SANDBOX_NEVER becomes null. */
void
sandbox_record_time(SandboxRecord *record, const char *key, int64_t ms)
{
	char		text[SANDBOX_TIME_LEN];

	if (ms == SANDBOX_NEVER)
	{
		json_object_set_new(record->fields, key, json_null());
		return;
	}
	sandbox_iso_time(ms, text);
	json_object_set_new(record->fields, key, json_string(text));
}

/* The record was changed just now. */
void
sandbox_record_touch(SandboxRecord *record)
{
	sandbox_record_time(record, "modified", sandbox_clock_now());
}

/*
 * Keep a new record; takes the reference to fields, and adds id, created
 * and modified.  What a call made is listed only after the lag.
 */
SandboxRecord *
sandbox_record_add(SandboxRecordKind kind, json_t *fields,
				   SandboxToken *maker)
{
	RecordList *list = &lists[kind];
	SandboxRecord *record = sandbox_alloc(sizeof(*record));

	if (list->count == list->size)
	{
		list->size = list->size > 0 ? list->size * 2 : 64;
		list->records = sandbox_realloc(list->records, list->size *
										sizeof(SandboxRecord *));
	}
	record->kind = kind;
	record->id = first_ids[kind] + (json_int_t) list->count;
	record->fields = fields;
	record->maker = maker;
	record->created_at = sandbox_clock_now();
	record->visible_at = record->created_at + (maker == NULL ? 0 :
											   sandbox_config.list_lag_seconds *
											   INT64_C(1000));
	record->next = SANDBOX_NEVER;
	record->expires_at = SANDBOX_NEVER;
	list->records[list->count++] = record;
	json_object_set_new(fields, "id", json_integer(record->id));
	sandbox_record_time(record, "created", record->created_at);
	sandbox_record_touch(record);
	return record;
}

/* Do the provider's lists show it? */
bool
sandbox_record_listed(const SandboxRecord *record)
{
	return !record->removed && record->visible_at <= sandbox_clock_now();
}

/* What is listed of a kind, as rows, in the order of the configuration. */
json_t *
sandbox_record_list(SandboxRecordKind kind,
					json_t *(*row) (const SandboxRecord *))
{
	const RecordList *list = &lists[kind];
	bool		newest = sandbox_config.list_order == SANDBOX_NEWEST_FIRST;
	json_t	   *result = json_array();
	size_t		i;

	for (i = 0; i < list->count; i++)
	{
		const SandboxRecord *record =
		list->records[newest ? list->count - 1 - i : i];

		if (sandbox_record_listed(record))
			json_array_append_new(result, row(record));
	}
	return result;
}

/* Something happens to the record then, and at no other time. */
void
sandbox_record_schedule(SandboxRecord *record, int64_t next)
{
	record->next = next;
	record->generation++;
	if (next != SANDBOX_NEVER)
		sandbox_heap_push(&agenda, next, record, record->generation);
}

/* Let everything happen whose time has come, in its order. */
void
sandbox_zsystems_tick(void)
{
	int64_t		now = sandbox_clock_now();

	while (agenda.count > 0 && agenda.items[0].key <= now)
	{
		SandboxHeapItem item = sandbox_heap_pop(&agenda);
		SandboxRecord *record = item.value;

		if (item.tag == record->generation)
			sandbox_subscription_wake(record);
	}
}

/* Forget all records. */
void
sandbox_zsystems_reset(void)
{
	int			kind;
	size_t		i;

	sandbox_heap_clear(&agenda);
	for (kind = 0; kind < SANDBOX_RECORD_KINDS; kind++)
	{
		for (i = 0; i < lists[kind].count; i++)
		{
			json_decref(lists[kind].records[i]->fields);
			json_decref(lists[kind].records[i]->sent);
			free(lists[kind].records[i]);
		}
		free(lists[kind].records);
	}
	memset(lists, 0, sizeof(lists));
}
