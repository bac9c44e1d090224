/*-------------------------------------------------------------------------
 *
 * sync.h
 *	  A server's whole list brought into the mirror.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SYNC_H
#define PARTNER_API_SYNC_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "servers.h"

/* seen, added, changed, missing */
#define PARTNER_API_SYNC_COUNTS 4

extern void partner_api_sync_apply(const PartnerApiServer *server,
								   const PartnerApiFilter *filter,
								   const List *rows, TimestampTz since,
								   Datum *counts, bool *nulls);

#endif							/* PARTNER_API_SYNC_H */
