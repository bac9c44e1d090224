/*-------------------------------------------------------------------------
 *
 * due.c
 *	  What the worker knows of what is due, so that a pass asks the tables
 *	  only where there may be something.
 *
 * Most passes only write down what has finished and send what comes next.
 * Whatever makes an action due is told here: a commit (shared.c), a claim that
 * was cut by its limit, a settlement (settle.c), a due time that has come.  It
 * need not be all: after a pass that left something out, one that asks for
 * everything follows soon, whether anything happens or not.
 *
 * A claim begins where the last one ended.  As long as an old snapshot is held
 * somewhere, the entries of claimed actions stay in the index, and a claim
 * from its beginning would read them all, each time more.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "claims.h"
#include "clock.h"
#include "due.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Everything is asked for this soon after a pass that left something out, */
#define LOOK_AGAIN_MS 100
/* but takes no more than this part of the time: an old snapshot is costly. */
#define LOOK_SHARE 20

/* The waiting actions of a server, with or without a deadline. */
typedef struct Queue
{
	char	   *server;
	bool		with_deadline;
	bool		ask;			/* there may be something to claim, */
	PartnerApiPosition after;	/* after this position in the index */
} Queue;

static List *queues = NIL;		/* in TopMemoryContext */
static bool ask_looks = true;
static bool ask_next = true;	/* next_due must be read from the tables */
static bool ask_all = true;		/* this pass asks for everything */
static TimestampTz next_due = DT_NOBEGIN;

static bool left_out = false;	/* something may be due that nobody asks for */
static bool failed = false;		/* a claim of this pass */
static int64 pass_began_us = 0;
static int64 look_again_us = 0; /* monotonic: when to ask for everything */

/* ---- queues ---- */

/* One of the two queues of a server, kept for good. */
static Queue *
find_queue(const char *server, bool with_deadline)
{
	Queue	   *queue;
	MemoryContext before;
	ListCell   *lc;

	foreach(lc, queues)
	{
		queue = lfirst(lc);
		if (queue->with_deadline == with_deadline &&
			strcmp(queue->server, server) == 0)
			return queue;
	}
	before = MemoryContextSwitchTo(TopMemoryContext);
	queue = palloc0(sizeof(Queue));
	queue->server = pstrdup(server);
	queue->with_deadline = with_deadline;
	queue->ask = true;
	queue->after.run_at = DT_NOBEGIN;
	queues = lappend(queues, queue);
	MemoryContextSwitchTo(before);
	return queue;
}

/* There may be actions to claim with this run_at or a later one. */
static void
ask_from(Queue *queue, TimestampTz run_at)
{
	queue->ask = true;
	if (run_at > queue->after.run_at)
		return;
	queue->after.run_at = run_at;
	queue->after.action_id = 0;
}

/* May there be something to claim? */
bool
partner_api_due_may_be(const char *server, bool with_deadline)
{
	return find_queue(server, with_deadline)->ask;
}

/* Nothing is left that is due now. */
static void
note_exhausted(Queue *queue, TimestampTz now)
{
	queue->ask = false;
	queue->after.run_at = now;
	queue->after.action_id = PG_INT64_MAX;
}

/* The same, found out by claims that left nothing out together. */
void
partner_api_due_exhausted(const char *server, bool with_deadline,
						  TimestampTz now)
{
	note_exhausted(find_queue(server, with_deadline), now);
}

/* What was claimed is waiting again. */
void
partner_api_due_put_back(const char *server, bool with_deadline)
{
	ask_from(find_queue(server, with_deadline), DT_NOBEGIN);
}

/* Does the scope leave out actions that are due? */
static bool
leaves_out(const PartnerApiClaimScope *scope)
{
	return scope->roles != (Datum) 0 || !scope->paid ||
		!TIMESTAMP_IS_NOEND(scope->latest_deadline);
}

