/*-------------------------------------------------------------------------
 *
 * doorbell.h
 *	  Wakes a worker that waits in libcurl.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_DOORBELL_H
#define PARTNER_API_DOORBELL_H

#include "postgres.h"

#include "http.h"
#include "shared.h"

/* Descriptors that it takes. */
#define PARTNER_API_DOORBELL_FDS 2

extern void partner_api_doorbell_init(void);
extern void partner_api_doorbell_wait(PartnerApiWorkerEntry *entry,
									  PartnerApiHttp *http, int timeout_ms);

#endif							/* PARTNER_API_DOORBELL_H */
