/*-------------------------------------------------------------------------
 *
 * limits_status.c
 *	  SQL: server_limits(), the limits as server_health shows them, and
 *	  poll_budget().
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "limits_internal.h"
#include "live.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(partner_api_server_limits);
PG_FUNCTION_INFO_V1(partner_api_poll_budget);

#define COLUMNS 23

/* The circuit's state as the view shows it. */
static const char *
circuit_name(PartnerApiCircuit circuit)
{
	switch (circuit)
	{
		case PARTNER_API_CIRCUIT_OPEN:
			return "open";
		case PARTNER_API_CIRCUIT_PROBING:
			return "probing";
		case PARTNER_API_CIRCUIT_CLOSED:
			break;
	}
	return "closed";
}

/* What shuts a gate for a time, as the view shows it. */
static const char *
shut_name(PartnerApiShut shut)
{
	switch (shut)
	{
		case PARTNER_API_SHUT_RATE:
			return "rate_limit";
		case PARTNER_API_SHUT_QUOTA:
			return "request_quota";
		case PARTNER_API_SHUT_RETRY_AFTER:
			return "retry-after";
		case PARTNER_API_SHUT_USED_UP:
			return "ratelimit-reset";
		case PARTNER_API_SHUT_BUSY:
			return "too many requests";
		default:
			break;
	}
	return "";
}

/* A monotonic time as a real one. */
static TimestampTz
real_time(int64 monotonic_us)
{
	return GetCurrentTimestamp() + (monotonic_us - partner_api_monotonic_us());
}

/* Set a time column; 0 is null. */
static void
set_time(Datum *values, bool *nulls, int column, TimestampTz time)
{
	nulls[column] = time == 0;
	values[column] = TimestampTzGetDatum(time);
}

/* Columns of the rate and of what shuts the gate for a time. */
static void
put_gate(Datum *values, bool *nulls, Entry *entry)
{
	int64		opens_at;
	PartnerApiShut shut;
	bool		limited = entry->rules.rate > 0;

	(void) partner_api_gate_room(&entry->gate, &entry->rules,
								 PARTNER_API_URGENT,
								 partner_api_monotonic_us(), &shut, &opens_at);
	values[4] = Float8GetDatum(entry->rules.rate);
	values[5] = Int32GetDatum(entry->rules.burst);
	values[6] = Float8GetDatum(entry->gate.tokens);
	nulls[4] = nulls[5] = nulls[6] = !limited;
	nulls[7] = nulls[8] = opens_at == 0;
	if (opens_at != 0)
	{
		values[7] = TimestampTzGetDatum(real_time(opens_at));
		values[8] = CStringGetTextDatum(shut_name(shut));
	}
}

/* Columns of the circuit. */
static void
put_circuit(Datum *values, bool *nulls, const Entry *entry)
{
	PartnerApiCircuit circuit = entry->gate.circuit;

	values[9] = CStringGetTextDatum(circuit_name(circuit));
	set_time(values, nulls, 10, entry->circuit_since);
	set_time(values, nulls, 11, circuit == PARTNER_API_CIRCUIT_OPEN ?
			 real_time(entry->gate.probe_at) : 0);
	values[12] = Int32GetDatum(entry->gate.failures);
}

/* Columns of the window; one that is known from a row has no rules yet. */
static void
put_window(Datum *values, bool *nulls, const Entry *entry)
{
	const PartnerApiWindowRules *rules = &entry->rules.window;
	const PartnerApiWindow *window = &entry->gate.window;
	bool		open = partner_api_window_is_open(window, rules->length_us,
												  partner_api_monotonic_us());

	values[18] = Int32GetDatum(rules->quota);
	values[19] = Int32GetDatum(open ? window->used : 0);
	values[20] = Int32GetDatum(rules->polls);
	values[21] = Int32GetDatum(open ? window->polled : 0);
	nulls[18] = nulls[20] = rules->quota == 0;
	nulls[19] = nulls[21] = rules->quota == 0 && !open;
	set_time(values, nulls, 22,
			 open ? real_time(window->opened_at + rules->length_us) : 0);
}

/* One row: a copy of an entry. */
static void
put_entry(ReturnSetInfo *rsinfo, Entry *entry)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	values[0] = ObjectIdGetDatum(entry->key.server);
	values[1] = CStringGetTextDatum(entry->fingerprint);
	values[2] = Int32GetDatum(entry->gate.in_flight);
	values[3] = Int32GetDatum(entry->rules.lanes);
	put_gate(values, nulls, entry);
	put_circuit(values, nulls, entry);
	set_time(values, nulls, 13, entry->last_success_at);
	set_time(values, nulls, 14, entry->last_failure_at);
	nulls[15] = entry->last_error[0] == '\0';
	values[15] = CStringGetTextDatum(entry->last_error);
	set_time(values, nulls, 16, entry->refused_since);
	set_time(values, nulls, 17, entry->refused_since == 0 ? 0 :
			 real_time(entry->refused_until));
	put_window(values, nulls, entry);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The limits of this database; empty where there is no shared memory. */
Datum
partner_api_server_limits(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Entry	   *entries;

	InitMaterializedSRF(fcinfo, 0);
	if (partner_api_limits == NULL)
		return (Datum) 0;

	/* copy first: no tuple is formed under the lock */
	entries = palloc(sizeof(partner_api_limits->entries));
	LWLockAcquire(partner_api_limits->lock, LW_SHARED);
	memcpy(entries, partner_api_limits->entries,
		   sizeof(partner_api_limits->entries));
	LWLockRelease(partner_api_limits->lock);

	for (int i = 0; i < MOST_CREDENTIALS; i++)
	{
		if (entries[i].used && entries[i].database == MyDatabaseId)
			put_entry(rsinfo, &entries[i]);
	}
	return (Datum) 0;
}

/*
 * SQL: poll_budget(server) -> how many more reads may go out now; null if
 * nothing limits them.
 */
Datum
partner_api_poll_budget(PG_FUNCTION_ARGS)
{
	const PartnerApiServer *server =
	partner_api_live_server(NameStr(*PG_GETARG_NAME(0)));
	int			left = partner_api_limits_polls_left(&server->limits);

	if (left == PARTNER_API_NO_QUOTA)
		PG_RETURN_NULL();
	PG_RETURN_INT64(left);
}
