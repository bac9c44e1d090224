/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  Claims: actions that the worker holds under a lease.
 *
 * A claim is a committed and flushed change of the row before the first byte
 * is sent: state, lease, attempt.  Claims never wait: a row that a session
 * holds is skipped, and so is one whose instance is busy.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_type.h"
#include "claims.h"
#include "json.h"
#include "owner.h"
#include "redact.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A sign that a later cancel, due as well, is about to withdraw. */
#define WITHDRAWN(q) \
	" (" q ".kind = 'sign_instance' AND EXISTS (" \
	"   SELECT FROM partner_api.pending_actions c" \
	"    WHERE c.server = " q ".server AND c.instance_id = " q ".instance_id" \
	"      AND c.kind = 'cancel_instance' AND c.state = 'waiting'" \
	"      AND c.run_at <= $2 AND c.action_id > " q ".action_id))"

/* The disconnect before a delete that is in its last seconds. */
#define NO_TIME_FOR(q) \
	" (" q ".automatic AND " q ".kind = 'disconnect_instance'" \
	"  AND p.deadline <= $2 + interval '5 s') IS TRUE"

/*
 * An instance, or plan and so on, has one call in flight or unknown; what is
 * due waits in the order in which it was enqueued.  A sign that is to be
 * withdrawn is not sent, and nothing waits for it, nor for the question
 * whether an instance is ready: its turn may be far.  A delete waits for the
 * disconnect before it even while that waits for its next try, unless its own
 * deadline is there: then the disconnect is not needed any more.
 */
#define NOT_BLOCKED \
	" (p.instance_id IS NULL OR (NOT " WITHDRAWN("p") " AND NOT EXISTS (" \
	"   SELECT FROM partner_api.pending_actions q" \
	"    WHERE q.server = p.server AND q.instance_id = p.instance_id" \
	"      AND q.action_id <> p.action_id" \
	"      AND partner_api.acted_on(q.kind) = partner_api.acted_on(p.kind)" \
	"      AND (q.state IN ('sending', 'unknown')" \
	"           OR (q.state = 'waiting' AND q.run_at <= $2" \
	"               AND q.action_id < p.action_id" \
	"               AND NOT (q.automatic AND q.kind = 'await_instance')" \
	"               AND NOT " WITHDRAWN("q") " AND NOT " NO_TIME_FOR("q") ")" \
	"           OR (q.state = 'waiting' AND q.automatic" \
	"               AND q.kind = 'disconnect_instance'" \
	"               AND q.action_id < p.action_id" \
	"               AND NOT " NO_TIME_FOR("q") ")))))"

/* A bulk action and one for an instance of it keep out of each other's way. */
#define NOT_IN_BULK \
	" NOT EXISTS (" \
	"   SELECT FROM partner_api.pending_actions b" \
	"    WHERE b.server = p.server AND b.kind = 'delete_instances'" \
	"      AND b.state IN ('sending', 'unknown')" \
	"      AND b.arguments->'instance_ids' ? p.instance_id)" \
	" AND (p.kind <> 'delete_instances' OR NOT EXISTS (" \
	"   SELECT FROM partner_api.pending_actions q" \
	"    WHERE q.server = p.server AND q.instance_id IS NOT NULL" \
	"      AND q.state IN ('sending', 'unknown')" \
	"      AND p.arguments->'instance_ids' ? q.instance_id))"

#define IN_SCOPE \
	" ($5 IS NULL OR p.kind <> ALL ($5))" \
	" AND ($6 IS NULL OR (" PARTNER_API_SENDER("p") " = ANY ($6)) = $7)"

#define DUE(condition) \
	" p.server = $1 AND p.state = 'waiting' AND p.run_at <= $2" \
	" AND (p.run_at, p.action_id) > ($8, $9)" \
	" AND " condition " AND " IN_SCOPE

/* not by the index on deadline: most with one are not due for days */
#define EARLIEST_FIRST "p.deadline + interval '0', p.run_at, p.action_id"

