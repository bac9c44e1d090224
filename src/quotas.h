/*-------------------------------------------------------------------------
 *
 * quotas.h
 *	  The quotas of tokens, as the tables tell them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_QUOTAS_H
#define PARTNER_API_QUOTAS_H

#include "postgres.h"

#include "servers.h"

extern void partner_api_quota_note(const PartnerApiServer *server);
extern void partner_api_quotas_read(void);

#endif							/* PARTNER_API_QUOTAS_H */
