/*-------------------------------------------------------------------------
 *
 * circuits.c
 *	  What the worker does about providers that are not reached.
 *
 * When a circuit opens or closes, it says so, as it does when the requests of
 * a window are used up.  While a circuit is open, a probe asks now and then:
 * one page of the list with one row, which costs nothing and changes nothing,
 * since a create whose answer is lost would be one more unknown outcome.  When
 * it closes, what waits only for the pause after a failure falls due, so that
 * the end of an outage is used at once.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "catalog/pg_type.h"
#include "circuits.h"
#include "due.h"
#include "foreign/foreign.h"
#include "limits_shared.h"
#include "miscadmin.h"
#include "owner.h"
#include "settings.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* One probe; everything of it lives in its context. */
typedef struct Probe
{
	MemoryContext context;
	PartnerApiAccount *account;
	PartnerApiPermit permit;
	bool		running;
} Probe;

static List *probes = NIL;		/* of Probe *; in TopMemoryContext */
static int64 next_at = 0;		/* monotonic; 0: none is wanted */

/* ---- opening and closing ---- */

/*
 * Let fall due what waits only because the server was not reached: requests
 * that were not sent, and looks that brought nothing.  What has been claimed
 * since its last attempt, under a newer lease, is on the wire; what was never
 * claimed has no attempts to be looked up.
 */
static void
hurry(const char *server, TimestampTz now)
{
	static const Oid types[] = {NAMEOID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.pending_actions p SET run_at = $2"
		" WHERE p.action_id IN ("
		"  SELECT q.action_id FROM partner_api.pending_actions q"
		"   CROSS JOIN LATERAL ("
		"    SELECT a.verdict, a.http_status, a.lease"
		"      FROM partner_api.action_attempts a"
		"     WHERE a.action_id = q.action_id"
		"     ORDER BY a.lease DESC LIMIT 1) a"
		"   WHERE q.server = $1 AND q.run_at > $2"
		"     AND q.lease > 0 AND q.lease = a.lease"
		"     AND (q.state = 'waiting' AND a.verdict = 'retry'"
		"          OR q.state = 'unknown' AND a.verdict = 'unknown')"
		"     AND (a.http_status IS NULL OR a.http_status IN (502, 503, 504))"
		"   FOR UPDATE OF q SKIP LOCKED)", 2, types, NULL
	};
	NameData	name;
	Datum		values[2];

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = TimestampTzGetDatum(now);
	partner_api_execute(&statement, values, NULL, SPI_OK_UPDATE);
	partner_api_due_anything();
}

/* What the work of announcing needs. */
typedef struct Announcement
{
	const PartnerApiTransition *transition;
	TimestampTz now;
} Announcement;

/* Work for partner_api_try(): say what has changed. */
static void
announce(void *arg)
{
	const Announcement *announcement = arg;
	const PartnerApiTransition *transition = announcement->transition;
	ForeignServer *server = GetForeignServerExtended(transition->server,
													 FSV_MISSING_OK);
	TimestampTz until = announcement->now + transition->wait_us;

	if (server == NULL)
		return;
	switch (transition->change)
	{
		case PARTNER_API_CIRCUIT_HAS_OPENED:
			partner_api_announce(WARNING, "circuit_open", server->servername,
								 0, NULL,
								 psprintf("does not reach server \"%s\": %d requests in a row failed, the last with: %s",
										  server->servername,
										  transition->failures,
										  transition->last_error));
			break;
		case PARTNER_API_CIRCUIT_HAS_CLOSED:
			partner_api_announce(LOG, "circuit_closed", server->servername, 0,
								 NULL, psprintf("reaches server \"%s\" again",
												server->servername));
			hurry(server->servername, announcement->now);
			break;
		case PARTNER_API_QUOTA_USED_UP:
			partner_api_announce(WARNING, "quota_used_up", server->servername,
								 0, NULL,
								 psprintf("has used up the %d requests of server \"%s\"; what is due waits until %s",
										  transition->quota,
										  server->servername,
										  timestamptz_to_str(until)));
			break;
	}
}

/* ---- probes ---- */

/* Forget a probe, and give up its request. */
static void
drop_probe(Probe *probe)
{
	partner_api_limits_leave(&probe->permit, NULL);
	probes = list_delete_ptr(probes, probe);
	MemoryContextDelete(probe->context);
}

