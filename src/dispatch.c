/*-------------------------------------------------------------------------
 *
 * dispatch.c
 *	  The worker's part in routines: what is due is started, what has ended
 *	  is recorded.
 *
 * The start of a run is recorded, with the time of the next one, and
 * committed before its process is ordered.  So a crash may lose a run but
 * never makes two of it, and runs that were missed are made up for by one.
 * While a routine runs it is not due.
 *
 * Nothing here may stop the sending: it is done in a subtransaction, when it
 * fails it is tried again, and rows that a session holds are left for later.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dispatch.h"
#include "identity.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "run_rows.h"
#include "runs.h"
#include "settings.h"
#include "subtransaction.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What could not be done now is tried again after this. */
#define RETRY (1 * USECS_PER_SEC)
/* A run for which there was no process is due again after this. */
#define START_RETRY (10 * USECS_PER_SEC)
/* An order that nobody has the handle of is lost after this. */
#define LOST_ORDER_MS 60000

/* The order of a process; in TopMemoryContext. */
typedef struct Order
{
	int64		number;
	BackgroundWorkerHandle *handle;
} Order;

/* of PartnerApiStart *; all of these lists are in TopMemoryContext */
static List *claimed = NIL;		/* recorded, not yet committed */
static List *starts = NIL;		/* committed */
static List *unstarted = NIL;	/* there was no process */

static List *recorded = NIL;	/* of int64 *: ends, not yet committed */
static List *orders = NIL;		/* of Order * */

static bool failed = false;		/* all there is to do waits for retry_at */
static bool full = false;		/* no more may run now */
static int64 changes_seen = -1; /* see partner_api_routines_changed() */
static TimestampTz last_tended = DT_NOBEGIN;
static TimestampTz next_due = DT_NOBEGIN;
static TimestampTz retry_at = DT_NOEND;
static bool said_no_process = false;

/* ---- small lists that outlive a pass ---- */

/* Append to one of them. */
static void
keep(List **list, void *member)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	*list = lappend(*list, member);
	MemoryContextSwitchTo(before);
}

/* Free a start. */
static void
free_start(PartnerApiStart *start)
{
	pfree(start->name);
	pfree(start);
}

/* What the running transaction was to record is not recorded. */
static void
forget_uncommitted(void)
{
	ListCell   *lc;

	foreach(lc, claimed)
		free_start(lfirst(lc));
	list_free(claimed);
	claimed = NIL;
	list_free_deep(recorded);
	recorded = NIL;
	foreach(lc, unstarted)
		((PartnerApiStart *) lfirst(lc))->put_back = false;
}

/* ---- recording ends ---- */

/* Record the end of one run, and keep its place until that is committed. */
static void
record_one(const PartnerApiRun *run, TimestampTz now)
{
	int64	   *number;

	if (!partner_api_run_rows_end(run, now))
	{
		retry_at = now + RETRY;
		return;
	}
	number = MemoryContextAlloc(TopMemoryContext, sizeof(int64));
	*number = run->number;
	keep(&recorded, number);
}

/* Record the ends of runs. */
static void
record_ends(TimestampTz now)
{
	PartnerApiRun *runs = palloc(sizeof(PartnerApiRun) *
								 PARTNER_API_MOST_RUNS);
	int			count = partner_api_runs_here(runs);

	for (int i = 0; i < count; i++)
	{
		if (runs[i].state == PARTNER_API_RUN_ENDED)
			record_one(&runs[i], now);
	}
}

/* Say once that there is no process for a run. */
static void
say_no_process(const char *name)
{
	if (!said_no_process)
		ereport(WARNING,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("could not start a process for the routine \"%s\"",
					   name),
				errdetail("It is tried again until it succeeds."),
				errhint("Raise max_worker_processes."));
	said_no_process = true;
}

/* What got no process has not run, and is due again soon. */
static void
put_back(TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, unstarted)
	{
		PartnerApiStart *start = lfirst(lc);

		start->put_back = partner_api_run_rows_delay(&start->run,
													 now + START_RETRY, now);
		if (!start->put_back)
			retry_at = now + RETRY;
	}
}

/* ---- starting what is due ---- */

/* May routines run at all? */
static bool
may_run(void)
{
	return partner_api_enabled && partner_api_identity_is_settled();
}

/*
 * Claim what is due, as much as there is room for.  A process that has told
 * its end takes room until the postmaster has seen it.
 */
static void
claim_due(TimestampTz now)
{
	int			taken = Max(partner_api_runs_alive_here(),
							list_length(orders));
	int			room = PARTNER_API_MOST_RUNS_HERE - taken;

	full = room <= 0;
	next_due = partner_api_run_rows_next();
	if (next_due > now || full)
		return;
	/* what is due may have come with a dump just now */
	partner_api_identity_recheck();
	if (!may_run())
		return;
	claimed = partner_api_run_rows_claim(now, room);
	full = list_length(claimed) == room;
	next_due = partner_api_run_rows_next();
	/* a session holds it, perhaps for long */
	if (next_due <= now && !full)
		next_due = now + RETRY;
}

/* ---- the worker's loop ---- */

