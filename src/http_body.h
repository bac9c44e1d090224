/*-------------------------------------------------------------------------
 *
 * http_body.h
 *	  What a request sends after its headers; for http.c.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_HTTP_BODY_H
#define PARTNER_API_HTTP_BODY_H

#include "postgres.h"

#include <curl/curl.h>

#include "providers/provider.h"

/* Owned by a call, and needed until its request is sent; zeroed is none. */
typedef struct PartnerApiBody
{
	char	   *data;			/* malloc'd; NULL: none, or of parts */
	size_t		len;
	curl_mime  *parts;
} PartnerApiBody;

extern void partner_api_body_set(PartnerApiBody *body, CURL *easy,
								 const PartnerApiRequest *request);
extern void partner_api_body_release(PartnerApiBody *body);

#endif							/* PARTNER_API_HTTP_BODY_H */
