/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Waiting calls: how a backend hands an action to the worker and gets its
 *	  outcome back.
 *
 * A slot goes FREE -> ASKED (by the backend) -> TAKEN (by the worker, when it
 * can send at once) -> BOUND (when the action is committed) -> ANSWERED (by the
 * worker) -> FREE (by the backend).  A backend that gives up frees its slot,
 * which withdraws an ASKED request; only a TAKEN one it marks ABANDONED, for
 * the worker to free when its pass ends.  Answers find a BOUND slot by its
 * action, so one that has passed to another call is not answered by mistake.
 *
 * The answer travels in the slot because the row that the worker writes is
 * invisible to a caller under REPEATABLE READ, and because the worker's
 * record must survive the caller's rollback.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "settings.h"
#include "shared.h"
#include "slots.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define SLOT_BYTES 16384

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_ASKED,
	SLOT_TAKEN,
	SLOT_ABANDONED,
	SLOT_BOUND,
	SLOT_ANSWERED
} SlotState;

/* Protected by partner_api_shared->lock. */
typedef struct Slot
{
	SlotState	state;
	Oid			database;
	int			process;		/* the caller's latch */
	int64		action_id;		/* 0 until the worker has recorded it */
	int			len;
	char		data[SLOT_BYTES];
} Slot;

typedef struct Slots
{
	ConditionVariable freed;
	int			count;
	Slot		slots[FLEXIBLE_ARRAY_MEMBER];
} Slots;

static Slots *slots = NULL;

/* The slot that this backend waits in, -1 for none; see leave(). */
static int	my_slot = -1;
static int64 my_action_id = 0;

/* Bytes of shared memory that the slots take. */
Size
partner_api_slots_size(void)
{
	return MAXALIGN(offsetof(Slots, slots) +
					mul_size(partner_api_call_slots, sizeof(Slot)));
}

/* To be called under AddinShmemInitLock. */
void
partner_api_slots_startup(void)
{
	bool		found;

	slots = ShmemInitStruct("partner_api slots", partner_api_slots_size(),
							&found);
	if (found)
		return;
	ConditionVariableInit(&slots->freed);
	slots->count = partner_api_call_slots;
	for (int i = 0; i < slots->count; i++)
		slots->slots[i].state = SLOT_FREE;
}

/* The lock is held only while bytes are copied. */
static void
lock_slots(void)
{
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
}

/* Release it. */
static void
unlock_slots(void)
{
	LWLockRelease(partner_api_shared->lock);
}

/* ---- what travels in a slot ---- */

/* Copy of a slot's data as a message to be read. */
static void
copy_message(const Slot *slot, char *buffer, StringInfo message)
{
	memcpy(buffer, slot->data, slot->len);
	message->data = buffer;
	message->len = slot->len;
	message->maxlen = SLOT_BYTES;
	message->cursor = 0;
}

/* Has a worker of this database taken the slot?  The lock is held. */
static bool
is_taken(const Slot *slot)
{
	return slot->database == MyDatabaseId &&
		(slot->state == SLOT_TAKEN || slot->state == SLOT_BOUND ||
		 slot->state == SLOT_ABANDONED);
}

/* ---- the backend's side ---- */

/* A free slot; -1 if there is none.  The lock is held. */
static int
find_free_slot(void)
{
	for (int i = 0; i < slots->count; i++)
	{
		if (slots->slots[i].state == SLOT_FREE)
			return i;
	}
	return -1;
}

