/*-------------------------------------------------------------------------
 *
 * limits_windows.c
 *	  The windows of requests, kept in request_windows.
 *
 * A window may be open for half a day, shared memory ends with the server.
 * So the worker writes down now and then how many requests are used, and a
 * new memory begins with what is written there.  What was sent in the last
 * seconds before an end is forgotten; then the provider says that it is too
 * much a little before we do.
 *
 * A row knows the fingerprint of its token, an entry a hash that is keyed anew
 * each time.  So an entry that was made from a row has no token, which is 0,
 * until somebody uses it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "foreign/foreign.h"
#include "limits_internal.h"
#include "miscadmin.h"
#include "owner.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static bool restored = false;	/* by this worker */
static bool committed = false;	/* what is taken for recorded */

/* ---- from the table ---- */

/* A row that has not ended yet, as the memory keeps it. */
typedef struct Row
{
	Oid			server;
	char	   *fingerprint;
	int64		length_us;
	PartnerApiWindow window;
} Row;

/* Windows that are over are of no use to anybody. */
static void
delete_closed(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"DELETE FROM partner_api.request_windows WHERE ends_at <= $1",
		1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);

	partner_api_execute(&statement, &value, NULL, SPI_OK_DELETE);
}

/* Read a row of the last result. */
static void
read_row(int number, TimestampTz now, int64 now_us, Row *row)
{
	bool		isnull;
	TimestampTz opened_at;

	row->server = DatumGetObjectId(partner_api_field(number, 1, &isnull));
	row->fingerprint = partner_api_field_text(number, 2);
	opened_at = DatumGetTimestampTz(partner_api_field(number, 3, &isnull));
	row->length_us =
		DatumGetTimestampTz(partner_api_field(number, 4, &isnull)) - opened_at;
	/* a clock that was set back makes no window longer */
	row->window.opened_at = now_us - Max(now - opened_at, 0);
	row->window.used = DatumGetInt32(partner_api_field(number, 5, &isnull));
	row->window.polled = DatumGetInt32(partner_api_field(number, 6, &isnull));
}

/*
 * Count what a row tells; the lock is held.  An entry that has a row of this
 * memory's own knows it already.
 */
static void
take_row(const Row *row, int64 now_us)
{
	Entry	   *entry = partner_api_limits_entry_of(row->server,
													row->fingerprint, now_us);

	if (entry == NULL || entry->recorded != NEVER_RECORDED)
		return;
	if (entry->key.token == 0)
		entry->rules.window.length_us = row->length_us;
	partner_api_window_merge(&entry->gate.window, &row->window,
							 entry->rules.window.length_us, now_us);
	entry->recorded = 0;
}

/*
 * Begin with what was counted before shared memory was set up, in the running
 * transaction.  Does nothing to what has been counted since.
 */
static void
restore(TimestampTz now)
{
	static PartnerApiStatement statement = {
		"SELECT f.oid, w.token_fingerprint, w.opened_at, w.ends_at,"
		"       w.requests_used, w.requests_polled"
		"  FROM partner_api.request_windows w"
		"  JOIN pg_catalog.pg_foreign_server f ON f.srvname = w.server",
		0, NULL, NULL
	};
	int64		now_us = partner_api_monotonic_us();
	int			count;
	Row		   *rows;

	delete_closed(now);
	count = (int) partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	rows = palloc(sizeof(Row) * Max(count, 1));
	for (int i = 0; i < count; i++)
		read_row(i, now, now_us, &rows[i]);
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	for (int i = 0; i < count; i++)
		take_row(&rows[i], now_us);
	LWLockRelease(partner_api_limits->lock);
	restored = true;
}

/* ---- into the table ---- */

/* Write down one window; entry: a copy. */
static void
write_row(const Entry *entry, TimestampTz now, int64 now_us)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, INT4OID, INT4OID
	};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.request_windows AS w (server,"
		"    token_fingerprint, opened_at, ends_at, requests_used,"
		"    requests_polled)"
		" VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (server, token_fingerprint) DO UPDATE"
		"    SET opened_at = excluded.opened_at, ends_at = excluded.ends_at,"
		"        requests_used = excluded.requests_used,"
		"        requests_polled = excluded.requests_polled",
		6, types, NULL
	};
	const PartnerApiWindow *window = &entry->gate.window;
	ForeignServer *server = GetForeignServerExtended(entry->key.server,
													 FSV_MISSING_OK);
	TimestampTz opened_at = now - (now_us - window->opened_at);
	NameData	name;
	Datum		values[6];

	if (server == NULL)
		return;
	namestrcpy(&name, server->servername);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(entry->fingerprint);
	values[2] = TimestampTzGetDatum(opened_at);
	values[3] = TimestampTzGetDatum(opened_at +
									entry->rules.window.length_us);
	values[4] = Int32GetDatum(window->used);
	values[5] = Int32GetDatum(window->polled);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT);
}

/*
 * Copies of the entries whose windows are not as their rows say, which count
 * as recorded from now on.  Returns how many.
 */
static int
take_unrecorded(Entry *copies, int64 now_us)
{
	int			count = 0;

	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		Entry	   *entry = &partner_api_limits->entries[i];
		const PartnerApiWindow *window = &entry->gate.window;

		if (!entry->used || entry->database != MyDatabaseId ||
			!partner_api_window_is_open(window, entry->rules.window.length_us,
										now_us) ||
			(committed && entry->recorded == window->used))
			continue;
		entry->recorded = window->used;
		copies[count++] = *entry;
	}
	LWLockRelease(partner_api_limits->lock);
	return count;
}

/*
 * Write down how many requests are used, in the running transaction, once it
 * is known how many were before.  To be called before anything is sent, and
 * now and then.
 */
void
partner_api_windows_record(TimestampTz now)
{
	static Entry copies[MOST_CREDENTIALS];
	int64		now_us = partner_api_monotonic_us();
	int			count;

	if (!restored)
		restore(now);
	count = take_unrecorded(copies, now_us);
	committed = false;			/* if this fails */
	for (int i = 0; i < count; i++)
		write_row(&copies[i], now, now_us);
	committed = true;
}

/* The transaction has failed: what it wrote down is not there. */
void
partner_api_windows_failed(void)
{
	committed = false;
}
