/*-------------------------------------------------------------------------
 *
 * pauses.c
 *	  Servers that an operator has paused: pause(), resume(), and what the
 *	  worker knows of it.
 *
 * A pause is a row, so that it is committed or rolled back with what its
 * caller does, survives a restart and is in dumps.  The worker keeps a copy
 * and reads it anew when a counter in shared memory says that some
 * transaction has changed it, and at each safety pass, since COMMIT PREPARED
 * counts nothing.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "announce.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "owner.h"
#include "pauses.h"
#include "servers.h"
#include "shared.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_pause);
PG_FUNCTION_INFO_V1(partner_api_resume);

/* ---- the worker's copy ---- */

static MemoryContext copy_context = NULL;
static List *copy = NIL;		/* of PartnerApiPause */
static int64 copied_at = -1;	/* the counter, as it was before */

/* Read all rows into the copy. */
static void
read_pauses(void)
{
	static PartnerApiStatement statement = {
		"SELECT server, reason FROM partner_api.server_pauses", 0, NULL, NULL
	};
	uint64		rows = partner_api_execute(&statement, NULL, NULL,
										   SPI_OK_SELECT);
	MemoryContext before;
	bool		isnull;

	if (copy_context == NULL)
		copy_context = AllocSetContextCreate(TopMemoryContext,
											 "partner_api pauses",
											 ALLOCSET_SMALL_SIZES);
	copy = NIL;
	MemoryContextReset(copy_context);
	before = MemoryContextSwitchTo(copy_context);
	for (int row = 0; row < (int) rows; row++)
	{
		PartnerApiPause *pause = palloc(sizeof(PartnerApiPause));

		pause->server = *DatumGetName(partner_api_field(row, 1, &isnull));
		pause->reason = partner_api_field_text(row, 2);
		copy = lappend(copy, pause);
	}
	MemoryContextSwitchTo(before);
}

/*
 * Bring the worker's copy up to date, in the running transaction: if something
 * was committed since, or "anyway".
 */
void
partner_api_pauses_refresh(bool anyway)
{
	int64		now = partner_api_shared->pauses;

	if (now == copied_at && !anyway)
		return;
	read_pauses();
	copied_at = now;
}

/* Is any server paused? */
bool
partner_api_pauses_any(void)
{
	return copy != NIL;
}

/* The pause of a server; NULL if it is not paused. */
const PartnerApiPause *
partner_api_pause_of(const char *server)
{
	ListCell   *lc;

	foreach(lc, copy)
	{
		const PartnerApiPause *pause = lfirst(lc);

		if (strcmp(NameStr(pause->server), server) == 0)
			return pause;
	}
	return NULL;
}

/* ---- SQL ---- */

/* Write or remove the row, tell people, and wake the worker at commit. */
static void
change(PartnerApiStatement *statement, Datum *values, const char *nulls,
	   int expected, const char *event, const char *words)
{
	const char *server = NameStr(*DatumGetName(values[0]));
	PartnerApiOwnerScope scope;
	uint64		rows;

	partner_api_owner_begin(&scope);
	rows = partner_api_execute(statement, values, nulls, expected);
	partner_api_owner_end(&scope);
	if (rows == 0)
		return;
	partner_api_announce(LOG, event, server, 0, NULL,
						 psprintf("server \"%s\" %s by role \"%s\"", server,
								  words, GetUserNameFromId(GetUserId(), false)));
	partner_api_pauses_changed_at_commit();
}

/*
 * SQL: pause(server, reason): send nothing that changes anything there.  To
 * pause what is paused gives it a new reason, if one is given.
 */
Datum
partner_api_pause(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TIMESTAMPTZOID, NAMEOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.server_pauses AS p"
		"       (server, reason, paused_at, paused_by)"
		" VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (server) DO UPDATE"
		"    SET reason = coalesce(excluded.reason, p.reason)",
		4, types, NULL
	};
	NameData	role;
	Datum		values[4];
	char		nulls[4] = {' ', ' ', ' ', ' '};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("server must not be null"));
	PreventCommandIfReadOnly("pause()");
	partner_api_server_check_usage(NameStr(*PG_GETARG_NAME(0)), GetUserId());
	namestrcpy(&role, GetUserNameFromId(GetUserId(), false));
	values[0] = PG_GETARG_DATUM(0);
	nulls[1] = PG_ARGISNULL(1) ? 'n' : ' ';
	values[1] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	values[2] = TimestampTzGetDatum(partner_api_clock_now());
	values[3] = NameGetDatum(&role);
	change(&statement, values, nulls, SPI_OK_INSERT, "paused", "is paused");
	PG_RETURN_VOID();
}

/* SQL: resume(server): go on; harmless where it is not paused. */
Datum
partner_api_resume(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {NAMEOID};
	static PartnerApiStatement statement = {
		"DELETE FROM partner_api.server_pauses WHERE server = $1",
		1, types, NULL
	};
	Datum		server = PG_GETARG_DATUM(0);

	PreventCommandIfReadOnly("resume()");
	partner_api_server_check_usage(NameStr(*PG_GETARG_NAME(0)), GetUserId());
	change(&statement, &server, NULL, SPI_OK_DELETE, "resumed",
		   "is resumed");
	PG_RETURN_VOID();
}
