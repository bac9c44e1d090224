/*-------------------------------------------------------------------------
 *
 * circuits.h
 *	  What the worker does about providers that are not reached.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CIRCUITS_H
#define PARTNER_API_CIRCUITS_H

#include "postgres.h"

#include "accounts.h"
#include "datatype/timestamp.h"
#include "http.h"
#include "shared.h"

extern void partner_api_circuits_tend(PartnerApiWorkerEntry *entry,
									  PartnerApiAccounts *accounts,
									  TimestampTz now);
extern void partner_api_probes_start(PartnerApiHttp *http);
extern int	partner_api_probes_running(void);
extern bool partner_api_probe_finish(PartnerApiCall *call);
extern int64 partner_api_probes_next_at(void);

#endif							/* PARTNER_API_CIRCUITS_H */
