/*-------------------------------------------------------------------------
 *
 * zsystems_check.c
 *	  zsystems: arguments that must not be sent.
 *
 * An action is refused when it is written down, not when it is sent: only
 * then is there somebody to read the error.  Errors name the argument as SQL
 * does, and do not repeat values, which are names, documents and cards of
 * people.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

/* Digits of an id: as many as surely fit 64 bits. */
#define ID_DIGITS 18

/*
 * Raise ERROR for what is no id of this provider.
 */
void
partner_api_zsystems_check_id(const char *argument, const char *id)
{
	if (id == NULL || *id == '\0' || strlen(id) > ID_DIGITS ||
		strspn(id, "0123456789") != strlen(id))
		partner_api_refuse(argument, "an id of the provider",
						   "The provider's ids are numbers.",
						   "Give the id as the provider shows it.");
}

/*
 * Raise ERROR unless a change of a subscription says what is to change.  Its
 * members are not documented, so they are the caller's.
 */
static void
check_changes(const json_t *arguments)
{
	const json_t *changes = json_object_get(arguments, "changes");

	if (!json_is_object(changes) || json_object_size(changes) == 0)
		partner_api_refuse("changes", "a JSON object with members",
						   "There is nothing to change.",
						   "Give members as the provider names "
						   "them.");
	if (partner_api_zsystems_holds_card(changes))
		partner_api_refuse("changes", "without a card",
						   "Arguments are kept, and the data of a "
						   "card must not be.",
						   "Use store_card().");
}

/*
 * Raise ERROR for arguments that must not be sent.
 */
void
partner_api_zsystems_check(const PartnerApiAction *action)
{
	const char *argument =
	partner_api_kind_traits(action->kind)->id_argument;

	if (argument != NULL)
		partner_api_zsystems_check_id(argument, action->instance_id);
	switch (action->kind)
	{
		case PARTNER_API_CREATE_PLAN:
		case PARTNER_API_CHANGE_PLAN:
			partner_api_zsystems_check_plan(action);
			break;
		case PARTNER_API_CREATE_SUBSCRIPTION:
			partner_api_zsystems_check_subscription(action);
			break;
		case PARTNER_API_CHANGE_SUBSCRIPTION:
			check_changes(action->arguments);
			break;
		case PARTNER_API_REFUND_INVOICE:
			partner_api_zsystems_check_id("subscription_id",
										  json_string_value(json_object_get(action->arguments,
																			"subscription_id")));
			break;
		case PARTNER_API_CREATE_CLIENT:
			partner_api_zsystems_check_client(action);
			break;
		case PARTNER_API_STORE_CARD:
			partner_api_zsystems_check_card(action->secret, action->now_ms);
			break;
		default:
			break;
	}
}
