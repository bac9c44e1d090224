/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  From a verdict to what becomes of the action: pure decisions.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "policy.h"
#include "utils/timestamp.h"

#define FIRST_BACKOFF (1 * USECS_PER_SEC)
#define LAST_BACKOFF (5 * USECS_PER_MINUTE)
#define SHORTEST_RETRY (1 * USECS_PER_SEC)

/*
 * Lost answers after which it is a person's to settle, where no deadline
 * bounds them.
 */
#define MOST_LOST_ANSWERS 5

/* The least time that a sign is sent again before its deadline. */
#define LEAST_MARGIN (1 * USECS_PER_MINUTE)

/* ---- after an attempt ---- */

/* Exponential, with half of it random so that many do not come together. */
static int64
backoff(int attempts)
{
	int			doublings = Min(Max(attempts - 1, 0), 10);
	int64		full = Min(FIRST_BACKOFF << doublings, LAST_BACKOFF);

	return full / 2 + (int64) pg_prng_uint64_range(&pg_global_prng_state, 0,
												   full / 2);
}

/*
 * When to try again: not before the provider allows it, and at least as often
 * as halves what is left until the deadline.
 */
static TimestampTz
retry_time(const PartnerApiClaim *claim, int64 retry_after_ms,
		   TimestampTz now)
{
	int64		delay = backoff(claim->attempts);
	TimestampTz last_chance = claim->deadline - PARTNER_API_LAST_CHANCE_US;

	/* "not yet" is no trouble: it is asked again as often as is wanted */
	if (partner_api_kind_traits(claim->kind)->asks && retry_after_ms > 0)
		return now + retry_after_ms * 1000;
	if (claim->deadline != 0)
		delay = Min(delay, Max((claim->deadline - now) / 2, SHORTEST_RETRY));
	if (retry_after_ms > 0)
		delay = Max(delay, retry_after_ms * 1000);
	/* sent away until it is too late: try once more before that */
	if (claim->deadline != 0 && now + delay > last_chance)
		delay = Max(last_chance - now, SHORTEST_RETRY);
	return now + delay;
}

/*
 * A wrong or expired token, or one without a permission, is a definite no, but
 * one that somebody can mend in time: an action with a deadline keeps trying
 * until then.
 */
static bool
worth_retrying(const PartnerApiClaim *claim, const PartnerApiVerdict *verdict)
{
	return verdict->kind == PARTNER_API_RETRY ||
		((verdict->reason == PARTNER_API_REASON_CREDENTIAL ||
		  verdict->reason == PARTNER_API_REASON_PERMISSION) &&
		 claim->deadline != 0);
}

/*
 * Does nobody have to know if an automatic action of this kind fails?  That an
 * instance is not ready in time is announced as such, and a delete goes on
 * without the disconnect before it.
 */
bool
partner_api_failure_is_harmless(PartnerApiKind kind)
{
	return kind == PARTNER_API_AWAIT_INSTANCE ||
		kind == PARTNER_API_DISCONNECT_INSTANCE;
}

/* What becomes of an action after a request was tried for it. */
PartnerApiNextStep
partner_api_after_attempt(const PartnerApiClaim *claim,
						  const PartnerApiVerdict *verdict, TimestampTz now)
{
	PartnerApiNextStep next = {.run_at = now,.attempts = claim->attempts};

	if (verdict->kind == PARTNER_API_DONE)
		next.state = "done";
	else if (verdict->kind == PARTNER_API_UNKNOWN)
		next.state = "unknown";
	else if (worth_retrying(claim, verdict))
	{
		next.state = "waiting";
		next.run_at = retry_time(claim, verdict->retry_after_ms, now);
	}
	else
		next.state = "failed";
	return next;
}

/* ---- after a look ---- */

/*
 * Would a listing under this claim show an effect?  Two complete listings
 * without it, spread over the time in which the provider may lag, prove that
 * there is none.  That time begins with the first look: when the request left,
 * and how long it was under way, nobody knows if the worker was stopped or has
 * ended.
 */
bool
partner_api_look_is_last(const PartnerApiClaim *claim)
{
	return claim->looks >= 1;
}

/*
 * Why the request may not be sent again although it is proved that it had no
 * effect, as a text for last_error; NULL if it may.  A create only where the
 * list is known to show what it would be found by, and nothing for ever.
 */
const char *
partner_api_why_not_again(const PartnerApiClaim *claim,
						  const PartnerApiServer *server,
						  bool list_shows_nonces)
{
	if (claim->deadline == 0 && claim->lost >= MOST_LOST_ANSWERS)
		return "the provider's list shows no effect of several requests";
	switch (partner_api_kind_traits(claim->kind)->repeat)
	{
		case PARTNER_API_REPEAT_NEVER:
			return "the provider's list does not show the effect, and nothing makes a second request safe";
		case PARTNER_API_REPEAT_FREELY:
		case PARTNER_API_REPEAT_PROVED:
			return NULL;		/* it names what it is about */
		case PARTNER_API_REPEAT_BY_NONCE:
			break;
	}
	if (!server->name_nonce)
		return "the provider's list does not show the effect, but name_nonce is off";
	if (!list_shows_nonces)
		return "the provider's list does not show the effect, but is not known to show our nonces";
	return NULL;
}

