/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  Schedules as cron writes them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SCHEDULE_H
#define PARTNER_API_SCHEDULE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Longer ones are refused: pg_cron reads no more than this. */
#define PARTNER_API_LONGEST_SCHEDULE 999

/* When something is to run; bit n of a set stands for the value n. */
typedef struct PartnerApiSchedule
{
	uint64		minutes;		/* 0 to 59 */
	uint32		hours;			/* 0 to 23 */
	uint32		days;			/* of the month, 1 to 31 */
	uint32		months;			/* 1 to 12 */
	uint32		weekdays;		/* Sunday is 0 */
	bool		any_day;		/* the field begins with an asterisk */
	bool		any_weekday;	/* so does this */
	bool		at_start;		/* of the server, and at no other time */
} PartnerApiSchedule;

extern char *partner_api_schedule_parse(PartnerApiSchedule *schedule,
										const char *text);
extern TimestampTz partner_api_schedule_next(const PartnerApiSchedule *schedule,
											 TimestampTz after);

#endif							/* PARTNER_API_SCHEDULE_H */
