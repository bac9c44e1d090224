/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Waiting calls: how a backend hands an action to the worker and gets its
 *	  outcome back.
 *
 * A slot goes FREE -> ASKED (by the backend) -> TAKEN (by the worker, when it
 * can send at once) -> BOUND (when the action is committed) -> ANSWERED (by
 * the worker) -> FREE (by the backend).  A backend that gives up frees its
 * slot, which withdraws an ASKED request; only a TAKEN one it marks ABANDONED,
 * for the worker to free when its pass ends.  Every request has a ticket, so
 * that a slot which has passed to another call, perhaps of another database,
 * is not taken for the one that it was.
 *
 * A request may hold card data.  It is overwritten in the slot as soon as the
 * worker has it in its own memory for good, and when its caller gives up.
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
#include "slots_internal.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "wipe.h"

Slots	   *partner_api_slots = NULL;

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

	partner_api_slots = ShmemInitStruct("partner_api slots", partner_api_slots_size(),
										&found);
	if (found)
		return;
	ConditionVariableInit(&partner_api_slots->freed);
	partner_api_slots->count = partner_api_call_slots;
	for (int i = 0; i < partner_api_slots->count; i++)
		partner_api_slots->slots[i].state = SLOT_FREE;
}

/* The lock is held only while bytes are copied. */
void
partner_api_lock_slots(void)
{
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
}

/* Release it. */
void
partner_api_unlock_slots(void)
{
	LWLockRelease(partner_api_shared->lock);
}

/* ---- what travels in a slot ---- */

/* Copy of a slot's data as a message to be read. */
void
partner_api_slot_message(const Slot *slot, char *buffer, StringInfo message)
{
	memcpy(buffer, slot->data, slot->len);
	message->data = buffer;
	message->len = slot->len;
	message->maxlen = PARTNER_API_SLOT_BYTES;
	message->cursor = 0;
}

/* Overwrite what is in a slot.  The lock is held. */
void
partner_api_slot_forget(Slot *slot)
{
	explicit_bzero(slot->data, slot->len);
	slot->len = 0;
}

/* Has a worker of this database taken the slot?  The lock is held. */
static bool
is_taken(const Slot *slot)
{
	return slot->database == MyDatabaseId &&
		(slot->state == SLOT_TAKEN || slot->state == SLOT_BOUND ||
		 slot->state == SLOT_ABANDONED);
}

/* ---- the worker's side ---- */

/* How many slots there are. */
int
partner_api_slot_count(void)
{
	return partner_api_slots->count;
}

/*
 * The slot of a ticket, while the request that it was given for is in it and
 * is this database's; otherwise NULL.  The lock is held.
 */
static Slot *
slot_of(const PartnerApiTicket *ticket)
{
	Slot	   *slot = &partner_api_slots->slots[ticket->slot];

	return slot->ticket == ticket->number && slot->database == MyDatabaseId ?
		slot : NULL;
}

/*
 * The request in a slot of this database, palloc'd, with its ticket; NULL if
 * there is none.
 */
PartnerApiNewAction *
partner_api_slot_peek(int index, PartnerApiTicket *ticket)
{
	Slot	   *slot = &partner_api_slots->slots[index];
	PartnerApiNewAction *action;
	char	   *buffer;
	StringInfoData message;
	bool		asked;

	/* a look without the lock: a wake-up follows whatever is missed */
	if (slot->state != SLOT_ASKED)
		return NULL;
	buffer = palloc(PARTNER_API_SLOT_BYTES);
	partner_api_lock_slots();
	asked = slot->state == SLOT_ASKED && slot->database == MyDatabaseId;
	if (asked)
		partner_api_slot_message(slot, buffer, &message);
	ticket->slot = index;
	ticket->number = slot->ticket;
	partner_api_unlock_slots();
	if (!asked)
		return NULL;
	action = partner_api_get_action(&message);
	explicit_bzero(buffer, message.len);
	return action;
}

/* Take a request; false if its caller has withdrawn it. */
bool
partner_api_slot_take(const PartnerApiTicket *ticket)
{
	Slot	   *slot;
	bool		taken;

	partner_api_lock_slots();
	slot = slot_of(ticket);
	taken = slot != NULL && slot->state == SLOT_ASKED;
	if (taken)
		slot->state = SLOT_TAKEN;
	partner_api_unlock_slots();
	return taken;
}

/*
 * What becomes of a slot that was taken, unless its caller has left: "to".  One
 * whose caller has left is free.
 */
static void
leave_taken(const PartnerApiTicket *ticket, SlotState to)
{
	Slot	   *slot;
	bool		freed = false;

	partner_api_lock_slots();
	slot = slot_of(ticket);
	if (slot != NULL && slot->state == SLOT_TAKEN)
	{
		slot->state = to;
		if (to == SLOT_ASKED)
			slot->action_id = 0;
		else
			partner_api_slot_forget(slot);
	}
	else if (slot != NULL && slot->state == SLOT_ABANDONED)
	{
		partner_api_slot_forget(slot);
		slot->state = SLOT_FREE;
		freed = true;
	}
	partner_api_unlock_slots();
	if (freed)
		ConditionVariableSignal(&partner_api_slots->freed);
}

/*
 * Give back a request whose transaction failed: it was never recorded.  One
 * that has been answered stays answered.
 */
