/*-------------------------------------------------------------------------
 *
 * stalled.c
 *	  Actions of which nobody knows how long they will wait, and what calls
 *	  that wait for them are told.
 *
 * A paused server, paid calls that are switched off, a provider that is not
 * reached, or takes no more requests for hours: the action stays, the call
 * ends.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "owner.h"
#include "pauses.h"
#include "settings.h"
#include "stalled.h"

/* A call waits for a window that closes this soon. */
#define SOON_US (10 * USECS_PER_SEC)

/* The server does not take changes now: words for the call. */
static void
say_paused(PartnerApiAnswer *answer, const PartnerApiPause *pause)
{
	const char *server = NameStr(pause->server);

	answer->sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	answer->message = psprintf("server \"%s\" is paused", server);
	answer->detail =
		psprintf("Action " INT64_FORMAT " waits until it is resumed.  Reason of the pause: %s.",
				 answer->action_id,
				 pause->reason != NULL ? pause->reason : "none given");
	answer->hint =
		psprintf("Run partner_api.resume('%s'), or withdraw the action with partner_api.cancel_action(" INT64_FORMAT ").",
				 server, answer->action_id);
}

/* The same while nothing that costs money is sent. */
static void
say_switched_off(PartnerApiAnswer *answer)
{
	answer->sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	answer->message = pstrdup("paid calls are switched off");
	answer->detail =
		psprintf("The setting \"partner_api.paid_calls\" is off; action " INT64_FORMAT " waits until it is on.",
				 answer->action_id);
	answer->hint =
		psprintf("Withdraw the action with partner_api.cancel_action(" INT64_FORMAT ") if it is not to be sent then.",
				 answer->action_id);
}

/* The same while the provider is not reached. */
static void
say_not_reached(PartnerApiAnswer *answer, const char *server,
				const PartnerApiRefusal *refusal)
{
	answer->sqlstate = ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
	answer->message = psprintf("server \"%s\" is not reached", server);
	answer->detail =
		psprintf("%d requests in a row failed, the last with: %s.  Action " INT64_FORMAT " waits until it answers again.",
				 refusal->failures, refusal->last_error, answer->action_id);
	answer->hint =
		psprintf("See partner_api.server_health; withdraw the action with partner_api.cancel_action(" INT64_FORMAT ") if it is not to be sent then.",
				 answer->action_id);
}

/* The same while the requests of a window are used up. */
static void
say_used_up(PartnerApiAnswer *answer, const char *server,
			const PartnerApiRefusal *refusal)
{
	answer->sqlstate = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
	answer->message = psprintf("server \"%s\" takes no request now", server);
	answer->detail =
		psprintf("Its request_quota is used up.  Action " INT64_FORMAT " waits for the next window, in %d s.",
				 answer->action_id,
				 (int) (refusal->wait_us / USECS_PER_SEC) + 1);
	answer->hint =
		psprintf("See partner_api.server_health; withdraw the action with partner_api.cancel_action(" INT64_FORMAT ") if it is not to be sent then.",
				 answer->action_id);
}

/* Do limits keep an action of an account for so long?  Fills the answer. */
static bool
is_kept(const PartnerApiAccount *account, PartnerApiAnswer *answer)
{
	PartnerApiRefusal refusal;

	if (account->error != NULL ||
		partner_api_limits_room(&account->server->limits,
								PARTNER_API_ORDINARY, &refusal) > 0)
		return false;
	if (refusal.shut == PARTNER_API_SHUT_CIRCUIT)
		say_not_reached(answer, account->server_name, &refusal);
	else if (refusal.shut == PARTNER_API_SHUT_QUOTA &&
			 refusal.wait_us > SOON_US)
		say_used_up(answer, account->server_name, &refusal);
	else
		return false;
	return true;
}

/* May a limit keep an action for so long?  A look without the lock. */
static bool
any_is_shut(void)
{
	return partner_api_limits_any_open() || partner_api_limits_any_used_up();
}

/*
 * Is there no telling how long an action would wait, or only that it is long?
 * Fills the answer, which has the action's number.  role: NULL if it is gone.
 */
bool
partner_api_is_stalled(PartnerApiAccounts *accounts, const char *server,
					   PartnerApiKind kind, const char *role,
					   PartnerApiAnswer *answer)
{
	const PartnerApiPause *pause = partner_api_pause_of(server);

	if (pause != NULL)
		say_paused(answer, pause);
	else if (!partner_api_paid_calls && partner_api_kind_is_paid(kind))
		say_switched_off(answer);
	else
		return role != NULL && any_is_shut() &&
			is_kept(partner_api_account_get(accounts, server, role), answer);
	return true;
}

/*
 * What a call is told whose action waits for nobody knows how long; NULL if it
 * does not wait, or not for that.
 */
PartnerApiAnswer *
partner_api_answer_of_stalled(PartnerApiAccounts *accounts, int64 action_id)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"SELECT server, kind, requested_by FROM partner_api.pending_actions"
		" WHERE action_id = $1 AND state = 'waiting'", 1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);
	PartnerApiAnswer *answer;
	PartnerApiKind kind;

	if (!partner_api_pauses_any() && partner_api_paid_calls && !any_is_shut())
		return NULL;
	if (partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT) == 0 ||
		!partner_api_kind_parse(partner_api_field_text(0, 2), &kind))
		return NULL;
	answer = palloc0(sizeof(PartnerApiAnswer));
	answer->action_id = action_id;
	return partner_api_is_stalled(accounts, partner_api_field_text(0, 1), kind,
								  partner_api_field_text(0, 3), answer) ? answer : NULL;
}
