/*-------------------------------------------------------------------------
 *
 * runs.h
 *	  Runs of routines, in shared memory.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_RUNS_H
#define PARTNER_API_RUNS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* In the whole cluster, and in one database. */
#define PARTNER_API_MOST_RUNS 64
#define PARTNER_API_MOST_RUNS_HERE 3

/* What is kept of a message, its end included */
#define PARTNER_API_RUN_MESSAGE 1024

typedef enum PartnerApiRunState
{
	PARTNER_API_RUN_FREE,		/* a place without a run */
	PARTNER_API_RUN_STARTING,	/* ordered from the postmaster */
	PARTNER_API_RUN_RUNNING,	/* it has a process */
	PARTNER_API_RUN_ENDED		/* and no more; its end is to be recorded */
} PartnerApiRunState;

/* One run of one routine. */
typedef struct PartnerApiRun
{
	PartnerApiRunState state;
	int64		number;			/* no other run has it; 0: none */
	Oid			database;
	Oid			role;			/* whom it runs as */
	int64		jobid;
	TimestampTz started_at;		/* as it is recorded, by our clock */
	TimestampTz ordered_at;		/* real time */
	bool		succeeded;
	char		message[PARTNER_API_RUN_MESSAGE];	/* why not */
} PartnerApiRun;

extern Size partner_api_runs_size(void);
extern void partner_api_runs_startup(void);

/* the worker's side */
extern int64 partner_api_run_order(const PartnerApiRun *wanted);
extern int	partner_api_runs_here(PartnerApiRun *runs);
extern int	partner_api_runs_alive_here(void);
extern void partner_api_run_give_up(int64 number, const char *why);
extern void partner_api_run_free(int64 number);

/* the process's side */
extern bool partner_api_run_begin(int64 number, PartnerApiRun *run);
extern void partner_api_run_tell(int64 number, bool succeeded,
								 const char *message);
extern void partner_api_run_end(int64 number);

#endif							/* PARTNER_API_RUNS_H */
