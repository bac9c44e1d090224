/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Memory that never fails, growing text, times and codes as text.
 *
 * Nothing here knows what the sandbox is for.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_MINUTE INT64_C(60000)
#define MS_PER_HOUR INT64_C(3600000)

/* Zeroed memory. */
void *
sandbox_alloc(size_t size)
{
	void	   *result = calloc(1, size > 0 ? size : 1);

	if (result == NULL)
		abort();
	return result;
}

void *
sandbox_realloc(void *pointer, size_t size)
{
	void	   *result = realloc(pointer, size > 0 ? size : 1);

	if (result == NULL)
		abort();
	return result;
}

/* A copy of text; NULL stays NULL. */
char *
sandbox_strdup(const char *text)
{
	return text != NULL ? sandbox_strndup(text, strlen(text)) : NULL;
}

char *
sandbox_strndup(const char *text, size_t len)
{
	char	   *result = sandbox_realloc(NULL, len + 1);

	if (len > 0)
		memcpy(result, text, len);
	result[len] = '\0';
	return result;
}

char *
sandbox_printf(const char *format,...)
{
	char	   *result;
	va_list		args;

	va_start(args, format);
	if (vasprintf(&result, format, args) < 0)
		abort();
	va_end(args);
	return result;
}

void
sandbox_buffer_append(SandboxBuffer *buffer, const void *data, size_t len)
{
	if (buffer->len + len + 1 > buffer->size)
	{
		buffer->size = (buffer->len + len + 1) * 2;
		buffer->data = sandbox_realloc(buffer->data, buffer->size);
	}
	if (len > 0)
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

void
sandbox_buffer_text(SandboxBuffer *buffer, const char *text)
{
	sandbox_buffer_append(buffer, text, strlen(text));
}

/* jansson's dump callback */
static int
append_dump(const char *data, size_t len, void *buffer)
{
	sandbox_buffer_append(buffer, data, len);
	return 0;
}

/* Append value as compact JSON and drop the reference to it. */
void
sandbox_buffer_json(SandboxBuffer *buffer, json_t *value)
{
	if (json_dump_callback(value, append_dump, buffer,
						   JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) != 0)
		abort();
	json_decref(value);
}

/* Unix ms to broken-down UTC; times before 1970 round down too. */
static int
split_time(int64_t ms, struct tm *parts)
{
	int64_t		rest = ms % MS_PER_SECOND;
	time_t		seconds;

	if (rest < 0)
		rest += MS_PER_SECOND;
	seconds = (time_t) ((ms - rest) / MS_PER_SECOND);
	gmtime_r(&seconds, parts);
	return (int) rest;
}

/* Write ms as 2026-05-01T00:00:00.000Z into SANDBOX_TIME_LEN bytes. */
void
sandbox_iso_time(int64_t ms, char *result)
{
	struct tm	parts;
	int			rest = split_time(ms, &parts);
	size_t		len;

	len = strftime(result, SANDBOX_TIME_LEN, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(result + len, SANDBOX_TIME_LEN - len, ".%03dZ", rest);
}

/* Write ms as an HTTP date into SANDBOX_TIME_LEN bytes. */
void
sandbox_http_time(int64_t ms, char *result)
{
	struct tm	parts;

	split_time(ms, &parts);
	strftime(result, SANDBOX_TIME_LEN, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

/* Read an offset from UTC without its sign: 03:00, 0300 or 03. */
static bool
parse_offset(const char *text, int64_t *ms)
{
	static const char *const forms[] = {"%H:%M", "%H%M", "%H"};
	size_t		i;

	for (i = 0; i < lengthof(forms); i++)
	{
		struct tm	zone;
		const char *end;

		memset(&zone, 0, sizeof(zone));
		end = strptime(text, forms[i], &zone);
		if (end == NULL || *end != '\0')
			continue;
		*ms = zone.tm_hour * MS_PER_HOUR + zone.tm_min * MS_PER_MINUTE;
		return true;
	}
	return false;
}

/* The fraction and the zone that may follow the seconds, in ms. */
static bool
parse_time_tail(const char *text, int64_t *ms)
{
	int64_t		offset;

	if (*text == '.')
	{
		int			unit = 100;

		for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
			*ms += (int64_t) (*text - '0') * unit;
	}
	if (*text == '\0' || strcmp(text, "Z") == 0)
		return true;
	if ((*text != '+' && *text != '-') || !parse_offset(text + 1, &offset))
		return false;
	*ms -= *text == '-' ? -offset : offset;
	return true;
}

/* Read unix ms or ISO 8601 (UTC unless a zone is named); false if neither. */
bool
sandbox_parse_time(const json_t *value, int64_t *ms)
{
	struct tm	parts;
	const char *text;
	const char *tail;

	if (json_is_integer(value))
	{
		*ms = json_integer_value(value);
		return true;
	}
	if (!json_is_string(value))
		return false;
	text = json_string_value(value);
	memset(&parts, 0, sizeof(parts));
	tail = strptime(text, "%Y-%m-%d", &parts);
	if (tail != NULL && *tail != '\0')
		tail = strptime(tail + 1, "%H:%M:%S", &parts);
	if (tail == NULL)
		return false;
	*ms = (int64_t) timegm(&parts) * MS_PER_SECOND;
	return parse_time_tail(tail, ms);
}

/*
 * The start of the month that lies "months" after the one of ms, on the
 * calendar of a zone with a fixed offset from UTC.
 */
int64_t
sandbox_month_start(int64_t ms, int months, int offset_hours)
{
	struct tm	parts;
	int64_t		offset = offset_hours * MS_PER_HOUR;

	split_time(ms + offset, &parts);
	parts.tm_mon += months;
	parts.tm_mday = 1;
	parts.tm_hour = 0;
	parts.tm_min = 0;
	parts.tm_sec = 0;
	return (int64_t) timegm(&parts) * MS_PER_SECOND - offset;
}

/* splitmix64, seeded once: ids must differ between runs, not be secret. */
static uint64_t
next_random(void)
{
	static uint64_t state = 0;
	uint64_t	mixed;

	if (state == 0 &&
		getrandom(&state, sizeof(state), 0) != (ssize_t) sizeof(state))
		abort();
	state += UINT64_C(0x9E3779B97F4A7C15);
	mixed = state;
	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
	return mixed ^ (mixed >> 31);
}

/* Write "digits" random upper-case hexadecimal digits and a NUL. */
void
sandbox_random_hex(char *result, int digits)
{
	uint64_t	bits = 0;
	int			i;

	for (i = 0; i < digits; i++, bits >>= 4)
	{
		if (i % 16 == 0)
			bits = next_random();
		result[i] = "0123456789ABCDEF"[bits & 15];
	}
	result[digits] = '\0';
}

/* Write a random decimal number of so many digits, and a NUL. */
void
sandbox_random_digits(char *result, int digits)
{
	uint64_t	number = next_random();
	int			i;

	for (i = digits - 1; i > 0; i--, number /= 10)
		result[i] = (char) ('0' + number % 10);
	result[0] = (char) ('1' + number % 9);
	result[digits] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decode %XX in place; false for a broken code or a NUL byte. */
bool
sandbox_percent_decode(char *text)
{
	char	   *out = text;

	for (; *text != '\0'; text++)
	{
		int			high;
		int			low;

		if (*text != '%')
		{
			*out++ = *text;
			continue;
		}
		high = hex_digit(text[1]);
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || (high | low) == 0)
			return false;
		*out++ = (char) (high << 4 | low);
		text += 2;
	}
	*out = '\0';
	return true;
}

/* Length of the valid UTF-8 sequence at text, 0 if there is none. */
static size_t
utf8_length(const unsigned char *text, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t	code = text[0];
	size_t		need;
	size_t		i;

	if (code < 0x80)
		return 1;
	need = code >= 0xF0 && code < 0xF8 ? 4 : code >= 0xE0 ? 3 : 2;
	if (code < 0xC2 || code >= 0xF8 || need > len)
		return 0;
	code &= 0x7F >> need;
	for (i = 1; i < need; i++)
	{
		if ((text[i] & 0xC0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3F);
	}
	if (code < least[need] || code > 0x10FFFF ||
		(code >= 0xD800 && code <= 0xDFFF))
		return 0;
	return need;
}

/* Replace what is not UTF-8, and NUL, by question marks, in place. */
void
sandbox_force_utf8(char *text, size_t len)
{
	size_t		done = 0;

	while (done < len)
	{
		size_t		step = utf8_length((unsigned char *) text + done,
									   len - done);

		if (step == 0 || text[done] == '\0')
		{
			text[done] = '?';
			step = 1;
		}
		done += step;
	}
}

/* Read a whole decimal number within bounds. */
bool
sandbox_parse_long(const char *text, long low, long high, long *result)
{
	char	   *end;

	if (text == NULL || *text == '\0')
		return false;
	errno = 0;
	*result = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && *result >= low && *result <= high;
}
