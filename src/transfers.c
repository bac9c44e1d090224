/*-------------------------------------------------------------------------
 *
 * transfers.c
 *	  Transfers: claims on the wire.
 *
 * A transfer is prepared inside the transaction that claims it, started after
 * that transaction is committed, and ends in a settlement.  No transaction is
 * open while it is on the wire.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cards.h"
#include "clock.h"
#include "json.h"
#include "policy.h"
#include "redact.h"
#include "transfers.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "wipe.h"

/*
 * An action whose request cannot even be put together, although its server
 * can be used, is given up after so many tries.
 */
#define MOST_LOCAL_FAILURES 5

/* A provider's clock that is further ahead is wrong rather than ahead. */
#define MOST_SKEW_US USECS_PER_HOUR

/* Why an action that was claimed is closed as missed. */
#define TOO_LATE "the deadline has passed; claimed in time, but not sent before it"

static PartnerApiHttp *http = NULL;
static dlist_head in_flight = DLIST_STATIC_INIT(in_flight);
static int	total_in_flight = 0;

/* Use this engine for all transfers of the process. */
void
partner_api_transfers_init(PartnerApiHttp *engine)
{
	http = engine;
}

/*
 * Transfers in flight for a purpose, to a server or, with NULL, to all.
 */
int
partner_api_transfers_count(const char *server, PartnerApiPurpose purpose)
{
	dlist_iter	iter;
	int			count = 0;

	dlist_foreach(iter, &in_flight)
	{
		PartnerApiTransfer *transfer = dlist_container(PartnerApiTransfer,
													   node, iter.cur);

		if (transfer->claim->purpose == purpose &&
			(server == NULL || strcmp(transfer->claim->server, server) == 0))
			count++;
	}
	return count;
}

/* Is a transfer one for this action, or a look that settles it too? */
static bool
is_about(const PartnerApiTransfer *transfer, int64 action_id)
{
	ListCell   *lc;

	if (transfer->claim->action_id == action_id)
		return true;
	foreach(lc, transfer->companions)
	{
		if (((PartnerApiTransfer *) lfirst(lc))->claim->action_id == action_id)
			return true;
	}
	return false;
}

/* Is a request or a look of this action in flight? */
bool
partner_api_transfer_in_flight(int64 action_id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &in_flight)
	{
		PartnerApiTransfer *transfer = dlist_container(PartnerApiTransfer,
													   node, iter.cur);

		if (is_about(transfer, action_id))
			return true;
	}
	return false;
}

/* Transfers in flight. */
int
partner_api_transfers_total(void)
{
	return total_in_flight;
}

/* ---- settlements ---- */

/* The verdict as action_attempts writes it. */
static const char *
verdict_name(PartnerApiVerdictKind kind)
{
	switch (kind)
	{
		case PARTNER_API_DONE:
			return "done";
		case PARTNER_API_FAILED:
			return "failed";
		case PARTNER_API_RETRY:
			return "retry";
		case PARTNER_API_UNKNOWN:
			break;
	}
	return "unknown";
}

/* A settlement of a transfer, in its claim's context, without a verdict. */
PartnerApiSettlement *
partner_api_settlement_new(const PartnerApiTransfer *transfer,
						   const PartnerApiNextStep *next, TimestampTz now)
{
	PartnerApiClaim *claim = transfer->claim;
	PartnerApiSettlement *settlement =
	MemoryContextAllocZero(claim->context, sizeof(PartnerApiSettlement));

	settlement->claim = claim;
	settlement->action_id = claim->action_id;
	settlement->lease = claim->lease;
	settlement->attempts = next->attempts;
	settlement->looks = next->looks;
	settlement->purpose = claim->purpose == PARTNER_API_SEND ? "send" : "look";
	settlement->started_at = transfer->started_at;
	settlement->finished_at = now;
	settlement->latency_ms =
		(int) ((partner_api_monotonic_us() - transfer->started_us) / 1000);
	settlement->state = next->state;
	settlement->run_at = next->run_at;
	return settlement;
}

/*
 * The deadline may pass between the claim and here, while the claim's commit
 * waits for a disk or a standby.
 */
static bool
is_too_late(const PartnerApiClaim *claim, TimestampTz now)
{
	return claim->purpose == PARTNER_API_SEND && claim->deadline != 0 &&
		claim->deadline <= now;
}

/* ---- starting ---- */

/* Reset callback: a transfer that never started gives its place back. */
static void
release_permit(void *permit)
{
	partner_api_limits_back_out(permit);
}

