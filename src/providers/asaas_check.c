/*-------------------------------------------------------------------------
 *
 * asaas_check.c
 *	  Asaas: arguments that must not be sent.
 *
 * The provider stops at the first fault that it finds and reports it in words
 * for people; here each is refused before anything is recorded, with the name
 * that the argument has in SQL.  Errors do not repeat values, which are names
 * and documents of people.
 *
 * Days are those of Brasilia, where the provider's are assumed to be.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

/* Hundredths of the whole. */
#define WHOLE 10000

/* Most notifications that a customer has. */
#define MOST_NOTIFICATIONS 8

/* The argument is not what it must be; shows of the value its type alone. */
static void
refuse_type(const char *argument, const char *must, const json_t *value)
{
	partner_api_refuse(argument, must,
					   psprintf("The value is %s.",
								partner_api_type_name(value)),
					   "Leave it out if there is none.");
}

/*
 * Raise ERROR for what cannot be an id of the provider, whose ids are opaque.
 */
void
partner_api_asaas_check_id(const char *argument, const char *id)
{
	const char *fault = partner_api_id_fault(id);

	if (fault != NULL)
		partner_api_refuse(argument, "an id of the provider", fault,
						   "Give the id as the provider shows it.");
}

/* Raise ERROR for a text that is too long. */
static void
check_length(const PartnerApiAsaasField *field, const json_t *value)
{
	if (field->most > 0 &&
		partner_api_count_characters(json_string_value(value)) > field->most)
		partner_api_refuse(field->name,
						   psprintf("of up to %d characters", field->most),
						   "It is longer.", "Shorten it.");
}

/* Raise ERROR for what is not a day, or one on the wrong side of today. */
static void
check_day(const PartnerApiAsaasField *field, const json_t *value,
		  int64 now_ms)
{
	const char *day = json_string_value(value);
	int			order;

	if (day == NULL || !partner_api_is_date(day))
		partner_api_refuse(field->name, "a date",
						   "It is not of the form YYYY-MM-DD.",
						   "Give a date such as \"2030-12-31\".");
	if (now_ms <= 0)
		return;
	order = strcmp(day, partner_api_today(now_ms));
	if (field->type == PARTNER_API_ASAAS_COMING_DAY && order < 0)
		partner_api_refuse(field->name, "today or later",
						   "The day is over in Brasilia.",
						   "Give a later date.");
	if (field->type == PARTNER_API_ASAAS_PAST_DAY && order > 0)
		partner_api_refuse(field->name, "today or earlier",
						   "The day has not begun in Brasilia.",
						   "Give the day of the payment.");
}

/* The words of a choice for a hint. */
static char *
choice_names(const char *const *choices)
{
	char	   *names = pstrdup(*choices++);

	for (; *choices != NULL; choices++)
		names = psprintf("%s, %s", names, *choices);
	return names;
}

/* Raise ERROR for a word that is no choice. */
static void
check_choice(const PartnerApiAsaasField *field, const json_t *value)
{
	const char *str = json_string_value(value);

	for (const char *const *choice = field->choices; *choice != NULL; choice++)
	{
		if (str != NULL && strcmp(*choice, str) == 0)
			return;
	}
	partner_api_refuse(field->name,
					   psprintf("one of %s", choice_names(field->choices)),
					   "The provider has no others.",
					   "Give one of these words, in capitals.");
}

