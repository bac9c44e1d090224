/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Faults on request: rules, and what each type does to a request.
 *
 * A struck request keeps a reference to the rule's own JSON object, so a
 * rule may be removed while a request that it struck is still held.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "fault.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

/* NUL, invalid UTF-8 of several kinds, control characters */
#define GARBAGE \
	"{\"id\":\"\0\xff\xfe\xc3\x28\xed\xa0\x80\"," \
	"\0\x01\x1b[2J\x80}"

typedef void (*Disguise) (SandboxReply *reply, const json_t *rule);

/* One type of fault. */
typedef struct FaultType
{
	const char *name;
	bool		serves;			/* the effect happens, unless turned round */
	Disguise	disguise;		/* NULL: the answer stays right */
} FaultType;

typedef struct Rule
{
	long		id;
	const FaultType *type;
	bool		any;			/* else only of this operation: */
	SandboxOperation operation;
	bool		reused_only;
	const char *path_contains;	/* NULL, or inside spec, as the next */
	const char *body_contains;
	long		skip;
	long		times;			/* left; 0: no more */
	bool		forever;
	long		hits;
	bool		serves;
	json_t	   *spec;
	struct Rule *next;
} Rule;

static Rule *rules = NULL;
static long last_id = 0;

static long
rule_number(const json_t *rule, const char *key, long otherwise)
{
	const json_t *value = json_object_get(rule, key);

	return json_is_integer(value) ? (long) json_integer_value(value) :
		otherwise;
}

/* Make the reply a new one, with the rule's status if it names one. */
static void
replace(SandboxReply *reply, const json_t *rule, long status,
		const char *content_type, const char *text)
{
	sandbox_reply_clear(reply);
	sandbox_reply_text(reply, (unsigned) rule_number(rule, "status", status),
					   content_type, text);
}

static void
disguise_status(SandboxReply *reply, const json_t *rule)
{
	json_t	   *body = json_object_get(rule, "body");
	const char *name;
	json_t	   *value;

	replace(reply, rule, 500, NULL, "");
	if (json_is_string(body))
	{
		reply->content_type = "text/plain";
		sandbox_buffer_append(&reply->body, json_string_value(body),
							  json_string_length(body));
	}
	else if (body != NULL)
	{
		reply->content_type = "application/json";
		sandbox_buffer_json(&reply->body, json_incref(body));
	}
	json_object_foreach(json_object_get(rule, "headers"), name, value)
		sandbox_reply_header(reply, name, json_string_value(value));
	sandbox_reply_header(reply, "Content-Type",
						 json_string_value(json_object_get(rule,
														   "content_type")));
}

static void
disguise_rate_limit(SandboxReply *reply, const json_t *rule)
{
	const json_t *after = json_object_get(rule, "retry_after");
	char	   *seconds = NULL;

	sandbox_reply_clear(reply);
	sandbox_reply_error(reply, 429, "Too many requests");
	if (json_is_integer(after))
		seconds = sandbox_printf("%ld", (long) json_integer_value(after));
	sandbox_reply_header(reply, "Retry-After", seconds != NULL ? seconds :
						 json_string_value(after));
	free(seconds);
}

static void
disguise_redirect(SandboxReply *reply, const json_t *rule)
{
	replace(reply, rule, 302, NULL, "");
	sandbox_reply_header(reply, "Location",
						 json_string_value(json_object_get(rule,
														   "location")));
}

static void
disguise_reset(SandboxReply *reply, const json_t *rule)
{
	reply->delivery = SANDBOX_RESET;
}

static void
disguise_close(SandboxReply *reply, const json_t *rule)
{
	reply->delivery = SANDBOX_CLOSE;
}

static void
disguise_truncate(SandboxReply *reply, const json_t *rule)
{
	reply->delivery = SANDBOX_SEND_HALF;
}

static void
disguise_cut(SandboxReply *reply, const json_t *rule)
{
	reply->body.len /= 2;
}

static void
disguise_garbage(SandboxReply *reply, const json_t *rule)
{
	replace(reply, rule, 200, "application/json", "");
	sandbox_buffer_append(&reply->body, GARBAGE, sizeof(GARBAGE) - 1);
}

static void
disguise_html(SandboxReply *reply, const json_t *rule)
{
	replace(reply, rule, 200, "text/html",
			"<!DOCTYPE html>\n"
			"<html><head><title>One moment</title></head>"
			"<body><h1>Checking your browser</h1></body></html>\n");
}

static void
disguise_empty(SandboxReply *reply, const json_t *rule)
{
	replace(reply, rule, 200, NULL, "");
}

/* Must a member that is answered wrongly become an object? */
static bool
becomes_object(const char *name, const json_t *value)
{
	static const char *const always[] = {"due", "idInstance", "plano"};
	size_t		i;

	for (i = 0; i < lengthof(always); i++)
	{
		if (strcmp(always[i], name) == 0)
			return true;
	}
	return json_is_integer(value);
}