/* The account that a probe is sent with; NULL if there is none any more. */
static PartnerApiAccount *
account_of(PartnerApiAccounts *accounts, MemoryContext user,
		   const PartnerApiProbeDue *due)
{
	ForeignServer *server = GetForeignServerExtended(due->key.server,
													 FSV_MISSING_OK);
	char	   *role = GetUserNameFromId(due->role, true);
	PartnerApiAccount *account;

	if (server == NULL || role == NULL)
		return NULL;
	account = partner_api_account_use(accounts, user, server->servername,
									  role);
	if (account->error != NULL ||
		account->server->limits.key.token != due->key.token)
		return NULL;
	return account;
}

/* Make a probe ready, in a transaction. */
static void
prepare_probe(PartnerApiAccounts *accounts, const PartnerApiProbeDue *due)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "partner_api probe",
												  ALLOCSET_SMALL_SIZES);
	Probe	   *probe = MemoryContextAllocZero(context, sizeof(Probe));
	PartnerApiRefusal refusal;
	MemoryContext before;

	probe->context = context;
	probe->account = account_of(accounts, context, due);
	if (probe->account == NULL)
		partner_api_limits_forget_circuit(&due->key);
	if (probe->account == NULL ||
		!partner_api_limits_enter(&probe->account->server->limits,
								  PARTNER_API_PROBE, &probe->permit, &refusal))
	{
		MemoryContextDelete(context);
		return;
	}
	before = MemoryContextSwitchTo(TopMemoryContext);
	probes = lappend(probes, probe);
	MemoryContextSwitchTo(before);
}

/* Ask for one row of the list, in the probe's context. */
static void
send_probe(PartnerApiHttp *http, Probe *probe)
{
	const PartnerApiServer *server = probe->account->server;
	PartnerApiFilter filter = {.list = server->provider->main_list,
		.page_size = 1
	};
	PartnerApiRequest request = {0};

	MemoryContextSwitchTo(probe->context);
	server->provider->build_list(&filter, 1, &server->credential, &request);
	partner_api_http_start(http, probe->context, &server->endpoint, &request,
						   false, probe);
	probe->running = true;
}

/*
 * Put the probes that are ready on the wire; no transaction is open.  One that
 * cannot be sent is given up, and the next one comes in its time.
 */
void
partner_api_probes_start(PartnerApiHttp *http)
{
	MemoryContext before = CurrentMemoryContext;
	List	   *all = list_copy(probes);
	ListCell   *lc;

	foreach(lc, all)
	{
		Probe	   *probe = lfirst(lc);

		if (probe->running)
			continue;
		PG_TRY();
		{
			send_probe(http, probe);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(before);
			FlushErrorState();
			drop_probe(probe);
		}
		PG_END_TRY();
		MemoryContextSwitchTo(before);
	}
	list_free(all);
}

/* Probes on the wire. */
int
partner_api_probes_running(void)
{
	return list_length(probes);
}

/* A finished call: false if it is no probe's. */
bool
partner_api_probe_finish(PartnerApiCall *call)
{
	Probe	   *probe = partner_api_call_arg(call);

	if (!list_member_ptr(probes, probe))
		return false;
	partner_api_limits_leave(&probe->permit, partner_api_call_response(call));
	drop_probe(probe);
	return true;
}

/* When the next probe is due, by the monotonic clock; 0 if none is. */
int64
partner_api_probes_next_at(void)
{
	return next_at;
}

/* ---- each pass ---- */

/*
 * Announce what has changed and make probes ready, in the running transaction.
 * Costs nothing while all is well.
 */
void
partner_api_circuits_tend(PartnerApiWorkerEntry *entry,
						  PartnerApiAccounts *accounts, TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, partner_api_limits_transitions())
	{
		Announcement announcement = {.transition = lfirst(lc),.now = now};

		(void) partner_api_note_error(entry,
									  partner_api_try(announce, &announcement));
	}
	next_at = 0;
	if (!partner_api_enabled)
		return;
	foreach(lc, partner_api_limits_probes_due(&next_at))
		prepare_probe(accounts, lfirst(lc));
}
