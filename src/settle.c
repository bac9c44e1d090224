/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Settlements: what attempts proved, written down in groups.
 *
 * One statement writes the attempts, moves closed actions to the history,
 * sets the others to their next state, keeps instance tokens and records the
 * events; all under the lease of the claim, so that a worker that was stopped
 * for a while writes nothing over a newer one.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "announce.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "closing.h"
#include "due.h"
#include "foreign/foreign.h"
#include "json.h"
#include "mirror.h"
#include "owner.h"
#include "policy.h"
#include "redact.h"
#include "settle.h"
#include "slots.h"
#include "subtransaction.h"
#include "survey.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* A server that cannot be used is announced so often while that lasts. */
#define UNUSABLE_PAUSE_US (INT64CONST(600) * 1000000)

/* When it was last said that a server cannot be used. */
typedef struct ToldServer
{
	Oid			server;			/* the key */
	int64		at;				/* monotonic */
} ToldServer;

/* ---- groups as arrays ---- */

/* Each column of the group: a member of PartnerApiSettlement. */
static const struct
{
	size_t		offset;
	Oid			type;
}			columns[] = {
	{offsetof(PartnerApiSettlement, action_id), INT8OID},
	{offsetof(PartnerApiSettlement, lease), INT8OID},
	{offsetof(PartnerApiSettlement, attempts), INT4OID},
	{offsetof(PartnerApiSettlement, looks), INT4OID},
	{offsetof(PartnerApiSettlement, purpose), TEXTOID},
	{offsetof(PartnerApiSettlement, verdict), TEXTOID},
	{offsetof(PartnerApiSettlement, http_status), INT4OID},
	{offsetof(PartnerApiSettlement, latency_ms), INT4OID},
	{offsetof(PartnerApiSettlement, started_at), TIMESTAMPTZOID},
	{offsetof(PartnerApiSettlement, finished_at), TIMESTAMPTZOID},
	{offsetof(PartnerApiSettlement, error), TEXTOID},
	{offsetof(PartnerApiSettlement, state), TEXTOID},
	{offsetof(PartnerApiSettlement, run_at), TIMESTAMPTZOID},
	{offsetof(PartnerApiSettlement, outcome), TEXTOID},
	{offsetof(PartnerApiSettlement, event), TEXTOID},
	{offsetof(PartnerApiSettlement, event_instance), TEXTOID},
	{offsetof(PartnerApiSettlement, event_details), TEXTOID},
	{offsetof(PartnerApiSettlement, token), TEXTOID},
	{offsetof(PartnerApiSettlement, event_object), TEXTOID},
};

static const Oid settle_types[] = {
	INT8ARRAYOID, INT8ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID,
	TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID,
	TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
	TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
	TEXTARRAYOID, TIMESTAMPTZOID
};

#define NCOLUMNS ((int) lengthof(columns))

