/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  The SQL functions that change something at a provider: each operation
 *	  once as a call that waits, once as enqueue_...().
 *
 * Arguments are checked here, in the caller's session and with the caller's
 * rights, so that bad input is refused before anything is recorded.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "actions.h"
#include "arguments.h"
#include "cards.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "json.h"
#include "miscadmin.h"
#include "owner.h"
#include "redact.h"
#include "slots.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "wakeup.h"

/* Fills an action from a function's arguments; returns how many it took. */
typedef int (*FillAction) (FunctionCallInfo fcinfo,
						   PartnerApiNewAction *action);

/* ---- arguments ---- */

/* Settings as a JSON object; null is the empty one. */
static json_t *
parse_settings(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg))
		return partner_api_json_object();
	return partner_api_argument_json(fcinfo, arg, "settings");
}

/* Refuse a trial_end that is none; null leaves it to the server. */
static void
check_trial_end(const char *trial_end)
{
	if (trial_end == NULL || strcmp(trial_end, "sign") == 0 ||
		strcmp(trial_end, "lapse") == 0 || strcmp(trial_end, "ask") == 0)
		return;
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("invalid trial_end \"%s\"", trial_end),
			errhint("It must be one of: sign, lapse, ask."));
}

/* (server, instance_name, settings, customer_ref, trial_end, key) */
static int
fill_create(FunctionCallInfo fcinfo, PartnerApiNewAction *action)
{
	json_t	   *arguments = partner_api_json_object();
	char	   *name = partner_api_argument_required(fcinfo, 1, "instance_name");
	char	   *trial_end = partner_api_argument_text(fcinfo, 4);

	check_trial_end(trial_end);
	action->server = partner_api_argument_server(fcinfo);
	partner_api_json_put_text(arguments, "name",
							  partner_api_text_to_utf8(name));
	partner_api_json_put(arguments, "settings", parse_settings(fcinfo, 2));
	partner_api_json_put_text(arguments, "trial_end", trial_end);
	action->arguments = partner_api_canonical_json(arguments);
	action->customer_ref = partner_api_argument_text(fcinfo, 3);
	action->idempotency_key = partner_api_argument_text(fcinfo, 5);
	return 6;
}

/* (server, instance_id, key) */
static int
fill_instance(FunctionCallInfo fcinfo, PartnerApiNewAction *action)
{
	action->server = partner_api_argument_server(fcinfo);
	action->instance_id = partner_api_argument_required(fcinfo, 1, "instance_id");
	action->arguments = "{}";
	action->idempotency_key = partner_api_argument_text(fcinfo, 2);
	return 3;
}

/* (server, instance_id, with_calls, key) */
static int
fill_subscription(FunctionCallInfo fcinfo, PartnerApiNewAction *action)
{
	json_t	   *arguments = partner_api_json_object();

	action->server = partner_api_argument_server(fcinfo);
	action->instance_id = partner_api_argument_required(fcinfo, 1, "instance_id");
	if (!PG_ARGISNULL(2))
		partner_api_json_put_bool(arguments, "with_calls",
								  PG_GETARG_BOOL(2));
	action->arguments = partner_api_canonical_json(arguments);
	action->idempotency_key = partner_api_argument_text(fcinfo, 3);
	return 4;
}

/* The settings that an instance was last asked to have, as JSON text. */
static char *
settings_asked(const PartnerApiNewAction *action)
{
	static const Oid types[] = {NAMEOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT jsonb_build_object('settings', settings_asked)::text"
		"  FROM partner_api.instances"
		" WHERE server = $1 AND instance_id = $2"
		"   AND settings_asked IS NOT NULL", 2, types, NULL
	};
	PartnerApiOwnerScope scope;
	MemoryContext context = CurrentMemoryContext;
	NameData	server;
	Datum		values[2];
	char	   *settings = NULL;

	namestrcpy(&server, action->server);
	values[0] = NameGetDatum(&server);
	values[1] = CStringGetTextDatum(action->instance_id);
	partner_api_owner_begin(&scope);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) > 0)
		settings = MemoryContextStrdup(context, partner_api_field_text(0, 1));
	partner_api_owner_end(&scope);
	return settings;
}

/* (server, instance_id, key): what to compare with is known here */
static int
fill_check(FunctionCallInfo fcinfo, PartnerApiNewAction *action)
{
	int			next = fill_instance(fcinfo, action);

	/* who may not use the server learns nothing of it */
	partner_api_server_check_usage(action->server, action->role);
	action->arguments = settings_asked(action);
	if (action->arguments == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("no settings of instance \"%s\" of server \"%s\" were given here",
					   action->instance_id, action->server),
				errdetail("There is nothing to compare with."),
				errhint("Call partner_api.instance_settings() to see what the provider holds."));
	return next;
}

