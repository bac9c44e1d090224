/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  How many requests a credential may start now: pure rules.
 *
 * Five things shut a gate: lanes (requests in flight), our own rate (a bucket
 * of tokens), a quota for a stretch of time (window.c), the provider's word
 * (Retry-After and the like), and a circuit that opens when the provider is
 * not reached any more.  Nothing here knows where a gate is kept, which clock
 * tells the time, or what a request is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gate.h"

#define US_PER_SECOND INT64CONST(1000000)

/* A read that takes the place of a probe lets the worker be first. */
#define PROBE_GRACE_US US_PER_SECOND

/* Nobody is sent away for longer than a day. */
#define MOST_HOLD_US (86400 * US_PER_SECOND)

/* Too many requests, but until when?  For so long, doubling so often. */
#define FIRST_BUSY_US US_PER_SECOND
#define MOST_BUSY_DOUBLINGS 6

/*
 * One lane and one token are kept for requests with a deadline, where there
 * is more than one.
 */
static bool
leaves_room(PartnerApiUrgency urgency)
{
	return urgency != PARTNER_API_URGENT &&
		urgency != PARTNER_API_LAST_CHANCE;
}

/* ---- rate ---- */

/* Count the tokens that have come since. */
static void
refill(PartnerApiGate *gate, const PartnerApiGateRules *rules, int64 now)
{
	if (gate->filled_at == 0)
		gate->tokens = rules->burst;
	else if (now > gate->filled_at)
		gate->tokens += rules->rate * (double) (now - gate->filled_at) /
			(double) US_PER_SECOND;
	gate->tokens = Min(gate->tokens, (double) rules->burst);
	gate->filled_at = now;
}

/* Tokens that are left to a request of this urgency. */
static double
tokens_left(const PartnerApiGate *gate, const PartnerApiGateRules *rules,
			PartnerApiUrgency urgency)
{
	return gate->tokens - (leaves_room(urgency) && rules->burst > 1 ? 1 : 0);
}

/* When it has a whole one. */
static int64
next_token_at(const PartnerApiGate *gate, const PartnerApiGateRules *rules,
			  PartnerApiUrgency urgency, int64 now)
{
	double		missing = 1.0 - tokens_left(gate, rules, urgency);
	double		wait = missing / rules->rate * (double) US_PER_SECOND;

	/* one more, so that a rounding error does not make us come too early */
	return now + (int64) Min(wait, (double) MOST_HOLD_US) + 1;
}

/* ---- asking ---- */

/*
 * May a probe start?  The worker's may when its time has come; a read that
 * finds nobody probing takes its place.
 */
static bool
may_probe(const PartnerApiGate *gate, PartnerApiUrgency urgency, int64 now)
{
	if (gate->circuit != PARTNER_API_CIRCUIT_OPEN)
		return false;
	if (urgency == PARTNER_API_PROBE)
		return true;
	return leaves_room(urgency) && now >= gate->probe_at + PROBE_GRACE_US;
}

/* Lanes that are left to a request of this urgency. */
static int
lanes_left(const PartnerApiGate *gate, const PartnerApiGateRules *rules,
		   PartnerApiUrgency urgency)
{
	int			lanes = rules->lanes;

	if (lanes > 1 && leaves_room(urgency))
		lanes--;
	return Max(lanes - gate->in_flight, 0);
}

/* Requests of this urgency that the window still takes. */
static int
quota_left(const PartnerApiGate *gate, const PartnerApiGateRules *rules,
		   PartnerApiUrgency urgency, int64 now)
{
	return partner_api_window_room(&gate->window, &rules->window,
								   urgency == PARTNER_API_POLL, now);
}

/* Is it shut by what only time ends?  Sets when that is. */
static PartnerApiShut
shut_for_a_time(const PartnerApiGate *gate, const PartnerApiGateRules *rules,
				PartnerApiUrgency urgency, int64 now, int64 *opens_at)
{
	if (now < gate->held_until)
	{
		*opens_at = gate->held_until;
		return gate->held_by;
	}
	if (rules->rate > 0 && tokens_left(gate, rules, urgency) < 1.0)
	{
		*opens_at = next_token_at(gate, rules, urgency, now);
		return PARTNER_API_SHUT_RATE;
	}
	if (quota_left(gate, rules, urgency, now) == 0)
	{
		*opens_at = rules->window.length_us +
			(partner_api_window_is_open(&gate->window,
										rules->window.length_us, now) ?
			 gate->window.opened_at : now);
		return partner_api_window_is_used_up(&gate->window, &rules->window,
											 now) ?
			PARTNER_API_SHUT_QUOTA : PARTNER_API_SHUT_POLLS;
	}
	return PARTNER_API_NOT_SHUT;
}

/*
 * How many requests of an urgency may start now.  If none may, *shut says why,
 * and *opens_at when that changes; 0: when a request or a probe ends.
 */
int
partner_api_gate_room(PartnerApiGate *gate, const PartnerApiGateRules *rules,
					  PartnerApiUrgency urgency, int64 now,
					  PartnerApiShut *shut, int64 *opens_at)
{
	int			lanes = lanes_left(gate, rules, urgency);

	*shut = PARTNER_API_NOT_SHUT;
	*opens_at = 0;
	if (rules->rate > 0)
		refill(gate, rules, now);
	if (may_probe(gate, urgency, now))
		return 1;
	if (urgency != PARTNER_API_LAST_CHANCE)
	{
		if (gate->circuit != PARTNER_API_CIRCUIT_CLOSED)
			*shut = PARTNER_API_SHUT_CIRCUIT;
		else
			*shut = shut_for_a_time(gate, rules, urgency, now, opens_at);
		if (*shut != PARTNER_API_NOT_SHUT)
			return 0;
		if (rules->rate > 0)
			lanes = Min(lanes, (int) tokens_left(gate, rules, urgency));
		lanes = Min(lanes, quota_left(gate, rules, urgency, now));
	}
	if (lanes == 0)
		*shut = PARTNER_API_SHUT_LANES;
	return lanes;
}

