/*-------------------------------------------------------------------------
 *
 * slot_call.c
 *	  The backend's side of a waiting call: ask, wait, leave.
 *
 * Whatever ends the wait, the slot is left once: after that it may be somebody
 * else's.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "miscadmin.h"
#include "settings.h"
#include "slots_internal.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* How often a waiting call looks whether there still is a worker. */
#define LOOK_AROUND_MS 1000L
/* A worker that ends is started again within seconds. */
#define RESTART_GRACE_US INT64CONST(10000000)

/* The slot that this backend waits in, -1 for none; see leave(). */
static int	my_slot = -1;
static int64 my_action_id = 0;

/* A free slot; -1 if there is none.  The lock is held. */
static int
find_free_slot(void)
{
	for (int i = 0; i < partner_api_slots->count; i++)
	{
		if (partner_api_slots->slots[i].state == SLOT_FREE)
			return i;
	}
	return -1;
}

/* Put the request into a free slot; -1 if there is none. */
static int
try_ask(const StringInfo message)
{
	int			index;

	partner_api_lock_slots();
	index = find_free_slot();
	if (index >= 0)
	{
		Slot	   *slot = &partner_api_slots->slots[index];

		slot->state = SLOT_ASKED;
		slot->ticket = ++partner_api_slots->asked;
		slot->database = MyDatabaseId;
		slot->process = MyProc->pgprocno;
		slot->action_id = 0;
		slot->len = message->len;
		memcpy(slot->data, message->data, message->len);
	}
	partner_api_unlock_slots();
	return index;
}

/* Milliseconds until a time; 0 once it has passed. */
static long
ms_left(TimestampTz until)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
}

/*
 * Put the request into a slot; wait for a free one if need be.  Not to be
 * inlined: its caller guards what follows with sigsetjmp.
 */
