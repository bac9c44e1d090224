/*-------------------------------------------------------------------------
 *
 * run_rows.c
 *	  The table routine_runs as the worker reads and writes it.
 *
 * All of it is in the worker's transaction, as the owner.  Rows that a session
 * holds are passed over.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "catalog/pg_type.h"
#include "owner.h"
#include "run_rows.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* ---- what other workers and other servers have left ---- */

/* The routines that have a run in shared memory, or among those that wait. */
static Datum
alive_jobs(const List *waiting)
{
	PartnerApiRun *runs = palloc(sizeof(PartnerApiRun) *
								 PARTNER_API_MOST_RUNS);
	int			count = partner_api_runs_here(runs);
	Datum	   *jobs = palloc(sizeof(Datum) * (count + list_length(waiting)));
	const ListCell *lc;

	for (int i = 0; i < count; i++)
		jobs[i] = Int64GetDatum(runs[i].jobid);
	foreach(lc, waiting)
	{
		const PartnerApiStart *start = lfirst(lc);

		jobs[count++] = Int64GetDatum(start->run.jobid);
	}
	return PointerGetDatum(construct_array(jobs, count, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/*
 * Runs that are recorded and of which nobody knows have failed; but not those
 * that wait for a process.
 */
void
partner_api_run_rows_bury(const List *waiting, TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT8ARRAYOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.routine_runs"
		"   SET status = 'failed', finished_at = $1, runs = runs + 1,"
		"       failures = failures + 1,"
		"       last_error = 'the server ended before it did'"
		" WHERE jobid = ANY (ARRAY("
		"  SELECT jobid FROM partner_api.routine_runs"
		"   WHERE status = 'running' AND jobid <> ALL ($2)"
		"     FOR UPDATE SKIP LOCKED))", 2, types, NULL
	};
	Datum		values[2];

	values[0] = TimestampTzGetDatum(now);
	values[1] = alive_jobs(waiting);
	partner_api_execute(&statement, values, NULL, SPI_OK_UPDATE);
}

/*
 * What was restored without its trigger is planned, and what runs at the start
 * of the server is due, once.
 */
void
partner_api_run_rows_plan(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement insert = {
		"INSERT INTO partner_api.routine_runs (jobid, next_run_at)"
		" SELECT r.jobid, CASE WHEN r.active"
		"         THEN partner_api.next_run(r.schedule, $1) END"
		"   FROM partner_api.routines r"
		"  WHERE NOT EXISTS (SELECT FROM partner_api.routine_runs s"
		"                     WHERE s.jobid = r.jobid)"
		" ON CONFLICT DO NOTHING", 1, types, NULL
	};
	static PartnerApiStatement update = {
		"UPDATE partner_api.routine_runs"
		"   SET next_run_at = $1,"
		"       server_started_at = pg_catalog.pg_postmaster_start_time()"
		" WHERE jobid = ANY (ARRAY("
		"  SELECT s.jobid FROM partner_api.routine_runs s"
		"    JOIN partner_api.routines r ON r.jobid = s.jobid"
		"   WHERE r.active AND s.server_started_at"
		"                      <> pg_catalog.pg_postmaster_start_time()"
		"     AND partner_api.next_run(r.schedule, $1) IS NULL"
		"     FOR UPDATE OF s SKIP LOCKED))", 1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);

	partner_api_execute(&insert, &value, NULL, SPI_OK_INSERT);
	partner_api_execute(&update, &value, NULL, SPI_OK_UPDATE);
}

/*
 * The clock was set back: what was planned by the later time would be late.
 */
void
partner_api_run_rows_plan_again(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.routine_runs s"
		"   SET next_run_at = partner_api.next_run(r.schedule, $1)"
		"  FROM partner_api.routines r"
		" WHERE r.jobid = s.jobid"
		"   AND s.next_run_at > partner_api.next_run(r.schedule, $1)",
		1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);

	partner_api_execute(&statement, &value, NULL, SPI_OK_UPDATE);
}

/* ---- ends ---- */

/* Tell people that a run has failed. */
static void
announce_failure(const char *name, const char *why)
{
	partner_api_announce_routine(WARNING, "routine_failed", name,
								 psprintf("routine \"%s\" failed: %s", name,
										  why));
}

/*
 * Record what became of a run under the start that it has.  False if a session
 * holds the row: then it has to be tried again.  until: when the routine is
 * due, if it is delayed.
 */
static bool
record(const PartnerApiRun *run, const char *status, const char *error,
	   TimestampTz until, TimestampTz now)
{
	static const Oid types[] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TEXTOID, TEXTOID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.routine_runs s"
		"   SET status = $4, last_error = $5,"
		"       next_run_at = CASE WHEN $4 = 'delayed' THEN $6"
		"                          ELSE s.next_run_at END,"
		"       finished_at = CASE WHEN $4 <> 'delayed' THEN $3 END,"
		"       runs = s.runs + CASE WHEN $4 <> 'delayed' THEN 1 ELSE 0 END,"
		"       failures = CASE $4 WHEN 'succeeded' THEN 0"
		"                          WHEN 'failed' THEN s.failures + 1"
		"                          ELSE s.failures END"
		" WHERE s.jobid = ANY (ARRAY("
		"  SELECT jobid FROM partner_api.routine_runs"
		"   WHERE jobid = $1 AND status = 'running' AND started_at = $2"
		"     FOR UPDATE SKIP LOCKED))"
		" RETURNING (SELECT r.jobname FROM partner_api.routines r"
		"             WHERE r.jobid = s.jobid)", 6, types, NULL
	};
	static PartnerApiStatement held = {
		"SELECT FROM partner_api.routine_runs"
		" WHERE jobid = $1 AND status = 'running' AND started_at = $2",
		2, types, NULL
	};
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = Int64GetDatum(run->jobid);
	values[1] = TimestampTzGetDatum(run->started_at);
	values[2] = TimestampTzGetDatum(now);
	values[3] = CStringGetTextDatum(status);
	values[4] = error == NULL ? (Datum) 0 : CStringGetTextDatum(error);
	nulls[4] = error == NULL ? 'n' : ' ';
	values[5] = TimestampTzGetDatum(until);
	if (partner_api_execute(&statement, values, nulls,
							SPI_OK_UPDATE_RETURNING) == 0)
		return partner_api_execute(&held, values, NULL, SPI_OK_SELECT) == 0;
	if (strcmp(status, "failed") == 0)
		announce_failure(partner_api_field_text(0, 1), error);
	return true;
}

