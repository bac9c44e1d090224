/*-------------------------------------------------------------------------
 *
 * survey.h
 *	  Surveys: the worker's own reading of a server's whole list.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SURVEY_H
#define PARTNER_API_SURVEY_H

#include "postgres.h"

#include "accounts.h"
#include "datatype/timestamp.h"
#include "http.h"
#include "shared.h"

extern void partner_api_surveys_load(void);
extern bool partner_api_survey_blocks(const char *server);
extern int	partner_api_surveys_running(void);
extern bool partner_api_surveys_to_take_in(void);
extern TimestampTz partner_api_surveys_next_due(void);
extern void partner_api_surveys_prepare(PartnerApiAccounts *accounts,
										TimestampTz now);
extern void partner_api_surveys_reload(void);
extern void partner_api_surveys_start(PartnerApiHttp *http, TimestampTz now);
extern bool partner_api_survey_finish(PartnerApiHttp *http,
									  PartnerApiCall *call);
extern void partner_api_surveys_take_in_all(PartnerApiWorkerEntry *entry,
											TimestampTz now);

/* survey_rows.c */
extern void partner_api_surveys_want(TimestampTz now);
extern void partner_api_survey_want(const char *server, TimestampTz now,
									TimestampTz known_until);
extern void partner_api_survey_note(const char *server, const char *error,
									bool listed, bool finished,
									TimestampTz now);

#endif							/* PARTNER_API_SURVEY_H */
