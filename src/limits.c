/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Asking the limits of a credential, and obeying them.
 *
 * A process enters before each request and leaves after it; what it holds
 * when it ends is given back by an exit callback.  A crash sets shared memory
 * up anew.  The lock is held for a few dozen instructions.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "limits_internal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "shared.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* What this process holds of each entry, and which it probes. */
static int	held[MOST_CREDENTIALS];
static bool probed[MOST_CREDENTIALS];

/* ---- holding ---- */

/* Does a worker want to hear of a free place?  It is told once. */
static bool
worker_waits(Entry *entry)
{
	bool		waits = entry->waiting_worker != 0 &&
	entry->waiting_worker != MyProcPid;

	if (waits)
		entry->waiting_worker = 0;
	return waits;
}

/* Give back all that this process holds of an entry, and tell who waits. */
static void
release_entry(int index)
{
	Entry	   *entry = &partner_api_limits->entries[index];
	bool		worker;

	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	entry->gate.in_flight -= held[index];
	held[index] = 0;
	if (probed[index] && entry->gate.circuit == PARTNER_API_CIRCUIT_PROBING)
		entry->gate.circuit = PARTNER_API_CIRCUIT_OPEN;
	probed[index] = false;
	worker = worker_waits(entry);
	LWLockRelease(partner_api_limits->lock);

	ConditionVariableBroadcast(&entry->freed);
	if (worker)
		partner_api_wake_worker_for(MyDatabaseId, DT_NOEND);
}

/* Exit callback: what this process holds is free. */
static void
release_all(int code, Datum arg)
{
	for (int i = 0; i < MOST_CREDENTIALS; i++)
	{
		if (held[i] > 0)
			release_entry(i);
	}
}

/* Note that this process holds a place. */
static void
hold(PartnerApiPermit *permit, int entry)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(release_all, (Datum) 0);
	registered = true;
	held[entry]++;
	permit->held = true;
	permit->entry = entry;
	if (permit->probe)
		probed[entry] = true;
}

/*
 * Let go of a place; the lock is held.  Returns whether a worker wants to
 * hear of it.
 */
static bool
let_go(PartnerApiPermit *permit)
{
	permit->held = false;
	held[permit->entry]--;
	if (permit->probe)
		probed[permit->entry] = false;
	return worker_waits(&partner_api_limits->entries[permit->entry]);
}

/* ---- quotas ---- */

/* No more requests go out in the window, which is to be announced once. */
static void
note_used_up(Entry *entry)
{
	int64		ends_at = entry->gate.window.opened_at +
	entry->rules.window.length_us;

	partner_api_limits->used_up_until = Max(partner_api_limits->used_up_until,
											ends_at);
	if (!entry->used_up)
		partner_api_limits->changes++;
	entry->used_up = true;
}

/* A request was counted: it may have opened a window, or used it up. */
static void
note_count(Entry *entry, int64 now)
{
	if (entry->gate.window.used == 1)
	{
		entry->used_up = false;
		entry->announced_used_up = false;
		entry->recorded = Min(entry->recorded, 0);
	}
	if (partner_api_window_is_used_up(&entry->gate.window,
									  &entry->rules.window, now))
		note_used_up(entry);
}

/* ---- asking ---- */

/* Say why there is no room; entry: NULL if the table is full. */
static void
explain(const Entry *entry, PartnerApiShut shut, int64 opens_at, int64 now,
		PartnerApiRefusal *refusal)
{
	memset(refusal, 0, sizeof(*refusal));
	refusal->entry = -1;
	refusal->shut = shut;
	if (entry == NULL)
		return;
	refusal->entry = (int) (entry - partner_api_limits->entries);
	refusal->wait_us = opens_at == 0 ? 0 : Max(opens_at - now, 1);
	refusal->failures = entry->gate.failures;
	refusal->probe_in_us = Max(entry->gate.probe_at - now, 0);
	strlcpy(refusal->last_error, entry->last_error,
			sizeof(refusal->last_error));
}

/*
 * Room at a credential whose lock is held, explained if there is none.  A
 * worker hears of the next lane that another process gives back.
 */
