/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  What the worker may send now.
 *
 * A claim is made of what can be sent at once, so that a crash leaves few
 * unknowns.  Claims go by server, limits by credential, which is known when
 * the account is loaded.  Nearly always a server has one credential: then as
 * many are claimed as that has room for.  Where the worker has met several,
 * it claims for each of them, by the roles that use it; what belongs to a
 * credential without room is put back in the same transaction, and its role
 * is remembered.  So the backlog of one token never hides that of another.
 *
 * Looks are reads: they have their own number, and share lanes and rate.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "admission.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "credentials.h"
#include "due.h"
#include "identity.h"
#include "miscadmin.h"
#include "owner.h"
#include "pauses.h"
#include "policy.h"
#include "settings.h"
#include "settle.h"
#include "spend.h"
#include "stalled.h"
#include "unwritten.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A look that finds no lane free is tried again after this. */
#define LOOK_PAUSE_US USECS_PER_SEC
/* And one that finds its provider shut, after this at the latest. */
#define LAST_LOOK_PAUSE_US USECS_PER_MINUTE
/* Actions of unknown credentials that are claimed together. */
#define DISCOVERED_AT_ONCE 4
/* How often that is done for a server in one pass. */
#define MOST_DISCOVERIES 16

/* The pass that is running. */
static struct
{
	PartnerApiAccounts *accounts;
	MemoryContext claims;		/* parent of new claims */
	TimestampTz now;
	int			connections;	/* left */
	bool		safety;			/* look at everything */
	int64		opens_at;		/* monotonic; 0: no limit ends by itself */
	bool		shut;			/* a credential was, for a time */
	int			held_back;		/* claims that were admitted but not sent */
	List	   *answers;		/* for calls that wait for these */
}			pass;

/* Note when a limit ends that something may be waiting for. */
static void
note_refusal(const PartnerApiRefusal *refusal)
{
	int64		opens_at = partner_api_monotonic_us() + refusal->wait_us;

	if (refusal->shut == PARTNER_API_SHUT_LANES)
		return;
	pass.shut = true;
	if (refusal->wait_us > 0 &&
		(pass.opens_at == 0 || opens_at < pass.opens_at))
		pass.opens_at = opens_at;
}

/* When, by the monotonic clock, a limit ends; 0 if none does by itself. */
int64
partner_api_admission_opens_at(void)
{
	return pass.opens_at;
}

/* See partner_api_admission_end(). */
static TimestampTz last_chance = DT_NOEND;

/*
 * Begin a pass.  Transfers that it admits have their claims below "claims";
 * safety: nothing that was remembered is relied upon.
 */
void
partner_api_admission_begin(PartnerApiAccounts *accounts, MemoryContext claims,
							TimestampTz now, int connections, bool safety)
{
	static bool paid_calls = true;

	pass.accounts = accounts;
	pass.claims = claims;
	pass.now = now;
	pass.connections = connections;
	pass.safety = safety;
	pass.opens_at = 0;
	pass.shut = false;
	pass.answers = NIL;
	partner_api_pauses_refresh(safety);
	partner_api_credentials_refresh(safety);
	if (paid_calls != partner_api_paid_calls)
		partner_api_due_anything();
	paid_calls = partner_api_paid_calls;
}

/* ---- admitting claims ---- */

/* Is the queue of a credential held, since that is refused? */
static bool
is_refused(const PartnerApiLimits *limits, PartnerApiUrgency urgency,
		   PartnerApiRefusal *refusal)
{
	return urgency != PARTNER_API_LAST_CHANCE &&
		partner_api_limits_unrefused(limits, 1, refusal) == 0;
}

/*
 * A claim as a transfer that has its place; NULL if there is none.  What
 * somebody waits for is told by the provider that its token is refused.
 */
static PartnerApiTransfer *
admit(PartnerApiClaim *claim, bool is_call, PartnerApiUrgency urgency,
	  PartnerApiRefusal *refusal)
{
	PartnerApiTransfer *transfer;
	const PartnerApiAccount *account;

	partner_api_identity_require(claim->nonce);
	transfer = partner_api_transfer_prepare(pass.accounts, claim);
	account = transfer->account;
	if (account->error == NULL)
	{
		const PartnerApiLimits *limits = &account->server->limits;

		partner_api_credential_remember(account);
		if ((!is_call && is_refused(limits, urgency, refusal)) ||
			!partner_api_limits_enter(limits, urgency, &transfer->permit,
									  refusal))
		{
			note_refusal(refusal);
			return NULL;
		}
	}
	pass.connections--;
	return transfer;
}

