/*-------------------------------------------------------------------------
 *
 * searches.c
 *	  What is searched for before it is made.
 *
 * A provider may let a second customer of one document be made.  So a create
 * of such a thing reads the provider's list first, right before its request
 * and under the same claim: whatever is read changes nothing, and what was
 * enqueued long ago is searched for when its turn comes.
 *
 * The same is done with what is sent again after an answer was lost, on a
 * person's word or on that of two looks: should the effect show by now, there
 * will not be a second one.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "listing.h"
#include "nonce.h"
#include "transfers.h"
#include "utils/memutils.h"

/* The list as it is read, in the context of the claim. */
typedef struct PartnerApiSearch
{
	PartnerApiListing listing;
	PartnerApiFilter filter;
	PartnerApiAction action;
	MemoryContext page_context; /* the call of the page being read */
	int			page;
	PartnerApiListRow *found;	/* NULL: nothing so far */
	bool		found_ours;		/* with a nonce of our installation */
	bool		found_own;		/* with the nonce of this action */
} PartnerApiSearch;

/* ---- reading pages ---- */

/* Ask for the next page. */
static void
request_page(PartnerApiTransfer *transfer)
{
	PartnerApiSearch *search = transfer->search;

	search->page++;
	partner_api_transfer_page(transfer, &search->filter, search->page,
							  &search->page_context);
}

/*
 * Put the first page on the wire, in the claim's context; false if there is
 * nothing to search for.
 */
bool
partner_api_search_start(PartnerApiTransfer *transfer)
{
	const PartnerApiProvider *provider = transfer->account->server->provider;
	PartnerApiSearch *search;
	PartnerApiAction action;
	const char *query;

	if (provider->find_query == NULL)
		return false;
	partner_api_transfer_action(transfer, &action);
	query = provider->find_query(&action);
	if (query == NULL)
		return false;
	search = palloc0(sizeof(PartnerApiSearch));
	search->action = action;
	search->filter.list =
		partner_api_kind_traits(transfer->claim->kind)->list;
	search->filter.query = query;
	partner_api_listing_begin(&search->listing,
							  transfer->account->server->time_zone);
	transfer->search = search;
	request_page(transfer);
	return true;
}

/* ---- what the rows tell ---- */

/*
 * Take a row for what is to be made, if it is better than the one before: one
 * that was made from here, else the older.  Of one day lists begin with what
 * is new.
 */
static void
take_row(PartnerApiTransfer *transfer, const PartnerApiListRow *row)
{
	PartnerApiSearch *search = transfer->search;
	PartnerApiNonce own;
	PartnerApiNonce nonce;
	bool		ours = partner_api_nonce_find(transfer->claim->nonce, &own) &&
	partner_api_nonce_find(row->name, &nonce) &&
	strcmp(own.installation, nonce.installation) == 0;
	MemoryContext before;

	if (search->found != NULL &&
		(ours != search->found_ours ? search->found_ours :
		 row->created_ms > search->found->created_ms))
		return;
	before = MemoryContextSwitchTo(transfer->claim->context);
	search->found = palloc0(sizeof(PartnerApiListRow));
	search->found->instance_id = pstrdup(row->instance_id);
	search->found->created_ms = row->created_ms;
	search->found->fields = row->fields == NULL ? NULL : pstrdup(row->fields);
	search->found_ours = ours;
	search->found_own = ours && partner_api_nonce_equal(&own, &nonce);
	MemoryContextSwitchTo(before);
}

/* Look at the rows of a page; what is recorded as another is not taken. */
static void
inspect_rows(PartnerApiTransfer *transfer, const List *rows)
{
	const PartnerApiProvider *provider = transfer->account->server->provider;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const PartnerApiListRow *row = lfirst(lc);

		if (partner_api_json_get(transfer->claim->tokens,
								 row->instance_id) == NULL &&
			provider->is_there(&transfer->search->action, row))
			take_row(transfer, row);
	}
}

/*
 * A page that cannot be read: nothing was changed, so it is tried again,
 * unless the provider does not want to answer at all.
 */
static PartnerApiFound
fail(const PartnerApiTransfer *transfer, const PartnerApiResponse *response,
	 const char *message, PartnerApiVerdict *verdict)
{
	const PartnerApiProvider *provider = transfer->account->server->provider;

	verdict->reason = partner_api_provider_reason(provider, response);
	verdict->kind = PARTNER_API_RETRY;
	if (verdict->reason == PARTNER_API_REASON_CREDENTIAL ||
		verdict->reason == PARTNER_API_REASON_REFUSED ||
		verdict->reason == PARTNER_API_REASON_NOT_FOUND ||
		verdict->reason == PARTNER_API_REASON_PROTOCOL)
		verdict->kind = PARTNER_API_FAILED;
	verdict->retry_after_ms = response->retry_after_ms;
	verdict->message = psprintf("searched before it is made: %s", message);
	return PARTNER_API_FOUND_OUT;
}

/* The list is read: what is there is taken as if it had just been made. */
static PartnerApiFound
conclude(PartnerApiTransfer *transfer, PartnerApiVerdict *verdict)
{
	const PartnerApiSearch *search = transfer->search;

	transfer->search = NULL;
	if (search->found == NULL)
		return PARTNER_API_FOUND_NOTHING;
	verdict->kind = PARTNER_API_DONE;
	verdict->instance_id = search->found->instance_id;
	verdict->fields = search->found->fields;
	transfer->found_as = search->found_own ? "adopted" : "found";
	return PARTNER_API_FOUND_OUT;
}

/*
 * Take in one page, in the claim's context.  Either the next one is on the
 * wire, or nothing was found, or *verdict says what was found out.
 */
PartnerApiFound
partner_api_search_page(PartnerApiTransfer *transfer,
						const PartnerApiResponse *response,
						PartnerApiVerdict *verdict)
{
	PartnerApiSearch *search = transfer->search;
	const PartnerApiServer *server = transfer->account->server;
	PartnerApiPage page = {0};
	char	   *message = NULL;
	const char *problem;

	if (!response->complete)
		return fail(transfer, response, response->transport_error, verdict);
	if (!server->provider->parse_list(&search->filter, response, search->page,
									  &page, &message))
		return fail(transfer, response, message, verdict);
	inspect_rows(transfer, partner_api_listing_add(&search->listing, &page));
	problem = partner_api_listing_problem(&search->listing, &page);
	if (problem != NULL)
		return fail(transfer, response, problem, verdict);
	if (page.last)
		return conclude(transfer, verdict);
	request_page(transfer);
	return PARTNER_API_FOUND_MORE;
}
