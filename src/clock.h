/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The only clock that the rules read.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CLOCK_H
#define PARTNER_API_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern TimestampTz partner_api_clock_now(void);
extern int64 partner_api_clock_ahead(void);

extern TimestampTz partner_api_timestamp_from_unix_ms(int64 unix_ms);
extern int64 partner_api_unix_ms_from_timestamp(TimestampTz time);
extern int64 partner_api_monotonic_us(void);

#endif							/* PARTNER_API_CLOCK_H */
