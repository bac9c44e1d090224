/*-------------------------------------------------------------------------
 *
 * limits_worker.c
 *	  What the worker of a database asks of the limits: circuits that have
 *	  changed, probes that are due, and a test clock that is turned.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "limits_internal.h"
#include "miscadmin.h"

/* Changes of circuits that this worker has announced, or is announcing. */
static int64 announced = -1;
static int64 announcing = -1;
static char told[MOST_CREDENTIALS]; /* what it is telling of each entry */

#define TOLD_NOTHING 0
#define TOLD_OPEN 1
#define TOLD_CLOSED 2

/* Is the entry one of this database? */
static bool
is_ours(const Entry *entry)
{
	return entry->used && entry->database == MyDatabaseId;
}

/* Is its circuit not closed? */
static bool
is_open(const Entry *entry)
{
	return entry->gate.circuit != PARTNER_API_CIRCUIT_CLOSED;
}

/* ---- announcing ---- */

/* Is any circuit open?  A look without the lock: a wake-up follows. */
bool
partner_api_limits_any_open(void)
{
	return partner_api_limits->open > 0;
}

/* What is to be announced of one entry; the lock is held. */
static void
describe(const Entry *entry, PartnerApiTransition *transition)
{
	transition->server = entry->key.server;
	transition->open = is_open(entry);
	transition->failures = entry->gate.failures;
	strlcpy(transition->last_error, entry->last_error,
			sizeof(transition->last_error));
}

/*
 * The circuits of this database that are not as they were last announced,
 * palloc'd.  One that opened and closed meanwhile is left out.
 */
List *
partner_api_limits_transitions(void)
{
	PartnerApiTransition *found;
	List	   *transitions = NIL;
	int			count = 0;

	if (announced == partner_api_limits->changes)
		return NIL;
	found = palloc(sizeof(PartnerApiTransition) * MOST_CREDENTIALS);
	LWLockAcquire(partner_api_limits->lock, LW_SHARED);
	announcing = partner_api_limits->changes;
	memset(told, TOLD_NOTHING, sizeof(told));
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		const Entry *entry = &partner_api_limits->entries[i];

		if (!is_ours(entry) || entry->announced_open == is_open(entry))
			continue;
		told[i] = is_open(entry) ? TOLD_OPEN : TOLD_CLOSED;
		describe(entry, &found[count++]);
	}
	LWLockRelease(partner_api_limits->lock);
	for (int i = 0; i < count; i++)
		transitions = lappend(transitions, &found[i]);
	return transitions;
}

/* The announcements of partner_api_limits_transitions() are committed. */
void
partner_api_limits_announced(void)
{
	if (announced == announcing)
		return;
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		/* an entry that differs from its announcement keeps its credential */
		if (told[i] != TOLD_NOTHING)
			partner_api_limits->entries[i].announced_open =
				told[i] == TOLD_OPEN;
	}
	LWLockRelease(partner_api_limits->lock);
	announced = announcing;
}

/* ---- probes ---- */

/*
 * The circuits of this database whose probe is due, palloc'd; sets the
 * monotonic time of the next one, 0 if there is none.
 */
List *
partner_api_limits_probes_due(int64 *next_at)
{
	int64		now = partner_api_monotonic_us();
	PartnerApiProbeDue *found;
	List	   *due = NIL;
	int			count = 0;

	*next_at = 0;
	if (!partner_api_limits_any_open())
		return NIL;
	found = palloc(sizeof(PartnerApiProbeDue) * MOST_CREDENTIALS);
	LWLockAcquire(partner_api_limits->lock, LW_SHARED);
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		const Entry *entry = &partner_api_limits->entries[i];

		if (!is_ours(entry) ||
			entry->gate.circuit != PARTNER_API_CIRCUIT_OPEN)
			continue;
		if (entry->gate.probe_at <= now)
		{
			found[count].key = entry->key;
			found[count++].role = entry->role;
		}
		else if (*next_at == 0 || entry->gate.probe_at < *next_at)
			*next_at = entry->gate.probe_at;
	}
	LWLockRelease(partner_api_limits->lock);
	for (int i = 0; i < count; i++)
		due = lappend(due, &found[i]);
	return due;
}

/*
 * Nobody can use the credential any more: its circuit is of no interest.
 */
void
partner_api_limits_forget_circuit(const PartnerApiCredentialKey *key)
{
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		Entry	   *entry = &partner_api_limits->entries[i];

		if (!is_ours(entry) || !is_open(entry) ||
			entry->key.server != key->server ||
			entry->key.token != key->token)
			continue;
		entry->gate.circuit = PARTNER_API_CIRCUIT_CLOSED;
		entry->gate.failures = 0;
		entry->announced_open = false;
		partner_api_limits_circuit_changed(entry);
	}
	LWLockRelease(partner_api_limits->lock);
}

/* ---- tests ---- */

/*
 * The test clock of this database was turned by so many microseconds: whoever
 * tests what happens when a pause is over need not wait for it.
 */
void
partner_api_limits_turn(int64 ahead)
{
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		Entry	   *entry = &partner_api_limits->entries[i];

		if (!is_ours(entry))
			continue;
		partner_api_gate_turn(&entry->gate, ahead);
		entry->refused_until -= ahead;
	}
	LWLockRelease(partner_api_limits->lock);
}
