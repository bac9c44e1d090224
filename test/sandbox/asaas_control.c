/*-------------------------------------------------------------------------
 *
 * asaas_control.c
 *	  The control API's calls about what Asaas keeps.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define MAX_SEEDED 1000000

/* What was posted to the sandbox's own receiver */
static json_t *inbox = NULL;

bool
sandbox_asaas_kind_parse(const char *name, SandboxAsaasKind *kind)
{
	int			i;

	for (i = 0; name != NULL && i < SANDBOX_ASAAS_KINDS; i++)
	{
		if (strcmp(sandbox_asaas_kinds[i], name) == 0)
		{
			*kind = (SandboxAsaasKind) i;
			return true;
		}
	}
	return false;
}

/* Everything about one record; money is in cents. */
json_t *
sandbox_asaas_record_json(const SandboxAsaas *record)
{
	int			maker = sandbox_config_token_position(record->maker);
	json_t	   *result =
	json_pack("{s:s, s:s, s:o, s:b, s:O}", "id", record->id,
			  "origin", maker < 0 ? "seed" : "api",
			  "partner_token", maker < 0 ? json_null() : json_integer(maker),
			  "listed", sandbox_asaas_listed(record),
			  "fields", record->fields);

	if (record->kind == SANDBOX_ASAAS_WEBHOOKS)
		json_object_set_new(result, "queued",
							json_integer((json_int_t) record->queued));
	if (record->attempts != NULL)
		json_object_set(result, "attempts", record->attempts);
	return result;
}

/*
 * Is a query parameter absent, or the value of this field?  An event bears
 * the whole of what it is about.
 */
static bool
passes(const SandboxRequest *request, const SandboxAsaas *record,
	   const char *key)
{
	char	   *wanted = sandbox_query_value(request, key);
	const json_t *value = json_object_get(record->fields, key);
	const char *text = json_string_value(json_is_object(value) ?
										 json_object_get(value, "id") : value);
	bool		result = wanted == NULL ||
	(text != NULL && strcmp(text, wanted) == 0);

	free(wanted);
	return result;
}

static bool
passes_all(const SandboxRequest *request, const SandboxAsaas *record)
{
	static const char *const keys[] = {
		"id", "name", "event", "customer", "payment", "channel", "status",
		"externalReference"
	};
	size_t		i;

	for (i = 0; i < lengthof(keys); i++)
	{
		if (!passes(request, record, keys[i]))
			return false;
	}
	return true;
}

/* GET /state?kind=asaas_...: all that there ever was, oldest first */
void
sandbox_asaas_state(SandboxRequest *request, SandboxAsaasKind kind)
{
	SandboxBuffer *out = &request->reply.body;
	char	   *text = sandbox_query_value(request, "limit");
	char	   *head = sandbox_printf(",\"%s\":[", sandbox_asaas_kinds[kind]);
	long		limit;
	long		total = 0;
	size_t		i;
	char		tail[64];

	if (!sandbox_parse_long(text, 0, LONG_MAX, &limit))
		limit = LONG_MAX;
	request->reply.status = 200;
	request->reply.content_type = "application/json";
	sandbox_buffer_text(out, "{\"clock\":");
	sandbox_buffer_json(out, sandbox_clock_json());
	sandbox_buffer_text(out, head);
	for (i = 0; i < sandbox_asaas_count(kind); i++)
	{
		const SandboxAsaas *record = sandbox_asaas_get(kind, i);

		if (!passes_all(request, record) || total++ >= limit)
			continue;
		if (total > 1)
			sandbox_buffer_text(out, ",");
		sandbox_buffer_json(out, sandbox_asaas_record_json(record));
	}
	snprintf(tail, sizeof(tail), "],\"total\":%ld}", total);
	sandbox_buffer_text(out, tail);
	free(head);
	free(text);
}

/* Make one payment that no call made; NULL if the body does not do. */
static SandboxAsaas *
seed_payment(json_t *body)
{
	const char *id = json_string_value(json_object_get(body, "customer"));
	SandboxAsaas *customer = sandbox_asaas_find(SANDBOX_ASAAS_CUSTOMERS, id);
	json_t	   *defaults;
	SandboxAsaas *payment;
	int			day;

	defaults = json_pack("{s:s, s:i, s:o}", "billingType", "UNDEFINED",
						 "value", 100, "dueDate",
						 sandbox_asaas_day_json(sandbox_asaas_today() + 7));
	json_object_update_missing(body, defaults);
	json_decref(defaults);
	if (customer == NULL ||
		!sandbox_asaas_is_billing_type(json_object_get(body,
													   "billingType")) ||
		!sandbox_asaas_is_day(json_object_get(body, "dueDate"), &day))
		return NULL;
	payment = sandbox_asaas_payment_enter(customer, body, NULL);
	sandbox_asaas_begin(payment);
	return payment;
}

