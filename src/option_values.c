/*-------------------------------------------------------------------------
 *
 * option_values.c
 *	  The values of options: what text is accepted, and what it means.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_user_mapping.h"
#include "foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "servers.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

/* The longest interval that an option can be. */
#define MOST_DAYS 365

/* About one request a day. */
#define LEAST_RATE 0.00001

/* Refuse a value; the detail says what it must be. */
void
partner_api_option_refuse(const PartnerApiOption *option, const char *detail)
{
	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			errmsg("invalid value of option \"%s\"", option->name),
			errdetail("%s", detail));
}

/* An integer within the bounds of its option. */
int
partner_api_option_parse_integer(const PartnerApiOption *option,
								 const char *value)
{
	char	   *end;
	long		result;

	errno = 0;
	result = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' ||
		result < option->min || result > option->max)
		partner_api_option_refuse(option, psprintf("It must be an integer from %d to %d.",
												   option->min, option->max));
	return (int) result;
}

/* A number of events per second, or 0; fractions are allowed. */
double
partner_api_option_parse_rate(const PartnerApiOption *option,
							  const char *value)
{
	char	   *end;
	double		result;

	errno = 0;
	result = strtod(value, &end);
	if (errno != 0 || end == value || *end != '\0' ||
		!(result == 0 || (result >= LEAST_RATE && result <= option->max)))
		partner_api_option_refuse(option,
								  psprintf("It must be 0 or a number from %g to %d.",
										   LEAST_RATE, option->max));
	return result;
}

/*
 * An interval in microseconds, of so many seconds at least; months have no
 * fixed length.
 */
int64
partner_api_option_parse_interval(const PartnerApiOption *option,
								  const char *value)
{
	Interval   *interval;
	int64		result;

	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(value),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	if (interval->month != 0 || abs(interval->day) > MOST_DAYS ||
		Abs(interval->time) > MOST_DAYS * USECS_PER_DAY)
		result = -1;
	else
		result = interval->time + interval->day * USECS_PER_DAY;
	if (result < option->min * USECS_PER_SEC ||
		result > MOST_DAYS * USECS_PER_DAY)
		partner_api_option_refuse(option,
								  psprintf("It must be an interval from %s to 365 days, without months.",
										   option->min == 0 ? "0" :
										   psprintf("%d s", option->min)));
	return result;
}

/* One of the words of its option. */
static void
check_choice(const PartnerApiOption *option, const char *value)
{
	char	   *copy = pstrdup(option->choices);
	List	   *choices = NIL;
	ListCell   *lc;

	if (!SplitIdentifierString(copy, ',', &choices))
		elog(ERROR, "bad choices of option \"%s\"", option->name);
	foreach(lc, choices)
	{
		if (strcmp(lfirst(lc), value) == 0)
			return;
	}
	partner_api_option_refuse(option, psprintf("It must be one of: %s.", option->choices));
}

/* The name of a provider that we have. */
static void
check_provider(const char *value)
{
	if (partner_api_provider_find(value) == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("unknown provider \"%s\"", value),
				errhint("Known providers are: %s.",
						partner_api_provider_names()));
}

/* The name of a list that foreign tables can show. */
static void
check_list(const char *value)
{
	const PartnerApiForeignList *list;
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; (list = partner_api_foreign_list_at(i)) != NULL; i++)
	{
		if (strcmp(list->name, value) == 0)
			return;
		appendStringInfo(&known, "%s%s", known.len > 0 ? ", " : "",
						 list->name);
	}
	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			errmsg("unknown list \"%s\"", value),
			errhint("Known lists are: %s.", known.data));
}

/*
 * A time zone that PostgreSQL knows.  UTC+3 would be west of Greenwich, by the
 * rules of POSIX: whoever writes that means the east.
 */
pg_tz *
partner_api_option_parse_zone(const PartnerApiOption *option,
							  const char *value)
{
	pg_tz	   *zone = pg_tzset(value);

	if (zone == NULL || !pg_tz_acceptable(zone))
		partner_api_option_refuse(option, "It must be a time zone of pg_timezone_names.");
	if ((pg_strncasecmp(value, "UTC", 3) == 0 ||
		 pg_strncasecmp(value, "GMT", 3) == 0) && strpbrk(value, "+-") != NULL)
		partner_api_option_refuse(option, "The sign of such a zone is the other way round than it seems; Etc/GMT-3 is three hours ahead of UTC.");
	return zone;
}

/* Error context: which option it was. */
static void
name_option(void *arg)
{
	errcontext("option \"%s\"", ((const PartnerApiOption *) arg)->name);
}

/* Refuse a wrong value of one option. */
void
partner_api_option_check(const PartnerApiOption *option, const char *value)
{
	ErrorContextCallback context;

	if (option->superuser_only && !superuser())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to set option \"%s\"", option->name),
				errhint("Only superusers may set it."));
	if (*value == '\0')
		partner_api_option_refuse(option, "It must not be empty.");

	context.previous = error_context_stack;
	context.callback = name_option;
	context.arg = unconstify(PartnerApiOption *, option);
	error_context_stack = &context;
	switch (option->kind)
	{
		case PARTNER_API_OPTION_TEXT:
			if (option->catalog == UserMappingRelationId &&
				!option->superuser_only)
				partner_api_check_token(value, option->name);
			break;
		case PARTNER_API_OPTION_INTEGER:
			(void) partner_api_option_parse_integer(option, value);
			break;
		case PARTNER_API_OPTION_RATE:
			(void) partner_api_option_parse_rate(option, value);
			break;
		case PARTNER_API_OPTION_INTERVAL:
			(void) partner_api_option_parse_interval(option, value);
			break;
		case PARTNER_API_OPTION_CHOICE:
			check_choice(option, value);
			break;
		case PARTNER_API_OPTION_URL:
			partner_api_check_url(option->name, value);
			break;
		case PARTNER_API_OPTION_PROVIDER:
			check_provider(value);
			break;
		case PARTNER_API_OPTION_LIST:
			check_list(value);
			break;
		case PARTNER_API_OPTION_ZONE:
			(void) partner_api_option_parse_zone(option, value);
			break;
	}
	error_context_stack = context.previous;
}
