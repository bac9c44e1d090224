/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The worker of one database: the only sender of what changes anything.
 *
 * This file owns the process: its place in shared memory, its session, its
 * sleep and its recovery from errors.  It sleeps until the next due time, a
 * commit that enqueued something, a waiting call, or a socket, and then runs a
 * pass (pass.c).
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "clock.h"
#include "doorbell.h"
#include "http.h"
#include "launcher.h"
#include "miscadmin.h"
#include "pass.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "settings.h"
#include "shared.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "unwritten.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * While requests are in flight, whatever has no way to ring is looked at this
 * often: the postmaster, and signals that came a moment too early.
 */
#define POLL_SLICE_MS 100
/* A pass that fails is tried again after this, doubling up to the last. */
#define FIRST_FAILURE_PAUSE_MS 100
#define LAST_FAILURE_PAUSE_MS 10000
/* A worker that ends sooner than this is started again later and later. */
#define QUICK_END_MS 60000

static PartnerApiWorkerEntry *entry;
static PartnerApiHttp *http;

/* ---- the worker's place in shared memory ---- */

/* Exit callback: say why, and tell the launcher. */
static void
detach_worker(int code, Datum arg)
{
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	if (entry->state == PARTNER_API_WORKER_RUNNING && entry->pid != MyProcPid)
	{
		LWLockRelease(partner_api_shared->lock);	/* it is another's */
		return;
	}
	if (entry->exit != PARTNER_API_EXIT_NO_EXTENSION)
	{
		entry->exit = PARTNER_API_EXIT_ENDED;
		if (TimestampDifferenceExceeds(entry->started_at,
									   GetCurrentTimestamp(), QUICK_END_MS))
			entry->quick_ends = 0;
		else
			entry->quick_ends++;
	}
	entry->state = PARTNER_API_WORKER_STOPPED;
	entry->process = PARTNER_API_NO_PROCESS;
	entry->pid = 0;
	entry->in_flight = 0;
	entry->ended_at = GetCurrentTimestamp();
	LWLockRelease(partner_api_shared->lock);
	partner_api_wake_process(partner_api_shared->launcher);
}

/*
 * Take the worker's place in shared memory; false if another worker has it.
 */
static bool
attach_worker(void)
{
	bool		free;

	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	free = entry->state != PARTNER_API_WORKER_RUNNING;
	if (free)
	{
		entry->state = PARTNER_API_WORKER_RUNNING;
		entry->exit = PARTNER_API_EXIT_NONE;
		entry->database_oid = MyDatabaseId;
		entry->process = MyProc->pgprocno;
		entry->pid = MyProcPid;
		entry->woken_for = DT_NOEND;
		entry->listening = false;
		entry->starts++;
		entry->started_at = GetCurrentTimestamp();
		entry->last_error[0] = '\0';
	}
	LWLockRelease(partner_api_shared->lock);
	return free;
}

/* Tell how it goes; a torn read of a counter does no harm. */
static void
report_state(void)
{
	int			in_flight = partner_api_pass_in_flight();

	pgstat_report_stat(false);
	entry->in_flight = in_flight;
	if (in_flight > 0)
	{
		char		activity[64];

		snprintf(activity, sizeof(activity), "%d requests in flight",
				 in_flight);
		pgstat_report_activity(STATE_RUNNING, activity);
	}
	else
		pgstat_report_activity(STATE_IDLE, "waiting for actions");
}

/* ---- the loop ---- */

/* Termination, cancel, barriers, and a changed configuration. */
static void
serve_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * Sleep for a while, driving the transfers; returns early when one has
 * finished or, if "alert", when somebody wakes us.  By the monotonic clock: a
 * clock that is set back must not put us to sleep.
 */
static void
sleep_for(long sleep_ms, bool alert)
{
	int64		until = partner_api_monotonic_us() + (int64) sleep_ms * 1000;

	for (;;)
	{
		int64		left = until - partner_api_monotonic_us();

		serve_interrupts();
		if (left <= 0 || (alert && MyLatch->is_set))
			break;
		if (!PostmasterIsAlive())
			proc_exit(1);
		if (partner_api_pass_in_flight() > 0)
		{
			partner_api_doorbell_wait(entry, http,
									  (int) Min(left / 1000 + 1,
												POLL_SLICE_MS));
			if (partner_api_pass_take_finished() && alert)
				break;
		}
		else
		{
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 (long) (left / 1000 + 1), PG_WAIT_EXTENSION);
		}
		if (!alert)
			ResetLatch(MyLatch);
	}
	ResetLatch(MyLatch);
}

