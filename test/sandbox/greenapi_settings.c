/*-------------------------------------------------------------------------
 *
 * greenapi_settings.c
 *	  Green API: the settings of an instance: their types, what is kept of
 *	  them, and what getSettings shows.
 *
 * What an instance holds as "settings" is what took hold, not what was sent:
 * the provider is known to lose some on new instances.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "greenapi.h"

#include <string.h>

#define DELAY "delaySendMessagesMilliseconds"
#define MIN_DELAY 500
#define MAX_DELAY 600000

static const char *const texts[] = {"webhookUrl", "webhookUrlToken"};

/* Each is the string "yes" or "no", never a boolean. */
static const char *const switches[] = {
	"markIncomingMessagesReaded", "markIncomingMessagesReadedOnReply",
	"outgoingWebhook", "outgoingMessageWebhook",
	"outgoingAPIMessageWebhook", "incomingWebhook", "deviceWebhook",
	"stateWebhook", "keepOnlineStatus", "pollMessageWebhook",
	"incomingBlockWebhook", "incomingCallWebhook", "editedMessageWebhook",
	"deletedMessageWebhook", "enableMessagesHistory"
};

static bool
is_switch(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL &&
		(strcmp(text, "yes") == 0 || strcmp(text, "no") == 0);
}

static bool
is_delay(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= MIN_DELAY &&
		json_integer_value(value) <= MAX_DELAY;
}

/* Is each known setting of the right type?  Unknown ones are let pass. */
bool
sandbox_greenapi_check_settings(const json_t *settings)
{
	const json_t *value = json_object_get(settings, DELAY);
	size_t		i;

	if (value != NULL && !is_delay(value))
		return false;
	for (i = 0; i < lengthof(texts); i++)
	{
		value = json_object_get(settings, texts[i]);
		if (value != NULL && !json_is_string(value))
			return false;
	}
	for (i = 0; i < lengthof(switches); i++)
	{
		value = json_object_get(settings, switches[i]);
		if (value != NULL && !is_switch(value))
			return false;
	}
	return true;
}

/* Let what was sent with the create take hold, or be lost. */
void
sandbox_greenapi_create_settings(SandboxInstance *instance)
{
	json_t	   *sent = instance->settings;

	if (sent != NULL &&
		(sandbox_config.greenapi_settings_kept == SANDBOX_KEPT_ALL ||
		 sandbox_config.greenapi_settings_kept == SANDBOX_KEPT_CREATED))
		instance->settings = json_copy(sent);
	else
		instance->settings = json_object();
	json_decref(sent);
}

/* The same for what setSettings sent. */
void
sandbox_greenapi_change_settings(SandboxInstance *instance,
								 const json_t *changes)
{
	if (instance->settings == NULL)
		instance->settings = json_object();
	if (sandbox_config.greenapi_settings_kept == SANDBOX_KEPT_ALL ||
		sandbox_config.greenapi_settings_kept == SANDBOX_KEPT_CHANGED)
		json_object_update(instance->settings, (json_t *) changes);
}

/* Show a setting as it took hold, or its default; takes the reference. */
static void
show(json_t *shown, const SandboxInstance *instance, const char *name,
	 json_t *otherwise)
{
	json_t	   *value = json_object_get(instance->settings, name);

	json_object_set(shown, name, value != NULL ? value : otherwise);
	json_decref(otherwise);
}

/* What getSettings answers. */
json_t *
sandbox_greenapi_show_settings(const SandboxInstance *instance)
{
	json_t	   *shown = json_pack("{s:s, s:s, s:s}",
								  "wid", instance->connected ?
								  "5511999999999@c.us" : "",
								  "countryInstance", "", "typeAccount", "");
	size_t		i;

	for (i = 0; i < lengthof(texts); i++)
		show(shown, instance, texts[i], json_string(""));
	show(shown, instance, DELAY, json_integer(MIN_DELAY));
	for (i = 0; i < lengthof(switches); i++)
		show(shown, instance, switches[i], json_string("no"));
	return shown;
}
