/*-------------------------------------------------------------------------
 *
 * orphans.c
 *	  Actions that a worker which is gone left in "sending".
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "claims.h"
#include "owner.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

#define WORKER_ENDED "'the worker ended before it knew the outcome'"

/*
 * What a worker that is gone left in "sending" may have had its effect: it is
 * unknown from now on, and its request is on record as an attempt.  What was
 * unknown already is looked at from the first look on.  "among": only these,
 * NULL for all; each under the lease it had, so that it is taken over once.
 * Rows that a session holds are skipped.  Returns how many were taken over.
 */
int
partner_api_claim_orphans(TimestampTz now, const PartnerApiOrphans *among)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID};
	static PartnerApiStatement statement = {
		"WITH orphan AS MATERIALIZED ("
		" SELECT p.action_id, p.state, p.attempts, p.lease, p.sent_at"
		"   FROM partner_api.pending_actions p"
		"  WHERE p.state IN ('sending', 'unknown')"
		"    AND ($2 IS NULL OR (p.action_id, p.lease) IN ("
		"         SELECT a.id, a.lease FROM unnest($2, $3) AS a (id, lease)))"
		"    FOR UPDATE SKIP LOCKED),"
		" attempt AS ("
		" INSERT INTO partner_api.action_attempts (action_id, attempt, lease,"
		"        purpose, started_at, finished_at, latency_ms, verdict, error)"
		" SELECT action_id, attempts, lease, 'send', sent_at, $1,"
		"        least(greatest(extract(epoch FROM $1 - sent_at) * 1000, 0),"
		"              2147483647)::int4, 'unknown', " WORKER_ENDED
		"   FROM orphan WHERE state = 'sending')"
		" UPDATE partner_api.pending_actions p"
		"   SET state = 'unknown', lease = p.lease + 1, run_at = $1, looks = 0,"
		"       last_error = coalesce(p.last_error, " WORKER_ENDED ")"
		"  FROM orphan WHERE p.action_id = orphan.action_id",
		3, types, NULL
	};
	Datum		values[3];

	values[0] = TimestampTzGetDatum(now);
	values[1] = among == NULL ? (Datum) 0 : among->action_ids;
	values[2] = among == NULL ? (Datum) 0 : among->leases;
	return (int) partner_api_execute(&statement, values,
									 among == NULL ? " nn" : NULL,
									 SPI_OK_UPDATE);
}

/*
 * What is left in "sending" while this worker has sent nothing yet: orphans
 * that a session holds.  Copied to "context"; false if there are none.
 */
bool
partner_api_list_orphans(MemoryContext context, PartnerApiOrphans *orphans)
{
	static PartnerApiStatement statement = {
		"SELECT array_agg(action_id ORDER BY action_id),"
		"       array_agg(lease ORDER BY action_id)"
		"  FROM partner_api.pending_actions"
		" WHERE state = 'sending' HAVING count(*) > 0", 0, NULL, NULL
	};
	MemoryContext before;
	bool		isnull;

	if (partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) == 0)
		return false;
	before = MemoryContextSwitchTo(context);
	orphans->action_ids = datumCopy(partner_api_field(0, 1, &isnull), false,
									-1);
	orphans->leases = datumCopy(partner_api_field(0, 2, &isnull), false, -1);
	MemoryContextSwitchTo(before);
	return true;
}
