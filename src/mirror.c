/*-------------------------------------------------------------------------
 *
 * mirror.c
 *	  The mirror of instances: what events add up to.
 *
 * A verdict is never held up by the mirror: an event that cannot be applied
 * because a session holds the instance's row goes to mirror_backlog and is
 * applied when the row is free.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "closing.h"
#include "fmgr.h"
#include "mirror.h"
#include "owner.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(partner_api_withdraw_signs);

static const Oid event_types[] = {INT8ARRAYOID};

/* ---- applying events ---- */

/* Instances that came to be; sync may have seen one before its answer. */
static PartnerApiStatement create_rows = {
	"INSERT INTO partner_api.instances AS i (server, instance_id, name,"
	"       customer_ref, status, created_at, trial_end, trial_ends_at,"
	"       trial_estimated, provider_due_at, origin, token_fingerprint,"
	"       action_id, signed_at, deleted_at, api_url)"
	" SELECT e.server, e.instance_id, e.details->>'name',"
	"        e.details->>'customer_ref',"
	"        coalesce(e.details->>'status', 'trial'),"
	"        coalesce((e.details->>'created_at')::timestamptz, e.occurred_at),"
	"        e.details->>'trial_end',"
	"        (e.details->>'trial_ends_at')::timestamptz,"
	"        coalesce((e.details->>'trial_estimated')::boolean, false),"
	"        (e.details->>'provider_due_at')::timestamptz, e.kind,"
	"        e.details->>'token_fingerprint', e.action_id,"
	"        (e.details->>'signed_at')::timestamptz,"
	"        (e.details->>'deleted_at')::timestamptz, e.details->>'api_url'"
	"   FROM partner_api.instance_events e"
	"  WHERE e.event_id = ANY ($1) AND e.kind IN ('created', 'adopted')"
	"  ORDER BY e.event_id"
	" ON CONFLICT (server, instance_id) DO UPDATE"
	"    SET name = excluded.name, customer_ref = excluded.customer_ref,"
	"        trial_end = excluded.trial_end, origin = excluded.origin,"
	"        trial_ends_at = excluded.trial_ends_at,"
	"        trial_estimated = excluded.trial_estimated,"
	"        token_fingerprint = excluded.token_fingerprint,"
	"        action_id = excluded.action_id,"
	"        api_url = coalesce(excluded.api_url, i.api_url)",
	1, event_types, NULL
};

/*
 * Instances that changed.  A sign after an end begins a new subscription.  A
 * cancelled trial runs out with the trial unless the provider says otherwise.
 */
static PartnerApiStatement change_rows = {
	"UPDATE partner_api.instances i"
	"   SET status = CASE e.kind"
	"         WHEN 'signed' THEN 'signed'"
	"         WHEN 'cancelled' THEN 'cancelling'"
	"         WHEN 'deleted' THEN 'deleted'"
	"         ELSE i.status END,"
	"       signed_at = CASE WHEN e.kind = 'signed' AND"
	"              (i.signed_at IS NULL OR i.cancelled_at IS NOT NULL)"
	"         THEN e.occurred_at ELSE i.signed_at END,"
	"       with_calls = CASE WHEN e.kind IN ('signed', 'subscription_updated')"
	"         THEN coalesce((e.details->>'with_calls')::boolean, i.with_calls)"
	"         ELSE i.with_calls END,"
	"       cancelled_at = CASE e.kind"
	"         WHEN 'cancelled' THEN coalesce(i.cancelled_at, e.occurred_at)"
	"         WHEN 'signed' THEN NULL"
	"         ELSE i.cancelled_at END,"
	"       ends_at = CASE e.kind"
	"         WHEN 'cancelled' THEN coalesce("
	"              (e.details->>'provider_due_at')::timestamptz, i.ends_at,"
	"              CASE i.status WHEN 'trial' THEN i.trial_ends_at END)"
	"         WHEN 'signed' THEN NULL"
	"         ELSE i.ends_at END,"
	"       deleted_at = CASE e.kind"
	"         WHEN 'deleted' THEN coalesce("
	"              (e.details->>'deleted_at')::timestamptz,"
	"              CASE i.status WHEN 'deleted' THEN i.deleted_at END,"
	"              e.occurred_at)"
	"         ELSE i.deleted_at END,"
	"       connected = CASE e.kind"
	"         WHEN 'disconnected' THEN false ELSE i.connected END,"
	"       provider_due_at = coalesce("
	"              (e.details->>'provider_due_at')::timestamptz,"
	"              i.provider_due_at)"
	"  FROM partner_api.instance_events e"
	" WHERE e.event_id = ANY ($1)"
	"   AND e.kind NOT IN ('created', 'adopted', 'imported')"
	"   AND i.server = e.server AND i.instance_id = e.instance_id",
	1, event_types, NULL
};

