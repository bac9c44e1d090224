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
#include "providers/zapi.h"

typedef enum SettingType
{
	SETTING_BOOLEAN,
	SETTING_TEXT,
	SETTING_URL					/* a webhook: https only */
} SettingType;

typedef struct Setting
{
	const char *name;
	SettingType type;
} Setting;

/* What a create accepts besides the name, in the order of the hint. */
static const Setting known_settings[] = {
	{"autoReadMessage", SETTING_BOOLEAN},
	{"autoReadStatus", SETTING_BOOLEAN},
	{"blockCallbackUrl", SETTING_URL},
	{"businessDevice", SETTING_BOOLEAN},
	{"callRejectAuto", SETTING_BOOLEAN},
	{"callRejectMessage", SETTING_TEXT},
	{"connectedCallbackUrl", SETTING_URL},
	{"deliveryCallbackUrl", SETTING_URL},
	{"disableEnqueueWhenDisconnected", SETTING_BOOLEAN},
	{"disconnectedCallbackUrl", SETTING_URL},
	{"isDevice", SETTING_BOOLEAN},
	{"messageStatusCallbackUrl", SETTING_URL},
	{"presenceChatCallbackUrl", SETTING_URL},
	{"profileName", SETTING_TEXT},
	{"profilePictureUrl", SETTING_TEXT},
	{"receivedAndDeliveryCallbackUrl", SETTING_URL},
	{"receivedCallbackUrl", SETTING_URL},
	{"sessionName", SETTING_TEXT}
};

/* Longest part of a caller's key that an error repeats. */
#define KEY_SHOWN 63

/*
 * The setting of this name, or NULL.
 */
static const Setting *
find_setting(const char *name)
{
	for (size_t i = 0; i < lengthof(known_settings); i++)
	{
		if (strcmp(known_settings[i].name, name) == 0)
			return &known_settings[i];
	}
	return NULL;
}

/*
 * The names of all settings, for a hint.
 */
static char *
setting_names(void)
{
	char	   *names = pstrdup(known_settings[0].name);

	for (size_t i = 1; i < lengthof(known_settings); i++)
		names = psprintf("%s, %s", names, known_settings[i].name);
	return names;
}

/*
 * A caller's key as an error may show it: short, on one line, and plain
 * ASCII, which every database encoding has.
 */
static char *
shown_key(const char *key)
{
	char	   *shown = pnstrdup(key, KEY_SHOWN);

	for (char *c = shown; *c != '\0'; c++)
	{
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return shown;
}

/*
 * What a JSON value is called in an error.
 */
static const char *
type_name(const json_t *value)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return "an object";
		case JSON_ARRAY:
			return "an array";
		case JSON_STRING:
			return "a string";
		case JSON_INTEGER:
		case JSON_REAL:
			return "a number";
		case JSON_TRUE:
		case JSON_FALSE:
			return "a boolean";
		case JSON_NULL:
			break;
	}
	return "null";
}

/*
 * Raise ERROR for a key that is no setting.
 */
static void
refuse_key(const char *key)
{
	if (strcmp(key, "name") == 0)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("setting \"name\" is not allowed"),
				errdetail("The name of an instance is no setting of it."),
				errhint("Give the name as an argument of its own."));

	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("unrecognized setting \"%s\"", shown_key(key)),
			errdetail("Provider \"zapi\" has no such setting."),
			errhint("Known settings are: %s.", setting_names()));
}

/*
 * Raise ERROR for a webhook that is not delivered: Z-API posts to https only.
 */
static void
check_url(const char *key, const char *url)
{
	const char *const scheme = "https://";

	if (pg_strncasecmp(url, scheme, strlen(scheme)) != 0 ||
		strcspn(url + strlen(scheme), "/?#:@") == 0 ||
		strpbrk(url, " \"<>\\") != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" must be an https URL", key),
				errdetail("The provider delivers webhooks over https only."),
				errhint("Give a URL such as \"https://example.com/hook\"."));
}

/*
 * Raise ERROR unless a setting exists and its value suits it.
 */
static void
check_setting(const char *key, const json_t *value)
{
	const Setting *setting = find_setting(key);
	const char *str = json_string_value(value);

	if (setting == NULL)
		refuse_key(key);

	if (setting->type == SETTING_BOOLEAN ? !json_is_boolean(value) :
		str == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" must be %s", key,
					   setting->type == SETTING_BOOLEAN ?
					   "a boolean" : "a string"),
				errdetail("The value is %s.", type_name(value)),
				errhint("Leave out a setting that is not to be sent."));

	if (str != NULL && partner_api_text_has_control(str))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" must not contain control characters",
					   key),
				errdetail("The value contains a line break, a tab or another "
						  "control character."),
				errhint("Give a value on one line."));

	if (setting->type == SETTING_URL)
		check_url(key, str);
}

/*
 * Check the arguments of a create: "name", and "settings" where given.
 */
static void
check_create(const json_t *arguments)
{
	const json_t *name = json_object_get(arguments, "name");
	json_t	   *settings = json_object_get(arguments, "settings");
	const char *key;
	json_t	   *value;

	partner_api_check_instance_name(json_string_value(name));
	if (settings == NULL)
		return;
	if (!json_is_object(settings))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("settings of an instance must be a JSON object"),
				errdetail("The value is %s.", type_name(settings)),
				errhint("Known settings are: %s.", setting_names()));
	json_object_foreach(settings, key, value)
		check_setting(key, value);
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
				errdetail("The value is %s.", type_name(value)),
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
					errmsg("instance \"%s\" is listed twice", shown_key(id)),
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
						   shown_key(id)),
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
