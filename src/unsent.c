/*-------------------------------------------------------------------------
 *
 * unsent.c
 *	  What is not put on the wire, or cannot be taken in from there, and the
 *	  settlements of that.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cards.h"
#include "policy.h"
#include "redact.h"
#include "transfers.h"
#include "utils/memutils.h"

/*
 * Why an automatic action is not wanted any more; NULL if it is.  A sign of
 * what is no trial would pay for something that nobody wants; a surplus
 * instance that is used meanwhile is wanted after all; and a phone stays
 * linked if the delete was withdrawn.
 */
const char *
partner_api_why_obsolete(const PartnerApiClaim *claim)
{
	const char *status = claim->instance_status;

	if (!claim->automatic || claim->purpose != PARTNER_API_SEND)
		return NULL;
	if (claim->kind == PARTNER_API_SIGN_INSTANCE &&
		(status == NULL || strcmp(status, "trial") != 0))
		return "not needed any more: the instance is no trial";
	if (claim->kind == PARTNER_API_DELETE_INSTANCE &&
		(status == NULL ||
		 (strcmp(status, "signed") == 0 && !claim->instance_unused)))
		return "not wanted any more: the instance is in use";
	if (claim->kind == PARTNER_API_DISCONNECT_INSTANCE &&
		!claim->delete_follows)
		return "not needed any more: no delete follows";
	return NULL;
}

/*
 * What is left of a claim whose request could not be put on the wire: try
 * again later.  Nothing was sent.
 */
static PartnerApiSettlement *
settle_local_failure(const PartnerApiTransfer *transfer,
					 const ErrorData *error, bool give_up, TimestampTz now)
{
	PartnerApiClaim *claim = transfer->claim;
	PartnerApiVerdict verdict = {.kind = PARTNER_API_RETRY,
		.retry_after_ms = -1
	};
	PartnerApiNextStep next;
	PartnerApiSettlement *settlement;
	bool		card_gone;
	char	   *words;

	if (claim->purpose == PARTNER_API_LOOK)
		next = partner_api_after_failed_look(claim, transfer->account->server,
											 now);
	else
	{
		if (give_up)
			verdict.kind = PARTNER_API_FAILED;
		next = partner_api_after_attempt(claim, &verdict, now);
	}
	card_gone = partner_api_card_was_last(claim, transfer->arguments, &next);
	settlement = partner_api_settlement_new(transfer, &next, now);
	words = partner_api_message_as_utf8(error->message);
	if (card_gone)
		words = partner_api_card_gone_words(words);
	settlement->error = MemoryContextStrdup(claim->context, words);
	settlement->sqlstate = error->sqlerrcode;
	if (give_up && claim->kind == PARTNER_API_AWAIT_INSTANCE)
		partner_api_outcome_unready(transfer, &verdict, settlement);
	return settlement;
}

/* The same of a transfer and all that share its look. */
List *
partner_api_settle_local_failures(const PartnerApiTransfer *transfer,
								  const ErrorData *error, bool give_up,
								  TimestampTz now)
{
	List	   *settlements;
	ListCell   *lc;

	settlements = list_make1(settle_local_failure(transfer, error, give_up,
												  now));
	foreach(lc, transfer->companions)
		settlements = lappend(settlements,
							  settle_local_failure(lfirst(lc), error, give_up,
												   now));
	return settlements;
}

/* Close it without an attempt; nothing was sent. */
PartnerApiSettlement *
partner_api_settle_unsent(const PartnerApiTransfer *transfer,
						  const char *state, const char *why,
						  TimestampTz now)
{
	PartnerApiNextStep next = {.state = state,
		.attempts = transfer->claim->attempts - 1
	};
	PartnerApiSettlement *settlement = partner_api_settlement_new(transfer,
																  &next, now);

	settlement->error = why;
	return settlement;
}

/*
 * An answer that we failed to take in, for want of memory for example: a
 * request may have had its effect, a look has proved nothing.
 */
static PartnerApiSettlement *
settle_unread(const PartnerApiTransfer *transfer, const ErrorData *error,
			  TimestampTz now)
{
	PartnerApiClaim *claim = transfer->claim;
	MemoryContext before = MemoryContextSwitchTo(claim->context);
	PartnerApiVerdict verdict = {.kind = PARTNER_API_UNKNOWN};
	PartnerApiNextStep next;
	PartnerApiSettlement *settlement;

	if (claim->purpose == PARTNER_API_LOOK)
		next = partner_api_after_failed_look(claim, transfer->account->server,
											 now);
	else
		next = partner_api_after_attempt(claim, &verdict, now);
	settlement = partner_api_settlement_new(transfer, &next, now);
	settlement->verdict = "unknown";
	settlement->error = partner_api_message_as_utf8(error->message);
	settlement->sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
	MemoryContextSwitchTo(before);
	return settlement;
}

/* The same of a transfer and all that share its look. */
List *
partner_api_settle_unread(const PartnerApiTransfer *transfer,
						  const ErrorData *error, TimestampTz now)
{
	List	   *settlements = list_make1(settle_unread(transfer, error, now));
	ListCell   *lc;

	foreach(lc, transfer->companions)
		settlements = lappend(settlements,
							  settle_unread(lfirst(lc), error, now));
	return settlements;
}
