/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Waiting calls as a pass of the worker serves them.
 *
 * A request is taken from its slot, recorded and claimed in one go, or it
 * stays where it is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "admission.h"
#include "answers.h"
#include "calls.h"
#include "cards.h"
#include "due.h"
#include "slots.h"
#include "spend.h"
#include "stalled.h"
#include "subtransaction.h"
#include "survey.h"
#include "utils/memutils.h"
#include "wipe.h"

/* A request from a slot on its way to becoming a claim. */
typedef struct SlotClaim
{
	const PartnerApiCalls *calls;
	PartnerApiTicket ticket;
	PartnerApiNewAction *action;
	bool		stalled;		/* recorded, but not claimed */
	PartnerApiTransfer *transfer;	/* NULL: it waits, or was there before */
	PartnerApiAnswer *answer;	/* how that one went, or why it waits */
} SlotClaim;

/* Claim the action that was just recorded for a waiting call. */
static void
claim_slot(SlotClaim *slot, int64 action_id)
{
	PartnerApiClaim *claim = partner_api_claim_action(slot->calls->claims,
													  action_id,
													  slot->calls->now);

	if (claim == NULL)
		elog(ERROR, "action " INT64_FORMAT " could not be claimed", action_id);
	if (slot->action->secret != NULL)
		claim->secret = partner_api_secret_copy(claim->context,
												slot->action->secret,
												strlen(slot->action->secret));
	slot->transfer = partner_api_admit_call(claim, &slot->answer);
}

/* Work for partner_api_try(): record and claim a waiting call. */
static void
record_slot(void *arg)
{
	SlotClaim  *slot = arg;
	PartnerApiEnqueued enqueued;

	slot->action->dry_run =
		partner_api_server_in_dry_run(slot->action->server);
	enqueued = partner_api_action_enqueue(slot->action);
	partner_api_slot_bind(&slot->ticket, enqueued.action_id);
	if (enqueued.existed)
		slot->answer = partner_api_answer_of_closed(enqueued.action_id);
	else if (slot->stalled)
		slot->answer = partner_api_answer_of_stalled(slot->calls->accounts,
													 enqueued.action_id);
	else if (enqueued.is_preceded)
		partner_api_due_anything();
	else
		claim_slot(slot, enqueued.action_id);
	if (!enqueued.existed && slot->transfer == NULL)
		partner_api_card_check_goes(slot->action, slot->answer);
}

/* Tell the caller that its request could not be recorded. */
static void
refuse_slot(const PartnerApiTicket *ticket, const ErrorData *error)
{
	PartnerApiAnswer answer = {0};

	answer.sqlstate = error->sqlerrcode;
	answer.message = error->message;
	answer.detail = error->detail;
	answer.hint = error->hint;
	partner_api_slot_answer(ticket, &answer);
}

/*
 * A call may wait for an action that a session has closed meanwhile, by
 * cancel_action() for example, or that nobody knows how long will wait.
 */
static void
answer_if_idle(PartnerApiCalls *calls, int index)
{
	int64		action_id = partner_api_slot_action(index);
	PartnerApiAnswer *answer;

	if (action_id == 0 || partner_api_transfer_in_flight(action_id))
		return;
	answer = partner_api_answer_of_closed(action_id);
	if (answer == NULL)
		answer = partner_api_answer_of_stalled(calls->accounts, action_id);
	if (answer != NULL)
		calls->answers = lappend(calls->answers, answer);
}

/* May the request of a slot be taken, and is it still there? */
static bool
take_slot(PartnerApiCalls *calls, SlotClaim *slot)
{
	PartnerApiCallChance chance;
	PartnerApiTicket *kept;
	MemoryContext before;

	if (partner_api_survey_blocks(slot->action->server))
		return false;
	chance = partner_api_admission_chance(slot->action);
	slot->stalled = chance == PARTNER_API_CALL_STALLED;
	if (chance == PARTNER_API_CALL_WAITS ||
		(!slot->stalled &&
		 partner_api_action_has_to_wait(slot->action, calls->now)) ||
		!partner_api_slot_take(&slot->ticket))
		return false;
	before = MemoryContextSwitchTo(calls->kept);
	kept = palloc(sizeof(PartnerApiTicket));
	*kept = slot->ticket;
	calls->tickets = lappend(calls->tickets, kept);
	MemoryContextSwitchTo(before);
	return true;
}

/* Take the request of a slot if it can be sent now. */
static void
serve_slot(PartnerApiCalls *calls, int index)
{
	SlotClaim	slot = {.calls = calls};
	MemoryContext before;
	ErrorData  *error = NULL;

	slot.action = partner_api_slot_peek(index, &slot.ticket);
	if (slot.action == NULL)
		return;
	if (take_slot(calls, &slot))
		error = partner_api_try(record_slot, &slot);
	partner_api_card_forget(slot.action);
	if (error != NULL)
		refuse_slot(&slot.ticket, error);
	else if (slot.transfer != NULL)
	{
		before = MemoryContextSwitchTo(calls->kept);
		calls->transfers = lappend(calls->transfers, slot.transfer);
		MemoryContextSwitchTo(before);
	}
	else if (slot.answer != NULL)
		calls->answers = lappend(calls->answers, slot.answer);
}

/* Take what can be sent now, and answer what cannot be told when it will. */
void
partner_api_calls_serve(PartnerApiCalls *calls)
{
	for (int i = 0; i < partner_api_slot_count(); i++)
	{
		answer_if_idle(calls, i);
		serve_slot(calls, i);
	}
}

/*
 * What was taken since is committed: from here on callers may leave at any
 * time.
 */
void
partner_api_calls_committed(PartnerApiCalls *calls)
{
	ListCell   *lc;

	foreach(lc, calls->tickets)
		partner_api_slot_committed(lfirst(lc));
	list_free_deep(calls->tickets);
	calls->tickets = NIL;
}

/* It was not: it was never taken. */
void
partner_api_calls_failed(PartnerApiCalls *calls)
{
	ListCell   *lc;

	foreach(lc, calls->tickets)
		partner_api_slot_untake(lfirst(lc));
	list_free_deep(calls->tickets);
	calls->tickets = NIL;
	list_free(calls->transfers);
	calls->transfers = NIL;
}