/*
 * Claim actions of a server that are due, as partner_api_claim_due() does, if
 * there may be any.  A scope that leaves some out is searched from the
 * beginning, and says nothing of what is left.
 */
List *
partner_api_due_claim(MemoryContext parent, PartnerApiClaimScope *scope)
{
	Queue	   *queue = find_queue(scope->server, scope->with_deadline);
	List	   *claims;

	if (!queue->ask || scope->limit <= 0)
		return NIL;
	if (leaves_out(scope))
		ask_from(queue, DT_NOBEGIN);
	scope->after = queue->after;
	claims = partner_api_claim_due(parent, scope);
	if (leaves_out(scope))
		return claims;
	queue->ask = list_length(claims) == scope->limit;
	if (!queue->ask)
		note_exhausted(queue, scope->now);
	else if (!scope->with_deadline)
	{
		const PartnerApiClaim *last = llast(claims);

		queue->after.run_at = last->run_at;
		queue->after.action_id = last->action_id;
	}
	return claims;
}

/* The same for looks. */
List *
partner_api_due_claim_looks(MemoryContext parent, TimestampTz now, int limit)
{
	List	   *claims;

	if (!ask_looks || limit <= 0)
		return NIL;
	claims = partner_api_claim_looks(parent, now, limit);
	ask_looks = list_length(claims) == limit;
	return claims;
}

/* A claim was undone: nothing of it counts, and it is tried again soon. */
void
partner_api_due_claim_failed(void)
{
	partner_api_due_anything();
	failed = true;
}

/* ---- what makes actions due ---- */

/* Anything may have changed: ask for everything, from the beginning. */
void
partner_api_due_anything(void)
{
	ListCell   *lc;

	foreach(lc, queues)
		ask_from(lfirst(lc), DT_NOBEGIN);
	ask_looks = ask_next = ask_all = true;
}

/* Actions without a deadline have come that are due from run_at on. */
static void
come_due(TimestampTz run_at)
{
	ListCell   *lc;

	foreach(lc, queues)
	{
		Queue	   *queue = lfirst(lc);

		if (!queue->with_deadline)
			ask_from(queue, run_at);
	}
}

/* Something falls due at a time, which may have come already. */
void
partner_api_due_at(TimestampTz at, TimestampTz now)
{
	ListCell   *lc;

	if (at > now)
	{
		next_due = Min(next_due, at);
		return;
	}
	foreach(lc, queues)
		ask_from(lfirst(lc), at);
	ask_looks = ask_next = true;
}

/* ---- passes ---- */

/* The next due time, at the latest. */
TimestampTz
partner_api_due_next(void)
{
	return next_due;
}

/*
 * A pass begins.  woken_for: DT_NOEND if no commit has told of actions,
 * DT_NOBEGIN if of anything, else as in come_due().
 */
void
partner_api_due_begin_pass(TimestampTz woken_for)
{
	pass_began_us = partner_api_monotonic_us();
	if (woken_for == DT_NOBEGIN ||
		(left_out && pass_began_us >= look_again_us))
		partner_api_due_anything();
	else if (woken_for != DT_NOEND)
		come_due(woken_for);
}

/* A pass is about to commit: what is due next, and was something left out? */
void
partner_api_due_end_pass(TimestampTz now)
{
	int64		ended_us;

	if (ask_next)
		next_due = partner_api_next_due(now);
	ask_next = false;
	left_out = failed || !ask_all;
	failed = false;
	if (ask_all)
	{
		ended_us = partner_api_monotonic_us();
		look_again_us = ended_us +
			Max(LOOK_AGAIN_MS * INT64CONST(1000),
				(ended_us - pass_began_us) * LOOK_SHARE);
	}
	ask_all = false;
}

/* Milliseconds until everything is to be asked for; -1 if it has been. */
int64
partner_api_due_time_to_look_ms(void)
{
	if (!left_out)
		return -1;
	return Max(look_again_us - partner_api_monotonic_us(), 0) / 1000 + 1;
}
