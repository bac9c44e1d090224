/*-------------------------------------------------------------------------
 *
 * unwritten.c
 *	  Settlements from the moment an attempt ends until they are on disk.
 *
 * A verdict that cannot be written yet stays here, and is written row by row;
 * one whose row a session holds is tried without waiting from then on.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "subtransaction.h"
#include "unwritten.h"
#include "utils/memutils.h"

/* A failure that took so long has waited for something. */
#define LONG_FAILURE_US 20000

static List *settled = NIL;		/* in TopMemoryContext */

/* Settlements that are to be written by the next pass. */
void
partner_api_unwritten_add(const List *settlements)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	settled = list_concat(settled, settlements);
	MemoryContextSwitchTo(before);
}

/*
 * How many of a server's outcomes are known in memory only?  A crash would
 * make them unknown, so they count as if they were still in flight.
 */
int
partner_api_unwritten_count(const char *server)
{
	int			count = 0;
	ListCell   *lc;

	foreach(lc, settled)
	{
		const PartnerApiSettlement *settlement = lfirst(lc);

		if (settlement->blocked &&
			strcmp(settlement->claim->server, server) == 0)
			count++;
	}
	return count;
}

/* Is anything left that could not be written? */
bool
partner_api_unwritten_any(void)
{
	return settled != NIL;
}

/* Work for partner_api_try(): a group of settlements. */
static void
settle_group(void *group)
{
	partner_api_settle((List *) group, partner_api_clock_now());
}

/* Those of the settlements that could, or could not, be written before. */
static List *
select_settled(bool blocked)
{
	List	   *selected = NIL;
	ListCell   *lc;

	foreach(lc, settled)
	{
		if (((PartnerApiSettlement *) lfirst(lc))->blocked == blocked)
			selected = lappend(selected, lfirst(lc));
	}
	return selected;
}

/* To the end of the line: the next pass begins with another. */
static void
put_last(PartnerApiSettlement *settlement)
{
	settlement->blocked = true;
	settled = list_delete_ptr(settled, settlement);
	partner_api_unwritten_add(list_make1(settlement));
}

/*
 * Write settlements one by one; returns those written.  A row that a session
 * holds fails at once.  What fails after a wait, a table that is locked for
 * example, would fail for the others too: they are left for the next pass.
 */
static List *
write_one_by_one(PartnerApiWorkerEntry *entry, const List *settlements)
{
	List	   *written = NIL;
	bool		waited = false;
	ListCell   *lc;

	foreach(lc, settlements)
	{
		PartnerApiSettlement *settlement = lfirst(lc);
		int64		began = partner_api_monotonic_us();

		settlement->blocked = true;
		if (waited)
			continue;
		if (partner_api_note_error(entry,
								   partner_api_try(settle_group,
												   list_make1(settlement))))
		{
			waited = partner_api_monotonic_us() - began > LONG_FAILURE_US;
			put_last(settlement);
			continue;
		}
		settlement->blocked = false;
		written = lappend(written, settlement);
	}
	return written;
}

/*
 * Write all settlements; if the group fails, one by one, so that a row that
 * cannot be written now holds up nobody else, and costs no time from then on.
 * Returns those written.
 */
List *
partner_api_unwritten_write(PartnerApiWorkerEntry *entry)
{
	List	   *fresh = select_settled(false);
	List	   *blocked = select_settled(true);

	if (fresh != NIL && partner_api_try(settle_group, fresh) != NULL)
		fresh = write_one_by_one(entry, fresh);
	return list_concat(fresh, write_one_by_one(entry, blocked));
}

/* After the commit: what was written needs no memory any more. */
void
partner_api_unwritten_forget(const List *written)
{
	ListCell   *lc;

	foreach(lc, written)
	{
		PartnerApiSettlement *settlement = lfirst(lc);

		if (!settlement->recorded)
			ereport(LOG,
					errcode(ERRCODE_WARNING),
					errmsg("partner_api action " INT64_FORMAT " was settled under another lease",
						   settlement->action_id));
		settled = list_delete_ptr(settled, settlement);
		MemoryContextDelete(settlement->claim->context);
	}
}
