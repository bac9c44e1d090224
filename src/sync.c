/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  sync_instances() and its like: a provider's list brought into the
 *	  mirror.
 *
 * Reading the list is C; what a difference means is SQL, in apply_listing(),
 * apply_object_listing() and apply_charge_listing().
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "arguments.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "json.h"
#include "live.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "owner.h"
#include "redact.h"
#include "sync.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_sync_instances);
PG_FUNCTION_INFO_V1(partner_api_sync_plans);
PG_FUNCTION_INFO_V1(partner_api_sync_subscriptions);
PG_FUNCTION_INFO_V1(partner_api_sync_customers);
PG_FUNCTION_INFO_V1(partner_api_sync_charges);

/*
 * A member as the database can hold it: a character that its encoding lacks
 * costs this text its accents, not the whole list.
 */
static void
put_fitting(json_t *object, const char *key, const char *text)
{
	if (text != NULL && GetDatabaseEncoding() != PG_UTF8)
		text = partner_api_text_to_utf8(partner_api_text_from_utf8(text));
	partner_api_json_put_text(object, key, text);
}

/* One instance of the list as JSON, as apply_listing() reads it. */
static void
append_instance(json_t *listing, const PartnerApiProvider *provider,
				const PartnerApiListRow *row)
{
	json_t	   *object = partner_api_json_append_object(listing);

	put_fitting(object, "instance_id", row->instance_id);
	put_fitting(object, "token", row->instance_token);
	put_fitting(object, "name", row->name);
	put_fitting(object, "payment_status", row->payment_status);
	partner_api_json_put_text(object, "status",
							  partner_api_subscription_name(row->subscription));
	put_fitting(object, "details", row->details);
	partner_api_json_put_int64(object, "created_ms", row->created_ms);
	partner_api_json_put_int64(object, "due_ms", row->due_ms);
	partner_api_json_put_int64(object, "deleted_ms", row->deleted_ms);
	if (!row->connection_unknown)
		partner_api_json_put_bool(object, "connected",
								  row->whatsapp_connected);
	partner_api_json_put_bool(object, "billed_apart", row->billed_apart);
	partner_api_json_put_bool(object, "must_have_token",
							  provider->needs_token(PARTNER_API_DISCONNECT_INSTANCE));
	if (provider->ready_ms > 0)
		partner_api_json_put_int64(object, "await_until",
								   partner_api_unix_ms_from_timestamp(partner_api_clock_now()) +
								   provider->ready_ms);
}

/* Anything else as JSON, as apply_object_listing() reads it. */
static void
append_object(json_t *listing, const PartnerApiListRow *row)
{
	json_t	   *object = partner_api_json_append_object(listing);

	put_fitting(object, "object_id", row->instance_id);
	put_fitting(object, "marked_text", row->name);
	put_fitting(object, "fields", row->fields);
}

/* The list as JSON text in the database's encoding. */
static char *
print_listing(const PartnerApiProvider *provider, PartnerApiList list,
			  const List *rows)
{
	json_t	   *listing = partner_api_json_array();
	ListCell   *lc;

	foreach(lc, rows)
	{
		if (list == PARTNER_API_LIST_INSTANCES)
			append_instance(listing, provider, lfirst(lc));
		else
			append_object(listing, lfirst(lc));
	}
	return partner_api_text_from_utf8(partner_api_json_print(listing));
}

/* Bring a list of instances into the mirror. */
static void
apply_instances(const PartnerApiServer *server, const List *rows)
{
	static const Oid types[] = {NAMEOID, TEXTOID, INTERVALOID, INTERVALOID,
	TEXTOID, TEXTOID, BOOLOID};
	static PartnerApiStatement statement = {
		"SELECT seen, added, changed, missing"
		"  FROM partner_api.apply_listing($1, $2::jsonb, $3, $4, $5, $6, $7)",
		7, types, NULL
	};
	Interval	lag = {.time = server->list_lag};
	Interval	lead = {.time = server->sign_lead};
	NameData	name;
	Datum		arguments[7];

	namestrcpy(&name, server->name);
	arguments[0] = NameGetDatum(&name);
	arguments[1] = CStringGetTextDatum(print_listing(server->provider,
													 PARTNER_API_LIST_INSTANCES,
													 rows));
	arguments[2] = IntervalPGetDatum(&lag);
	arguments[3] = IntervalPGetDatum(&lead);
	arguments[4] = CStringGetTextDatum(server->trial_end);
	arguments[5] = CStringGetTextDatum(server->token_fingerprint);
	arguments[6] = BoolGetDatum(server->provider->removes_surplus);
	partner_api_execute(&statement, arguments, NULL, SPI_OK_SELECT);
}

