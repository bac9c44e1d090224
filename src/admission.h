/*-------------------------------------------------------------------------
 *
 * admission.h
 *	  What the worker may send now.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ADMISSION_H
#define PARTNER_API_ADMISSION_H

#include "postgres.h"

#include "accounts.h"
#include "actions.h"
#include "slots.h"
#include "transfers.h"

/* What becomes of a waiting call's request in this pass. */
typedef enum PartnerApiCallChance
{
	PARTNER_API_CALL_WAITS,		/* there is no room */
	PARTNER_API_CALL_GOES,		/* it can be claimed */
	PARTNER_API_CALL_STALLED	/* nobody knows how long it would wait */
} PartnerApiCallChance;

extern void partner_api_admission_begin(PartnerApiAccounts *accounts,
										MemoryContext claims, TimestampTz now,
										int connections, bool safety);
extern List *partner_api_admit_due(const char *server);
extern List *partner_api_admit_looks(int most);
extern PartnerApiCallChance partner_api_admission_chance(const PartnerApiNewAction *action);
extern PartnerApiTransfer *partner_api_admit_call(PartnerApiClaim *claim,
												  PartnerApiAnswer **answer);
extern List *partner_api_admission_answers(void);
extern void partner_api_admission_end(void);
extern int64 partner_api_admission_opens_at(void);
extern TimestampTz partner_api_admission_last_chance(void);

#endif							/* PARTNER_API_ADMISSION_H */
