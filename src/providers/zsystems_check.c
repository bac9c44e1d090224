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
 * Raise the error that an argument must be something else.
 */
void
partner_api_zsystems_refuse(const char *argument, const char *must,
							const char *detail, const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("argument \"%s\" must be %s", argument, must),
			errdetail_internal("%s", detail),
			errhint("%s", hint));
	pg_unreachable();
}

/*
 * The text of a member of an argument, or of an argument if prefix is NULL;
 * NULL if it is not given.  Raises ERROR for anything but a line of text, and
 * where it is required also for none.
 */
const char *
partner_api_zsystems_text(const json_t *object, const char *prefix,
						  const char *name, bool required)
{
	const json_t *value = json_object_get(object, name);
	const char *str = json_string_value(value);
	const char *argument = prefix == NULL ? name :
	psprintf("%s.%s", prefix, name);

	if (value == NULL || json_is_null(value) ||
		(str != NULL && str[strspn(str, " ")] == '\0'))
	{
		if (required)
			partner_api_zsystems_refuse(argument, "given",
										"It is missing or empty.",
										"Give it as text.");
		return NULL;
	}
	if (str == NULL)
		partner_api_zsystems_refuse(argument, "a string",
									psprintf("The value is %s.",
											 partner_api_type_name(value)),
									"Give it as text.");
	if (partner_api_text_has_control(str))
		partner_api_zsystems_refuse(argument, "on one line",
									"It contains a line break, a tab or "
									"another control character.",
									"Give a text without them.");
	return str;
}

/*
 * Raise ERROR for what is no id of this provider.
 */
void
partner_api_zsystems_check_id(const char *argument, const char *id)
{
	if (id == NULL || *id == '\0' || strlen(id) > ID_DIGITS ||
		strspn(id, "0123456789") != strlen(id))
		partner_api_zsystems_refuse(argument, "an id of the provider",
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
		partner_api_zsystems_refuse("changes", "a JSON object with members",
									"There is nothing to change.",
									"Give members as the provider names "
									"them.");
	if (partner_api_zsystems_holds_card(changes))
		partner_api_zsystems_refuse("changes", "without a card",
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
