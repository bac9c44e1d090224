/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  What a transaction that enqueued does at its commit: it is flushed, and
 *	  wakes the worker, which sees it only then.
 *
 * One callback per backend, registered on first use; a flag says whether the
 * running transaction has anything to tell.  A savepoint that is rolled back
 * leaves the flag set, and the worker looks once for nothing.  A transaction
 * that is prepared wakes nobody when it is committed later, perhaps from
 * another session: the worker's safety pass finds what it enqueued.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "shared.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_installed);
PG_FUNCTION_INFO_V1(partner_api_wake_worker_sql);

static TimestampTz woken_for = DT_NOEND;
static bool wake_worker = false;
static bool wake_worker_late = false;
static bool installed = false;
static bool pauses_changed = false;
static bool routines_changed = false;

/*
 * An intent that is committed must not be lost, whatever the session thinks of
 * its own rows.  Here, at the top level, the change lasts for this commit.
 */
static void
flush_intent(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_ON)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
}

/* Do what the transaction has to do and to tell, if it commits. */
static void
on_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (wake_worker)
				flush_intent();
			return;
		case XACT_EVENT_COMMIT:
			if (pauses_changed)
				partner_api_count_pause();
			if (wake_worker)
				partner_api_wake_worker_for(MyDatabaseId, woken_for);
			if (routines_changed)
				partner_api_routines_changed(MyDatabaseId);
			if (installed)
				partner_api_extension_installed();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	woken_for = DT_NOEND;
	wake_worker = false;
	installed = false;
	pauses_changed = false;
	routines_changed = false;
}

/* One callback for the life of the backend. */
static void
register_once(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(on_transaction_end, NULL);
	registered = true;
}

/*
 * Wake this database's worker when the running transaction commits, for
 * whatever it has changed.
 */
void
partner_api_wake_worker_at_commit(void)
{
	partner_api_wake_worker_for_new(DT_NOBEGIN);
}

/*
 * The same where it has only recorded a new action without a deadline, due at
 * a time that has come.
 */
void
partner_api_wake_worker_for_new(TimestampTz run_at)
{
	register_once();
	wake_worker = true;
	woken_for = Min(woken_for, run_at);
}

/* SQL: wake_worker(), for functions that record actions in SQL. */
Datum
partner_api_wake_worker_sql(PG_FUNCTION_ARGS)
{
	partner_api_wake_worker_at_commit();
	PG_RETURN_VOID();
}

/* The same, and let it know that what is paused has changed. */
void
partner_api_pauses_changed_at_commit(void)
{
	partner_api_wake_worker_at_commit();
	pauses_changed = true;
}

/* Let the worker know at commit that routines were changed. */
void
partner_api_routines_changed_at_commit(void)
{
	register_once();
	routines_changed = true;
}

/*
 * The last of a transaction: other processes can see that catalogs have
 * changed, which they could not yet at XACT_EVENT_COMMIT.
 */
static void
on_resources_released(ResourceReleasePhase phase, bool is_commit,
					  bool is_top_level, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	if (is_commit && wake_worker_late)
		partner_api_wake_worker(MyDatabaseId);
	wake_worker_late = false;
}

/*
 * Wake this database's worker when the running transaction has committed a
 * change of options.
 */
void
partner_api_wake_worker_for_options(void)
{
	static bool registered = false;

	if (!registered)
		RegisterResourceReleaseCallback(on_resources_released, NULL);
	registered = true;
	wake_worker_late = true;
}

/* Tell the launcher of a CREATE EXTENSION when it commits. */
static void
tell_launcher_at_commit(void)
{
	register_once();
	installed = true;
}

/*
 * SQL: installed(), called by the install script, so that the launcher starts
 * a worker as soon as CREATE EXTENSION is committed.
 */
Datum
partner_api_installed(PG_FUNCTION_ARGS)
{
	tell_launcher_at_commit();
	PG_RETURN_VOID();
}
