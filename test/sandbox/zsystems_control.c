/*-------------------------------------------------------------------------
 *
 * zsystems_control.c
 *	  The control API's calls about plans, subscriptions and the like.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define MAX_SEEDED 1000000

const char *const sandbox_record_kinds[SANDBOX_RECORD_KINDS] = {
	"plans", "subscriptions", "clients", "cards", "invoices"
};

/* What a seeded plan is where nothing else is said. */
#define PLAN_DEFAULTS \
	"{s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:s, s:i, s:s, s:s}", \
	"name", "seeded", "description", "seeded", "email", 0, \
	"setup_amount", 0, "amount", 9900, "grace_period", 0, \
	"tolerance_period", 0, "frequency", "monthly", "interval", 1, \
	"currency", "BRL", "payment_methods", "credit_card"

bool
sandbox_record_kind_parse(const char *name, SandboxRecordKind *kind)
{
	int			i;

	for (i = 0; name != NULL && i < SANDBOX_RECORD_KINDS; i++)
	{
		if (strcmp(sandbox_record_kinds[i], name) == 0)
		{
			*kind = (SandboxRecordKind) i;
			return true;
		}
	}
	return false;
}

/* Everything about one record. */
static json_t *
record_json(const SandboxRecord *record)
{
	int			maker = sandbox_config_token_position(record->maker);
	json_t	   *result;

	result = json_pack("{s:I, s:s, s:o, s:b, s:b, s:O}",
					   "id", record->id,
					   "origin", maker < 0 ? "seed" : "api",
					   "partner_token", maker < 0 ? json_null() :
					   json_integer(maker),
					   "listed", sandbox_record_listed(record),
					   "removed", record->removed,
					   "fields", record->fields);
	if (record->sent != NULL)
		json_object_update(result, record->sent);
	if (record->kind == SANDBOX_SUBSCRIPTIONS)
		json_object_set_new(result, "state",
							json_string(sandbox_subscription_states[record->state]));
	return result;
}

static bool
passes(const SandboxRecord *record, const char *id, const char *name)
{
	const json_t *named = json_object_get(record->fields, "name");
	long		number;

	if (id != NULL && (!sandbox_parse_long(id, 0, LONG_MAX, &number) ||
					   number != record->id))
		return false;
	return name == NULL || (json_is_string(named) &&
							strcmp(json_string_value(named), name) == 0);
}

/* Print the records that pass; returns how many there are. */
static size_t
print_records(SandboxRequest *request, SandboxRecordKind kind, long limit)
{
	SandboxBuffer *out = &request->reply.body;
	char	   *id = sandbox_query_value(request, "id");
	char	   *name = sandbox_query_value(request, "name");
	size_t		total = 0;
	size_t		i;

	for (i = 0; i < sandbox_record_count(kind); i++)
	{
		const SandboxRecord *record = sandbox_record_get(kind, i);

		if (!passes(record, id, name) || total++ >= (size_t) limit)
			continue;
		if (total > 1)
			sandbox_buffer_text(out, ",");
		sandbox_buffer_json(out, record_json(record));
	}
	free(id);
	free(name);
	return total;
}

/* GET /state?kind=...: all that there ever was of a kind, oldest first */
void
sandbox_zsystems_state(SandboxRequest *request, SandboxRecordKind kind)
{
	SandboxBuffer *out = &request->reply.body;
	char	   *text = sandbox_query_value(request, "limit");
	char	   *head = sandbox_printf(",\"%s\":[", sandbox_record_kinds[kind]);
	long		limit;
	char		tail[64];

	if (!sandbox_parse_long(text, 0, LONG_MAX, &limit))
		limit = LONG_MAX;
	request->reply.status = 200;
	request->reply.content_type = "application/json";
	sandbox_buffer_text(out, "{\"clock\":");
	sandbox_buffer_json(out, sandbox_clock_json());
	sandbox_buffer_text(out, head);
	snprintf(tail, sizeof(tail), "],\"total\":%zu}",
			 print_records(request, kind, limit));
	sandbox_buffer_text(out, tail);
	free(head);
	free(text);
}

/* The kind, and the record if one is named, of "plans" or "plans/4605". */
static bool
read_target(SandboxRequest *request, SandboxRecordKind *kind,
			SandboxRecord **record)
{
	const char *slash = strchrnul(request->parameter, '/');
	char	   *name = sandbox_strndup(request->parameter,
									   (size_t) (slash - request->parameter));
	bool		good = sandbox_record_kind_parse(name, kind);

	free(name);
	*record = NULL;
	if (good && *slash == '/')
	{
		*record = sandbox_record_find(*kind, slash + 1);
		good = *record != NULL;
	}
	if (!good)
		sandbox_reply_error(&request->reply, 404, "no such record");
	return good;
}

