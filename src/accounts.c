/*-------------------------------------------------------------------------
 *
 * accounts.c
 *	  Accounts: a server as one role uses it, loaded once a pass.
 *
 * A changed option, a revoked right or a rotated token counts from the next
 * pass on.  An account that cannot be loaded postpones its own actions and
 * nobody else's.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "accounts.h"
#include "mirror.h"
#include "subtransaction.h"
#include "utils/acl.h"
#include "utils/memutils.h"

/* The claim's hold on an account, released with its context. */
typedef struct Hold
{
	PartnerApiAccount *account;
	MemoryContextCallback release;
} Hold;

/* One user less; the last one takes the account along. */
static void
drop_user(PartnerApiAccount *account)
{
	if (--account->users == 0)
		MemoryContextDelete(account->context);
}

/* Reset callback: the claim is gone, and with it its hold. */
static void
release_hold(void *arg)
{
	drop_user(((Hold *) arg)->account);
}

/* Load what an account holds; may raise any error of its configuration. */
static void
load(void *arg)
{
	PartnerApiAccount *account = arg;
	Oid			role = get_role_oid(account->role, false);

	account->server = partner_api_server_load(account->server_name, role);
	partner_api_server_load_credential(account->server, role);
	partner_api_server_identify_token(account->server);
	account->list_shows_nonces = account->server->provider->keeps_nonces ||
		partner_api_nonce_was_seen(account->server_name);
}

/* A new account, usable or with the error that says why not. */
static PartnerApiAccount *
load_account(PartnerApiAccounts *accounts, const char *server,
			 const char *role)
{
	MemoryContext context = AllocSetContextCreate(accounts->parent,
												  "partner_api account",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	PartnerApiAccount *account = palloc0(sizeof(PartnerApiAccount));

	account->context = context;
	account->users = 1;			/* this pass */
	account->server_name = pstrdup(server);
	account->role = pstrdup(role);
	account->error = partner_api_try(load, account);
	MemoryContextSwitchTo(before);
	return account;
}

/* The account as loaded earlier in this pass; NULL if it was not. */
static PartnerApiAccount *
find_loaded(const PartnerApiAccounts *accounts, const char *server,
			const char *role)
{
	ListCell   *lc;

	foreach(lc, accounts->loaded)
	{
		PartnerApiAccount *account = lfirst(lc);

		if (strcmp(account->server_name, server) == 0 &&
			strcmp(account->role, role) == 0)
			return account;
	}
	return NULL;
}

/*
 * The account of a server and a role, for the rest of the pass.  Needs a
 * transaction.
 */
PartnerApiAccount *
partner_api_account_get(PartnerApiAccounts *accounts, const char *server,
						const char *role)
{
	PartnerApiAccount *account = find_loaded(accounts, server, role);
	MemoryContext before;

	if (account != NULL)
		return account;
	before = MemoryContextSwitchTo(accounts->parent);
	account = load_account(accounts, server, role);
	accounts->loaded = lappend(accounts->loaded, account);
	MemoryContextSwitchTo(before);
	return account;
}

/* The same, held until the context "user" goes. */
PartnerApiAccount *
partner_api_account_use(PartnerApiAccounts *accounts, MemoryContext user,
						const char *server, const char *role)
{
	PartnerApiAccount *account = partner_api_account_get(accounts, server,
														 role);
	Hold	   *hold = MemoryContextAllocZero(user, sizeof(Hold));

	hold->account = account;
	hold->release.func = release_hold;
	hold->release.arg = hold;
	MemoryContextRegisterResetCallback(user, &hold->release);
	account->users++;
	return account;
}

/* Forget what was loaded in this pass; transfers keep what they use. */
void
partner_api_accounts_end_pass(PartnerApiAccounts *accounts)
{
	ListCell   *lc;

	foreach(lc, accounts->loaded)
		drop_user(lfirst(lc));
	list_free(accounts->loaded);
	accounts->loaded = NIL;
}
