/*-------------------------------------------------------------------------
 *
 * spend.h
 *	  The spend guard: what the worker may send of what it has claimed.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SPEND_H
#define PARTNER_API_SPEND_H

#include "postgres.h"

#include "slots.h"
#include "transfers.h"

/* SQLSTATE of a waiting call whose action was only shown */
#define PARTNER_API_ERRCODE_DRY_RUN MAKE_SQLSTATE('P', 'A', '0', '0', '1')

/* spend.c */
extern void partner_api_spend_init(void);
extern List *partner_api_spend_admit(List *transfers, TimestampTz now,
									 List **answers);
extern PartnerApiAnswer *partner_api_spend_admit_call(PartnerApiTransfer *transfer,
													  TimestampTz now);
extern bool partner_api_spend_options_changed(void);
extern void partner_api_spend_release(void);

/* dry_run.c */
extern PartnerApiAnswer *partner_api_dry_run(PartnerApiTransfer *transfer,
											 const char *obstacle,
											 TimestampTz now);

#endif							/* PARTNER_API_SPEND_H */