static int
room_at(Entry *entry, const PartnerApiLimits *limits,
		PartnerApiUrgency urgency, int64 now, PartnerApiRefusal *refusal)
{
	PartnerApiShut shut = PARTNER_API_SHUT_LANES;
	int64		opens_at = 0;
	int			room = 0;

	if (entry != NULL)
		room = partner_api_gate_room(&entry->gate, &limits->rules, urgency,
									 now, &shut, &opens_at);
	if (room > 0)
		return room;
	if (shut == PARTNER_API_SHUT_LANES && entry != NULL &&
		MyBgworkerEntry != NULL)
		entry->waiting_worker = MyProcPid;
	if (shut == PARTNER_API_SHUT_QUOTA)
		note_used_up(entry);
	explain(entry, shut, opens_at, now, refusal);
	return 0;
}

/*
 * How many requests of an urgency may start now; if none may, "refusal" says
 * why.  The limits need no token for this.
 */
int
partner_api_limits_room(const PartnerApiLimits *limits,
						PartnerApiUrgency urgency, PartnerApiRefusal *refusal)
{
	int64		now = partner_api_monotonic_us();
	Entry	   *entry;
	int			room;

	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	entry = partner_api_limits_find(&limits->key);
	if (entry == NULL)
		room = limits->rules.lanes; /* was never used, or not for long */
	else
		room = room_at(entry, limits, urgency, now, refusal);
	LWLockRelease(partner_api_limits->lock);
	return room;
}

/*
 * How many more requests for polling the credential takes now, or
 * PARTNER_API_NO_QUOTA.
 */
int
partner_api_limits_polls_left(const PartnerApiLimits *limits)
{
	int64		now = partner_api_monotonic_us();
	const Entry *entry;
	int			left = 0;

	if (partner_api_limits == NULL || limits->rules.window.quota == 0)
		return PARTNER_API_NO_QUOTA;
	entry = partner_api_limits_lock(limits, now);
	if (entry != NULL)
		left = partner_api_gate_polls_left(&entry->gate, &limits->rules, now);
	LWLockRelease(partner_api_limits->lock);
	return left;
}

/*
 * Take a place for a request, which must be given back by
 * partner_api_limits_leave() or ..._back_out(); the end of the process does
 * the latter.  False if there is no room; then "refusal" says why.
 */
bool
partner_api_limits_enter(const PartnerApiLimits *limits,
						 PartnerApiUrgency urgency, PartnerApiPermit *permit,
						 PartnerApiRefusal *refusal)
{
	int64		now = partner_api_monotonic_us();
	Entry	   *entry;
	bool		entered;

	memset(permit, 0, sizeof(*permit));
	if (partner_api_limits == NULL)
		return true;			/* nothing to share, nothing is limited */
	entry = partner_api_limits_lock(limits, now);
	entered = room_at(entry, limits, urgency, now, refusal) > 0;
	if (entered)
	{
		permit->rules = limits->rules;
		permit->urgency = urgency;
		permit->probe = urgency != PARTNER_API_LAST_CHANCE &&
			entry->gate.circuit == PARTNER_API_CIRCUIT_OPEN;
		partner_api_gate_enter(&entry->gate, &limits->rules, urgency, now);
		note_count(entry, now);
		hold(permit, (int) (entry - partner_api_limits->entries));
	}
	LWLockRelease(partner_api_limits->lock);
	return entered;
}

/* ---- leaving ---- */

/* After the lock is released: wake who waits for a place. */
static void
wake_waiters(int entry, bool worker)
{
	ConditionVariableSignal(&partner_api_limits->entries[entry].freed);
	if (worker)
		partner_api_wake_worker_for(MyDatabaseId, DT_NOEND);
}

/* Give a place back: its request was not sent.  Harmless if it is not held. */
void
partner_api_limits_back_out(PartnerApiPermit *permit)
{
	Entry	   *entry;
	bool		wanted;

	if (!permit->held)
		return;
	entry = &partner_api_limits->entries[permit->entry];
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	partner_api_gate_back_out(&entry->gate, &permit->rules, permit->urgency,
							  permit->probe, partner_api_monotonic_us());
	wanted = let_go(permit);
	LWLockRelease(partner_api_limits->lock);
	wake_waiters(permit->entry, wanted);
}