/*
 * A claim made ready; needs the claiming transaction.  Its place is taken by
 * the caller, and given back with the claim at the latest.
 */
PartnerApiTransfer *
partner_api_transfer_prepare(PartnerApiAccounts *accounts,
							 PartnerApiClaim *claim)
{
	PartnerApiTransfer *transfer =
	MemoryContextAllocZero(claim->context, sizeof(PartnerApiTransfer));

	transfer->claim = claim;
	transfer->account = partner_api_account_use(accounts, claim->context,
												claim->server, claim->role);
	transfer->release.func = release_permit;
	transfer->release.arg = &transfer->permit;
	MemoryContextRegisterResetCallback(claim->context, &transfer->release);
	return transfer;
}

/* A transfer and all that share its look live on under another context. */
void
partner_api_transfer_keep(PartnerApiTransfer *transfer, MemoryContext parent)
{
	ListCell   *lc;

	MemoryContextSetParent(transfer->claim->context, parent);
	foreach(lc, transfer->companions)
		partner_api_transfer_keep(lfirst(lc), parent);
}

/* The action as its provider sees it. */
void
partner_api_transfer_action(const PartnerApiTransfer *transfer,
							PartnerApiAction *action)
{
	const PartnerApiClaim *claim = transfer->claim;

	memset(action, 0, sizeof(*action));
	action->kind = claim->kind;
	action->instance_id = claim->instance_id;
	action->instance_token = claim->instance_token;
	action->instance_url =
		transfer->account->server->instance_base_url != NULL ?
		transfer->account->server->instance_base_url : claim->instance_url;
	if (transfer->account->server->name_nonce)
		action->nonce = claim->nonce;
	action->arguments = transfer->arguments;
	action->tokens = claim->tokens;
	action->again = claim->lost > 0;
}

/* What must never be shown of a transfer. */
List *
partner_api_transfer_secrets(const PartnerApiTransfer *transfer)
{
	const PartnerApiClaim *claim = transfer->claim;
	List	   *secrets;

	secrets = list_concat(partner_api_server_secrets(transfer->account->server,
													 claim->instance_token),
						  partner_api_json_texts(claim->tokens));
	secrets = list_concat(secrets,
						  partner_api_json_texts(claim->secret_settings));
	return list_concat(secrets, partner_api_card_texts(claim));
}

/*
 * Put a request of this transfer on the wire; "owner", the claim's context or
 * one below it, keeps the call.
 */
void
partner_api_transfer_request(PartnerApiTransfer *transfer,
							 MemoryContext owner,
							 const PartnerApiRequest *request, bool mutating)
{
	const PartnerApiServer *server = transfer->account->server;

	partner_api_check_request_host(request);
	transfer->elsewhere = partner_api_goes_elsewhere(server, request);
	partner_api_http_start(http, owner, &server->endpoint, request, mutating,
						   transfer);
}

/*
 * Parse the action's arguments; they last as long as the current context.
 * Raises ERROR if they are not readable.
 */
void
partner_api_transfer_parse(PartnerApiTransfer *transfer)
{
	const char *text = transfer->claim->arguments;
	char	   *error = NULL;

	transfer->arguments = partner_api_json_parse(text, strlen(text), &error);
	if (transfer->arguments == NULL)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("arguments of action " INT64_FORMAT " are not readable: %s",
					   transfer->claim->action_id, error));
}

/*
 * Put the action's own request on the wire.  What it was made of goes at
 * once: it may hold card data.
 */
static void
start_send(PartnerApiTransfer *transfer)
{
	const PartnerApiServer *server = transfer->account->server;
	MemoryContext context = AllocSetContextCreate(transfer->claim->context,
												  "partner_api request",
												  ALLOCSET_SMALL_SIZES);
	json_t	   *settings = partner_api_json_get(transfer->arguments,
												"settings");
	PartnerApiAction action;
	PartnerApiRequest request = {0};

	MemoryContextSwitchTo(context);
	/* only now: what is shown of the arguments has no secrets */
	if (settings != NULL && transfer->claim->secret_settings != NULL)
		partner_api_json_merge(settings, transfer->claim->secret_settings);
	partner_api_transfer_action(transfer, &action);
	action.secret = partner_api_card_of(transfer->claim, transfer->arguments);
	server->provider->build(&action, &server->credential, &request);
	request.secret = action.secret != NULL;
	if (request.secret)
		partner_api_wipe_at_reset(context, unconstify(char *, request.body),
								  request.body_len);
	partner_api_transfer_request(transfer, transfer->claim->context,
								 &request, true);
	MemoryContextDelete(context);
}

