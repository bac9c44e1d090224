/*-------------------------------------------------------------------------
 *
 * sightings.c
 *	  What the rows of a list show of an action whose outcome is unknown.
 *
 * A create is found by its nonce.  One that was sent again on a person's word
 * has had others before: an instance that carries one of those is as much its
 * effect.  Everything else names the instance that it is about.  What the
 * rows of other lists show, their provider knows.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "json.h"
#include "sightings.h"

/* A request has its effect when it was sent; clocks differ, requests hang. */
#define EARLIEST_EFFECT_MS 60000
#define LATEST_EFFECT_MS 600000

/* ---- taking note of rows ---- */

/* Add the nonce that a text begins with to those that are looked for. */
static void
add_nonce(PartnerApiSighting *sighting, const char *str)
{
	PartnerApiNonce *nonce = palloc(sizeof(PartnerApiNonce));

	if (partner_api_nonce_find(str, nonce))
		sighting->nonces = lappend(sighting->nonces, nonce);
}

/* All nonces of a create. */
static void
add_nonces(PartnerApiSighting *sighting, const PartnerApiClaim *claim)
{
	char	   *former;
	char	   *next;

	add_nonce(sighting, claim->nonce);
	if (claim->former_nonces == NULL)
		return;
	former = pstrdup(claim->former_nonces);
	for (; former != NULL; former = next)
	{
		next = strchr(former, ' ');
		if (next != NULL)
			*next++ = '\0';
		add_nonce(sighting, former);
	}
}

/* Is its effect found by what we have sent with it? */
static bool
is_found_by_nonce(const PartnerApiClaim *claim)
{
	return partner_api_kind_traits(claim->kind)->repeat ==
		PARTNER_API_REPEAT_BY_NONCE;
}

/* Begin to look for a transfer's action, in its claim's context. */
void
partner_api_sighting_begin(PartnerApiTransfer *transfer)
{
	const PartnerApiClaim *claim = transfer->claim;
	MemoryContext before = MemoryContextSwitchTo(claim->context);

	transfer->sighting = palloc0(sizeof(PartnerApiSighting));
	if (is_found_by_nonce(claim))
		add_nonces(transfer->sighting, claim);
	if (!partner_api_kind_of_instance(claim->kind))
		partner_api_transfer_action(transfer, &transfer->sighting->action);
	MemoryContextSwitchTo(before);
}

/* A row with the nonce of its name, read once for all who look for theirs. */
void
partner_api_mark_row(PartnerApiMarkedRow *marked,
					 const PartnerApiListRow *row)
{
	marked->row = row;
	marked->has_nonce = partner_api_nonce_find(row->name, &marked->nonce);
}

/* What is needed of a row, in the claim's context. */
static PartnerApiListRow *
copy_row(const PartnerApiTransfer *transfer, const PartnerApiListRow *row)
{
	MemoryContext before = MemoryContextSwitchTo(transfer->claim->context);
	PartnerApiListRow *copy = palloc0(sizeof(PartnerApiListRow));

	copy->instance_id = pstrdup(row->instance_id);
	copy->instance_token = row->instance_token == NULL ? NULL :
		pstrdup(row->instance_token);
	copy->created_ms = row->created_ms;
	copy->due_ms = row->due_ms;
	copy->deleted_ms = row->deleted_ms;
	copy->subscription = row->subscription;
	copy->phone_connected = row->phone_connected;
	copy->whatsapp_connected = row->whatsapp_connected;
	copy->fields = row->fields == NULL ? NULL : pstrdup(row->fields);
	MemoryContextSwitchTo(before);
	return copy;
}

/* Does the list keep a row of something that is gone? */
static bool
is_deleted(const PartnerApiListRow *row)
{
	return row->subscription == PARTNER_API_SUBSCRIPTION_DELETED;
}

/* Does somebody use or pay for the instance? */
static bool
is_in_use(const PartnerApiListRow *row)
{
	return row->subscription == PARTNER_API_SUBSCRIPTION_SIGNED ||
		row->phone_connected || row->whatsapp_connected;
}

/*
 * Which of two instances of one create is its effect?  One that is there
 * before one that is gone, the one that is in use, else the older: what was
 * made later is what the repetition made.
 */
static bool
is_preferred(const PartnerApiListRow *row, const PartnerApiListRow *other)
{
	if (is_deleted(row) != is_deleted(other))
		return is_deleted(other);
	if (is_in_use(row) != is_in_use(other))
		return is_in_use(row);
	return row->created_ms != 0 &&
		(other->created_ms == 0 || row->created_ms < other->created_ms);
}

