/*-------------------------------------------------------------------------
 *
 * listing.h
 *	  A provider's list, read page by page.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_LISTING_H
#define PARTNER_API_LISTING_H

#include "postgres.h"

#include "pgtime.h"
#include "providers/provider.h"
#include "utils/hsearch.h"

/* A provider that never says "last page" must not keep us for ever. */
#define PARTNER_API_MOST_PAGES 100000

typedef struct PartnerApiListing
{
	HTAB	   *seen;			/* hashes of the ids read so far */
	int64		total;			/* rows in all as of the first page */
	int			pages;
	pg_tz	   *zone;			/* of times that name none */
	bool		moved;			/* the list changed while it was read */
} PartnerApiListing;

extern int64 partner_api_in_zone(pg_tz *zone, int64 wall_ms);
extern void partner_api_listing_begin(PartnerApiListing *listing, pg_tz *zone);
extern List *partner_api_listing_add(PartnerApiListing *listing,
									 const PartnerApiPage *page);
extern const char *partner_api_listing_problem(const PartnerApiListing *listing,
											   const PartnerApiPage *page);
extern bool partner_api_listing_is_short(const PartnerApiListing *listing);
extern void partner_api_listing_end(PartnerApiListing *listing);

#endif							/* PARTNER_API_LISTING_H */
