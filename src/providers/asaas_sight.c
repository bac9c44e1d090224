/*-------------------------------------------------------------------------
 *
 * asaas_sight.c
 *	  Asaas: what to look for where an answer was lost, and what is seen.
 *
 * What is new is searched by its nonce, and found by it without a judgement
 * here; it may have been deleted since.  Anything else is read by its id.  And
 * a customer is searched by the document before one is made, whatever else is
 * new by its nonce before it is made again.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

/*
 * See provider.h.  There are few webhooks: their list is read whole.
 */
const char *
partner_api_asaas_look_query(const PartnerApiAction *action)
{
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(action->kind);

	if (traits->object == PARTNER_API_WEBHOOK)
		return NULL;
	if (traits->object == PARTNER_API_NOTIFICATION)
		return action->instance_id;
	if (!traits->creates)
		return psprintf("%s=%s", traits->id_argument,
						partner_api_url_encode(action->instance_id));
	return action->nonce == NULL ? NULL : psprintf("nonce=%s", action->nonce);
}

/*
 * What a charge shows of a refund.  The whole amount shows in the status; of a
 * part it only shows that some was given back, and that may have been before.
 */
static PartnerApiSight
see_refund(const PartnerApiAction *action, const json_t *charge,
		   const char *status)
{
	static const char *const words[] = {
		"REFUNDED", "REFUND_REQUESTED", "REFUND_IN_PROGRESS"
	};
	const json_t *refunds =
	json_object_get(json_object_get(charge, "details"), "refunds");
	const json_t *value = json_object_get(action->arguments, "value_cents");

	if (json_is_integer(value))
		return json_array_size(refunds) > 0 ? PARTNER_API_SIGHT_RIDDLE :
			PARTNER_API_SIGHT_NO_EFFECT;
	for (size_t i = 0; i < lengthof(words); i++)
	{
		if (strcmp(status, words[i]) == 0)
			return PARTNER_API_SIGHT_EFFECT;
	}
	return PARTNER_API_SIGHT_NO_EFFECT;
}

/*
 * What the thing that was acted on shows.  A change shows nothing that could
 * be relied on, and is harmless to repeat.
 */
static PartnerApiSight
see_state(const PartnerApiAction *action, const json_t *thing)
{
	const char *status = json_string_value(json_object_get(thing, "status"));
	bool		deleted = partner_api_json_true(thing, "deleted");
	bool		in_cash = status != NULL &&
	strcmp(status, "RECEIVED_IN_CASH") == 0;
	bool		effect = false;

	switch (action->kind)
	{
		case PARTNER_API_DELETE_CUSTOMER:
		case PARTNER_API_DELETE_CHARGE:
		case PARTNER_API_DELETE_RECURRENCE:
			effect = deleted;
			break;
		case PARTNER_API_RESTORE_CUSTOMER:
		case PARTNER_API_RESTORE_CHARGE:
			effect = !deleted;
			break;
		case PARTNER_API_REFUND_CHARGE:
			return status == NULL ? PARTNER_API_SIGHT_RIDDLE :
				see_refund(action, thing, status);
		case PARTNER_API_RECEIVE_CHARGE:
		case PARTNER_API_UNDO_RECEIVE_CHARGE:
			if (status == NULL)
				return PARTNER_API_SIGHT_RIDDLE;
			effect = in_cash == (action->kind == PARTNER_API_RECEIVE_CHARGE);
			break;
		default:
			break;
	}
	return effect ? PARTNER_API_SIGHT_EFFECT : PARTNER_API_SIGHT_NO_EFFECT;
}

/*
 * See provider.h.
 */
PartnerApiSight
partner_api_asaas_sight(const PartnerApiAction *action, int64 sent_ms,
						const PartnerApiListRow *row)
{
	json_t	   *thing;
	char	   *fault;

	if (partner_api_kind_traits(action->kind)->creates)
		return PARTNER_API_SIGHT_NOTHING;
	if (action->kind == PARTNER_API_CHANGE_NOTIFICATIONS)
		return PARTNER_API_SIGHT_NO_EFFECT;
	if (action->instance_id == NULL ||
		strcmp(action->instance_id, row->instance_id) != 0)
		return PARTNER_API_SIGHT_NOTHING;
	thing = row->fields == NULL ? NULL :
		partner_api_json_parse(row->fields, strlen(row->fields), &fault);
	return see_state(action, thing);
}

/* ---- before something is made ---- */

/* The document of a new customer as it is sent. */
static const char *
new_document(const PartnerApiAction *action)
{
	const json_t *document = json_object_get(action->arguments, "document");

	return partner_api_asaas_document(json_string_value(document));
}

/*
 * See provider.h.  There are few webhooks: their list is read whole.
 */
const char *
partner_api_asaas_find_query(const PartnerApiAction *action)
{
	const char *document = new_document(action);

	if (action->kind == PARTNER_API_CREATE_CUSTOMER)
		return document == NULL ? NULL :
			psprintf("document=%s", partner_api_url_encode(document));
	if (!action->again || action->nonce == NULL ||
		!partner_api_kind_traits(action->kind)->creates)
		return NULL;
	return action->kind == PARTNER_API_CREATE_WEBHOOK ? "" :
		partner_api_asaas_look_query(action);
}

/* Is a customer that of the document?  The search may match more. */
static bool
has_document(const PartnerApiAction *action, const PartnerApiListRow *row)
{
	char	   *fault;
	json_t	   *customer = row->fields == NULL ? NULL :
	partner_api_json_parse(row->fields, strlen(row->fields), &fault);
	const char *document =
	json_string_value(json_object_get(customer, "document"));

	return document != NULL && !partner_api_json_true(customer, "deleted") &&
		strcmp(partner_api_asaas_document(document),
			   new_document(action)) == 0;
}

/*
 * See provider.h.  What carries the nonce was made by this action, even if it
 * was deleted since.
 */
bool
partner_api_asaas_is_there(const PartnerApiAction *action,
						   const PartnerApiListRow *row)
{
	if (action->kind == PARTNER_API_CREATE_CUSTOMER)
		return has_document(action, row);
	return row->name != NULL &&
		strstr(row->name, psprintf("[%s]", action->nonce)) != NULL;
}
