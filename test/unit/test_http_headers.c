/*-------------------------------------------------------------------------
 *
 * test_http_headers.c
 *	  Unit tests of http_headers.c: the spellings of a rate limit.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "http_headers.h"

/* 2026-11-22 17:00:00 UTC */
#define NOW_MS INT64CONST(1795366800000)
#define DAY_MS 86400000
#define ABSENT (-1)

typedef struct HeaderRow
{
	const char *name;
	const char *lines[3];
	int64		reset_ms;
	bool		used_up;
} HeaderRow;

static const HeaderRow rows[] = {
	{"none", {"Content-Type: application/json\r\n"}, ABSENT, false},
	{"seconds", {"RateLimit-Reset: 30\r\n"}, 30000, false},
	{"any case", {"x-ratelimit-RESET:30\r\n"}, 30000, false},
	{"a third spelling", {"X-Rate-Limit-Reset:  30 \r\n"}, 30000, false},
	{"fractions", {"RateLimit-Reset: 0.25\r\n"}, 250, false},
	{"unix seconds", {"X-RateLimit-Reset: 1795366860\r\n"}, 60000, false},
	{"unix milliseconds", {"X-RateLimit-Reset: 1795366860500\r\n"},
	60500, false},
	{"a date", {"X-RateLimit-Reset: Sun, 22 Nov 2026 17:01:00 GMT\r\n"},
	60000, false},
	{"a date that has passed",
		{"X-RateLimit-Reset: Sun, 22 Nov 2026 16:00:00 GMT\r\n"},
	0, false},
	{"with a unit", {"X-RateLimit-Reset: 30s\r\n"}, 30000, false},
	{"a day at most", {"RateLimit-Reset: 999999999\r\n"}, DAY_MS, false},
	{"nothing left", {"RateLimit-Remaining: 0\r\n", "RateLimit-Reset: 5\r\n"},
	5000, true},
	{"something left",
		{"RateLimit-Remaining: 1\r\n", "RateLimit-Reset: 5\r\n"},
	5000, false},
	{"structured, early", {"RateLimit: limit=10, remaining=0, reset=50\r\n"},
	50000, true},
	{"structured, late", {"RateLimit: \"default\";r=0;t=50\r\n"},
	50000, true},
	{"structured, something left", {"RateLimit: \"default\";r=7;t=50\r\n"},
	50000, false},
	{"negative", {"RateLimit-Reset: -5\r\n"}, ABSENT, false},
	{"not a number", {"RateLimit-Reset: soon\r\n"}, ABSENT, false},
	{"infinite", {"RateLimit-Reset: inf\r\n"}, ABSENT, false},
	{"empty", {"RateLimit-Reset:\r\n"}, ABSENT, false},
	{"only like one", {"RateLimit-Resets: 30\r\n"}, ABSENT, false},
	{"too long", {"RateLimit-Reset: 30"
			"                                                                "
			"                                                                "
	"\r\n"}, ABSENT, false}
};

static void
test_header(const void *arg)
{
	const HeaderRow *row = arg;
	PartnerApiHeaders headers = {0};

	for (int i = 0; i < (int) lengthof(row->lines) && row->lines[i]; i++)
	{
		size_t		len = strlen(row->lines[i]);
		char	   *line = malloc(len);

		/* libcurl's lines end without NUL: a sanitizer sees one byte more */
		memcpy(line, row->lines[i], len);
		partner_api_headers_add(&headers, line, len);
		free(line);
	}
	assert_int_equal(partner_api_headers_reset_ms(&headers, NOW_MS),
					 row->reset_ms);
	assert_int_equal(partner_api_headers_used_up(&headers), row->used_up);
}

static void
test_empty_line(const void *unused)
{
	PartnerApiHeaders headers = {0};

	partner_api_headers_add(&headers, "", 0);
	partner_api_headers_add(&headers, "r", 1);
	assert_int_equal(partner_api_headers_reset_ms(&headers, NOW_MS), ABSENT);
}

int
main(void)
{
	add_table(test_header, rows);
	add_test("an empty line", test_empty_line);
	return run_suite("http_headers");
}