/* What an answer, or the lack of one, tells about the provider. */
static PartnerApiGateNews
read_news(const PartnerApiResponse *response)
{
	PartnerApiGateNews news = {0};
	int			status = response->status;
	bool		gateway = status == 502 || status == 503 || status == 504;
	bool		asked = (status == 429 || status == 503) &&
	response->retry_after_ms > 0;

	/* an answer that breaks off, or is too large, did come from there */
	news.unreached = (status == 0 && !response->complete) ||
		(gateway && !asked);
	news.reached = !news.unreached;
	if (asked)
	{
		news.hold = PARTNER_API_SHUT_RETRY_AFTER;
		news.hold_us = response->retry_after_ms * 1000;
	}
	else if (response->used_up_ms > 0)
	{
		news.hold = PARTNER_API_SHUT_USED_UP;
		news.hold_us = response->used_up_ms * 1000;
	}
	else if (status == 429)
		news.hold = PARTNER_API_SHUT_BUSY;
	return news;
}

/* Keep what server_health shows of an answer; the lock is held. */
static void
keep_for_show(Entry *entry, const PartnerApiGateNews *news,
			  const PartnerApiResponse *response)
{
	if (news->reached)
		entry->last_success_at = GetCurrentTimestamp();
	else
	{
		entry->last_failure_at = GetCurrentTimestamp();
		if (response->status != 0)
			snprintf(entry->last_error, sizeof(entry->last_error),
					 "HTTP status %d", response->status);
		else
			strlcpy(entry->last_error, response->transport_error,
					sizeof(entry->last_error));
	}
}

/*
 * Take in an answer; NULL: nobody waited for it.  The lock is held.  Returns
 * whether the circuit has changed.
 */
static bool
learn(PartnerApiPermit *permit, const PartnerApiResponse *response)
{
	Entry	   *entry = &partner_api_limits->entries[permit->entry];
	PartnerApiGateNews news = {0};
	bool		changed;

	if (response != NULL)
	{
		news = read_news(response);
		keep_for_show(entry, &news, response);
	}
	changed = partner_api_gate_learn(&entry->gate, &permit->rules, &news,
									 permit->probe,
									 partner_api_monotonic_us());
	if (changed)
		partner_api_limits_circuit_changed(entry);
	return changed;
}

/*
 * Give a place back after its request; response: NULL if it was given up.
 * Harmless if the place is not held.
 */
void
partner_api_limits_leave(PartnerApiPermit *permit,
						 const PartnerApiResponse *response)
{
	bool		tell;

	if (!permit->held)
		return;
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	tell = learn(permit, response);
	partner_api_gate_leave(&partner_api_limits->entries[permit->entry].gate);
	tell |= let_go(permit);
	LWLockRelease(partner_api_limits->lock);
	wake_waiters(permit->entry, tell);
}

/* The same, but another request goes out in the same place. */
void
partner_api_limits_go_on(PartnerApiPermit *permit,
						 const PartnerApiResponse *response)
{
	int64		now = partner_api_monotonic_us();
	Entry	   *entry;
	bool		changed;

	if (!permit->held)
		return;
	entry = &partner_api_limits->entries[permit->entry];
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	changed = learn(permit, response);
	partner_api_gate_again(&entry->gate, &permit->rules, permit->urgency,
						   now);
	note_count(entry, now);
	LWLockRelease(partner_api_limits->lock);
	if (changed)
		partner_api_wake_worker_for(MyDatabaseId, DT_NOEND);
}

/*
 * Sleep until a place may be free at the credential that refused one, at most
 * so long.  To be called in a loop that asks again: the first call returns at
 * once.  Whoever is done calls ConditionVariableCancelSleep().
 */
void
partner_api_limits_sleep(const PartnerApiRefusal *refusal, int64 most_us)
{
	Entry	   *entry = &partner_api_limits->entries[Max(refusal->entry, 0)];

	(void) ConditionVariableTimedSleep(&entry->freed,
									   (long) (most_us / 1000 + 1),
									   PG_WAIT_EXTENSION);
}