/* Free claims that are not to be sent, and the places that they have. */
static void
free_claims(const List *claims)
{
	ListCell   *lc;

	foreach(lc, claims)
		MemoryContextDelete(((PartnerApiClaim *) lfirst(lc))->context);
}

/* The claims of transfers. */
static List *
claims_of(const List *transfers)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, transfers)
		claims = lappend(claims, ((PartnerApiTransfer *) lfirst(lc))->claim);
	return claims;
}

/* Claims for which there is no place wait as before. */
static void
put_back(const List *claims)
{
	ListCell   *lc;

	foreach(lc, claims)
	{
		const PartnerApiClaim *claim = lfirst(lc);

		partner_api_due_put_back(claim->server, claim->deadline != 0);
	}
	partner_api_claims_put_back(claims);
	free_claims(claims);
}

/* What the spend guard lets through of these transfers. */
static List *
guard(List *transfers)
{
	List	   *sent = partner_api_spend_admit(transfers, pass.now,
											   &pass.answers);

	if (list_length(sent) < list_length(transfers))
	{
		List	   *held = list_difference_ptr(transfers, sent);

		pass.held_back += list_length(held);
		pass.connections += list_length(held);
		free_claims(claims_of(held));
	}
	return sent;
}

/*
 * Admit claims; those for which there is no place are put back, and what the
 * spend guard does not let through is held.
 */
static List *
admit_all(const List *claims, PartnerApiUrgency urgency)
{
	PartnerApiRefusal refusal;
	List	   *transfers = NIL;
	List	   *rejected = NIL;
	ListCell   *lc;

	foreach(lc, claims)
	{
		PartnerApiTransfer *transfer = admit(lfirst(lc), false, urgency,
											 &refusal);

		if (transfer != NULL)
			transfers = lappend(transfers, transfer);
		else
			rejected = lappend(rejected, lfirst(lc));
	}
	put_back(rejected);
	transfers = guard(transfers);
	partner_api_settle_jumped_signs(claims_of(transfers), pass.now);
	return transfers;
}

/* ---- due actions ---- */

/* What is to be claimed of a server, as far as all cases agree. */
static PartnerApiClaimScope
scope_of(const char *server, bool with_deadline)
{
	PartnerApiClaimScope scope = {.server = server,.now = pass.now,
		.with_deadline = with_deadline,.latest_deadline = DT_NOEND,
		.paid = partner_api_paid_calls
	};

	return scope;
}

/*
 * Room at a credential for actions with or without a deadline.  One that is
 * shut for a time still lets through what would be too late otherwise.
 */
static int
room_for(const PartnerApiKnown *credential, PartnerApiClaimScope *scope,
		 PartnerApiUrgency *urgency)
{
	PartnerApiRefusal refusal;
	int			room;

	*urgency = scope->with_deadline ? PARTNER_API_URGENT :
		PARTNER_API_ORDINARY;
	room = partner_api_limits_room(&credential->limits, *urgency, &refusal);
	if (room > 0)
		room = partner_api_limits_unrefused(&credential->limits, room,
											&refusal);
	if (room > 0)
		return room;
	note_refusal(&refusal);
	if (!scope->with_deadline || refusal.shut == PARTNER_API_SHUT_LANES)
		return 0;
	*urgency = PARTNER_API_LAST_CHANCE;
	scope->latest_deadline = pass.now + PARTNER_API_LAST_CHANCE_US;
	return partner_api_limits_room(&credential->limits, *urgency, &refusal);
}

/*
 * Claim up to a limit; what is held in its turn makes place for others.
 * Returns whether that was all that is due.
 */
static bool
claim_in_scope(PartnerApiClaimScope *scope, PartnerApiUrgency urgency,
			   List **transfers)
{
	List	   *claims;
	List	   *admitted;

	do
	{
		pass.held_back = 0;
		claims = partner_api_due_claim(pass.claims, scope);
		if (list_length(claims) < scope->limit)
		{
			*transfers = list_concat(*transfers, admit_all(claims, urgency));
			return true;
		}
		admitted = admit_all(claims, urgency);
		scope->limit -= list_length(admitted);
		*transfers = list_concat(*transfers, admitted);
	} while (pass.held_back > 0 && scope->limit > 0);
	return false;
}