/* Trials that are to be kept get their sign action with the instance. */
static PartnerApiStatement schedule_signs = {
	"SELECT partner_api.schedule_signs($1)", 1, event_types, NULL
};

/* What follows from how ready an instance is. */
static PartnerApiStatement follow_readiness = {
	"SELECT partner_api.follow_readiness($1)", 1, event_types, NULL
};

/*
 * A subscription that exists, or an end, leaves nothing to be signed; a delete
 * leaves nothing to be done of our own accord.
 */
static void
withdraw_signs(Datum event_ids)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT8ARRAYOID};
	static PartnerApiStatement statement = {
		PARTNER_API_CLOSE(" SELECT p.action_id"
						  "   FROM partner_api.instance_events e"
						  "   JOIN partner_api.pending_actions p"
						  "     ON p.server = e.server"
						  "    AND p.instance_id = e.instance_id"
						  "  WHERE e.event_id = ANY ($2)"
						  "    AND e.kind IN ('signed', 'cancelled', 'deleted')"
						  "    AND (p.kind = 'sign_instance'"
						  "         AND (p.automatic OR (e.kind <> 'signed'"
						  "                              AND p.action_id < e.action_id))"
						  "         OR e.kind = 'deleted' AND p.automatic)"
						  "    AND p.state IN ('waiting', 'held')",
						  "'cancelled'", "'not needed any more'"),
		2, types, NULL
	};
	Datum		values[2];

	values[0] = TimestampTzGetDatum(partner_api_clock_now());
	values[1] = event_ids;
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT_RETURNING);
}

/* SQL: withdraw_signs(event_ids): the same for events that a list showed. */
Datum
partner_api_withdraw_signs(PG_FUNCTION_ARGS)
{
	PartnerApiOwnerScope scope;

	partner_api_owner_begin(&scope);
	withdraw_signs(PG_GETARG_DATUM(0));
	partner_api_owner_end(&scope);
	PG_RETURN_VOID();
}

/* The rows that the events change, if no session holds them. */
static PartnerApiStatement lock_rows = {
	"SELECT FROM partner_api.instances i"
	" WHERE (i.server, i.instance_id) IN ("
	"  SELECT e.server, e.instance_id FROM partner_api.instance_events e"
	"   WHERE e.event_id = ANY ($1))"
	" FOR UPDATE NOWAIT", 1, event_types, NULL
};

/* The same, whatever it takes, of what is no instance. */
static PartnerApiStatement apply_objects = {
	"SELECT partner_api.apply_object_events($1)", 1, event_types, NULL
};

/* Events, and what they may ask of the mirror. */
typedef struct Events
{
	Datum		ids;			/* bigint array */
	int			needs;
} Events;

/*
 * Apply events to the mirror and to the actions that follow from them.  Raises
 * ERROR, at once, if a row is held by a session.
 */