/* Put the first page of a look on the wire. */
static void
start_look(PartnerApiTransfer *transfer)
{
	ListCell   *lc;

	foreach(lc, transfer->companions)
	{
		PartnerApiTransfer *companion = lfirst(lc);

		companion->started_at = transfer->started_at;
		companion->started_us = transfer->started_us;
		MemoryContextSwitchTo(companion->claim->context);
		partner_api_transfer_parse(companion);
	}
	MemoryContextSwitchTo(transfer->claim->context);
	partner_api_look_start(transfer);
}

/* Put the first request of a transfer on the wire. */
static void
start(PartnerApiTransfer *transfer)
{
	MemoryContext before = MemoryContextSwitchTo(transfer->claim->context);

	partner_api_transfer_parse(transfer);
	if (transfer->claim->purpose == PARTNER_API_LOOK)
		start_look(transfer);
	else if (!partner_api_search_start(transfer))
		start_send(transfer);
	MemoryContextSwitchTo(before);
}

/*
 * Is an action whose request cannot be put together given up?  What asks a new
 * instance has its time for that, and has had many answers: they do not count.
 */
static bool
is_given_up(const PartnerApiTransfer *transfer, TimestampTz now)
{
	const PartnerApiClaim *claim = transfer->claim;

	if (transfer->arguments != NULL &&
		partner_api_kind_traits(claim->kind)->asks)
		return now >= partner_api_outcome_await_until(transfer);
	return claim->attempts >= MOST_LOCAL_FAILURES;
}