/* Make one record that no call made; NULL if the body does not do. */
static SandboxAsaas *
seed(SandboxAsaasKind kind, json_t *body)
{
	json_t	   *defaults;

	if (kind == SANDBOX_ASAAS_PAYMENTS)
		return seed_payment(body);
	if (kind == SANDBOX_ASAAS_WEBHOOKS)
		return sandbox_asaas_webhook_enter(body, NULL);
	if (kind != SANDBOX_ASAAS_CUSTOMERS)
		return NULL;
	defaults = json_pack("{s:s, s:s}", "name", "seeded",
						 "cpfCnpj", "24971563792");
	json_object_update_missing(body, defaults);
	json_decref(defaults);
	return sandbox_asaas_customer_enter(body, NULL);
}

/* POST /objects/{kind}: one record, or "count" of them, named by a prefix */
static void
seed_records(SandboxRequest *request, SandboxAsaasKind kind)
{
	json_int_t	count =
	json_integer_value(json_object_get(request->json, "count"));
	const char *prefix =
	json_string_value(json_object_get(request->json, "prefix"));
	const char *key = kind == SANDBOX_ASAAS_CUSTOMERS ? "name" :
	"description";
	SandboxAsaas *record = NULL;
	json_int_t	i;

	for (i = 1; i <= count && count <= MAX_SEEDED; i++)
	{
		json_t	   *body = json_copy(request->json);

		json_object_set_new(body, key,
							json_sprintf("%s%lld", prefix != NULL ? prefix :
										 "", (long long) i));
		record = seed(kind, body);
		json_decref(body);
	}
	if (count == 0)
		record = seed(kind, request->json);
	if (record == NULL)
		sandbox_reply_error(&request->reply, 400, "cannot be seeded so");
	else
		sandbox_reply_json(&request->reply, 201, count == 0 ?
						   sandbox_asaas_record_json(record) :
						   json_pack("{s:I}", "seeded", count));
}

/* Remove a record as by hand in the provider's panel. */
static void
remove_record(SandboxAsaas *record)
{
	switch (record->kind)
	{
		case SANDBOX_ASAAS_CUSTOMERS:
			sandbox_asaas_customer_remove(record);
			break;
		case SANDBOX_ASAAS_PAYMENTS:
			sandbox_asaas_remove(record);
			break;
		case SANDBOX_ASAAS_SUBSCRIPTIONS:
			sandbox_asaas_subscription_remove(record);
			break;
		default:
			sandbox_asaas_put(record, "deleted", json_true());
			break;
	}
}

/*
 * POST or DELETE /objects/asaas_...: seed, change fields, remove; false if
 * the kind is not one of Asaas.
 */
bool
sandbox_asaas_objects(SandboxRequest *request)
{
	const char *slash = strchrnul(request->parameter, '/');
	char	   *name = sandbox_strndup(request->parameter,
									   (size_t) (slash - request->parameter));
	SandboxAsaasKind kind;
	bool		ours = sandbox_asaas_kind_parse(name, &kind);
	SandboxAsaas *record;

	free(name);
	if (!ours)
		return false;
	record = *slash == '/' ? sandbox_asaas_find(kind, slash + 1) : NULL;
	if (*slash != '/' && strcmp(request->method, "POST") == 0)
		seed_records(request, kind);
	else if (record == NULL)
		sandbox_reply_error(&request->reply, 404, "no such record");
	else
	{
		if (strcmp(request->method, "POST") == 0)
			json_object_update(record->fields, request->json);
		else
			remove_record(record);
		sandbox_reply_json(&request->reply, 200,
						   sandbox_asaas_record_json(record));
	}
	return true;
}

/* Keep what has come, with those headers that matter. */
static void
receive(SandboxRequest *request)
{
	static const char *const headers[] = {
		"asaas-access-token", "user-agent", "content-type"
	};
	json_t	   *kept = json_object();
	size_t		i;

	for (i = 0; i < lengthof(headers); i++)
	{
		const char *value = sandbox_request_header(request, headers[i]);

		if (value != NULL)
			json_object_set_new(kept, headers[i], json_string(value));
	}
	if (inbox == NULL)
		inbox = json_array();
	json_array_append_new(inbox,
						  json_pack("{s:o, s:O, s:s%}", "headers", kept,
									"body", request->json,
									"raw", request->body.data,
									request->body.len));
	sandbox_reply_json(&request->reply,
					   (unsigned) sandbox_config.inbox_status, json_object());
}

/* GET, POST or DELETE /inbox: a receiver of webhooks */
void
sandbox_asaas_inbox(SandboxRequest *request)
{
	if (strcmp(request->method, "POST") == 0 && request->json != NULL)
		receive(request);
	else
	{
		if (strcmp(request->method, "DELETE") == 0)
			sandbox_asaas_inbox_reset();
		sandbox_reply_json(&request->reply, 200,
						   json_pack("{s:o}", "inbox", inbox != NULL ?
									 json_incref(inbox) : json_array()));
	}
}

void
sandbox_asaas_inbox_reset(void)
{
	json_decref(inbox);
	inbox = NULL;
}
