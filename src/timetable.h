/*-------------------------------------------------------------------------
 *
 * timetable.h
 *	  When the next pass of the worker has to be.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_TIMETABLE_H
#define PARTNER_API_TIMETABLE_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern TimestampTz partner_api_timetable_next(void);
extern long partner_api_timetable_sleep_ms(TimestampTz now);

#endif							/* PARTNER_API_TIMETABLE_H */
