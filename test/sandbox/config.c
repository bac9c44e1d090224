/*-------------------------------------------------------------------------
 *
 * config.c
 *	  What a test may change about the provider's behaviour.
 *
 * One table describes all keys but "tokens"; a change is first made to a
 * copy, so that a bad value changes nothing.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "config.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

typedef enum KeyType
{
	KEY_BOOL,
	KEY_NUMBER,
	KEY_TEXT,
	KEY_WORD
} KeyType;

/* A word that ends in ':' is followed by a number, kept at "number". */
typedef struct ConfigKey
{
	const char *name;
	KeyType		type;
	size_t		offset;
	const char *words[8];		/* KEY_WORD, in the order of its enum */
	size_t		number;
	long		low;			/* KEY_NUMBER */
	long		high;
} ConfigKey;

#define MAX_SECONDS 1000000000L
#define KEY(key, kind, member) \
	.name = (key), .type = (kind), .offset = offsetof(SandboxConfig, member)
#define FLAG(key, member) {KEY(key, KEY_BOOL, member)}
#define TEXT(key, member) {KEY(key, KEY_TEXT, member)}
#define NUMBER(key, member, least, most) \
	{KEY(key, KEY_NUMBER, member), .low = (least), .high = (most)}
#define WORD(key, member, ...) \
	{KEY(key, KEY_WORD, member), .words = {__VA_ARGS__}}
#define NUMBERED_WORD(key, member, number_member, ...) \
	{KEY(key, KEY_WORD, member), .words = {__VA_ARGS__}, \
	.number = offsetof(SandboxConfig, number_member)}

static const ConfigKey keys[] = {
	WORD("asaas_absent", asaas_absent, "missing", "null"),
	FLAG("asaas_account_approved", asaas_account_approved),
	NUMBER("asaas_ahead_days", asaas_ahead_days, 0, 365),
	FLAG("asaas_boleto_confirms", asaas_boleto_confirms),
	NUMBER("asaas_concurrent_gets", asaas_concurrent_gets, 0, INT_MAX),
	NUMBER("asaas_daily_charges", asaas_daily_charges, 0, INT_MAX),
	WORD("asaas_environment", asaas_environment, "hmlg", "prod"),
	NUMBER("asaas_fee_cents", asaas_fee_cents, 0, INT_MAX),
	FLAG("asaas_list_deleted", asaas_list_deleted),
	FLAG("asaas_rate_headers", asaas_rate_headers),
	NUMBER("asaas_rate_limit", asaas_rate_limit, 0, INT_MAX),
	NUMBER("asaas_rate_seconds", asaas_rate_seconds, 1, MAX_SECONDS),
	NUMBER("asaas_refund_seconds", asaas_refund_seconds, 0, MAX_SECONDS),
	FLAG("asaas_user_agent_required", asaas_user_agent_required),
	WORD("asaas_webhook_success", asaas_webhook_success, "200", "2xx"),
	NUMBER("asaas_webhook_timeout_seconds", asaas_webhook_timeout_seconds,
		   1, 3600),
	NUMBER("asaas_window_requests", asaas_window_requests, 0, INT_MAX),
	NUMBER("asaas_window_seconds", asaas_window_seconds, 1, MAX_SECONDS),
	NUMBERED_WORD("cancel_rule", cancel_rule, cancel_days,
				  "days:", "due", "month_end", "immediate"),
	TEXT("client_token", client_token),
	FLAG("client_token_required", client_token_required),
	WORD("date_header", date_header, "sandbox", "real", "none"),
	NUMBER("date_skew_seconds", date_skew_seconds, -MAX_SECONDS, MAX_SECONDS),
	WORD("due_as", due_form, "number", "string", "iso", "missing"),
	TEXT("greenapi_api_url", greenapi_api_url),
	WORD("greenapi_api_url_key", greenapi_api_url_key,
		 "apiUrl", "apiUrlInstance"),
	WORD("greenapi_deleted_calls", greenapi_deleted_calls,
		 "refused", "starting"),
	NUMBER("greenapi_deleted_days", greenapi_deleted_days, 0, 36500),
	WORD("greenapi_early", greenapi_early, "unauthorized", "expired"),
	NUMBER("greenapi_error_status", greenapi_error_status, 0, 599),
	WORD("greenapi_errors", greenapi_errors,
		 "envelope", "text", "json", "host"),
	FLAG("greenapi_fractions", greenapi_fractions),
	NUMBER("greenapi_free_instances", greenapi_free_instances,
		   SANDBOX_UNLIMITED, INT_MAX),
	FLAG("greenapi_id_as_string", greenapi_id_as_string),
	NUMBER("greenapi_id_digits", greenapi_id_digits, 10, 18),
	WORD("greenapi_list_token", greenapi_list_token,
		 "shown", "missing", "null"),
	NUMBER("greenapi_making_seconds", greenapi_making_seconds,
		   0, MAX_SECONDS),
	FLAG("greenapi_needs_reboot", greenapi_needs_reboot),
	WORD("greenapi_qr", greenapi_qr, "code", "error"),
	NUMBER("greenapi_restart_seconds", greenapi_restart_seconds,
		   0, MAX_SECONDS),
	NUMBER("greenapi_save_errors", greenapi_save_errors, 0, INT_MAX),
	WORD("greenapi_settings_kept", greenapi_settings_kept,
		 "all", "none", "created", "changed"),
	NUMBER("greenapi_starting_seconds", greenapi_starting_seconds,
		   0, MAX_SECONDS),
	WORD("greenapi_unlinked_logout", greenapi_unlinked_logout,
		 "done", "refused"),
	NUMBER("greenapi_utc_offset_hours", greenapi_utc_offset_hours, -12, 14),
	NUMBER("inbox_status", inbox_status, 200, 599),
	FLAG("invoices_paid", invoices_paid),
	FLAG("list_ended", list_ended),
	NUMBER("list_lag_seconds", list_lag_seconds, 0, MAX_SECONDS),
	WORD("list_order", list_order, "oldest", "newest"),
	NUMBERED_WORD("mangle_names", name_rule, name_bytes,
				  "none", "upper", "truncate:"),
	NUMBER("page_size_max", page_size_max, 0, INT_MAX),
	WORD("qr_as", qr_form, "data_uri", "challenge"),
	WORD("query_mode", query_mode, "substring", "exact", "ignore"),
	WORD("quota_counts", quota_counts, "created", "alive"),
	TEXT("quota_error", quota_error),
	NUMBER("quota_status", quota_status, 200, 599),
	WORD("sign_body", sign_body, "json", "empty"),
	NUMBER("sign_repeat_status", sign_repeat_status, 200, 599),
	NUMBER("trial_seconds", trial_seconds, 1, MAX_SECONDS),
	WORD("zsystems_plan_id", zsystems_plan_id, "number", "string", "object",
		 "missing"),
	WORD("zsystems_plan_list", zsystems_plan_list, "planos", "data", "array"),
	NUMBER("zsystems_refusal_status", zsystems_refusal_status, 200, 599),
	WORD("zsystems_refusals", zsystems_refusals, "seen", "error",
		 "error_object", "errors", "erros", "message"),
	WORD("zsystems_status_numbers", zsystems_status_numbers, "six", "four"),
	FLAG("zsystems_status_title", zsystems_status_title),
	NUMBER("zsystems_unauthorized_status", zsystems_unauthorized_status,
		   200, 599)
};

