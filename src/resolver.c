/*-------------------------------------------------------------------------
 *
 * resolver.c
 *	  Looks: how an unknown outcome is settled by listing the provider.
 *
 * A lost answer is neither a failure nor a reason to send again.  The list is
 * read, whole, and shows the effect or the lack of it.  Where a lack leads to
 * a repetition, or to taking an instance for gone, the list is read without a
 * filter: what the provider's search matches is not documented.  One such
 * listing settles every action of its account that is due for a look.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "listing.h"
#include "policy.h"
#include "redact.h"
#include "sightings.h"
#include "transfers.h"
#include "utils/memutils.h"

/* The list as it is read, in the context of the claim that leads the look. */
typedef struct PartnerApiLook
{
	PartnerApiListing listing;
	MemoryContext page_context; /* the call of the page being read */
	int			page;
	PartnerApiList list;
	const char *query;			/* NULL: the whole list */
} PartnerApiLook;

/* ---- reading pages ---- */

/* The name that was sent, with its nonce. */
static char *
sent_name(const PartnerApiTransfer *transfer)
{
	char	   *name = partner_api_json_string(transfer->arguments, "name");

	return partner_api_name_with_nonce(name, transfer->claim->nonce);
}

/*
 * What to search for; NULL where the whole list must be read.  Of what is no
 * instance the provider knows.
 */
static const char *
choose_query(const PartnerApiTransfer *transfer)
{
	const PartnerApiClaim *claim = transfer->claim;
	PartnerApiAction action;

	if (!partner_api_kind_of_instance(claim->kind))
	{
		partner_api_transfer_action(transfer, &action);
		return transfer->account->server->provider->look_query(&action);
	}
	if (transfer->whole_list ||
		partner_api_look_needs_whole(claim, transfer->account->server,
									 transfer->started_at))
		return NULL;
	if (claim->kind == PARTNER_API_CREATE_INSTANCE)
		return sent_name(transfer);
	return claim->instance_id;
}

/* What is asked of the list. */
static PartnerApiFilter
look_filter(const PartnerApiLook *look)
{
	PartnerApiFilter filter = {.list = look->list,.query = look->query};

	return filter;
}

/*
 * Ask for a page of a list in a context of its own, which takes the place of
 * that of the page before: the call of that is given up.
 */
void
partner_api_transfer_page(PartnerApiTransfer *transfer,
						  const PartnerApiFilter *filter, int page,
						  MemoryContext *context)
{
	const PartnerApiServer *server = transfer->account->server;
	PartnerApiRequest request = {0};
	MemoryContext done = *context;
	MemoryContext before;

	*context = AllocSetContextCreate(transfer->claim->context,
									 "partner_api list page",
									 ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(*context);
	server->provider->build_list(filter, page, &server->credential, &request);
	partner_api_transfer_request(transfer, *context, &request, false);
	MemoryContextSwitchTo(before);
	if (done != NULL)
		MemoryContextDelete(done);
}

/* Ask for the next page of a look. */
static void
request_page(PartnerApiTransfer *transfer)
{
	PartnerApiLook *look = transfer->look;
	PartnerApiFilter filter = look_filter(look);

	look->page++;
	partner_api_transfer_page(transfer, &filter, look->page,
							  &look->page_context);
}

/* Start the look of a prepared transfer, in its claim's context. */
void
partner_api_look_start(PartnerApiTransfer *transfer)
{
	PartnerApiLook *look = palloc0(sizeof(PartnerApiLook));
	ListCell   *lc;

	transfer->look = look;
	partner_api_listing_begin(&look->listing,
							  transfer->account->server->time_zone);
	look->list = partner_api_kind_traits(transfer->claim->kind)->list;
	look->query = choose_query(transfer);
	partner_api_sighting_begin(transfer);
	foreach(lc, transfer->companions)
		partner_api_sighting_begin(lfirst(lc));
	request_page(transfer);
}

/* ---- what the whole list tells ---- */

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
	const PartnerApiListRow *found = transfer->sighting->found;
	PartnerApiVerdict verdict = {.kind = PARTNER_API_DONE};

	if (found != NULL)
	{
		verdict.instance_id = found->instance_id;
		verdict.instance_token = found->instance_token;
		verdict.due_ms = found->due_ms;
		verdict.fields = found->fields;
	}
	if (transfer->claim->kind == PARTNER_API_DELETE_INSTANCES)
		verdict.outcomes = all_deleted(transfer);
	partner_api_outcome_describe(transfer, &verdict, 0, settlement);
}

