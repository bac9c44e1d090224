/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The only clock that the rules read: the real time, plus an offset that
 *	  tests may set.
 *
 * The offset is a row, so that it is the same for all sessions, changes with
 * a commit, and keeps ticking.  It is read only where the setting
 * partner_api.test_clock allows it; a production server has one clock.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "owner.h"
#include "settings.h"
#include "utils/timestamp.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_clock);
PG_FUNCTION_INFO_V1(partner_api_set_clock);
PG_FUNCTION_INFO_V1(partner_api_reset_clock);

/*
 * How far the clock is ahead of the real time, in microseconds.  Needs a
 * transaction.
 */
int64
partner_api_clock_ahead(void)
{
	static PartnerApiStatement statement = {
		"SELECT ahead FROM partner_api.clock_offset", 0, NULL, NULL
	};
	PartnerApiOwnerScope scope;
	int64		ahead = 0;

	if (!partner_api_test_clock)
		return 0;
	partner_api_owner_begin(&scope);
	if (partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) > 0)
	{
		bool		isnull;
		Datum		value = partner_api_field(0, 1, &isnull);

		ahead = DatumGetIntervalP(value)->time;
	}
	partner_api_owner_end(&scope);
	return ahead;
}

/* The time at which the current statement started, by our clock. */
TimestampTz
partner_api_clock_now(void)
{
	return GetCurrentStatementStartTimestamp() + partner_api_clock_ahead();
}

/* SQL: clock() */
Datum
partner_api_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(partner_api_clock_now());
}

/* Refuse to turn the clock of a server in production. */
static void
require_test_clock(void)
{
	PreventCommandIfReadOnly("set_clock");
	if (!superuser())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to set the clock"),
				errhint("Only superusers may set it."));
	if (!partner_api_test_clock)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the clock cannot be set on this server"),
				errdetail("The setting \"partner_api.test_clock\" is off."),
				errhint("Set it in postgresql.conf of a test server and restart."));
}

/* Replace the offset; NULL removes it. */
static void
store_ahead(const int64 *ahead)
{
	static const Oid types[] = {INTERVALOID};
	static PartnerApiStatement remove = {
		"DELETE FROM partner_api.clock_offset", 0, NULL, NULL
	};
	static PartnerApiStatement insert = {
		"INSERT INTO partner_api.clock_offset (ahead) VALUES ($1)",
		1, types, NULL
	};
	PartnerApiOwnerScope scope;

	partner_api_owner_begin(&scope);
	partner_api_execute(&remove, NULL, NULL, SPI_OK_DELETE);
	if (ahead != NULL)
	{
		Interval	interval = {.time = *ahead};
		Datum		value = IntervalPGetDatum(&interval);

		partner_api_execute(&insert, &value, NULL, SPI_OK_INSERT);
	}
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
}

/* SQL: set_clock(timestamptz) */
Datum
partner_api_set_clock(PG_FUNCTION_ARGS)
{
	TimestampTz wanted = PG_GETARG_TIMESTAMPTZ(0);
	int64		ahead;

	require_test_clock();
	if (TIMESTAMP_NOT_FINITE(wanted))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the clock cannot be set to infinity"));
	ahead = wanted - GetCurrentStatementStartTimestamp();
	store_ahead(&ahead);
	PG_RETURN_TIMESTAMPTZ(wanted);
}

/* SQL: reset_clock() */
Datum
partner_api_reset_clock(PG_FUNCTION_ARGS)
{
	require_test_clock();
	store_ahead(NULL);
	PG_RETURN_TIMESTAMPTZ(GetCurrentStatementStartTimestamp());
}

/* Unix milliseconds, as the providers write times. */
TimestampTz
partner_api_timestamp_from_unix_ms(int64 unix_ms)
{
	return (unix_ms - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
			INT64CONST(86400000)) * 1000;
}

/* And back. */
int64
partner_api_unix_ms_from_timestamp(TimestampTz time)
{
	return time / 1000 + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
		INT64CONST(86400000);
}

/* Microseconds of the monotonic clock, for transport and latencies. */
int64
partner_api_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
