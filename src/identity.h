/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Is this database still the installation that it was?
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_IDENTITY_H
#define PARTNER_API_IDENTITY_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern bool partner_api_identity_check(TimestampTz now);
extern void partner_api_identity_settle(bool may_act);
extern void partner_api_identity_recheck(void);
extern bool partner_api_identity_is_settled(void);
extern const char *partner_api_identity_reason(void);
extern void partner_api_identity_require(const char *nonce);

#endif							/* PARTNER_API_IDENTITY_H */
