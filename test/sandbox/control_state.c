/*-------------------------------------------------------------------------
 *
 * control_state.c
 *	  The control API's calls about instances and counters.
 *
 * Long answers are printed one instance at a time, so that a million of
 * them do not become a million JSON objects in memory.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "control.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "journal.h"
#include "ledger.h"

#define MAX_SEEDED 1000000

/* Filters of GET /state */
typedef struct StateFilter
{
	char	   *id;
	char	   *name;
	char	   *state;
	long		limit;
} StateFilter;

/* Members that the instances of all providers have */
static const SandboxField shared_fields[] = {
	SANDBOX_FIELD(connected, FLAG),
	SANDBOX_FIELD(created_at, TIME),
	SANDBOX_FIELD(visible_at, STAMP),
	SANDBOX_FIELD(deleted_at, TIME)
};

static void *
member_of(SandboxInstance *instance, const SandboxField *field)
{
	return (char *) instance + field->offset;
}

static json_t *
time_json(int64_t ms)
{
	char		text[SANDBOX_TIME_LEN];

	if (ms == 0)
		return json_null();
	sandbox_iso_time(ms, text);
	return json_string(text);
}

static json_t *
effects_json(const SandboxEffectCounts *effects)
{
	json_t	   *result = json_object();
	int			i;

	for (i = 0; i < SANDBOX_EFFECTS; i++)
		json_object_set_new(result, sandbox_effect_names[i],
							json_integer(effects->count[i]));
	return result;
}

/* Add members of an instance to what is shown of it. */
static void
show_fields(SandboxInstance *instance, const SandboxField *fields,
			size_t count, json_t *shown)
{
	size_t		i;

	for (i = 0; i < count; i++)
	{
		const void *member = member_of(instance, &fields[i]);
		json_t	   *value = NULL;

		switch (fields[i].type)
		{
			case SANDBOX_FIELD_FLAG:
				value = json_boolean(*(const bool *) member);
				break;
			case SANDBOX_FIELD_WORD:
				value = json_string(*(const char *const *) member);
				break;
			case SANDBOX_FIELD_TIME:
			case SANDBOX_FIELD_STAMP:
				value = time_json(*(const int64_t *) member);
				break;
		}
		json_object_set_new(shown, fields[i].name, value);
	}
}

/* Everything about one instance. */
static json_t *
instance_json(SandboxInstance *instance)
{
	const SandboxRules *rules = instance->rules;
	int			maker = sandbox_config_token_position(instance->maker);
	json_t	   *result;

	result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:O?}",
					   "provider", rules->name,
					   "id", instance->id, "token", instance->token,
					   "name", instance->name,
					   "requested_name", instance->requested_name,
					   "origin", instance->maker != NULL ? "api" : "seed",
					   "partner_token", maker < 0 ? json_null() :
					   json_integer(maker),
					   "settings", instance->settings);
	json_object_update_new(result,
						   json_pack("{s:s, s:s?, s:b}", "state",
									 rules->states[instance->state],
									 rules->status_field,
									 sandbox_instance_status(instance),
									 "listed", instance->listed));
	show_fields(instance, shared_fields, lengthof(shared_fields), result);
	show_fields(instance, rules->fields, rules->field_count, result);
	if (rules->describe != NULL)
		rules->describe(instance, result);
	json_object_set_new(result, "effects", effects_json(&instance->effects));
	return result;
}

static bool
passes(const StateFilter *filter, const SandboxInstance *instance)
{
	return (filter->id == NULL || strcmp(filter->id, instance->id) == 0) &&
		(filter->name == NULL || strcmp(filter->name, instance->name) == 0) &&
		(filter->state == NULL ||
		 strcmp(filter->state,
				instance->rules->states[instance->state]) == 0);
}

/* Print the instances that pass; returns how many there are. */
static size_t
print_instances(const StateFilter *filter, SandboxBuffer *out)
{
	size_t		total = 0;
	size_t		i;

	for (i = 1; i <= sandbox_ledger_count(); i++)
	{
		SandboxInstance *instance = sandbox_ledger_get(i);

		if (!passes(filter, instance))
			continue;
		if (total++ >= (size_t) filter->limit)
			continue;
		if (total > 1)
			sandbox_buffer_text(out, ",");
		sandbox_buffer_json(out, instance_json(instance));
	}
	return total;
}

/* GET /state */
void
sandbox_control_state(SandboxRequest *request)
{
	SandboxBuffer *out = &request->reply.body;
	char	   *limit = sandbox_query_value(request, "limit");
	StateFilter filter;
	char		tail[64];

	filter.id = sandbox_query_value(request, "id");
	filter.name = sandbox_query_value(request, "name");
	filter.state = sandbox_query_value(request, "state");
	if (!sandbox_parse_long(limit, 0, LONG_MAX, &filter.limit))
		filter.limit = LONG_MAX;
	request->reply.status = 200;
	request->reply.content_type = "application/json";
	sandbox_buffer_text(out, "{\"clock\":");
	sandbox_buffer_json(out, sandbox_clock_json());
	sandbox_buffer_text(out, ",\"instances\":[");
	snprintf(tail, sizeof(tail), "],\"total\":%zu}",
			 print_instances(&filter, out));
	sandbox_buffer_text(out, tail);
	free(limit);
	free(filter.id);
	free(filter.name);
	free(filter.state);
}

