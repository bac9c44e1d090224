/*-------------------------------------------------------------------------
 *
 * dispatch.h
 *	  The worker's part in routines: what is due is started, what has ended
 *	  is recorded.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_DISPATCH_H
#define PARTNER_API_DISPATCH_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "shared.h"

extern void partner_api_dispatch_tend(PartnerApiWorkerEntry *entry,
									  TimestampTz now, bool anyway);
extern void partner_api_dispatch_committed(void);
extern void partner_api_dispatch_failed(void);
extern void partner_api_dispatch_start(void);
extern TimestampTz partner_api_dispatch_next(void);

#endif							/* PARTNER_API_DISPATCH_H */
