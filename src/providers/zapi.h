/*-------------------------------------------------------------------------
 *
 * zapi.h
 *	  What the files of the Z-API provider share among themselves.
 *
 * zapi.c has the paths and builds requests, zapi_check.c refuses arguments,
 * zapi_judge.c judges answers to actions, zapi_list.c reads the list of
 * instances, zapi_read.c the reads of one instance.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ZAPI_H
#define PARTNER_API_ZAPI_H

#include "providers/provider.h"

/* A path below the instances, or below one of them. */
typedef struct PartnerApiZapiRoute
{
	const char *method;
	bool		of_instance;	/* path begins with an id and its token */
	bool		by_partner;		/* partner token; else the client token */
	const char *path[5];		/* the rest, ended by NULL */
} PartnerApiZapiRoute;

/* Most instances that one bulk delete takes. */
#define PARTNER_API_ZAPI_BATCH 100

/* Rows a page where the caller does not say; seen in use by a client. */
#define PARTNER_API_ZAPI_PAGE_ROWS 50

/* zapi.c */
extern void partner_api_zapi_start(PartnerApiRequest *request,
								   const PartnerApiZapiRoute *route,
								   const char *instance_id,
								   const char *instance_token,
								   const PartnerApiCredential *credential);
extern bool partner_api_zapi_success(const PartnerApiResponse *response);

/* zapi_check.c */
extern void partner_api_zapi_check(const PartnerApiAction *action);

/* zapi_judge.c */
extern void partner_api_zapi_judge(const PartnerApiAction *action,
								   const PartnerApiResponse *response,
								   PartnerApiVerdict *verdict);

/* zapi_list.c */
extern int64 partner_api_zapi_time(const json_t *object, const char *key);
extern void partner_api_zapi_build_list(const PartnerApiFilter *filter,
										int page,
										const PartnerApiCredential *credential,
										PartnerApiRequest *request);
extern bool partner_api_zapi_parse_list(const PartnerApiFilter *filter,
										const PartnerApiResponse *response,
										int page, PartnerApiPage *result,
										char **message);

/* zapi_read.c */
extern void partner_api_zapi_check_read(PartnerApiRead read,
										const char *parameter);
extern bool partner_api_zapi_supports_read(PartnerApiRead read,
										   const char **hint);
extern void partner_api_zapi_build_read(PartnerApiRead read,
										const PartnerApiTarget *target,
										const char *parameter,
										const PartnerApiCredential *credential,
										PartnerApiRequest *request);
extern bool partner_api_zapi_parse_read(PartnerApiRead read,
										const PartnerApiResponse *response,
										PartnerApiReadResult *result,
										char **message);

#endif							/* PARTNER_API_ZAPI_H */