/* (server, instance_ids, key) */
static int
fill_instances(FunctionCallInfo fcinfo, PartnerApiNewAction *action)
{
	json_t	   *arguments = partner_api_json_object();

	action->server = partner_api_argument_server(fcinfo);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("instance_ids must not be null"));
	partner_api_json_put(arguments, "instance_ids",
						 partner_api_argument_texts(fcinfo, 1,
													"instance_ids"));
	action->arguments = partner_api_canonical_json(arguments);
	action->idempotency_key = partner_api_argument_text(fcinfo, 2);
	return 3;
}

/* ---- enqueue ---- */

/* Record an action in the caller's transaction; returns its action_id. */
static Datum
enqueue(FunctionCallInfo fcinfo, PartnerApiKind kind, FillAction fill)
{
	PartnerApiNewAction action = {.kind = kind,.role = GetUserId()};
	int64		existing;
	int			next;

	PreventCommandIfReadOnly(psprintf("enqueue_%s()",
									  partner_api_kind_name(kind)));
	next = fill(fcinfo, &action);
	action.has_run_at = !PG_ARGISNULL(next);
	if (action.has_run_at)
		action.run_at = PG_GETARG_TIMESTAMPTZ(next);
	action.has_deadline = !PG_ARGISNULL(next + 1);
	if (action.has_deadline)
		action.deadline = PG_GETARG_TIMESTAMPTZ(next + 1);
	existing = partner_api_action_find(&action);
	if (existing != 0)
		PG_RETURN_INT64(existing);
	partner_api_action_check(&action);
	if (action.has_run_at || action.has_deadline)
		partner_api_wake_worker_at_commit();
	else
		partner_api_wake_worker_for_new(partner_api_clock_now());
	PG_RETURN_INT64(partner_api_action_enqueue(&action).action_id);
}

/* ---- call and wait ---- */

/* Raise the error that a waiting call ended with. */
static void
raise_answer(const PartnerApiAnswer *answer)
{
	ereport(ERROR,
			errcode(answer->sqlstate),
			errmsg_internal("%s", answer->message),
			answer->detail != NULL ? errdetail_internal("%s", answer->detail) : 0,
			answer->hint != NULL ? errhint("%s", answer->hint) : 0);
}

/* Hand an action to the worker and wait; raises ERROR unless it is done. */
static PartnerApiAnswer *
call(FunctionCallInfo fcinfo, PartnerApiKind kind, FillAction fill)
{
	PartnerApiNewAction action = {.kind = kind,.role = GetUserId()};
	const char *name = partner_api_kind_name(kind);
	PartnerApiAnswer *answer;

	PreventCommandDuringRecovery(psprintf("%s()", name));
	PreventCommandIfReadOnly(psprintf("%s()", name));
	fill(fcinfo, &action);
	if (partner_api_action_find(&action) == 0)
		partner_api_action_check(&action);
	answer = partner_api_slot_call(&action);
	partner_api_card_forget(&action);
	if (answer->sqlstate != 0)
		raise_answer(answer);
	return answer;
}

static const Oid row_types[] = {TEXTOID};

/* A row of a mirror from its JSON. */
#define ROW_OF(mirror) \
	{"SELECT r FROM pg_catalog.json_populate_record(" \
	 "  NULL::partner_api." mirror ", $1::pg_catalog.json) AS r", \
	 1, row_types, NULL}

/* The JSON itself, of what has no mirror. */
#define AS_JSON \
	{"SELECT $1::pg_catalog.jsonb", 1, row_types, NULL}

static PartnerApiStatement row_statements[PARTNER_API_OBJECTS] = {
	[PARTNER_API_INSTANCE] = ROW_OF("instances"),
	[PARTNER_API_PLAN] = ROW_OF("plans"),
	[PARTNER_API_SUBSCRIPTION] = ROW_OF("subscriptions"),
	[PARTNER_API_CLIENT] = ROW_OF("clients"),
	[PARTNER_API_CARD] = ROW_OF("cards"),
	[PARTNER_API_INVOICE] = AS_JSON,
	[PARTNER_API_CUSTOMER] = ROW_OF("customers"),
	[PARTNER_API_CHARGE] = ROW_OF("payments"),
	[PARTNER_API_RECURRENCE] = AS_JSON,
	[PARTNER_API_NOTIFICATION] = AS_JSON,
	[PARTNER_API_WEBHOOK] = AS_JSON
};