SandboxConfig sandbox_config;

static SandboxToken **tokens = NULL;
static int	token_count = 0;

/* The command line's part, to go back to */
static char **initial_tokens = NULL;
static int	initial_token_count = 0;
static const char *initial_client_token = NULL;

/* The token that is accepted under this text, or NULL. */
SandboxToken *
sandbox_config_token(const char *text)
{
	int			i;

	for (i = 0; i < token_count; i++)
	{
		if (tokens[i]->active && strcmp(tokens[i]->text, text) == 0)
			return tokens[i];
	}
	return NULL;
}

/* Where token stands among all that were ever named, or -1 for none. */
int
sandbox_config_token_position(const SandboxToken *token)
{
	int			i;

	for (i = 0; i < token_count; i++)
	{
		if (tokens[i] == token)
			return i;
	}
	return -1;
}

/* Accept text; one that was known before keeps its counts. */
static SandboxToken *
activate_token(const char *text)
{
	SandboxToken *token = NULL;
	int			i;

	for (i = 0; i < token_count && token == NULL; i++)
	{
		if (strcmp(tokens[i]->text, text) == 0)
			token = tokens[i];
	}
	if (token == NULL)
	{
		token = sandbox_alloc(sizeof(*token));
		token->text = sandbox_strdup(text);
		tokens = sandbox_realloc(tokens, (size_t) (token_count + 1) *
								 sizeof(SandboxToken *));
		tokens[token_count++] = token;
	}
	token->active = true;
	token->quota = SANDBOX_UNLIMITED;
	token->expires_at = SANDBOX_NO_EXPIRY;
	json_decref(token->permissions);
	token->permissions = NULL;
	return token;
}

/*
 * Read "T" or {"token": "T", "quota": N or null, "permissions": {},
 * "expires_at": time}; what is read is borrowed from value.
 */
