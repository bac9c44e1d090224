/*-------------------------------------------------------------------------
 *
 * limits_refused.c
 *	  Credentials that the provider refuses.
 *
 * A token that was refused once will be refused again, until a person has
 * mended it.  So what waits in the queue is not sent into the same answer: it
 * is held for a minute, then one request finds out, and each further refusal
 * doubles the time.  What somebody waits for goes out nevertheless, as do
 * reads and what would be too late otherwise; if any of them is accepted, the
 * hold ends at once.  Another token is another credential, which has none.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "limits_internal.h"
#include "miscadmin.h"
#include "shared.h"
#include "utils/timestamp.h"

#define FIRST_HOLD_US INT64CONST(60000000)
#define MOST_DOUBLINGS 6
#define LAST_HOLD_US INT64CONST(3600000000)

/* Take in a refusal.  Those of requests sent together count as one. */
static void
take_refusal(Entry *entry, int64 now)
{
	if (entry->refused_since == 0)
	{
		entry->refused_since = GetCurrentTimestamp();
		partner_api_limits->refused++;
	}
	if (now < entry->refused_until)
		return;
	entry->refused_until = now + Min(FIRST_HOLD_US << entry->refusals,
									 LAST_HOLD_US);
	entry->refusals = Min(entry->refusals + 1, MOST_DOUBLINGS);
}

/* Nothing is known against the credential any more; the lock is held. */
void
partner_api_limits_forget_refusal(Entry *entry)
{
	if (entry->refused_since != 0)
		partner_api_limits->refused--;
	entry->refused_since = 0;
	entry->refused_until = 0;
	entry->refusals = 0;
}

/*
 * The provider has answered a request that carried this credential and no
 * other; reason: why it did not do it.  An answer that was accepted costs
 * nothing while no credential is refused.
 */
void
partner_api_limits_answered(const PartnerApiLimits *limits,
							PartnerApiReason reason)
{
	bool		refused = reason == PARTNER_API_REASON_CREDENTIAL;
	bool		lifted = false;
	Entry	   *entry;

	if (partner_api_limits == NULL ||
		(!refused && (reason != PARTNER_API_REASON_NONE ||
					  partner_api_limits->refused == 0)))
		return;
	LWLockAcquire(partner_api_limits->lock, LW_EXCLUSIVE);
	entry = partner_api_limits_find(&limits->key);
	if (entry != NULL && refused)
		take_refusal(entry, partner_api_monotonic_us());
	else if (entry != NULL && entry->refused_since != 0)
	{
		partner_api_limits_forget_refusal(entry);
		lifted = true;
	}
	LWLockRelease(partner_api_limits->lock);
	if (lifted)
		partner_api_wake_worker_for(MyDatabaseId, DT_NOEND);
}

/*
 * How many of the requests for which there is room may go out from the queue;
 * if none may, "refusal" says why.
 */
int
partner_api_limits_unrefused(const PartnerApiLimits *limits, int room,
							 PartnerApiRefusal *refusal)
{
	int64		now = partner_api_monotonic_us();
	const Entry *entry;

	if (partner_api_limits == NULL || partner_api_limits->refused == 0)
		return room;
	LWLockAcquire(partner_api_limits->lock, LW_SHARED);
	entry = partner_api_limits_find(&limits->key);
	if (entry != NULL && entry->refused_since != 0)
	{
		memset(refusal, 0, sizeof(*refusal));
		refusal->entry = (int) (entry - partner_api_limits->entries);
		if (now < entry->refused_until)
		{
			refusal->shut = PARTNER_API_SHUT_REFUSED;
			refusal->wait_us = entry->refused_until - now;
			room = 0;
		}
		else
		{
			/* the next one finds out, alone */
			refusal->shut = PARTNER_API_SHUT_LANES;
			room = entry->gate.in_flight == 0 ? Min(room, 1) : 0;
		}
	}
	LWLockRelease(partner_api_limits->lock);
	return room;
}