/* The state that a word names. */
static bool
read_state(const json_t *value, SandboxSubscriptionState *state)
{
	const char *word = json_string_value(value);
	int			i;

	for (i = 0; word != NULL && i < SANDBOX_SUB_STATES; i++)
	{
		if (strcmp(sandbox_subscription_states[i], word) == 0)
		{
			*state = (SandboxSubscriptionState) i;
			return true;
		}
	}
	return false;
}

/* Make one record that no call made. */
static SandboxRecord *
seed(SandboxRecordKind kind, const json_t *given, const char *name)
{
	json_t	   *fields = kind == SANDBOX_PLANS ? json_pack(PLAN_DEFAULTS) :
	json_object();
	SandboxRecord *record;

	json_object_update(fields, (json_t *) given);
	if (name != NULL)
		json_object_set_new(fields, "name", json_string(name));
	record = sandbox_record_add(kind, fields, NULL);
	if (kind == SANDBOX_SUBSCRIPTIONS)
	{
		const json_t *id = json_object_get(given, "plano_id");
		SandboxSubscriptionState state;

		json_object_del(fields, "state");
		sandbox_subscription_begin(record,
								   sandbox_record_named(SANDBOX_PLANS, id));
		if (read_state(json_object_get(given, "state"), &state) &&
			state != record->state)
			sandbox_subscription_enter(record, state);
	}
	return record;
}

/* May the body become new records?  A subscription needs its plan. */
static bool
check_seed(SandboxRequest *request, SandboxRecordKind kind,
		   const json_t *count)
{
	const json_t *plan = json_object_get(request->json, "plano_id");
	const char *error = NULL;

	if (!json_is_object(request->json))
		error = "want an object";
	else if (kind == SANDBOX_SUBSCRIPTIONS &&
			 sandbox_record_named(SANDBOX_PLANS, plan) == NULL)
		error = "plano_id";
	else if (count != NULL && (!json_is_integer(count) ||
							   json_integer_value(count) < 0 ||
							   json_integer_value(count) > MAX_SEEDED))
		error = "bad count";
	if (error != NULL)
		sandbox_reply_error(&request->reply, 400, error);
	return error == NULL;
}

/* Make "count" records, named by "prefix" and a number from 1. */
static void
seed_many(SandboxRequest *request, SandboxRecordKind kind, json_int_t count)
{
	json_t	   *prefix = json_object_get(request->json, "prefix");
	json_int_t	i;

	json_incref(prefix);
	json_object_del(request->json, "count");
	json_object_del(request->json, "prefix");
	for (i = 1; i <= count; i++)
	{
		char	   *name = sandbox_printf("%s%lld", prefix != NULL ?
										  json_string_value(prefix) : "",
										  (long long) i);

		seed(kind, request->json, name);
		free(name);
	}
	json_decref(prefix);
	sandbox_reply_json(&request->reply, 201,
					   json_pack("{s:I}", "seeded", count));
}

/* POST /objects/{kind}: seed; POST /objects/{kind}/{id}: change */
void
sandbox_zsystems_seed(SandboxRequest *request)
{
	const json_t *count = json_object_get(request->json, "count");
	SandboxRecordKind kind;
	SandboxRecord *record;

	if (!read_target(request, &kind, &record))
		return;
	if (record != NULL)
	{
		json_object_update(record->fields, request->json);
		sandbox_reply_json(&request->reply, 200, record_json(record));
	}
	else if (!check_seed(request, kind, count))
		return;
	else if (count != NULL)
		seed_many(request, kind, json_integer_value(count));
	else
		sandbox_reply_json(&request->reply, 201,
						   record_json(seed(kind, request->json, NULL)));
}

/* DELETE /objects/{kind}/{id}: as if removed by hand at the provider */
void
sandbox_zsystems_remove(SandboxRequest *request)
{
	SandboxRecordKind kind;
	SandboxRecord *record;

	if (!read_target(request, &kind, &record))
		return;
	if (record == NULL)
	{
		sandbox_reply_error(&request->reply, 404, "no such record");
		return;
	}
	record->removed = true;
	sandbox_reply_json(&request->reply, 200, record_json(record));
}
