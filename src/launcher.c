/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  Starts a worker in each database of partner_api.databases that has the
 *	  extension, and starts it again when it ends.
 *
 * The launcher is connected to no database, so it blocks no DROP DATABASE; it
 * reads pg_database only.  It is started when recovery is over: never on a
 * standby, and within moments after a promotion.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "launcher.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "settings.h"
#include "shared.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define SAFETY_PASS_MS 30000
#define FIRST_RESTART_MS 1000
#define LAST_RESTART_MS 60000
#define START_TIMEOUT_MS 10000

/* ---- the list of databases ---- */

/* The databases of the setting, palloc'd. */
static List *
listed_databases(void)
{
	char	   *copy = pstrdup(partner_api_databases);
	List	   *names = NIL;

	if (!SplitIdentifierString(copy, ',', &names))
		return NIL;				/* the setting's check made sure of it */
	return names;
}

/* Is the database in the list? */
static bool
is_listed(List *names, const char *database)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), database) == 0)
			return true;
	}
	return false;
}

/*
 * A scan of the heap, as autovacuum's launcher does: without a database there
 * are no indexes.
 */
static bool
database_exists(const char *database)
{
	bool		exists = false;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (!exists &&
		   HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		exists = namestrcmp(&((Form_pg_database) GETSTRUCT(tuple))->datname,
							database) == 0;
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	return exists;
}

/* The entry of a database, made if need be; -1 if there is no room. */
static int
find_entry(const char *database)
{
	int			empty = -1;

	for (int i = 0; i < PARTNER_API_MAX_WORKERS; i++)
	{
		PartnerApiWorkerEntry *entry = &partner_api_shared->workers[i];

		if (entry->used && namestrcmp(&entry->database, database) == 0)
			return i;
		if (!entry->used && empty < 0)
			empty = i;
	}
	if (empty >= 0)
	{
		PartnerApiWorkerEntry *entry = &partner_api_shared->workers[empty];

		memset(entry, 0, sizeof(*entry));
		entry->process = PARTNER_API_NO_PROCESS;
		entry->used = true;
		namestrcpy(&entry->database, database);
	}
	return empty;
}

/* ---- starting and stopping ---- */

/* How long to wait before the next start; grows with every quick end. */
static int
restart_delay(const PartnerApiWorkerEntry *entry)
{
	int			doublings = Min(entry->quick_ends, 6);

	return Min(FIRST_RESTART_MS << doublings, LAST_RESTART_MS);
}

/* When is the worker of an entry to be started?  0: not now. */
static TimestampTz
start_time(const PartnerApiWorkerEntry *entry)
{
	if (entry->state == PARTNER_API_WORKER_STARTING)
		return TimestampTzPlusMilliseconds(entry->started_at,
										   START_TIMEOUT_MS);
	if (entry->state != PARTNER_API_WORKER_STOPPED)
		return 0;
	if (entry->installs_seen != partner_api_shared->installs)
		return GetCurrentTimestamp();	/* it may have the extension now */
	switch (entry->exit)
	{
		case PARTNER_API_EXIT_NONE:
			return GetCurrentTimestamp();
		case PARTNER_API_EXIT_NO_EXTENSION:
			return 0;
		case PARTNER_API_EXIT_ENDED:
			return TimestampTzPlusMilliseconds(entry->ended_at,
											   restart_delay(entry));
	}
	return 0;
}

/* Ask the postmaster for a worker; false if it has no slot left. */
static bool
register_worker(int index)
{
	BackgroundWorker worker = {0};

	snprintf(worker.bgw_name, BGW_MAXLEN, "partner_api worker for %s",
			 NameStr(partner_api_shared->workers[index].database));
	strlcpy(worker.bgw_type, "partner_api worker", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "partner_api", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "partner_api_worker_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;	/* the launcher does */
	worker.bgw_main_arg = Int32GetDatum(index);
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/*
 * Say that there is no slot for a worker: at the first of its failures in a
 * row, the second, the fourth and so on.  It may stay like this for days.
 */
static void
report_no_slot(PartnerApiWorkerEntry *entry)
{
	int			failures = entry->quick_ends;

	partner_api_worker_error(entry, "no background worker slot is free");
	if ((failures & (failures - 1)) != 0)
		return;
	ereport(WARNING,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("could not start the partner_api worker for database \"%s\"",
				   NameStr(entry->database)),
			errdetail("Nothing is sent from there."),
			errhint("Raise max_worker_processes."));
}

/* Start the worker of an entry. */
static void
start_worker(int index)
{
	PartnerApiWorkerEntry *entry = &partner_api_shared->workers[index];

	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	entry->state = PARTNER_API_WORKER_STARTING;
	entry->exit = PARTNER_API_EXIT_NONE;
	entry->started_at = GetCurrentTimestamp();
	entry->installs_seen = partner_api_shared->installs;
	LWLockRelease(partner_api_shared->lock);

	if (register_worker(index))
		return;
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	entry->state = PARTNER_API_WORKER_STOPPED;
	entry->exit = PARTNER_API_EXIT_ENDED;
	entry->ended_at = GetCurrentTimestamp();
	entry->quick_ends++;
	LWLockRelease(partner_api_shared->lock);
	report_no_slot(entry);
}

/* End the worker of a database that is not listed any more. */
static void
stop_worker(PartnerApiWorkerEntry *entry)
{
	int			pid = 0;

	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	if (entry->state == PARTNER_API_WORKER_RUNNING)
		pid = entry->pid;
	else if (entry->state == PARTNER_API_WORKER_STOPPED)
		entry->used = false;
	LWLockRelease(partner_api_shared->lock);
	if (pid != 0)
		kill(pid, SIGTERM);
}

/* More databases are listed than there can be workers: say so, once. */
static void
complain_of_too_many(const char *database)
{
	static bool said = false;

	if (!said)
		ereport(LOG,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("partner_api has no place for a worker in database \"%s\"",
					   database),
				errdetail("There can be at most %d.", PARTNER_API_MAX_WORKERS));
	said = true;
}

/* Start the worker if its time has come; returns ms until it will, or max. */
static long
reconcile_database(const char *database)
{
	int			index;
	TimestampTz at;
	long		left;

	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	index = find_entry(database);
	at = index >= 0 ? start_time(&partner_api_shared->workers[index]) : 0;
	LWLockRelease(partner_api_shared->lock);
	if (index < 0)
		complain_of_too_many(database);
	if (at == 0)
		return SAFETY_PASS_MS;

	left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), at);
	if (left > 0)
		return left;
	if (!database_exists(database))
	{
		partner_api_worker_error(&partner_api_shared->workers[index],
								 "the database does not exist");
		return SAFETY_PASS_MS;
	}
	start_worker(index);
	return START_TIMEOUT_MS;
}

/* End the workers of databases that are not listed any more. */
static void
stop_unlisted(List *names)
{
	for (int i = 0; i < PARTNER_API_MAX_WORKERS; i++)
	{
		PartnerApiWorkerEntry *entry = &partner_api_shared->workers[i];

		if (entry->used && !is_listed(names, NameStr(entry->database)))
			stop_worker(entry);
	}
}

/*
 * Bring the workers into line with the setting; returns ms to sleep.  Entries
 * are freed before others are looked for.
 */
static long
reconcile(void)
{
	List	   *names = listed_databases();
	long		sleep_ms = SAFETY_PASS_MS;
	ListCell   *lc;

	stop_unlisted(names);
	foreach(lc, names)
	{
		long		left = reconcile_database(lfirst(lc));

		sleep_ms = Min(sleep_ms, left);
	}
	return sleep_ms;
}

/* ---- the process ---- */

/* Exit callback: nobody wakes us any more. */
static void
detach_launcher(int code, Datum arg)
{
	partner_api_shared->launcher = PARTNER_API_NO_PROCESS;
}

/* Entry point of the launcher. */
void
partner_api_launcher_main(Datum arg)
{
	MemoryContext pass_context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);	/* there is no query to cancel */
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	partner_api_shared->launcher = MyProc->pgprocno;
	before_shmem_exit(detach_launcher, (Datum) 0);
	pass_context = AllocSetContextCreate(TopMemoryContext,
										 "partner_api launcher pass",
										 ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		long		sleep_ms;

		MemoryContextSwitchTo(pass_context);
		MemoryContextReset(pass_context);
		sleep_ms = reconcile();
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 sleep_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/*
 * Register the launcher with the postmaster.  pg_upgrade starts both clusters
 * with background workers: nothing may be sent from there.
 */
void
partner_api_register_launcher(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;
	strlcpy(worker.bgw_name, "partner_api launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "partner_api launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "partner_api", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "partner_api_launcher_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}