static pg_noinline int
ask(const StringInfo message, TimestampTz give_up_at)
{
	int			index;

	ConditionVariablePrepareToSleep(&partner_api_slots->freed);
	while ((index = try_ask(message)) < 0)
	{
		long		left = ms_left(give_up_at);

		if (left <= 0)
			ereport(ERROR,
					errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					errmsg("no call slot became free within partner_api.call_timeout"),
					errdetail("All %d slots are in use; nothing was sent.",
							  partner_api_slots->count),
					errhint("Raise partner_api.call_slots, or use the enqueue_... functions."));
		(void) ConditionVariableTimedSleep(&partner_api_slots->freed, left,
										   PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	my_slot = index;
	my_action_id = 0;
	return index;
}

/*
 * Leave the slot, whatever its state; once it is left, it may be somebody
 * else's, so a second call only says again what the first has said.  Returns
 * the action that goes on without us: 0 if the request was withdrawn, -1 if
 * the worker has taken it up but not recorded it yet.
 */
static int64
leave(void)
{
	Slot	   *slot;
	bool		freed = true;
	bool		worker_runs = partner_api_worker_running(MyDatabaseId);

	if (my_slot < 0)
		return my_action_id;
	slot = &partner_api_slots->slots[my_slot];
	partner_api_lock_slots();
	if (slot->state == SLOT_ANSWERED)
		my_action_id = slot->action_id;
	else if (slot->state != SLOT_ASKED)
		my_action_id = slot->action_id != 0 ? slot->action_id : -1;
	partner_api_slot_forget(slot);
	if (slot->state == SLOT_TAKEN && worker_runs)
	{
		/* the worker is about to bind it, and frees it then */
		slot->state = SLOT_ABANDONED;
		freed = false;
	}
	else
		slot->state = SLOT_FREE;
	my_slot = -1;
	partner_api_unlock_slots();
	if (freed)
		ConditionVariableSignal(&partner_api_slots->freed);
	return my_action_id;
}

/* What became of a request that was left, as a sentence. */
static char *
left_behind(int64 action_id)
{
	if (action_id == 0)
		return pstrdup("The request was withdrawn; nothing was sent.");
	if (action_id < 0)
		return pstrdup("The request has been taken up and goes on without the caller; see partner_api.pending_actions.");
	return psprintf("Action " INT64_FORMAT " goes on without the caller.",
					action_id);
}

/* Exit callback of a waiting backend. */
static void
leave_on_exit(int code, Datum index)
{
	leave();
}

/* Fetch the answer if there is one. */
static PartnerApiAnswer *
fetch(int index)
{
	Slot	   *slot = &partner_api_slots->slots[index];
	char	   *buffer = palloc(PARTNER_API_SLOT_BYTES);
	StringInfoData message;
	bool		answered;

	partner_api_lock_slots();
	answered = slot->state == SLOT_ANSWERED;
	if (answered)
		partner_api_slot_message(slot, buffer, &message);
	partner_api_unlock_slots();
	if (answered)
		return partner_api_get_answer(&message);
	pfree(buffer);
	return NULL;
}

static void timed_out(void) pg_attribute_noreturn();
static void rethrow_with_detail(MemoryContext context)
			pg_attribute_noreturn();

/* Give up the wait: what is not claimed is withdrawn. */
static void
timed_out(void)
{
	int64		action_id = leave();

	if (action_id == 0)
		ereport(ERROR,
				errcode(ERRCODE_QUERY_CANCELED),
				errmsg("the call was not taken up within partner_api.call_timeout"),
				errdetail_internal("%s", left_behind(action_id)),
				errhint("Another action for the same instance may be in flight, the server busy, or the worker stopped: see partner_api.pending_actions and partner_api.worker_status."));
	ereport(ERROR,
			errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
			errmsg("the call was not answered within partner_api.call_timeout"),
			errdetail_internal("%s", left_behind(action_id)),
			action_id < 0 ? 0 :
			errhint("Follow it with partner_api.action_timeline(" INT64_FORMAT ").",
					action_id));
}

/*
 * Is the worker gone for good, rather than about to be started again?  since:
 * when it was first found gone, 0 while it runs.
 */
static bool
worker_is_gone(int64 *since)
{
	if (partner_api_worker_running(MyDatabaseId))
		*since = 0;
	else if (*since == 0)
		*since = partner_api_monotonic_us();
	return *since != 0 &&
		partner_api_monotonic_us() - *since > RESTART_GRACE_US;
}

static void abandoned(void) pg_attribute_noreturn();

/* Give up the wait for a worker that does not come back. */
static void
abandoned(void)
{
	int64		action_id = leave();

	ereport(ERROR,
			errcode(action_id == 0 ? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE :
					ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
			errmsg("the partner_api worker of this database has ended"),
			errdetail_internal("%s", action_id == 0 ? left_behind(0) :
							   "What the request came to is found out when a worker runs again."),
			errhint("See partner_api.worker_status."));
}

/* Wait for the answer, interruptibly. */
static PartnerApiAnswer *
wait_for_answer(int index, TimestampTz give_up_at)
{
	PartnerApiAnswer *answer;
	int64		gone_since = 0;

	while ((answer = fetch(index)) == NULL)
	{
		long		left = ms_left(give_up_at);

		if (left <= 0)
		{
			/* an answer that came this moment counts */
			answer = fetch(index);
			if (answer != NULL)
				break;
			timed_out();
		}
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, LOOK_AROUND_MS), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (worker_is_gone(&gone_since))
			abandoned();
	}
	return answer;
}

/*
 * Add to an error that ends the wait what became of the request, so that the
 * true reason and its SQLSTATE stay.
 */
static void
rethrow_with_detail(MemoryContext context)
{
	ErrorData  *error;
	int64		action_id = leave();

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	if (error->detail == NULL)
		error->detail = left_behind(action_id);
	ReThrowError(error);
}

/* Wait; whatever ends the wait, leave the slot. */
static PartnerApiAnswer *
wait_with_cleanup(int index, TimestampTz give_up_at)
{
	MemoryContext context = CurrentMemoryContext;
	PartnerApiAnswer *volatile answer;

	PG_TRY();
	{
		answer = wait_for_answer(index, give_up_at);
	}
	PG_CATCH();
	{
		rethrow_with_detail(context);
	}
	PG_END_TRY();
	leave();
	return answer;
}

/* The slot is left too if the backend is terminated while it waits. */
static PartnerApiAnswer *
ask_and_wait(const StringInfo message, TimestampTz give_up_at)
{
	int			index = ask(message, give_up_at);
	PartnerApiAnswer *volatile answer = NULL;

	PG_ENSURE_ERROR_CLEANUP(leave_on_exit, Int32GetDatum(index));
	{
		partner_api_wake_worker_for(MyDatabaseId, DT_NOEND);
		answer = wait_with_cleanup(index, give_up_at);
	}
	PG_END_ENSURE_ERROR_CLEANUP(leave_on_exit, Int32GetDatum(index));
	return answer;
}

/*
 * Hand an action to the worker of this database and wait for its outcome,
 * which may be an error; the result is palloc'd.  Raises ERROR if no worker
 * runs, if the arguments do not fit a slot, at partner_api.call_timeout, and
 * when interrupted.
 */
PartnerApiAnswer *
partner_api_slot_call(const PartnerApiNewAction *action)
{
	TimestampTz give_up_at =
	TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
								partner_api_call_timeout);
	StringInfoData message;

	if (!partner_api_worker_running(MyDatabaseId))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("no partner_api worker runs in this database"),
				errdetail("Nothing was sent."),
				errhint("Set shared_preload_libraries = 'partner_api', list the database in partner_api.databases, and see partner_api.worker_status."));

	if (!partner_api_enabled)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("sending is switched off"),
				errdetail("The setting \"partner_api.enabled\" is off; nothing was sent."),
				action->secret == NULL ?
				errhint("Use enqueue_%s(): the action waits until it is switched on.",
						partner_api_kind_name(action->kind)) : 0);

	partner_api_put_action(&message, action);
	if (message.len > PARTNER_API_SLOT_BYTES)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("the arguments are too large for a waiting call"),
				errdetail("They take %d bytes; a call has %d.",
						  message.len, PARTNER_API_SLOT_BYTES),
				action->secret == NULL ?
				errhint("Use enqueue_%s().",
						partner_api_kind_name(action->kind)) : 0);

	return ask_and_wait(&message, give_up_at);
}
