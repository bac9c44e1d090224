/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  What launcher, workers and backends know of each other.
 *
 * Shared memory holds process numbers, states and counters: never pointers,
 * descriptors or handles.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SHARED_H
#define PARTNER_API_SHARED_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#define PARTNER_API_MAX_WORKERS 64
#define PARTNER_API_NO_PROCESS (-1)

typedef enum PartnerApiWorkerState
{
	PARTNER_API_WORKER_STOPPED, /* not running; see exit */
	PARTNER_API_WORKER_STARTING,	/* registered by the launcher */
	PARTNER_API_WORKER_RUNNING
} PartnerApiWorkerState;

/* Why a worker is not running, which decides when it is started again. */
typedef enum PartnerApiWorkerExit
{
	PARTNER_API_EXIT_NONE,		/* never started */
	PARTNER_API_EXIT_NO_EXTENSION,
	PARTNER_API_EXIT_ENDED		/* terminated, or an error */
} PartnerApiWorkerExit;

/* One database of partner_api.databases; protected by the lock. */
typedef struct PartnerApiWorkerEntry
{
	bool		used;
	NameData	database;
	Oid			database_oid;	/* while running */
	PartnerApiWorkerState state;
	PartnerApiWorkerExit exit;
	int			process;		/* latch owner, or PARTNER_API_NO_PROCESS */
	int			pid;
	int			starts;
	int			quick_ends;		/* ends in a row soon after the start */
	int64		installs_seen;	/* when it was last started */
	TimestampTz started_at;
	TimestampTz ended_at;
	TimestampTz last_pass_at;
	TimestampTz woken_for;		/* see partner_api_wake_worker_for() */
	volatile bool listening;	/* for SIGUSR2; see doorbell.c */
	int64		passes;
	int64		requests;
	int			in_flight;
	bool		unconfirmed;	/* sends nothing: see identity.c */
	char		last_error[256];
} PartnerApiWorkerEntry;

typedef struct PartnerApiShared
{
	LWLock	   *lock;
	int			launcher;		/* latch owner, or PARTNER_API_NO_PROCESS */
	int64		installs;		/* CREATE EXTENSIONs committed so far */
	int64		pauses;			/* transactions that paused or resumed */
	int64		routines;		/* changes of routines, and ends of runs */
	PartnerApiWorkerEntry workers[PARTNER_API_MAX_WORKERS];
} PartnerApiShared;

/* NULL where the library is not preloaded */
extern PartnerApiShared *partner_api_shared;

extern void partner_api_shared_request(void);
extern void partner_api_shared_startup(void);
extern bool partner_api_has_worker(Oid database);
extern bool partner_api_worker_running(Oid database);
extern void partner_api_wake_worker(Oid database);
extern void partner_api_wake_worker_for(Oid database, TimestampTz due_from);
extern TimestampTz partner_api_woken_for(PartnerApiWorkerEntry *entry);
extern void partner_api_extension_installed(void);
extern void partner_api_count_pause(void);
extern void partner_api_routines_changed(Oid database);
extern void partner_api_wake_process(int process);
extern void partner_api_worker_error(PartnerApiWorkerEntry *entry,
									 const char *message);
extern bool partner_api_note_error(PartnerApiWorkerEntry *entry,
								   const ErrorData *error);

#endif							/* PARTNER_API_SHARED_H */
