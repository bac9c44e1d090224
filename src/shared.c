/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  The shared memory of launcher, workers and backends.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "limits_shared.h"
#include "miscadmin.h"
#include "runs.h"
#include "shared.h"
#include "slots.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(partner_api_worker_status);

/* An error that lasts is logged so often; another one, not sooner. */
#define SAME_ERROR_PAUSE_US (INT64CONST(60) * 1000000)
#define OTHER_ERROR_PAUSE_US (INT64CONST(1) * 1000000)

PartnerApiShared *partner_api_shared = NULL;

/* Ask for memory and a lock; to be called from the request hook. */
void
partner_api_shared_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(PartnerApiShared)) +
						   partner_api_slots_size() +
						   partner_api_limits_size() +
						   partner_api_runs_size());
	RequestNamedLWLockTranche("partner_api", 2);
}

/* Set the memory up, or find it; to be called from the startup hook. */
void
partner_api_shared_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	partner_api_shared = ShmemInitStruct("partner_api",
										 sizeof(PartnerApiShared), &found);
	if (!found)
	{
		memset(partner_api_shared, 0, sizeof(PartnerApiShared));
		partner_api_shared->lock =
			&(GetNamedLWLockTranche("partner_api"))->lock;
		partner_api_shared->launcher = PARTNER_API_NO_PROCESS;
		for (int i = 0; i < PARTNER_API_MAX_WORKERS; i++)
			partner_api_shared->workers[i].process = PARTNER_API_NO_PROCESS;
	}
	partner_api_slots_startup();
	partner_api_limits_startup();
	partner_api_runs_startup();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Set the latch of a process.  The number may have passed to another process
 * meanwhile, which is then woken for nothing.
 */
void
partner_api_wake_process(int process)
{
	if (process != PARTNER_API_NO_PROCESS)
		SetLatch(&ProcGlobal->allProcs[process].procLatch);
}

/* The entry of the worker that runs in a database; NULL if none does. */
static PartnerApiWorkerEntry *
running_worker(Oid database)
{
	for (int i = 0; i < PARTNER_API_MAX_WORKERS; i++)
	{
		PartnerApiWorkerEntry *entry = &partner_api_shared->workers[i];

		if (entry->state == PARTNER_API_WORKER_RUNNING &&
			entry->database_oid == database)
			return entry;
	}
	return NULL;
}

/* Does a worker run in the database?  Needs the lock. */
bool
partner_api_has_worker(Oid database)
{
	return running_worker(database) != NULL;
}

/* The same for whoever does not have it. */
bool
partner_api_worker_running(Oid database)
{
	bool		running;

	if (partner_api_shared == NULL)
		return false;
	LWLockAcquire(partner_api_shared->lock, LW_SHARED);
	running = partner_api_has_worker(database);
	LWLockRelease(partner_api_shared->lock);
	return running;
}

/*
 * Wake the worker of a database, if it has one, for actions without a deadline
 * that are due from a time on.  DT_NOBEGIN: for anything that may have
 * changed; DT_NOEND: for no action.
 */
void
partner_api_wake_worker_for(Oid database, TimestampTz due_from)
{
	PartnerApiWorkerEntry *entry;

	if (partner_api_shared == NULL)
		return;
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	entry = running_worker(database);
	if (entry != NULL)
	{
		entry->woken_for = Min(entry->woken_for, due_from);
		partner_api_wake_process(entry->process);
		/* it cannot end before it has had the lock */
		if (entry->listening)
			kill(entry->pid, SIGUSR2);
	}
	LWLockRelease(partner_api_shared->lock);
}

/* Wake the worker of a database, if it has one, for whatever there may be. */
void
partner_api_wake_worker(Oid database)
{
	partner_api_wake_worker_for(database, DT_NOBEGIN);
}

/* What a worker was woken for since this was last asked. */
TimestampTz
partner_api_woken_for(PartnerApiWorkerEntry *entry)
{
	TimestampTz woken_for;

	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	woken_for = entry->woken_for;
	entry->woken_for = DT_NOEND;
	LWLockRelease(partner_api_shared->lock);
	return woken_for;
}

/* Tell the launcher that a database may have the extension now. */
void
partner_api_extension_installed(void)
{
	int			launcher;

	if (partner_api_shared == NULL)
		return;
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	partner_api_shared->installs++;
	launcher = partner_api_shared->launcher;
	LWLockRelease(partner_api_shared->lock);
	partner_api_wake_process(launcher);
}

/* Let the workers know that a pause was committed, or the end of one. */
void
partner_api_count_pause(void)
{
	if (partner_api_shared == NULL)
		return;
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	partner_api_shared->pauses++;
	LWLockRelease(partner_api_shared->lock);
}