static PartnerApiStatement settle_statement = {
	"WITH v AS MATERIALIZED ("
	" SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
	"                      $13, $14, $15, $16, $17, $18, $19)"
	"   AS v (action_id, lease, attempts, looks, purpose, verdict,"
	"         http_status, latency_ms, started_at, finished_at, error, state,"
	"         run_at, outcome, event, event_instance, event_details, token,"
	"         object)),"
	" attempt AS ("
	" INSERT INTO partner_api.action_attempts (action_id, attempt, lease,"
	"        purpose, started_at, finished_at, latency_ms, verdict,"
	"        http_status, error)"
	" SELECT action_id, attempts, lease, purpose, started_at, finished_at,"
	"        latency_ms, verdict, nullif(http_status, 0), error"
	"   FROM v WHERE verdict IS NOT NULL),"
	" closed AS ("
	" DELETE FROM partner_api.pending_actions p USING v"
	"  WHERE p.action_id = v.action_id AND p.lease = v.lease"
	"    AND p.state IN ('sending', 'unknown')"
	"    AND v.state IN ('done', 'failed', 'cancelled', 'missed')"
	"  RETURNING " PARTNER_API_SHARED_COLUMNS("p.") ", v.state,"
	"         coalesce(p.instance_id, CASE WHEN v.event <> 'refused'"
	"                  THEN v.event_instance END) AS instance_id,"
	"         p.run_at, v.attempts, v.error, v.looks,"
	"         v.outcome::pg_catalog.jsonb AS outcome, v.event,"
	"         v.event_instance, v.event_details, v.token, v.object),"
	" history AS ("
	" INSERT INTO partner_api.action_history " PARTNER_API_HISTORY_COLUMNS
	" SELECT " PARTNER_API_SHARED_COLUMNS("") ", state, instance_id, run_at, attempts,"
	"        error, looks, $20, outcome FROM closed RETURNING action_id),"
	" reopened AS ("
	" UPDATE partner_api.pending_actions p"
	"    SET state = v.state, run_at = v.run_at, attempts = v.attempts,"
	"        looks = v.looks, last_error = v.error"
	"   FROM v"
	"  WHERE p.action_id = v.action_id AND p.lease = v.lease"
	"    AND p.state IN ('sending', 'unknown')"
	"    AND v.state IN ('waiting', 'unknown', 'needs_attention')"
	"  RETURNING p.action_id),"
	" secret AS ("
	" INSERT INTO partner_api.instance_secrets (server, instance_id, token)"
	" SELECT server, event_instance, token FROM closed"
	"  WHERE token IS NOT NULL AND event_instance IS NOT NULL"
	" ON CONFLICT (server, instance_id) DO UPDATE SET token = excluded.token),"
	" event AS ("
	" INSERT INTO partner_api.instance_events (server, instance_id, kind,"
	"        occurred_at, action_id, details)"
	" SELECT server, event_instance, event, $20, action_id,"
	"        coalesce(event_details, '{}')::pg_catalog.jsonb"
	"   FROM closed WHERE event IS NOT NULL AND object IS NULL"
	" UNION ALL"
	" SELECT server, o.instance_id, 'deleted', $20, action_id, '{}'"
	"   FROM closed, pg_catalog.jsonb_to_recordset("
	"          CASE WHEN kind = 'delete_instances' AND NOT dry_run"
	"               THEN outcome END)"
	"        AS o (instance_id pg_catalog.text, deleted pg_catalog.bool)"
	"  WHERE o.deleted"
	" RETURNING event_id),"
	" object_event AS ("
	" INSERT INTO partner_api.object_events (server, object, object_id, kind,"
	"        occurred_at, action_id, details)"
	" SELECT server, object, event_instance, event, $20, action_id,"
	"        coalesce(event_details, '{}')::pg_catalog.jsonb"
	"   FROM closed WHERE event IS NOT NULL AND object IS NOT NULL"
	" RETURNING event_id)"
	" SELECT NULL::pg_catalog.int8, event_id, NULL::pg_catalog.int8 FROM event"
	" UNION ALL SELECT NULL, NULL, event_id FROM object_event"
	" UNION ALL SELECT action_id, NULL, NULL FROM history"
	" UNION ALL SELECT action_id, NULL, NULL FROM reopened",
	NCOLUMNS + 1, settle_types, NULL
};

/* One member of a settlement as a datum. */
static Datum
member_datum(const PartnerApiSettlement *settlement, int column, bool *isnull)
{
	const char *member = (const char *) settlement + columns[column].offset;
	char	   *text;

	*isnull = false;
	switch (columns[column].type)
	{
		case INT8OID:
			return Int64GetDatum(*(const int64 *) member);
		case INT4OID:
			return Int32GetDatum(*(const int *) member);
		case TIMESTAMPTZOID:
			return TimestampTzGetDatum(*(const TimestampTz *) member);
		default:
			break;
	}
	*isnull = *(char *const *) member == NULL;
	if (*isnull)
		return (Datum) 0;
	text = partner_api_text_from_utf8(*(char *const *) member);
	return CStringGetTextDatum(text);
}

/* One column of a group as an array datum. */
static Datum
column_array(List *settlements, int column)
{
	int			count = list_length(settlements);
	Datum	   *values = palloc(count * sizeof(Datum));
	bool	   *nulls = palloc(count * sizeof(bool));
	int			lower = 1;
	int16		len;
	bool		byval;
	char		align;

	for (int i = 0; i < count; i++)
		values[i] = member_datum(list_nth(settlements, i), column, &nulls[i]);
	get_typlenbyvalalign(columns[column].type, &len, &byval, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, &count,
											  &lower, columns[column].type,
											  len, byval, align));
}