/* Work for partner_api_try(): all of it, at a time by our clock. */
static void
tend(void *arg)
{
	TimestampTz now = *(TimestampTz *) arg;

	retry_at = DT_NOEND;
	partner_api_run_rows_bury(unstarted, now);
	partner_api_run_rows_plan(now);
	if (now < last_tended)
		partner_api_run_rows_plan_again(now);
	record_ends(now);
	put_back(now);
	claim_due(now);
}

/*
 * Forget the orders of processes that have ended, or were never started;
 * returns whether there were any.
 */
static bool
forget_orders(void)
{
	bool		any = false;
	ListCell   *lc;
	pid_t		pid;

	foreach(lc, orders)
	{
		Order	   *order = lfirst(lc);

		if (GetBackgroundWorkerPid(order->handle, &pid) != BGWH_STOPPED)
			continue;
		partner_api_run_give_up(order->number,
								"its process could not be started");
		pfree(order->handle);
		pfree(order);
		orders = foreach_delete_current(orders, lc);
		any = true;
	}
	return any;
}

/* A worker that is gone may have ordered what nobody took up. */
static void
give_up_lost_orders(void)
{
	PartnerApiRun *runs = palloc(sizeof(PartnerApiRun) *
								 PARTNER_API_MOST_RUNS);
	int			count = partner_api_runs_here(runs);
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < count; i++)
	{
		if (TimestampDifferenceExceeds(runs[i].ordered_at, now,
									   LOST_ORDER_MS))
			partner_api_run_give_up(runs[i].number,
									"its process was not started");
	}
}

/* Is there anything to do? */
static bool
is_wanted(TimestampTz now)
{
	if (failed)
		return now < last_tended || now >= retry_at;
	return changes_seen != partner_api_shared->routines ||
		now < last_tended || now >= partner_api_dispatch_next();
}

/*
 * Record what has ended and claim what is due, in the running transaction;
 * then it is for partner_api_dispatch_committed() or ..._failed().
 * anyway: look at the tables whatever is known of them.
 */
void
partner_api_dispatch_tend(PartnerApiWorkerEntry *entry, TimestampTz now,
						  bool anyway)
{
	if (anyway)
		give_up_lost_orders();
	/* the postmaster wakes us when it has seen an end */
	if ((anyway || full) && forget_orders())
		anyway = true;
	if (!anyway && !is_wanted(now))
		return;
	changes_seen = partner_api_shared->routines;
	failed = partner_api_note_error(entry, partner_api_try(tend, &now));
	last_tended = now;
	if (failed)
	{
		forget_uncommitted();
		retry_at = now + RETRY;
	}
}

/* What was to be recorded is not: do it all again. */
void
partner_api_dispatch_failed(void)
{
	forget_uncommitted();
	changes_seen = -1;
}

/* What was to be recorded is committed: claimed runs are to be started. */
void
partner_api_dispatch_committed(void)
{
	ListCell   *lc;

	foreach(lc, claimed)
		keep(&starts, lfirst(lc));
	list_free(claimed);
	claimed = NIL;
	foreach(lc, recorded)
		partner_api_run_free(*(int64 *) lfirst(lc));
	list_free_deep(recorded);
	recorded = NIL;
	foreach(lc, unstarted)
	{
		PartnerApiStart *start = lfirst(lc);

		if (!start->put_back)
			continue;
		free_start(start);
		unstarted = foreach_delete_current(unstarted, lc);
	}
}

/* What the postmaster has to know of the process of a run. */
static void
describe_process(const PartnerApiStart *start, int64 number,
				 BackgroundWorker *worker)
{
	memset(worker, 0, sizeof(*worker));
	snprintf(worker->bgw_name, BGW_MAXLEN, "partner_api routine %s",
			 start->name);
	strlcpy(worker->bgw_type, "partner_api routine", BGW_MAXLEN);
	strlcpy(worker->bgw_library_name, "partner_api", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, "partner_api_runner_main", BGW_MAXLEN);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_main_arg = Int64GetDatum(number);
	worker->bgw_notify_pid = MyProcPid;
}

/* Order a process for a run; false if there is none to be had. */
static bool
order_process(const PartnerApiStart *start)
{
	int64		number = partner_api_run_order(&start->run);
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	Order	   *order = palloc(sizeof(Order));
	BackgroundWorker worker;
	bool		ordered;

	order->number = number;
	describe_process(start, number, &worker);
	ordered = number != 0 &&
		RegisterDynamicBackgroundWorker(&worker, &order->handle);
	if (ordered)
		orders = lappend(orders, order);
	else
	{
		partner_api_run_free(number);
		pfree(order);
	}
	MemoryContextSwitchTo(before);
	return ordered;
}

/* Start the runs that are committed; what cannot be is put back next. */
void
partner_api_dispatch_start(void)
{
	while (starts != NIL)
	{
		PartnerApiStart *start = linitial(starts);

		starts = list_delete_first(starts);
		if (order_process(start))
		{
			said_no_process = false;
			free_start(start);
			continue;
		}
		say_no_process(start->name);
		keep(&unstarted, start);
	}
}

/*
 * When there is something to do next, by our clock; DT_NOEND if that is not
 * known.  The end of a run wakes the worker.
 */
TimestampTz
partner_api_dispatch_next(void)
{
	if (failed)
		return retry_at;
	if (unstarted != NIL && retry_at == DT_NOEND)
		return DT_NOBEGIN;
	return Min(retry_at, may_run() && !full ? next_due : DT_NOEND);
}