/* "names" of the counters: one, all or none. */
static json_t *
names_json(const char *only, bool all)
{
	const SandboxMap *names = sandbox_ledger_names();
	json_t	   *result = json_object();
	size_t		i;

	if (only != NULL && sandbox_map_get(names, only) != NULL)
		json_object_set_new(result, only,
							effects_json(sandbox_map_get(names, only)));
	for (i = 0; all && only == NULL && i < names->size; i++)
	{
		if (names->slots[i].key != NULL)
			json_object_set_new(result, names->slots[i].key,
								effects_json(names->slots[i].value));
	}
	return result;
}

static json_int_t
names_created_twice(void)
{
	const SandboxMap *names = sandbox_ledger_names();
	json_int_t	result = 0;
	size_t		i;

	for (i = 0; i < names->size; i++)
	{
		const SandboxEffectCounts *effects = names->slots[i].value;

		if (effects != NULL && effects->count[SANDBOX_CREATES] > 1)
			result++;
	}
	return result;
}

/* Deleted before their phone was logged out */
static json_int_t
phones_left_linked(void)
{
	json_int_t	result = 0;
	size_t		i;

	for (i = 1; i <= sandbox_ledger_count(); i++)
	{
		const SandboxInstance *instance = sandbox_ledger_get(i);

		if (instance->deleted_at != 0 && instance->connected)
			result++;
	}
	return result;
}

/* GET /counters */
void
sandbox_control_counters(SandboxRequest *request)
{
	char	   *name = sandbox_query_value(request, "name");
	char	   *names = sandbox_query_value(request, "names");
	bool		all = names == NULL || strcmp(names, "false") != 0;

	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o, s:o, s:I, s:I}",
								 "operations", sandbox_journal_operations(),
								 "names", names_json(name, all),
								 "names_created_more_than_once",
								 names_created_twice(),
								 "phones_left_linked",
								 phones_left_linked()));
	free(name);
	free(names);
}

/* The rules that a body names, Z-API's if it names none, or NULL. */
static const SandboxRules *
rules_of(const json_t *fields)
{
	const json_t *value = json_object_get(fields, "provider");
	const char *name = value == NULL ? "zapi" : json_string_value(value);
	const SandboxRules *rules;
	size_t		i;

	for (i = 0; (rules = sandbox_rules_get(i)) != NULL; i++)
	{
		if (name != NULL && strcmp(rules->name, name) == 0)
			break;
	}
	return rules;
}