/* Give members of a value, and of those in it, types nobody expects. */
static void
twist_types(json_t *value)
{
	static const char *const twisted[] = {
		"id", "token", "name", "paymentStatus", "value", "due",
		"apiTokenInstance", "idInstance", "stateInstance",
		"deleteInstanceAccount", "saveSettings", "isLogout", "isReboot",
		"plano", "status", "customer", "billingType", "netValue"
	};
	static const char *const inner[] = {
		"content", "data", "planos", "plano", "assinaturas", "cliente",
		"cartaoId"
	};
	size_t		i;

	for (i = 0; i < json_array_size(value); i++)
		twist_types(json_array_get(value, i));
	for (i = 0; json_is_object(value) && i < lengthof(inner); i++)
		twist_types(json_object_get(value, inner[i]));
	for (i = 0; i < lengthof(twisted); i++)
	{
		json_t	   *old = json_object_get(value, twisted[i]);

		if (old != NULL && !json_is_object(old))
			json_object_set_new(value, twisted[i],
								becomes_object(twisted[i], old) ?
								json_pack("{s:O}", "at", old) :
								json_integer(12345));
	}
}

static void
disguise_wrong_types(SandboxReply *reply, const json_t *rule)
{
	json_t	   *body = json_loadb(reply->body.data, reply->body.len, 0, NULL);

	if (body == NULL)
		return;
	twist_types(body);
	reply->body.len = 0;
	sandbox_buffer_json(&reply->body, body);
}

static void
disguise_endless(SandboxReply *reply, const json_t *rule)
{
	replace(reply, rule, 200, "application/json", "");
	reply->delivery = SANDBOX_SEND_ENDLESSLY;
}

static void
disguise_big(SandboxReply *reply, const json_t *rule)
{
	long		bytes = rule_number(rule, "bytes", 1L << 20);

	replace(reply, rule, 200, "application/json", "");
	reply->delivery = SANDBOX_SEND_BIG;
	reply->bytes = bytes < 0 ? 0 : (size_t) bytes;
}

static void
disguise_slow(SandboxReply *reply, const json_t *rule)
{
	long		chunk = rule_number(rule, "chunk", 1);

	reply->delivery = SANDBOX_SEND_SLOWLY;
	reply->chunk = chunk < 1 ? 1 : (size_t) chunk;
	reply->chunk_ms = rule_number(rule, "ms", 100);
}

static const FaultType types[] = {
	{"latency", true, NULL},
	{"withhold", true, NULL},
	{"status", false, disguise_status},
	{"rate_limit", false, disguise_rate_limit},
	{"redirect", false, disguise_redirect},
	{"reset_before", false, disguise_reset},
	{"reset_after", true, disguise_reset},
	{"close_before", false, disguise_close},
	{"close_after", true, disguise_close},
	{"close_reused", true, disguise_close},
	{"truncate", true, disguise_truncate},
	{"cut", true, disguise_cut},
	{"garbage", true, disguise_garbage},
	{"html", true, disguise_html},
	{"empty", true, disguise_empty},
	{"wrong_types", true, disguise_wrong_types},
	{"endless", true, disguise_endless},
	{"big", true, disguise_big},
	{"slow", true, disguise_slow}
};

/* Both delay types answer rightly, later. */
static bool
is_delay(const FaultType *type)
{
	return type->disguise == NULL;
}