#define FIRST_WINDOW 2000		/* of the earliest, for one claim */
/* Claims what "due" yields. */
#define CLAIM_DUE \
	" c AS (UPDATE partner_api.pending_actions p" \
	"  SET state = 'sending', lease = p.lease + 1," \
	"      attempts = p.attempts + 1, sent_at = $2, looks = 0" \
	"  FROM due WHERE p.action_id = due.action_id RETURNING p.*)"

/*
 * The columns that read_claim() expects, of a CTE named c.  Two are for looks:
 * the requests whose answer was lost (each was looked for), and, at the end,
 * the nonces from before a repetition on a person's word.
 */
#define CLAIMED \
	" SELECT c.action_id, c.lease, c.attempts, c.kind, c.server," \
	"        c.instance_id, s.token, i.status," \
	"        CASE WHEN c.kind = 'change_plan' THEN" \
	"         partner_api.plan_arguments(c.server, c.instance_id, c.arguments)" \
	"         ELSE c.arguments END, c.nonce," \
	"        c.customer_ref," \
	PARTNER_API_SENDER("c") "," \
	"        c.deadline, c.sent_at," \
	"        c.looks, c.automatic," \
	"        CASE WHEN c.kind = 'delete_instances' THEN" \
	"         (SELECT pg_catalog.jsonb_object_agg(b.instance_id, b.token)" \
	"            FROM partner_api.instance_secrets b" \
	"           WHERE b.server = c.server AND b.instance_id = ANY (ARRAY(" \
	"             SELECT pg_catalog.jsonb_array_elements_text(" \
	"                    c.arguments->'instance_ids'))))" \
	"         WHEN c.kind IN ('create_customer', 'create_subscription') THEN" \
	"         partner_api.recorded_of_others(c.server, c.kind, c.arguments," \
	"                                        c.customer_ref, c.sent_at) END," \
	"        CASE WHEN c.state = 'unknown' OR c.attempts > 1 THEN (" \
	"         SELECT pg_catalog.count(DISTINCT a.attempt)" \
	"           FROM partner_api.action_attempts a" \
	"          WHERE a.action_id = c.action_id AND a.purpose = 'look'" \
	"            AND a.attempt < c.attempts)::pg_catalog.int4" \
	"           + (c.state = 'unknown')::pg_catalog.int4 END," \
	"        c.run_at," \
	"        CASE WHEN c.state = 'unknown' AND c.instance_id IS NULL THEN (" \
	"         SELECT pg_catalog.string_agg(n.nonce, ' ')" \
	"           FROM partner_api.former_nonces n" \
	"          WHERE n.action_id = c.action_id) END," \
	"        c.dry_run, i.api_url," \
	"        i.origin = 'surplus' AND i.connected IS FALSE," \
	"        c.kind = 'disconnect_instance' AND c.automatic AND EXISTS (" \
	"         SELECT FROM partner_api.pending_actions d" \
	"          WHERE d.server = c.server AND d.instance_id = c.instance_id" \
	"            AND d.kind = 'delete_instance' AND d.action_id > c.action_id" \
	"            AND d.state = 'waiting')," \
	"        CASE WHEN c.arguments->'settings' ? '" \
	PARTNER_API_SECRET_SETTING "' THEN" \
	"         (SELECT x.settings FROM partner_api.action_secrets x" \
	"           WHERE x.action_id = c.action_id) END" \
	"   FROM c" \
	"   LEFT JOIN partner_api.instance_secrets s" \
	"     ON s.server = c.server AND s.instance_id = c.instance_id" \
	"   LEFT JOIN partner_api.instances i" \
	"     ON i.server = c.server AND i.instance_id = c.instance_id"

/*
 * The same in UTF-8, as the provider is told it.  Converted here because there
 * is a transaction.
 */
static char *
copy_utf8(int row, int column)
{
	char	   *text = partner_api_field_text(row, column);

	return text == NULL ? NULL : partner_api_text_to_utf8(text);
}

