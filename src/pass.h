/*-------------------------------------------------------------------------
 *
 * pass.h
 *	  One pass of the worker.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_PASS_H
#define PARTNER_API_PASS_H

#include "postgres.h"

#include "http.h"
#include "shared.h"

extern void partner_api_pass_init(PartnerApiWorkerEntry *worker,
								  PartnerApiHttp *engine, int connections);
extern void partner_api_pass_run(void);
extern void partner_api_pass_failed(void);
extern bool partner_api_pass_take_finished(void);
extern int	partner_api_pass_in_flight(void);
extern long partner_api_pass_time_to_sleep(void);

#endif							/* PARTNER_API_PASS_H */