/* Put the request into a free slot; -1 if there is none. */
static int
try_ask(const StringInfo message)
{
	int			index;

	lock_slots();
	index = find_free_slot();
	if (index >= 0)
	{
		Slot	   *slot = &slots->slots[index];

		slot->state = SLOT_ASKED;
		slot->database = MyDatabaseId;
		slot->process = MyProc->pgprocno;
		slot->action_id = 0;
		slot->len = message->len;
		memcpy(slot->data, message->data, message->len);
	}
	unlock_slots();
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

	ConditionVariablePrepareToSleep(&slots->freed);
	while ((index = try_ask(message)) < 0)
	{
		long		left = ms_left(give_up_at);

		if (left <= 0)
			ereport(ERROR,
					errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					errmsg("no call slot became free within partner_api.call_timeout"),
					errdetail("All %d slots are in use; nothing was sent.",
							  slots->count),
					errhint("Raise partner_api.call_slots, or use the enqueue_... functions."));
		(void) ConditionVariableTimedSleep(&slots->freed, left,
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
	slot = &slots->slots[my_slot];
	lock_slots();
	if (slot->state == SLOT_ANSWERED)
		my_action_id = slot->action_id;
	else if (slot->state != SLOT_ASKED)
		my_action_id = slot->action_id != 0 ? slot->action_id : -1;
	if (slot->state == SLOT_TAKEN && worker_runs)
	{
		/* the worker is about to bind it, and frees it then */
		slot->state = SLOT_ABANDONED;
		freed = false;
	}
	else
		slot->state = SLOT_FREE;
	my_slot = -1;
	unlock_slots();
	if (freed)
		ConditionVariableSignal(&slots->freed);
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
	Slot	   *slot = &slots->slots[index];
	char	   *buffer = palloc(SLOT_BYTES);
	StringInfoData message;
	bool		answered;

	lock_slots();
	answered = slot->state == SLOT_ANSWERED;
	if (answered)
		copy_message(slot, buffer, &message);
	unlock_slots();
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
				errhint("Another action for the same instance may be in flight, or the server busy: see partner_api.pending_actions."));
	ereport(ERROR,
			errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
			errmsg("the call was not answered within partner_api.call_timeout"),
			errdetail_internal("%s", left_behind(action_id)),
			action_id < 0 ? 0 :
			errhint("Follow it with partner_api.action_timeline(" INT64_FORMAT ").",
					action_id));
}

/* Wait for the answer, interruptibly. */
static PartnerApiAnswer *
wait_for_answer(int index, TimestampTz give_up_at)
{
	PartnerApiAnswer *answer;

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
						 left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
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
		partner_api_wake_worker(MyDatabaseId);
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
				errhint("Use enqueue_%s(): the action waits until it is switched on.",
						partner_api_kind_name(action->kind)));

	partner_api_put_action(&message, action);
	if (message.len > SLOT_BYTES)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("the arguments are too large for a waiting call"),
				errdetail("They take %d bytes; a call has %d.",
						  message.len, SLOT_BYTES),
				errhint("Use enqueue_%s().",
						partner_api_kind_name(action->kind)));

	return ask_and_wait(&message, give_up_at);
}

/* ---- the worker's side ---- */

/* How many slots there are. */
int
partner_api_slot_count(void)
{
	return slots->count;
}

/* The request in a slot of this database, palloc'd; NULL if there is none. */
PartnerApiNewAction *
partner_api_slot_peek(int index)
{
	Slot	   *slot = &slots->slots[index];
	char	   *buffer;
	StringInfoData message;
	bool		asked;

	/* a look without the lock: a wake-up follows whatever is missed */
	if (slot->state != SLOT_ASKED)
		return NULL;
	buffer = palloc(SLOT_BYTES);
	lock_slots();
	asked = slot->state == SLOT_ASKED && slot->database == MyDatabaseId;
	if (asked)
		copy_message(slot, buffer, &message);
	unlock_slots();
	return asked ? partner_api_get_action(&message) : NULL;
}

/* Take a request; false if its caller has withdrawn it. */
bool
partner_api_slot_take(int index)
{
	Slot	   *slot = &slots->slots[index];
	bool		taken;

	lock_slots();
	taken = slot->state == SLOT_ASKED;
	if (taken)
		slot->state = SLOT_TAKEN;
	unlock_slots();
	return taken;
}

/*
 * Give back a request whose transaction failed: it was never recorded.  One
 * that has been answered stays answered.
 */
void
partner_api_slot_untake(int index)
{
	Slot	   *slot = &slots->slots[index];

	lock_slots();
	if (slot->state == SLOT_TAKEN)
		slot->state = SLOT_ASKED;
	else if (slot->state == SLOT_ABANDONED)
		slot->state = SLOT_FREE;
	slot->action_id = 0;
	unlock_slots();
	ConditionVariableSignal(&slots->freed);
}

/*
 * The pass that took a slot is committed: from here on its caller may leave at
 * any time.
 */