void
partner_api_slot_untake(const PartnerApiTicket *ticket)
{
	leave_taken(ticket, SLOT_ASKED);
}

/*
 * The pass that took a slot is committed: from here on its caller may leave at
 * any time.
 */
void
partner_api_slot_committed(const PartnerApiTicket *ticket)
{
	leave_taken(ticket, SLOT_BOUND);
}

/* Note which action a slot that was taken waits for. */
void
partner_api_slot_bind(const PartnerApiTicket *ticket, int64 action_id)
{
	Slot	   *slot;

	partner_api_lock_slots();
	slot = slot_of(ticket);
	if (slot != NULL)
		slot->action_id = action_id;
	partner_api_unlock_slots();
}

/*
 * Answer a slot whose lock is held; returns the process to wake.  action_id: 0
 * if nothing was recorded.
 */
static int
answer_locked(Slot *slot, int64 action_id, const StringInfo message)
{
	if (slot->state == SLOT_ABANDONED)
	{
		partner_api_slot_forget(slot);
		slot->state = SLOT_FREE;
	}
	if (slot->state != SLOT_TAKEN && slot->state != SLOT_BOUND)
		return PARTNER_API_NO_PROCESS;
	partner_api_slot_forget(slot);
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
	if (message->len <= PARTNER_API_SLOT_BYTES)
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

/* After an answer: wake the caller, or whoever waits for a slot. */
static void
wake_after_answer(int process)
{
	partner_api_wake_process(process);
	if (process == PARTNER_API_NO_PROCESS)
		ConditionVariableSignal(&partner_api_slots->freed);
}

/* Answer one slot that was taken. */
void
partner_api_slot_answer(const PartnerApiTicket *ticket,
						const PartnerApiAnswer *answer)
{
	StringInfoData message;
	Slot	   *slot;
	int			process = PARTNER_API_NO_PROCESS;

	encode_answer(&message, answer);
	partner_api_lock_slots();
	slot = slot_of(ticket);
	if (slot != NULL)
		process = answer_locked(slot, answer->action_id, &message);
	partner_api_unlock_slots();
	wake_after_answer(process);
}

/* Give the same answer to every call that asks for something. */
void
partner_api_slots_refuse_all(const PartnerApiAnswer *answer)
{
	PartnerApiTicket ticket;
	PartnerApiNewAction *action;

	for (int i = 0; i < partner_api_slots->count; i++)
	{
		action = partner_api_slot_peek(i, &ticket);
		if (action == NULL)
			continue;
		partner_api_secret_wipe(action->secret);
		if (partner_api_slot_take(&ticket))
			partner_api_slot_answer(&ticket, answer);
	}
}

/* The action that a committed slot of this database waits for; 0 if none. */
int64
partner_api_slot_action(int index)
{
	int64		action_id = 0;

	partner_api_lock_slots();
	if (partner_api_slots->slots[index].state == SLOT_BOUND &&
		partner_api_slots->slots[index].database == MyDatabaseId)
		action_id = partner_api_slots->slots[index].action_id;
	partner_api_unlock_slots();
	return action_id;
}

/* Does a call wait for this action? */
bool
partner_api_slot_waits_for(int64 action_id)
{
	bool		waits = false;

	partner_api_lock_slots();
	for (int i = 0; i < partner_api_slots->count && !waits; i++)
		waits = is_taken(&partner_api_slots->slots[i]) &&
			partner_api_slots->slots[i].action_id == action_id;
	partner_api_unlock_slots();
	return waits;
}

/* Answer every slot that waits for the action of the answer. */
void
partner_api_slots_answer_action(const PartnerApiAnswer *answer)
{
	StringInfoData message;

	encode_answer(&message, answer);
	for (int i = 0; i < partner_api_slots->count; i++)
	{
		Slot	   *slot = &partner_api_slots->slots[i];
		int			process = PARTNER_API_NO_PROCESS;
		bool		waits;

		partner_api_lock_slots();
		waits = is_taken(slot) && slot->action_id == answer->action_id;
		if (waits)
			process = answer_locked(slot, answer->action_id, &message);
		partner_api_unlock_slots();
		if (waits)
			wake_after_answer(process);
	}
}

/* What a call is told whose worker has ended; palloc'd. */
static char *
orphaned_detail(SlotState state, int64 action_id)
{
	if (state == SLOT_BOUND)
		return psprintf("Action " INT64_FORMAT " goes on: if its request was sent, it is being settled by looking at the provider.",
						action_id);
	return pstrdup("It may not have been recorded; see partner_api.pending_actions.");
}

/* Answer the slots that a worker which is gone has taken. */
void
partner_api_slots_orphaned(void)
{
	for (int i = 0; i < partner_api_slots->count; i++)
	{
		Slot	   *slot = &partner_api_slots->slots[i];
		PartnerApiTicket ticket = {.slot = i};
		PartnerApiAnswer answer = {0};
		SlotState	state;
		bool		taken;

		partner_api_lock_slots();
		taken = is_taken(slot);
		state = slot->state;
		ticket.number = slot->ticket;
		answer.action_id = slot->action_id;
		partner_api_unlock_slots();
		if (!taken)
			continue;
		answer.sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
		answer.message = "the worker ended while the call was in flight";
		answer.detail = orphaned_detail(state, answer.action_id);
		partner_api_slot_answer(&ticket, &answer);
	}
}
