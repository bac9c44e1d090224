/*-------------------------------------------------------------------------
 *
 * on_behalf.c
 *	  SQL functions that act on our tables for a caller who has no right on
 *	  them, and are written in PL/pgSQL.
 *
 * A function with SECURITY DEFINER does not learn who called it: the session's
 * role is not the caller where a business function has the rights of its own
 * owner, and a superuser's session may run anybody's trigger.  So what callers
 * see is a C function, which knows; "f(...)" runs "f_for(caller text,
 * arguments jsonb)", as the owner.  The arguments are there by their names,
 * without those that are null.  It is for that function to see to it that the
 * caller may use the servers that it acts on: check_use() below.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "actions.h"
#include "arguments.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "owner.h"
#include "providers/common.h"
#include "servers.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_check_use);
PG_FUNCTION_INFO_V1(partner_api_enqueue_for);
PG_FUNCTION_INFO_V1(partner_api_on_behalf);
PG_FUNCTION_INFO_V1(partner_api_refuse_sql);
PG_FUNCTION_INFO_V1(partner_api_server_supports);

/* What a function runs; kept for the session, as its plan is. */
typedef struct Deed
{
	Oid			function;		/* hash key */
	PartnerApiStatement statement;
} Deed;

/* The statement of a function: its rows, or its value. */
static PartnerApiStatement *
find_statement(Oid function, bool rows)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	static HTAB *deeds = NULL;
	Deed	   *deed;
	bool		found;

	if (deeds == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid),
		.entrysize = sizeof(Deed)};

		deeds = hash_create("partner_api deeds", 32, &control,
							HASH_ELEM | HASH_BLOBS);
	}
	deed = hash_search(deeds, &function, HASH_ENTER, &found);
	if (!found)
	{
		memset(&deed->statement, 0, sizeof(deed->statement));
		deed->statement.nargs = lengthof(types);
		deed->statement.types = types;
	}
	if (deed->statement.sql == NULL)
		deed->statement.sql =
			MemoryContextStrdup(TopMemoryContext,
								psprintf(rows ? "SELECT * FROM partner_api.%s_for($1, $2::pg_catalog.jsonb)" :
										 "SELECT partner_api.%s_for($1, $2::pg_catalog.jsonb)",
										 get_func_name(function)));
	return &deed->statement;
}

/* Hand the rows of the last statement to the caller. */
static void
return_rows(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[row]);
}

/* Hand its value to the caller; to be called before owner end. */
static Datum
return_value(FunctionCallInfo fcinfo)
{
	int16		len;
	bool		by_value;
	Datum		value;

	get_typlenbyval(get_func_rettype(fcinfo->flinfo->fn_oid), &len,
					&by_value);
	value = partner_api_field(0, 1, &fcinfo->isnull);
	return fcinfo->isnull ? (Datum) 0 :
		SPI_datumTransfer(value, by_value, len);
}

/*
 * SQL: any function that is declared with this symbol; see above.
 */
Datum
partner_api_on_behalf(PG_FUNCTION_ARGS)
{
	bool		rows = fcinfo->flinfo->fn_retset;
	PartnerApiStatement *statement =
	find_statement(fcinfo->flinfo->fn_oid, rows);
	PartnerApiOwnerScope scope;
	Datum		values[2];
	Datum		result = (Datum) 0;

	PreventCommandIfReadOnly(psprintf("%s()",
									  get_func_name(fcinfo->flinfo->fn_oid)));
	values[0] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[1] = CStringGetTextDatum(partner_api_arguments_by_name(fcinfo));
	if (rows)
		InitMaterializedSRF(fcinfo, 0);
	partner_api_owner_begin(&scope);
	partner_api_execute(statement, values, NULL, SPI_OK_SELECT);
	if (rows)
		return_rows(fcinfo);
	else
		result = return_value(fcinfo);
	partner_api_owner_end(&scope);
	return result;
}

/* The kind of a name that our own SQL has. */
static PartnerApiKind
parse_kind(const char *name)
{
	PartnerApiKind kind;

	if (!partner_api_kind_parse(name, &kind))
		elog(ERROR, "unknown operation \"%s\"", name);
	return kind;
}

/*
 * SQL: check_use(server, caller, kind): raise ERROR unless there is such a
 * server, the caller may use it, and its provider has the operation, if one is
 * given.
 */
Datum
partner_api_check_use(PG_FUNCTION_ARGS)
{
	char	   *name = partner_api_argument_server(fcinfo);
	char	   *caller = partner_api_argument_required(fcinfo, 1, "caller");
	char	   *kind_name = partner_api_argument_text(fcinfo, 2);
	PartnerApiServer *server;

	server = partner_api_server_load(name, get_role_oid(caller, false));
	if (kind_name == NULL)
		PG_RETURN_VOID();
	partner_api_action_check_supported(server, parse_kind(kind_name));
	PG_RETURN_VOID();
}

/*
 * SQL: enqueue_for(caller, server, kind, instance_id): an action without
 * arguments, as enqueue_...() records it for its caller.
 */
Datum
partner_api_enqueue_for(PG_FUNCTION_ARGS)
{
	PartnerApiNewAction action = {
		.kind = parse_kind(text_to_cstring(PG_GETARG_TEXT_PP(2))),
		.role = get_role_oid(text_to_cstring(PG_GETARG_TEXT_PP(0)), false),
		.server = NameStr(*PG_GETARG_NAME(1)),
		.instance_id = text_to_cstring(PG_GETARG_TEXT_PP(3)),
		.arguments = "{}"
	};

	partner_api_action_check(&action);
	partner_api_wake_worker_for_new(partner_api_clock_now());
	PG_RETURN_INT64(partner_api_action_enqueue(&action).action_id);
}

/*
 * SQL: server_supports(server, kind): has its provider the operation?  Null if
 * there is no such server.
 */
Datum
partner_api_server_supports(PG_FUNCTION_ARGS)
{
	Oid			server =
	get_foreign_server_oid(NameStr(*PG_GETARG_NAME(0)), true);
	PartnerApiKind kind = parse_kind(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	const char *hint;

	if (!OidIsValid(server))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(partner_api_server_provider(server)->supports(kind,
																 &hint));
}

/* SQL: refuse(argument, must, detail, hint): raise ERROR for an argument. */
Datum
partner_api_refuse_sql(PG_FUNCTION_ARGS)
{
	char	   *texts[4];

	for (int arg = 0; arg < 4; arg++)
		texts[arg] = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	partner_api_refuse(texts[0], texts[1], texts[2], texts[3]);
	PG_RETURN_VOID();
}
