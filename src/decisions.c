/*-------------------------------------------------------------------------
 *
 * decisions.c
 *	  What people decide on actions: withdraw, try again, say what became of
 *	  it.
 *
 * Each runs in the caller's transaction and takes effect when it commits.
 * An action that is claimed is the worker's: it cannot be decided on.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "actions.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "closing.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mirror.h"
#include "miscadmin.h"
#include "owner.h"
#include "servers.h"
#include "transfers.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_cancel_action);
PG_FUNCTION_INFO_V1(partner_api_rearm_action);
PG_FUNCTION_INFO_V1(partner_api_resolve_action);
PG_FUNCTION_INFO_V1(partner_api_retry_action);

/* ---- the action that is decided on ---- */

/* What a decision needs to know of an action. */
typedef struct Subject
{
	char	   *state;
	char	   *server;
	char	   *requested_by;
	PartnerApiKind kind;
	char	   *instance_id;	/* NULL: none */
	bool		too_late;		/* its deadline has passed */
	bool		has_card;		/* its request carried card data */
	bool		dry_run;
	bool		automatic;
} Subject;

/*
 * To decide sends nothing, so the right to the server is enough; where the
 * server is gone, the action is its requester's.
 */
static void
check_right(const Subject *subject, Oid role)
{
	if (partner_api_server_is_usable(subject->server, role) ||
		(!partner_api_server_exists(subject->server) &&
		 (superuser_arg(role) ||
		  strcmp(subject->requested_by, GetUserNameFromId(role, false)) == 0)))
		return;
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied for foreign server %s",
				   subject->server),
			errhint("Grant USAGE on the foreign server to role \"%s\".",
					GetUserNameFromId(role, false)));
}

/*
 * An action, open or closed, that the role may decide on.  An open one is
 * locked.  To be called between owner begin and end.
 */
static Subject
lock_action(int64 action_id, Oid role)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement open = {
		"SELECT state, server, requested_by,"
		"       coalesce(deadline <= partner_api.clock(), false),"
		"       kind, instance_id, dry_run, arguments ? 'card_fingerprint',"
		"       automatic"
		"  FROM partner_api.pending_actions"
		" WHERE action_id = $1 FOR UPDATE", 1, types, NULL
	};
	static PartnerApiStatement closed = {
		"SELECT state, server, requested_by,"
		"       coalesce(deadline <= partner_api.clock(), false),"
		"       kind, instance_id, dry_run, arguments ? 'card_fingerprint',"
		"       automatic"
		"  FROM partner_api.action_history"
		" WHERE action_id = $1", 1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);
	Subject		subject;
	bool		isnull;

	if (partner_api_execute(&open, &value, NULL, SPI_OK_SELECT) == 0 &&
		partner_api_execute(&closed, &value, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("action " INT64_FORMAT " does not exist", action_id));
	subject.state = partner_api_field_text(0, 1);
	subject.server = partner_api_field_text(0, 2);
	subject.requested_by = partner_api_field_text(0, 3);
	subject.too_late = DatumGetBool(partner_api_field(0, 4, &isnull));
	if (!partner_api_kind_parse(partner_api_field_text(0, 5), &subject.kind))
		elog(ERROR, "unknown kind of action " INT64_FORMAT, action_id);
	subject.instance_id = partner_api_field_text(0, 6);
	subject.dry_run = DatumGetBool(partner_api_field(0, 7, &isnull));
	subject.has_card = DatumGetBool(partner_api_field(0, 8, &isnull));
	subject.automatic = DatumGetBool(partner_api_field(0, 9, &isnull));
	check_right(&subject, role);
	return subject;
}

static void wrong_state(int64 action_id, const char *state,
						const char *wanted, const char *hint)
			pg_attribute_noreturn();

/* Refuse a decision that the state does not allow. */
static void
wrong_state(int64 action_id, const char *state, const char *wanted,
			const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("action " INT64_FORMAT " cannot be %s: it is %s",
				   action_id, wanted, state),
			hint != NULL ? errhint("%s", hint) : 0);
}

