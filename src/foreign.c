/*-------------------------------------------------------------------------
 *
 * foreign.c
 *	  The handler of the foreign-data wrapper, and IMPORT FOREIGN SCHEMA.
 *
 * The tables can be scanned and nothing else: what changes something at a
 * provider is an action, with a record, and never a row that is written.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "servers.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(partner_api_handler);

/* The only schema that servers have. */
#define REMOTE_SCHEMA "partner_api"

/* ---- import ---- */

/* The statement that makes a foreign table of a list. */
static char *
create_statement(const PartnerApiForeignList *list, const char *server_name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE FOREIGN TABLE %s (",
					 quote_identifier(list->name));
	for (int i = 0; i < list->column_count; i++)
		appendStringInfo(&sql, "%s%s %s", i > 0 ? ", " : "",
						 quote_identifier(list->columns[i].name),
						 list->columns[i].type);
	appendStringInfo(&sql, ") SERVER %s OPTIONS (list %s)",
					 quote_identifier(server_name),
					 quote_literal_cstr(list->name));
	return sql.data;
}

/*
 * See fdwapi.h: a table for each list of the provider.  LIMIT TO and EXCEPT
 * are seen to by the caller.
 */
static List *
import_schema(ImportForeignSchemaStmt *statement, Oid server)
{
	const PartnerApiProvider *provider = partner_api_server_provider(server);
	const PartnerApiForeignList *list;
	List	   *commands = NIL;

	if (strcmp(statement->remote_schema, REMOTE_SCHEMA) != 0)
		ereport(ERROR,
				errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				errmsg("server \"%s\" has no schema \"%s\"",
					   statement->server_name, statement->remote_schema),
				errhint("Its only schema is \"%s\".", REMOTE_SCHEMA));
	if (statement->options != NIL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("invalid option \"%s\"",
					   ((DefElem *) linitial(statement->options))->defname),
				errhint("There are no valid options in this context."));
	for (int i = 0; (list = partner_api_foreign_list_at(i)) != NULL; i++)
	{
		if (partner_api_foreign_list_offered(list, provider))
			commands = lappend(commands,
							   create_statement(list,
												statement->server_name));
	}
	return commands;
}

/* ---- handler ---- */

/* SQL: the wrapper's handler. */
Datum
partner_api_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = partner_api_foreign_rel_size;
	routine->GetForeignPaths = partner_api_foreign_paths;
	routine->GetForeignPlan = partner_api_foreign_plan;
	routine->BeginForeignScan = partner_api_foreign_begin;
	routine->IterateForeignScan = partner_api_foreign_iterate;
	routine->ReScanForeignScan = partner_api_foreign_rescan;
	routine->EndForeignScan = partner_api_foreign_end;
	routine->ExplainForeignScan = partner_api_foreign_explain;
	routine->AnalyzeForeignTable = partner_api_foreign_analyze;
	routine->ImportForeignSchema = import_schema;
	PG_RETURN_POINTER(routine);
}
