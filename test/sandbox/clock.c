/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The sandbox's own clock: real time plus an offset, so that it ticks.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "clock.h"

#include <time.h>

#include "util.h"

static int64_t offset_ms = 0;

/* Microseconds since 1970 by CLOCK_REALTIME. */
int64_t
sandbox_real_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
sandbox_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Unix ms by the sandbox's clock. */
int64_t
sandbox_clock_now(void)
{
	return sandbox_real_us() / 1000 + offset_ms;
}

void
sandbox_clock_set(int64_t ms)
{
	offset_ms = ms - sandbox_real_us() / 1000;
}

void
sandbox_clock_advance(int64_t ms)
{
	offset_ms += ms;
}

void
sandbox_clock_reset(void)
{
	offset_ms = 0;
}

json_t *
sandbox_clock_json(void)
{
	int64_t		now = sandbox_clock_now();
	char		text[SANDBOX_TIME_LEN];

	sandbox_iso_time(now, text);
	return json_pack("{s:s, s:I, s:I}", "now", text,
					 "now_ms", (json_int_t) now,
					 "offset_ms", (json_int_t) offset_ms);
}