void
partner_api_slot_committed(int index)
{
	Slot	   *slot = &slots->slots[index];
	bool		freed = false;

	lock_slots();
	if (slot->state == SLOT_TAKEN)
		slot->state = SLOT_BOUND;
	else if (slot->state == SLOT_ABANDONED)
	{
		slot->state = SLOT_FREE;
		freed = true;
	}
	unlock_slots();
	if (freed)
		ConditionVariableSignal(&slots->freed);
}

/* Note which action a slot that was taken waits for. */
void
partner_api_slot_bind(int index, int64 action_id)
{
	lock_slots();
	slots->slots[index].action_id = action_id;
	unlock_slots();
}

/*
 * Answer a slot whose lock is held; returns the process to wake.  action_id: 0
 * if nothing was recorded.
 */
static int
answer_locked(Slot *slot, int64 action_id, const StringInfo message)
{
	if (slot->state == SLOT_ABANDONED)
		slot->state = SLOT_FREE;
	if (slot->state != SLOT_TAKEN && slot->state != SLOT_BOUND)
		return PARTNER_API_NO_PROCESS;
	slot->action_id = action_id;
	slot->state = SLOT_ANSWERED;
	slot->len = message->len;
	memcpy(slot->data, message->data, message->len);
	return slot->process;
}

/* An answer as it fits a slot: what is too long is left out. */
static void
encode_answer(StringInfo message, const PartnerApiAnswer *answer)
{
	PartnerApiAnswer shorter = *answer;

	partner_api_put_answer(message, answer);
	if (message->len <= SLOT_BYTES)
		return;
	shorter.result = NULL;
	shorter.detail = answer->detail == NULL ? NULL :
		pnstrdup(answer->detail, pg_mbcliplen(answer->detail,
											  strlen(answer->detail), 1000));
	shorter.hint = NULL;
	if (answer->message != NULL)
		shorter.message = pnstrdup(answer->message,
								   pg_mbcliplen(answer->message,
												strlen(answer->message), 1000));
	partner_api_put_answer(message, &shorter);
}

/* Answer one slot that was taken. */
void
partner_api_slot_answer(int index, const PartnerApiAnswer *answer)
{
	StringInfoData message;
	int			process;

	encode_answer(&message, answer);
	lock_slots();
	process = answer_locked(&slots->slots[index], answer->action_id, &message);
	unlock_slots();
	partner_api_wake_process(process);
	if (process == PARTNER_API_NO_PROCESS)
		ConditionVariableSignal(&slots->freed);
}

/* The action that a committed slot of this database waits for; 0 if none. */
int64
partner_api_slot_action(int index)
{
	int64		action_id = 0;

	lock_slots();
	if (slots->slots[index].state == SLOT_BOUND &&
		slots->slots[index].database == MyDatabaseId)
		action_id = slots->slots[index].action_id;
	unlock_slots();
	return action_id;
}

/* Does a call wait for this action? */
bool
partner_api_slot_waits_for(int64 action_id)
{
	bool		waits = false;

	lock_slots();
	for (int i = 0; i < slots->count && !waits; i++)
		waits = is_taken(&slots->slots[i]) &&
			slots->slots[i].action_id == action_id;
	unlock_slots();
	return waits;
}

/* Answer every slot that waits for the action of the answer. */
void
partner_api_slots_answer_action(const PartnerApiAnswer *answer)
{
	for (int i = 0; i < slots->count; i++)
	{
		bool		waits;

		lock_slots();
		waits = is_taken(&slots->slots[i]) &&
			slots->slots[i].action_id == answer->action_id;
		unlock_slots();
		if (waits)
			partner_api_slot_answer(i, answer);
	}
}

/* Answer the slots that a worker which is gone has taken. */
void
partner_api_slots_orphaned(void)
{
	for (int i = 0; i < slots->count; i++)
	{
		PartnerApiAnswer answer = {0};
		bool		taken;

		lock_slots();
		taken = is_taken(&slots->slots[i]);
		answer.action_id = slots->slots[i].action_id;
		unlock_slots();
		if (!taken)
			continue;
		answer.sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
		answer.message = "the worker ended while the call was in flight";
		answer.detail = answer.action_id == 0 ?
			"Nothing was sent." :
			psprintf("Action " INT64_FORMAT " is being settled by looking at the provider.",
					 answer.action_id);
		partner_api_slot_answer(i, &answer);
	}
}
