/*-------------------------------------------------------------------------
 *
 * live.h
 *	  Reads at a provider from the caller's own backend.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_LIVE_H
#define PARTNER_API_LIVE_H

#include "postgres.h"

#include "http.h"
#include "listing.h"
#include "servers.h"

/* A list that changes while it is read is read again, so often in all. */
#define PARTNER_API_MOST_READINGS 5

extern PartnerApiServer *partner_api_live_server(const char *name);
extern const PartnerApiResponse *partner_api_live_fetch(const PartnerApiServer *server,
														PartnerApiUrgency urgency,
														const PartnerApiRequest *request);
extern void partner_api_live_check_read(const PartnerApiServer *server,
										PartnerApiRead read,
										const char *parameter);
extern void partner_api_live_read(const PartnerApiServer *server,
								  PartnerApiRead read,
								  const PartnerApiTarget *target,
								  const char *parameter,
								  PartnerApiReadResult *result);
extern bool partner_api_live_read_if_any(const PartnerApiServer *server,
										 PartnerApiRead read,
										 const PartnerApiTarget *target,
										 PartnerApiReadResult *result);
extern void partner_api_live_check_list(const PartnerApiServer *server,
										PartnerApiList list);
extern void partner_api_live_page(const PartnerApiServer *server,
								  const PartnerApiFilter *filter, int number,
								  PartnerApiListing *listing,
								  PartnerApiPage *page);
extern void partner_api_live_list_changes(const PartnerApiServer *server)
			pg_attribute_noreturn();
extern List *partner_api_live_list(const PartnerApiServer *server,
								   const PartnerApiFilter *filter);

#endif							/* PARTNER_API_LIVE_H */
