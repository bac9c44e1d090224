/*-------------------------------------------------------------------------
 *
 * foreign.h
 *	  Foreign tables that list a provider when they are scanned.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_FOREIGN_H
#define PARTNER_API_FOREIGN_H

#include "postgres.h"

#include "access/attnum.h"
#include "foreign/fdwapi.h"
#include "servers.h"

/* What a provider's list can be searched by. */
typedef enum PartnerApiSearch
{
	PARTNER_API_SEARCH_NONE,
	PARTNER_API_SEARCH_QUERY,	/* PartnerApiFilter.query */
	PARTNER_API_SEARCH_MIDDLEWARE,	/* PartnerApiFilter.middleware */
	/* the others are terms of PartnerApiFilter.query */
	PARTNER_API_SEARCH_CUSTOMER,
	PARTNER_API_SEARCH_RECURRENCE,
	PARTNER_API_SEARCH_STATUS,
	PARTNER_API_SEARCH_BILLING_TYPE,
	PARTNER_API_SEARCH_DOCUMENT,
	PARTNER_API_SEARCH_EMAIL,
	PARTNER_API_SEARCH_REFERENCE
} PartnerApiSearch;

#define PARTNER_API_SEARCHES (PARTNER_API_SEARCH_REFERENCE + 1)

/* How the value of a column comes out of a row of a list. */
typedef enum PartnerApiColumnKind
{
	PARTNER_API_COLUMN_SERVER,	/* the name of the server */
	PARTNER_API_COLUMN_STATUS,	/* the subscription, in our words */
	PARTNER_API_COLUMN_TEXT,	/* a string of the row */
	PARTNER_API_COLUMN_TIME,	/* unix milliseconds of the row */
	PARTNER_API_COLUMN_BOOL,	/* a boolean of the row */
	PARTNER_API_COLUMN_JSON,	/* JSON text of the row */
	PARTNER_API_COLUMN_FIELD,	/* member of the row's "fields" */
	PARTNER_API_COLUMN_JSON_FIELD	/* the same, and JSON itself */
} PartnerApiColumnKind;

typedef struct PartnerApiColumn
{
	const char *name;
	const char *type;			/* with its schema */
	PartnerApiColumnKind kind;
	size_t		offset;			/* of the row's member */
	PartnerApiSearch search;
} PartnerApiColumn;

/* A list that can be a foreign table: value of the table's option "list". */
typedef struct PartnerApiForeignList
{
	PartnerApiList list;
	const char *name;
	const PartnerApiColumn *columns;
	int			column_count;
} PartnerApiForeignList;

/* Members of the fdw_private of a plan. */
typedef enum PartnerApiForeignPlan
{
	PARTNER_API_PLAN_STREAMS,	/* Boolean: page by page, as rows are wanted */
	PARTNER_API_PLAN_STOPS_AFTER,	/* Integer: rows; 0 if not known */
	PARTNER_API_PLAN_SEARCHES	/* IntList: what each of fdw_exprs is for */
} PartnerApiForeignPlan;

/* The rows of a list for one scan: see foreign_reading.c. */
typedef struct PartnerApiForeignReading PartnerApiForeignReading;

/* foreign_lists.c */
extern const PartnerApiForeignList *partner_api_foreign_list_at(int index);
extern const PartnerApiForeignList *partner_api_foreign_list(Oid table);
extern bool partner_api_foreign_list_offered(const PartnerApiForeignList *list,
											 const PartnerApiProvider *provider);
extern const PartnerApiColumn *partner_api_foreign_column(const PartnerApiForeignList *list,
														  Oid table,
														  AttrNumber attribute);
extern char *partner_api_foreign_value(const PartnerApiColumn *column,
									   const char *server_name,
									   const PartnerApiListRow *row,
									   const json_t *fields);
extern bool partner_api_foreign_searchable(PartnerApiSearch search,
										   const char *value);
extern const char *partner_api_foreign_search_name(PartnerApiSearch search);

/* foreign_plan.c */
extern void partner_api_foreign_rel_size(PlannerInfo *root,
										 RelOptInfo *rel, Oid table);
extern void partner_api_foreign_paths(PlannerInfo *root, RelOptInfo *rel,
									  Oid table);
extern ForeignScan *partner_api_foreign_plan(PlannerInfo *root,
											 RelOptInfo *rel, Oid table,
											 ForeignPath *path, List *tlist,
											 List *clauses, Plan *outer);

/* foreign_reading.c */
extern PartnerApiForeignReading *partner_api_foreign_reading_create(const PartnerApiServer *server,
																	Relation table,
																	TupleDesc desc,
																	bool streams);
extern void partner_api_foreign_reading_start(PartnerApiForeignReading *reading,
											  const PartnerApiFilter *filter);
extern bool partner_api_foreign_reading_next(PartnerApiForeignReading *reading,
											 TupleTableSlot *slot);
extern int64 partner_api_foreign_reading_pages(const PartnerApiForeignReading *reading);
extern void partner_api_foreign_reading_end(PartnerApiForeignReading *reading);

/* foreign_analyze.c */
extern bool partner_api_foreign_analyze(Relation table,
										AcquireSampleRowsFunc *function,
										BlockNumber *pages);

/* foreign_scan.c */
extern PartnerApiServer *partner_api_foreign_server(Relation table, Oid role);
extern void partner_api_foreign_begin(ForeignScanState *node, int flags);
extern TupleTableSlot *partner_api_foreign_iterate(ForeignScanState *node);
extern void partner_api_foreign_rescan(ForeignScanState *node);
extern void partner_api_foreign_end(ForeignScanState *node);
extern void partner_api_foreign_explain(ForeignScanState *node,
										struct ExplainState *es);

#endif							/* PARTNER_API_FOREIGN_H */