/* ---- what the statement tells ---- */

/* The statement has written this one. */
static void
mark_recorded(List *settlements, int64 action_id)
{
	ListCell   *lc;

	foreach(lc, settlements)
	{
		PartnerApiSettlement *settlement = lfirst(lc);

		if (settlement->action_id == action_id)
			settlement->recorded = true;
	}
}

/* The numbers in a column of what the statement yields as an array, or 0. */
static Datum
read_events(uint64 rows, int column)
{
	Datum	   *events = palloc(Max(rows, 1) * sizeof(Datum));
	int			nevents = 0;
	bool		isnull;

	for (int row = 0; row < (int) rows; row++)
	{
		Datum		event_id = partner_api_field(row, column, &isnull);

		if (!isnull)
			events[nevents++] = event_id;
	}
	if (nevents == 0)
		return (Datum) 0;
	return PointerGetDatum(construct_array(events, nevents, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Marks what was recorded. */
static void
read_recorded(List *settlements, uint64 rows)
{
	bool		isnull;

	for (int row = 0; row < (int) rows; row++)
	{
		Datum		action_id = partner_api_field(row, 1, &isnull);

		if (!isnull)
			mark_recorded(settlements, DatumGetInt64(action_id));
	}
}

/* Fetch the row of what was acted on for calls that wait for it. */
static void
fetch_result(PartnerApiSettlement *settlement)
{
	const PartnerApiClaim *claim = settlement->claim;
	const char *instance = settlement->event_instance != NULL ?
	settlement->event_instance : claim->instance_id;
	char	   *row;

	if (!settlement->recorded || strcmp(settlement->state, "done") != 0 ||
		!partner_api_slot_waits_for(settlement->action_id))
		return;
	if (claim->kind == PARTNER_API_DELETE_INSTANCES)
		settlement->result = partner_api_text_from_utf8(settlement->outcome);
	else if (instance != NULL)
	{
		row = partner_api_mirror_row(claim->server, settlement->event_object,
									 partner_api_text_from_utf8(instance));
		if (row != NULL)
			settlement->result = MemoryContextStrdup(claim->context, row);
	}
}

/* Raise ERROR at once if a session holds the action's row. */
static void
lock_action(int64 action_id)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"SELECT FROM partner_api.pending_actions WHERE action_id = $1"
		" FOR UPDATE NOWAIT", 1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);

	partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT);
}

/* Announce something of a settlement's action; the message is UTF-8. */
static void
announce(const PartnerApiSettlement *settlement, const char *event,
		 const char *message)
{
	const char *instance = settlement->event_instance != NULL ?
	settlement->event_instance : settlement->claim->instance_id;

	partner_api_announce(WARNING, event, settlement->claim->server,
						 settlement->action_id,
						 instance == NULL ? NULL :
						 partner_api_text_from_utf8(instance),
						 partner_api_text_from_utf8(message));
}

/*
 * Did the provider turn away the credential of the server?  A call to a host
 * of an instance's own has that of the instance alone, which may be new.
 */
static bool
is_refused(const PartnerApiSettlement *settlement)
{
	const PartnerApiClaim *claim = settlement->claim;
	const PartnerApiProvider *provider;
	ForeignServer *server;

	if (settlement->sqlstate != ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION &&
		settlement->sqlstate != ERRCODE_INSUFFICIENT_PRIVILEGE)
		return false;
	server = GetForeignServerByName(claim->server, true);
	if (server == NULL)
		return false;
	provider = partner_api_server_provider(server->serverid);
	return !provider->own_hosts || !provider->needs_token(claim->kind);
}

/*
 * Did the provider turn the credential away, or was nothing sent since the
 * server or the credential cannot be used?  Somebody has to mend that.
 */
static bool
is_unusable(const PartnerApiSettlement *settlement)
{
	return is_refused(settlement) ||
		(settlement->verdict == NULL && settlement->error != NULL &&
		 strcmp(settlement->state, "waiting") == 0);
}

