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
#include "mirror.h"
#include "owner.h"
#include "settle.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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

/* The kinds that rows here wait for, and what each acts on, as text arrays. */
static void
awaited_kinds(Datum *kinds, Datum *objects)
{
	Datum		names[PARTNER_API_KINDS];
	Datum		sorts[PARTNER_API_KINDS];
	int			count = 0;

	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const PartnerApiKindTraits *traits =
		partner_api_kind_traits((PartnerApiKind) kind);

		if (!traits->awaited)
			continue;
		names[count] = CStringGetTextDatum(traits->name);
		sorts[count++] =
			CStringGetTextDatum(partner_api_object_name(traits->object));
	}
	*kinds = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false,
											 TYPALIGN_INT));
	*objects = PointerGetDatum(construct_array(sorts, count, TEXTOID, -1,
											   false, TYPALIGN_INT));
}

/*
 * Say to the rows that wait for actions that these came to nothing.  To be
 * called when they are closed.
 */
void
partner_api_note_refusals(const int64 *action_ids, int count)
{
	static const Oid types[] = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	static PartnerApiStatement statement = {
		"WITH e AS ("
		" INSERT INTO partner_api.object_events (server, object, object_id,"
		"        kind, occurred_at, action_id, details)"
		" SELECT h.server, k.object,"
		"        coalesce(h.instance_id, 'action ' || h.action_id), 'refused',"
		"        h.closed_at, h.action_id,"
		"        jsonb_strip_nulls(jsonb_build_object('operation', h.kind,"
		"          'reason', coalesce(h.last_error, 'the action was ' || h.state),"
		"          'customer_ref', h.customer_ref))"
		"   FROM partner_api.action_history h"
		"   JOIN unnest($2, $3) AS k (kind, object) ON k.kind = h.kind"
		"  WHERE h.action_id = ANY ($1) AND h.state <> 'done'"
		"  ORDER BY h.action_id RETURNING event_id)"
		" SELECT array_agg(event_id) FROM e HAVING count(*) > 0",
		3, types, NULL
	};
	Datum		values[3];
	Datum	   *ids = palloc(count * sizeof(Datum));
	bool		isnull;

	for (int i = 0; i < count; i++)
		ids[i] = Int64GetDatum(action_ids[i]);
	values[0] = PointerGetDatum(construct_array(ids, count, INT8OID,
												sizeof(int64),
												FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	awaited_kinds(&values[1], &values[2]);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) > 0)
		partner_api_mirror_apply_or_defer(datumCopy(partner_api_field(0, 1,
																	  &isnull),
													false, -1),
										  PARTNER_API_MIRROR_OBJECTS);
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

/*
 * Let go the signs that were approved, or whose customer has paid, while they
 * were being scheduled or a session held them.
 */
void
partner_api_release_approved(void)
{
	static PartnerApiStatement release_dunned = {
		"SELECT partner_api.release_signs()"
		" WHERE EXISTS (SELECT FROM partner_api.pending_actions"
		"                WHERE state = 'held' AND held_for = 'dunning')",
		0, NULL, NULL
	};
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
	partner_api_execute(&release_dunned, NULL, NULL, SPI_OK_SELECT);
}
