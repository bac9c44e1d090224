/*-------------------------------------------------------------------------
 *
 * run_rows.h
 *	  The table routine_runs as the worker reads and writes it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_RUN_ROWS_H
#define PARTNER_API_RUN_ROWS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "runs.h"

/* A run that is recorded as started and has no process yet. */
typedef struct PartnerApiStart
{
	PartnerApiRun run;
	char	   *name;			/* of the routine */
	bool		put_back;		/* recorded as delayed, not yet committed */
} PartnerApiStart;

extern void partner_api_run_rows_bury(const List *waiting, TimestampTz now);
extern void partner_api_run_rows_plan(TimestampTz now);
extern void partner_api_run_rows_plan_again(TimestampTz now);
extern bool partner_api_run_rows_end(const PartnerApiRun *run,
									 TimestampTz now);
extern bool partner_api_run_rows_delay(const PartnerApiRun *run,
									   TimestampTz until, TimestampTz now);
extern List *partner_api_run_rows_claim(TimestampTz now, int limit);
extern TimestampTz partner_api_run_rows_next(void);

#endif							/* PARTNER_API_RUN_ROWS_H */
