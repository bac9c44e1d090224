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
#define LAST_CHANCE (5 * USECS_PER_SEC)

/*
 * Tries after which an answer that is lost is a person's to settle, where no
 * deadline bounds them.
 */
#define MOST_LOST_ATTEMPTS 5

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

	if (claim->deadline != 0)
		delay = Min(delay, Max((claim->deadline - now) / 2, SHORTEST_RETRY));
	if (retry_after_ms > 0)
		delay = Max(delay, retry_after_ms * 1000);
	/* sent away until it is too late: try once more before that */
	if (claim->deadline != 0 && now + delay > claim->deadline - LAST_CHANCE)
		delay = Max(claim->deadline - LAST_CHANCE - now, SHORTEST_RETRY);
	return now + delay;
}

/*
 * A wrong or expired token is a definite no, but one that somebody can mend
 * in time: an action with a deadline keeps trying until then.
 */
static bool
worth_retrying(const PartnerApiClaim *claim, const PartnerApiVerdict *verdict)
{
	return verdict->kind == PARTNER_API_RETRY ||
		(verdict->reason == PARTNER_API_REASON_CREDENTIAL &&
		 claim->deadline != 0);
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
	if (claim->deadline == 0 && claim->attempts >= MOST_LOST_ATTEMPTS)
		return "the provider's list shows no effect of several requests";
	if (claim->kind != PARTNER_API_CREATE_INSTANCE)
		return NULL;			/* it names one instance */
	if (!server->name_nonce)
		return "the provider's list does not show the effect, but name_nonce is off";
	if (!list_shows_nonces)
		return "the provider's list does not show the effect, but is not known to show our nonces";
	return NULL;
}

/*
 * Is there no time, or no need, to look a second time?  These requests name
 * one instance and leave it as they leave it however often they come.
 */
static bool
repeat_at_once(const PartnerApiClaim *claim, const PartnerApiServer *server,
			   TimestampTz now)
{
	switch (claim->kind)
	{
		case PARTNER_API_UPDATE_SUBSCRIPTION:
		case PARTNER_API_DISCONNECT_INSTANCE:
			return true;
		case PARTNER_API_SIGN_INSTANCE:
			return claim->deadline != 0 &&
				claim->deadline - now <= 2 * server->list_lag;
		default:
			return false;
	}
}

/*
 * What becomes of an unknown action after a complete listing; last_look: the
 * list was read so late that it would show an effect.
 */
PartnerApiNextStep
partner_api_after_look(const PartnerApiClaim *claim,
					   PartnerApiFinding finding,
					   const PartnerApiServer *server,
					   bool list_shows_nonces, bool last_look,
					   TimestampTz now)
{
	PartnerApiNextStep next = {.run_at = now,.attempts = claim->attempts};

	next.looks = claim->looks + 1;
	if (finding == PARTNER_API_FINDING_EFFECT)
		next.state = "done";
	else if (finding == PARTNER_API_FINDING_NO_EFFECT &&
			 !last_look &&
			 !repeat_at_once(claim, server, now))
	{
		next.state = "unknown";
		next.run_at = now + Max(server->list_lag, SHORTEST_RETRY);
	}
	else if (finding == PARTNER_API_FINDING_NO_EFFECT &&
			 partner_api_why_not_again(claim, server,
									   list_shows_nonces) == NULL)
	{
		next.state = "waiting";
		next.run_at = retry_time(claim, -1, now);
	}
	else
		next.state = "needs_attention";
	return next;
}

/* A listing that could not be read whole proves nothing: look again. */
PartnerApiNextStep
partner_api_after_failed_look(const PartnerApiClaim *claim, TimestampTz now)
{
	PartnerApiNextStep next = {.state = "unknown",
		.attempts = claim->attempts,.looks = claim->looks
	};
	int			doublings = 1;
	int64		waited = now - claim->sent_at;

	/* the longer it has been unknown, the longer until the next look */
	while (doublings < 10 && (FIRST_BACKOFF << doublings) < waited)
		doublings++;
	next.run_at = now + backoff(doublings);
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
		case PARTNER_API_REASON_NOT_FOUND:
			return ERRCODE_UNDEFINED_OBJECT;
		case PARTNER_API_REASON_BUSY:
			return ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
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
		case PARTNER_API_REASON_NOT_FOUND:
			return "Run partner_api.sync_instances() to see what exists at the provider.";
		case PARTNER_API_REASON_BUSY:
			return "Lower max_concurrency of the server.";
		case PARTNER_API_REASON_PROTOCOL:
			return "Check the server's base_url: something other than the provider's API may be answering.";
		case PARTNER_API_REASON_REFUSED:
		case PARTNER_API_REASON_NONE:
			return NULL;
	}
	return NULL;
}
