/*-------------------------------------------------------------------------
 *
 * http.h
 *	  The transport: one request out, one answer or the reason for none.
 *
 * An *engine* holds the connections of one process; a *call* is one request
 * on the wire.  Every libcurl handle belongs to a memory context, so that an
 * error anywhere frees it.  Knows no SQL and no provider.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_HTTP_H
#define PARTNER_API_HTTP_H

#include "postgres.h"

#include "providers/provider.h"

/* Where requests go and what bounds them; text is borrowed. */
typedef struct PartnerApiEndpoint
{
	const char *base_url;
	const char *ca_file;		/* NULL: the system's certificates */
	int			connect_timeout_ms;
	int			timeout_ms;
	int			max_response_bytes;
} PartnerApiEndpoint;

typedef struct PartnerApiHttp PartnerApiHttp;
typedef struct PartnerApiCall PartnerApiCall;

/* http.c */
extern PartnerApiHttp *partner_api_http_create(MemoryContext owner,
											   int max_connections);
extern PartnerApiCall *partner_api_http_start(PartnerApiHttp *http,
											  MemoryContext owner,
											  const PartnerApiEndpoint *endpoint,
											  const PartnerApiRequest *request,
											  bool mutating, void *arg);
extern PartnerApiCall *partner_api_http_next_finished(PartnerApiHttp *http);
extern void partner_api_http_wait(PartnerApiHttp *http, int timeout_ms,
								  int fd);
extern void *partner_api_call_arg(const PartnerApiCall *call);
extern const PartnerApiResponse *partner_api_call_response(const PartnerApiCall *call);

/* http_url.c */
typedef struct PartnerApiUrl
{
	char	   *scheme;
	char	   *host;
	int			port;
} PartnerApiUrl;

extern void partner_api_curl_init(void);
extern char *partner_api_url_problem(const char *url, PartnerApiUrl *parts);
extern char *partner_api_url_compose(const char *base_url,
									 const PartnerApiRequest *request);

#endif							/* PARTNER_API_HTTP_H */
