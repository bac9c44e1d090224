/*-------------------------------------------------------------------------
 *
 * refusals.c
 *	  Arguments that must not be sent, whatever the provider.
 *
 * A provider says in a table which settings an instance has and what suits
 * them; here they are refused.  Values are not repeated in errors, which may
 * go to a log: a webhook's URL often carries a key.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"

/* Longest part of a caller's key that an error repeats. */
#define KEY_SHOWN 63

/*
 * A caller's key as an error may show it: short, on one line, and plain
 * ASCII, which every database encoding has.
 */
char *
partner_api_shown_key(const char *key)
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
const char *
partner_api_type_name(const json_t *value)
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
 * The setting of this name, or NULL.
 */
const PartnerApiSetting *
partner_api_setting_find(const PartnerApiSettings *settings, const char *name)
{
	for (size_t i = 0; i < settings->count; i++)
	{
		if (strcmp(settings->known[i].name, name) == 0)
			return &settings->known[i];
	}
	return NULL;
}

/*
 * The names of all settings, or of those that can be changed later, for a
 * hint.
 */
static char *
setting_names(const PartnerApiSettings *settings, bool of_new)
{
	char	   *names = NULL;

	for (size_t i = 0; i < settings->count; i++)
	{
		const PartnerApiSetting *setting = &settings->known[i];

		if (setting->for_good && !of_new)
			continue;
		names = names == NULL ? pstrdup(setting->name) :
			psprintf("%s, %s", names, setting->name);
	}
	return names;
}

/*
 * Raise ERROR for a key that is no setting, or none that can be changed.
 */
static void
refuse_key(const PartnerApiSettings *settings,
		   const PartnerApiSetting *setting, const char *key, bool of_new)
{
	if (strcmp(key, "name") == 0)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("setting \"name\" is not allowed"),
				errdetail("The name of an instance is no setting of it."),
				of_new ?
				errhint("Give the name as an argument of its own.") :
				errhint("An instance keeps the name that it was given."));

	if (setting != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("setting \"%s\" cannot be changed", setting->name),
				errdetail("It is given to a new instance, and stays."),
				errhint("Settings that can be changed are: %s.",
						setting_names(settings, of_new)));

	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("unrecognized setting \"%s\"", partner_api_shown_key(key)),
			errdetail("Provider \"%s\" has no such setting.",
					  settings->provider),
			errhint("Known settings are: %s.",
					setting_names(settings, of_new)));
}

/*
 * Does a value have the type of a setting?
 */
static bool
has_type(const PartnerApiSetting *setting, const json_t *value)
{
	const char *str = json_string_value(value);

	switch (setting->type)
	{
		case PARTNER_API_SETTING_BOOLEAN:
			return json_is_boolean(value);
		case PARTNER_API_SETTING_SWITCH:
			return json_is_boolean(value) ||
				(str != NULL &&
				 (strcmp(str, "yes") == 0 || strcmp(str, "no") == 0));
		case PARTNER_API_SETTING_NUMBER:
			return json_is_integer(value);
		case PARTNER_API_SETTING_TEXT:
		case PARTNER_API_SETTING_URL:
		case PARTNER_API_SETTING_CHOICE:
			break;
	}
	return str != NULL;
}

/*
 * Raise ERROR for a value of another type than its setting's.
 */
static void
check_type(const PartnerApiSetting *setting, const json_t *value)
{
	static const char *const wanted[] = {
		[PARTNER_API_SETTING_BOOLEAN] = "a boolean",
		[PARTNER_API_SETTING_SWITCH] = "true, false, \"yes\" or \"no\"",
		[PARTNER_API_SETTING_TEXT] = "a string",
		[PARTNER_API_SETTING_URL] = "a string",
		[PARTNER_API_SETTING_NUMBER] = "a whole number",
		[PARTNER_API_SETTING_CHOICE] = "a string"
	};

	if (has_type(setting, value))
		return;
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("setting \"%s\" must be %s", setting->name,
				   wanted[setting->type]),
			setting->type == PARTNER_API_SETTING_SWITCH &&
			json_is_string(value) ?
			errdetail("The value is another string.") :
			errdetail("The value is %s.", partner_api_type_name(value)),
			errhint("Leave out a setting that is not to be sent."));
}

/*
 * Raise ERROR for a number out of range.
 */
static void
check_number(const PartnerApiSetting *setting, json_int_t value)
{
	if (value < setting->min || value > setting->max)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" is out of range", setting->name),
				errdetail("The value is too %s.",
						  value < setting->min ? "small" : "large"),
				errhint("Give a whole number from %d to %d.",
						setting->min, setting->max));
}