/* Start, or settle what cannot be started; NIL, or settlements. */
static List *
start_or_settle(PartnerApiTransfer *transfer, TimestampTz now)
{
	MemoryContext context = transfer->claim->context;
	MemoryContext before = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;
	const char *why;

	why = partner_api_why_obsolete(transfer->claim);
	if (why != NULL)
		return list_make1(partner_api_settle_unsent(transfer, "cancelled", why,
													now));
	if (is_too_late(transfer->claim, now))
		return list_make1(partner_api_settle_unsent(transfer, "missed",
													TOO_LATE, now));
	if (transfer->account->error != NULL)
		return partner_api_settle_local_failures(transfer,
												 transfer->account->error,
												 false, now);
	PG_TRY();
	{
		start(transfer);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
	if (error != NULL)
		return partner_api_settle_local_failures(transfer, error,
												 is_given_up(transfer, now),
												 now);
	return NIL;
}

/*
 * Put a prepared transfer on the wire, after the claim is committed.  Returns
 * NIL, or settlements, in the current context, if that was not possible.
 */
List *
partner_api_transfer_start(PartnerApiTransfer *transfer, TimestampTz now)
{
	List	   *settlements;

	transfer->started_at = now;
	transfer->started_us = partner_api_monotonic_us();
	settlements = start_or_settle(transfer, now);
	if (settlements != NIL)
		partner_api_limits_back_out(&transfer->permit);
	else
	{
		dlist_push_tail(&in_flight, &transfer->node);
		total_in_flight++;
	}
	return settlements;
}

/* ---- finishing ---- */

/* How far the provider's clock is ahead of ours; 0 if it is not. */
static int64
provider_skew_us(const PartnerApiResponse *response, TimestampTz now)
{
	TimestampTz theirs;

	if (response->date_ms == 0)
		return 0;
	theirs = partner_api_timestamp_from_unix_ms(response->date_ms);
	return Min(Max(theirs - now, 0), MOST_SKEW_US);
}

/*
 * What a verdict says of the partner's own credential: nothing, where the
 * request carried an instance's too.  One that lacks a permission may be one
 * that comes from the wrong address: what waits is not sent after it at once.
 */
static void
judge_credential(const PartnerApiTransfer *transfer,
				 const PartnerApiVerdict *verdict)
{
	const PartnerApiServer *server = transfer->account->server;
	PartnerApiKind kind = transfer->claim->kind;
	PartnerApiReason reason = verdict->reason;

	if (!partner_api_kind_traits(kind)->creates &&
		server->provider->needs_token(kind))
		return;
	if (verdict->kind == PARTNER_API_DONE)
		reason = PARTNER_API_REASON_NONE;
	else if (reason == PARTNER_API_REASON_PERMISSION)
		reason = PARTNER_API_REASON_CREDENTIAL;
	partner_api_limits_answered(&server->limits, reason);
}

/* What becomes of the action after an attempt that proved this. */
static PartnerApiSettlement *
settle_verdict(PartnerApiTransfer *transfer,
			   const PartnerApiResponse *response, PartnerApiVerdict *verdict,
			   TimestampTz now)
{
	PartnerApiNextStep next;
	PartnerApiSettlement *settlement;
	bool		card_gone;

	judge_credential(transfer, verdict);
	partner_api_verdict_consider(transfer, now, verdict);
	next = partner_api_after_attempt(transfer->claim, verdict, now);
	card_gone = partner_api_card_was_last(transfer->claim,
										  transfer->arguments, &next);

	settlement = partner_api_settlement_new(transfer, &next, now);
	settlement->verdict = verdict_name(verdict->kind);
	settlement->http_status = response->status;
	if (verdict->kind == PARTNER_API_DONE)
		partner_api_outcome_describe(transfer, verdict,
									 provider_skew_us(response, now), settlement);
	else
	{
		settlement->error =
			partner_api_redact_utf8(verdict->message != NULL ?
									verdict->message :
									"the provider gave no reason",
									partner_api_transfer_secrets(transfer));
		settlement->sqlstate = partner_api_reason_sqlstate(verdict->reason);
		settlement->hint = verdict->kind == PARTNER_API_FAILED &&
			verdict->reason == PARTNER_API_REASON_NOT_READY ?
			"Ask again in a few minutes." :
			partner_api_reason_hint(verdict->reason);
		if (verdict->kind == PARTNER_API_FAILED &&
			transfer->claim->kind == PARTNER_API_AWAIT_INSTANCE)
			partner_api_outcome_unready(transfer, verdict, settlement);
	}
	if (card_gone)
		settlement->error = partner_api_card_gone_words(settlement->error);
	return settlement;
}

/* Judge the answer to the action's own request. */
static PartnerApiSettlement *
finish_send(PartnerApiTransfer *transfer, const PartnerApiResponse *response,
			TimestampTz now)
{
	PartnerApiAction action;
	PartnerApiVerdict verdict = {.retry_after_ms = -1};

	partner_api_transfer_action(transfer, &action);
	partner_api_card_mask_answer(transfer->claim,
								 unconstify(char *, response->body),
								 response->body_len);
	partner_api_provider_judge(transfer->account->server->provider, &action,
							   response, &verdict);
	return settle_verdict(transfer, response, &verdict, now);
}

/*
 * Take in a page of the search before the action's own request, which follows
 * if nothing is found.
 */
static List *
finish_search(PartnerApiTransfer *transfer,
			  const PartnerApiResponse *response, TimestampTz now)
{
	PartnerApiVerdict verdict = {.retry_after_ms = -1};

	switch (partner_api_search_page(transfer, response, &verdict))
	{
		case PARTNER_API_FOUND_MORE:
			return NIL;
		case PARTNER_API_FOUND_OUT:
			return list_make1(settle_verdict(transfer, response, &verdict,
											 now));
		case PARTNER_API_FOUND_NOTHING:
			break;
	}
	if (is_too_late(transfer->claim, now))
		return list_make1(partner_api_settle_unsent(transfer, "missed",
													TOO_LATE, now));
	start_send(transfer);
	MemoryContextSwitchTo(transfer->claim->context);
	return NIL;
}

/*
 * Take in a finished call.  Returns the settlements that it leads to, or NIL
 * if the transfer goes on with another request.
 */
List *
partner_api_transfer_finish(PartnerApiCall *call, TimestampTz now)
{
	PartnerApiTransfer *transfer = partner_api_call_arg(call);
	const PartnerApiResponse *response = partner_api_call_response(call);
	PartnerApiResponse outside = *response; /* outlives the call of a page */
	MemoryContext before = MemoryContextSwitchTo(transfer->claim->context);
	List	   *settlements;

	PG_TRY();
	{
		if (transfer->claim->purpose == PARTNER_API_LOOK)
			settlements = partner_api_look_page(transfer, response, now);
		else if (transfer->search != NULL)
			settlements = finish_search(transfer, response, now);
		else
			settlements = list_make1(finish_send(transfer, response, now));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(transfer->claim->context);
		error = CopyErrorData();
		FlushErrorState();
		settlements = partner_api_settle_unread(transfer, error, now);
	}
	PG_END_TRY();
	partner_api_secret_wipe(transfer->claim->secret);
	if (settlements != NIL)
	{
		dlist_delete(&transfer->node);
		total_in_flight--;
		partner_api_limits_leave(&transfer->permit,
								 transfer->elsewhere ? NULL : &outside);
	}
	else
		partner_api_limits_go_on(&transfer->permit, &outside);
	MemoryContextSwitchTo(before);
	return settlements;
}
