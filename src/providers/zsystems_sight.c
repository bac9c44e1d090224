/*-------------------------------------------------------------------------
 *
 * zsystems_sight.c
 *	  zsystems: what the rows of a list show of an action whose answer was
 *	  lost.
 *
 * A plan is found by the nonce of its description, which is not judged here.
 * A subscription carries nothing of ours: it is taken for the one that was
 * asked for if plan and client are the same and it was made no earlier than
 * the request, give or take a minute between two clocks.  A row that does not
 * say when it was made proves nothing.  A card shows in no list.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

/* How far the provider's clock may be behind ours. */
#define CLOCK_DIFFERENCE_MS 60000

/*
 * See provider.h.
 */
const char *
partner_api_zsystems_look_query(const PartnerApiAction *action)
{
	const char *argument = NULL;

	if (action->kind == PARTNER_API_CREATE_CLIENT)
		argument = "document";
	else if (action->kind == PARTNER_API_REFUND_INVOICE)
		argument = "subscription_id";
	return argument == NULL ? NULL :
		json_string_value(json_object_get(action->arguments, argument));
}

/*
 * Is the member of one object the same text as that of another?
 */
static bool
same_text(const json_t *object, const char *key, const json_t *other,
		  const char *other_key)
{
	const char *str = json_string_value(json_object_get(object, key));
	const char *other_str = json_string_value(json_object_get(other,
															  other_key));

	return str != NULL && other_str != NULL &&
		pg_strcasecmp(str, other_str) == 0;
}

/*
 * Is a subscription one of the client that was given?  By its id where there
 * is one, else by what the row tells of its client: the document, or at least
 * the address.
 */
static bool
is_of_client(const PartnerApiAction *action, const json_t *fields)
{
	const json_t *given = json_object_get(action->arguments, "client");
	const json_t *shown = json_object_get(json_object_get(fields, "details"),
										  "cliente");
	json_t	   *client = partner_api_zsystems_client_fields(shown);
	const char *document = json_string_value(json_object_get(given,
															 "document"));

	if (!json_is_object(given))
		return same_text(action->arguments, "client_id", fields,
						 "client_id");
	document = partner_api_document(document);
	if (json_object_get(client, "document") != NULL)
		return document != NULL &&
			strcmp(document,
				   json_string_value(json_object_get(client,
													 "document"))) == 0;
	return same_text(given, "email", client, "email");
}

/*
 * What a subscription shows of a request for one.
 */
static PartnerApiSight
see_new_subscription(const PartnerApiAction *action, int64 sent_ms,
					 const PartnerApiListRow *row, const json_t *fields)
{
	if (row->created_ms == 0 ||
		row->created_ms < sent_ms - CLOCK_DIFFERENCE_MS ||
		!same_text(action->arguments, "plan_id", fields, "plan_id") ||
		!is_of_client(action, fields))
		return PARTNER_API_SIGHT_NOTHING;
	return PARTNER_API_SIGHT_EFFECT;
}

/*
 * What the state of what was acted on shows.  A change shows nothing that
 * could be relied on, and is harmless to repeat; the others may be refused
 * where they are done already, so a state that cannot be read is no reason to
 * send them again.
 */
static PartnerApiSight
see_state(PartnerApiKind kind, const char *status)
{
	bool		ended = strcmp(status, PARTNER_API_ZSYSTEMS_CANCELLED) == 0 ||
	strcmp(status, PARTNER_API_ZSYSTEMS_EXPIRED) == 0;
	bool		suspended = strcmp(status,
								   PARTNER_API_ZSYSTEMS_SUSPENDED) == 0;
	bool		effect = false;

	switch (kind)
	{
		case PARTNER_API_SUSPEND_SUBSCRIPTION:
			effect = suspended;
			break;
		case PARTNER_API_REACTIVATE_SUBSCRIPTION:
			effect = !suspended && !ended;
			break;
		case PARTNER_API_CANCEL_SUBSCRIPTION:
			effect = ended;
			break;
		case PARTNER_API_REFUND_INVOICE:
			effect = pg_strcasecmp(status, PARTNER_API_ZSYSTEMS_VOIDED) == 0;
			break;
		default:
			return PARTNER_API_SIGHT_NO_EFFECT;
	}
	if (strcmp(status, PARTNER_API_ZSYSTEMS_UNKNOWN) == 0)
		return PARTNER_API_SIGHT_RIDDLE;
	return effect ? PARTNER_API_SIGHT_EFFECT : PARTNER_API_SIGHT_NO_EFFECT;
}

/*
 * See provider.h.
 */
PartnerApiSight
partner_api_zsystems_sight(const PartnerApiAction *action, int64 sent_ms,
						   const PartnerApiListRow *row)
{
	const char *status;
	json_t	   *fields;
	char	   *fault;

	switch (action->kind)
	{
		case PARTNER_API_CREATE_PLAN:
		case PARTNER_API_STORE_CARD:
			return PARTNER_API_SIGHT_NOTHING;
		case PARTNER_API_CREATE_CLIENT:
			/* the list was searched for the document */
			return PARTNER_API_SIGHT_EFFECT;
		default:
			break;
	}
	fields = row->fields == NULL ? NULL :
		partner_api_json_parse(row->fields, strlen(row->fields), &fault);
	if (action->kind == PARTNER_API_CREATE_SUBSCRIPTION)
		return see_new_subscription(action, sent_ms, row, fields);
	if (action->instance_id == NULL ||
		strcmp(action->instance_id, row->instance_id) != 0)
		return PARTNER_API_SIGHT_NOTHING;
	status = json_string_value(json_object_get(fields, "status"));
	return see_state(action->kind, status == NULL ?
					 PARTNER_API_ZSYSTEMS_UNKNOWN : status);
}