static bool
read_token(json_t *value, SandboxToken *form)
{
	const json_t *limit = json_object_get(value, "quota");
	const json_t *expiry = json_object_get(value, "expires_at");

	memset(form, 0, sizeof(*form));
	form->quota = SANDBOX_UNLIMITED;
	form->expires_at = SANDBOX_NO_EXPIRY;
	form->permissions = json_object_get(value, "permissions");
	form->text =
		(char *) json_string_value(json_is_object(value) ?
								   json_object_get(value, "token") : value);
	if (limit != NULL && !json_is_null(limit))
	{
		if (!json_is_integer(limit) || json_integer_value(limit) < 0)
			return false;
		form->quota = (long) json_integer_value(limit);
	}
	if (expiry != NULL && !sandbox_parse_time(expiry, &form->expires_at))
		return false;
	if (form->permissions != NULL && !json_is_object(form->permissions))
		return false;
	return form->text != NULL && *form->text != '\0';
}

/* Replace the accepted tokens; false if the list is not one. */
static bool
change_tokens(const json_t *list)
{
	SandboxToken form;
	size_t		i;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return false;
	for (i = 0; i < json_array_size(list); i++)
	{
		if (!read_token(json_array_get(list, i), &form))
			return false;
	}
	for (i = 0; i < (size_t) token_count; i++)
		tokens[i]->active = false;
	for (i = 0; i < json_array_size(list); i++)
	{
		SandboxToken *token;

		read_token(json_array_get(list, i), &form);
		token = activate_token(form.text);
		token->quota = form.quota;
		token->permissions = json_incref(form.permissions);
		token->expires_at = form.expires_at;
	}
	return true;
}

/* Set one enumerated key from its word. */
static bool
set_word(const ConfigKey *key, SandboxConfig *config, const char *text)
{
	int			i;

	for (i = 0; text != NULL && key->words[i] != NULL; i++)
	{
		const char *word = key->words[i];
		size_t		len = strlen(word);

		if (word[len - 1] == ':')
		{
			if (strncmp(text, word, len) != 0 ||
				!sandbox_parse_long(text + len, 0, INT_MAX,
									(long *) ((char *) config + key->number)))
				continue;
		}
		else if (strcmp(text, word) != 0)
			continue;
		*(int *) ((char *) config + key->offset) = i;
		return true;
	}
	return false;
}

/* Set one key; texts are borrowed from value.  False if it does not fit. */
static bool
set_key(const ConfigKey *key, SandboxConfig *config, const json_t *value)
{
	void	   *member = (char *) config + key->offset;

	switch (key->type)
	{
		case KEY_BOOL:
			*(bool *) member = json_is_true(value);
			return json_is_boolean(value);
		case KEY_NUMBER:
			*(long *) member = (long) json_integer_value(value);
			return json_is_integer(value) && *(long *) member >= key->low &&
				*(long *) member <= key->high;
		case KEY_TEXT:
			*(const char **) member = json_string_value(value);
			return json_is_string(value);
		case KEY_WORD:
			return set_word(key, config, json_string_value(value));
	}
	return false;
}

