/*-------------------------------------------------------------------------
 *
 * util.h
 *	  Memory that never fails, growing text, times and codes as text.
 *
 * A test double has nothing to say when memory is short: it aborts.  So no
 * caller checks an allocation.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_UTIL_H
#define SANDBOX_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* Room for an ISO 8601 time and for an HTTP date, with their NUL */
#define SANDBOX_TIME_LEN 40

/* A PNG of one pixel, in base64 */
#define SANDBOX_PIXEL_PNG \
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhf" \
	"DwAChwGA60e6kgAAAABJRU5ErkJggg=="

typedef struct SandboxBuffer
{
	char	   *data;			/* always NUL-terminated once appended to */
	size_t		len;
	size_t		size;
} SandboxBuffer;

extern void *sandbox_alloc(size_t size);
extern void *sandbox_realloc(void *pointer, size_t size);
extern char *sandbox_strdup(const char *text);
extern char *sandbox_strndup(const char *text, size_t len);
extern char *sandbox_printf(const char *format,...)
			__attribute__((format(printf, 1, 2)));

extern void sandbox_buffer_append(SandboxBuffer *buffer, const void *data,
								  size_t len);
extern void sandbox_buffer_text(SandboxBuffer *buffer, const char *text);
extern void sandbox_buffer_json(SandboxBuffer *buffer, json_t *value);

extern void sandbox_iso_time(int64_t ms, char *result);
extern void sandbox_http_time(int64_t ms, char *result);
extern bool sandbox_parse_time(const json_t *value, int64_t *ms);
extern int64_t sandbox_month_start(int64_t ms, int months, int offset_hours);

extern void sandbox_random_hex(char *result, int digits);
extern void sandbox_random_digits(char *result, int digits);
extern bool sandbox_percent_decode(char *text);
extern void sandbox_force_utf8(char *text, size_t len);
extern bool sandbox_parse_long(const char *text, long low, long high,
							   long *result);

#endif							/* SANDBOX_UTIL_H */
