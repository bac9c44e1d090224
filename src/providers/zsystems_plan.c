/*-------------------------------------------------------------------------
 *
 * zsystems_plan.c
 *	  zsystems: plans, as they are given, sent and shown.
 *
 * A plan has sixteen fields; one table says how each is called here and there
 * and what may be in it, and all of this file goes by it.  Amounts are whole
 * cents in both directions.
 *
 * A create carries its nonce at the end of the description, the one field of
 * free text that nobody pays or signs up by.  A change sends the description
 * as it is given, without: by then the create is settled and its plan known
 * by id, and the nonce of another action would be taken for a sign of it.
 *
 * As a form, each field is a text part of the same name.  How the provider
 * wants truth values and numbers there is not documented: they are written as
 * in JSON, and what is null is left out.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "nonce.h"
#include "providers/common.h"
#include "providers/zsystems.h"

/* Bytes of a name, 200 characters at most; its limit is not published. */
#define NAME_BYTES 800

/*
 * Most of a file, whose limit is not published either: the worker has several
 * copies in memory while it is sent.
 */
#define FILE_MB 4

typedef enum FieldType
{
	FIELD_TEXT,					/* on one line */
	FIELD_LONG_TEXT,			/* on any number of them */
	FIELD_CENTS,				/* whole, not negative */
	FIELD_COUNT,				/* "least" or more */
	FIELD_FLAG,
	FIELD_MOMENT				/* false for none */
} FieldType;

typedef struct Field
{
	const char *name;			/* of the argument, and of our column */
	const char *key;			/* in the API */
	FieldType	type;
	int			least;			/* FIELD_COUNT */
	const char *standard;		/* JSON that a create sends where nothing is
								 * given; NULL for none */
} Field;

/* The smallest body that a client is known to create plans with has these. */
static const Field fields[] = {
	{"name", "name", FIELD_TEXT, 0, NULL},
	{"description", "description", FIELD_LONG_TEXT, 0, NULL},
	{"email", "email", FIELD_TEXT, 0, NULL},
	{"setup_amount_cents", "setup_amount", FIELD_CENTS, 0, "0"},
	{"amount_cents", "amount", FIELD_CENTS, 0, NULL},
	{"grace_period", "grace_period", FIELD_COUNT, 0, "0"},
	{"tolerance_period", "tolerance_period", FIELD_COUNT, 0, "0"},
	{"frequency", "frequency", FIELD_TEXT, 0, NULL},
	{"interval_count", "interval", FIELD_COUNT, 1, "1"},
	{"logo", "logo", FIELD_FLAG, 0, NULL},
	{"currency", "currency", FIELD_TEXT, 0, "\"BRL\""},
	{"payment_methods", "payment_methods", FIELD_TEXT, 0, NULL},
	{"plan_expiration_date", "plan_expiration_date", FIELD_MOMENT, 0, NULL},
	{"has_expiration", "has_expiration", FIELD_FLAG, 0, "false"},
	{"expire_subscriptions", "expire_subscriptions", FIELD_FLAG, 0, "false"},
	{"subscription_duration", "subscription_duration", FIELD_COUNT, 1, NULL}
};

/* An argument that is given, or NULL. */
static json_t *
given(const PartnerApiAction *action, const char *name)
{
	json_t	   *value = json_object_get(action->arguments, name);

	return json_is_null(value) ? NULL : value;
}

/* ---- arguments ---- */

/*
 * Raise ERROR for a value that does not suit the type of its field.
 */
static void
check_type(const PartnerApiAction *action, const Field *field)
{
	const json_t *value = given(action, field->name);
	int64		number;
	char	   *detail;

	if (value == NULL)
		return;
	detail = psprintf("The value is %s.", partner_api_type_name(value));
	switch (field->type)
	{
		case FIELD_TEXT:
			(void) partner_api_line_argument(action->arguments, NULL,
											 field->name, false);
			return;
		case FIELD_LONG_TEXT:
			if (!json_is_string(value))
				partner_api_refuse(field->name, "a string", detail,
								   "Leave it out if there is none.");
			return;
		case FIELD_CENTS:
			if (!json_is_integer(value) || json_integer_value(value) < 0)
				partner_api_refuse(field->name,
								   "a whole number of cents",
								   json_is_integer(value) ?
								   "The value is negative." : detail,
								   "Give R$ 99,00 as 9900.");
			return;
		case FIELD_COUNT:
			if (!json_is_integer(value) ||
				!partner_api_zsystems_count(action->arguments, field->name,
											&number) ||
				number < field->least)
				partner_api_refuse(field->name,
								   field->least == 0 ?
								   "a whole number, 0 or more" :
								   "a whole number, 1 or more",
								   json_is_integer(value) ?
								   "The value is out of range." :
								   detail,
								   "Leave it out for the default.");
			return;
		case FIELD_FLAG:
			if (!json_is_boolean(value))
				partner_api_refuse(field->name, "a boolean", detail,
								   "Give true or false.");
			return;
		case FIELD_MOMENT:
			if (!json_is_false(value) &&
				!partner_api_instant(value, &number))
				partner_api_refuse(field->name,
								   "a time with a zone",
								   json_is_string(value) ?
								   "The value cannot be read." :
								   detail,
								   "Give a time such as "
								   "\"2030-12-31T23:59:59Z\".");
			return;
	}
}

