/*-------------------------------------------------------------------------
 *
 * foreign_reading.c
 *	  The rows of a provider's list for a scan, read once and kept.
 *
 * Rows go into a tuple store page by page, so that a scan that starts again
 * asks for nothing twice, and memory is bounded however long the list is.
 * A list that is read whole is read again if it changes meanwhile.  One that
 * is read only as far as rows are wanted cannot be: its rows may have been
 * returned, and what cannot be taken back must end in an error.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign.h"
#include "funcapi.h"
#include "json.h"
#include "listing.h"
#include "live.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

struct PartnerApiForeignReading
{
	const PartnerApiServer *server;
	const PartnerApiForeignList *list;
	Relation	table;
	PartnerApiFilter filter;	/* its texts are our own */
	bool		streams;		/* page by page, as rows are wanted */

	/* from a row of the list to one of the table */
	AttInMetadata *input;
	const PartnerApiColumn **columns;	/* NULL for a dropped one */
	AttrNumber	converting;		/* for errors */
	Datum	   *values;
	bool	   *nulls;

	/* the reading itself */
	MemoryContext context;		/* lives as long as the reading */
	MemoryContext listing_context;	/* "listing" */
	MemoryContext page_context; /* one page */
	PartnerApiListing listing;
	int			page;			/* the last one read; 0: none */
	bool		complete;
	Tuplestorestate *rows;
	int64		stored;
	int64		returned;
	int64		pages_asked;	/* in all, for EXPLAIN */
};

/* ---- making one ---- */

/* Look up how each column of the table gets its value. */
static void
map_columns(PartnerApiForeignReading *reading, TupleDesc desc)
{
	reading->input = TupleDescGetAttInMetadata(desc);
	reading->columns = palloc0(sizeof(PartnerApiColumn *) * desc->natts);
	reading->values = palloc(sizeof(Datum) * desc->natts);
	reading->nulls = palloc(sizeof(bool) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			reading->columns[i] =
				partner_api_foreign_column(reading->list,
										   RelationGetRelid(reading->table),
										   i + 1);
	}
}

/*
 * A reading of a list at a server, in the current context; nothing is asked
 * before a row is wanted.
 */
PartnerApiForeignReading *
partner_api_foreign_reading_create(const PartnerApiServer *server,
								   Relation table, TupleDesc desc,
								   bool streams)
{
	PartnerApiForeignReading *reading = palloc0(sizeof(*reading));

	reading->server = server;
	reading->table = table;
	reading->streams = streams;
	reading->context = CurrentMemoryContext;
	reading->listing_context =
		AllocSetContextCreate(CurrentMemoryContext, "partner_api listing",
							  ALLOCSET_DEFAULT_SIZES);
	reading->page_context =
		AllocSetContextCreate(CurrentMemoryContext, "partner_api foreign page",
							  ALLOCSET_DEFAULT_SIZES);
	reading->list = partner_api_foreign_list(RelationGetRelid(table));
	map_columns(reading, desc);
	reading->rows = tuplestore_begin_heap(true, false, work_mem);
	return reading;
}

/* Let go of what memory contexts do not: temporary files. */
void
partner_api_foreign_reading_end(PartnerApiForeignReading *reading)
{
	tuplestore_end(reading->rows);
}

/* How many pages have been asked for. */
int64
partner_api_foreign_reading_pages(const PartnerApiForeignReading *reading)
{
	return reading->pages_asked;
}

/* ---- beginning ---- */

/* Forget what was read, to read from the first page. */
static void
begin_listing(PartnerApiForeignReading *reading)
{
	MemoryContext before;

	MemoryContextReset(reading->listing_context);
	before = MemoryContextSwitchTo(reading->listing_context);
	partner_api_listing_begin(&reading->listing, reading->server->time_zone);
	MemoryContextSwitchTo(before);
	tuplestore_clear(reading->rows);
	reading->stored = reading->returned = 0;
	reading->page = 0;
	reading->complete = false;
}

/* Are these the same text, or both none? */
static bool
same_text(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other :
		strcmp(one, other) == 0;
}

/*
 * Return the rows for a filter from the first on.  Those that have been read
 * for the same filter are kept.
 */
void
partner_api_foreign_reading_start(PartnerApiForeignReading *reading,
								  const PartnerApiFilter *filter)
{
	MemoryContext before;

	if (reading->page > 0 &&
		same_text(reading->filter.query, filter->query) &&
		same_text(reading->filter.middleware, filter->middleware))
	{
		tuplestore_rescan(reading->rows);
		reading->returned = 0;
		return;
	}
	before = MemoryContextSwitchTo(reading->context);
	reading->filter = *filter;
	reading->filter.list = reading->list->list;
	if (filter->query != NULL)
		reading->filter.query = pstrdup(filter->query);
	if (filter->middleware != NULL)
		reading->filter.middleware = pstrdup(filter->middleware);
	MemoryContextSwitchTo(before);
	begin_listing(reading);
}

/* ---- rows ---- */