/*
 * How many more requests for polling may go out before the window closes; none
 * while the provider wants to be left alone.
 */
int
partner_api_gate_polls_left(const PartnerApiGate *gate,
							const PartnerApiGateRules *rules, int64 now)
{
	return now < gate->held_until ? 0 :
		quota_left(gate, rules, PARTNER_API_POLL, now);
}

/* ---- coming and going ---- */

/* A request starts, for which there was room. */
void
partner_api_gate_enter(PartnerApiGate *gate, const PartnerApiGateRules *rules,
					   PartnerApiUrgency urgency, int64 now)
{
	gate->in_flight++;
	partner_api_gate_again(gate, rules, urgency, now);
	if (gate->circuit == PARTNER_API_CIRCUIT_OPEN &&
		urgency != PARTNER_API_LAST_CHANCE)
		gate->circuit = PARTNER_API_CIRCUIT_PROBING;
}

/*
 * One more request in the same lane, such as the next page of a list.  It
 * is not delayed: a list in pieces would change while it is read.  What it
 * takes of the rate is owed.
 */
void
partner_api_gate_again(PartnerApiGate *gate, const PartnerApiGateRules *rules,
					   PartnerApiUrgency urgency, int64 now)
{
	if (rules->rate > 0)
		gate->tokens -= 1.0;
	partner_api_window_count(&gate->window, &rules->window,
							 urgency == PARTNER_API_POLL, now);
}

/* A request that has entered was not sent after all. */
void
partner_api_gate_back_out(PartnerApiGate *gate,
						  const PartnerApiGateRules *rules,
						  PartnerApiUrgency urgency, bool probe, int64 now)
{
	gate->in_flight--;
	partner_api_window_uncount(&gate->window, urgency == PARTNER_API_POLL);
	if (rules->rate > 0)
		gate->tokens = Min(gate->tokens + 1.0, (double) rules->burst);
	if (probe && gate->circuit == PARTNER_API_CIRCUIT_PROBING)
	{
		gate->circuit = PARTNER_API_CIRCUIT_OPEN;
		gate->probe_at = now;
	}
}

/* A request has ended. */
void
partner_api_gate_leave(PartnerApiGate *gate)
{
	gate->in_flight--;
}

/* ---- learning ---- */

/* The provider was not reached. */
static void
count_failure(PartnerApiGate *gate, const PartnerApiGateRules *rules,
			  bool probe, int64 now)
{
	gate->failures++;
	if (gate->circuit == PARTNER_API_CIRCUIT_CLOSED ?
		(rules->circuit_failures > 0 &&
		 gate->failures >= rules->circuit_failures) : probe)
	{
		gate->circuit = PARTNER_API_CIRCUIT_OPEN;
		gate->probe_at = now + rules->circuit_pause_us;
	}
}

/*
 * Stay away for as long as the provider asked; if it did not say for how
 * long, for longer each time.  Answers to what was sent together count as one.
 */
static void
take_hold(PartnerApiGate *gate, const PartnerApiGateNews *news, int64 now)
{
	int64		hold_us = Min(news->hold_us, MOST_HOLD_US);

	if (news->hold == PARTNER_API_NOT_SHUT)
	{
		gate->busy = news->reached ? 0 : gate->busy;
		return;
	}
	if (news->hold == PARTNER_API_SHUT_BUSY)
	{
		if (now < gate->held_until)
			return;
		hold_us = FIRST_BUSY_US << Min(gate->busy, MOST_BUSY_DOUBLINGS);
		gate->busy++;
	}
	if (now + hold_us > gate->held_until)
	{
		gate->held_until = now + hold_us;
		gate->held_by = news->hold;
	}
}

/*
 * Take in what a request has told; "probe": it was the one that was to find
 * out.  Returns whether the circuit has opened or closed by it.
 */
bool
partner_api_gate_learn(PartnerApiGate *gate, const PartnerApiGateRules *rules,
					   const PartnerApiGateNews *news, bool probe, int64 now)
{
	bool		was_closed = gate->circuit == PARTNER_API_CIRCUIT_CLOSED;
	bool		is_closed;

	take_hold(gate, news, now);
	if (news->reached)
	{
		gate->failures = 0;
		gate->circuit = PARTNER_API_CIRCUIT_CLOSED;
	}
	else if (news->unreached)
		count_failure(gate, rules, probe, now);
	else if (probe && gate->circuit == PARTNER_API_CIRCUIT_PROBING)
	{
		/* given up: the next one in its time */
		gate->circuit = PARTNER_API_CIRCUIT_OPEN;
		gate->probe_at = now + rules->circuit_pause_us;
	}
	is_closed = gate->circuit == PARTNER_API_CIRCUIT_CLOSED;
	return was_closed != is_closed;
}

/* Let time pass that nobody has waited for; see partner_api_limits_turn(). */
void
partner_api_gate_turn(PartnerApiGate *gate, int64 ahead)
{
	gate->held_until -= ahead;
	gate->probe_at -= ahead;
	gate->window.opened_at -= ahead;
	if (gate->filled_at != 0)
		gate->filled_at -= ahead;
}
