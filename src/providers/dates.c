/*-------------------------------------------------------------------------
 *
 * dates.c
 *	  Days, and moments that are told by days, as Brazilian providers
 *	  write them.
 *
 * A day is text, "YYYY-MM-DD".  Where a moment is wanted it begins at midnight
 * in Brasilia, whose clocks have not been changed since 2019.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "json.h"
#include "providers/common.h"

/* What Brasilia's clocks show is three hours behind UTC. */
#define BRASILIA_MS (INT64CONST(3) * 60 * 60 * 1000)

/*
 * Is the text a date, "YYYY-MM-DD", that exists?
 */
bool
partner_api_is_date(const char *str)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year;
	int			month;
	int			day;

	if (strlen(str) != 10 || strspn(str, "0123456789") != 4 ||
		strspn(str + 5, "0123456789") != 2 || str[4] != '-' ||
		strspn(str + 8, "0123456789") != 2 || str[7] != '-')
		return false;
	year = (int) strtol(str, NULL, 10);
	month = (int) strtol(str + 5, NULL, 10);
	day = (int) strtol(str + 8, NULL, 10);
	if (year < 1 || month < 1 || month > 12 || day < 1 ||
		day > days[month - 1])
		return false;
	return month != 2 || day < 29 ||
		(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/*
 * The day that a text begins with; NULL if it does not.
 */
char *
partner_api_day(const json_t *value)
{
	const char *str = json_string_value(value);
	char	   *day;

	if (str == NULL || strlen(str) < 10 ||
		(str[10] != '\0' && strchr("Tt ", str[10]) == NULL))
		return NULL;
	day = pnstrdup(str, 10);
	return partner_api_is_date(day) ? day : NULL;
}

/*
 * The moment that a value names, in unix ms; false if it names none.  A day
 * begins at midnight in Brasilia; a time of day without a zone could be
 * anybody's, and names none.
 */
bool
partner_api_instant(const json_t *value, int64 *ms)
{
	const char *str = json_string_value(value);
	bool		zoned = false;

	if (str == NULL)
		return false;
	if (partner_api_is_date(str) &&
		partner_api_parse_time(psprintf("%sT00:00:00Z", str), ms, &zoned))
	{
		*ms += BRASILIA_MS;
		return true;
	}
	return partner_api_parse_time(str, ms, &zoned) && zoned && *ms > 0;
}

/*
 * A moment as the API writes it: ISO 8601 in UTC, with milliseconds.
 */
char *
partner_api_time_text(int64 ms)
{
	time_t		seconds = (time_t) (ms / 1000);
	struct tm	utc;

	if (gmtime_r(&seconds, &utc) == NULL)
		elog(ERROR, "time out of range");
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
					utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
					utc.tm_hour, utc.tm_min, utc.tm_sec, (int) (ms % 1000));
}

/*
 * Set a moment that an answer names, in a form that any session reads alike.
 */
void
partner_api_put_time(json_t *object, const char *key,
					 const json_t *value)
{
	int64		ms;

	if (partner_api_instant(value, &ms))
		partner_api_json_put_text(object, key,
								  partner_api_time_text(ms));
}

/*
 * What day a moment is in Brasilia.
 */
char *
partner_api_today(int64 now_ms)
{
	return pnstrdup(partner_api_time_text(now_ms - BRASILIA_MS),
					strlen("YYYY-MM-DD"));
}