/*
 * Sleep until there is something to do.  Settlements that could not be
 * written are tried again after a pause.
 */
static void
wait_for_work(void)
{
	sleep_for(partner_api_unwritten_any() ? FIRST_FAILURE_PAUSE_MS :
			  partner_api_pass_time_to_sleep(), true);
}

/* Undo a failed pass; what is settled stays in memory. */
static void
recover(MemoryContext context)
{
	MemoryContextSwitchTo(context);
	HOLD_INTERRUPTS();
	EmitErrorReport();
	partner_api_worker_error(entry, "a pass failed: see the server log");
	AbortCurrentTransaction();
	FlushErrorState();
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
}

/*
 * Sleep, then run a pass; recover if either fails.  A cancel fails the round
 * it hits, no more: SIGINT cannot be ignored, lock_timeout needs it.
 * pause_ms: how long to wait after a failure, 0 if there was none.  Returns
 * whether it went well.
 */
static bool
try_round(int pause_ms)
{
	volatile bool succeeded = true;
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (pause_ms > 0)
			sleep_for(pause_ms, false);
		(void) partner_api_pass_take_finished();
		partner_api_pass_run();
		report_state();
		wait_for_work();
	}
	PG_CATCH();
	{
		recover(context);
		succeeded = false;
	}
	PG_END_TRY();
	if (!succeeded)
		partner_api_pass_failed();
	return succeeded;
}

/* Round after round, for ever. */
static void
loop(void)
{
	int			pause_ms = 0;

	for (;;)
	{
		if (try_round(pause_ms))
			pause_ms = 0;
		else
			pause_ms = Min(Max(pause_ms * 2, FIRST_FAILURE_PAUSE_MS),
						   LAST_FAILURE_PAUSE_MS);
	}
}

/* ---- starting ---- */

/* Set a setting so that a reload does not undo it. */
static void
set_session(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * The worker's statements are kept for its whole life and address single rows
 * by index, but may be planned while the tables are empty or before they are
 * analyzed.  Plans that scan whole tables are never right for them.
 */
static void
prepare_planner(void)
{
	set_session("enable_seqscan", "off");
	set_session("enable_hashjoin", "off");
	set_session("enable_mergejoin", "off");
	set_session("plan_cache_mode", "force_generic_plan");
	set_session("jit", "off");
}

/*
 * The worker's session: whatever the database's settings say, commits are
 * flushed, nothing waits for a caller's lock, and names mean what they say.
 */
static void
prepare_session(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		set_session("synchronous_commit", "on");
	set_session("application_name", "partner_api worker");
	set_session("search_path", "pg_catalog, pg_temp");
	set_session("lock_timeout", "50ms");
	set_session("statement_timeout", "0");
	set_session("idle_in_transaction_session_timeout", "0");
	set_session("exit_on_error", "off");
	set_session("temp_file_limit", "-1");
	set_session("default_transaction_isolation", "read committed");
	set_session("default_transaction_read_only", "off");
	prepare_planner();
}

/*
 * Descriptors are a budget: keep what libcurl may use out of PostgreSQL's.
 * Returns how many connections there may be.
 */
static int
reserve_descriptors(void)
{
	int			count = 0;

	for (int i = 0; i < PARTNER_API_DOORBELL_FDS; i++)
		ReserveExternalFD();
	while (count < partner_api_max_connections && AcquireExternalFD())
		count++;
	return Max(count, 1);
}

/* Entry point of a worker; the argument is its entry in shared memory. */
void
partner_api_worker_main(Datum index)
{
	int			connections;

	entry = &partner_api_shared->workers[DatumGetInt32(index)];

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	partner_api_doorbell_init();
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(detach_worker, (Datum) 0);
	BackgroundWorkerInitializeConnection(NameStr(entry->database), NULL, 0);

	prepare_session();
	if (!attach_worker())
		proc_exit(0);
	connections = reserve_descriptors();
	http = partner_api_http_create(TopMemoryContext, connections);
	partner_api_pass_init(entry, http, connections);
	loop();
}
