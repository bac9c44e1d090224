/*-------------------------------------------------------------------------
 *
 * foreign_scan.c
 *	  Scanning a foreign table: the executor's side.
 *
 * A list is read with the rights of whoever the plan says: the caller, or the
 * owner of the view that names the table.  That role needs USAGE on the server
 * and a user mapping, as for every other read.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "foreign.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "providers/common.h"
#include "redact.h"
#include "servers.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "compat.h"

/* A scan that is running. */
typedef struct ForeignScanning
{
	PartnerApiForeignReading *reading;
	TupleTableSlot *slot;
	List	   *values;			/* of ExprState *: what to search for */
	bool		started;
	bool		is_empty;		/* a condition is null: nothing meets it */
} ForeignScanning;

/* A member of what the planner left for the scan. */
static Node *
plan_member(const ForeignScanState *node, PartnerApiForeignPlan member)
{
	const ForeignScan *plan = (const ForeignScan *) node->ss.ps.plan;

	return list_nth(plan->fdw_private, member);
}

/* ---- begin ---- */

/*
 * The server of a foreign table as "role" may use it, with the credential.
 * Raises ERROR if it may not.
 */
PartnerApiServer *
partner_api_foreign_server(Relation table, Oid role)
{
	Oid			oid = GetForeignTable(RelationGetRelid(table))->serverid;
	PartnerApiServer *server;

	server = partner_api_server_load(GetForeignServer(oid)->servername, role);
	partner_api_server_load_credential(server, role);
	return server;
}

/* See fdwapi.h.  An EXPLAIN that runs nothing needs no right and no token. */
void
partner_api_foreign_begin(ForeignScanState *node, int flags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TupleDesc	desc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	Relation	table = node->ss.ss_currentRelation;
	PartnerApiServer *server;
	ForeignScanning *scan;

	if (flags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan = palloc0(sizeof(ForeignScanning));
	scan->values = ExecInitExprList(plan->fdw_exprs, &node->ss.ps);
	scan->slot = ExecInitExtraTupleSlot(node->ss.ps.state, desc,
										&TTSOpsMinimalTuple);
	server = partner_api_foreign_server(table,
										partner_api_scan_role_compat(node));
	scan->reading =
		partner_api_foreign_reading_create(server, table, desc,
										   boolVal(plan_member(node, PARTNER_API_PLAN_STREAMS)));
	node->fdw_state = scan;
}

/* ---- rows ---- */

/* Add to the filter, unless the provider cannot be asked for the value. */
static void
set_filter(PartnerApiFilter *filter, PartnerApiSearch search,
		   const char *value)
{
	if (!partner_api_foreign_searchable(search, value))
		return;
	value = partner_api_text_to_utf8(value);
	if (search == PARTNER_API_SEARCH_QUERY)
		filter->query = value;
	else if (search == PARTNER_API_SEARCH_MIDDLEWARE)
		filter->middleware = value;
	else
		filter->query = psprintf("%s%s%s=%s",
								 filter->query == NULL ? "" : filter->query,
								 filter->query == NULL ? "" : "&",
								 partner_api_foreign_search_name(search),
								 partner_api_url_encode(value));
}

/* Compute what to search for, and start to read. */
static void
start_reading(ForeignScanState *node)
{
	ForeignScanning *scan = node->fdw_state;
	List	   *searches = (List *) plan_member(node,
												PARTNER_API_PLAN_SEARCHES);
	ExprContext *context = node->ss.ps.ps_ExprContext;
	MemoryContext before =
	MemoryContextSwitchTo(context->ecxt_per_tuple_memory);
	PartnerApiFilter filter = {0};
	ListCell   *value;
	ListCell   *search;

	scan->is_empty = false;
	forboth(value, scan->values, search, searches)
	{
		bool		isnull;
		Datum		datum = ExecEvalExpr((ExprState *) lfirst(value), context,
										 &isnull);

		if (isnull)
			scan->is_empty = true;
		else
			set_filter(&filter, lfirst_int(search),
					   TextDatumGetCString(datum));
	}
	if (!scan->is_empty)
		partner_api_foreign_reading_start(scan->reading, &filter);
	MemoryContextSwitchTo(before);
	scan->started = true;
}

/* See fdwapi.h. */
TupleTableSlot *
partner_api_foreign_iterate(ForeignScanState *node)
{
	ForeignScanning *scan = node->fdw_state;

	if (!scan->started)
		start_reading(node);
	if (scan->is_empty ||
		!partner_api_foreign_reading_next(scan->reading, scan->slot))
		return ExecClearTuple(scan->slot);
	return scan->slot;
}

/* See fdwapi.h.  What is searched for may have changed. */
void
partner_api_foreign_rescan(ForeignScanState *node)
{
	ForeignScanning *scan = node->fdw_state;

	scan->started = false;
}

/* See fdwapi.h. */
void
partner_api_foreign_end(ForeignScanState *node)
{
	ForeignScanning *scan = node->fdw_state;

	if (scan != NULL)
		partner_api_foreign_reading_end(scan->reading);
}

/* ---- EXPLAIN ---- */

/* What the provider is searched for, in words; NULL for nothing. */
static char *
filter_words(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List	   *searches = (List *) plan_member(node,
												PARTNER_API_PLAN_SEARCHES);
	List	   *context = set_deparse_context_plan(es->deparse_cxt,
												   (Plan *) plan, NIL);
	StringInfoData words;
	ListCell   *value;
	ListCell   *search;

	initStringInfo(&words);
	forboth(value, plan->fdw_exprs, search, searches)
		appendStringInfo(&words, "%s%s = %s", words.len > 0 ? ", " : "",
						 partner_api_foreign_search_name(lfirst_int(search)),
						 deparse_expression(lfirst(value), context, false,
											false));
	return words.len > 0 ? words.data : NULL;
}

/* See fdwapi.h. */
void
partner_api_foreign_explain(ForeignScanState *node, ExplainState *es)
{
	Oid			table = RelationGetRelid(node->ss.ss_currentRelation);
	ForeignScanning *scan = node->fdw_state;
	char	   *filter = filter_words(node, es);
	int			rows = intVal(plan_member(node,
										  PARTNER_API_PLAN_STOPS_AFTER));

	ExplainPropertyText("Provider List", partner_api_foreign_list(table)->name,
						es);
	if (filter != NULL)
		ExplainPropertyText("Provider Filter", filter, es);
	if (rows > 0)
		ExplainPropertyInteger("Stops After", "rows", rows, es);
	else if (boolVal(plan_member(node, PARTNER_API_PLAN_STREAMS)))
		ExplainPropertyText("Stops After", "LIMIT", es);
	if (es->analyze && scan != NULL)
		ExplainPropertyInteger("Provider Pages", NULL,
							   partner_api_foreign_reading_pages(scan->reading),
							   es);
}
