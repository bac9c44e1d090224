/*-------------------------------------------------------------------------
 *
 * http_headers.h
 *	  What the headers of an answer tell of the provider's rate limit.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_HTTP_HEADERS_H
#define PARTNER_API_HTTP_HEADERS_H

#include "postgres.h"

/* Filled line by line; zeroed is "no header yet". */
typedef struct PartnerApiHeaders
{
	bool		has_remaining;
	double		remaining;		/* requests left in the provider's window */
	bool		has_reset;
	double		reset;			/* seconds, or a time; see the functions */
} PartnerApiHeaders;

/* The last Date header of a process; zeroed is none. */
typedef struct PartnerApiLastDate
{
	char		text[64];
	int64		unix_ms;
} PartnerApiLastDate;

extern bool partner_api_headers_take_date(PartnerApiLastDate *last,
										  const char *line, size_t len,
										  int64 *unix_ms);
extern void partner_api_headers_add(PartnerApiHeaders *headers,
									const char *line, size_t len);
extern int64 partner_api_headers_reset_ms(const PartnerApiHeaders *headers,
										  int64 now_ms);
extern bool partner_api_headers_used_up(const PartnerApiHeaders *headers);

#endif							/* PARTNER_API_HTTP_HEADERS_H */