/* Is the state one of these? */
static bool
is_one_of(const char *state, const char *one, const char *two,
		  const char *three)
{
	return strcmp(state, one) == 0 || strcmp(state, two) == 0 ||
		strcmp(state, three) == 0;
}

/* ---- cancel_action ---- */

/* Move an open action to the history. */
static void
close_as_cancelled(int64 action_id)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT8OID};
	static PartnerApiStatement statement = {
		PARTNER_API_CLOSE(" SELECT p.action_id"
						  "   FROM partner_api.pending_actions p"
						  "  WHERE p.action_id = $2",
						  "'cancelled'", "last_error"),
		2, types, NULL
	};
	Datum		values[2];

	values[0] = TimestampTzGetDatum(partner_api_clock_now());
	values[1] = Int64GetDatum(action_id);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT_RETURNING);
}

/*
 * SQL: cancel_action(action_id): withdraw an action that is not claimed, or
 * give up one that needs attention.
 */
Datum
partner_api_cancel_action(PG_FUNCTION_ARGS)
{
	int64		action_id = PG_GETARG_INT64(0);
	Oid			role = GetUserId();
	PartnerApiOwnerScope scope;
	Subject		subject;

	PreventCommandIfReadOnly("cancel_action()");
	partner_api_owner_begin(&scope);
	subject = lock_action(action_id, role);
	if (!is_one_of(subject.state, "waiting", "held", "needs_attention"))
		wrong_state(action_id, subject.state, "withdrawn",
					is_one_of(subject.state, "sending", "unknown", "") ?
					"Its request may have had its effect; wait for the outcome." :
					NULL);
	close_as_cancelled(action_id);
	partner_api_note_refusals(&action_id, 1);
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_VOID();
}

/* ---- retry_action ---- */

/*
 * Remember the nonce of a create that is sent again: the effect of its request
 * may still come, and is then known to be this action's.  One with a time but
 * without an attempt was perhaps sent from where this database was before.
 */
static void
keep_nonce(int64 action_id)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.former_nonces (action_id, nonce)"
		" SELECT action_id, nonce FROM partner_api.pending_actions"
		"  WHERE action_id = $1 AND kind = 'create_instance'"
		"    AND (attempts > 0 OR sent_at IS NOT NULL)"
		" UNION ALL"
		" SELECT action_id, nonce FROM partner_api.action_history"
		"  WHERE action_id = $1 AND kind = 'create_instance'"
		"    AND (attempts > 0 OR sent_at IS NOT NULL)",
		1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);

	partner_api_execute(&statement, &value, NULL, SPI_OK_INSERT);
}

/*
 * Make an action wait to be sent again, whether open or closed.  A create gets
 * a new nonce: if the first had its effect after all, the two can be told
 * apart.
 */
static void
rearm(int64 action_id)
{
	static const Oid types[] = {INT8OID, TIMESTAMPTZOID, TEXTOID};
	static PartnerApiStatement reopen = {
		"WITH gone AS (DELETE FROM partner_api.action_history"
		"               WHERE action_id = $1 RETURNING *)"
		" INSERT INTO partner_api.pending_actions (action_id, server, kind,"
		"       state, held_for, instance_id, arguments, customer_ref, run_at,"
		"       deadline, attempts, last_error, nonce, fingerprint,"
		"       requested_by, automatic, idempotency_key, lease, enqueued_at)"
		" SELECT action_id, server, kind,"
		"        CASE WHEN held_for IS NULL THEN 'waiting' ELSE 'held' END,"
		"        held_for, instance_id, arguments, customer_ref, $2,"
		"        deadline, attempts, last_error,"
		"        CASE kind WHEN 'create_instance' THEN $3 ELSE nonce END,"
		"        fingerprint, requested_by,"
		"        automatic, idempotency_key, lease, enqueued_at"
		"   FROM gone", 3, types, NULL
	};
	static PartnerApiStatement resume = {
		"UPDATE partner_api.pending_actions"
		"   SET state = 'waiting', held_for = NULL, run_at = $2, looks = 0,"
		"       announced = 'nothing',"
		"       nonce = CASE kind WHEN 'create_instance' THEN $3"
		"               ELSE nonce END"
		" WHERE action_id = $1", 3, types, NULL
	};
	Datum		values[3];

	keep_nonce(action_id);
	values[0] = Int64GetDatum(action_id);
	values[1] = TimestampTzGetDatum(partner_api_clock_now());
	values[2] = CStringGetTextDatum(partner_api_make_nonce(action_id));
	if (partner_api_execute(&resume, values, NULL, SPI_OK_UPDATE) == 0)
		partner_api_execute(&reopen, values, NULL, SPI_OK_INSERT);
}

