/*-------------------------------------------------------------------------
 *
 * limits_worker.c
 *	  What the worker of a database asks of the limits: circuits that have
 *	  changed, quotas that are used up, probes that are due, and a test clock
 *	  that is turned.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "limits_internal.h"
#include "miscadmin.h"

/* Changes that this worker has announced, or is announcing. */
static int64 announced = -1;
static int64 announcing = -1;

/* What it is telling of each entry. */
static struct
{
	bool		circuit;
	bool		open;
	bool		used_up;
}			told[MOST_CREDENTIALS];

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

/* Is any quota used up?  The same; it may be over by now. */
bool
partner_api_limits_any_used_up(void)
{
	return partner_api_monotonic_us() < partner_api_limits->used_up_until;
}

/* A change of one entry that is to be announced; the lock is held. */
static void
describe(const Entry *entry, PartnerApiChange change,
		 PartnerApiTransition *transition)
{
	transition->server = entry->key.server;
	transition->change = change;
	transition->quota = entry->rules.window.quota;
	transition->wait_us = entry->gate.window.opened_at +
		entry->rules.window.length_us - partner_api_monotonic_us();
	transition->failures = entry->gate.failures;
	strlcpy(transition->last_error, entry->last_error,
			sizeof(transition->last_error));
}

/*
 * What is to be announced of one entry, two changes at most; the lock is held.
 * Returns how many.
 */
static int
describe_changes(int index, PartnerApiTransition *transitions)
{
	const Entry *entry = &partner_api_limits->entries[index];
	int			count = 0;

	told[index].open = is_open(entry);
	told[index].circuit = entry->announced_open != is_open(entry);
	told[index].used_up = entry->used_up && !entry->announced_used_up;
	if (told[index].circuit)
		describe(entry, is_open(entry) ? PARTNER_API_CIRCUIT_HAS_OPENED :
				 PARTNER_API_CIRCUIT_HAS_CLOSED, &transitions[count++]);
	if (told[index].used_up)
		describe(entry, PARTNER_API_QUOTA_USED_UP, &transitions[count++]);
	return count;
}

/*
 * The credentials of this database that are not as they were last announced,
 * palloc'd.  A circuit that opened and closed meanwhile is left out.
 */
List *
partner_api_limits_transitions(void)
{
	PartnerApiTransition *found;
	List	   *transitions = NIL;
	int			count = 0;

	if (announced == partner_api_limits->changes)
		return NIL;
	found = palloc(sizeof(PartnerApiTransition) * 2 * MOST_CREDENTIALS);
	LWLockAcquire(partner_api_limits->lock, LW_SHARED);
	announcing = partner_api_limits->changes;
	memset(told, 0, sizeof(told));
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		if (is_ours(&partner_api_limits->entries[i]))
			count += describe_changes(i, &found[count]);
	}
	LWLockRelease(partner_api_limits->lock);
	for (int i = 0; i < count; i++)
		transitions = lappend(transitions, &found[i]);
	return transitions;
}

/*
 * The announcements of partner_api_limits_transitions() are committed.  An
 * entry that differs from its announcement keeps its credential.
 */
void
partner_api_limits_announced(void)
{
	if (announced == announcing)
		return;
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	for (int i = 0; i < partner_api_limits->highest; i++)
	{
		Entry	   *entry = &partner_api_limits->entries[i];

		if (told[i].circuit)
			entry->announced_open = told[i].open;
		if (told[i].used_up)
			entry->announced_used_up = true;
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
