/*-------------------------------------------------------------------------
 *
 * accounts.h
 *	  Accounts: a server as one role uses it, loaded once a pass.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ACCOUNTS_H
#define PARTNER_API_ACCOUNTS_H

#include "postgres.h"

#include "servers.h"

/*
 * Shared by the transfers that use it and freed with the last of them.  With
 * "error" set it cannot be used, and the error says why.
 */
typedef struct PartnerApiAccount
{
	MemoryContext context;
	int			users;
	char	   *server_name;
	char	   *role;
	PartnerApiServer *server;
	ErrorData  *error;
	bool		list_shows_nonces;
} PartnerApiAccount;

typedef struct PartnerApiAccounts
{
	MemoryContext parent;
	List	   *loaded;			/* in this pass */
} PartnerApiAccounts;

extern PartnerApiAccount *partner_api_account_get(PartnerApiAccounts *accounts,
												  const char *server,
												  const char *role);
extern PartnerApiAccount *partner_api_account_use(PartnerApiAccounts *accounts,
												  MemoryContext user,
												  const char *server,
												  const char *role);
extern void partner_api_accounts_end_pass(PartnerApiAccounts *accounts);

#endif							/* PARTNER_API_ACCOUNTS_H */