/*
 * SQL: rearm_action(action_id): make a closed action wait to be sent again;
 * for functions that have seen to it that this may be.
 */
Datum
partner_api_rearm_action(PG_FUNCTION_ARGS)
{
	PartnerApiOwnerScope scope;

	partner_api_owner_begin(&scope);
	rearm(PG_GETARG_INT64(0));
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_VOID();
}

/*
 * Lock the invoice that an action charges, if it charges one.  Whoever decides
 * on an invoice locks that first, and then its action.
 */
static void
lock_invoice_of(int64 action_id)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"SELECT FROM partner_api.invoices WHERE action_id = $1 FOR UPDATE",
		1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);

	partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT);
}

/*
 * The charge of an invoice is sent again for an invoice that still waits for
 * it: raises ERROR for one that is cancelled, or charged by another action.
 */
static void
reopen_invoice_of(int64 action_id, const Subject *subject)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.reopen_invoice($1)", 1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);

	if (subject->kind == PARTNER_API_CREATE_CHARGE && subject->automatic)
		partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT);
}

/*
 * SQL: retry_action(action_id): send a failed or cancelled action again, or
 * one that needs attention, on the caller's word that it had no effect.
 */
Datum
partner_api_retry_action(PG_FUNCTION_ARGS)
{
	int64		action_id = PG_GETARG_INT64(0);
	Oid			role = GetUserId();
	PartnerApiOwnerScope scope;
	Subject		subject;

	PreventCommandIfReadOnly("retry_action()");
	partner_api_owner_begin(&scope);
	lock_invoice_of(action_id);
	subject = lock_action(action_id, role);
	if (subject.too_late)
		wrong_state(action_id, subject.state, "sent again",
					"Its deadline has passed; enqueue a new action if it still makes sense.");
	if (subject.dry_run)
		wrong_state(action_id, subject.state, "sent again",
					"It belongs to a dry run; call the operation again once the server's mode is live.");
	if (subject.has_card)
		wrong_state(action_id, subject.state, "sent again",
					"Its card data was not kept: resolve it if it is open, and make the call again.");
	if (!is_one_of(subject.state, "failed", "cancelled", "needs_attention"))
		wrong_state(action_id, subject.state, "sent again", NULL);
	reopen_invoice_of(action_id, &subject);
	rearm(action_id);
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_VOID();
}

/* ---- resolve_action ---- */

/* Close an action with what is said of it; texts may be NULL. */
static void
close_as(int64 action_id, const char *state, char *error, char *outcome)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.close_action($1, $2, $3, NULL, $4)",
		4, types, NULL
	};
	Datum		values[4];
	char		nulls[] = "    ";

	values[0] = Int64GetDatum(action_id);
	values[1] = CStringGetTextDatum(state);
	nulls[2] = error == NULL ? 'n' : ' ';
	values[2] = error == NULL ? (Datum) 0 : CStringGetTextDatum(error);
	nulls[3] = outcome == NULL ? 'n' : ' ';
	values[3] = outcome == NULL ? (Datum) 0 : CStringGetTextDatum(outcome);
	partner_api_execute(&statement, values, nulls, SPI_OK_SELECT);
}

