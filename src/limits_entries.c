/*-------------------------------------------------------------------------
 *
 * limits_entries.c
 *	  The credentials that have limits, in shared memory.
 *
 * A credential is one token at one server of one database.  Roles that use
 * the same token share its limits, since the provider counts what comes with
 * the token; two databases do not, since neither knows the other's server.
 * Shared memory holds a keyed hash of the token, never the token.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "limits_internal.h"
#include "miscadmin.h"
#include "redact.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

Limits	   *partner_api_limits = NULL;

/* ---- shared memory ---- */

/* Bytes of shared memory that the limits take. */
Size
partner_api_limits_size(void)
{
	return MAXALIGN(sizeof(Limits));
}

/* To be called under AddinShmemInitLock. */
void
partner_api_limits_startup(void)
{
	bool		found;

	partner_api_limits = ShmemInitStruct("partner_api limits",
										 partner_api_limits_size(), &found);
	if (found)
		return;
	memset(partner_api_limits, 0, sizeof(Limits));
	partner_api_limits->lock = &(GetNamedLWLockTranche("partner_api") + 1)->lock;
	if (!pg_strong_random(&partner_api_limits->seed,
						  sizeof(partner_api_limits->seed)))
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not generate random values"));
	for (int i = 0; i < MOST_CREDENTIALS; i++)
		ConditionVariableInit(&partner_api_limits->entries[i].freed);
}

/* What stands for a token here; never 0, which stands for none. */
uint64
partner_api_limits_hash(const char *token)
{
	if (partner_api_limits == NULL)
		return 1;
	return hash_bytes_extended((const unsigned char *) token,
							   (int) strlen(token),
							   partner_api_limits->seed) | 1;
}

/* ---- entries; the lock is held ---- */

/* Is it the entry of this key? */
static bool
is_entry_of(const Entry *entry, const PartnerApiCredentialKey *key)
{
	return entry->used && entry->database == MyDatabaseId &&
		entry->key.server == key->server && entry->key.token == key->token;
}

/* The entry of a credential; NULL if it has none. */
Entry *
partner_api_limits_find(const PartnerApiCredentialKey *key)
{
	static int	last = 0;		/* most processes use one */

	if (is_entry_of(&partner_api_limits->entries[last], key))
		return &partner_api_limits->entries[last];
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		if (is_entry_of(&partner_api_limits->entries[i], key))
		{
			last = i;
			return &partner_api_limits->entries[i];
		}
	}
	return NULL;
}

/* Does nothing depend on what the entry remembers? */
static bool
is_idle(const Entry *entry, int64 now)
{
	return entry->gate.in_flight == 0 && entry->gate.held_until <= now &&
		entry->refused_until <= now &&
		!partner_api_window_is_open(&entry->gate.window,
									entry->rules.window.length_us, now) &&
		entry->gate.circuit == PARTNER_API_CIRCUIT_CLOSED &&
		!entry->announced_open &&
		entry->used_up == entry->announced_used_up;
}

/* An entry to be used anew: a free one, or the one idle longest; or NULL. */
static Entry *
free_entry(int64 now)
{
	Entry	   *oldest = NULL;

	for (int i = 0; i < MOST_CREDENTIALS; i++)
	{
		Entry	   *entry = &partner_api_limits->entries[i];

		if (!entry->used)
		{
			partner_api_limits->highest = i + 1;
			return entry;
		}
		if (is_idle(entry, now) &&
			(oldest == NULL || entry->used_at < oldest->used_at))
			oldest = entry;
	}
	return oldest;
}

/* Give an entry to a credential. */
static void
fill_entry(Entry *entry, const PartnerApiCredentialKey *key,
		   const char *fingerprint)
{
	entry->used = true;
	entry->database = MyDatabaseId;
	entry->key = *key;
	strlcpy(entry->fingerprint, fingerprint, sizeof(entry->fingerprint));
	memset(&entry->rules, 0, sizeof(entry->rules));
	memset(&entry->gate, 0, sizeof(entry->gate));
	entry->waiting_worker = 0;
	entry->announced_open = false;
	entry->used_up = false;
	entry->announced_used_up = false;
	entry->recorded = NEVER_RECORDED;
	partner_api_limits_forget_refusal(entry);
	entry->last_success_at = 0;
	entry->last_failure_at = 0;
	entry->circuit_since = 0;
	entry->last_error[0] = '\0';
}

/*
 * The entry of a token that is known by its fingerprint, made if it has none;
 * NULL if there is no room.  Then its token is 0 until it is used.
 */
Entry *
partner_api_limits_entry_of(Oid server, const char *fingerprint, int64 now)
{
	PartnerApiCredentialKey key = {.server = server};
	Entry	   *entry;

	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		entry = &partner_api_limits->entries[i];
		if (entry->used && entry->database == MyDatabaseId &&
			entry->key.server == server &&
			strcmp(entry->fingerprint, fingerprint) == 0)
			return entry;
	}
	entry = free_entry(now);
	if (entry != NULL)
		fill_entry(entry, &key, fingerprint);
	return entry;
}

/*
 * Lock, and find the entry of a credential or make it one; NULL if there is
 * no room.  The fingerprint is made without the lock, since it may fail.
 */
Entry *
partner_api_limits_lock(const PartnerApiLimits *limits, int64 now)
{
	Entry	   *entry;
	char	   *fingerprint;

	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	entry = partner_api_limits_find(&limits->key);
	if (entry == NULL)
	{
		LWLockRelease(partner_api_limits->lock);
		fingerprint = partner_api_token_fingerprint(limits->token);
		LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
		entry = partner_api_limits_entry_of(limits->key.server, fingerprint,
											now);
		pfree(fingerprint);
	}
	if (entry != NULL)
	{
		entry->key = limits->key;
		entry->used_at = now;
		entry->role = limits->role;
		entry->rules = limits->rules;
	}
	return entry;
}

/* Count a circuit that has opened or closed. */
void
partner_api_limits_circuit_changed(Entry *entry)
{
	bool		closed = entry->gate.circuit == PARTNER_API_CIRCUIT_CLOSED;

	partner_api_limits->open += closed ? -1 : 1;
	partner_api_limits->changes++;
	entry->circuit_since = GetCurrentTimestamp();
}
