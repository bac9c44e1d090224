/*-------------------------------------------------------------------------
 *
 * zsystems_plan.c
 *	  zsystems: plans.
 *
 * A plan keeps what was sent, brought to one type per field, whether it came
 * as JSON or as the text parts of a form.  Amounts are cents.  There is no
 * call that deletes a plan.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "instance.h"
#include "ledger.h"

/* What a field of a plan may be. */
typedef enum FieldType
{
	FIELD_TEXT,
	FIELD_TEXT_OR_FALSE,
	FIELD_CENTS,
	FIELD_COUNT,				/* number or digits */
	FIELD_COUNT_OR_NONE,		/* also null or false */
	FIELD_FLAG
} FieldType;

typedef struct PlanField
{
	const char *name;
	FieldType	type;
	bool		required;
	long		low;			/* of numbers */
} PlanField;

static const PlanField plan_fields[] = {
	{"name", FIELD_TEXT, true, 0},
	{"description", FIELD_TEXT, true, 0},
	{"email", FIELD_TEXT_OR_FALSE, false, 0},
	{"setup_amount", FIELD_CENTS, false, 0},
	{"amount", FIELD_CENTS, true, 0},
	{"grace_period", FIELD_COUNT, true, 0},
	{"tolerance_period", FIELD_COUNT, true, 0},
	{"frequency", FIELD_TEXT, true, 0},
	{"interval", FIELD_COUNT, true, 1},
	{"logo", FIELD_FLAG, false, 0},
	{"currency", FIELD_TEXT, true, 0},
	{"payment_methods", FIELD_TEXT, true, 0},
	{"plan_expiration_date", FIELD_TEXT_OR_FALSE, false, 0},
	{"has_expiration", FIELD_FLAG, false, 0},
	{"expire_subscriptions", FIELD_FLAG, false, 0},
	{"subscription_duration", FIELD_COUNT_OR_NONE, false, 0}
};

/* Is the value no value: null, false, or their text in a form? */
static bool
is_none(const json_t *value, bool form)
{
	const char *text = json_string_value(value);

	return json_is_null(value) || json_is_false(value) ||
		(form && text != NULL &&
		 (*text == '\0' || strcmp(text, "false") == 0 ||
		  strcmp(text, "null") == 0));
}

/* A number, or digits where they are taken for one; NULL for neither. */
static json_t *
number_of(const json_t *value, bool digits, long low)
{
	long		number;

	if (json_is_integer(value))
		number = (long) json_integer_value(value);
	else if (!digits ||
			 !sandbox_parse_long(json_string_value(value), 0, LONG_MAX,
								 &number))
		return NULL;
	return number >= low ? json_integer(number) : NULL;
}

/* A flag; in a form it is text. */
static json_t *
flag_of(json_t *value, bool form)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_incref(value);
	if (!form || text == NULL)
		return NULL;
	if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		return json_true();
	return is_none(value, true) || strcmp(text, "0") == 0 ?
		json_false() : NULL;
}

/* What is kept of a field's value; NULL if it is refused. */
static json_t *
kept_value(const PlanField *field, json_t *value, bool form)
{
	switch (field->type)
	{
		case FIELD_TEXT_OR_FALSE:
			if (is_none(value, form))
				return json_false();
			/* FALLTHROUGH */
		case FIELD_TEXT:
			return json_string_length(value) > 0 ? json_incref(value) : NULL;
		case FIELD_CENTS:
			return number_of(value, form, 0);
		case FIELD_COUNT_OR_NONE:
			if (is_none(value, form))
				return json_null();
			/* FALLTHROUGH */
		case FIELD_COUNT:
			return number_of(value, true, field->low);
		case FIELD_FLAG:
			return flag_of(value, form);
	}
	return NULL;
}