/*
 * Is it time to say that of the server?  Once in UNUSABLE_PAUSE_US: it comes
 * with every action, and one role's token may be good and another's not.
 */
static bool
unusable_is_news(Oid server)
{
	static HTAB *told = NULL;
	ToldServer *entry;
	bool		found;
	int64		now = partner_api_monotonic_us();

	if (told == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),
			.entrysize = sizeof(ToldServer)
		};

		told = hash_create("partner_api unusable servers", 8, &control,
						   HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(told, &server, HASH_ENTER, &found);
	if (found && now - entry->at < UNUSABLE_PAUSE_US)
		return false;
	entry->at = now;
	return true;
}

/* Say that a server cannot be used, if it is time to. */
static void
announce_unusable(const PartnerApiSettlement *settlement)
{
	ForeignServer *server =
	GetForeignServerByName(settlement->claim->server, true);

	if (server != NULL && unusable_is_news(server->serverid))
		announce(settlement, "unusable",
				 psprintf("cannot use the server of action " INT64_FORMAT ": %s",
						  settlement->action_id, settlement->error));
}

/*
 * Say what needs a person: an action that cannot be settled, a sign of ours
 * that failed, with nobody waiting for it, a create that has more than one
 * instance, or a server that cannot be used.
 */
static void
announce_settlement(const PartnerApiSettlement *settlement)
{
	if (is_unusable(settlement))
		announce_unusable(settlement);
	if (strcmp(settlement->state, "failed") == 0 &&
		settlement->claim->automatic &&
		!partner_api_failure_is_harmless(settlement->claim->kind))
		announce(settlement, "failed",
				 psprintf("action " INT64_FORMAT " failed: %s",
						  settlement->action_id, settlement->error));
	if (strcmp(settlement->state, "missed") == 0)
		announce(settlement, "missed",
				 psprintf("action " INT64_FORMAT " is missed: %s",
						  settlement->action_id, settlement->error));
	if (strcmp(settlement->state, "needs_attention") == 0)
		announce(settlement, "needs_attention",
				 psprintf("action " INT64_FORMAT " needs attention: %s",
						  settlement->action_id, settlement->error));
	if (settlement->surplus > 0)
		announce(settlement, "surplus",
				 psprintf("action " INT64_FORMAT " has %d more at the provider than its instance %s",
						  settlement->action_id, settlement->surplus,
						  settlement->event_instance));
}

/*
 * What follows from a settlement that was written: the action's next try or
 * look, the end of a trial and its sign, actions that have waited for this one
 * to let their instance go, and what a customer's invoices have waited for.
 */
static void
note_due(const PartnerApiSettlement *settlement, TimestampTz now)
{
	const PartnerApiClaim *claim = settlement->claim;

	if (!settlement->recorded || claim->instance_id != NULL ||
		settlement->changes_readiness ||
		claim->kind == PARTNER_API_DELETE_INSTANCES ||
		claim->kind == PARTNER_API_CREATE_CUSTOMER)
		partner_api_due_anything();
	if (strcmp(settlement->state, "waiting") == 0 ||
		strcmp(settlement->state, "unknown") == 0)
		partner_api_due_at(settlement->run_at, now);
	if (settlement->trial_ends_at != 0)
		partner_api_due_at(settlement->trial_ends_at, now);
	if (settlement->sign_at != 0)
		partner_api_due_at(settlement->sign_at, now);
}

/* What a group's events ask of the mirror beside new rows. */
static int
event_needs(List *settlements)
{
	int			needs = 0;
	ListCell   *lc;

	foreach(lc, settlements)
	{
		const PartnerApiSettlement *settlement = lfirst(lc);

		if (settlement->changes_readiness)
			needs |= PARTNER_API_MIRROR_READINESS;
		if (settlement->sign_at != 0)
			needs |= PARTNER_API_MIRROR_SIGNS;
		if (settlement->claim->kind != PARTNER_API_CREATE_INSTANCE &&
			settlement->event_object == NULL)
			needs |= PARTNER_API_MIRROR_CHANGES;
	}
	return needs;
}

/* Work for partner_api_try(): keep what a list has proved. */
static void
note_nonce_seen(void *arg)
{
	const PartnerApiSettlement *settlement = arg;

	partner_api_note_nonce_seen(settlement->claim->server,
								settlement->finished_at);
}