/* ---- unknown for longer than the deadline allows ---- */

/* Does the server prefer a repetition to a person?  Only these are asked. */
static bool
prefers_repeat(const PartnerApiClaim *claim, const PartnerApiServer *server)
{
	if (claim->kind == PARTNER_API_SIGN_INSTANCE)
		return server->repeats_unknown_sign;
	return server->repeats_unknown_create &&
		partner_api_kind_traits(claim->kind)->repeat ==
		PARTNER_API_REPEAT_BY_NONCE;
}

/*
 * Until when looking may settle an unknown action; then the server's policy
 * does.  A sign, and a create that may be repeated, are decided on while there
 * is still time for a request, the others at their deadline.  DT_NOEND: there
 * is none, looks go on.  server: NULL if it cannot be used.
 */
TimestampTz
partner_api_decide_by(const PartnerApiClaim *claim,
					  const PartnerApiServer *server)
{
	if (claim->deadline == 0)
		return DT_NOEND;
	if (server != NULL && (claim->kind == PARTNER_API_SIGN_INSTANCE ||
						   prefers_repeat(claim, server)))
		return claim->deadline - Max(2 * server->list_lag, LEAST_MARGIN);
	return claim->deadline;
}

/* Must it be decided now, while it can still be sent? */
static bool
time_is_short(const PartnerApiClaim *claim, const PartnerApiServer *server,
			  TimestampTz now)
{
	return now >= partner_api_decide_by(claim, server) &&
		now < claim->deadline;
}

/*
 * Must a look that begins now read the list without a filter?  Where a lack of
 * the effect leads to a second create, or takes an instance for gone.
 */
bool
partner_api_look_needs_whole(const PartnerApiClaim *claim,
							 const PartnerApiServer *server,
							 TimestampTz begun_at)
{
	const PartnerApiKindTraits *traits = partner_api_kind_traits(claim->kind);

	if (traits->list != PARTNER_API_LIST_INSTANCES)
		return !partner_api_list_is_narrow(traits->list) &&
			!partner_api_list_is_searched(traits->list);
	if (traits->creates)
		return partner_api_look_is_last(claim) ||
			time_is_short(claim, server, begun_at);
	return traits->absence;
}

/* What to do with an action whose effect a complete listing does not show. */
typedef enum Choice
{
	LOOK_AGAIN,
	SEND_AGAIN,
	ASK_A_PERSON
} Choice;

/*
 * The list does not show the effect, and was read too early to prove that
 * there is none.  Requests that name one instance, and leave it as they leave
 * it however often they come, need no proof.
 */
static Choice
choose_without_proof(const PartnerApiClaim *claim,
					 const PartnerApiEvidence *evidence,
					 const PartnerApiServer *server, TimestampTz now)
{
	if (claim->kind == PARTNER_API_SIGN_INSTANCE)
	{
		if (!time_is_short(claim, server, now))
			return LOOK_AGAIN;
		return prefers_repeat(claim, server) ? SEND_AGAIN : ASK_A_PERSON;
	}
	switch (partner_api_kind_traits(claim->kind)->repeat)
	{
		case PARTNER_API_REPEAT_FREELY:
			return SEND_AGAIN;
		case PARTNER_API_REPEAT_BY_NONCE:
			if (time_is_short(claim, server, now) && evidence->whole &&
				partner_api_why_not_again(claim, server,
										  evidence->shows_nonces) == NULL)
				return SEND_AGAIN;
			return LOOK_AGAIN;
		default:
			return LOOK_AGAIN;
	}
}

/* What becomes of it, given what a complete listing showed. */
static Choice
choose(const PartnerApiClaim *claim, const PartnerApiEvidence *evidence,
	   const PartnerApiServer *server, TimestampTz now)
{
	Choice		choice = SEND_AGAIN;

	if (evidence->finding == PARTNER_API_FINDING_CONTRADICTION)
		return ASK_A_PERSON;
	if (!evidence->last)
		choice = choose_without_proof(claim, evidence, server, now);
	if (choice == SEND_AGAIN &&
		(evidence->stranger ||
		 partner_api_why_not_again(claim, server,
								   evidence->shows_nonces) != NULL))
		return ASK_A_PERSON;
	return choice;
}

/*
 * When to look again after a complete listing: when the provider's list cannot
 * lag behind any more.  Where it must be decided before, there is a look for
 * that, which is no proof: the lag begins anew with it.
 */
static void
plan_look(const PartnerApiClaim *claim, const PartnerApiServer *server,
		  TimestampTz now, PartnerApiNextStep *next)
{
	TimestampTz decide_by = partner_api_decide_by(claim, server);

	next->state = "unknown";
	next->run_at = now + Max(server->list_lag, SHORTEST_RETRY);
	if (decide_by > now && decide_by < next->run_at &&
		decide_by < claim->deadline)
	{
		next->run_at = Max(decide_by, now + SHORTEST_RETRY);
		next->looks = claim->looks;
	}
}