/*
 * Raise ERROR unless the instance is known here with its token, and is no
 * other action's.
 */
static void
check_effect(int64 action_id, const Subject *subject, const char *instance_id)
{
	static const Oid types[] = {NAMEOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT i.action_id FROM partner_api.instances i"
		"  JOIN partner_api.instance_secrets s USING (server, instance_id)"
		" WHERE i.server = $1 AND i.instance_id = $2", 2, types, NULL
	};
	NameData	server;
	Datum		values[2];
	bool		isnull;
	int64		made_by;

	namestrcpy(&server, subject->server);
	values[0] = NameGetDatum(&server);
	values[1] = CStringGetTextDatum(instance_id);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("instance \"%s\" of server \"%s\" is not known here with its token",
					   instance_id, subject->server),
				errhint("Run partner_api.sync_instances('%s') first.",
						subject->server));
	made_by = DatumGetInt64(partner_api_field(0, 1, &isnull));
	if (!isnull && made_by != action_id)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("instance \"%s\" is that of action " INT64_FORMAT,
					   instance_id, made_by));
}

/* A create had its effect: this instance, which is the order's from now on. */
static void
confirm_create(int64 action_id, const Subject *subject,
			   const char *instance_id)
{
	static const Oid types[] = {INT8OID, TEXTOID, INTERVALOID, TEXTOID,
	INT8OID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.adopt_effect($1, $2, $3, $4,"
		"  (1000 * extract(epoch FROM partner_api.clock()))::bigint"
		"  + nullif($5, 0))", 5, types, NULL
	};
	ForeignServer *foreign = GetForeignServerByName(subject->server, true);
	List	   *options = foreign == NULL ? NIL : foreign->options;
	Interval	lead = {.time = partner_api_option_interval(options, "sign_lead")};
	int64		ready_ms = foreign == NULL ? 0 :
	partner_api_server_provider(foreign->serverid)->ready_ms;
	Datum		values[5];

	check_effect(action_id, subject, instance_id);
	values[0] = Int64GetDatum(action_id);
	values[1] = CStringGetTextDatum(instance_id);
	values[2] = IntervalPGetDatum(&lead);
	values[3] = CStringGetTextDatum(partner_api_option_text(options,
															"trial_end"));
	values[4] = Int64GetDatum(ready_ms);
	partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
}

/* It is what the action names that can have been changed. */
static void
check_same(int64 action_id, const Subject *subject, const char *id)
{
	if (strcmp(subject->instance_id, id) != 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("action " INT64_FORMAT " is about %s \"%s\"", action_id,
					   partner_api_object_name(partner_api_kind_traits(subject->kind)->object),
					   subject->instance_id),
				errdetail("It cannot have had an effect on \"%s\".", id));
}

/* A charge that is another action's is not the effect of this one. */
static void
check_charge(int64 action_id, const Subject *subject, const char *charge_id)
{
	static const Oid types[] = {NAMEOID, TEXTOID, INT8OID};
	static PartnerApiStatement statement = {
		"SELECT action_id FROM partner_api.payments"
		" WHERE server = $1 AND charge_id = $2 AND action_id <> $3",
		3, types, NULL
	};
	NameData	server;
	Datum		values[3];
	bool		isnull;

	namestrcpy(&server, subject->server);
	values[0] = NameGetDatum(&server);
	values[1] = CStringGetTextDatum(charge_id);
	values[2] = Int64GetDatum(action_id);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("charge \"%s\" is that of action " INT64_FORMAT,
					   charge_id,
					   DatumGetInt64(partner_api_field(0, 1, &isnull))));
}