/* Why an action is not settled after a look; NULL if it is. */
static const char *
explain(const PartnerApiTransfer *transfer, const PartnerApiNextStep *next,
		const PartnerApiEvidence *evidence)
{
	const char *why;

	if (evidence->finding == PARTNER_API_FINDING_EFFECT)
		return NULL;
	if (strcmp(next->state, "waiting") == 0)
		return "the provider's list shows no effect; it is sent again";
	if (strcmp(next->state, "unknown") == 0)
		return "the provider's list does not show the effect yet";
	if (evidence->finding == PARTNER_API_FINDING_CONTRADICTION)
		return "the provider's list shows a state that the request does not lead to";
	if (evidence->stranger)
		return "the provider's list shows an instance of that time under another name: if it is the effect, give its id to partner_api.resolve_action(), else send the action again with partner_api.retry_action()";
	why = partner_api_why_not_again(transfer->claim, transfer->account->server,
									evidence->shows_nonces);
	return why != NULL ? why :
		"the provider's list does not show the effect yet, and its deadline is near";
}

/*
 * Is the instance of a create found without the token that it is used with?
 * Then it costs money and is of no use.  Nobody can ask whether somebody uses
 * it all the same, so it is a person's to delete, whatever the server prefers.
 */
static bool
is_stranded(const PartnerApiTransfer *transfer)
{
	const PartnerApiListRow *found = transfer->sighting->found;
	const PartnerApiProvider *provider = transfer->account->server->provider;

	return transfer->claim->kind == PARTNER_API_CREATE_INSTANCE &&
		found != NULL && found->instance_token == NULL &&
		found->subscription != PARTNER_API_SUBSCRIPTION_DELETED &&
		provider->needs_token(PARTNER_API_DISCONNECT_INSTANCE);
}

/* What a person has to know of it. */
static char *
explain_stranded(const PartnerApiTransfer *transfer)
{
	return psprintf("instance %s at the provider is its effect, but the list does not show its token: "
					"delete that with partner_api.delete_instance(), then send the action again with partner_api.retry_action()",
					transfer->sighting->found->instance_id);
}

/* The list has been read whole: settle one action, or look again. */
static PartnerApiSettlement *
conclude(PartnerApiTransfer *transfer, const PartnerApiLook *look,
		 const PartnerApiResponse *response, TimestampTz now)
{
	const PartnerApiAccount *account = transfer->account;
	const PartnerApiSighting *sighting = transfer->sighting;
	PartnerApiEvidence evidence = {
		.finding = partner_api_sighting_judge(transfer),
		.whole = look->query == NULL ||
		partner_api_list_is_searched(look->list),
		.last = partner_api_look_is_last(transfer->claim),
		.shows_nonces = account->list_shows_nonces || sighting->nonce_seen,
		.stranger = sighting->stranger
	};
	PartnerApiNextStep next;
	PartnerApiSettlement *settlement;
	bool		stranded = is_stranded(transfer);

	if (stranded)
		evidence.finding = PARTNER_API_FINDING_CONTRADICTION;
	next = partner_api_after_look(transfer->claim, &evidence, account->server,
								  now);
	settlement = partner_api_settlement_new(transfer, &next, now);
	settlement->verdict =
		stranded || evidence.finding == PARTNER_API_FINDING_EFFECT ?
		"found" : "absent";
	settlement->http_status = response->status;
	settlement->stranded = stranded;
	settlement->error = stranded ? explain_stranded(transfer) :
		explain(transfer, &next, &evidence);
	settlement->sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
	settlement->nonce_seen = sighting->nonce_seen;
	settlement->surplus = sighting->surplus;
	if (evidence.finding == PARTNER_API_FINDING_EFFECT)
		adopt(transfer, settlement);
	return settlement;
}

