/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  The credentials that the worker has met, and the roles that use them.
 *
 * Which token an action goes out with is known when its account is loaded,
 * but limits go by token: so the worker remembers, and claims for each token
 * what that has room for.  What is remembered may be wrong, since a mapping or
 * a token file may have changed; then the account says otherwise.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "credentials.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static bool changed = false;
static MemoryContext known_context = NULL;
static List *known = NIL;		/* of PartnerApiKnown */

/* Has this worker seen the role use it? */
static bool
has_role(const PartnerApiKnown *credential, const char *role)
{
	ListCell   *lc;

	foreach(lc, credential->roles)
	{
		if (strcmp(lfirst(lc), role) == 0)
			return true;
	}
	return false;
}

/* The role uses another credential of the server now. */
static void
forget_role(const char *server, const char *role)
{
	ListCell   *lc;

	foreach(lc, known)
	{
		PartnerApiKnown *credential = lfirst(lc);
		ListCell   *cell;

		if (strcmp(credential->server, server) != 0)
			continue;
		foreach(cell, credential->roles)
		{
			if (strcmp(lfirst(cell), role) == 0)
				credential->roles =
					foreach_delete_current(credential->roles, cell);
		}
	}
}

/* The credential of an account, known from now on. */
static PartnerApiKnown *
credential_of(const PartnerApiAccount *account)
{
	const PartnerApiLimits *limits = &account->server->limits;
	PartnerApiKnown *credential;
	ListCell   *lc;

	foreach(lc, known)
	{
		credential = lfirst(lc);
		if (credential->limits.key.server == limits->key.server &&
			credential->limits.key.token == limits->key.token &&
			strcmp(credential->server, account->server_name) == 0)
			return credential;
	}
	credential = palloc0(sizeof(PartnerApiKnown));
	credential->server = pstrdup(account->server_name);
	known = lappend(known, credential);
	return credential;
}

/* Remember whose credential an account is. */
void
partner_api_credential_remember(const PartnerApiAccount *account)
{
	PartnerApiKnown *credential;
	MemoryContext before;

	if (known_context == NULL)
		known_context = AllocSetContextCreate(TopMemoryContext,
											  "partner_api credentials",
											  ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(known_context);
	credential = credential_of(account);
	credential->limits = account->server->limits;
	credential->limits.token = NULL;
	if (!has_role(credential, account->role))
	{
		forget_role(account->server_name, account->role);
		credential->roles = lappend(credential->roles,
									pstrdup(account->role));
	}
	MemoryContextSwitchTo(before);
}

/* Is any credential shut for a time? */
static bool
any_is_shut(void)
{
	PartnerApiRefusal refusal;
	ListCell   *lc;

	foreach(lc, known)
	{
		const PartnerApiKnown *credential = lfirst(lc);

		if (partner_api_limits_unrefused(&credential->limits,
										 partner_api_limits_room(&credential->limits,
																 PARTNER_API_ORDINARY,
																 &refusal),
										 &refusal) == 0 &&
			refusal.shut != PARTNER_API_SHUT_LANES)
			return true;
	}
	return false;
}

/* Callback: a server or a user mapping has changed. */
static void
note_change(Datum arg, int cache, uint32 hash)
{
	changed = true;
}

/*
 * Forget everything if a server or a mapping has changed.  A token file
 * changes without a trace: so, now and then ("safety"), also while any
 * credential is shut for a time, since its roles may have another by now.
 */
void
partner_api_credentials_refresh(bool safety)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_change,
									  (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, note_change, (Datum) 0);
	}
	registered = true;
	if (known != NIL && (changed || (safety && any_is_shut())))
	{
		known = NIL;
		MemoryContextReset(known_context);
	}
	changed = false;
}

/* The known credentials of a server; the list is palloc'd. */
List *
partner_api_credentials_of(const char *server)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, known)
	{
		PartnerApiKnown *credential = lfirst(lc);

		if (strcmp(credential->server, server) == 0 &&
			credential->roles != NIL)
			found = lappend(found, credential);
	}
	return found;
}

/* The roles of credentials as name[]. */
Datum
partner_api_credential_roles(const List *credentials)
{
	Datum	   *names = NULL;
	int			count = 0;
	ListCell   *lc;

	foreach(lc, credentials)
	{
		const PartnerApiKnown *credential = lfirst(lc);
		int			size = count + list_length(credential->roles);
		ListCell   *cell;

		names = names == NULL ? palloc(size * sizeof(Datum)) :
			repalloc(names, size * sizeof(Datum));
		foreach(cell, credential->roles)
			names[count++] = DirectFunctionCall1(namein,
												 CStringGetDatum(lfirst(cell)));
	}
	return PointerGetDatum(construct_array(names, count, NAMEOID, NAMEDATALEN,
										   false, TYPALIGN_CHAR));
}