static void
apply_events(const Events *events)
{
	Datum		ids = events->ids;

	if (events->needs == PARTNER_API_MIRROR_OBJECTS)
	{
		partner_api_execute(&apply_objects, &ids, NULL, SPI_OK_SELECT);
		return;
	}
	partner_api_execute(&lock_rows, &ids, NULL, SPI_OK_SELECT);
	partner_api_execute(&create_rows, &ids, NULL, SPI_OK_INSERT);
	if (events->needs & PARTNER_API_MIRROR_CHANGES)
		partner_api_execute(&change_rows, &ids, NULL, SPI_OK_UPDATE);
	if (events->needs & PARTNER_API_MIRROR_SIGNS)
		partner_api_execute(&schedule_signs, &ids, NULL, SPI_OK_SELECT);
	if (events->needs & PARTNER_API_MIRROR_CHANGES)
		withdraw_signs(ids);
	if (events->needs & PARTNER_API_MIRROR_READINESS)
		partner_api_execute(&follow_readiness, &ids, NULL, SPI_OK_SELECT);
}

/* Work for partner_api_try(): all events or none. */
static void
apply_in_subtransaction(void *arg)
{
	apply_events(arg);
}

/* Is there anything that could not be applied so far? */
static bool
has_backlog(void)
{
	static PartnerApiStatement statement = {
		"SELECT FROM partner_api.mirror_backlog LIMIT 1", 0, NULL, NULL
	};

	return partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) > 0;
}

/*
 * Apply events; those that cannot be applied now are left for later, and so
 * are those that would overtake them.  needs: PARTNER_API_MIRROR_... of them.
 */
void
partner_api_mirror_apply_or_defer(Datum event_ids, int needs)
{
	Events		events = {event_ids, needs};
	static PartnerApiStatement defer = {
		"INSERT INTO partner_api.mirror_backlog (event_id)"
		" SELECT unnest($1)", 1, event_types, NULL
	};

	if (!has_backlog() &&
		partner_api_try(apply_in_subtransaction, &events) == NULL)
		return;
	partner_api_execute(&defer, &event_ids, NULL, SPI_OK_INSERT);
	partner_api_mirror_apply_backlog();
}

/* ---- what was left for later ---- */

/* A session that holds many rows, or the table, costs only so many tries. */
#define MOST_FAILURES 200

/* One event of the backlog. */
typedef struct BacklogEvent
{
	Events		events;			/* this one */
	char	   *instance;		/* server and instance, plan ... */
} BacklogEvent;

/* Work for partner_api_try(): one event, and off the list with it. */
static void
apply_one_of_backlog(void *arg)
{
	static PartnerApiStatement take = {
		"DELETE FROM partner_api.mirror_backlog WHERE event_id = ANY ($1)",
		1, event_types, NULL
	};
	BacklogEvent *event = arg;

	partner_api_execute(&take, &event->events.ids, NULL, SPI_OK_DELETE);
	apply_events(&event->events);
}

/* The backlog in order, palloc'd. */
static List *
list_backlog(void)
{
	static PartnerApiStatement list = {
		"SELECT ARRAY[b.event_id], coalesce("
		"        e.server || '/' || e.instance_id,"
		"        o.server || '/' || o.object || '/' || o.object_id),"
		"       o.event_id IS NOT NULL"
		"  FROM partner_api.mirror_backlog b"
		"  LEFT JOIN partner_api.instance_events e ON e.event_id = b.event_id"
		"  LEFT JOIN partner_api.object_events o ON o.event_id = b.event_id"
		" ORDER BY b.event_id LIMIT 1000", 0, NULL, NULL
	};
	uint64		rows = partner_api_execute(&list, NULL, NULL, SPI_OK_SELECT);
	List	   *events = NIL;
	bool		isnull;

	for (int row = 0; row < (int) rows; row++)
	{
		BacklogEvent *event = palloc(sizeof(BacklogEvent));

		event->events.ids = partner_api_field(row, 1, &isnull);
		event->events.needs = PARTNER_API_MIRROR_ALL;
		if (DatumGetBool(partner_api_field(row, 3, &isnull)))
			event->events.needs = PARTNER_API_MIRROR_OBJECTS;
		event->instance = partner_api_field_text(row, 2);
		events = lappend(events, event);
	}
	return events;
}

