/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  What time brings: deadlines, lapsed trials, leftovers.
 *
 * None of it may stop the sending: a table that a session locks, or a trigger
 * that somebody put on one, makes one step fail alone, and the next safety
 * pass tries it again.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "claims.h"
#include "clock.h"
#include "deadlines.h"
#include "limits_shared.h"
#include "mirror.h"
#include "settle.h"
#include "spend.h"
#include "subtransaction.h"
#include "upkeep.h"
#include "utils/memutils.h"

/* What the steps share. */
typedef struct Upkeep
{
	TimestampTz now;
	bool		safety;			/* a safety pass, or the clock was turned */
	bool		more;			/* more are missed than were closed */
	List	   *answers;		/* for calls whose action was missed */
	ErrorData  *error;			/* of a part of a step */
} Upkeep;

/* Orphans that a session held when this worker started; NULL: none. */
static PartnerApiOrphans *held_orphans = NULL;
static int64 last_upkeep = 0;	/* monotonic, us */
static TimestampTz next_announcement = DT_NOEND;	/* by our clock */
static bool more_missed = false;	/* than the last upkeep has closed */

/* Work for partner_api_try(): close what is past its deadline. */
static void
close_missed(void *arg)
{
	Upkeep	   *upkeep = arg;

	upkeep->answers = partner_api_close_missed(upkeep->now, &upkeep->more);
}

/*
 * Work for partner_api_try(): announce deadlines that are near.  What was
 * enqueued since the last safety pass has to wait for the next.
 */
static void
announce_deadlines(void *arg)
{
	Upkeep	   *upkeep = arg;

	if (!upkeep->safety && upkeep->now < next_announcement)
		return;
	next_announcement = DT_NOEND;	/* if this fails */
	next_announcement = partner_api_announce_deadlines(upkeep->now);
}

/* Work for partner_api_try(): lapsed trials, ended services. */
static void
end_instances(void *arg)
{
	Upkeep	   *upkeep = arg;

	upkeep->error = partner_api_mirror_pass_time(upkeep->now);
}

/* Work for partner_api_try(): what the mirror could not take before. */
static void
apply_backlog(void *arg)
{
	partner_api_mirror_apply_backlog();
}

/* Work for partner_api_try(): actions whose server is gone. */
static void
note_unsendable(void *arg)
{
	Upkeep	   *upkeep = arg;

	if (upkeep->safety)
		partner_api_note_unsendable();
}

/* Work for partner_api_try(): approvals that met no sign action. */
static void
release_approved(void *arg)
{
	partner_api_release_approved();
}

/* Work for partner_api_try(): what a cap held and has room by now. */
static void
release_held(void *arg)
{
	Upkeep	   *upkeep = arg;

	if (upkeep->safety || partner_api_spend_options_changed())
		partner_api_spend_release();
}

/* Work for partner_api_try(): orphans that were held at the start. */
static void
claim_orphans(void *arg)
{
	Upkeep	   *upkeep = arg;

	if (held_orphans != NULL)
		(void) partner_api_claim_orphans(upkeep->now, held_orphans);
}

/* Work for partner_api_try(): how many requests of their windows are used. */
static void
record_windows(void *arg)
{
	Upkeep	   *upkeep = arg;

	if (upkeep->safety)
		partner_api_windows_record(upkeep->now);
}

/*
 * Take over what the worker before this one left; what a session holds is
 * left for later.  Returns how many actions were taken over.
 */
int
partner_api_upkeep_take_over(TimestampTz now)
{
	int			count = partner_api_claim_orphans(now, NULL);

	held_orphans = MemoryContextAllocZero(TopMemoryContext,
										  sizeof(PartnerApiOrphans));
	if (!partner_api_list_orphans(TopMemoryContext, held_orphans))
		held_orphans = NULL;
	return count;
}

/* Is it time to be safe? */
bool
partner_api_upkeep_is_due(void)
{
	return partner_api_monotonic_us() - last_upkeep >=
		PARTNER_API_SAFETY_PASS_MS * INT64CONST(1000);
}

/*
 * Do what time brings, in the running transaction; clock_turned: it may have
 * brought anything.  Returns answers, in the current context, for calls whose
 * action was missed.
 */
List *
partner_api_upkeep(PartnerApiWorkerEntry *entry, TimestampTz now,
				   bool clock_turned)
{
	static void (*const steps[]) (void *arg) = {
		close_missed, end_instances, apply_backlog, note_unsendable,
		release_approved, claim_orphans, announce_deadlines, release_held,
		record_windows
	};
	Upkeep		upkeep = {.now = now,
		.safety = clock_turned || partner_api_upkeep_is_due()
	};

	last_upkeep = partner_api_monotonic_us();
	for (int i = 0; i < (int) lengthof(steps); i++)
		(void) partner_api_note_error(entry,
									  partner_api_try(steps[i], &upkeep));
	(void) partner_api_note_error(entry, upkeep.error);
	more_missed = upkeep.more;
	return upkeep.answers;
}

/* When there is something to do that partner_api_next_due() does not know. */
TimestampTz
partner_api_upkeep_next(void)
{
	return more_missed ? DT_NOBEGIN : next_announcement;
}
