/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The sandbox's own clock, and the real ones.
 *
 * Everything that the provider would date is dated by sandbox_clock_now().
 * Delays and arrival stamps use the real clocks.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_CLOCK_H
#define SANDBOX_CLOCK_H

#include <stdint.h>

#include <jansson.h>

extern int64_t sandbox_clock_now(void);
extern void sandbox_clock_set(int64_t ms);
extern void sandbox_clock_advance(int64_t ms);
extern void sandbox_clock_reset(void);
extern json_t *sandbox_clock_json(void);

extern int64_t sandbox_real_us(void);
extern int64_t sandbox_monotonic_ms(void);

#endif							/* SANDBOX_CLOCK_H */
