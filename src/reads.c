/*-------------------------------------------------------------------------
 *
 * reads.c
 *	  The SQL functions that read at a provider: live list, status, QR image,
 *	  phone code.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "arguments.h"
#include "catalog/namespace.h"
#include "clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "live.h"
#include "miscadmin.h"
#include "redact.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(partner_api_remote_instances);
PG_FUNCTION_INFO_V1(partner_api_remote_secrets);
PG_FUNCTION_INFO_V1(partner_api_instance_status);
PG_FUNCTION_INFO_V1(partner_api_instance_qr);
PG_FUNCTION_INFO_V1(partner_api_instance_qr_url);
PG_FUNCTION_INFO_V1(partner_api_phone_code);
PG_FUNCTION_INFO_V1(partner_api_instance_settings);

/* A row of the function's result type, which is looked up once a query. */
static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	TupleDesc	desc = fcinfo->flinfo->fn_extra;

	if (desc == NULL)
	{
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		fcinfo->flinfo->fn_extra = BlessTupleDesc(desc);
	}
	MemoryContextSwitchTo(before);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* ---- live list ---- */

/* Set a text column from outside text; NULL is null. */
static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] =
			CStringGetTextDatum(partner_api_redact_whole(text, NIL));
}

/* Set a time column from unix milliseconds; 0 is null. */
static void
set_time(Datum *values, bool *nulls, int column, int64 unix_ms)
{
	nulls[column] = unix_ms == 0;
	values[column] =
		TimestampTzGetDatum(partner_api_timestamp_from_unix_ms(unix_ms));
}

/* One row of remote_instances(). */
static void
put_instance(ReturnSetInfo *rsinfo, const PartnerApiServer *server,
			 const PartnerApiListRow *row)
{
	Datum		values[12];
	bool		nulls[12] = {false};
	NameData	name;

	namestrcpy(&name, server->name);
	values[0] = NameGetDatum(&name);
	set_text(values, nulls, 1, row->instance_id);
	set_text(values, nulls, 2, row->name);
	set_text(values, nulls, 3,
			 partner_api_subscription_name(row->subscription));
	set_text(values, nulls, 4, row->payment_status);
	set_time(values, nulls, 5, row->created_ms);
	set_time(values, nulls, 6, row->due_ms);
	set_text(values, nulls, 7, row->middleware);
	values[8] = BoolGetDatum(row->phone_connected);
	values[9] = BoolGetDatum(row->whatsapp_connected);
	nulls[8] = nulls[9] = row->connection_unknown;
	nulls[10] = row->details == NULL;
	if (row->details != NULL)
		values[10] = DirectFunctionCall1(jsonb_in,
										 CStringGetDatum(partner_api_text_from_utf8(row->details)));
	set_time(values, nulls, 11, row->deleted_ms);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* A text argument as UTF-8; NULL if null. */
static char *
optional_argument(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL :
		partner_api_text_to_utf8(text_to_cstring(PG_GETARG_TEXT_PP(arg)));
}

/* SQL: remote_instances(server, query, middleware): what is there now. */
Datum
partner_api_remote_instances(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PartnerApiServer *server;
	PartnerApiFilter filter = {0};
	ListCell   *lc;

	server = partner_api_live_server(partner_api_argument_server(fcinfo));
	filter.query = optional_argument(fcinfo, 1);
	filter.middleware = optional_argument(fcinfo, 2);
	partner_api_live_check_list(server, filter.list);
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, partner_api_live_list(server, &filter))
		put_instance(rsinfo, server, lfirst(lc));
	return (Datum) 0;
}

/* ---- one instance ---- */

/* Columns of the primary key of tables of instances. */
enum
{
	Key_server = 1,
	Key_instance_id
};

/*
 * A text column of an instance's row in a table whose primary key is (server,
 * instance_id), palloc'd; NULL if there is no row, or it is null.  By that
 * key, without SQL: callers need no right on the table, and a statement would
 * cost as much as the rest of a read.
 */
static char *
find_column(const char *table_name, const char *column, const char *server,
			const char *instance_id)
{
	Oid			namespace = get_namespace_oid("partner_api", false);
	Relation	table = table_open(get_relname_relid(table_name, namespace),
								   AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	NameData	name;
	char	   *value = NULL;

	namestrcpy(&name, server);
	ScanKeyInit(&keys[0], Key_server, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&name));
	ScanKeyEntryInitialize(&keys[1], 0, Key_instance_id,
						   BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(RelationGetDescr(table),
										 Key_instance_id - 1)->attcollation,
						   F_TEXTEQ, CStringGetTextDatum(instance_id));
	scan = systable_beginscan(table, RelationGetPrimaryKeyIndex(table), true,
							  GetActiveSnapshot(), 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple,
										 get_attnum(RelationGetRelid(table),
													column),
										 RelationGetDescr(table), &isnull);

		if (!isnull)
			value = TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return value;
}