static const FaultType *
find_type(const char *name)
{
	size_t		i;

	for (i = 0; name != NULL && i < lengthof(types); i++)
	{
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

/* What is wrong with a rule's own object, or NULL. */
static char *
check_spec(const json_t *spec)
{
	static const char *const known[] = {
		"operation", "path_contains", "body_contains", "skip", "times",
		"type", "ms", "chunk", "status", "body", "content_type", "headers",
		"after_effect", "before_effect", "undeterred", "retry_after",
		"location", "bytes"
	};
	const char *name;
	json_t	   *value;

	if (!json_is_object(spec))
		return sandbox_strdup("a fault must be an object");
	if (find_type(json_string_value(json_object_get(spec, "type"))) == NULL)
		return sandbox_strdup("a fault needs a known type");
	json_object_foreach((json_t *) spec, name, value)
	{
		size_t		i;

		for (i = 0; i < lengthof(known) && strcmp(known[i], name) != 0; i++)
			;
		if (i == lengthof(known))
			return sandbox_printf("unknown key: %s", name);
	}
	return NULL;
}

/* Read "operation"; false if there is no such thing. */
static bool
read_operation(Rule *rule)
{
	const json_t *value = json_object_get(rule->spec, "operation");
	const char *name = json_string_value(value);

	rule->any = value == NULL || (name != NULL && strcmp(name, "any") == 0);
	return rule->any ||
		(name != NULL && sandbox_operation_parse(name, &rule->operation));
}

static void
append_rule(Rule *rule)
{
	Rule	  **link = &rules;

	while (*link != NULL)
		link = &(*link)->next;
	*link = rule;
}

static void
free_rule(Rule *rule)
{
	json_decref(rule->spec);
	free(rule);
}

/* Add a rule; keeps a reference to spec. */
long
sandbox_fault_add(json_t *spec, char **error)
{
	Rule	   *rule;

	*error = check_spec(spec);
	if (*error != NULL)
		return -1;
	rule = sandbox_alloc(sizeof(*rule));
	rule->spec = json_incref(spec);
	rule->type = find_type(json_string_value(json_object_get(spec, "type")));
	rule->reused_only = strcmp(rule->type->name, "close_reused") == 0;
	rule->path_contains =
		json_string_value(json_object_get(spec, "path_contains"));
	rule->body_contains =
		json_string_value(json_object_get(spec, "body_contains"));
	rule->skip = rule_number(spec, "skip", 0);
	rule->times = rule_number(spec, "times", 1);
	rule->forever = rule->times == 0;
	rule->serves = rule->type->serves;
	if (json_is_true(json_object_get(spec, "after_effect")))
		rule->serves = true;
	if (json_is_true(json_object_get(spec, "before_effect")))
		rule->serves = false;
	if (!read_operation(rule))
	{
		*error = sandbox_strdup("unknown operation");
		free_rule(rule);
		return -1;
	}
	rule->id = ++last_id;
	append_rule(rule);
	return rule->id;
}

/* Remove one rule; false if there is none of this id. */
bool
sandbox_fault_remove(long id)
{
	Rule	  **link = &rules;
	Rule	   *rule;

	while (*link != NULL && (*link)->id != id)
		link = &(*link)->next;
	rule = *link;
	if (rule == NULL)
		return false;
	*link = rule->next;
	free_rule(rule);
	return true;
}

void
sandbox_fault_clear(void)
{
	while (rules != NULL)
		sandbox_fault_remove(rules->id);
}

/* All rules, as given, with id, hits and what is left. */
json_t *
sandbox_fault_json(void)
{
	json_t	   *list = json_array();
	const Rule *rule;

	for (rule = rules; rule != NULL; rule = rule->next)
	{
		json_t	   *shown = json_copy(rule->spec);

		json_object_set_new(shown, "id", json_integer(rule->id));
		json_object_set_new(shown, "hits", json_integer(rule->hits));
		json_object_set_new(shown, "skip_left", json_integer(rule->skip));
		json_object_set_new(shown, "times_left", rule->forever ?
							json_null() : json_integer(rule->times));
		json_array_append_new(list, shown);
	}
	return json_pack("{s:o}", "faults", list);
}

static bool
rule_matches(const Rule *rule, const SandboxRequest *request)
{
	if (!rule->forever && rule->times == 0)
		return false;
	if (!rule->any && rule->operation != request->operation)
		return false;
	if (rule->reused_only && !request->reused)
		return false;
	if (rule->path_contains != NULL &&
		strstr(request->path, rule->path_contains) == NULL)
		return false;
	return rule->body_contains == NULL ||
		(request->body.len > 0 &&
		 memmem(request->body.data, request->body.len, rule->body_contains,
				strlen(rule->body_contains)) != NULL);
}

/* The rule that strikes, its counts updated, or NULL. */
static Rule *
choose_rule(const SandboxRequest *request)
{
	Rule	   *rule;

	for (rule = rules; rule != NULL; rule = rule->next)
	{
		if (!rule_matches(rule, request))
			continue;
		if (rule->skip > 0)
		{
			rule->skip--;
			continue;
		}
		if (!rule->forever)
			rule->times--;
		rule->hits++;
		return rule;
	}
	return NULL;
}

void
sandbox_fault_strike(SandboxRequest *request)
{
	const Rule *rule = choose_rule(request);

	if (rule == NULL)
		return;
	sandbox_journal_fault(request, rule->id);
	request->fault = json_incref(rule->spec);
	request->fault_type = (int) (rule->type - types);
	request->fault_serves = rule->serves;
	if (!is_delay(rule->type))
		return;

	/* "before the effect" means for these: the effect waits as well */
	request->deferred = !rule->serves;
	request->undeterred =
		json_is_true(json_object_get(rule->spec, "undeterred"));
	request->fault_serves = true;
	request->withheld = strcmp(rule->type->name, "withhold") == 0;
	if (!request->withheld)
		request->delay_ms = rule_number(rule->spec, "ms", 100);
}

void
sandbox_fault_disguise(SandboxRequest *request)
{
	const FaultType *type = &types[request->fault_type];

	if (!is_delay(type))
		type->disguise(&request->reply, request->fault);
}