/* Time of a field; 0 if null. */
static TimestampTz
copy_time(int row, int column)
{
	bool		isnull;
	Datum		value = partner_api_field(row, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/*
 * Tokens of a bulk action by instance; of a lost subscription or a new
 * customer, those recorded ones that could be taken for it; else NULL.
 */
static json_t *
copy_tokens(int row, int column)
{
	char	   *text = copy_utf8(row, column);
	char	   *error;

	return text == NULL ? NULL :
		partner_api_json_parse(text, strlen(text), &error);
}

/* A field that is true; null is not. */
static bool
copy_bool(int row, int column)
{
	bool		isnull;
	Datum		value = partner_api_field(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

/* One row of CLAIMED as a claim with a context of its own. */
static PartnerApiClaim *
read_claim(MemoryContext parent, int row, PartnerApiPurpose purpose)
{
	MemoryContext context = AllocSetContextCreate(parent, "partner_api claim",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	PartnerApiClaim *claim = palloc0(sizeof(PartnerApiClaim));
	bool		isnull;

	claim->context = context;
	claim->purpose = purpose;
	claim->action_id = DatumGetInt64(partner_api_field(row, 1, &isnull));
	claim->lease = DatumGetInt64(partner_api_field(row, 2, &isnull));
	claim->attempts = DatumGetInt32(partner_api_field(row, 3, &isnull));
	if (!partner_api_kind_parse(partner_api_field_text(row, 4), &claim->kind))
		elog(ERROR, "unknown kind of action " INT64_FORMAT, claim->action_id);
	claim->server = partner_api_field_text(row, 5);
	claim->instance_id = copy_utf8(row, 6);
	claim->instance_token = copy_utf8(row, 7);
	claim->instance_status = partner_api_field_text(row, 8);
	claim->arguments = copy_utf8(row, 9);
	claim->nonce = partner_api_field_text(row, 10);
	claim->customer_ref = copy_utf8(row, 11);
	claim->role = partner_api_field_text(row, 12);
	claim->deadline = copy_time(row, 13);
	claim->sent_at = copy_time(row, 14);
	claim->looks = DatumGetInt32(partner_api_field(row, 15, &isnull));
	claim->automatic = DatumGetBool(partner_api_field(row, 16, &isnull));
	claim->tokens = copy_tokens(row, 17);
	claim->lost = DatumGetInt32(partner_api_field(row, 18, &isnull));
	claim->run_at = copy_time(row, 19);
	claim->former_nonces = partner_api_field_text(row, 20);
	claim->dry_run = DatumGetBool(partner_api_field(row, 21, &isnull));
	claim->instance_url = copy_utf8(row, 22);
	claim->instance_unused = copy_bool(row, 23);
	claim->delete_follows = copy_bool(row, 24);
	claim->secret_settings = copy_tokens(row, 25);
	MemoryContextSwitchTo(before);
	return claim;
}

/* All rows of CLAIMED as claims. */
static List *
read_claims(MemoryContext parent, uint64 rows, PartnerApiPurpose purpose)
{
	List	   *claims = NIL;

	for (uint64 row = 0; row < rows; row++)
		claims = lappend(claims, read_claim(parent, (int) row, purpose));
	return claims;
}

/* The kinds that lead to a bill, as text[]; kept for the process. */
static Datum
paid_kinds(void)
{
	static Datum array = (Datum) 0;
	MemoryContext before;
	Datum		names[PARTNER_API_KINDS];
	int			count = 0;

	if (array != (Datum) 0)
		return array;
	before = MemoryContextSwitchTo(TopMemoryContext);
	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const char *name = partner_api_kind_name((PartnerApiKind) kind);

		if (partner_api_kind_is_paid((PartnerApiKind) kind))
			names[count++] = CStringGetTextDatum(name);
	}
	array = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false,
											TYPALIGN_INT));
	MemoryContextSwitchTo(before);
	return array;
}

/*
 * Claim due actions of a server: those with a deadline, the earliest first, or
 * those without, the oldest first.  Each claim has a context under "parent".
 */
List *
partner_api_claim_due(MemoryContext parent, const PartnerApiClaimScope *scope)
{
	static const Oid types[] = {NAMEOID, TIMESTAMPTZOID, INT4OID,
		TIMESTAMPTZOID, TEXTARRAYOID, NAMEARRAYOID, BOOLOID,
		TIMESTAMPTZOID, INT8OID, INT4OID
	};

	/*
	 * Thousands may be due.  They are put in order before anything is asked
	 * of each; the nested loop keeps it and ends at the limit.  If the first
	 * $10 were not enough the last time, they may all be blocked: ask all.
	 */
	static int	window = FIRST_WINDOW;
	static PartnerApiStatement by_deadline = {
		"WITH first AS MATERIALIZED ("
		" SELECT p.action_id FROM partner_api.pending_actions p"
		"  WHERE " DUE("p.deadline IS NOT NULL AND p.deadline > $2"
					   " AND p.deadline <= $4")
		"  ORDER BY " EARLIEST_FIRST " LIMIT $10),"
		" due AS MATERIALIZED ("
		" SELECT p.action_id FROM first"
		"   JOIN partner_api.pending_actions p USING (action_id)"
		"  WHERE p.state = 'waiting' AND " NOT_BLOCKED " AND " NOT_IN_BULK
		"  LIMIT $3 FOR UPDATE OF p SKIP LOCKED)," CLAIM_DUE CLAIMED
		" ORDER BY c.deadline, c.action_id", 10, types, NULL
	};
	static PartnerApiStatement by_age = {
		"WITH due AS MATERIALIZED ("
		" SELECT p.action_id FROM partner_api.pending_actions p"
		"  WHERE " DUE("p.deadline IS NULL")
		"    AND " NOT_BLOCKED " AND " NOT_IN_BULK
		"  ORDER BY p.run_at, p.action_id"
		"  LIMIT $3 FOR UPDATE SKIP LOCKED)," CLAIM_DUE CLAIMED
		" ORDER BY c.run_at, c.action_id", 9, types, NULL
	};
	NameData	name;
	Datum		values[10];
	char		nulls[10] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
	uint64		rows;

	if (scope->limit <= 0)
		return NIL;
	namestrcpy(&name, scope->server);
	values[0] = NameGetDatum(&name);
	values[1] = TimestampTzGetDatum(scope->now);
	values[2] = Int32GetDatum(scope->limit);
	values[3] = TimestampTzGetDatum(scope->latest_deadline);
	nulls[4] = scope->paid ? 'n' : ' ';
	values[4] = scope->paid ? (Datum) 0 : paid_kinds();
	nulls[5] = scope->roles == (Datum) 0 ? 'n' : ' ';
	values[5] = scope->roles;
	values[6] = BoolGetDatum(scope->roles_only);
	values[7] = TimestampTzGetDatum(scope->after.run_at);
	values[8] = Int64GetDatum(scope->after.action_id);
	values[9] = Int32GetDatum(window);
	rows = partner_api_execute(scope->with_deadline ? &by_deadline : &by_age,
							   values, nulls, SPI_OK_SELECT);
	if (scope->with_deadline)
		window = rows < (uint64) scope->limit ? INT_MAX : FIRST_WINDOW;
	return read_claims(parent, rows, PARTNER_API_SEND);
}

/* The numbers of claims as bigint[]. */
static Datum
claim_ids(const List *claims)
{
	Datum	   *ids = palloc(list_length(claims) * sizeof(Datum));
	int			count = 0;
	ListCell   *lc;

	foreach(lc, claims)
		ids[count++] =
		Int64GetDatum(((const PartnerApiClaim *) lfirst(lc))->action_id);
	return PointerGetDatum(construct_array(ids, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * Undo claims of the running transaction that cannot be sent now: the actions
 * wait as before, and have not been tried.
 */
void
partner_api_claims_put_back(const List *claims)
{
	static const Oid types[] = {INT8ARRAYOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.pending_actions"
		"   SET state = 'waiting', attempts = attempts - 1"
		" WHERE action_id = ANY ($1)", 1, types, NULL
	};
	Datum		value;

	if (claims == NIL)
		return;
	value = claim_ids(claims);
	partner_api_execute(&statement, &value, NULL, SPI_OK_UPDATE);
}

/* The same for looks, which are due again at a time. */
void
partner_api_looks_put_back(const List *claims, TimestampTz until)
{
	static const Oid types[] = {INT8ARRAYOID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.pending_actions SET run_at = $2"
		" WHERE action_id = ANY ($1)", 2, types, NULL
	};
	Datum		values[2];

	values[0] = claim_ids(claims);
	values[1] = TimestampTzGetDatum(until);
	partner_api_execute(&statement, values, NULL, SPI_OK_UPDATE);
}

/*
 * Claim one action that the running transaction has just recorded for a
 * waiting call.
 */
PartnerApiClaim *
partner_api_claim_action(MemoryContext parent, int64 action_id,
						 TimestampTz now)
{
	static const Oid types[] = {INT8OID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"WITH c AS (UPDATE partner_api.pending_actions p"
		"  SET state = 'sending', lease = p.lease + 1,"
		"      attempts = p.attempts + 1, sent_at = $2"
		"  WHERE p.action_id = $1 AND p.state = 'waiting' RETURNING p.*)"
		CLAIMED, 2, types, NULL
	};
	Datum		values[2];

	values[0] = Int64GetDatum(action_id);
	values[1] = TimestampTzGetDatum(now);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) == 0)
		return NULL;
	return read_claim(parent, 0, PARTNER_API_SEND);
}

/* $1 is the time, $2 how many. */
#define CLAIM_LOOKS(condition) \
	"WITH due AS MATERIALIZED (" \
	" SELECT p.action_id FROM partner_api.pending_actions p" \
	"  WHERE p.state = 'unknown' AND p.run_at <= $1 AND " condition \
	"  ORDER BY p.run_at LIMIT $2 FOR UPDATE SKIP LOCKED)," \
	/* the next look at the latest, should this one never end */ \
	" c AS (UPDATE partner_api.pending_actions p" \
	"  SET lease = p.lease + 1, run_at = $1 + interval '1 hour'" \
	"  FROM due WHERE p.action_id = due.action_id RETURNING p.*)" \
	CLAIMED

/* Claim unknown actions whose next look is due. */
List *
partner_api_claim_looks(MemoryContext parent, TimestampTz now, int limit)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT4OID};
	static PartnerApiStatement statement = {
		CLAIM_LOOKS("EXISTS (SELECT FROM pg_catalog.pg_foreign_server f"
					"         WHERE f.srvname = p.server)"), 2, types, NULL
	};
	Datum		values[2];
	uint64		rows;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(limit);
	rows = partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
	return read_claims(parent, rows, PARTNER_API_LOOK);
}

/*
 * The kinds whose effect a list shows, as text[].  any_kind: also those that a
 * search of it would settle.
 */
static Datum
kinds_of_list(PartnerApiList list, bool any_kind)
{
	Datum		names[PARTNER_API_KINDS];
	int			count = 0;

	for (int kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const PartnerApiKindTraits *traits =
		partner_api_kind_traits((PartnerApiKind) kind);

		if (traits->list == list &&
			(any_kind || traits->creates || traits->absence ||
			 list != PARTNER_API_LIST_INSTANCES))
			names[count++] = CStringGetTextDatum(traits->name);
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * Claim more of them: those that the same whole list settles, since they are
 * of the same server and act with the same role.  any_kind: also those that a
 * search for one instance would settle.
 */
List *
partner_api_claim_more_looks(MemoryContext parent,
							 const PartnerApiClaim *leader,
							 TimestampTz now, int limit, bool any_kind)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT4OID, NAMEOID, NAMEOID,
	TEXTARRAYOID};
	static PartnerApiStatement statement = {
		CLAIM_LOOKS("p.server = $3 AND $4 = " PARTNER_API_SENDER("p")
					" AND p.kind = ANY ($5)"),
		5, types, NULL
	};
	NameData	server;
	NameData	role;
	Datum		values[5];
	uint64		rows;

	namestrcpy(&server, leader->server);
	namestrcpy(&role, leader->role);
	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(limit);
	values[2] = NameGetDatum(&server);
	values[3] = NameGetDatum(&role);
	values[4] = kinds_of_list(partner_api_kind_traits(leader->kind)->list,
							  any_kind);
	rows = partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
	return read_claims(parent, rows, PARTNER_API_LOOK);
}

/*
 * Would a new action have to wait for another of the same instance, or of one
 * of its instances?  A cancel does not wait for the signs that it withdraws.
 */
bool
partner_api_action_has_to_wait(const PartnerApiNewAction *action,
							   TimestampTz now)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TIMESTAMPTZOID, BOOLOID,
	TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT FROM partner_api.pending_actions"
		" WHERE server = $1 AND instance_id = $2"
		"   AND partner_api.acted_on(kind) = partner_api.acted_on($6)"
		"   AND (state IN ('sending', 'unknown')"
		"        OR state = 'waiting' AND run_at <= $3"
		"           AND NOT (automatic AND kind = 'await_instance')"
		"           AND NOT (kind = 'sign_instance' AND $4))"
		" UNION ALL"
		" SELECT FROM partner_api.pending_actions"
		" WHERE server = $1 AND kind = 'delete_instances'"
		"   AND state IN ('sending', 'unknown')"
		"   AND arguments->'instance_ids' ? $2"
		" UNION ALL"
		" SELECT FROM partner_api.pending_actions"
		" WHERE server = $1 AND state IN ('sending', 'unknown')"
		"   AND instance_id = ANY (ARRAY("
		"        SELECT jsonb_array_elements_text($5::jsonb->'instance_ids')))"
		" LIMIT 1", 6, types, NULL
	};
	NameData	name;
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};

	/* the common case: what acts on no instance that there is */
	if (action->instance_id == NULL &&
		action->kind != PARTNER_API_DELETE_INSTANCES)
		return false;
	namestrcpy(&name, action->server);
	values[0] = NameGetDatum(&name);
	nulls[1] = action->instance_id == NULL ? 'n' : ' ';
	if (action->instance_id != NULL)
		values[1] = CStringGetTextDatum(action->instance_id);
	values[2] = TimestampTzGetDatum(now);
	values[3] = BoolGetDatum(action->kind == PARTNER_API_CANCEL_INSTANCE);
	values[4] = CStringGetTextDatum(action->arguments);
	values[5] = CStringGetTextDatum(partner_api_kind_name(action->kind));
	return partner_api_execute(&statement, values, nulls, SPI_OK_SELECT) > 0;
}