/* What is said of an action whose list could not be read whole. */
static char *
explain_failure(const PartnerApiNextStep *next, const char *message)
{
	if (strcmp(next->state, "waiting") == 0)
		return psprintf("sent again, since its deadline is near and the provider's list cannot be read: %s",
						message);
	if (strcmp(next->state, "needs_attention") == 0)
		return psprintf("the provider's list could not be read before its deadline: %s",
						message);
	return pstrdup(message);
}

/* A list that could not be read whole proves nothing. */
static PartnerApiSettlement *
settle_failed_look(const PartnerApiTransfer *transfer,
				   const PartnerApiResponse *response, const char *message,
				   TimestampTz now)
{
	PartnerApiNextStep next =
	partner_api_after_failed_look(transfer->claim, transfer->account->server,
								  now);
	PartnerApiSettlement *settlement = partner_api_settlement_new(transfer,
																  &next, now);

	settlement->verdict = "unknown";
	settlement->http_status = response->status;
	settlement->error =
		partner_api_redact_utf8(explain_failure(&next, message),
								partner_api_transfer_secrets(transfer));
	settlement->sqlstate = ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
	return settlement;
}

/* Settle one action of a look that is over; failure: NULL, or why. */
static PartnerApiSettlement *
settle_one(PartnerApiTransfer *transfer, const PartnerApiLook *look,
		   const PartnerApiResponse *response, const char *failure,
		   TimestampTz now)
{
	MemoryContext before = MemoryContextSwitchTo(transfer->claim->context);
	PartnerApiSettlement *settlement;

	/* rows that were not met might show what was not found */
	if (failure == NULL && transfer->sighting->found == NULL &&
		partner_api_listing_is_short(&look->listing))
		failure = "the provider's list has fewer rows than it says";
	if (failure != NULL)
		settlement = settle_failed_look(transfer, response, failure, now);
	else
		settlement = conclude(transfer, look, response, now);
	MemoryContextSwitchTo(before);
	return settlement;
}

/* The look is over for all who shared it. */
static List *
settle_all(PartnerApiTransfer *transfer, const PartnerApiResponse *response,
		   const char *failure, TimestampTz now)
{
	List	   *settlements;
	ListCell   *lc;

	settlements = list_make1(settle_one(transfer, transfer->look, response,
										failure, now));
	foreach(lc, transfer->companions)
		settlements = lappend(settlements,
							  settle_one(lfirst(lc), transfer->look, response,
										 failure, now));
	return settlements;
}

/* Show the rows of a page to all who look. */
static void
inspect_rows(PartnerApiTransfer *transfer, const List *rows)
{
	PartnerApiMarkedRow marked;
	ListCell   *row;
	ListCell   *lc;

	foreach(row, rows)
	{
		partner_api_mark_row(&marked, lfirst(row));
		partner_api_sighting_add(transfer, &marked);
		foreach(lc, transfer->companions)
			partner_api_sighting_add(lfirst(lc), &marked);
	}
}

/*
 * Take in one page.  Returns NIL while there are more, or the settlements of
 * all who shared the look.  To be called in the claim's context.
 */
List *
partner_api_look_page(PartnerApiTransfer *transfer,
					  const PartnerApiResponse *response, TimestampTz now)
{
	PartnerApiLook *look = transfer->look;
	const PartnerApiServer *server = transfer->account->server;
	const PartnerApiProvider *provider = server->provider;
	PartnerApiPage page = {0};
	char	   *message = NULL;
	const char *problem;
	PartnerApiFilter filter;
	MemoryContext before;
	bool		readable;

	if (!response->complete)
		return settle_all(transfer, response, response->transport_error, now);
	before = MemoryContextSwitchTo(look->page_context);
	filter = look_filter(look);
	readable = provider->parse_list(&filter, response, look->page, &page,
									&message);
	MemoryContextSwitchTo(before);
	partner_api_limits_answered(&server->limits, readable ?
								PARTNER_API_REASON_NONE :
								partner_api_provider_reason(provider,
															response));
	if (!readable)
		return settle_all(transfer, response, message, now);
	inspect_rows(transfer, partner_api_listing_add(&look->listing, &page));
	problem = partner_api_listing_problem(&look->listing, &page);
	if (problem != NULL || page.last)
		return settle_all(transfer, response, problem, now);
	request_page(transfer);
	return NIL;
}
