/*-------------------------------------------------------------------------
 *
 * http_headers.c
 *	  What headers tell of the provider's clock and rate limit.
 *
 * There is no standard that all follow.  Known are RateLimit-Reset and its
 * older spellings, which count seconds or name a time, and the structured
 * RateLimit of the later drafts.  What cannot be understood is passed over: a
 * header is a hint, and Retry-After, which libcurl reads, goes before it.
 *
 * Called while libcurl runs, so nothing here allocates or raises an error.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <math.h>
#include <time.h>

#include "http_headers.h"

/* A number from here on is a time, in seconds or in milliseconds. */
#define FIRST_UNIX_SECONDS 1e9
#define FIRST_UNIX_MS 1e12

/* Nobody is sent away for longer than a day. */
#define MOST_RESET_MS INT64CONST(86400000)

/* The value of a header line of this name, in a buffer; false if it is not. */
static bool
take_value(const char *line, size_t len, const char *name, char *value,
		   size_t size)
{
	size_t		name_len = strlen(name);

	if (len <= name_len || pg_strncasecmp(line, name, name_len) != 0 ||
		line[name_len] != ':')
		return false;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t'))
	{
		line++;
		len--;
	}
	if (len >= size)
		return false;
	memcpy(value, line, len);
	value[len] = '\0';
	return true;
}

/*
 * If a line is a Date header, tell its time, 0 if it cannot be read.  Answers
 * of the same second bear the same date, which is parsed once.
 */
bool
partner_api_headers_take_date(PartnerApiLastDate *last, const char *line,
							  size_t len, int64 *unix_ms)
{
	char		text[sizeof(last->text)];

	if (!take_value(line, len, "date", text, sizeof(text)))
		return false;
	if (strcmp(last->text, text) != 0)
	{
		strlcpy(last->text, text, sizeof(last->text));
		last->unix_ms = (int64) Max(curl_getdate(text, NULL), 0) * 1000;
	}
	*unix_ms = last->unix_ms;
	return true;
}

/* Is it a header of one of the three spellings? */
static bool
take_limit(const char *line, size_t len, const char *what, char *value,
		   size_t size)
{
	static const char *const prefixes[] = {
		"RateLimit-", "X-RateLimit-", "X-Rate-Limit-"
	};

	for (int i = 0; i < (int) lengthof(prefixes); i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "%s%s", prefixes[i], what);
		if (take_value(line, len, name, value, size))
			return true;
	}
	return false;
}

/* A number that is not negative, at the start of text. */
static bool
read_number(const char *text, double *number)
{
	char	   *end;
	double		value = strtod(text, &end);

	if (end == text || !isfinite(value) || value < 0)
		return false;
	*number = value;
	return true;
}

/* A reset: a number, or a time as headers write it. */
static bool
read_reset(const char *text, double *reset)
{
	time_t		seconds = -1;

	/* libcurl would take some plain numbers for dates */
	if (text[strspn(text, "0123456789. \t\r\n")] != '\0')
		seconds = curl_getdate(text, NULL);
	if (seconds <= 0)
		return read_number(text, reset);
	*reset = (double) seconds;
	return true;
}

/* A parameter of a structured header, such as t=30. */
static bool
read_parameter(const char *text, const char *name, double *number)
{
	size_t		len = strlen(name);

	for (const char *p = text; (p = strstr(p, name)) != NULL; p++)
	{
		bool		begins = p == text || strchr(";, ", p[-1]) != NULL;

		if (begins && p[len] == '=' && read_number(p + len + 1, number))
			return true;
	}
	return false;
}

/* The structured header of the drafts, early and late. */
static void
read_structured(PartnerApiHeaders *headers, const char *value)
{
	headers->has_remaining |=
		read_parameter(value, "remaining", &headers->remaining) ||
		read_parameter(value, "r", &headers->remaining);
	headers->has_reset |=
		read_parameter(value, "reset", &headers->reset) ||
		read_parameter(value, "t", &headers->reset);
}

/* Take in one header line, which need not end with NUL. */
void
partner_api_headers_add(PartnerApiHeaders *headers, const char *line,
						size_t len)
{
	char		value[128];

	if (len == 0 || strchr("rRxX", *line) == NULL)
		return;
	if (take_limit(line, len, "Remaining", value, sizeof(value)))
		headers->has_remaining |= read_number(value, &headers->remaining);
	else if (take_limit(line, len, "Reset", value, sizeof(value)))
		headers->has_reset |= read_reset(value, &headers->reset);
	else if (take_value(line, len, "RateLimit", value, sizeof(value)))
		read_structured(headers, value);
}

/*
 * In how many milliseconds the provider's window begins anew, a day at most;
 * -1 if it does not say.  now_ms: the time by the provider's clock.
 */
int64
partner_api_headers_reset_ms(const PartnerApiHeaders *headers, int64 now_ms)
{
	double		wait_ms;

	if (!headers->has_reset)
		return -1;
	if (headers->reset >= FIRST_UNIX_MS)
		wait_ms = headers->reset - (double) now_ms;
	else if (headers->reset >= FIRST_UNIX_SECONDS)
		wait_ms = headers->reset * 1000.0 - (double) now_ms;
	else
		wait_ms = headers->reset * 1000.0;
	return (int64) Min(Max(wait_ms, 0.0), (double) MOST_RESET_MS);
}

/* Does the provider say that nothing is left until then? */
bool
partner_api_headers_used_up(const PartnerApiHeaders *headers)
{
	return headers->has_remaining && headers->remaining < 1.0;
}