/* Record how a run has ended; false: try again. */
bool
partner_api_run_rows_end(const PartnerApiRun *run, TimestampTz now)
{
	if (run->succeeded)
		return record(run, "succeeded", NULL, 0, now);
	return record(run, "failed", run->message, 0, now);
}

/* A run has found no process, and is due again later; false: try again. */
bool
partner_api_run_rows_delay(const PartnerApiRun *run, TimestampTz until,
						   TimestampTz now)
{
	return record(run, "delayed", "no background worker slot is free", until,
				  now);
}

/* ---- starts ---- */

/* A run that was recorded as started, in TopMemoryContext. */
static PartnerApiStart *
make_start(int row, TimestampTz now)
{
	PartnerApiStart *start = MemoryContextAllocZero(TopMemoryContext,
													sizeof(PartnerApiStart));
	bool		isnull;

	start->run.jobid = DatumGetInt64(partner_api_field(row, 1, &isnull));
	start->run.role = DatumGetObjectId(partner_api_field(row, 3, &isnull));
	start->run.started_at = now;
	start->name = MemoryContextStrdup(TopMemoryContext,
									  partner_api_field_text(row, 2));
	return start;
}

/*
 * Record that due routines start, at most so many.  One whose role is gone,
 * or must not log in, fails at once.  Returns the others, in TopMemoryContext.
 */
List *
partner_api_run_rows_claim(TimestampTz now, int limit)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT4OID};
	static PartnerApiStatement statement = {
		"WITH due AS MATERIALIZED ("
		" SELECT jobid FROM partner_api.routine_runs"
		"  WHERE next_run_at <= $1 AND status IS DISTINCT FROM 'running'"
		"  ORDER BY next_run_at LIMIT $2 FOR UPDATE SKIP LOCKED),"
		" job AS MATERIALIZED ("
		" SELECT r.jobid, r.jobname, a.oid AS role, CASE"
		"         WHEN a.oid IS NULL THEN pg_catalog.format("
		"          'role \"%s\" does not exist', r.username)"
		"         WHEN NOT a.rolcanlogin THEN pg_catalog.format("
		"          'role \"%s\" is not permitted to log in', r.username)"
		"         END AS error,"
		"        partner_api.next_run(r.schedule, $1) AS next_run_at"
		"   FROM due JOIN partner_api.routines r ON r.jobid = due.jobid"
		"   LEFT JOIN pg_catalog.pg_roles a ON a.rolname = r.username)"
		" UPDATE partner_api.routine_runs s"
		"    SET status = CASE WHEN job.error IS NULL THEN 'running'"
		"                      ELSE 'failed' END,"
		"        started_at = $1, next_run_at = job.next_run_at,"
		"        finished_at = CASE WHEN job.error IS NOT NULL THEN $1 END,"
		"        last_error = job.error, runs = s.runs + job.ended,"
		"        failures = s.failures + job.ended"
		"   FROM (SELECT *, CASE WHEN error IS NULL THEN 0 ELSE 1 END AS ended"
		"           FROM job) job"
		"  WHERE s.jobid = job.jobid"
		" RETURNING job.jobid, job.jobname, job.role, job.error",
		2, types, NULL
	};
	List	   *starts = NIL;
	MemoryContext before;
	Datum		values[2];
	int			rows;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(limit);
	rows = (int) partner_api_execute(&statement, values, NULL,
									 SPI_OK_UPDATE_RETURNING);
	for (int row = 0; row < rows; row++)
	{
		char	   *error = partner_api_field_text(row, 4);

		if (error != NULL)
		{
			announce_failure(partner_api_field_text(row, 2), error);
			continue;
		}
		before = MemoryContextSwitchTo(TopMemoryContext);
		starts = lappend(starts, make_start(row, now));
		MemoryContextSwitchTo(before);
	}
	return starts;
}

/* When the next routine is due, of those that do not run; DT_NOEND: never. */
TimestampTz
partner_api_run_rows_next(void)
{
	static PartnerApiStatement statement = {
		"SELECT next_run_at FROM partner_api.routine_runs"
		" WHERE next_run_at IS NOT NULL AND status IS DISTINCT FROM 'running'"
		" ORDER BY next_run_at LIMIT 1", 0, NULL, NULL
	};
	bool		isnull;

	if (partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) == 0)
		return DT_NOEND;
	return DatumGetTimestampTz(partner_api_field(0, 1, &isnull));
}