/*
 * Raise ERROR for a string that would break a line, or is too long.
 */
static void
check_text(const PartnerApiSetting *setting, const char *str)
{
	if (partner_api_text_has_control(str))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" must not contain control characters",
					   setting->name),
				errdetail("The value contains a line break, a tab or another "
						  "control character."),
				errhint("Give a value on one line."));

	if (setting->max > 0 && strlen(str) > (size_t) setting->max)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" is too long", setting->name),
				errdetail("The value has %d bytes.", (int) strlen(str)),
				errhint("Give at most %d bytes.", setting->max));
}

/*
 * Raise ERROR for a webhook that must not be asked for.
 */
static void
check_url(const PartnerApiSettings *settings, const PartnerApiSetting *setting,
		  const char *url)
{
	const char *const scheme = "https://";

	if (*url == '\0' && setting->may_be_empty)
		return;
	if (pg_strncasecmp(url, scheme, strlen(scheme)) != 0 ||
		strcspn(url + strlen(scheme), "/?#:@") == 0 ||
		strpbrk(url, " \"<>\\") != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("setting \"%s\" must be an https URL", setting->name),
				errdetail_internal("%s", settings->why_https),
				errhint("Give a URL such as \"https://example.com/hook\"."));
}

/*
 * Raise ERROR for a string that is none of those that can be chosen from.
 */
static void
check_choice(const PartnerApiSetting *setting, const char *str)
{
	char	   *names = NULL;

	for (const char *const *choice = setting->choices; *choice != NULL;
		 choice++)
	{
		if (strcmp(*choice, str) == 0)
			return;
		names = names == NULL ? pstrdup(*choice) :
			psprintf("%s, %s", names, *choice);
	}
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("invalid value for setting \"%s\"", setting->name),
			errdetail("The provider knows no such value."),
			errhint("Known values are: %s.", names));
}

/*
 * Raise ERROR unless a value suits its setting.
 */
static void
check_value(const PartnerApiSettings *settings,
			const PartnerApiSetting *setting, const json_t *value)
{
	const char *str = json_string_value(value);

	check_type(setting, value);
	if (setting->type == PARTNER_API_SETTING_NUMBER)
		check_number(setting, json_integer_value(value));
	if (str == NULL)
		return;
	check_text(setting, str);
	if (setting->type == PARTNER_API_SETTING_URL)
		check_url(settings, setting, str);
	else if (setting->type == PARTNER_API_SETTING_CHOICE)
		check_choice(setting, str);
}

/*
 * Raise ERROR unless what is given are settings with values that suit them;
 * of_new says that they are for a new instance.
 */
void
partner_api_settings_check(const PartnerApiSettings *settings,
						   const json_t *given, bool of_new)
{
	const char *key;
	json_t	   *value;

	if (!json_is_object(given))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("settings of an instance must be a JSON object"),
				errdetail("The value is %s.",
						  given == NULL ? "missing" :
						  partner_api_type_name(given)),
				errhint("Known settings are: %s.",
						setting_names(settings, of_new)));

	json_object_foreach(unconstify(json_t *, given), key, value)
	{
		const PartnerApiSetting *setting =
		partner_api_setting_find(settings, key);

		if (setting == NULL || (setting->for_good && !of_new))
			refuse_key(settings, setting, key, of_new);
		else
			check_value(settings, setting, value);
	}
}

/*
 * Raise ERROR for a phone number that is not country code and number in
 * digits; no country code begins with 0.  The number itself is not repeated.
 */
void
partner_api_check_phone(const char *number)
{
	size_t		digits = number == NULL ? 0 : strspn(number, "0123456789");

	if (digits < 8 || digits > 15 || number[digits] != '\0' ||
		number[0] == '0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid phone number"),
				errdetail("A phone number has 8 to 15 digits, nothing else."),
				errhint("Give country code and number, such as "
						"\"5511999990000\"."));
}

/*
 * Raise the error that an argument must be something else.
 */
void
partner_api_refuse(const char *argument, const char *must,
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
partner_api_line_argument(const json_t *object, const char *prefix,
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
			partner_api_refuse(argument, "given",
							   "It is missing or empty.",
							   "Give it as text.");
		return NULL;
	}
	if (str == NULL)
		partner_api_refuse(argument, "a string",
						   psprintf("The value is %s.",
									partner_api_type_name(value)),
						   "Give it as text.");
	if (partner_api_text_has_control(str))
		partner_api_refuse(argument, "on one line",
						   "It contains a line break, a tab or "
						   "another control character.",
						   "Give a text without them.");
	return str;
}
