/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  What time brings: deadlines, lapsed trials, leftovers.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_UPKEEP_H
#define PARTNER_API_UPKEEP_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "shared.h"

/* COMMIT PREPARED wakes nobody, and a lock that is released neither. */
#define PARTNER_API_SAFETY_PASS_MS 10000

extern int	partner_api_upkeep_take_over(TimestampTz now);
extern bool partner_api_upkeep_is_due(void);
extern List *partner_api_upkeep(PartnerApiWorkerEntry *entry,
								TimestampTz now, bool clock_turned);
extern TimestampTz partner_api_upkeep_next(void);

#endif							/* PARTNER_API_UPKEEP_H */