static const ConfigKey *
find_key(const char *name)
{
	size_t		i;

	for (i = 0; i < lengthof(keys); i++)
	{
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

/* A text of a configuration. */
static char **
text_member(const ConfigKey *key, SandboxConfig *config)
{
	return (char **) ((char *) config + key->offset);
}

/* Give the configuration its own copy of each text that differs. */
static void
adopt(const SandboxConfig *changed)
{
	SandboxConfig old = sandbox_config;
	size_t		i;

	sandbox_config = *changed;
	for (i = 0; i < lengthof(keys); i++)
	{
		char	  **text = text_member(&keys[i], &sandbox_config);
		char	   *before;

		if (keys[i].type != KEY_TEXT)
			continue;
		before = *text_member(&keys[i], &old);
		if (*text != before)
		{
			*text = sandbox_strdup(*text);
			free(before);
		}
	}
}

/* Apply the members of an object, all or none. */
char *
sandbox_config_change(const json_t *changes)
{
	SandboxConfig changed = sandbox_config;
	const json_t *list = json_object_get(changes, "tokens");
	const char *name;
	json_t	   *value;

	if (!json_is_object(changes))
		return sandbox_strdup("the configuration must be an object");
	json_object_foreach((json_t *) changes, name, value)
	{
		const ConfigKey *key = find_key(name);

		if (value == list)
			continue;
		if (key == NULL)
			return sandbox_printf("unknown key: %s", name);
		if (!set_key(key, &changed, value))
			return sandbox_printf("bad value of %s", name);
	}
	if (list != NULL && !change_tokens(list))
		return sandbox_strdup("bad value of tokens");
	adopt(&changed);
	return NULL;
}

/* One key's value as it would be given. */
static json_t *
show_key(const ConfigKey *key)
{
	const char *config = (const char *) &sandbox_config;
	const char *member = config + key->offset;
	const char *word;

	switch (key->type)
	{
		case KEY_BOOL:
			return json_boolean(*(const bool *) member);
		case KEY_NUMBER:
			return json_integer(*(const long *) member);
		case KEY_TEXT:
			return json_string(*(char *const *) member);
		case KEY_WORD:
			break;
	}
	word = key->words[*(const int *) member];
	if (word[strlen(word) - 1] != ':')
		return json_string(word);
	return json_sprintf("%s%ld", word, *(const long *) (config + key->number));
}

/* The whole configuration, tokens with their use. */
json_t *
sandbox_config_json(void)
{
	json_t	   *result = json_object();
	json_t	   *list = json_array();
	size_t		i;

	for (i = 0; i < lengthof(keys); i++)
		json_object_set_new(result, keys[i].name, show_key(&keys[i]));
	for (i = 0; i < (size_t) token_count; i++)
	{
		const SandboxToken *token = tokens[i];

		if (token->active)
			json_array_append_new(list,
								  json_pack("{s:s, s:o, s:i, s:i}",
											"token", token->text, "quota",
											token->quota == SANDBOX_UNLIMITED ?
											json_null() :
											json_integer(token->quota),
											"created", (int) token->created,
											"alive", (int) token->alive));
	}
	json_object_set_new(result, "tokens", list);
	return result;
}

/* Forget everything and go back to what the command line says. */
void
sandbox_config_reset(void)
{
	int			i;

	for (i = 0; i < token_count; i++)
	{
		free(tokens[i]->text);
		json_decref(tokens[i]->permissions);
		free(tokens[i]);
	}
	free(tokens);
	for (i = 0; i < (int) lengthof(keys); i++)
	{
		if (keys[i].type == KEY_TEXT)
			free(*text_member(&keys[i], &sandbox_config));
	}
	tokens = NULL;
	token_count = 0;
	memset(&sandbox_config, 0, sizeof(sandbox_config));
	sandbox_config.asaas_account_approved = true;
	sandbox_config.asaas_ahead_days = 40;
	sandbox_config.asaas_concurrent_gets = 50;
	sandbox_config.asaas_daily_charges = 100000;
	sandbox_config.asaas_fee_cents = 199;
	sandbox_config.asaas_list_deleted = true;
	sandbox_config.asaas_rate_headers = true;
	sandbox_config.asaas_rate_seconds = 60;
	sandbox_config.asaas_user_agent_required = true;
	sandbox_config.asaas_webhook_timeout_seconds = 10;
	sandbox_config.asaas_window_requests = 25000;
	sandbox_config.asaas_window_seconds = 12L * 3600;
	sandbox_config.inbox_status = 200;
	sandbox_config.client_token = sandbox_strdup(initial_client_token);
	sandbox_config.quota_error =
		sandbox_strdup("The limit of instances of this token is reached");
	sandbox_config.client_token_required = true;
	sandbox_config.invoices_paid = true;
	sandbox_config.list_ended = true;
	sandbox_config.zsystems_status_title = true;
	sandbox_config.quota_status = 400;
	sandbox_config.zsystems_refusal_status = 400;
	sandbox_config.zsystems_unauthorized_status = 401;
	sandbox_config.sign_repeat_status = 400;
	sandbox_config.trial_seconds = 2L * 24 * 3600;
	sandbox_config.cancel_days = 30;
	sandbox_config.greenapi_api_url = sandbox_strdup("");
	sandbox_config.greenapi_deleted_days = 90;
	sandbox_config.greenapi_error_status = 400;
	sandbox_config.greenapi_free_instances = SANDBOX_UNLIMITED;
	sandbox_config.greenapi_id_digits = 10;
	sandbox_config.greenapi_making_seconds = 30;
	sandbox_config.greenapi_starting_seconds = 90;
	sandbox_config.greenapi_restart_seconds = 20;
	sandbox_config.greenapi_utc_offset_hours = 3;
	for (i = 0; i < initial_token_count; i++)
		activate_token(initial_tokens[i]);
}

/* Both arguments must live as long as the process. */
void
sandbox_config_init(char **texts, int count, const char *client_token)
{
	initial_tokens = texts;
	initial_token_count = count;
	initial_client_token = client_token;
	sandbox_config_reset();
}