/* When to look again after one that failed: in time for a decision. */
static TimestampTz
failed_look_time(const PartnerApiClaim *claim, const PartnerApiServer *server,
				 TimestampTz wanted, TimestampTz now)
{
	TimestampTz decide_by = partner_api_decide_by(claim, server);

	if (decide_by > now)
		wanted = Min(wanted, decide_by);
	else if (claim->deadline > now)
		wanted = Min(wanted, claim->deadline);
	return Max(wanted, now + SHORTEST_RETRY);
}

/* What becomes of an unknown action after a complete listing. */
PartnerApiNextStep
partner_api_after_look(const PartnerApiClaim *claim,
					   const PartnerApiEvidence *evidence,
					   const PartnerApiServer *server, TimestampTz now)
{
	PartnerApiNextStep next = {.run_at = now,.attempts = claim->attempts,
		.looks = claim->looks + 1
	};

	if (evidence->finding == PARTNER_API_FINDING_EFFECT)
	{
		next.state = "done";
		return next;
	}
	switch (choose(claim, evidence, server, now))
	{
		case LOOK_AGAIN:
			plan_look(claim, server, now, &next);
			break;
		case SEND_AGAIN:
			next.state = "waiting";
			next.run_at = retry_time(claim, -1, now);
			break;
		case ASK_A_PERSON:
			next.state = "needs_attention";
			break;
	}
	return next;
}

/*
 * A listing that could not be read whole proves nothing: look again.  When it
 * must be decided, a sign may be sent again, since it cannot subscribe a
 * second instance; anything else is a person's.  server: NULL if it cannot be
 * used.
 */
PartnerApiNextStep
partner_api_after_failed_look(const PartnerApiClaim *claim,
							  const PartnerApiServer *server, TimestampTz now)
{
	PartnerApiNextStep next = {.state = "unknown",.run_at = now,
		.attempts = claim->attempts,.looks = claim->looks
	};
	int			doublings = 1;
	int64		waited = now - claim->sent_at;

	if (server != NULL && claim->kind == PARTNER_API_SIGN_INSTANCE &&
		prefers_repeat(claim, server) && time_is_short(claim, server, now))
	{
		next.state = "waiting";
		next.run_at = retry_time(claim, -1, now);
		return next;
	}
	if (now >= partner_api_decide_by(claim, server) &&
		(now >= claim->deadline ||
		 !partner_api_kind_traits(claim->kind)->creates))
	{
		next.state = "needs_attention";
		return next;
	}
	/* the longer it has been unknown, the longer until the next look */
	while (doublings < 10 && (FIRST_BACKOFF << doublings) < waited)
		doublings++;
	next.run_at = failed_look_time(claim, server, now + backoff(doublings),
								   now);
	return next;
}

/* ---- what a caller is told ---- */

/* The SQLSTATE of an outcome that is not "done". */
int
partner_api_reason_sqlstate(PartnerApiReason reason)
{
	switch (reason)
	{
		case PARTNER_API_REASON_UNREACHABLE:
			return ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
		case PARTNER_API_REASON_LOST:
			return ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
		case PARTNER_API_REASON_CREDENTIAL:
			return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case PARTNER_API_REASON_PERMISSION:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case PARTNER_API_REASON_NOT_FOUND:
			return ERRCODE_UNDEFINED_OBJECT;
		case PARTNER_API_REASON_BUSY:
			return ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
		case PARTNER_API_REASON_NOT_READY:
			return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		case PARTNER_API_REASON_REFUSED:
		case PARTNER_API_REASON_NONE:
			return ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
		case PARTNER_API_REASON_PROTOCOL:
			return ERRCODE_FDW_ERROR;
	}
	return ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
}

/* What a person can do about it; NULL if nothing in general. */
const char *
partner_api_reason_hint(PartnerApiReason reason)
{
	switch (reason)
	{
		case PARTNER_API_REASON_UNREACHABLE:
			return "Check the server's base_url, ca_file and timeouts, and the network.";
		case PARTNER_API_REASON_LOST:
			return "The worker looks at the provider to find out; follow the action with partner_api.action_timeline().";
		case PARTNER_API_REASON_CREDENTIAL:
			return "Check the tokens of the user mapping (token, client_token) and the provider's allow-list of addresses.";
		case PARTNER_API_REASON_PERMISSION:
			return "Give the token this permission at the provider, or the user mapping another token; check the provider's allow-list of addresses.";
		case PARTNER_API_REASON_NOT_FOUND:
			return "Run partner_api.sync_instances(), sync_plans(), sync_customers() and so on to see what exists at the provider.";
		case PARTNER_API_REASON_BUSY:
			return "Lower max_concurrency of the server.";
		case PARTNER_API_REASON_NOT_READY:
			return "The worker tries again by itself.";
		case PARTNER_API_REASON_PROTOCOL:
			return "Check the server's base_url: something other than the provider's API may be answering.";
		case PARTNER_API_REASON_REFUSED:
		case PARTNER_API_REASON_NONE:
			return NULL;
	}
	return NULL;
}