/* Is the instance among those whose events have to wait? */
static bool
is_held_up(const List *held_up, const char *instance)
{
	ListCell   *lc;

	foreach(lc, held_up)
	{
		if (strcmp(lfirst(lc), instance) == 0)
			return true;
	}
	return false;
}

/*
 * Apply what was left for later, in order; an event that cannot be applied
 * holds up those of its own instance.  What is not free now is tried again, so
 * nothing waits: where a table is locked, each of them would, and the pass for
 * their sum.
 */
void
partner_api_mirror_apply_backlog(void)
{
	int			guc_level = NewGUCNestLevel();
	List	   *held_up = NIL;
	ListCell   *lc;

	(void) set_config_option("lock_timeout", "1", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	foreach(lc, list_backlog())
	{
		BacklogEvent *event = lfirst(lc);

		if (list_length(held_up) >= MOST_FAILURES)
			break;
		if (!is_held_up(held_up, event->instance) &&
			partner_api_try(apply_one_of_backlog, event) != NULL)
			held_up = lappend(held_up, event->instance);
	}
	AtEOXact_GUC(true, guc_level);
}

/* ---- time passes ---- */

#define IS_OVER(old_status, time_column) \
	" i.status = '" old_status "' AND i." time_column " <= $1" \
	" AND NOT EXISTS (SELECT FROM partner_api.pending_actions p" \
	"      WHERE p.server = i.server AND p.instance_id = i.instance_id" \
	"        AND p.state IN ('sending', 'unknown'))"

/* All instances that are over, or, with $2 and $3, one of them. */
#define END_ROWS(old_status, time_column, new_status) \
	"WITH due AS MATERIALIZED (" \
	" SELECT i.server, i.instance_id FROM partner_api.instances i" \
	"  WHERE " IS_OVER(old_status, time_column) \
	"    AND ($2 IS NULL OR (i.server = $2 AND i.instance_id = $3))" \
	"    FOR UPDATE SKIP LOCKED)," \
	" ended AS (UPDATE partner_api.instances i SET status = '" new_status "'" \
	"  FROM due WHERE i.server = due.server" \
	"   AND i.instance_id = due.instance_id RETURNING i.server," \
	"   i.instance_id, i." time_column " AS at)" \
	" INSERT INTO partner_api.instance_events (server, instance_id, kind," \
	"        occurred_at) SELECT server, instance_id, '" new_status "', at" \
	"  FROM ended"

#define LIST_ROWS(old_status, time_column) \
	"SELECT i.server, i.instance_id FROM partner_api.instances i" \
	" WHERE " IS_OVER(old_status, time_column)

/* One way for an instance to be over, and what it is applied to. */
typedef struct Ending
{
	PartnerApiStatement *end;
	PartnerApiStatement *list;
	Datum		values[3];		/* time, server, instance */
	char		nulls[4];
} Ending;

/* Work for partner_api_try(): end what the values say. */
static void
end_rows(void *arg)
{
	Ending	   *ending = arg;

	partner_api_execute(ending->end, ending->values, ending->nulls,
						SPI_OK_INSERT);
}

/* One by one, so that a row that cannot be changed holds up no other. */
static void
end_one_by_one(Ending *ending)
{
	uint64		rows = partner_api_execute(ending->list, ending->values, NULL,
										   SPI_OK_SELECT);
	SPITupleTable *table = SPI_tuptable;

	ending->nulls[1] = ending->nulls[2] = ' ';
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;

		ending->values[1] = SPI_getbinval(table->vals[row], table->tupdesc, 1,
										  &isnull);
		ending->values[2] = SPI_getbinval(table->vals[row], table->tupdesc, 2,
										  &isnull);
		(void) partner_api_try(end_rows, ending);
	}
}

