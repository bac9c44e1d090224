/*-------------------------------------------------------------------------
 *
 * foreign_plan.c
 *	  Planning a scan of a provider's list: what the provider is asked for,
 *	  and whether the list is read whole.
 *
 * Equality with a text is handed to the provider where its list can be
 * searched by that column.  The condition stays in the plan as well: what a
 * provider's search matches is not documented.
 *
 * A request costs what thousands of rows cost, so plans differ by the number
 * of pages that they read.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "foreign.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "servers.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"

/* Rows of a list that nobody has analyzed. */
#define UNKNOWN_ROWS 1000
/* A page, in the planner's units: some 50 ms beside 50 us for a disk page. */
#define REQUEST_COST 1000.0

/* What the planner's steps tell each other of a table. */
typedef struct ForeignRel
{
	Oid			table;
	const PartnerApiForeignList *list;
	const PartnerApiProvider *provider;
} ForeignRel;

/* What the provider is to be asked for; NULL where a clause says nothing. */
typedef struct Searches
{
	RestrictInfo *clauses[PARTNER_API_SEARCHES];
	Expr	   *values[PARTNER_API_SEARCHES];
} Searches;

/* ---- sizes ---- */

/* The scan's list and an estimate of its rows; ERROR if there is no list. */
void
partner_api_foreign_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid table)
{
	ForeignRel *foreign = palloc(sizeof(ForeignRel));

	foreign->table = table;
	foreign->list = partner_api_foreign_list(table);
	foreign->provider = partner_api_server_provider(rel->serverid);
	rel->fdw_private = foreign;
	if (rel->tuples < 0)
		rel->tuples = UNKNOWN_ROWS;
	set_baserel_size_estimates(root, rel);
}

/* ---- searches ---- */

/* How the list can be searched by this side of a comparison. */
static PartnerApiSearch
search_of(const RelOptInfo *rel, const Node *side)
{
	const ForeignRel *foreign = rel->fdw_private;
	const Var  *var = (const Var *) side;
	const PartnerApiColumn *column;
	bool		is_searched = foreign->provider->searches_list ||
	partner_api_list_is_searched(foreign->list->list);

	/* another type may accept what differs from the provider's text */
	if (!is_searched || !IsA(side, Var) ||
		var->varno != (int) rel->relid || var->varlevelsup != 0 ||
		var->varattno <= 0 || var->vartype != TEXTOID)
		return PARTNER_API_SEARCH_NONE;
	column = partner_api_foreign_column(foreign->list, foreign->table,
										var->varattno);
	return column == NULL ? PARTNER_API_SEARCH_NONE : column->search;
}

/* Can this side be known before a row of the list is, and searched for? */
static bool
is_search_value(PlannerInfo *root, const RelOptInfo *rel,
				PartnerApiSearch search, Node *side)
{
	if (IsA(side, Const))
		return !((Const *) side)->constisnull &&
			partner_api_foreign_searchable(search,
										   TextDatumGetCString(((Const *) side)->constvalue));
	return !bms_is_member(rel->relid, pull_varnos(root, side)) &&
		!contain_volatile_functions(side) && !contain_subplans(side);
}

/*
 * What a clause lets us ask the provider for, and with which value.  A
 * collation that takes different texts for equal would accept rows that the
 * provider does not.
 */
static PartnerApiSearch
search_in(PlannerInfo *root, const RelOptInfo *rel, const Expr *clause,
		  Expr **value)
{
	const OpExpr *op = (const OpExpr *) clause;

	/* without a collation the comparison itself will raise an error */
	if (!IsA(clause, OpExpr) || op->opno != TextEqualOperator ||
		!OidIsValid(op->inputcollid) ||
		!get_collation_isdeterministic(op->inputcollid))
		return PARTNER_API_SEARCH_NONE;
	for (int side = 0; side < 2; side++)
	{
		Node	   *other = list_nth(op->args, 1 - side);
		PartnerApiSearch search = search_of(rel, list_nth(op->args, side));

		if (search != PARTNER_API_SEARCH_NONE &&
			is_search_value(root, rel, search, other))
		{
			*value = (Expr *) other;
			return search;
		}
	}
	return PARTNER_API_SEARCH_NONE;
}

/* Choose what to ask for, among clauses that all hold: the first of a kind. */
static void
choose_searches(PlannerInfo *root, const RelOptInfo *rel, const List *clauses,
				Searches *searches)
{
	ListCell   *lc;

	foreach(lc, clauses)
	{
		RestrictInfo *clause = lfirst(lc);
		Expr	   *value = NULL;
		PartnerApiSearch search = search_in(root, rel, clause->clause, &value);

		if (search != PARTNER_API_SEARCH_NONE &&
			searches->clauses[search] == NULL)
		{
			searches->clauses[search] = clause;
			searches->values[search] = value;
		}
	}
}

/* ---- paths ---- */

/*
 * May the scan stop before the end of the list?  Then it reads page by page:
 * there is a LIMIT, and nothing stands between it and this table that would
 * read on.
 */
