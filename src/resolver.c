/*-------------------------------------------------------------------------
 *
 * resolver.c
 *	  Looks: how an unknown outcome is settled by listing the provider.
 *
 * A lost answer is neither a failure nor a reason to send again.  The list is
 * read, whole, and shows the effect or the lack of it.  Where a lack leads to
 * a repetition, or to taking an instance for gone, the list is read without a
 * filter: what the provider's search matches is not documented.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "json.h"
#include "listing.h"
#include "policy.h"
#include "redact.h"
#include "transfers.h"
#include "utils/memutils.h"

/* A provider that never says "last page" must not keep us for ever. */
#define MOST_PAGES 10000

/* The state of one look, in the claim's context. */
typedef struct PartnerApiLook
{
	PartnerApiListing listing;
	MemoryContext page_context; /* the call of the page being read */
	int			page;
	bool		last;			/* begun so late that an effect would show */
	char	   *query;			/* NULL: the whole list */
	PartnerApiListRow *found;	/* the row it is about, copied */
	bool		nonce_seen;		/* a row showed a nonce of ours unmodified */
	List	   *present;		/* bulk delete: ids that are still there */
} PartnerApiLook;

/* ---- reading pages ---- */

/* The name that was sent, with its nonce. */
static char *
sent_name(const PartnerApiTransfer *transfer)
{
	char	   *name = partner_api_json_string(transfer->arguments, "name");

	return partner_api_name_with_nonce(name, transfer->claim->nonce);
}

/* What to search for; NULL where the whole list must be read. */
static char *
choose_query(const PartnerApiTransfer *transfer, bool last_look)
{
	const PartnerApiClaim *claim = transfer->claim;

	switch (claim->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			return last_look ? NULL : sent_name(transfer);
		case PARTNER_API_SIGN_INSTANCE:
		case PARTNER_API_UPDATE_SUBSCRIPTION:
		case PARTNER_API_DISCONNECT_INSTANCE:
			return claim->instance_id;
		case PARTNER_API_CANCEL_INSTANCE:
		case PARTNER_API_DELETE_INSTANCE:
		case PARTNER_API_DELETE_INSTANCES:
			break;
	}
	return NULL;
}