/*
 * Let the worker of a database know that routines were changed there, or that
 * a run of one has ended.
 */
void
partner_api_routines_changed(Oid database)
{
	if (partner_api_shared == NULL)
		return;
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	partner_api_shared->routines++;
	LWLockRelease(partner_api_shared->lock);
	partner_api_wake_worker_for(database, DT_NOEND);
}

/*
 * Show an error in worker_status().  Sessions of other databases read it too,
 * in whatever encoding: plain ASCII only.
 */
void
partner_api_worker_error(PartnerApiWorkerEntry *entry, const char *message)
{
	char	   *end = entry->last_error;

	for (; *message != '\0' &&
		 end < entry->last_error + sizeof(entry->last_error) - 1; message++)
		*end++ = IS_HIGHBIT_SET(*message) ? '?' : *message;
	*end = '\0';
}

/*
 * Log an error that the worker goes on after, unless somebody's lock is all
 * it is: that is tried again all the time, and passes.  What lasts, such as a
 * full disk, is said once a minute, and no two lines within a second.
 */
static void
log_error(const ErrorData *error)
{
	static int	last_code = 0;
	static int64 last_at = 0;
	int64		now = partner_api_monotonic_us();
	int64		pause_us = error->sqlerrcode == last_code ?
	SAME_ERROR_PAUSE_US : OTHER_ERROR_PAUSE_US;

	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		(last_at != 0 && now - last_at < pause_us))
		return;
	last_code = error->sqlerrcode;
	last_at = now;
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("partner_api could not do a part of its work: %s",
				   error->message),
			errdetail("It is tried again until it succeeds."));
}

/*
 * Show an error that stops nothing, and log what somebody may have to mend;
 * returns whether there was one.
 */
bool
partner_api_note_error(PartnerApiWorkerEntry *entry, const ErrorData *error)
{
	if (error == NULL)
		return false;
	partner_api_worker_error(entry, error->message);
	log_error(error);
	return true;
}

/* ---- SQL: worker_status() ---- */

/* The worker's state as worker_status() shows it. */
static const char *
state_name(const PartnerApiWorkerEntry *entry)
{
	switch (entry->state)
	{
		case PARTNER_API_WORKER_STARTING:
			return "starting";
		case PARTNER_API_WORKER_RUNNING:
			return entry->unconfirmed ? "unconfirmed" :
				entry->in_flight > 0 ? "sending" : "idle";
		case PARTNER_API_WORKER_STOPPED:
			break;
	}
	return entry->exit == PARTNER_API_EXIT_NO_EXTENSION ? "no extension" :
		"stopped";
}

/* One row of worker_status(). */
static void
put_worker(ReturnSetInfo *rsinfo, const PartnerApiWorkerEntry *entry)
{
	Datum		values[10];
	bool		nulls[10] = {false};
	bool		running = entry->state == PARTNER_API_WORKER_RUNNING;

	values[0] = NameGetDatum(&entry->database);
	values[1] = CStringGetTextDatum(state_name(entry));
	values[2] = Int32GetDatum(entry->pid);
	nulls[2] = !running;
	values[3] = TimestampTzGetDatum(entry->started_at);
	nulls[3] = entry->started_at == 0;
	values[4] = Int32GetDatum(entry->starts);
	values[5] = TimestampTzGetDatum(entry->last_pass_at);
	nulls[5] = entry->last_pass_at == 0;
	values[6] = Int64GetDatum(entry->passes);
	values[7] = Int64GetDatum(entry->requests);
	values[8] = Int32GetDatum(entry->in_flight);
	values[9] = CStringGetTextDatum(entry->last_error);
	nulls[9] = entry->last_error[0] == '\0';
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * One row for each database that has, had or should have a worker.  Empty
 * where the library is not preloaded.
 */
Datum
partner_api_worker_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PartnerApiWorkerEntry *entries;

	InitMaterializedSRF(fcinfo, 0);
	if (partner_api_shared == NULL)
		return (Datum) 0;

	/* copy first: no tuple is formed under the lock */
	entries = palloc(sizeof(partner_api_shared->workers));
	LWLockAcquire(partner_api_shared->lock, LW_SHARED);
	memcpy(entries, partner_api_shared->workers,
		   sizeof(partner_api_shared->workers));
	LWLockRelease(partner_api_shared->lock);

	for (int i = 0; i < PARTNER_API_MAX_WORKERS; i++)
	{
		if (entries[i].used)
			put_worker(rsinfo, &entries[i]);
	}
	return (Datum) 0;
}