/*
 * Trials lapse and cancelled services end without word from the provider.  An
 * instance with a call in flight is left until its outcome is known.  Returns
 * the error that kept some from being ended, or NULL.
 */
ErrorData *
partner_api_mirror_pass_time(TimestampTz now)
{
	static const Oid end_types[] = {TIMESTAMPTZOID, NAMEOID, TEXTOID};
	static PartnerApiStatement ends[] = {
		{END_ROWS("trial", "trial_ends_at", "lapsed"), 3, end_types, NULL},
		{END_ROWS("cancelling", "ends_at", "ended"), 3, end_types, NULL}
	};
	static PartnerApiStatement lists[] = {
		{LIST_ROWS("trial", "trial_ends_at"), 1, end_types, NULL},
		{LIST_ROWS("cancelling", "ends_at"), 1, end_types, NULL}
	};
	ErrorData  *error = NULL;

	for (int i = 0; i < (int) lengthof(ends); i++)
	{
		Ending		ending = {&ends[i], &lists[i],
		{TimestampTzGetDatum(now), (Datum) 0, (Datum) 0}, " nn"};
		ErrorData  *failure = partner_api_try(end_rows, &ending);

		if (failure == NULL)
			continue;
		error = failure;
		end_one_by_one(&ending);
	}
	return error;
}

/* ---- reading ---- */

/*
 * The row of an instance, or with "object" of a plan and so on, as JSON that
 * fits a slot, in the current context; NULL if there is none.
 */
char *
partner_api_mirror_row(const char *server, const char *object, const char *id)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID};
	static PartnerApiStatement object_row = {
		"SELECT partner_api.object_row($1, $3, $2)", 3, types, NULL
	};
	static PartnerApiStatement instance_row = {
		"SELECT CASE WHEN pg_column_size(i.details) > 8000"
		"            THEN (to_jsonb(i) - 'details')::text"
		"            ELSE row_to_json(i)::text END"
		"  FROM partner_api.instances i"
		" WHERE server = $1 AND instance_id = $2", 2, types, NULL
	};
	NameData	name;
	Datum		values[3];

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(id);
	if (object != NULL)
		values[2] = CStringGetTextDatum(object);
	if (partner_api_execute(object == NULL ? &instance_row : &object_row,
							values, NULL, SPI_OK_SELECT) == 0)
		return NULL;
	return partner_api_field_text(0, 1);
}

/* How many instances of a server are known here?  Counts up to "limit". */
int
partner_api_mirror_count(const char *server, int limit)
{
	static const Oid types[] = {NAMEOID, INT4OID};
	static PartnerApiStatement statement = {
		"SELECT count(*)::int4 FROM (SELECT FROM partner_api.instances"
		"                             WHERE server = $1 LIMIT $2) i",
		2, types, NULL
	};
	NameData	name;
	Datum		values[2];
	bool		isnull;

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = Int32GetDatum(limit);
	partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
	return DatumGetInt32(partner_api_field(0, 1, &isnull));
}

/* Has a list of this server shown one of our nonces unmodified? */
bool
partner_api_nonce_was_seen(const char *server)
{
	static const Oid types[] = {NAMEOID};
	static PartnerApiStatement statement = {
		"SELECT FROM partner_api.server_evidence WHERE server = $1",
		1, types, NULL
	};
	NameData	name;
	Datum		value = NameGetDatum(&name);

	namestrcpy(&name, server);
	return partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT) > 0;
}

/* A list of this server has shown one of our nonces unmodified. */
void
partner_api_note_nonce_seen(const char *server, TimestampTz now)
{
	static const Oid types[] = {NAMEOID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.server_evidence (server, nonce_seen_at)"
		" VALUES ($1, $2) ON CONFLICT (server) DO NOTHING", 2, types, NULL
	};
	NameData	name;
	Datum		values[2];

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = TimestampTzGetDatum(now);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT);
}