static bool
may_stop(const PlannerInfo *root, const RelOptInfo *rel)
{
	const Query *parse = root->parse;
	const Const *count = (const Const *) parse->limitCount;

	return count != NULL && !(IsA(count, Const) && count->constisnull) &&
		parse->commandType == CMD_SELECT && parse->sortClause == NIL &&
		parse->distinctClause == NIL && parse->groupClause == NIL &&
		parse->groupingSets == NIL && !parse->hasAggs &&
		parse->havingQual == NULL && !parse->hasWindowFuncs &&
		parse->setOperations == NULL &&
		bms_equal(root->all_baserels, rel->relids);
}

/* Add the path that asks for what these clauses allow. */
static void
add_foreign_path(PlannerInfo *root, RelOptInfo *rel, Relids outer)
{
	const ForeignRel *foreign = rel->fdw_private;
	int			page_rows = foreign->provider->page_rows;
	ParamPathInfo *param = NULL;
	List	   *clauses = rel->baserestrictinfo;
	List	   *searched = NIL;
	Searches	searches = {0};
	double		rows = rel->rows;
	double		listed;
	double		pages;
	Cost		total;

	if (!bms_is_empty(outer))
	{
		param = get_baserel_parampathinfo(root, rel, outer);
		clauses = list_concat_copy(clauses, param->ppi_clauses);
		rows = param->ppi_rows;
	}
	choose_searches(root, rel, clauses, &searches);
	for (int i = 0; i < (int) lengthof(searches.clauses); i++)
	{
		if (searches.clauses[i] != NULL)
			searched = lappend(searched, searches.clauses[i]);
	}
	listed = clamp_row_est(rel->tuples *
						   clauselist_selectivity(root, searched, rel->relid,
												  JOIN_INNER, NULL));
	pages = page_rows > 0 ? ceil(listed / page_rows) : 1;
	total = pages * REQUEST_COST + rel->baserestrictcost.startup +
		listed * (cpu_tuple_cost + rel->baserestrictcost.per_tuple);
	add_path(rel, (Path *)
			 partner_api_foreignscan_path_compat(root, rel, rows,
												 may_stop(root, rel) ?
												 REQUEST_COST :
												 pages * REQUEST_COST,
												 total, outer));
}

/* A searchable column in an equivalence class; see planner's paths.h. */
static bool
member_is_searched(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class,
				   EquivalenceMember *member, void *arg)
{
	return search_of(rel, (Node *) member->em_expr) != PARTNER_API_SEARCH_NONE;
}

/* Add a path that asks anew for each row of what the clause joins with. */
static void
add_join_path(PlannerInfo *root, RelOptInfo *rel, const RestrictInfo *clause)
{
	Expr	   *value = NULL;
	Relids		outer;

	(void) search_in(root, rel, clause->clause, &value);
	if (value == NULL)
		return;
	outer = bms_union(clause->clause_relids, rel->lateral_relids);
	outer = bms_del_member(outer, rel->relid);
	if (!bms_is_empty(outer))
		add_foreign_path(root, rel, outer);
}

/* The ways to scan the table: by its own conditions, or joined with others. */
void
partner_api_foreign_paths(PlannerInfo *root, RelOptInfo *rel, Oid table)
{
	List	   *joins;
	ListCell   *lc;

	add_foreign_path(root, rel, rel->lateral_relids);
	foreach(lc, rel->joininfo)
	{
		if (join_clause_is_movable_to(lfirst(lc), rel))
			add_join_path(root, rel, lfirst(lc));
	}
	if (!rel->has_eclass_joins)
		return;
	joins = generate_implied_equalities_for_column(root, rel,
												   member_is_searched, NULL,
												   rel->lateral_referencers);
	foreach(lc, joins)
	{
		if (join_clause_is_movable_to(lfirst(lc), rel))
			add_join_path(root, rel, lfirst(lc));
	}
}

/* ---- plan ---- */

/* The plan of a path; see PartnerApiForeignPlan for what it tells the scan. */
ForeignScan *
partner_api_foreign_plan(PlannerInfo *root, RelOptInfo *rel, Oid table,
						 ForeignPath *path, List *tlist, List *clauses,
						 Plan *outer)
{
	Searches	searches = {0};
	List	   *values = NIL;
	List	   *kinds = NIL;
	bool		streams = may_stop(root, rel);
	int			rows = 0;

	choose_searches(root, rel, clauses, &searches);
	for (int i = 0; i < (int) lengthof(searches.values); i++)
	{
		if (searches.values[i] == NULL)
			continue;
		values = lappend(values, searches.values[i]);
		kinds = lappend_int(kinds, i);
	}
	if (streams && root->limit_tuples > 0 && root->limit_tuples <= INT_MAX)
		rows = (int) root->limit_tuples;
	return make_foreignscan(tlist, extract_actual_clauses(clauses, false),
							rel->relid, values,
							list_make3(makeBoolean(streams), makeInteger(rows),
									   kinds),
							NIL, NIL, outer);
}