/* An action on what is no instance had its effect. */
static void
confirm_object(int64 action_id, const Subject *subject, const char *id)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.object_events"
		"       (server, object, object_id, kind, occurred_at, action_id,"
		"        details)"
		" SELECT server, $2, $3, $4, partner_api.clock(), action_id,"
		"        arguments || jsonb_strip_nulls(jsonb_build_object("
		"          'customer_ref', customer_ref))"
		"   FROM partner_api.pending_actions WHERE action_id = $1"
		" RETURNING ARRAY[event_id], details::text", 4, types, NULL
	};
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(subject->kind);
	Datum		values[4];
	Datum		events;
	bool		isnull;

	if (traits->object != PARTNER_API_CARD && !traits->creates)
		check_same(action_id, subject, id);
	if (subject->kind == PARTNER_API_CREATE_CHARGE)
		check_charge(action_id, subject, id);
	values[0] = Int64GetDatum(action_id);
	values[1] = CStringGetTextDatum(partner_api_object_name(traits->object));
	values[2] = CStringGetTextDatum(id);
	values[3] = CStringGetTextDatum(traits->creates ? "adopted" :
									traits->event);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT_RETURNING);
	events = datumCopy(partner_api_field(0, 1, &isnull), false, -1);
	close_as(action_id, "done", NULL, partner_api_field_text(0, 2));
	partner_api_mirror_apply_or_defer(events, PARTNER_API_MIRROR_OBJECTS);
}

/* An action on an instance had its effect. */
static void
confirm_change(int64 action_id, const Subject *subject,
			   const char *instance_id)
{
	static const Oid types[] = {INT8OID, TEXTOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.instance_events"
		"       (server, instance_id, kind, occurred_at, action_id, details)"
		" SELECT server, instance_id, $2, partner_api.clock(), action_id,"
		"        jsonb_strip_nulls(jsonb_build_object("
		"          'with_calls', arguments->'with_calls'))"
		"   FROM partner_api.pending_actions WHERE action_id = $1"
		" RETURNING ARRAY[event_id], details::text", 2, types, NULL
	};
	const char *event = partner_api_kind_traits(subject->kind)->event;
	Datum		values[2];
	Datum		events;
	bool		isnull;

	if (event == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("action " INT64_FORMAT " is about several instances",
					   action_id),
				errhint("Resolve it with null and act on each instance, or give it up with partner_api.cancel_action()."));
	check_same(action_id, subject, instance_id);
	values[0] = Int64GetDatum(action_id);
	values[1] = CStringGetTextDatum(event);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT_RETURNING);
	events = datumCopy(partner_api_field(0, 1, &isnull), false, -1);
	close_as(action_id, "done", NULL, partner_api_field_text(0, 2));
	partner_api_mirror_apply_or_defer(events, PARTNER_API_MIRROR_ALL);
}

/*
 * SQL: resolve_action(action_id, remote_id): what an action came to that
 * looking did not settle.  A look that is under way finds it closed, and
 * writes nothing.
 */
Datum
partner_api_resolve_action(PG_FUNCTION_ARGS)
{
	Oid			role = GetUserId();
	PartnerApiOwnerScope scope;
	Subject		subject;
	int64		action_id;

	PreventCommandIfReadOnly("resolve_action()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("argument \"%s\" must not be null", "action_id"));
	action_id = PG_GETARG_INT64(0);
	partner_api_owner_begin(&scope);
	subject = lock_action(action_id, role);
	if (!is_one_of(subject.state, "needs_attention", "unknown", ""))
		wrong_state(action_id, subject.state, "resolved",
					"Only what is unknown or needs attention is resolved by hand.");
	if (PG_ARGISNULL(1))
	{
		close_as(action_id, "failed",
				 psprintf("no effect, by the word of %s",
						  GetUserNameFromId(role, false)), NULL);
		partner_api_note_refusals(&action_id, 1);
	}
	else if (!partner_api_kind_of_instance(subject.kind))
		confirm_object(action_id, &subject,
					   text_to_cstring(PG_GETARG_TEXT_PP(1)));
	else if (subject.kind == PARTNER_API_CREATE_INSTANCE)
		confirm_create(action_id, &subject,
					   text_to_cstring(PG_GETARG_TEXT_PP(1)));
	else
		confirm_change(action_id, &subject,
					   text_to_cstring(PG_GETARG_TEXT_PP(1)));
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_VOID();
}