static bool
is_frequency(const json_t *value)
{
	static const char *const known[] = {
		"daily", "weekly", "monthly", "annualy"
	};
	const char *text = json_string_value(value);
	size_t		i;

	for (i = 0; i < lengthof(known); i++)
	{
		if (text != NULL && strcmp(text, known[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Bring what was sent into kept; the field that is refused, or NULL.  In a
 * change nothing is required.
 */
static const char *
keep_fields(const json_t *sent, bool form, bool change, json_t *kept)
{
	const char *currency;
	size_t		i;

	for (i = 0; i < lengthof(plan_fields); i++)
	{
		const PlanField *field = &plan_fields[i];
		json_t	   *value = json_object_get(sent, field->name);
		json_t	   *keep;

		if (value == NULL && (change || !field->required))
			continue;
		keep = value != NULL ? kept_value(field, value, form) : NULL;
		if (keep == NULL)
			return field->name;
		json_object_set_new(kept, field->name, keep);
	}
	currency = json_string_value(json_object_get(kept, "currency"));
	if (currency != NULL && strcmp(currency, "BRL") != 0)
		return "currency";
	if (json_object_get(kept, "frequency") != NULL &&
		!is_frequency(json_object_get(kept, "frequency")))
		return "frequency";
	return NULL;
}

/* Read and check the body; NULL with a reply if it is refused. */
static json_t *
accept_fields(SandboxRequest *request, bool change, json_t **parts)
{
	json_t	   *sent = sandbox_form_read(request, parts);
	json_t	   *kept;
	const char *misfit;

	if (sent == NULL)
		return NULL;
	kept = json_object();
	misfit = keep_fields(sent, *parts != NULL, change, kept);
	json_decref(sent);
	if (misfit == NULL)
		return kept;
	sandbox_zsystems_misfit(request, SANDBOX_REFUSAL_ERROS, misfit);
	json_decref(kept);
	json_decref(*parts);
	return NULL;
}

/* As instances are counted by name, plans are by description. */
static void
count_create(const json_t *description)
{
	SandboxEffectCounts *counts =
	sandbox_ledger_name_effects(json_string_value(description));

	counts->count[SANDBOX_CREATES]++;
}

/* The description as it is stored, which finds the plan again. */
static void
mangle_description(json_t *fields)
{
	const json_t *sent = json_object_get(fields, "description");
	char	   *stored = sandbox_mangled_name(json_string_value(sent));

	json_object_set_new(fields, "description", json_string(stored));
	free(stored);
}

/* "plano" of the answer to a create, as the configuration says. */
static json_t *
plano_of(const SandboxRecord *plan)
{
	switch ((SandboxPlanIdForm) sandbox_config.zsystems_plan_id)
	{
		case SANDBOX_PLAN_ID_NUMBER:
			return json_integer(plan->id);
		case SANDBOX_PLAN_ID_STRING:
			return json_sprintf("%lld", (long long) plan->id);
		case SANDBOX_PLAN_ID_OBJECT:
			return json_incref(plan->fields);
		case SANDBOX_PLAN_ID_MISSING:
			break;
	}
	return NULL;
}

/* POST /planos */
void
sandbox_plan_create(SandboxRequest *request)
{
	json_t	   *parts;
	json_t	   *fields = accept_fields(request, false, &parts);
	SandboxRecord *plan;

	if (fields == NULL)
		return;
	count_create(json_object_get(fields, "description"));
	mangle_description(fields);
	plan = sandbox_record_add(SANDBOX_PLANS, fields, request->partner);
	plan->sent = json_pack("{s:s, s:o?}", "format",
						   parts != NULL ? "multipart" : "json",
						   "parts", parts);
	request->effects++;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:o*}", "success", 1,
								 "plano", plano_of(plan)));
}

static json_t *
row(const SandboxRecord *plan)
{
	return json_incref(plan->fields);
}

/* GET /planos */
void
sandbox_plan_list(SandboxRequest *request)
{
	json_t	   *list = sandbox_record_list(SANDBOX_PLANS, row);

	if (sandbox_config.zsystems_plan_list != SANDBOX_PLAN_LIST_ARRAY)
		list = json_pack("{s:b, s:o}", "success", 1,
						 sandbox_config.zsystems_plan_list ==
						 SANDBOX_PLAN_LIST_DATA ? "data" : "planos", list);
	sandbox_reply_json(&request->reply, 200, list);
}

/* The plan of the path, or NULL with 404 as the reply. */
static SandboxRecord *
plan_of(SandboxRequest *request)
{
	SandboxRecord *plan = sandbox_record_find(SANDBOX_PLANS, request->id);

	if (plan == NULL)
		sandbox_zsystems_unknown(request, "Plano");
	return plan;
}

static void
reply_plan(SandboxRequest *request, const SandboxRecord *plan)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:O}", "success", 1,
								 "plano", plan->fields));
}

/* GET /planos/{id} */
void
sandbox_plan_read(SandboxRequest *request)
{
	SandboxRecord *plan = plan_of(request);

	if (plan != NULL)
		reply_plan(request, plan);
}

/* PUT /planos/{id}: the fields that are there replace the plan's. */
void
sandbox_plan_change(SandboxRequest *request)
{
	SandboxRecord *plan = plan_of(request);
	json_t	   *parts;
	json_t	   *fields;

	if (plan == NULL)
		return;
	fields = accept_fields(request, true, &parts);
	if (fields == NULL)
		return;
	json_decref(parts);
	json_object_update_new(plan->fields, fields);
	sandbox_record_touch(plan);
	request->effects++;
	reply_plan(request, plan);
}

/* A number of a plan; 0 where it has none. */
long
sandbox_plan_number(const SandboxRecord *plan, const char *key)
{
	return (long) json_integer_value(json_object_get(plan->fields, key));
}