/* Bring a list of plans, subscriptions or customers into the mirror. */
static void
apply_objects(const PartnerApiServer *server, PartnerApiList list,
			  const List *rows)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID, INTERVALOID};
	static PartnerApiStatement statement = {
		"SELECT seen, added, changed, missing"
		"  FROM partner_api.apply_object_listing($1, $2, $3::jsonb, $4)",
		4, types, NULL
	};
	PartnerApiObject object = partner_api_list_object(list);
	Interval	lag = {.time = server->list_lag};
	NameData	name;
	Datum		arguments[4];

	namestrcpy(&name, server->name);
	arguments[0] = NameGetDatum(&name);
	arguments[1] = CStringGetTextDatum(partner_api_object_name(object));
	arguments[2] = CStringGetTextDatum(print_listing(server->provider,
													 list, rows));
	arguments[3] = IntervalPGetDatum(&lag);
	partner_api_execute(&statement, arguments, NULL, SPI_OK_SELECT);
}

/*
 * Bring a list of charges, that was asked for at "since", into payments.  Only
 * a whole one tells of what is missing.
 */
static void
apply_charges(const PartnerApiServer *server, const PartnerApiFilter *filter,
			  const List *rows, TimestampTz since)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TIMESTAMPTZOID, BOOLOID};
	static PartnerApiStatement statement = {
		"SELECT seen, added, changed, missing"
		"  FROM partner_api.apply_charge_listing($1, $2::jsonb, $3, $4)",
		4, types, NULL
	};
	NameData	name;
	Datum		arguments[4];

	namestrcpy(&name, server->name);
	arguments[0] = NameGetDatum(&name);
	arguments[1] = CStringGetTextDatum(print_listing(server->provider,
													 filter->list, rows));
	arguments[2] = TimestampTzGetDatum(since);
	arguments[3] = BoolGetDatum(filter->query == NULL);
	partner_api_execute(&statement, arguments, NULL, SPI_OK_SELECT);
}

/*
 * Bring a list of a server, whose token is identified, into the mirror, as the
 * owner; "since": when it was asked for.  The counts, PARTNER_API_SYNC_COUNTS
 * of them, are passed by value.
 */
void
partner_api_sync_apply(const PartnerApiServer *server,
					   const PartnerApiFilter *filter, const List *rows,
					   TimestampTz since, Datum *counts, bool *nulls)
{
	if (filter->list == PARTNER_API_LIST_INSTANCES)
		apply_instances(server, rows);
	else if (filter->list == PARTNER_API_LIST_CHARGES)
		apply_charges(server, filter, rows, since);
	else
		apply_objects(server, filter->list, rows);
	for (int i = 0; i < PARTNER_API_SYNC_COUNTS; i++)
		counts[i] = partner_api_field(0, i + 1, &nulls[i]);
}

/*
 * (server) -> seen, added, changed, missing.  The list, or what "query" finds
 * of it, is read before anything is changed.
 */
static Datum
sync_list(FunctionCallInfo fcinfo, PartnerApiList list, const char *query)
{
	PartnerApiServer *server;
	PartnerApiFilter filter = {.list = list,.query = query};
	TimestampTz since = partner_api_clock_now();
	PartnerApiOwnerScope scope;
	TupleDesc	desc;
	List	   *rows;
	Datum		counts[PARTNER_API_SYNC_COUNTS];
	bool		nulls[PARTNER_API_SYNC_COUNTS];

	PreventCommandIfReadOnly(psprintf("sync_%s()",
									  partner_api_list_name(list)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	server = partner_api_live_server(partner_api_argument_server(fcinfo));
	partner_api_live_check_list(server, list);
	partner_api_server_identify_token(server);
	rows = partner_api_live_list(server, &filter);

	partner_api_owner_begin(&scope);
	partner_api_sync_apply(server, &filter, rows, since, counts, nulls);
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), counts,
											 nulls));
}

/* SQL: sync_instances() */
Datum
partner_api_sync_instances(PG_FUNCTION_ARGS)
{
	return sync_list(fcinfo, PARTNER_API_LIST_INSTANCES, NULL);
}

/* SQL: sync_plans() */
Datum
partner_api_sync_plans(PG_FUNCTION_ARGS)
{
	return sync_list(fcinfo, PARTNER_API_LIST_PLANS, NULL);
}

/* SQL: sync_subscriptions() */
Datum
partner_api_sync_subscriptions(PG_FUNCTION_ARGS)
{
	return sync_list(fcinfo, PARTNER_API_LIST_SUBSCRIPTIONS, NULL);
}

/* SQL: sync_customers() */
Datum
partner_api_sync_customers(PG_FUNCTION_ARGS)
{
	return sync_list(fcinfo, PARTNER_API_LIST_CUSTOMERS, NULL);
}

/* SQL: sync_charges(server, query) */
Datum
partner_api_sync_charges(PG_FUNCTION_ARGS)
{
	char	   *query = partner_api_argument_text(fcinfo, 1);

	if (query != NULL)
		query = partner_api_text_to_utf8(query);
	return sync_list(fcinfo, PARTNER_API_LIST_CHARGES, query);
}
