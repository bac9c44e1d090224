/*-------------------------------------------------------------------------
 *
 * greenapi_check.c
 *	  Green API: arguments that must not be sent.
 *
 * An instance costs money from its creation, and a setting that the provider
 * does not understand is dropped without a word; so what is misspelt is
 * refused, when the action is written down.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/greenapi.h"

/* The largest id: they are documented to have 64 bits. */
#define LAST_ID "18446744073709551615"

static const char *const countries[] = {
	"at", "be", "by", "ca", "ch", "cn", "cz", "de", "ee", "es", "fi", "fr",
	"gb", "gr", "in", "it", "kz", "nl", "no", "pl", "ro", "ru", "se", "tr",
	"ua", "us", NULL
};

/* The messengers, as the list writes them. */
static const char *const messengers[] = {"whatsapp", "telegram", "v3", NULL};

#define SWITCH(setting) \
	{.name = (setting), .type = PARTNER_API_SETTING_SWITCH}

static const PartnerApiSetting known_settings[] = {
	{.name = "countryInstance",.type = PARTNER_API_SETTING_CHOICE,
	.choices = countries,.for_good = true},
	{.name = "delaySendMessagesMilliseconds",
	.type = PARTNER_API_SETTING_NUMBER,.min = 500,.max = 600000},
	SWITCH("deletedMessageWebhook"),
	SWITCH("deviceWebhook"),
	SWITCH("editedMessageWebhook"),
	SWITCH("enableMessagesHistory"),
	SWITCH("incomingBlockWebhook"),
	SWITCH("incomingCallWebhook"),
	SWITCH("incomingWebhook"),
	SWITCH("keepOnlineStatus"),
	SWITCH("markIncomingMessagesReaded"),
	SWITCH("markIncomingMessagesReadedOnReply"),
	SWITCH("outgoingAPIMessageWebhook"),
	SWITCH("outgoingMessageWebhook"),
	SWITCH("outgoingWebhook"),
	{.name = "partnerUserUiid",.type = PARTNER_API_SETTING_TEXT,.max = 36,
	.for_good = true},
	SWITCH("pollMessageWebhook"),
	SWITCH("stateWebhook"),
	{.name = "typeInstance",.type = PARTNER_API_SETTING_CHOICE,
	.choices = messengers,.for_good = true},
	{.name = "webhookUrl",.type = PARTNER_API_SETTING_URL,
	.may_be_empty = true},
	{.name = "webhookUrlToken",.type = PARTNER_API_SETTING_TEXT}
};

const PartnerApiSettings partner_api_greenapi_settings = {
	.provider = "greenapi",
	.why_https = "Notifications hold messages and the token of the webhook, "
	"which http would show to whoever is on the way.",
	.known = known_settings,
	.count = lengthof(known_settings)
};

/*
 * Can this be the id of an instance: a whole number above 0 of up to 64 bits,
 * without a sign or a zero before it?
 */
bool
partner_api_greenapi_is_id(const char *str)
{
	size_t		digits = strspn(str, "0123456789");

	if (digits == 0 || str[digits] != '\0' || str[0] == '0')
		return false;
	return digits < strlen(LAST_ID) ||
		(digits == strlen(LAST_ID) && strcmp(str, LAST_ID) <= 0);
}

/*
 * Does an instance tell this setting when it is asked for all of them?  What
 * is given for good belongs to the account.
 */
bool
partner_api_greenapi_is_told(const char *setting)
{
	const PartnerApiSetting *known =
	partner_api_setting_find(&partner_api_greenapi_settings, setting);

	return known != NULL && !known->for_good;
}

/*
 * Raise ERROR for an id that is none of this provider's.
 */
static void
check_id(const char *instance_id)
{
	partner_api_check_instance_id(instance_id);
	if (!partner_api_greenapi_is_id(instance_id))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid instance id"),
				errdetail("An instance of provider \"greenapi\" has a whole "
						  "number as its id."),
				errhint("Give the id exactly as the provider shows it."));
}

/*
 * Check the settings that an instance is made with, where given.
 */
static void
check_given(const json_t *arguments)
{
	const json_t *given = json_object_get(arguments, "settings");

	if (given != NULL)
		partner_api_settings_check(&partner_api_greenapi_settings, given,
								   true);
}

/*
 * Check the arguments of a change of settings: there must be some.
 */
static void
check_change(const json_t *arguments)
{
	const json_t *given = json_object_get(arguments, "settings");

	partner_api_settings_check(&partner_api_greenapi_settings, given, false);
	if (json_object_size(given) == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("no setting to change"),
				errdetail("The object of settings is empty."),
				errhint("Give at least one setting: each change restarts the "
						"instance."));
}

/*
 * Refuse what would let a caller believe that nothing is billed unless
 * somebody wants it so.  To be kept is what becomes of every instance.
 */
static void
check_trial_end(const char *trial_end)
{
	if (trial_end != NULL && strcmp(trial_end, "sign") != 0)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("provider \"%s\" has no trials",
					   partner_api_greenapi.name),
				errdetail("An instance is billed from its creation, until it is deleted."),
				errhint("Leave out trial_end, and create the instance when it is wanted."));
}

/*
 * See provider.h.
 */
void
partner_api_greenapi_check(const PartnerApiAction *action)
{
	if (action->kind == PARTNER_API_CREATE_INSTANCE)
	{
		const json_t *name = json_object_get(action->arguments, "name");

		partner_api_check_instance_name(json_string_value(name));
		check_trial_end(json_string_value(json_object_get(action->arguments,
														  "trial_end")));
		check_given(action->arguments);
		return;
	}
	check_id(action->instance_id);
	if (action->kind == PARTNER_API_CHANGE_SETTINGS)
		check_change(action->arguments);
	else if (action->kind == PARTNER_API_CHECK_SETTINGS)
		check_given(action->arguments);
}