/* The mirror's row of what was acted on, from its JSON; null if none. */
static Datum
row_of(FunctionCallInfo fcinfo, PartnerApiObject object,
	   const PartnerApiAnswer *answer)
{
	PartnerApiOwnerScope scope;
	Datum		value;
	Datum		row;
	bool		isnull;

	if (answer->result == NULL)
		PG_RETURN_NULL();
	value = CStringGetTextDatum(answer->result);
	partner_api_owner_begin(&scope);
	partner_api_execute(&row_statements[object], &value, NULL, SPI_OK_SELECT);
	row = SPI_datumTransfer(partner_api_field(0, 1, &isnull), false, -1);
	partner_api_owner_end(&scope);
	return row;
}

/* Call, wait, and return what was acted on as it is now. */
static Datum
call_for_row(FunctionCallInfo fcinfo, PartnerApiKind kind, FillAction fill)
{
	return row_of(fcinfo, partner_api_kind_traits(kind)->object,
				  call(fcinfo, kind, fill));
}

/* One C function for the waiting form of an operation, one for enqueueing. */
#define OPERATION(name, kind, fill) \
	PG_FUNCTION_INFO_V1(partner_api_##name); \
	PG_FUNCTION_INFO_V1(partner_api_enqueue_##name); \
	Datum \
	partner_api_##name(PG_FUNCTION_ARGS) \
	{ \
		return call_for_row(fcinfo, kind, fill); \
	} \
	Datum \
	partner_api_enqueue_##name(PG_FUNCTION_ARGS) \
	{ \
		return enqueue(fcinfo, kind, fill); \
	}

OPERATION(create_instance, PARTNER_API_CREATE_INSTANCE, fill_create)
OPERATION(sign_instance, PARTNER_API_SIGN_INSTANCE, fill_subscription)
OPERATION(update_subscription, PARTNER_API_UPDATE_SUBSCRIPTION,
		  fill_subscription)
OPERATION(cancel_instance, PARTNER_API_CANCEL_INSTANCE, fill_instance)
OPERATION(delete_instance, PARTNER_API_DELETE_INSTANCE, fill_instance)
OPERATION(disconnect_instance, PARTNER_API_DISCONNECT_INSTANCE,
		  fill_instance)

OPERATION(reboot_instance, PARTNER_API_REBOOT_INSTANCE, fill_instance)
OPERATION(change_settings, PARTNER_API_CHANGE_SETTINGS,
		  partner_api_fill_by_name)
OPERATION(check_settings, PARTNER_API_CHECK_SETTINGS, fill_check)
OPERATION(create_plan, PARTNER_API_CREATE_PLAN, partner_api_fill_by_name)
OPERATION(change_plan, PARTNER_API_CHANGE_PLAN, partner_api_fill_by_name)
OPERATION(delete_plan, PARTNER_API_DELETE_PLAN, partner_api_fill_by_name)
OPERATION(create_subscription, PARTNER_API_CREATE_SUBSCRIPTION,
		  partner_api_fill_by_name)
OPERATION(change_subscription, PARTNER_API_CHANGE_SUBSCRIPTION,
		  partner_api_fill_by_name)
OPERATION(suspend_subscription, PARTNER_API_SUSPEND_SUBSCRIPTION,
		  partner_api_fill_by_name)
OPERATION(reactivate_subscription, PARTNER_API_REACTIVATE_SUBSCRIPTION,
		  partner_api_fill_by_name)
OPERATION(cancel_subscription, PARTNER_API_CANCEL_SUBSCRIPTION,
		  partner_api_fill_by_name)
OPERATION(refund_invoice, PARTNER_API_REFUND_INVOICE,
		  partner_api_fill_by_name)
OPERATION(create_client, PARTNER_API_CREATE_CLIENT, partner_api_fill_by_name)
OPERATION(store_card, PARTNER_API_STORE_CARD, partner_api_fill_by_name)
OPERATION(create_customer, PARTNER_API_CREATE_CUSTOMER,
		  partner_api_fill_by_name)
OPERATION(change_customer, PARTNER_API_CHANGE_CUSTOMER,
		  partner_api_fill_by_name)
OPERATION(delete_customer, PARTNER_API_DELETE_CUSTOMER,
		  partner_api_fill_by_name)
OPERATION(restore_customer, PARTNER_API_RESTORE_CUSTOMER,
		  partner_api_fill_by_name)
OPERATION(create_charge, PARTNER_API_CREATE_CHARGE, partner_api_fill_by_name)
OPERATION(change_charge, PARTNER_API_CHANGE_CHARGE, partner_api_fill_by_name)
OPERATION(delete_charge, PARTNER_API_DELETE_CHARGE, partner_api_fill_by_name)
OPERATION(restore_charge, PARTNER_API_RESTORE_CHARGE, partner_api_fill_by_name)
OPERATION(refund_charge, PARTNER_API_REFUND_CHARGE, partner_api_fill_by_name)
OPERATION(receive_charge, PARTNER_API_RECEIVE_CHARGE, partner_api_fill_by_name)
OPERATION(undo_receive_charge, PARTNER_API_UNDO_RECEIVE_CHARGE,
		  partner_api_fill_by_name)
OPERATION(create_recurrence, PARTNER_API_CREATE_RECURRENCE,
		  partner_api_fill_by_name)
OPERATION(change_recurrence, PARTNER_API_CHANGE_RECURRENCE,
		  partner_api_fill_by_name)
OPERATION(delete_recurrence, PARTNER_API_DELETE_RECURRENCE,
		  partner_api_fill_by_name)
OPERATION(check_notifications, PARTNER_API_CHECK_NOTIFICATIONS,
		  partner_api_fill_by_name)
OPERATION(change_notifications, PARTNER_API_CHANGE_NOTIFICATIONS,
		  partner_api_fill_by_name)
OPERATION(create_webhook, PARTNER_API_CREATE_WEBHOOK, partner_api_fill_by_name)
OPERATION(change_webhook, PARTNER_API_CHANGE_WEBHOOK, partner_api_fill_by_name)
OPERATION(delete_webhook, PARTNER_API_DELETE_WEBHOOK, partner_api_fill_by_name)

/* ---- what is recorded in SQL ---- */

PG_FUNCTION_INFO_V1(partner_api_check_arguments);

/* SQL: check_arguments(server, kind, object_id, arguments) */
Datum
partner_api_check_arguments(PG_FUNCTION_ARGS)
{
	char	   *server = partner_api_argument_server(fcinfo);
	char	   *kind = partner_api_argument_required(fcinfo, 1, "kind");
	Oid			oid = get_foreign_server_oid(server, false);
	PartnerApiNewAction action = {.server = server};

	if (!partner_api_kind_parse(kind, &action.kind))
		elog(ERROR, "unknown kind of action \"%s\"", kind);
	action.instance_id = partner_api_argument_text(fcinfo, 2);
	action.arguments =
		partner_api_canonical_json(partner_api_argument_json(fcinfo, 3,
															 "arguments"));
	partner_api_action_check_arguments(partner_api_server_provider(oid),
									   &action);
	PG_RETURN_VOID();
}

/* ---- bulk deletes ---- */

PG_FUNCTION_INFO_V1(partner_api_delete_instances);
PG_FUNCTION_INFO_V1(partner_api_enqueue_delete_instances);

/* SQL: enqueue_delete_instances() */
Datum
partner_api_enqueue_delete_instances(PG_FUNCTION_ARGS)
{
	return enqueue(fcinfo, PARTNER_API_DELETE_INSTANCES, fill_instances);
}

/* Text of the database from UTF-8. */
static Datum
text_from_utf8(const char *utf8)
{
	return CStringGetTextDatum(partner_api_text_from_utf8(utf8));
}

/*
 * SQL: delete_instances(), one row for each instance: what the provider said
 * of it.
 */
Datum
partner_api_delete_instances(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PartnerApiAnswer *answer = call(fcinfo, PARTNER_API_DELETE_INSTANCES,
									fill_instances);
	char	   *utf8;
	char	   *error;
	json_t	   *outcomes;

	InitMaterializedSRF(fcinfo, 0);
	if (answer->result == NULL)
		return (Datum) 0;
	utf8 = partner_api_text_to_utf8(answer->result);
	outcomes = partner_api_json_parse(utf8, strlen(utf8), &error);
	for (int i = 0; i < partner_api_json_count(outcomes); i++)
	{
		json_t	   *outcome = partner_api_json_at(outcomes, i);
		Datum		values[3];
		bool		nulls[3] = {false};
		char	   *detail = partner_api_json_string(outcome, "detail");
		char	   *id = partner_api_json_string(outcome, "instance_id");

		values[0] = text_from_utf8(id);
		values[1] = BoolGetDatum(partner_api_json_true(outcome, "deleted"));
		nulls[2] = detail == NULL;
		if (detail != NULL)
			values[2] = text_from_utf8(detail);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