/* Raise ERROR for what is no array of words. */
static void
check_words(const PartnerApiAsaasField *field, const json_t *value)
{
	json_t	   *item;
	size_t		i;

	if (!json_is_array(value) || json_array_size(value) == 0)
		partner_api_refuse(field->name, "an array of words",
						   "It has no element.",
						   "Give names such as \"PAYMENT_RECEIVED\".");
	json_array_foreach(value, i, item)
	{
		const char *str = json_string_value(item);

		if (str == NULL || *str == '\0' ||
			strspn(str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen(str))
			partner_api_refuse(field->name, "an array of words",
							   "An element is something else.",
							   "Give names such as \"PAYMENT_RECEIVED\".");
	}
}

/* Raise ERROR for a URL that must not be given to the provider. */
static void
check_url(const PartnerApiAsaasField *field, const json_t *value)
{
	const char *str = json_string_value(value);

	if (str == NULL || strncmp(str, "https://", strlen("https://")) != 0 ||
		str[strlen("https://")] == '\0' || strpbrk(str, " \"<>") != NULL)
		partner_api_refuse(field->name, "a URL that begins with https://",
						   "What is told there is about money, and goes with a token.",
						   "Give a URL that the provider reaches.");
}

/* ---- discounts, interest, fines ---- */

/*
 * The part of the value that terms name, in hundredths of a percent; false if
 * they name none.
 */
bool
partner_api_asaas_percent(const json_t *terms, int64 *hundredths)
{
	const json_t *value = json_object_get(terms, "percent");

	return (json_is_string(value) || json_is_integer(value)) &&
		partner_api_cents(value, hundredths) && *hundredths <= WHOLE;
}

/* Are there whole cents, or days, from nothing upwards, or none given? */
static bool
is_amount(const json_t *terms, const char *name)
{
	const json_t *value = json_object_get(terms, name);

	return value == NULL ||
		(json_is_integer(value) && json_integer_value(value) >= 0 &&
		 (strcmp(name, "value_cents") == 0 ||
		  json_integer_value(value) <= PG_INT32_MAX));
}

/*
 * Raise ERROR for terms that are not an amount or a part of the value, and of
 * a discount the days before the charge is due until which it is given.
 */
static void
check_terms(const PartnerApiAsaasField *field, const json_t *terms)
{
	bool		discount = field->type == PARTNER_API_ASAAS_DISCOUNT;
	bool		fixed = json_object_get(terms, "value_cents") != NULL;
	bool		part = json_object_get(terms, "percent") != NULL;
	bool		days = json_object_get(terms, "days_before_due") != NULL;
	int64		hundredths;

	if (!json_is_object(terms))
		refuse_type(field->name, "a JSON object", terms);
	if (fixed == part ||
		(fixed && field->type == PARTNER_API_ASAAS_INTEREST) ||
		(days && !discount) ||
		json_object_size(terms) != (size_t) fixed + part + days)
		partner_api_refuse(field->name, "an object of terms",
						   "It lacks a member, or has one that does not belong there.",
						   discount ? "Give value_cents or percent, and days_before_due." :
						   field->type == PARTNER_API_ASAAS_FINE ?
						   "Give value_cents or percent." :
						   "Give percent, of a month.");
	if ((part && !partner_api_asaas_percent(terms, &hundredths)) ||
		!is_amount(terms, "value_cents") ||
		!is_amount(terms, "days_before_due"))
		partner_api_refuse(field->name, "an object of terms",
						   "Cents and days are whole numbers from 0, a percentage is text of up to two decimals from \"0\" to \"100\".",
						   "Give terms such as {\"percent\": \"2.50\"}.");
}

/* ---- fields ---- */

/* Raise ERROR for what is not a text. */
static void
check_text(const json_t *arguments, const PartnerApiAsaasField *field)
{
	const json_t *value = json_object_get(arguments, field->name);

	if (field->type == PARTNER_API_ASAAS_LONG_TEXT && !json_is_string(value))
		refuse_type(field->name, "a string", value);
	if (field->type == PARTNER_API_ASAAS_TEXT)
		(void) partner_api_line_argument(arguments, NULL, field->name,
										 field->use == PARTNER_API_ASAAS_REQUIRED);
	check_length(field, value);
}

/* Raise ERROR for a document whose check digits do not fit. */
static void
check_document(const json_t *arguments, const PartnerApiAsaasField *field)
{
	const char *str = partner_api_line_argument(arguments, NULL, field->name,
												true);

	if (partner_api_document(str) == NULL &&
		!partner_api_json_true(arguments, "foreign_customer"))
		partner_api_refuse(field->name, "a CPF or CNPJ",
						   "It has not 11 or 14 digits, or its check digits do not fit.",
						   "Give it with or without punctuation.");
}

/* Raise ERROR for a number that is not whole, or too small. */
static void
check_number(const json_t *arguments, const PartnerApiAsaasField *field)
{
	const json_t *value = json_object_get(arguments, field->name);

	if (field->type == PARTNER_API_ASAAS_CENTS &&
		(!json_is_integer(value) || json_integer_value(value) <= 0))
		partner_api_refuse(field->name, "a whole number of cents, 1 or more",
						   json_is_integer(value) ?
						   "There is nothing to pay." :
						   psprintf("The value is %s.",
									partner_api_type_name(value)),
						   "Give R$ 99,00 as 9900.");
	if (field->type == PARTNER_API_ASAAS_COUNT &&
		(!json_is_integer(value) ||
		 json_integer_value(value) < field->least ||
		 json_integer_value(value) > PG_INT32_MAX))
		partner_api_refuse(field->name,
						   psprintf("a whole number, %d or more", field->least),
						   "The value is something else.",
						   "Leave it out for the provider's own.");
}

/* Raise ERROR for a value that does not suit its field; there is one. */
static void
check_value(const PartnerApiAction *action, const json_t *arguments,
			const PartnerApiAsaasField *field)
{
	const json_t *value = json_object_get(arguments, field->name);

	switch (field->type)
	{
		case PARTNER_API_ASAAS_TEXT:
		case PARTNER_API_ASAAS_LONG_TEXT:
			check_text(arguments, field);
			break;
		case PARTNER_API_ASAAS_DOCUMENT:
			check_document(arguments, field);
			break;
		case PARTNER_API_ASAAS_CENTS:
		case PARTNER_API_ASAAS_COUNT:
			check_number(arguments, field);
			break;
		case PARTNER_API_ASAAS_COMING_DAY:
		case PARTNER_API_ASAAS_PAST_DAY:
			check_day(field, value, action->now_ms);
			break;
		case PARTNER_API_ASAAS_FLAG:
			if (!json_is_boolean(value))
				refuse_type(field->name, "a boolean", value);
			break;
		case PARTNER_API_ASAAS_CHOICE:
			check_choice(field, value);
			break;
		case PARTNER_API_ASAAS_URL:
			check_url(field, value);
			break;
		case PARTNER_API_ASAAS_WORDS:
			check_words(field, value);
			break;
		case PARTNER_API_ASAAS_DISCOUNT:
		case PARTNER_API_ASAAS_INTEREST:
		case PARTNER_API_ASAAS_FINE:
			check_terms(field, value);
			break;
	}
}

/* Does the operation take the argument, and must it be there? */
static bool
is_required(PartnerApiKind kind, const PartnerApiAsaasField *field)
{
	bool		required = field->use == PARTNER_API_ASAAS_REQUIRED ||
	field->use == PARTNER_API_ASAAS_NEW_REQUIRED;

	return required && (partner_api_kind_traits(kind)->creates ||
						kind == PARTNER_API_RECEIVE_CHARGE);
}

/* Raise ERROR for what a change cannot change, and a new thing not have. */
static void
check_use(PartnerApiKind kind, const PartnerApiAsaasField *field)
{
	bool		creates = partner_api_kind_traits(kind)->creates;

	if (field->use == PARTNER_API_ASAAS_NEW_REQUIRED && !creates)
		partner_api_refuse(field->name, "left out of a change",
						   "It stays what it was.", "Leave it out.");
	if (field->use == PARTNER_API_ASAAS_CHANGE && creates)
		partner_api_refuse(field->name, "left out of what is new",
						   "It is for changes.", "Leave it out.");
}

/*
 * Raise ERROR for arguments that do not suit the table of their operation.
 * Returns how many are given.
 */
static int
check_fields(const PartnerApiAction *action, const json_t *arguments,
			 const PartnerApiAsaasField *fields, size_t count)
{
	int			given = 0;

	for (size_t i = 0; i < count; i++)
	{
		const json_t *value = json_object_get(arguments, fields[i].name);

		if (value != NULL && !json_is_null(value))
		{
			check_use(action->kind, &fields[i]);
			check_value(action, arguments, &fields[i]);
			given++;
		}
		else if (is_required(action->kind, &fields[i]))
			partner_api_refuse(fields[i].name, "given", "It is missing.",
							   "The provider requires it.");
	}
	return given;
}

/* ---- operations ---- */

/* Raise ERROR for notifications that must not be changed like this. */
static void
check_notifications(const PartnerApiAction *action)
{
	const json_t *given = json_object_get(action->arguments, "notifications");
	const PartnerApiAsaasField *switches;
	json_t	   *item;
	size_t		count;
	size_t		i;

	switches = partner_api_asaas_switches(&count);
	if (!json_is_array(given) || json_array_size(given) == 0 ||
		json_array_size(given) > MOST_NOTIFICATIONS)
		partner_api_refuse("notifications", "an array of 1 to 8 objects",
						   "A customer has 8 notifications.",
						   "Give those that are to change.");
	json_array_foreach(given, i, item)
	{
		const char *id =
		json_string_value(json_object_get(item, "notification_id"));
		int			changes;

		partner_api_asaas_check_id("notification_id", id);
		changes = check_fields(action, item, switches, count);
		if (changes == 0 || (size_t) changes + 1 != json_object_size(item))
			partner_api_refuse("notifications", "of known members",
							   "One changes nothing, or has a member that is not known.",
							   "Members are: notification_id, enabled, email_customer, sms_customer, phone_customer, whatsapp_customer, email_provider, sms_provider, schedule_offset.");
	}
}

/* Does the operation take arguments that change something? */
static bool
is_change(PartnerApiKind kind)
{
	switch (kind)
	{
		case PARTNER_API_CHANGE_CUSTOMER:
		case PARTNER_API_CHANGE_CHARGE:
		case PARTNER_API_CHANGE_RECURRENCE:
		case PARTNER_API_CHANGE_WEBHOOK:
			return true;
		default:
			return false;
	}
}

/* The first of the arguments that a change takes. */
static const char *
first_name(PartnerApiAsaasForm form)
{
	const PartnerApiAsaasField *field = form.fields;

	while (field->use == PARTNER_API_ASAAS_NEW_REQUIRED)
		field++;
	return field->name;
}

/*
 * See provider.h.
 */
void
partner_api_asaas_check(const PartnerApiAction *action)
{
	PartnerApiAsaasForm form = partner_api_asaas_form(action->kind);
	const char *id_argument =
	partner_api_kind_traits(action->kind)->id_argument;
	const json_t *customer = json_object_get(action->arguments,
											 "customer_id");
	int			given;

	if (id_argument != NULL)
		partner_api_asaas_check_id(id_argument, action->instance_id);
	if (action->kind == PARTNER_API_CHANGE_NOTIFICATIONS)
		check_notifications(action);
	given = check_fields(action, action->arguments, form.fields, form.count);
	if (json_is_string(customer))
		partner_api_asaas_check_id("customer_id",
								   json_string_value(customer));
	if (is_change(action->kind) && given == 0)
		partner_api_refuse(first_name(form), "given, or another field",
						   "There is nothing to change.",
						   "Give what is to change.");
}