/*
 * Claim what a credential has room for; by its roles, unless it is the only
 * one.  Returns whether all that is due was claimed.
 */
static bool
claim_for(PartnerApiKnown *credential, bool only,
		  PartnerApiClaimScope *scope, List **transfers)
{
	PartnerApiUrgency urgency;
	PartnerApiRefusal refusal;
	int			room = room_for(credential, scope, &urgency);

	scope->limit = Min(room - partner_api_unwritten_count(scope->server),
					   pass.connections);
	if (scope->limit <= 0)
		return false;
	if (!only)
	{
		scope->roles = partner_api_credential_roles(list_make1(credential));
		scope->roles_only = true;
	}
	if (claim_in_scope(scope, urgency, transfers))
		return urgency != PARTNER_API_LAST_CHANCE;
	if (partner_api_limits_room(&credential->limits, urgency, &refusal) == 0)
		note_refusal(&refusal);
	return false;
}

/*
 * Claim a few actions of roles whose credential is not known.  Returns whether
 * there were any.
 */
static bool
discover(const List *credentials, PartnerApiClaimScope scope,
		 List **transfers)
{
	List	   *claims;

	scope.limit = Min(DISCOVERED_AT_ONCE, pass.connections);
	if (credentials != NIL)
		scope.roles = partner_api_credential_roles(credentials);
	claims = partner_api_due_claim(pass.claims, &scope);
	*transfers = list_concat(*transfers,
							 admit_all(claims, scope.with_deadline ?
									   PARTNER_API_URGENT :
									   PARTNER_API_ORDINARY));
	return claims != NIL;
}

/* Claim what a server can take of the actions with, or without, a deadline. */
static List *
admit_class(const char *server, bool with_deadline)
{
	PartnerApiClaimScope scope = scope_of(server, with_deadline);
	List	   *credentials = partner_api_credentials_of(server);
	List	   *transfers = NIL;
	bool		all = true;
	ListCell   *lc;

	if (!partner_api_due_may_be(server, with_deadline))
		return NIL;
	if (credentials == NIL)
	{
		if (!discover(NIL, scope, &transfers))
			return NIL;
		credentials = partner_api_credentials_of(server);
	}
	foreach(lc, credentials)
	{
		PartnerApiClaimScope own = scope;

		all &= claim_for(lfirst(lc), list_length(credentials) == 1, &own,
						 &transfers);
	}
	/* past a backlog, those of new roles are looked for now and then only */
	if (pass.safety || (all && list_length(credentials) > 1))
	{
		for (int i = 0; i < MOST_DISCOVERIES; i++)
		{
			if (!discover(partner_api_credentials_of(server), scope,
						  &transfers))
				break;
		}
	}
	if (all && list_length(partner_api_credentials_of(server)) ==
		list_length(credentials))
		partner_api_due_exhausted(server, with_deadline, pass.now);
	return transfers;
}

/* Claim what a server can take, deadlines first; returns transfers. */
List *
partner_api_admit_due(const char *server)
{
	List	   *transfers;

	if (partner_api_pause_of(server) != NULL)
		return NIL;
	transfers = admit_class(server, true);
	return list_concat(transfers, admit_class(server, false));
}

/*
 * End a pass.  While a credential is shut for a time, find out when the next
 * action is let through because it would be too late otherwise.
 */
void
partner_api_admission_end(void)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"SELECT deadline FROM partner_api.pending_actions"
		" WHERE state IN ('waiting', 'held') AND deadline > $1"
		" ORDER BY deadline LIMIT 1", 1, types, NULL
	};
	Datum		value;
	bool		isnull;

	last_chance = DT_NOEND;
	if (!pass.shut)
		return;
	value = TimestampTzGetDatum(pass.now + PARTNER_API_LAST_CHANCE_US);
	if (partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT) > 0)
		last_chance = DatumGetTimestampTz(partner_api_field(0, 1, &isnull)) -
			PARTNER_API_LAST_CHANCE_US;
}

/* When that is, by our clock; DT_NOEND: never. */
TimestampTz
partner_api_admission_last_chance(void)
{
	return last_chance;
}

/* ---- looks ---- */

/* When a look that was refused is due again. */
static TimestampTz
look_again_at(const PartnerApiRefusal *refusal)
{
	int64		wait_us = Max(refusal->wait_us, LOOK_PAUSE_US);

	if (refusal->shut == PARTNER_API_SHUT_CIRCUIT)
		wait_us = Max(refusal->probe_in_us, LOOK_PAUSE_US);
	return pass.now + Min(wait_us, LAST_LOOK_PAUSE_US);
}

