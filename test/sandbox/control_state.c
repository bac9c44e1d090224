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

/* Members that are times, for showing and changing */
typedef struct TimeMember
{
	const char *name;
	size_t		offset;
	bool		settable;
} TimeMember;

static const TimeMember time_members[] = {
	{"created_at", offsetof(SandboxInstance, created_at), true},
	{"due", offsetof(SandboxInstance, due), true},
	{"visible_at", offsetof(SandboxInstance, visible_at), false},
	{"signed_at", offsetof(SandboxInstance, signed_at), true},
	{"cancelled_at", offsetof(SandboxInstance, cancelled_at), true},
	{"ends_at", offsetof(SandboxInstance, ends_at), true},
	{"ended_at", offsetof(SandboxInstance, ended_at), false},
	{"lapsed_at", offsetof(SandboxInstance, lapsed_at), false},
	{"deleted_at", offsetof(SandboxInstance, deleted_at), false}
};

static int64_t *
time_member(SandboxInstance *instance, const TimeMember *member)
{
	return (int64_t *) ((char *) instance + member->offset);
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

/* Everything about one instance. */
static json_t *
instance_json(SandboxInstance *instance)
{
	int			maker = sandbox_config_token_position(instance->maker);
	json_t	   *result;
	size_t		i;

	result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:b, s:O?}",
					   "id", instance->id, "token", instance->token,
					   "name", instance->name,
					   "requested_name", instance->requested_name,
					   "origin", instance->maker != NULL ? "api" : "seed",
					   "partner_token", maker < 0 ? json_null() :
					   json_integer(maker),
					   "middleware", instance->middleware,
					   "connected", instance->connected,
					   "with_calls", instance->with_calls,
					   "settings", instance->settings);
	json_object_update_new(result,
						   json_pack("{s:s, s:s, s:b}", "state",
									 sandbox_state_names[instance->state],
									 "paymentStatus",
									 sandbox_instance_payment(instance),
									 "listed", instance->listed));
	for (i = 0; i < lengthof(time_members); i++)
		json_object_set_new(result, time_members[i].name,
							time_json(*time_member(instance,
												   &time_members[i])));
	json_object_set_new(result, "effects", effects_json(&instance->effects));
	return result;
}

static bool
passes(const StateFilter *filter, const SandboxInstance *instance)
{
	return (filter->id == NULL || strcmp(filter->id, instance->id) == 0) &&
		(filter->name == NULL || strcmp(filter->name, instance->name) == 0) &&
		(filter->state == NULL ||
		 strcmp(filter->state, sandbox_state_names[instance->state]) == 0);
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

/* GET /counters */
void
sandbox_control_counters(SandboxRequest *request)
{
	char	   *name = sandbox_query_value(request, "name");
	char	   *names = sandbox_query_value(request, "names");
	bool		all = names == NULL || strcmp(names, "false") != 0;

	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o, s:o, s:I}",
								 "operations", sandbox_journal_operations(),
								 "names", names_json(name, all),
								 "names_created_more_than_once",
								 names_created_twice()));
	free(name);
	free(names);
}

/* Put an instance into a state as if the calls had been made now. */
static void
enter_state(SandboxInstance *instance, SandboxState state)
{
	int64_t		now = sandbox_clock_now();

	instance->state = state;
	if (state == SANDBOX_SIGNED || state == SANDBOX_EXPIRED ||
		state == SANDBOX_CANCELLING)
	{
		instance->signed_at = now;
		instance->due = sandbox_invoice_due(now);
	}
	if (state == SANDBOX_CANCELLING || state == SANDBOX_CANCELLED)
	{
		instance->cancelled_at = now;
		instance->ends_at = state == SANDBOX_CANCELLED ? now :
			now + sandbox_config.cancel_days * INT64_C(86400000);
		instance->due = instance->ends_at;
	}
	if (state == SANDBOX_EXPIRED || state == SANDBOX_CANCELLED)
		instance->ended_at = now;
	if (state == SANDBOX_LAPSED)
		instance->lapsed_at = now;
	if (state == SANDBOX_DELETED)
		instance->deleted_at = now;
}

static bool
read_state(const json_t *value, SandboxState *state)
{
	const char *name = json_string_value(value);
	int			i;

	for (i = 0; name != NULL && i < SANDBOX_STATES; i++)
	{
		if (strcmp(sandbox_state_names[i], name) == 0)
		{
			*state = (SandboxState) i;
			return true;
		}
	}
	return false;
}

/* What is wrong with the fields of an instance, or NULL. */
static const char *
check_fields(const json_t *fields)
{
	static const char *const known[] = {
		"id", "token", "name", "middleware", "connected", "with_calls",
		"state", "paymentStatus", "settings", "count", "prefix"
	};
	const char *name;
	json_t	   *value;
	SandboxState state;
	int64_t		ms;

	json_object_foreach((json_t *) fields, name, value)
	{
		bool		good = false;
		size_t		i;

		for (i = 0; i < lengthof(known); i++)
			good = good || strcmp(known[i], name) == 0;
		for (i = 0; i < lengthof(time_members); i++)
			good = good || (time_members[i].settable &&
							strcmp(time_members[i].name, name) == 0 &&
							sandbox_parse_time(value, &ms));
		if (!good)
			return name;
	}
	value = json_object_get(fields, "state");
	return value != NULL && !read_state(value, &state) ? "state" : NULL;
}

static void
replace_text(char **text, const json_t *value)
{
	free(*text);
	*text = sandbox_strdup(json_string_value(value));
}

static void
set_times(SandboxInstance *instance, const json_t *fields)
{
	size_t		i;

	for (i = 0; i < lengthof(time_members); i++)
	{
		const TimeMember *member = &time_members[i];

		if (member->settable)
			sandbox_parse_time(json_object_get(fields, member->name),
							   time_member(instance, member));
	}
}

/* Apply checked fields, but for id and token. */
static void
set_fields(SandboxInstance *instance, const json_t *fields)
{
	const json_t *middleware = json_object_get(fields, "middleware");
	const json_t *literal = json_object_get(fields, "paymentStatus");
	json_t	   *settings = json_object_get(fields, "settings");
	const json_t *flag;
	SandboxState state;

	if (read_state(json_object_get(fields, "state"), &state))
		enter_state(instance, state);
	set_times(instance, fields);
	if (json_is_string(middleware))
		instance->middleware =
			strcmp(json_string_value(middleware), "mobile") == 0 ?
			"mobile" : "web";
	if (literal != NULL)
		replace_text(&instance->literal, literal);
	if (json_is_object(settings))
	{
		json_decref(instance->settings);
		instance->settings = json_incref(settings);
	}
	flag = json_object_get(fields, "connected");
	if (flag != NULL)
		instance->connected = json_is_true(flag);
	flag = json_object_get(fields, "with_calls");
	if (flag != NULL)
		instance->with_calls = json_is_true(flag);
}

/* Make one instance that no create call made. */
static SandboxInstance *
seed(const char *name, const json_t *fields)
{
	const json_t *id = json_object_get(fields, "id");
	const json_t *token = json_object_get(fields, "token");
	SandboxInstance *instance = sandbox_instance_create(name, false, NULL,
														NULL);

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
	const char *misfit = check_fields(request->json);

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
	const char *misfit = check_fields(request->json);

	if (instance == NULL)
	{
		sandbox_reply_error(&request->reply, 404, "no such instance");
		return;
	}
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
