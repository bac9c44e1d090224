/*-------------------------------------------------------------------------
 *
 * greenapi.h
 *	  What the files of the Green API provider share among themselves.
 *
 * greenapi.c has the paths and builds requests, greenapi_check.c refuses
 * arguments, greenapi_judge.c judges answers to actions, greenapi_list.c
 * reads the list of instances, greenapi_read.c the reads of one instance.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_GREENAPI_H
#define PARTNER_API_GREENAPI_H

#include "providers/common.h"
#include "providers/provider.h"

/* A call: of the partner, or of an instance at a host of its own. */
typedef struct PartnerApiGreenapiCall
{
	const char *method;			/* of HTTP; NULL: there is no such call */
	const char *name;
	bool		by_partner;
} PartnerApiGreenapiCall;

/* An instance that is on its way is asked again after so long. */
#define PARTNER_API_GREENAPI_NOT_READY_MS 5000

/* greenapi.c */
extern void partner_api_greenapi_start(PartnerApiRequest *request,
									   const PartnerApiGreenapiCall *call,
									   const PartnerApiTarget *target,
									   const PartnerApiCredential *credential);
extern char *partner_api_greenapi_id(const json_t *object);
extern json_t *partner_api_greenapi_settings_sent(const json_t *given);
extern int64 partner_api_greenapi_error_code(const json_t *root);
extern json_t *partner_api_greenapi_open(const PartnerApiResponse *response,
										 char **message);
extern char *partner_api_greenapi_state(const json_t *root, char **message);

/* greenapi_check.c */
extern const PartnerApiSettings partner_api_greenapi_settings;
extern bool partner_api_greenapi_is_id(const char *str);
extern bool partner_api_greenapi_is_told(const char *setting);
extern void partner_api_greenapi_check(const PartnerApiAction *action);

/* greenapi_judge.c */
extern PartnerApiReason partner_api_greenapi_reason(const PartnerApiResponse *response);
extern void partner_api_greenapi_judge(const PartnerApiAction *action,
									   const PartnerApiResponse *response,
									   PartnerApiVerdict *verdict);

/* greenapi_list.c */
extern void partner_api_greenapi_build_list(const PartnerApiFilter *filter,
											int page,
											const PartnerApiCredential *credential,
											PartnerApiRequest *request);
extern bool partner_api_greenapi_parse_list(const PartnerApiFilter *filter,
											const PartnerApiResponse *response,
											int page, PartnerApiPage *result,
											char **message);

/* greenapi_read.c */
extern bool partner_api_greenapi_supports_read(PartnerApiRead read,
											   const char **hint);
extern void partner_api_greenapi_check_read(PartnerApiRead read,
											const char *parameter);
extern bool partner_api_greenapi_answer_read(PartnerApiRead read,
											 const PartnerApiTarget *target,
											 PartnerApiReadResult *result);
extern void partner_api_greenapi_build_read(PartnerApiRead read,
											const PartnerApiTarget *target,
											const char *parameter,
											const PartnerApiCredential *credential,
											PartnerApiRequest *request);
extern bool partner_api_greenapi_parse_read(PartnerApiRead read,
											const PartnerApiResponse *response,
											PartnerApiReadResult *result,
											char **message);

#endif							/* PARTNER_API_GREENAPI_H */
