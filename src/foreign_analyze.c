/*-------------------------------------------------------------------------
 *
 * foreign_analyze.c
 *	  ANALYZE of a foreign table.
 *
 * The provider has no samples to give, so the list is read whole, and the
 * planner learns how many pages it has.  Only who says ANALYZE has that done:
 * a background process must not send requests that nobody asked for.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "executor/tuptable.h"
#include "foreign.h"
#include "utils/rel.h"
#include "utils/sampling.h"

/* A sample of fixed size of rows that come one by one. */
typedef struct Reservoir
{
	ReservoirStateData state;
	HeapTuple  *rows;
	int			size;
	int			filled;
	double		met;			/* rows so far */
	double		to_skip;		/* before the next is taken; negative: ask */
} Reservoir;

/* Show a row to the sample, which takes it in or not. */
static void
offer_row(Reservoir *sample, TupleTableSlot *slot)
{
	int			place;

	if (sample->filled < sample->size)
		sample->rows[sample->filled++] = ExecCopySlotHeapTuple(slot);
	else
	{
		if (sample->to_skip < 0)
			sample->to_skip = reservoir_get_next_S(&sample->state, sample->met,
												   sample->size);
		if (sample->to_skip <= 0)
		{
			place = (int) (sample->size *
						   sampler_random_fract(&sample->state.randstate));
			heap_freetuple(sample->rows[place]);
			sample->rows[place] = ExecCopySlotHeapTuple(slot);
		}
		sample->to_skip--;
	}
	sample->met++;
}

/* Take a sample of the list; see fdwapi.h. */
static int
acquire_sample(Relation table, int elevel, HeapTuple *rows, int size,
			   double *total, double *dead)
{
	Reservoir	sample = {.rows = rows,.size = size,.to_skip = -1};
	PartnerApiFilter filter = {0};
	PartnerApiServer *server =
	partner_api_foreign_server(table, table->rd_rel->relowner);
	PartnerApiForeignReading *reading;
	TupleTableSlot *slot;

	reading = partner_api_foreign_reading_create(server, table,
												 RelationGetDescr(table),
												 false);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(table),
									&TTSOpsMinimalTuple);
	reservoir_init_selection_state(&sample.state, size);
	partner_api_foreign_reading_start(reading, &filter);
	while (partner_api_foreign_reading_next(reading, slot))
		offer_row(&sample, slot);
	ExecDropSingleTupleTableSlot(slot);
	*total = sample.met;
	*dead = 0;
	ereport(elevel,
			errmsg("\"%s\": the list has %.0f rows on %lld pages; %d rows in sample",
				   RelationGetRelationName(table), sample.met,
				   (long long) partner_api_foreign_reading_pages(reading),
				   sample.filled));
	partner_api_foreign_reading_end(reading);
	return sample.filled;
}

/*
 * See fdwapi.h.  How large a list is on disk is not known to anybody.
 * Autovacuum comes here for a table that a foreign table inherits from.
 */
bool
partner_api_foreign_analyze(Relation table, AcquireSampleRowsFunc *function,
							BlockNumber *pages)
{
	if (partner_api_is_autovacuum_compat())
		return false;
	*function = acquire_sample;
	*pages = 1;
	return true;
}
