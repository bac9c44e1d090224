/*-------------------------------------------------------------------------
 *
 * timetable.c
 *	  When the next pass of the worker has to be.
 *
 * What falls due does so by our clock, which may be turned; what a limit lets
 * through again does so by the monotonic clock.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "admission.h"
#include "circuits.h"
#include "clock.h"
#include "dispatch.h"
#include "due.h"
#include "identity.h"
#include "settings.h"
#include "survey.h"
#include "timetable.h"
#include "upkeep.h"
#include "utils/timestamp.h"

/* When something falls due next, by our clock; DT_NOEND if nothing does. */
TimestampTz
partner_api_timetable_next(void)
{
	TimestampTz due = partner_api_due_next();
	TimestampTz upkeep = Min(partner_api_upkeep_next(),
							 partner_api_dispatch_next());
	TimestampTz survey = partner_api_surveys_next_due();
	TimestampTz last_chance = partner_api_admission_last_chance();

	/* what only sending renews stays in the past while nothing is sent */
	if (!partner_api_enabled)
		return Min(due, upkeep);
	return Min(Min(due, upkeep), Min(survey, last_chance));
}

/* Milliseconds until then, at most the safety pass. */
static long
time_to_next(TimestampTz now)
{
	TimestampTz next = partner_api_timetable_next();

	if (TIMESTAMP_IS_NOEND(next))
		return PARTNER_API_SAFETY_PASS_MS;
	if (next <= now)
		return 0;
	return (long) Min((next - now) / 1000 + 1, PARTNER_API_SAFETY_PASS_MS);
}

/*
 * Milliseconds until a monotonic time at which something may be sent; the
 * safety pass if it is 0.
 */
static long
time_until(int64 monotonic_us)
{
	int64		left = monotonic_us - partner_api_monotonic_us();

	if (monotonic_us == 0 || !partner_api_enabled)
		return PARTNER_API_SAFETY_PASS_MS;
	return left <= 0 ? 0 : (long) (left / 1000 + 1);
}

/*
 * Milliseconds until the next pass, if nothing happens: something falls due,
 * or a limit lets through what is due.  now: by our clock.
 */
long
partner_api_timetable_sleep_ms(TimestampTz now)
{
	int64		time_to_look = partner_api_due_time_to_look_ms();
	long		due = time_to_next(now);
	long		opening = time_until(partner_api_admission_opens_at());
	long		probe = time_until(partner_api_probes_next_at());

	if (!partner_api_identity_is_settled())
		return PARTNER_API_SAFETY_PASS_MS;
	if (time_to_look >= 0)
		due = (long) Min(time_to_look, due);
	return Min(due, Min(opening, probe));
}
