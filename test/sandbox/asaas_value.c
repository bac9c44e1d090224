/*-------------------------------------------------------------------------
 *
 * asaas_value.c
 *	  Asaas: days, money, documents, how a record is shown, refusals.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)
#define SECONDS_PER_DAY 86400
#define ZONE_MS (INT64_C(-3) * 3600000)
#define MAX_REAIS 1e10

/* Members that are cents here and reais on the wire */
static const char *const money[] = {
	"value", "netValue", "originalValue", "interestValue", "balance"
};

/* The day on which a moment lies; time never goes back before 1970. */
int
sandbox_asaas_day_of(int64_t ms)
{
	return (int) ((ms + ZONE_MS) / MS_PER_DAY);
}

int
sandbox_asaas_today(void)
{
	return sandbox_asaas_day_of(sandbox_asaas_now());
}

/* When a day begins. */
int64_t
sandbox_asaas_day_start(int day)
{
	return day * MS_PER_DAY - ZONE_MS;
}

static void
split_day(int day, struct tm *parts)
{
	time_t		seconds = (time_t) day * SECONDS_PER_DAY;

	gmtime_r(&seconds, parts);
}

static int
join_day(struct tm *parts)
{
	return (int) (timegm(parts) / SECONDS_PER_DAY);
}

/* Is it a day that exists, as YYYY-MM-DD? */
bool
sandbox_asaas_is_day(const json_t *value, int *day)
{
	const char *text = json_string_value(value);
	struct tm	parts;
	const char *end;
	int			wanted;

	if (text == NULL)
		return false;
	memset(&parts, 0, sizeof(parts));
	end = strptime(text, "%Y-%m-%d", &parts);
	if (end == NULL || *end != '\0' || end - text != 10)
		return false;
	wanted = parts.tm_mday;
	*day = join_day(&parts);
	return parts.tm_mday == wanted;
}

json_t *
sandbox_asaas_day_json(int day)
{
	struct tm	parts;
	char		text[SANDBOX_TIME_LEN];

	split_day(day, &parts);
	strftime(text, sizeof(text), "%Y-%m-%d", &parts);
	return json_string(text);
}

/* A moment without its zone, as events name it. */
json_t *
sandbox_asaas_stamp_json(int64_t ms)
{
	char		text[SANDBOX_TIME_LEN];

	sandbox_iso_time(ms + ZONE_MS, text);
	text[10] = ' ';
	text[19] = '\0';
	return json_string(text);
}

/* Months later, on a day of the month or on the last one there is. */
int
sandbox_asaas_add_months(int day, int months, int day_of_month)
{
	struct tm	parts;
	struct tm	last;

	split_day(day, &parts);
	parts.tm_mday = 1;
	parts.tm_mon += months;
	last = parts;
	last.tm_mon++;
	split_day(join_day(&last) - 1, &last);
	parts.tm_mday = day_of_month < last.tm_mday ? day_of_month : last.tm_mday;
	return join_day(&parts);
}

/* The next day that is no Saturday or Sunday; 1970-01-01 was a Thursday. */
int
sandbox_asaas_working_day(int day)
{
	do
		day++;
	while ((day + 4) % 7 == 0 || (day + 4) % 7 == 6);
	return day;
}

/* Cents as they are answered: 100, 19.9, 98.01 */
json_t *
sandbox_asaas_reais(json_int_t cents)
{
	return cents % 100 == 0 ? json_integer(cents / 100) :
		json_real((double) cents / 100);
}

/* Is it a number of reais without parts of a cent? */
bool
sandbox_asaas_cents(const json_t *value, json_int_t *cents)
{
	double		exact = json_number_value(value) * 100;

	if (!json_is_number(value) || fabs(exact) > MAX_REAIS * 100)
		return false;
	*cents = (json_int_t) llround(exact);
	return fabs(exact - (double) *cents) < 1e-4;
}

/* The digits of a text, to be freed; "" for NULL. */
char *
sandbox_asaas_digits(const char *text)
{
	char	   *result = sandbox_strdup(text != NULL ? text : "");
	char	   *out = result;
	const char *in;

	for (in = result; *in != '\0'; in++)
	{
		if (isdigit((unsigned char) *in))
			*out++ = *in;
	}
	*out = '\0';
	return result;
}

/* Is the digit at "place" the check of those before it? */
static bool
check_digit(const char *digits, int place, int highest)
{
	int			weight = 2;
	int			sum = 0;
	int			i;

	for (i = place - 1; i >= 0; i--)
	{
		sum += (digits[i] - '0') * weight;
		weight = weight == highest ? 2 : weight + 1;
	}
	sum = sum % 11 < 2 ? 0 : 11 - sum % 11;
	return digits[place] - '0' == sum;
}