/*
 * Raise ERROR where the name of a plan is missing, blank or too long.
 */
static void
check_name(const PartnerApiAction *action)
{
	const char *name = json_string_value(given(action, "name"));

	if (name == NULL && action->kind == PARTNER_API_CHANGE_PLAN)
		return;
	if (name == NULL || name[strspn(name, " ")] == '\0')
		partner_api_refuse("name", "the name of the plan",
						   "It is missing or consists of blanks.",
						   "Give the name that subscribers see.");
	if (strlen(name) > NAME_BYTES)
		partner_api_refuse("name", "the name of the plan",
						   "It is too long.",
						   "Give a name of up to 200 characters.");
}

/*
 * A frequency as the API spells it; NULL if it has none of this name.
 */
const char *
partner_api_zsystems_frequency(const char *frequency)
{
	static const char *const known[][2] = {
		{"daily", "daily"},
		{"weekly", "weekly"},
		{"monthly", "monthly"},
		{"annualy", "annualy"},
		{"annually", "annualy"},
		{"yearly", "annualy"}
	};

	for (size_t i = 0; i < lengthof(known); i++)
	{
		if (frequency != NULL && strcmp(known[i][0], frequency) == 0)
			return known[i][1];
	}
	return NULL;
}

/*
 * Raise ERROR for a frequency that the provider does not have; a spelling
 * that it does not have is mapped, and said.
 */
static void
check_frequency(const PartnerApiAction *action)
{
	const char *frequency = json_string_value(given(action, "frequency"));
	const char *sent = partner_api_zsystems_frequency(frequency);

	if (frequency == NULL && action->kind == PARTNER_API_CHANGE_PLAN)
		return;
	if (frequency == NULL || sent == NULL)
		partner_api_refuse("frequency",
						   "one of daily, weekly, monthly, annualy",
						   frequency == NULL ? "It is missing." :
						   "The provider has no other frequencies.",
						   "For every two weeks give \"weekly\" and "
						   "interval_count => 2.");
	if (strcmp(frequency, sent) != 0)
		ereport(NOTICE,
				errmsg("frequency \"%s\" is sent as \"%s\"", frequency, sent),
				errdetail("This is how the provider spells it."));
}

/*
 * Raise ERROR for a currency that no plan has; warn of a way to pay that the
 * provider is not known to have, since it does not publish its words.
 */
static void
check_payment(const PartnerApiAction *action)
{
	static const char *const seen[] = {
		"credit_card", "cartao", "credit", "boleto"
	};
	const char *currency = json_string_value(given(action, "currency"));
	const char *method = json_string_value(given(action, "payment_methods"));

	if (currency != NULL && strcmp(currency, "BRL") != 0)
		partner_api_refuse("currency", "\"BRL\"",
						   "The provider has no other currency.",
						   "Leave it out.");
	if (method == NULL)
		return;
	for (size_t i = 0; i < lengthof(seen); i++)
	{
		if (strcmp(seen[i], method) == 0)
			return;
	}
	ereport(WARNING,
			errmsg("payment method \"%s\" is not known",
				   partner_api_shown_key(method)),
			errdetail("The provider documents credit card and boleto, but "
					  "not how they are written; it is sent as it is."),
			errhint("Words that have been seen: credit_card, cartao, credit, "
					"boleto."));
}

/*
 * Raise ERROR where a flag and the value that it is about contradict.
 */
static void
check_pair(const PartnerApiAction *action, const char *flag,
		   const char *value)
{
	const json_t *set = given(action, flag);
	const json_t *about = given(action, value);
	bool		has_value = about != NULL && !json_is_false(about);

	if (json_is_true(set) && !has_value)
		partner_api_refuse(value, psprintf("given with %s", flag),
						   "The flag is true.",
						   psprintf("Give %s, or leave out %s.",
									value, flag));
	if (json_is_false(set) && has_value)
		partner_api_refuse(flag, psprintf("true with %s", value),
						   "The flag is false.",
						   psprintf("Leave out one of %s and %s.",
									value, flag));
}