/* Where an instance is reached, if not as its provider's rule says. */
static char *
instance_url(const PartnerApiServer *server, const char *instance_id)
{
	if (server->instance_base_url != NULL)
		return pstrdup(server->instance_base_url);
	return server->provider->own_hosts ?
		find_column("instances", "api_url", server->name, instance_id) : NULL;
}

/* The token that addresses an instance; it must be known here. */
static char *
instance_token(const char *server, const char *instance_id)
{
	char	   *token = find_column("instance_secrets", "token", server,
									instance_id);

	if (token == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("instance \"%s\" of server \"%s\" is not known here",
					   instance_id, server),
				errhint("Run partner_api.sync_instances('%s') if it exists at the provider.",
						server));
	return token;
}

/*
 * Answer without a request where the provider can.  Such an answer holds the
 * token of the instance, so it is for whoever may read that: a link is a key.
 */
static bool
answer_here(const PartnerApiServer *server, PartnerApiRead read,
			const PartnerApiTarget *target, PartnerApiReadResult *result)
{
	Oid			namespace = get_namespace_oid("partner_api", false);
	Oid			secrets = get_relname_relid("instance_secrets", namespace);

	if (server->provider->answer_read == NULL ||
		!server->provider->answer_read(read, target, result))
		return false;
	if (pg_class_aclcheck(secrets, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for the link to instance \"%s\"",
					   target->id),
				errdetail("The link holds the token of the instance, which only those see who may read the table instance_secrets."),
				errhint("Use partner_api.instance_qr() for the QR code alone."));
	return true;
}

/* Read something of one instance; raises ERROR if there is no answer. */
static void
read_instance(FunctionCallInfo fcinfo, PartnerApiRead read,
			  const char *parameter, PartnerApiReadResult *result)
{
	PartnerApiServer *server =
	partner_api_live_server(NameStr(*PG_GETARG_NAME(0)));
	char	   *instance_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	PartnerApiTarget target = {.id = instance_id};

	partner_api_check_instance_id(instance_id);
	partner_api_live_check_read(server, read, parameter);
	target.token = instance_token(server->name, instance_id);
	target.url = instance_url(server, instance_id);
	if (!answer_here(server, read, &target, result))
		partner_api_live_read(server, read, &target, parameter, result);
}

/* SQL: instance_status() -> connected, phone_connected, detail */
Datum
partner_api_instance_status(PG_FUNCTION_ARGS)
{
	PartnerApiReadResult result = {0};
	Datum		values[3];
	bool		nulls[3] = {false};

	read_instance(fcinfo, PARTNER_API_READ_STATUS, NULL, &result);
	values[0] = BoolGetDatum(result.connected);
	values[1] = BoolGetDatum(result.phone_connected);
	set_text(values, nulls, 2, result.text);
	return make_row(fcinfo, values, nulls);
}

/* SQL: instance_qr() -> bytea, a PNG image; void after 20 s */
Datum
partner_api_instance_qr(PG_FUNCTION_ARGS)
{
	PartnerApiReadResult result = {0};

	read_instance(fcinfo, PARTNER_API_READ_QR, NULL, &result);
	PG_RETURN_BYTEA_P(result.bytes);
}

/* SQL: instance_qr_url() -> text */
Datum
partner_api_instance_qr_url(PG_FUNCTION_ARGS)
{
	PartnerApiReadResult result = {0};

	read_instance(fcinfo, PARTNER_API_READ_QR_URL, NULL, &result);
	PG_RETURN_DATUM(CStringGetTextDatum(result.text));
}

/* SQL: phone_code(server, instance_id, phone) -> text */
Datum
partner_api_phone_code(PG_FUNCTION_ARGS)
{
	PartnerApiReadResult result = {0};

	read_instance(fcinfo, PARTNER_API_READ_PHONE_CODE,
				  text_to_cstring(PG_GETARG_TEXT_PP(2)), &result);
	PG_RETURN_DATUM(CStringGetTextDatum(result.text));
}

/* SQL: instance_settings(server, instance_id) -> jsonb without secrets */
Datum
partner_api_instance_settings(PG_FUNCTION_ARGS)
{
	PartnerApiReadResult result = {0};

	read_instance(fcinfo, PARTNER_API_READ_SETTINGS, NULL, &result);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(result.text));
}
