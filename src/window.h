/*-------------------------------------------------------------------------
 *
 * window.h
 *	  How many requests a provider takes in a stretch of time: pure rules.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_WINDOW_H
#define PARTNER_API_WINDOW_H

#include "postgres.h"

/* Room where nothing limits the requests. */
#define PARTNER_API_NO_QUOTA PG_INT32_MAX

/* What the server's options say. */
typedef struct PartnerApiWindowRules
{
	int			quota;			/* requests a window; 0: no limit */
	int			polls;			/* of them at most for polling */
	int64		length_us;
} PartnerApiWindowRules;

/* Zeroed: none is open.  Times are of one monotonic clock, in us. */
typedef struct PartnerApiWindow
{
	int64		opened_at;		/* by its first request; if any is counted */
	int			used;			/* requests since */
	int			polled;			/* of them for polling */
} PartnerApiWindow;

extern bool partner_api_window_is_open(const PartnerApiWindow *window,
									   int64 length_us, int64 now);
extern int	partner_api_window_room(const PartnerApiWindow *window,
									const PartnerApiWindowRules *rules,
									bool polling, int64 now);
extern bool partner_api_window_is_used_up(const PartnerApiWindow *window,
										  const PartnerApiWindowRules *rules,
										  int64 now);
extern void partner_api_window_count(PartnerApiWindow *window,
									 const PartnerApiWindowRules *rules,
									 bool polling, int64 now);
extern void partner_api_window_uncount(PartnerApiWindow *window,
									   bool polling);
extern void partner_api_window_merge(PartnerApiWindow *window,
									 const PartnerApiWindow *earlier,
									 int64 length_us, int64 now);

#endif							/* PARTNER_API_WINDOW_H */
