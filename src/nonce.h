/*-------------------------------------------------------------------------
 *
 * nonce.h
 *	  Nonces: how a name tells which of our actions made the instance.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_NONCE_H
#define PARTNER_API_NONCE_H

#include "postgres.h"

#define PARTNER_API_INSTALLATION_LEN 8
#define PARTNER_API_NONCE_RANDOM_LEN 8

/* A nonce as it was found in a text, in lower case. */
typedef struct PartnerApiNonce
{
	char		installation[PARTNER_API_INSTALLATION_LEN + 1];
	int64		action_id;
	char		random[PARTNER_API_NONCE_RANDOM_LEN + 1];
	bool		unmodified;		/* at the end of the name, as we write it */
} PartnerApiNonce;

extern bool partner_api_nonce_find(const char *name, PartnerApiNonce *nonce);
extern bool partner_api_nonce_equal(const PartnerApiNonce *nonce,
									const PartnerApiNonce *other);

#endif							/* PARTNER_API_NONCE_H */