/* All claims that a look is about: its own and those that share its list. */
static List *
claims_of_look(const PartnerApiTransfer *look)
{
	List	   *claims = list_make1(look->claim);
	ListCell   *lc;

	foreach(lc, look->companions)
		claims = lappend(claims, ((PartnerApiTransfer *) lfirst(lc))->claim);
	return claims;
}

/* May a look begin?  It is urgent if any of its actions has a deadline. */
static bool
admit_look(PartnerApiTransfer *look, const List *claims,
		   PartnerApiRefusal *refusal)
{
	PartnerApiUrgency urgency = PARTNER_API_ORDINARY;
	const PartnerApiAccount *account = look->account;
	ListCell   *lc;

	foreach(lc, claims)
	{
		const PartnerApiClaim *claim = lfirst(lc);

		partner_api_identity_require(claim->nonce);
		if (claim->deadline != 0)
			urgency = PARTNER_API_URGENT;
	}
	return account->error != NULL ||
		partner_api_limits_enter(&account->server->limits, urgency,
								 &look->permit, refusal);
}

/* Claim looks that are due, as many as may begin; returns transfers. */
List *
partner_api_admit_looks(int most)
{
	List	   *looks = partner_api_looks_claim(pass.accounts, pass.claims,
												pass.now,
												Min(most, pass.connections));
	List	   *transfers = NIL;
	ListCell   *lc;

	foreach(lc, looks)
	{
		PartnerApiTransfer *look = lfirst(lc);
		List	   *claims = claims_of_look(look);
		PartnerApiRefusal refusal;

		if (admit_look(look, claims, &refusal))
			transfers = lappend(transfers, look);
		else
		{
			TimestampTz until = look_again_at(&refusal);

			partner_api_looks_put_back(claims, until);
			partner_api_due_at(until, pass.now);
			free_claims(claims);
		}
	}
	return transfers;
}

/* ---- waiting calls ---- */

/* What becomes of a waiting call's request in this pass. */
PartnerApiCallChance
partner_api_admission_chance(const PartnerApiNewAction *action)
{
	PartnerApiAnswer answer = {0};
	PartnerApiRefusal refusal;
	const PartnerApiAccount *account;
	const char *role = GetUserNameFromId(action->role, true);

	if (!partner_api_server_exists(action->server) || role == NULL)
		return PARTNER_API_CALL_GOES;	/* and fails with what is wrong */
	if (partner_api_is_stalled(pass.accounts, action->server, action->kind,
							   role, &answer))
		return PARTNER_API_CALL_STALLED;
	account = partner_api_account_get(pass.accounts, action->server, role);
	if (account->error != NULL)
		return PARTNER_API_CALL_GOES;
	if (partner_api_limits_room(&account->server->limits,
								PARTNER_API_ORDINARY, &refusal) == 0)
	{
		note_refusal(&refusal);
		return PARTNER_API_CALL_WAITS;
	}
	return pass.connections > 0 &&
		partner_api_unwritten_count(action->server) <
		account->server->limits.rules.lanes ?
		PARTNER_API_CALL_GOES : PARTNER_API_CALL_WAITS;
}

/*
 * Admit the claim of a waiting call; raises ERROR if the spend guard refuses
 * it.  NULL: with an answer, it was only shown; without, another process has
 * taken the place that there was, and the action waits in the queue.
 */
PartnerApiTransfer *
partner_api_admit_call(PartnerApiClaim *claim, PartnerApiAnswer **answer)
{
	PartnerApiRefusal refusal;
	PartnerApiTransfer *transfer = admit(claim, true, PARTNER_API_ORDINARY,
										 &refusal);

	*answer = NULL;
	if (transfer == NULL)
	{
		put_back(list_make1(claim));
		return NULL;
	}
	*answer = partner_api_spend_admit_call(transfer, pass.now);
	if (*answer != NULL)
	{
		pass.connections++;
		free_claims(list_make1(claim));
		return NULL;
	}
	partner_api_settle_jumped_signs(list_make1(claim), pass.now);
	return transfer;
}

/*
 * What calls are to be told whose actions are held, or were only shown, since
 * this was last asked.
 */
List *
partner_api_admission_answers(void)
{
	List	   *answers = pass.answers;

	pass.answers = NIL;
	return answers;
}
