/*-------------------------------------------------------------------------
 *
 * closing.c
 *	  What becomes of actions without an attempt: withdrawn, not sendable, let
 *	  go.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "closing.h"
#include "owner.h"
#include "settle.h"
#include "utils/timestamp.h"

/*
 * A cancel withdraws the signs of its instance that were enqueued before it
 * and are not claimed.
 */
void
partner_api_settle_jumped_signs(List *claims, TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT8OID};
	static PartnerApiStatement statement = {
		PARTNER_API_CLOSE(" SELECT p.action_id FROM partner_api.pending_actions p"
						  "   JOIN partner_api.pending_actions c"
						  "     ON c.server = p.server AND c.instance_id = p.instance_id"
						  "  WHERE c.action_id = $2 AND p.action_id < c.action_id"
						  "    AND p.kind = 'sign_instance'"
						  "    AND p.state IN ('waiting', 'held')",
						  "'cancelled'", "'withdrawn by action ' || $2"),
		2, types, NULL
	};
	Datum		values[2];
	ListCell   *lc;

	values[0] = TimestampTzGetDatum(now);
	foreach(lc, claims)
	{
		PartnerApiClaim *claim = lfirst(lc);

		if (claim->kind != PARTNER_API_CANCEL_INSTANCE)
			continue;
		values[1] = Int64GetDatum(claim->action_id);
		partner_api_execute(&statement, values, NULL,
							SPI_OK_INSERT_RETURNING);
	}
}

/* The first server in an index with a condition, or the first after one. */
#define FIRST_SERVER(condition, after) \
	"(SELECT o.server FROM partner_api.pending_actions o" \
	"  WHERE o." condition after " ORDER BY o.server LIMIT 1)"

/* The same of all open actions: one probe of each index. */
#define FIRST_OF_ALL(after) \
	"SELECT least(" FIRST_SERVER("instance_id IS NOT NULL", after) "," \
	"  " FIRST_SERVER("kind = 'create_instance'", after) "," \
	"  " FIRST_SERVER("kind = 'delete_instances'", after) ")"

/*
 * Say so on actions whose server is gone: they wait until it is back.  Those
 * of other servers, which may be many, are not read.
 */
void
partner_api_note_unsendable(void)
{
	static PartnerApiStatement statement = {
		"WITH RECURSIVE s (server) AS ("
		" " FIRST_OF_ALL("")
		" UNION ALL"
		" " FIRST_OF_ALL(" AND o.server > s.server")
		"   FROM s WHERE s.server IS NOT NULL)"
		" UPDATE partner_api.pending_actions p"
		"   SET last_error = 'server does not exist'"
		"  FROM s CROSS JOIN LATERAL ("
		"   SELECT q.action_id FROM partner_api.pending_actions q"
		"    WHERE q.server = s.server AND q.state IN ('waiting', 'held')"
		"      AND q.last_error IS DISTINCT FROM 'server does not exist'"
		"    FOR UPDATE SKIP LOCKED) gone"
		" WHERE s.server IS NOT NULL"
		"   AND NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server f"
		"                    WHERE f.srvname = s.server)"
		"   AND p.action_id = gone.action_id", 0, NULL, NULL
	};

	partner_api_execute(&statement, NULL, NULL, SPI_OK_UPDATE);
}

/* Let go the signs that were approved while they were being scheduled. */
void
partner_api_release_approved(void)
{
	static PartnerApiStatement statement = {
		"UPDATE partner_api.pending_actions p"
		"   SET state = 'waiting', held_for = NULL"
		" WHERE p.action_id IN ("
		"  SELECT q.action_id FROM partner_api.pending_actions q"
		"    JOIN partner_api.trial_approvals a"
		"      ON a.server = q.server AND a.instance_id = q.instance_id"
		"   WHERE q.state = 'held' AND q.held_for = 'approval'"
		"   FOR UPDATE OF q SKIP LOCKED)", 0, NULL, NULL
	};

	partner_api_execute(&statement, NULL, NULL, SPI_OK_UPDATE);
}