/* Error context: which column has a type that its value does not fit. */
static void
name_column(void *arg)
{
	const PartnerApiForeignReading *reading = arg;
	TupleDesc	desc = RelationGetDescr(reading->table);

	errcontext("column \"%s\" of foreign table \"%s\"",
			   NameStr(TupleDescAttr(desc, reading->converting)->attname),
			   RelationGetRelationName(reading->table));
}

/* What a row says beyond an instance's members; NULL of an instance. */
static json_t *
parse_fields(const PartnerApiServer *server, const PartnerApiListRow *row)
{
	json_t	   *fields;
	char	   *fault = NULL;

	if (row->fields == NULL)
		return NULL;
	fields = partner_api_json_parse(row->fields, strlen(row->fields), &fault);
	if (fields == NULL)
		elog(ERROR, "fields of a row of server \"%s\" are no JSON: %s",
			 server->name, fault);
	return fields;
}

/* Keep a row of the list as one of the table. */
static void
store_row(PartnerApiForeignReading *reading, const PartnerApiListRow *row)
{
	AttInMetadata *input = reading->input;
	json_t	   *fields = parse_fields(reading->server, row);
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = name_column,
		.arg = reading
	};

	error_context_stack = &context;
	for (int i = 0; i < input->tupdesc->natts; i++)
	{
		const PartnerApiColumn *column = reading->columns[i];
		char	   *text = column == NULL ? NULL :
		partner_api_foreign_value(column, reading->server->name, row, fields);

		reading->converting = i;
		reading->nulls[i] = text == NULL;
		/* a domain may have something against null */
		reading->values[i] = column == NULL ? (Datum) 0 :
			InputFunctionCall(&input->attinfuncs[i], text,
							  input->attioparams[i], input->atttypmods[i]);
	}
	error_context_stack = context.previous;
	tuplestore_putvalues(reading->rows, input->tupdesc, reading->values,
						 reading->nulls);
	reading->stored++;
}

/*
 * Read one more page; false if the list proves to be no whole one.  Under a
 * filter its total is not believed: it may count what the filter leaves out.
 */
static bool
read_page(PartnerApiForeignReading *reading)
{
	MemoryContext before = MemoryContextSwitchTo(reading->page_context);
	PartnerApiPage page = {0};
	ListCell   *lc;
	bool		filtered = reading->filter.query != NULL ||
	reading->filter.middleware != NULL;

	reading->pages_asked++;
	partner_api_live_page(reading->server, &reading->filter, ++reading->page,
						  &reading->listing, &page);
	foreach(lc, page.rows)
		store_row(reading, lfirst(lc));
	reading->complete = page.last;
	MemoryContextSwitchTo(before);
	MemoryContextReset(reading->page_context);
	return !reading->listing.moved &&
		(!reading->complete || filtered ||
		 !partner_api_listing_is_short(&reading->listing));
}

static void refuse_list(const PartnerApiForeignReading *reading)
			pg_attribute_noreturn();

/* Raise ERROR for a list that is not whole. */
static void
refuse_list(const PartnerApiForeignReading *reading)
{
	if (reading->listing.moved && !reading->streams)
		partner_api_live_list_changes(reading->server);
	if (reading->listing.moved)
		ereport(ERROR,
				errcode(ERRCODE_FDW_ERROR),
				errmsg("the list of server \"%s\" changes while it is read",
					   reading->server->name),
				errdetail("Its total was not the same on page %d as on the first; rows may be missing.",
						  reading->page),
				errhint("Try again.  A query without LIMIT reads such a list again by itself."));
	ereport(ERROR,
			errcode(ERRCODE_FDW_ERROR),
			errmsg("the list of server \"%s\" is not whole",
				   reading->server->name),
			errdetail("It says that it has %lld rows, and shows %lld.",
					  (long long) reading->listing.total,
					  (long long) reading->stored),
			errhint("Try again."));
}

/* Read all pages, again if the list changed meanwhile. */
static void
read_whole(PartnerApiForeignReading *reading)
{
	for (int i = 0; i < PARTNER_API_MOST_READINGS; i++)
	{
		bool		whole = true;

		if (i > 0)
			begin_listing(reading);
		while (whole && !reading->complete)
			whole = read_page(reading);
		if (whole)
			return;
	}
	refuse_list(reading);
}

/*
 * The next row in slot, one for minimal tuples; false after the last.  Asks
 * the provider as far as that is needed.  Raises ERROR if the list cannot be
 * read, or turns out not to be whole.
 */
bool
partner_api_foreign_reading_next(PartnerApiForeignReading *reading,
								 TupleTableSlot *slot)
{
	/* its row may move when more are stored */
	ExecClearTuple(slot);
	if (!reading->streams && !reading->complete)
		read_whole(reading);
	while (reading->returned == reading->stored && !reading->complete)
	{
		if (!read_page(reading))
			refuse_list(reading);
	}
	if (reading->returned == reading->stored)
		return false;
	reading->returned++;
	return tuplestore_gettupleslot(reading->rows, true, false, slot);
}