/*
 * Raise ERROR for a plan that would have expired before it is there.
 */
static void
check_expiration(const PartnerApiAction *action)
{
	int64		ms;

	check_pair(action, "has_expiration", "plan_expiration_date");
	check_pair(action, "expire_subscriptions", "subscription_duration");
	if (action->now_ms > 0 &&
		partner_api_instant(given(action, "plan_expiration_date"),
							&ms) && ms <= action->now_ms)
		partner_api_refuse("plan_expiration_date",
						   "a time in the future",
						   "The plan would have expired already.",
						   "Give a later time.");
}

/*
 * Raise ERROR for a file that cannot be a part of the form.
 */
static void
check_file(const PartnerApiAction *action)
{
	static const char *const names[] = {
		"file_field", "file_name", "file_content"
	};
	const char *content = json_string_value(given(action, "file_content"));
	int			count = 0;

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (given(action, names[i]) != NULL)
			count++;
	}
	if (count == 0)
		return;
	if (!partner_api_zsystems_is_multipart(action))
		partner_api_refuse("format", "\"multipart\" with a file",
						   "A JSON body carries no file.",
						   "Give format => 'multipart'.");
	for (size_t i = 0; i < 2; i++)
		(void) partner_api_line_argument(action->arguments, NULL, names[i],
										 true);
	if (content == NULL || partner_api_decode_base64(content) == NULL)
		partner_api_refuse("file_content", "bytes in base64",
						   "It is missing, or cannot be decoded.",
						   "Give the bytes of the file.");
	if (strlen(content) / 4 * 3 > (size_t) FILE_MB * 1024 * 1024)
		partner_api_refuse("file_content",
						   "at most " CppAsString2(FILE_MB) " MB",
						   "The file is larger.", "Give a smaller one.");
	if (json_object_get(partner_api_zsystems_plan_body(action),
						json_string_value(given(action, names[0]))) != NULL)
		partner_api_refuse("file_field", "a field of its own",
						   "A field of the plan has this name.",
						   "Ask the provider for the name of the "
						   "field.");
}

/*
 * Raise ERROR for a plan that must not be sent.
 */
void
partner_api_zsystems_check_plan(const PartnerApiAction *action)
{
	const char *format = partner_api_line_argument(action->arguments, NULL,
												   "format", false);

	if (format != NULL && strcmp(format, "json") != 0 &&
		strcmp(format, "multipart") != 0)
		partner_api_refuse("format", "\"json\" or \"multipart\"",
						   "There is no other format.",
						   "Leave it out for JSON.");
	for (size_t i = 0; i < lengthof(fields); i++)
		check_type(action, &fields[i]);
	check_name(action);
	if (action->kind == PARTNER_API_CREATE_PLAN &&
		given(action, "amount_cents") == NULL)
		partner_api_refuse("amount_cents", "the price of the plan",
						   "It is missing.",
						   "Give R$ 99,00 as 9900.");
	check_frequency(action);
	check_payment(action);
	check_expiration(action);
	check_file(action);
	if (action->kind == PARTNER_API_CHANGE_PLAN &&
		json_object_size(partner_api_zsystems_plan_body(action)) == 0)
		partner_api_refuse("name", "given, or another field",
						   "Nothing is to be changed.",
						   "Give the fields that are to change.");
}

/* ---- what is sent ---- */

/*
 * The description that is sent: of a new plan the given one, or the name,
 * with the nonce.
 */
static const char *
sent_description(const PartnerApiAction *action)
{
	const char *description = json_string_value(given(action, "description"));

	if (action->kind != PARTNER_API_CREATE_PLAN)
		return description;
	if (description == NULL || description[0] == '\0')
		description = json_string_value(given(action, "name"));
	return partner_api_name_with_nonce(description, action->nonce);
}

/*
 * Put a field's value into the body: as given, or else the standard one.
 */
static void
put_field(json_t *body, const PartnerApiAction *action, const Field *field)
{
	json_t	   *value = given(action, field->name);
	char	   *fault;

	if (value == NULL && field->standard != NULL &&
		action->kind == PARTNER_API_CREATE_PLAN)
		value = partner_api_json_parse(field->standard,
									   strlen(field->standard), &fault);
	partner_api_json_put(body, field->key, value);
	if (field->type == FIELD_MOMENT)
		partner_api_put_time(body, field->key, value);
}

/*
 * The fields of a plan as they are sent.  What expires is said to, too.
 */