/* Where a word stands in a list that ends in NULL, or -1. */
static int
word_position(const char *const *words, const json_t *value)
{
	const char *word = json_string_value(value);
	int			i;

	for (i = 0; word != NULL && words[i] != NULL; i++)
	{
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return -1;
}

/* The field of this name, or NULL. */
static const SandboxField *
find_field(const SandboxRules *rules, const char *name)
{
	size_t		i;

	for (i = 0; i < lengthof(shared_fields); i++)
	{
		if (strcmp(shared_fields[i].name, name) == 0)
			return &shared_fields[i];
	}
	for (i = 0; i < (size_t) rules->field_count; i++)
	{
		if (strcmp(rules->fields[i].name, name) == 0)
			return &rules->fields[i];
	}
	return NULL;
}

/* May this member of an instance be set to that? */
static bool
is_good_value(const SandboxField *field, const json_t *value)
{
	int64_t		ms;

	switch (field->type)
	{
		case SANDBOX_FIELD_FLAG:
			return json_is_boolean(value);
		case SANDBOX_FIELD_WORD:
			return word_position(field->words, value) >= 0;
		case SANDBOX_FIELD_TIME:
			return sandbox_parse_time(value, &ms);
		case SANDBOX_FIELD_STAMP:
			break;
	}
	return false;
}

/* What is wrong with the fields of an instance, or NULL. */
static const char *
check_fields(const SandboxRules *rules, const json_t *fields)
{
	static const char *const known[] = {
		"id", "token", "name", "provider", "settings", "count", "prefix"
	};
	const char *name;
	json_t	   *value;

	json_object_foreach((json_t *) fields, name, value)
	{
		const SandboxField *field = find_field(rules, name);
		bool		good = strcmp(rules->status_field, name) == 0;
		size_t		i;

		for (i = 0; i < lengthof(known); i++)
			good = good || strcmp(known[i], name) == 0;
		if (strcmp("state", name) == 0)
			good = word_position(rules->states, value) >= 0;
		if (field != NULL)
			good = is_good_value(field, value);
		if (!good)
			return name;
	}
	return NULL;
}

static void
replace_text(char **text, const json_t *value)
{
	free(*text);
	*text = sandbox_strdup(json_string_value(value));
}

/* Set one member to a checked value. */
static void
set_field(SandboxInstance *instance, const SandboxField *field,
		  const json_t *value)
{
	void	   *member = member_of(instance, field);

	switch (field->type)
	{
		case SANDBOX_FIELD_FLAG:
			*(bool *) member = json_is_true(value);
			break;
		case SANDBOX_FIELD_WORD:
			*(const char **) member =
				field->words[word_position(field->words, value)];
			break;
		case SANDBOX_FIELD_TIME:
			sandbox_parse_time(value, member);
			break;
		case SANDBOX_FIELD_STAMP:
			break;
	}
}

/* Apply checked fields, but for id and token; the state goes first. */
static void
set_fields(SandboxInstance *instance, const json_t *fields)
{
	const SandboxRules *rules = instance->rules;
	const json_t *literal = json_object_get(fields, rules->status_field);
	json_t	   *settings = json_object_get(fields, "settings");
	int			state = word_position(rules->states,
									  json_object_get(fields, "state"));
	const char *name;
	json_t	   *value;

	if (state >= 0)
		rules->enter(instance, state);
	json_object_foreach((json_t *) fields, name, value)
	{
		const SandboxField *field = find_field(rules, name);

		if (field != NULL)
			set_field(instance, field, value);
	}
	if (literal != NULL)
		replace_text(&instance->literal, literal);
	if (json_is_object(settings))
	{
		json_decref(instance->settings);
		instance->settings = json_incref(settings);
	}
}

/* Make one instance that no create call made. */
static SandboxInstance *
seed(const char *name, const json_t *fields)
{
	const json_t *id = json_object_get(fields, "id");
	const json_t *token = json_object_get(fields, "token");
	SandboxInstance *instance = sandbox_instance_create(rules_of(fields),
														name, NULL, NULL);

	if (json_is_string(id))
		replace_text(&instance->id, id);
	if (json_is_string(token))
		replace_text(&instance->token, token);
	set_fields(instance, fields);
	sandbox_ledger_add(instance);
	return instance;
}

static void
seed_many(SandboxRequest *request, long count)
{
	const char *prefix = json_string_value(json_object_get(request->json,
														   "prefix"));
	long		i;

	for (i = 1; i <= count; i++)
	{
		char	   *name = sandbox_printf("%s%ld",
										  prefix != NULL ? prefix : "", i);

		seed(name, request->json);
		free(name);
	}
	sandbox_reply_json(&request->reply, 201,
					   json_pack("{s:I}", "seeded", (json_int_t) count));
}

/* Are the body's fields good for a new instance?  If not, fill the reply. */
static bool
check_seed(SandboxRequest *request, const json_t *count)
{
	const char *id = json_string_value(json_object_get(request->json, "id"));
	const SandboxRules *rules = rules_of(request->json);
	const char *misfit = rules == NULL ? "provider" :
	check_fields(rules, request->json);

	if (!json_is_object(request->json) || misfit != NULL)
		sandbox_reply_error(&request->reply, 400,
							misfit != NULL ? misfit : "want an object");
	else if (id != NULL && (count != NULL || sandbox_ledger_find(id) != NULL))
		sandbox_reply_error(&request->reply, 400, "the id is not unique");
	else if (count != NULL && (!json_is_integer(count) ||
							   json_integer_value(count) < 0 ||
							   json_integer_value(count) > MAX_SEEDED))
		sandbox_reply_error(&request->reply, 400, "bad count");
	else
		return true;
	return false;
}

/* POST /instances */
void
sandbox_control_seed(SandboxRequest *request)
{
	const json_t *count = json_object_get(request->json, "count");
	const char *name = json_string_value(json_object_get(request->json,
														 "name"));

	if (!check_seed(request, count))
		return;
	if (count != NULL)
		seed_many(request, (long) json_integer_value(count));
	else
		sandbox_reply_json(&request->reply, 201,
						   instance_json(seed(name != NULL ? name : "seeded",
											  request->json)));
}

/* POST /instances/{id} */
void
sandbox_control_change(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_ledger_find(request->parameter);
	const json_t *name = json_object_get(request->json, "name");
	const char *misfit;

	if (instance == NULL)
	{
		sandbox_reply_error(&request->reply, 404, "no such instance");
		return;
	}
	misfit = check_fields(instance->rules, request->json);
	if (misfit != NULL || !json_is_object(request->json))
	{
		sandbox_reply_error(&request->reply, 400,
							misfit != NULL ? misfit : "want an object");
		return;
	}
	if (json_is_string(name))
		replace_text(&instance->name, name);
	set_fields(instance, request->json);
	sandbox_ledger_changed(instance);
	sandbox_ledger_tick();
	sandbox_reply_json(&request->reply, 200, instance_json(instance));
}