/* Ask for the next page; the call of the page before is given up. */
static void
request_page(PartnerApiTransfer *transfer)
{
	PartnerApiLook *look = transfer->look;
	const PartnerApiServer *server = transfer->account->server;
	PartnerApiFilter filter = {.query = look->query};
	PartnerApiRequest request = {0};
	MemoryContext done = look->page_context;
	MemoryContext before;

	look->page_context = AllocSetContextCreate(transfer->claim->context,
											   "partner_api list page",
											   ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(look->page_context);
	look->page++;
	server->provider->build_list(&filter, look->page, &server->credential,
								 &request);
	partner_api_transfer_request(transfer, look->page_context, &request,
								 false);
	MemoryContextSwitchTo(before);
	if (done != NULL)
		MemoryContextDelete(done);
}

/* Start the look of a prepared transfer, in its claim's context. */
void
partner_api_look_start(PartnerApiTransfer *transfer)
{
	transfer->look = palloc0(sizeof(PartnerApiLook));
	partner_api_listing_begin(&transfer->look->listing);
	transfer->look->last = partner_api_look_is_last(transfer->claim);
	transfer->look->query = choose_query(transfer, transfer->look->last);
	request_page(transfer);
}

/* ---- what a row tells ---- */

/*
 * Does a name end with a nonce of this installation exactly as we write it?
 * It begins like the claim's own: "pa-", installation, "-".
 */
static bool
shows_our_nonce(const char *name, const char *nonce)
{
	const char *rest = strchr(nonce + strlen("pa-"), '-');
	size_t		prefix_len;
	const char *found;
	const char *p;

	if (name == NULL || rest == NULL)
		return false;
	prefix_len = rest - nonce + 1;
	found = strrchr(name, '[');
	if (found == NULL || strncmp(found + 1, nonce, prefix_len) != 0)
		return false;
	p = found + 1 + prefix_len;
	while (isdigit((unsigned char) *p))
		p++;
	return *p == '-' && strlen(p) == strlen("-00000000]") &&
		strspn(p + 1, "0123456789abcdef") == 8 && p[9] == ']';
}

/* A name that carries the nonce in any case and any place is ours. */
static bool
carries_nonce(const char *name, const char *nonce)
{
	size_t		len = strlen(nonce);

	for (; name != NULL && strlen(name) >= len; name++)
	{
		if (pg_strncasecmp(name, nonce, len) == 0)
			return true;
	}
	return false;
}

/* What is needed of a row, in the claim's context. */
static PartnerApiListRow *
copy_row(const PartnerApiListRow *row)
{
	PartnerApiListRow *copy = palloc0(sizeof(PartnerApiListRow));

	copy->instance_id = pstrdup(row->instance_id);
	copy->instance_token = row->instance_token == NULL ? NULL :
		pstrdup(row->instance_token);
	copy->due_ms = row->due_ms;
	copy->subscription = row->subscription;
	return copy;
}

/* Is the instance among those of a bulk action? */
static bool
is_in_bulk(const PartnerApiTransfer *transfer, const char *instance_id)
{
	json_t	   *ids = partner_api_json_get(transfer->arguments,
										   "instance_ids");

	for (int i = 0; i < partner_api_json_count(ids); i++)
	{
		if (strcmp(partner_api_json_text_at(ids, i), instance_id) == 0)
			return true;
	}
	return false;
}

/* Take note of what one row says about the action. */
static void
inspect_row(PartnerApiTransfer *transfer, const PartnerApiListRow *row)
{
	PartnerApiLook *look = transfer->look;
	const PartnerApiClaim *claim = transfer->claim;
	bool		ours;

	if (claim->kind == PARTNER_API_DELETE_INSTANCES)
	{
		if (is_in_bulk(transfer, row->instance_id))
			look->present = lappend(look->present, pstrdup(row->instance_id));
		return;
	}
	if (claim->kind == PARTNER_API_CREATE_INSTANCE)
	{
		if (shows_our_nonce(row->name, claim->nonce))
			look->nonce_seen = true;
		ours = carries_nonce(row->name, claim->nonce);
	}
	else
		ours = strcmp(row->instance_id, claim->instance_id) == 0;
	if (ours && look->found == NULL)
		look->found = copy_row(row);
}

/* ---- what the whole list tells ---- */

/* What the instance's row, or the lack of it, shows of a sign. */
static PartnerApiFinding
judge_sign(const PartnerApiListRow *row)
{
	if (row == NULL)
		return PARTNER_API_FINDING_NO_EFFECT;
	switch (row->subscription)
	{
		case PARTNER_API_SUBSCRIPTION_SIGNED:
			return PARTNER_API_FINDING_EFFECT;
		case PARTNER_API_SUBSCRIPTION_TRIAL:
		case PARTNER_API_SUBSCRIPTION_UNKNOWN:
			return PARTNER_API_FINDING_NO_EFFECT;
		case PARTNER_API_SUBSCRIPTION_CANCELLING:
		case PARTNER_API_SUBSCRIPTION_CANCELLED:
			break;
	}
	return PARTNER_API_FINDING_CONTRADICTION;
}

/* The same of a cancel: an instance that is gone is cancelled too. */
static PartnerApiFinding
judge_cancel(const PartnerApiListRow *row)
{
	bool		cancelled = row == NULL ||
	row->subscription == PARTNER_API_SUBSCRIPTION_CANCELLING ||
	row->subscription == PARTNER_API_SUBSCRIPTION_CANCELLED;

	return cancelled ? PARTNER_API_FINDING_EFFECT :
		PARTNER_API_FINDING_NO_EFFECT;
}

/* The list has been read whole: what does it show of the action? */
static PartnerApiFinding
judge_list(const PartnerApiTransfer *transfer)
{
	const PartnerApiLook *look = transfer->look;
	bool		effect = false;

	switch (transfer->claim->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			effect = look->found != NULL;
			break;
		case PARTNER_API_SIGN_INSTANCE:
			return judge_sign(look->found);
		case PARTNER_API_CANCEL_INSTANCE:
			return judge_cancel(look->found);
		case PARTNER_API_DELETE_INSTANCE:
			effect = look->found == NULL;
			break;
		case PARTNER_API_DELETE_INSTANCES:
			effect = look->present == NIL;
			break;
		case PARTNER_API_UPDATE_SUBSCRIPTION:
		case PARTNER_API_DISCONNECT_INSTANCE:
			break;				/* the list does not show it */
	}
	return effect ? PARTNER_API_FINDING_EFFECT :
		PARTNER_API_FINDING_NO_EFFECT;
}

/* Every instance of a bulk delete is gone. */
static List *
all_deleted(const PartnerApiTransfer *transfer)
{
	json_t	   *ids = partner_api_json_get(transfer->arguments,
										   "instance_ids");
	List	   *outcomes = NIL;

	for (int i = 0; i < partner_api_json_count(ids); i++)
	{
		PartnerApiOutcome *outcome = palloc0(sizeof(PartnerApiOutcome));

		outcome->instance_id = pstrdup(partner_api_json_text_at(ids, i));
		outcome->done = true;
		outcomes = lappend(outcomes, outcome);
	}
	return outcomes;
}

/* Record the effect as if its answer had come. */
static void
adopt(const PartnerApiTransfer *transfer, PartnerApiSettlement *settlement)
{
	const PartnerApiLook *look = transfer->look;
	PartnerApiVerdict verdict = {.kind = PARTNER_API_DONE};

	if (look->found != NULL)
	{
		verdict.instance_id = look->found->instance_id;
		verdict.instance_token = look->found->instance_token;
		verdict.due_ms = look->found->due_ms;
	}
	if (transfer->claim->kind == PARTNER_API_DELETE_INSTANCES)
		verdict.outcomes = all_deleted(transfer);
	partner_api_outcome_describe(transfer, &verdict, 0, settlement);
}

/* Why an action is not settled after a look; NULL if it is. */
static const char *
explain(const PartnerApiTransfer *transfer, const PartnerApiNextStep *next,
		PartnerApiFinding finding, bool shows_nonces)
{
	if (finding == PARTNER_API_FINDING_EFFECT)
		return NULL;
	if (strcmp(next->state, "waiting") == 0)
		return "the provider's list shows no effect; it is sent again";
	if (strcmp(next->state, "unknown") == 0)
		return "the provider's list does not show the effect yet";
	if (finding == PARTNER_API_FINDING_CONTRADICTION)
		return "the provider's list shows a state that the request does not lead to";
	return partner_api_why_not_again(transfer->claim,
									 transfer->account->server, shows_nonces);
}

/* The list has been read whole: settle, or look again. */
static PartnerApiSettlement *
conclude(PartnerApiTransfer *transfer, const PartnerApiResponse *response,
		 TimestampTz now)
{
	PartnerApiLook *look = transfer->look;
	PartnerApiFinding finding = judge_list(transfer);
	PartnerApiAccount *account = transfer->account;
	bool		shows_nonces = account->list_shows_nonces ||
	look->nonce_seen;
	PartnerApiNextStep next;
	PartnerApiSettlement *settlement;

	next = partner_api_after_look(transfer->claim, finding, account->server,
								  shows_nonces, look->last, now);
	settlement = partner_api_settlement_new(transfer, &next, now);
	settlement->verdict = finding == PARTNER_API_FINDING_EFFECT ? "found" :
		"absent";
	settlement->http_status = response->status;
	settlement->error = explain(transfer, &next, finding, shows_nonces);
	settlement->sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
	settlement->nonce_seen = look->nonce_seen;
	if (finding == PARTNER_API_FINDING_EFFECT)
		adopt(transfer, settlement);
	return settlement;
}

/* A list that could not be read whole proves nothing. */
static PartnerApiSettlement *
settle_failed_look(const PartnerApiTransfer *transfer,
				   const PartnerApiResponse *response, const char *message,
				   TimestampTz now)
{
	PartnerApiNextStep next = partner_api_after_failed_look(transfer->claim,
															now);
	PartnerApiSettlement *settlement = partner_api_settlement_new(transfer,
																  &next, now);

	settlement->verdict = "unknown";
	settlement->http_status = response->status;
	settlement->error =
		partner_api_redact_utf8(message,
								partner_api_transfer_secrets(transfer));
	settlement->sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
	return settlement;
}

/*
 * Take in one page.  Returns NULL while there are more, or the settlement.
 * To be called in the claim's context.
 */
PartnerApiSettlement *
partner_api_look_page(PartnerApiTransfer *transfer,
					  const PartnerApiResponse *response, TimestampTz now)
{
	PartnerApiLook *look = transfer->look;
	const PartnerApiProvider *provider = transfer->account->server->provider;
	PartnerApiPage page = {0};
	char	   *message = NULL;
	MemoryContext before;
	bool		readable;
	ListCell   *lc;

	if (!response->complete)
		return settle_failed_look(transfer, response,
								  response->transport_error, now);
	before = MemoryContextSwitchTo(look->page_context);
	readable = provider->parse_list(response, look->page, &page, &message);
	MemoryContextSwitchTo(before);
	if (!readable)
		return settle_failed_look(transfer, response, message, now);
	foreach(lc, partner_api_listing_add(&look->listing, &page))
		inspect_row(transfer, lfirst(lc));
	if (look->listing.moved)
		return settle_failed_look(transfer, response,
								  "the provider's list changed while it was read",
								  now);
	if (page.last && look->found == NULL &&
		partner_api_listing_is_short(&look->listing))
		return settle_failed_look(transfer, response,
								  "the provider's list has fewer rows than it says",
								  now);
	if (page.last)
		return conclude(transfer, response, now);
	if (look->page >= MOST_PAGES)
		return settle_failed_look(transfer, response,
								  "the provider's list has no end", now);
	request_page(transfer);
	return NULL;
}
