/*-------------------------------------------------------------------------
 *
 * credentials.h
 *	  The credentials that the worker has met, and the roles that use them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CREDENTIALS_H
#define PARTNER_API_CREDENTIALS_H

#include "postgres.h"

#include "accounts.h"

/* A credential of a server, and the roles that this worker has seen use it. */
typedef struct PartnerApiKnown
{
	char	   *server;
	PartnerApiLimits limits;	/* without the token */
	List	   *roles;			/* of char * */
} PartnerApiKnown;

extern void partner_api_credential_remember(const PartnerApiAccount *account);
extern void partner_api_credentials_refresh(bool safety);
extern List *partner_api_credentials_of(const char *server);
extern Datum partner_api_credential_roles(const List *credentials);

#endif							/* PARTNER_API_CREDENTIALS_H */
