/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  Runs of routines, in shared memory: what the worker and the process of
 *	  a run tell each other.
 *
 * A place goes FREE -> STARTING (by the worker, which orders a process) ->
 * RUNNING (by the process) -> ENDED (by the process as it exits, whatever the
 * reason) -> FREE (by the worker, once the end is recorded).  So a run is
 * alive exactly as long as its place says so: a worker that is started again
 * finds the runs that its predecessor ordered, and after a crash, which ends
 * every process, there are no places that are taken.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "runs.h"
#include "shared.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

typedef struct Runs
{
	int64		last_number;
	PartnerApiRun runs[PARTNER_API_MOST_RUNS];
} Runs;

static Runs *shared_runs = NULL;

/* Bytes of shared memory that the runs take. */
Size
partner_api_runs_size(void)
{
	return MAXALIGN(sizeof(Runs));
}

/* To be called under AddinShmemInitLock. */
void
partner_api_runs_startup(void)
{
	bool		found;

	shared_runs = ShmemInitStruct("partner_api runs", partner_api_runs_size(),
								  &found);
	if (!found)
		memset(shared_runs, 0, sizeof(Runs));
}

/* The lock is held only while bytes are copied. */
static void
lock_runs(void)
{
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
}

/* Release it. */
static void
unlock_runs(void)
{
	LWLockRelease(partner_api_shared->lock);
}

/* The place of a run; NULL if it has none any more.  Needs the lock. */
static PartnerApiRun *
find_run(int64 number)
{
	for (int i = 0; i < PARTNER_API_MOST_RUNS; i++)
	{
		PartnerApiRun *run = &shared_runs->runs[i];

		if (run->state != PARTNER_API_RUN_FREE && run->number == number)
			return run;
	}
	return NULL;
}

/*
 * A place for a new run: a free one, or else one that has ended in a database
 * whose worker is gone, and perhaps the database with it; NULL if there is
 * neither.  Needs the lock.
 */
static PartnerApiRun *
find_place(void)
{
	PartnerApiRun *left = NULL;

	for (int i = 0; i < PARTNER_API_MOST_RUNS; i++)
	{
		PartnerApiRun *run = &shared_runs->runs[i];

		if (run->state == PARTNER_API_RUN_FREE)
			return run;
		if (run->state == PARTNER_API_RUN_ENDED &&
			!partner_api_has_worker(run->database))
			left = run;
	}
	return left;
}

/* Keep a message, as much of it as there is room for. */
static void
keep_message(PartnerApiRun *run, const char *message)
{
	int			length = pg_mbcliplen(message, strlen(message),
									  sizeof(run->message) - 1);

	memcpy(run->message, message, length);
	run->message[length] = '\0';
}

/* ---- the worker's side ---- */

/* Take a place for a run in this database; returns its number, 0: none. */
int64
partner_api_run_order(const PartnerApiRun *wanted)
{
	PartnerApiRun *run;
	int64		number = 0;

	lock_runs();
	run = find_place();
	if (run != NULL)
	{
		number = ++shared_runs->last_number;
		*run = *wanted;
		run->state = PARTNER_API_RUN_STARTING;
		run->number = number;
		run->database = MyDatabaseId;
		run->ordered_at = GetCurrentTimestamp();
		run->succeeded = false;
		keep_message(run, "its process ended without a word");
	}
	unlock_runs();
	return number;
}

/*
 * Copy the runs of this database, PARTNER_API_MOST_RUNS of them at most;
 * returns how many there are.
 */
int
partner_api_runs_here(PartnerApiRun *runs)
{
	int			count = 0;

	lock_runs();
	for (int i = 0; i < PARTNER_API_MOST_RUNS; i++)
	{
		const PartnerApiRun *run = &shared_runs->runs[i];

		if (run->state != PARTNER_API_RUN_FREE &&
			run->database == MyDatabaseId)
			runs[count++] = *run;
	}
	unlock_runs();
	return count;
}

/* How many runs of this database have, or will have, a process? */
int
partner_api_runs_alive_here(void)
{
	int			count = 0;

	lock_runs();
	for (int i = 0; i < PARTNER_API_MOST_RUNS; i++)
	{
		const PartnerApiRun *run = &shared_runs->runs[i];

		if (run->database == MyDatabaseId &&
			(run->state == PARTNER_API_RUN_STARTING ||
			 run->state == PARTNER_API_RUN_RUNNING))
			count++;
	}
	unlock_runs();
	return count;
}

/* A run that has no process will never have one. */
void
partner_api_run_give_up(int64 number, const char *why)
{
	PartnerApiRun *run;

	lock_runs();
	run = find_run(number);
	if (run != NULL && run->state == PARTNER_API_RUN_STARTING)
	{
		run->state = PARTNER_API_RUN_ENDED;
		keep_message(run, why);
	}
	unlock_runs();
}

/* Its end is recorded. */
void
partner_api_run_free(int64 number)
{
	PartnerApiRun *run;

	lock_runs();
	run = find_run(number);
	if (run != NULL)
		run->state = PARTNER_API_RUN_FREE;
	unlock_runs();
}

/* ---- the process's side ---- */

/*
 * Take up a run and copy it; false if it was given up meanwhile.  From here
 * on the caller owes partner_api_run_end().
 */
bool
partner_api_run_begin(int64 number, PartnerApiRun *run)
{
	PartnerApiRun *found;
	bool		ours;

	lock_runs();
	found = find_run(number);
	ours = found != NULL && found->state == PARTNER_API_RUN_STARTING;
	if (ours)
	{
		found->state = PARTNER_API_RUN_RUNNING;
		*run = *found;
	}
	unlock_runs();
	return ours;
}

/* Tell how it went; message: why it failed, in the database's encoding. */
void
partner_api_run_tell(int64 number, bool succeeded, const char *message)
{
	PartnerApiRun *run;

	lock_runs();
	run = find_run(number);
	if (run != NULL)
	{
		run->succeeded = succeeded;
		keep_message(run, message);
	}
	unlock_runs();
}

/* The process is about to exit: the worker may record what it has told. */
void
partner_api_run_end(int64 number)
{
	PartnerApiRun *run;
	Oid			database = InvalidOid;

	lock_runs();
	run = find_run(number);
	if (run != NULL)
	{
		run->state = PARTNER_API_RUN_ENDED;
		database = run->database;
	}
	unlock_runs();
	partner_api_routines_changed(database);
}
