/*-------------------------------------------------------------------------
 *
 * zapi_check.c
 *	  Z-API: arguments that must not be sent.
 *
 * An action is refused when it is written down, not when it is sent: only
 * then is there somebody to read the error.  Refused is what the provider
 * is documented to refuse, and what it would silently ignore, such as a
 * misspelt setting.  Values are not repeated in errors, which may go to a
 * log: a callback URL often carries a key.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zapi.h"

/* What a create accepts besides the name, in the order of the hint. */
static const PartnerApiSetting known_settings[] = {
	{.name = "autoReadMessage",.type = PARTNER_API_SETTING_BOOLEAN},
	{.name = "autoReadStatus",.type = PARTNER_API_SETTING_BOOLEAN},
	{.name = "blockCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "businessDevice",.type = PARTNER_API_SETTING_BOOLEAN},
	{.name = "callRejectAuto",.type = PARTNER_API_SETTING_BOOLEAN},
	{.name = "callRejectMessage",.type = PARTNER_API_SETTING_TEXT},
	{.name = "connectedCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "deliveryCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "disableEnqueueWhenDisconnected",.type = PARTNER_API_SETTING_BOOLEAN},
	{.name = "disconnectedCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "isDevice",.type = PARTNER_API_SETTING_BOOLEAN},
	{.name = "messageStatusCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "presenceChatCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "profileName",.type = PARTNER_API_SETTING_TEXT},
	{.name = "profilePictureUrl",.type = PARTNER_API_SETTING_TEXT},
	{.name = "receivedAndDeliveryCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "receivedCallbackUrl",.type = PARTNER_API_SETTING_URL},
	{.name = "sessionName",.type = PARTNER_API_SETTING_TEXT}
};

static const PartnerApiSettings settings = {
	.provider = "zapi",
	.why_https = "The provider delivers webhooks over https only.",
	.known = known_settings,
	.count = lengthof(known_settings)
};

/*
 * Check the arguments of a create: "name", and "settings" where given.
 */
static void
check_create(const json_t *arguments)
{
	const json_t *name = json_object_get(arguments, "name");
	const json_t *given = json_object_get(arguments, "settings");

	partner_api_check_instance_name(json_string_value(name));
	if (given != NULL)
		partner_api_settings_check(&settings, given, true);
}

/*
 * Check "with_calls": absent or a boolean.
 */
static void
check_with_calls(const json_t *arguments)
{
	const json_t *value = json_object_get(arguments, "with_calls");

	if (value != NULL && !json_is_boolean(value))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("argument \"with_calls\" must be a boolean"),
				errdetail("The value is %s.", partner_api_type_name(value)),
				errhint("Leave it out for a subscription without calls."));
}

/*
 * Check a change of the subscription: it can only add calls.
 */
static void
check_update(const json_t *arguments)
{
	check_with_calls(arguments);
	if (!partner_api_json_true(arguments, "with_calls"))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("cannot downgrade a subscription"),
				errdetail("The provider adds calls to a subscription, but "
						  "does not take them away."),
				errhint("Cancel the instance and sign it anew."));
}

/*
 * Raise ERROR unless element "position" of a bulk delete is a usable id that
 * no earlier element repeats.
 */
static void
check_element(const json_t *ids, size_t position)
{
	const char *id = json_string_value(json_array_get(ids, position));

	partner_api_check_instance_id(id);
	for (size_t i = 0; i < position; i++)
	{
		if (strcmp(json_string_value(json_array_get(ids, i)), id) == 0)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("instance \"%s\" is listed twice", partner_api_shown_key(id)),
					errdetail("Elements %d and %d of the list are the same.",
							  (int) i + 1, (int) position + 1),
					errhint("List each instance once."));
	}
}

/*
 * Check the ids of a bulk delete and, once tokens have been looked up, that
 * each has one: without it the provider cannot be asked about the instance.
 */
static void
check_batch(const PartnerApiAction *action)
{
	json_t	   *ids = json_object_get(action->arguments, "instance_ids");
	size_t		count = json_array_size(ids);

	if (count < 1 || count > PARTNER_API_ZAPI_BATCH)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("cannot delete %d instances at once", (int) count),
				errdetail("The provider takes 1 to %d instances a request.",
						  PARTNER_API_ZAPI_BATCH),
				errhint("Split the list."));

	for (size_t i = 0; i < count; i++)
	{
		const char *id;

		check_element(ids, i);
		id = json_string_value(json_array_get(ids, i));
		if (action->tokens != NULL &&
			!json_is_string(json_object_get(action->tokens, id)))
			ereport(ERROR,
					errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("token of instance \"%s\" is not known",
						   partner_api_shown_key(id)),
					errdetail("The provider asks for the token of every "
							  "instance."),
					errhint("Read the provider's list first."));
	}
}

/*
 * Raise ERROR for arguments that must not be sent.
 */
void
partner_api_zapi_check(const PartnerApiAction *action)
{
	switch (action->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			check_create(action->arguments);
			return;
		case PARTNER_API_DELETE_INSTANCES:
			check_batch(action);
			return;
		case PARTNER_API_SIGN_INSTANCE:
			check_with_calls(action->arguments);
			break;
		case PARTNER_API_UPDATE_SUBSCRIPTION:
			check_update(action->arguments);
			break;
		default:
			break;
	}
	partner_api_check_instance_id(action->instance_id);
}
