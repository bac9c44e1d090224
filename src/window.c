/*-------------------------------------------------------------------------
 *
 * window.c
 *	  How many requests a provider takes in a stretch of time: pure rules.
 *
 * A window opens with its first request and closes a fixed time later,
 * whatever happened in it; the next request opens another.  Polling may use a
 * part of it only, so that what changes something finds the rest.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "window.h"

/* Is there a window that has not closed yet? */
bool
partner_api_window_is_open(const PartnerApiWindow *window, int64 length_us,
						   int64 now)
{
	return window->used > 0 && now < window->opened_at + length_us;
}

/* How many more requests, or polls, the window takes. */
int
partner_api_window_room(const PartnerApiWindow *window,
						const PartnerApiWindowRules *rules, bool polling,
						int64 now)
{
	int			most = polling ? rules->polls : rules->quota;

	if (rules->quota == 0)
		return PARTNER_API_NO_QUOTA;
	if (!partner_api_window_is_open(window, rules->length_us, now))
		return most;
	most = Min(rules->quota - window->used,
			   most - (polling ? window->polled : window->used));
	return Max(most, 0);
}

/* Does the window take no request at all? */
bool
partner_api_window_is_used_up(const PartnerApiWindow *window,
							  const PartnerApiWindowRules *rules, int64 now)
{
	return partner_api_window_room(window, rules, false, now) == 0;
}

/* A request goes out; it opens a window if none is open. */
void
partner_api_window_count(PartnerApiWindow *window,
						 const PartnerApiWindowRules *rules, bool polling,
						 int64 now)
{
	if (rules->quota == 0)
		return;
	if (!partner_api_window_is_open(window, rules->length_us, now))
	{
		window->opened_at = now;
		window->used = 0;
		window->polled = 0;
	}
	window->used++;
	if (polling)
		window->polled++;
}

/* A request that was counted was not sent after all. */
void
partner_api_window_uncount(PartnerApiWindow *window, bool polling)
{
	window->used = Max(window->used - 1, 0);
	if (polling)
		window->polled = Max(window->polled - 1, 0);
}

/*
 * Count what was sent before this window was kept here.  The window that the
 * provider knows is the one that opened first.
 */
void
partner_api_window_merge(PartnerApiWindow *window,
						 const PartnerApiWindow *earlier, int64 length_us,
						 int64 now)
{
	if (!partner_api_window_is_open(earlier, length_us, now))
		return;
	if (!partner_api_window_is_open(window, length_us, now))
		*window = *earlier;
	else
	{
		window->opened_at = Min(window->opened_at, earlier->opened_at);
		window->used += earlier->used;
		window->polled += earlier->polled;
	}
}