/* Is it a CPF or CNPJ with right check digits? */
bool
sandbox_asaas_is_document(const char *text)
{
	char	   *digits = sandbox_asaas_digits(text);
	size_t		len = strlen(digits);
	char		first[2] = {digits[0], '\0'};
	bool		result = len == 11 || len == 14;

	/* all of one digit fit their checks, too */
	if (result && strspn(digits, first) < len)
	{
		int			highest = len == 11 ? 11 : 9;

		result = check_digit(digits, (int) len - 2, highest) &&
			check_digit(digits, (int) len - 1, highest);
	}
	else
		result = false;
	free(digits);
	return result;
}

const char *
sandbox_asaas_text(const SandboxAsaas *record, const char *key)
{
	return json_string_value(json_object_get(record->fields, key));
}

json_int_t
sandbox_asaas_number(const SandboxAsaas *record, const char *key)
{
	return json_integer_value(json_object_get(record->fields, key));
}

bool
sandbox_asaas_flag(const SandboxAsaas *record, const char *key)
{
	return json_is_true(json_object_get(record->fields, key));
}

/* Set a field; takes the reference to value. */
void
sandbox_asaas_put(SandboxAsaas *record, const char *key, json_t *value)
{
	json_object_set_new(record->fields, key, value);
}

/* Take those members of a body over that a call knows. */
void
sandbox_asaas_take(SandboxAsaas *record, const json_t *body,
				   const char *const *keys, size_t count)
{
	size_t		i;

	for (i = 0; i < count; i++)
	{
		json_t	   *value = json_object_get(body, keys[i]);

		if (value != NULL)
			json_object_set(record->fields, keys[i], value);
	}
}

/* Only those members of an answer that the short form has. */
static json_t *
lean_form(json_t *full)
{
	static const char *const kept[] = {
		"object", "id", "dateCreated", "customer", "subscription",
		"installment", "value", "netValue", "billingType", "status",
		"dueDate", "paymentDate", "clientPaymentDate", "description",
		"externalReference", "invoiceUrl", "deleted"
	};
	json_t	   *result = json_object();
	size_t		i;

	for (i = 0; i < lengthof(kept); i++)
	{
		json_t	   *value = json_object_get(full, kept[i]);

		if (value != NULL)
			json_object_set(result, kept[i], value);
	}
	json_decref(full);
	return result;
}

/* Turn cents into reais, also in what was given back. */
static void
price(json_t *shown)
{
	json_t	   *refund;
	size_t		i;

	for (i = 0; i < lengthof(money); i++)
	{
		json_t	   *cents = json_object_get(shown, money[i]);

		if (json_is_integer(cents))
			json_object_set_new(shown, money[i],
								sandbox_asaas_reais(json_integer_value(cents)));
	}
	json_array_foreach(json_object_get(shown, "refunds"), i, refund)
		price(refund);
}

/* A record as answers show it. */
json_t *
sandbox_asaas_shown(const SandboxAsaas *record, bool lean)
{
	json_t	   *result = json_deep_copy(record->fields);

	price(result);
	json_object_del(result, "authToken");
	return lean ? lean_form(result) : result;
}

/* Answer with a record. */
void
sandbox_asaas_reply(SandboxRequest *request, const SandboxAsaas *record)
{
	bool		lean = (request->access & SANDBOX_ASAAS_LEAN) != 0;

	sandbox_reply_json(&request->reply, 200,
					   sandbox_asaas_shown(record, lean));
}

void
sandbox_asaas_reply_deleted(SandboxRequest *request,
							const SandboxAsaas *record)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:s}", "deleted", 1,
								 "id", record->id));
}

/* Refuse with one error; always false, for the caller to return. */
bool
sandbox_asaas_refuse(SandboxRequest *request, unsigned status,
					 const char *code, const char *description)
{
	sandbox_reply_json(&request->reply, status,
					   json_pack("{s:[{s:s, s:s}]}", "errors", "code", code,
								 "description", description));
	return false;
}

/* Refuse a field. */
bool
sandbox_asaas_invalid(SandboxRequest *request, const char *field,
					  const char *description)
{
	char	   *code = sandbox_printf("invalid_%s", field);

	sandbox_asaas_refuse(request, 400, code, description);
	free(code);
	return false;
}

/* Refuse what the present status does not allow. */
void
sandbox_asaas_impossible(SandboxRequest *request, const char *description)
{
	sandbox_asaas_refuse(request, 400, "invalid_action", description);
}