/* The row carries a nonce of the create: it is its effect, or surplus. */
static void
take_created(PartnerApiTransfer *transfer, const PartnerApiListRow *row)
{
	PartnerApiSighting *sighting = transfer->sighting;

	if (sighting->found != NULL)
		sighting->surplus++;
	if (sighting->found == NULL || is_preferred(row, sighting->found))
		sighting->found = copy_row(transfer, row);
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

/* One more instance of a bulk action is still there. */
static void
take_present(PartnerApiTransfer *transfer, const char *instance_id)
{
	MemoryContext before = MemoryContextSwitchTo(transfer->claim->context);
	PartnerApiSighting *sighting = transfer->sighting;

	sighting->present = lappend(sighting->present, pstrdup(instance_id));
	MemoryContextSwitchTo(before);
}

/*
 * May an instance that nobody has marked be the effect of the create, under a
 * name that was cut short or changed?  One that the provider made at that
 * time; asked only where a second one costs money from the beginning.
 */
static bool
is_stranger(const PartnerApiTransfer *transfer, const PartnerApiListRow *row)
{
	int64		sent_ms =
	partner_api_unix_ms_from_timestamp(transfer->claim->sent_at);

	return partner_api_kind_is_paid(transfer->claim->kind) &&
		transfer->account->server->provider->trial_ms == 0 &&
		row->created_ms != 0 && !is_deleted(row) &&
		row->created_ms >= sent_ms - EARLIEST_EFFECT_MS &&
		row->created_ms <= sent_ms + LATEST_EFFECT_MS;
}

/* Take note of what one row says about a create. */
static void
add_to_create(PartnerApiTransfer *transfer, const PartnerApiMarkedRow *marked)
{
	PartnerApiSighting *sighting = transfer->sighting;
	ListCell   *lc;

	if (!marked->has_nonce)
	{
		if (is_stranger(transfer, marked->row))
			sighting->stranger = true;
		return;
	}
	foreach(lc, sighting->nonces)
	{
		const PartnerApiNonce *nonce = lfirst(lc);

		if (marked->nonce.unmodified &&
			strcmp(marked->nonce.installation, nonce->installation) == 0)
			sighting->nonce_seen = true;
		/* what was deleted before it was sent again is no effect of that */
		if (partner_api_nonce_equal(&marked->nonce, nonce) &&
			!(is_deleted(marked->row) &&
			  nonce != linitial(sighting->nonces)))
			take_created(transfer, marked->row);
	}
}

/*
 * Take note of what one row says about an action on what is no instance, by
 * the provider's own judgement.  What is recorded here as another action's
 * effect is not this one's.
 */
static void
add_to_object(PartnerApiTransfer *transfer, const PartnerApiListRow *row)
{
	const PartnerApiClaim *claim = transfer->claim;
	const PartnerApiProvider *provider = transfer->account->server->provider;
	PartnerApiSighting *sighting = transfer->sighting;
	PartnerApiSight sight;

	if (partner_api_json_get(claim->tokens, row->instance_id) != NULL)
		return;
	sight = provider->sight(&sighting->action,
							partner_api_unix_ms_from_timestamp(claim->sent_at),
							row);
	sighting->met = sighting->met || sight != PARTNER_API_SIGHT_NOTHING;
	sighting->riddle = sighting->riddle || sight == PARTNER_API_SIGHT_RIDDLE;
	if (sight == PARTNER_API_SIGHT_EFFECT)
		take_created(transfer, row);
}

/* Take note of what one row says about the action. */
void
partner_api_sighting_add(PartnerApiTransfer *transfer,
						 const PartnerApiMarkedRow *marked)
{
	const PartnerApiClaim *claim = transfer->claim;
	PartnerApiSighting *sighting = transfer->sighting;
	const char *instance_id = marked->row->instance_id;

	if (is_found_by_nonce(claim))
		add_to_create(transfer, marked);
	else if (!partner_api_kind_of_instance(claim->kind))
		add_to_object(transfer, marked->row);
	else if (claim->kind == PARTNER_API_DELETE_INSTANCES)
	{
		if (!is_deleted(marked->row) && is_in_bulk(transfer, instance_id))
			take_present(transfer, instance_id);
	}
	else if (sighting->found == NULL &&
			 strcmp(instance_id, claim->instance_id) == 0)
		sighting->found = copy_row(transfer, marked->row);
}

/* ---- what the list tells ---- */

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
		case PARTNER_API_SUBSCRIPTION_DELETED:
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
	row->subscription == PARTNER_API_SUBSCRIPTION_CANCELLED ||
	is_deleted(row);

	return cancelled ? PARTNER_API_FINDING_EFFECT :
		PARTNER_API_FINDING_NO_EFFECT;
}

/*
 * The same of what is no instance.  A row that cannot be read is a riddle, and
 * so are two that may be the effect, where they carry nothing of ours.
 */
static PartnerApiFinding
judge_object(const PartnerApiTransfer *transfer)
{
	const PartnerApiSighting *sighting = transfer->sighting;
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(transfer->claim->kind);

	if (sighting->riddle ||
		(sighting->surplus > 0 && !is_found_by_nonce(transfer->claim)))
		return PARTNER_API_FINDING_CONTRADICTION;
	if (sighting->found != NULL || (traits->absence && !sighting->met))
		return PARTNER_API_FINDING_EFFECT;
	return PARTNER_API_FINDING_NO_EFFECT;
}

/* The list has been read whole: what does it show of the action? */
PartnerApiFinding
partner_api_sighting_judge(const PartnerApiTransfer *transfer)
{
	const PartnerApiSighting *sighting = transfer->sighting;
	bool		effect = false;

	if (!partner_api_kind_of_instance(transfer->claim->kind))
		return judge_object(transfer);
	switch (transfer->claim->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			effect = sighting->found != NULL;
			break;
		case PARTNER_API_SIGN_INSTANCE:
			return judge_sign(sighting->found);
		case PARTNER_API_CANCEL_INSTANCE:
			return judge_cancel(sighting->found);
		case PARTNER_API_DELETE_INSTANCE:
			effect = sighting->found == NULL || is_deleted(sighting->found);
			break;
		case PARTNER_API_DELETE_INSTANCES:
			effect = sighting->present == NIL;
			break;
		default:
			break;				/* the list does not show it */
	}
	return effect ? PARTNER_API_FINDING_EFFECT :
		PARTNER_API_FINDING_NO_EFFECT;
}