/*
 * Work for partner_api_try(): have the list read, which records what a look
 * has seen beside its own.  What is sent does not wait for that.
 */
static void
survey_surplus(void *arg)
{
	const PartnerApiSettlement *settlement = arg;

	partner_api_survey_want(settlement->claim->server,
							settlement->finished_at,
							settlement->claim->sent_at);
}

/*
 * An action that comes to nothing, for which rows here wait, ends with an
 * event too.  What has no id yet has the action's number.
 */
static void
note_refusal(PartnerApiSettlement *settlement)
{
	const PartnerApiClaim *claim = settlement->claim;
	const PartnerApiKindTraits *traits = partner_api_kind_traits(claim->kind);
	MemoryContext before;
	json_t	   *details;

	if (!traits->awaited || settlement->event != NULL ||
		(strcmp(settlement->state, "failed") != 0 &&
		 strcmp(settlement->state, "cancelled") != 0 &&
		 strcmp(settlement->state, "missed") != 0))
		return;
	before = MemoryContextSwitchTo(claim->context);
	details = partner_api_json_object();
	partner_api_json_put_text(details, "operation", traits->name);
	partner_api_json_put_text(details, "reason", settlement->error);
	partner_api_json_put_text(details, "customer_ref", claim->customer_ref);
	settlement->event = "refused";
	settlement->event_object = partner_api_object_name(traits->object);
	settlement->event_instance = claim->instance_id != NULL ?
		claim->instance_id : psprintf("action " INT64_FORMAT,
									  claim->action_id);
	settlement->event_details = partner_api_json_print(details);
	MemoryContextSwitchTo(before);
}

/*
 * Work for partner_api_try(): a charge of which an event has told is the
 * effect of its create, though neither an answer nor a list has shown it.
 */
static void
settle_by_charge(void *arg)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.settle_by_charge($1)", 1, types, NULL
	};
	const PartnerApiSettlement *settlement = arg;
	Datum		value = Int64GetDatum(settlement->action_id);

	partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT);
}

/*
 * Write a group of settlements in the running transaction and apply them to
 * the mirror.  Marks as recorded what the lease allowed.  Raises ERROR if a
 * row cannot be written now.
 */
void
partner_api_settle(List *settlements, TimestampTz now)
{
	Datum		values[NCOLUMNS + 1];
	Datum		events;
	Datum		object_events;
	uint64		rows;
	ListCell   *lc;

	foreach(lc, settlements)
	{
		PartnerApiSettlement *settlement = lfirst(lc);

		settlement->recorded = false;
		note_refusal(settlement);
		if (settlement->blocked)
			lock_action(settlement->action_id);
	}
	for (int column = 0; column < NCOLUMNS; column++)
		values[column] = column_array(settlements, column);
	values[NCOLUMNS] = TimestampTzGetDatum(now);
	rows = partner_api_execute(&settle_statement, values, NULL,
							   SPI_OK_SELECT);
	read_recorded(settlements, rows);
	events = read_events(rows, 2);
	object_events = read_events(rows, 3);
	if (events != (Datum) 0)
		partner_api_mirror_apply_or_defer(events, event_needs(settlements));
	if (object_events != (Datum) 0)
		partner_api_mirror_apply_or_defer(object_events,
										  PARTNER_API_MIRROR_OBJECTS);
	foreach(lc, settlements)
	{
		PartnerApiSettlement *settlement = lfirst(lc);

		/* not worth waiting for: the next look sees it too */
		if (settlement->nonce_seen)
			(void) partner_api_try(note_nonce_seen, settlement);
		if (settlement->recorded &&
			(settlement->surplus > 0 || settlement->stranded))
			(void) partner_api_try(survey_surplus, settlement);
		if (settlement->recorded &&
			settlement->claim->kind == PARTNER_API_CREATE_CHARGE &&
			strcmp(settlement->state, "done") != 0)
			(void) partner_api_try(settle_by_charge, settlement);
		if (settlement->recorded)
			announce_settlement(settlement);
		fetch_result(settlement);
		note_due(settlement, now);
	}
}