json_t *
partner_api_zsystems_plan_body(const PartnerApiAction *action)
{
	json_t	   *body = partner_api_json_object();

	for (size_t i = 0; i < lengthof(fields); i++)
	{
		if (strcmp(fields[i].name, "description") == 0)
			partner_api_json_put_text(body, "description",
									  sent_description(action));
		else
			put_field(body, action, &fields[i]);
	}
	partner_api_json_put_text(body, "frequency",
							  partner_api_zsystems_frequency(json_string_value(given(action, "frequency"))));
	if (json_is_string(given(action, "plan_expiration_date")))
		partner_api_json_put_bool(body, "has_expiration", true);
	if (given(action, "subscription_duration") != NULL)
		partner_api_json_put_bool(body, "expire_subscriptions", true);
	return body;
}

/*
 * Is a plan to be sent as a form?
 */
bool
partner_api_zsystems_is_multipart(const PartnerApiAction *action)
{
	const char *format = json_string_value(given(action, "format"));

	return format != NULL && strcmp(format, "multipart") == 0 &&
		(action->kind == PARTNER_API_CREATE_PLAN ||
		 action->kind == PARTNER_API_CHANGE_PLAN);
}

/*
 * A new part of a form.
 */
static PartnerApiPart *
make_part(const char *name, const char *value, size_t len)
{
	PartnerApiPart *part = palloc0(sizeof(PartnerApiPart));

	part->name = pstrdup(name);
	part->value = value;
	part->value_len = len;
	return part;
}

/*
 * The fields of a plan as parts of a form, and the file if there is one.
 */
List *
partner_api_zsystems_plan_parts(const PartnerApiAction *action)
{
	json_t	   *body = partner_api_zsystems_plan_body(action);
	const char *content = json_string_value(given(action, "file_content"));
	List	   *parts = NIL;
	PartnerApiPart *file;
	const char *key;
	json_t	   *value;
	bytea	   *bytes;

	json_object_foreach(body, key, value)
	{
		char	   *str = json_is_string(value) ?
		pstrdup(json_string_value(value)) : partner_api_json_print(value);

		parts = lappend(parts, make_part(key, str, strlen(str)));
	}
	if (content == NULL)
		return parts;
	bytes = partner_api_decode_base64(content);
	file = make_part(json_string_value(given(action, "file_field")),
					 VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ);
	file->file_name = pstrdup(json_string_value(given(action, "file_name")));
	return lappend(parts, file);
}

/* ---- what is shown ---- */

/*
 * A description as it was given: without our nonce at its end.
 */
static char *
shown_description(const char *description)
{
	PartnerApiNonce nonce;
	const char *end;

	if (!partner_api_nonce_find(description, &nonce) || !nonce.unmodified)
		return pstrdup(description);
	end = strrchr(description, '[');
	if (end > description && end[-1] == ' ')
		end--;
	return pnstrdup(description, end - description);
}

/*
 * Set a column from a field of a plan, if there is a value that suits it.
 */
static void
show_field(json_t *columns, const json_t *plan, const Field *field)
{
	json_t	   *value = json_object_get(plan, field->key);
	char	   *str = partner_api_filled_text(plan, field->key);
	int64		number;

	switch (field->type)
	{
		case FIELD_TEXT:
			partner_api_json_put_text(columns, field->name, str);
			break;
		case FIELD_LONG_TEXT:
			if (str != NULL)
				partner_api_json_put_text(columns, field->name,
										  shown_description(str));
			break;
		case FIELD_CENTS:
			if (partner_api_json_int64(plan, field->key, &number) &&
				number >= 0)
				partner_api_json_put_int64(columns, field->name, number);
			break;
		case FIELD_COUNT:
			if (partner_api_zsystems_count(plan, field->key, &number))
				partner_api_json_put_int64(columns, field->name, number);
			break;
		case FIELD_FLAG:
			if (json_is_boolean(value))
				partner_api_json_put(columns, field->name, value);
			else if (partner_api_json_int64(plan, field->key, &number) &&
					 (number == 0 || number == 1))
				partner_api_json_put_bool(columns, field->name, number == 1);
			break;
		case FIELD_MOMENT:
			partner_api_put_time(columns, field->name, value);
			break;
	}
}

/*
 * A plan by our columns.
 */
json_t *
partner_api_zsystems_plan_fields(const json_t *plan)
{
	json_t	   *columns = partner_api_json_object();

	partner_api_json_put_text(columns, "plan_id",
							  partner_api_zsystems_id(plan));
	for (size_t i = 0; i < lengthof(fields); i++)
		show_field(columns, plan, &fields[i]);
	return columns;
}