/*
 * When the worker has to act next, apart from what is due already and waits
 * for something else; DT_NOEND if nothing is scheduled.
 */
TimestampTz
partner_api_next_due(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"SELECT least("
		" (SELECT min(least("
		"   (SELECT run_at FROM partner_api.pending_actions"
		"     WHERE server = f.srvname AND state = 'waiting'"
		"       AND deadline IS NULL AND run_at > $1"
		"     ORDER BY run_at LIMIT 1),"
		"   (SELECT run_at FROM partner_api.pending_actions"
		"     WHERE server = f.srvname AND state = 'waiting'"
		"       AND deadline IS NOT NULL AND run_at > $1"
		"     ORDER BY run_at LIMIT 1)))"
		"    FROM pg_catalog.pg_foreign_server f"
		"    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw"
		"   WHERE w.fdwname = 'partner_api'),"
		" (SELECT run_at FROM partner_api.pending_actions"
		"   WHERE state = 'unknown' AND run_at > $1"
		"   ORDER BY run_at LIMIT 1),"
		" (SELECT deadline FROM partner_api.pending_actions"
		"   WHERE state IN ('waiting', 'held') AND deadline > $1"
		"   ORDER BY deadline LIMIT 1),"
		" (SELECT trial_ends_at FROM partner_api.instances"
		"   WHERE status = 'trial' AND trial_ends_at > $1"
		"   ORDER BY trial_ends_at LIMIT 1),"
		" (SELECT ends_at FROM partner_api.instances"
		"   WHERE status = 'cancelling' AND ends_at > $1"
		"   ORDER BY ends_at LIMIT 1))", 1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);
	bool		isnull;

	partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT);
	value = partner_api_field(0, 1, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(value);
}
