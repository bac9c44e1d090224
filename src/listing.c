/*-------------------------------------------------------------------------
 *
 * listing.c
 *	  A provider's list, read page by page.
 *
 * Rows may move from page to page while we read.  One that is met twice counts
 * once; one that slips to a page that was read already is never met, and then
 * the total has changed: such a list proves no absence and must be read again.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "common/hashfn.h"
#include "listing.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/*
 * Begin to read; what the listing holds is in the current context.  Times that
 * name no zone are of this one.
 */
void
partner_api_listing_begin(PartnerApiListing *listing, pg_tz *zone)
{
	HASHCTL		control = {0};

	memset(listing, 0, sizeof(*listing));
	listing->zone = zone;
	control.keysize = sizeof(uint64);
	control.entrysize = sizeof(uint64);
	control.hcxt = CurrentMemoryContext;
	listing->seen = hash_create("partner_api list rows", 1024, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * What a wall clock in the zone shows as a time: unix milliseconds, given as
 * if the zone were UTC; 0 is no time.  An hour that a change of the clocks
 * repeats is taken as PostgreSQL takes it.
 */
int64
partner_api_in_zone(pg_tz *zone, int64 wall_ms)
{
	struct pg_tm tm;
	fsec_t		fsec;
	TimestampTz wall = partner_api_timestamp_from_unix_ms(wall_ms);

	if (wall_ms == 0 ||
		timestamp2tm(wall, NULL, &tm, &fsec, NULL, NULL) != 0)
		return 0;
	return wall_ms + DetermineTimeZoneOffset(&tm, zone) * INT64CONST(1000);
}

/* Take the times of a row for those of the zone's wall clocks. */
static void
localize(PartnerApiListRow *row, pg_tz *zone)
{
	row->created_ms = partner_api_in_zone(zone, row->created_ms);
	row->due_ms = partner_api_in_zone(zone, row->due_ms);
	row->deleted_ms = partner_api_in_zone(zone, row->deleted_ms);
}

/* Take note of a page; returns those of its rows that are new. */
List *
partner_api_listing_add(PartnerApiListing *listing,
						const PartnerApiPage *page)
{
	List	   *added = NIL;
	ListCell   *lc;

	if (listing->pages++ == 0)
		listing->total = page->total;
	else if (page->total != listing->total)
		listing->moved = true;
	foreach(lc, page->rows)
	{
		PartnerApiListRow *row = lfirst(lc);
		const char *id = row->instance_id;
		uint64		hash = hash_bytes_extended((const unsigned char *) id,
											   strlen(id), 0);
		bool		found;

		if (page->local_times)
			localize(row, listing->zone);
		hash_search(listing->seen, &hash, HASH_ENTER, &found);
		if (!found)
			added = lappend(added, row);
	}
	return added;
}

/*
 * Why the list need not be read any further, now that this page was added: it
 * proves nothing.  NULL if it may yet.
 */
const char *
partner_api_listing_problem(const PartnerApiListing *listing,
							const PartnerApiPage *page)
{
	if (listing->moved)
		return "the provider's list changed while it was read";
	if (!page->last && listing->pages >= PARTNER_API_MOST_PAGES)
		return "the provider's list has no end";
	return NULL;
}

/* Were fewer rows met than there are in all, by what the list says? */
bool
partner_api_listing_is_short(const PartnerApiListing *listing)
{
	return listing->total >= 0 &&
		hash_get_num_entries(listing->seen) < listing->total;
}

/* The list has been read. */
void
partner_api_listing_end(PartnerApiListing *listing)
{
	hash_destroy(listing->seen);
	listing->seen = NULL;
}
