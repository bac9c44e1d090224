/*-------------------------------------------------------------------------
 *
 * caps.c
 *	  Caps and quotas: is there room for one more?
 *
 * One place counts, for the session that enqueues and for the worker that
 * sends.  The worker's word is final: it is the only sender and takes one
 * action after the other.  A session only asks, without locks, so that most
 * of what cannot be sent is refused at once.
 *
 * Counting reads as many index entries as there are instances, so a count is
 * kept for a second, and everything that was let through since is added.  It
 * can thus only be too high, but for what others brought in within that
 * second; and before anything is refused it is counted anew.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "caps.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "miscadmin.h"
#include "owner.h"
#include "quotas.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long a count is good for. */
#define COUNT_LIFE_US INT64CONST(1000000)

/* An amount that no price says. */
#define UNPRICED INT64CONST(-1)

/* Of a cap: reaching this share is announced. */
#define ALERT_PERCENT 80

/* Has the share been reached, as far as this process knows? */
typedef enum Alert
{
	ALERT_UNKNOWN,
	ALERT_BELOW,
	ALERT_REACHED
} Alert;

/* What counts against one cap of one server, in one scope. */
typedef struct Tally
{
	NameData	server;
	PartnerApiCap cap;
	PartnerApiCapScope scope;
	char	   *token;			/* of a quota; "" for the others */
	bool		only_running;
	int64		used;			/* actions and instances, or their days */
	int64		weight;			/* of one more action */
	int64		counted_us;		/* monotonic; 0: never */
	Alert		alert;
} Tally;

static MemoryContext tallies_context = NULL;
static List *tallies = NIL;

/* ---- counting ---- */

/* The token whose quota it is; "" for the caps of the server. */
static const char *
token_of(const PartnerApiServer *server, PartnerApiCap cap)
{
	return cap == PARTNER_API_TOKEN_QUOTA ? server->token_fingerprint : "";
}

/* The tally of a cap, empty if it is new. */
static Tally *
find_tally(const PartnerApiServer *server, PartnerApiCap cap,
		   PartnerApiCapScope scope)
{
	MemoryContext before;
	Tally	   *tally;
	ListCell   *lc;

	foreach(lc, tallies)
	{
		tally = lfirst(lc);
		if (tally->cap == cap && tally->scope == scope &&
			tally->only_running == server->quota_counts_running &&
			strcmp(NameStr(tally->server), server->name) == 0 &&
			strcmp(tally->token, token_of(server, cap)) == 0)
			return tally;
	}
	if (tallies_context == NULL)
		tallies_context = AllocSetContextCreate(TopMemoryContext,
												"partner_api caps",
												ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(tallies_context);
	tally = palloc0(sizeof(Tally));
	namestrcpy(&tally->server, server->name);
	tally->cap = cap;
	tally->scope = scope;
	tally->token = pstrdup(token_of(server, cap));
	tally->only_running = server->quota_counts_running;
	tallies = lappend(tallies, tally);
	MemoryContextSwitchTo(before);
	return tally;
}

/* Actions that wait count if they are due before this. */
static TimestampTz
counts_before(const Tally *tally)
{
	switch (tally->scope)
	{
		case PARTNER_API_CAP_SENT:
			return DT_NOBEGIN;
		case PARTNER_API_CAP_DUE:
			break;
		case PARTNER_API_CAP_WANTED:
			if (tally->cap == PARTNER_API_MAX_NEW_PER_DAY)
				return partner_api_clock_now() + USECS_PER_DAY;
			if (tally->cap != PARTNER_API_MAX_CYCLE_CENTS)
				return DT_NOEND;
			break;
	}
	return partner_api_clock_now();
}

/*
 * Count from the tables, and see what one more adds: where instances are
 * billed by the day, its days to the end of the cycle.  To be called between
 * owner begin and end.
 */
static void
count_now(Tally *tally)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID, BOOLOID,
	TIMESTAMPTZOID, BOOLOID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.cap_used($1, $2, $3, $4, $5, $6),"
		"       CASE $2 WHEN 'max_cycle_cents'"
		"       THEN (SELECT r.new_units"
		"               FROM partner_api.cycle_rule($1, partner_api.clock()) r)"
		"       END", 6, types, NULL
	};
	Datum		values[6];
	Datum		weight;
	bool		isnull;

	values[0] = NameGetDatum(&tally->server);
	values[1] = CStringGetTextDatum(partner_api_cap_name(tally->cap));
	values[2] = CStringGetTextDatum(tally->token);
	values[3] = BoolGetDatum(tally->only_running);
	values[4] = TimestampTzGetDatum(counts_before(tally));
	values[5] = BoolGetDatum(tally->scope == PARTNER_API_CAP_WANTED);
	partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
	tally->used = DatumGetInt64(partner_api_field(0, 1, &isnull));
	weight = partner_api_field(0, 2, &isnull);
	tally->weight = isnull ? 1 : DatumGetInt32(weight);
}

/*
 * Bring a tally up to date.  "apart" of what is in the tables is to be decided
 * on and does not count.  Returns false if there is nothing newer to be known.
 */
static bool
bring_up_to_date(Tally *tally, int apart, bool at_once)
{
	int64		now = partner_api_monotonic_us();

	if (tally->counted_us != 0 && !at_once &&
		now - tally->counted_us < COUNT_LIFE_US)
		return false;
	count_now(tally);
	tally->used -= apart * tally->weight;
	tally->counted_us = now;
	return true;
}

/* After a transaction that failed: what was added may not be there. */
void
partner_api_caps_forget(void)
{
	tallies = NIL;
	if (tallies_context != NULL)
		MemoryContextReset(tallies_context);
}

/*
 * What the running cycle costs with so many instances, or days of instances,
 * in cents; negative if there is no price.  To be called between owner begin
 * and end.
 */
static int64
cycle_cents(const PartnerApiServer *server, int64 units)
{
	static const Oid types[] = {NAMEOID, INT8OID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.cycle_cents($1, $2)", 2, types, NULL
	};
	NameData	name;
	Datum		values[2];
	Datum		cents;
	bool		isnull;

	namestrcpy(&name, server->name);
	values[0] = NameGetDatum(&name);
	values[1] = Int64GetDatum(units);
	partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
	cents = partner_api_field(0, 1, &isnull);
	return isnull ? UNPRICED : DatumGetInt64(cents);
}

/*
 * What one more instance that is billed adds to the running cycle, in cents;
 * negative if there is no price.  To be called between owner begin and end.
 */
int64
partner_api_cycle_cost(const PartnerApiServer *server)
{
	Tally	   *tally = find_tally(server, PARTNER_API_MAX_CYCLE_CENTS,
								   PARTNER_API_CAP_SENT);
	int64		before;
	int64		after;

	(void) bring_up_to_date(tally, 0, false);
	before = cycle_cents(server, tally->used);
	after = cycle_cents(server, tally->used + tally->weight);
	return before < 0 || after < 0 ? UNPRICED : after - before;
}

/* ---- is there room? ---- */

/*
 * Is an instance billed from this on?  From its creation where there are no
 * trials.
 */
bool
partner_api_begins_billing(const PartnerApiServer *server,
						   PartnerApiKind kind)
{
	return kind == PARTNER_API_SIGN_INSTANCE ||
		(kind == PARTNER_API_CREATE_INSTANCE &&
		 server->provider->trial_ms == 0);
}

/* Does a cap concern this kind of action? */
static bool
concerns(const PartnerApiServer *server, PartnerApiCap cap,
		 PartnerApiKind kind)
{
	if (server->caps[cap] == PARTNER_API_NO_CAP)
		return false;
	if (cap == PARTNER_API_MAX_CYCLE_CENTS)
		return kind == PARTNER_API_UPDATE_SUBSCRIPTION ||
			partner_api_begins_billing(server, kind);
	return kind == PARTNER_API_CREATE_INSTANCE;
}

/* Does any cap of a server concern this kind of action? */
bool
partner_api_caps_concern(const PartnerApiServer *server, PartnerApiKind kind)
{
	for (int cap = 0; cap < PARTNER_API_CAPS; cap++)
	{
		if (concerns(server, cap, kind))
			return true;
	}
	return false;
}

/*
 * What an action of this kind adds: voice calls have no price here, so a
 * change of a subscription adds nothing to a bill.
 */
static int64
weight(const Tally *tally, PartnerApiKind kind)
{
	return kind == PARTNER_API_UPDATE_SUBSCRIPTION ? 0 : tally->weight;
}

/* What a tally comes to in what its cap limits, with "more" in addition. */
static int64
amount_of(const PartnerApiServer *server, const Tally *tally, int64 more)
{
	if (tally->cap == PARTNER_API_MAX_CYCLE_CENTS)
		return cycle_cents(server, tally->used + more);
	return tally->used + more;
}

/* Who can do what about a cap; a sentence without its period. */
static char *
hint_for(const PartnerApiServer *server, PartnerApiCap cap, bool unpriced)
{
	if (unpriced)
		return psprintf("A member of partner_api_admin can set a price with partner_api.set_price('%s', ...)",
						server->name);
	if (cap == PARTNER_API_TOKEN_QUOTA)
		return psprintf("Ask the provider for a token of the next tier; then \"%s\", the owner of the server, can raise it with ALTER USER MAPPING ... SERVER %s OPTIONS (SET token_quota '...')",
						partner_api_server_owner(server),
						quote_identifier(server->name));
	return psprintf("\"%s\", the owner of the server, can raise it with ALTER SERVER %s OPTIONS (SET %s '...')",
					partner_api_server_owner(server),
					quote_identifier(server->name), partner_api_cap_name(cap));
}

/* What has been reached, as a sentence. */
static char *
detail_for(const PartnerApiServer *server, const Tally *tally, int64 amount,
		   int64 before)
{
	int			limit = server->caps[tally->cap];

	switch (tally->cap)
	{
		case PARTNER_API_MAX_INSTANCES:
			return psprintf(INT64_FORMAT " instances exist or are on order, of %d that are allowed.",
							before, limit);
		case PARTNER_API_MAX_NEW_PER_DAY:
			return psprintf(INT64_FORMAT " instances were created within 24 hours or are on order, of %d that are allowed.",
							before, limit);
		case PARTNER_API_TOKEN_QUOTA:
			return psprintf(INT64_FORMAT " instances of token %s count or are on order, of %d that are allowed.",
							before, server->token_fingerprint, limit);
		case PARTNER_API_MAX_CYCLE_CENTS:
			break;
	}
	if (amount < 0)
		return psprintf("No price is set, so what it costs cannot be compared with the cap of %d cents.",
						limit);
	return psprintf("The bill of the running cycle would come to " INT64_FORMAT " cents, of %d that are allowed.",
					amount, limit);
}

/* The refusal of an action for which a tally leaves no room. */
static PartnerApiCapRefusal *
describe(const PartnerApiServer *server, const Tally *tally, int64 amount)
{
	PartnerApiCapRefusal *refusal = palloc(sizeof(PartnerApiCapRefusal));

	refusal->cap = tally->cap;
	refusal->held_for = tally->cap == PARTNER_API_TOKEN_QUOTA ? "quota" : "cap";
	refusal->message = psprintf(amount < 0 ?
								"option \"%s\" (%d) of server \"%s\" cannot be checked" :
								"option \"%s\" (%d) of server \"%s\" leaves no room",
								partner_api_cap_name(tally->cap),
								server->caps[tally->cap], server->name);
	refusal->detail = detail_for(server, tally, amount, tally->used);
	refusal->hint = hint_for(server, tally->cap, amount < 0);
	return refusal;
}

/* Why one cap leaves no room for an action; NULL if it does. */
static PartnerApiCapRefusal *
refusal_of(const PartnerApiServer *server, PartnerApiCap cap,
		   PartnerApiKind kind, PartnerApiCapScope scope, int apart)
{
	Tally	   *tally = find_tally(server, cap, scope);
	bool		at_once = false;

	for (;;)
	{
		bool		is_new = bring_up_to_date(tally, apart, at_once);
		int64		amount = amount_of(server, tally,
									   weight(tally, kind));

		if (amount >= 0 && amount <= server->caps[cap])
			return NULL;
		if (is_new)
			return describe(server, tally, amount);
		at_once = true;
	}
}

/*
 * Why there is no room for one more action; NULL if there is.  Of the actions
 * of this kind that are in the tables, "apart" do not count.  To be called
 * between owner begin and end; for a quota the token must be identified.
 */
PartnerApiCapRefusal *
partner_api_caps_refusal(const PartnerApiServer *server, PartnerApiKind kind,
						 PartnerApiCapScope scope, int apart)
{
	PartnerApiCapRefusal *refusal = NULL;

	for (int cap = 0; cap < PARTNER_API_CAPS && refusal == NULL; cap++)
	{
		if (concerns(server, cap, kind))
			refusal = refusal_of(server, cap, kind, scope, apart);
	}
	return refusal;
}

/* One more action has been let through. */
void
partner_api_caps_take(const PartnerApiServer *server, PartnerApiKind kind,
					  PartnerApiCapScope scope)
{
	for (int cap = 0; cap < PARTNER_API_CAPS; cap++)
	{
		if (concerns(server, cap, kind))
		{
			Tally	   *tally = find_tally(server, cap, scope);

			tally->used += weight(tally, kind);
		}
	}
}

/*
 * How many more actions of a kind have room beside all that are due, as far as
 * "most" of them.
 */
int
partner_api_caps_room(const PartnerApiServer *server, PartnerApiKind kind,
					  int most)
{
	int			room = most;

	for (int cap = 0; cap < PARTNER_API_CAPS; cap++)
	{
		Tally	   *tally;
		int			found = 0;

		if (!concerns(server, cap, kind))
			continue;
		tally = find_tally(server, cap, PARTNER_API_CAP_DUE);
		(void) bring_up_to_date(tally, 0, true);
		while (found < room)
		{
			int64		amount = amount_of(server, tally,
										   (found + 1) * weight(tally, kind));

			if (amount < 0 || amount > server->caps[cap])
				break;
			found++;
		}
		room = found;
	}
	return room;
}

/*
 * Refuse an action that could not be sent as things stand.  Others may be
 * asking at the same time: only the worker's answer is exact.
 */
void
partner_api_caps_check(PartnerApiServer *server,
					   const PartnerApiNewAction *action)
{
	PartnerApiOwnerScope scope;
	PartnerApiCapRefusal *refusal;
	MemoryContext context = CurrentMemoryContext;

	if (!partner_api_caps_concern(server, action->kind) ||
		(action->has_run_at &&
		 action->run_at > partner_api_clock_now() + USECS_PER_DAY))
		return;
	if (server->caps[PARTNER_API_TOKEN_QUOTA] != PARTNER_API_NO_CAP)
		partner_api_server_identify_token(server);
	partner_api_owner_begin(&scope);
	MemoryContextSwitchTo(context);
	refusal = partner_api_caps_refusal(server, action->kind,
									   PARTNER_API_CAP_WANTED, 0);
	partner_api_caps_take(server, action->kind, PARTNER_API_CAP_WANTED);
	partner_api_owner_end(&scope);
	if (refusal != NULL)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("%s", refusal->message),
				errdetail("%s Nothing was recorded.", refusal->detail),
				errhint("%s.", refusal->hint));
}

/* ---- nearly full ---- */

/* Bind what names a tally in a table: server, cap, token. */
static void
name_tally(Tally *tally, Datum *values)
{
	values[0] = NameGetDatum(&tally->server);
	values[1] = CStringGetTextDatum(partner_api_cap_name(tally->cap));
	values[2] = CStringGetTextDatum(tally->token);
}

/* Record that the share has been reached; false if that is known. */
static bool
record_alert(Tally *tally)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.cap_alerts (server, cap, token_fingerprint,"
		"       reached_at) VALUES ($1, $2, $3, partner_api.clock())"
		" ON CONFLICT DO NOTHING", 3, types, NULL
	};
	Datum		values[3];

	name_tally(tally, values);
	return partner_api_execute(&statement, values, NULL, SPI_OK_INSERT) > 0;
}

/* There is room again: the next crossing is news. */
static void
forget_alert(Tally *tally)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"DELETE FROM partner_api.cap_alerts WHERE server = $1 AND cap = $2"
		"   AND token_fingerprint = $3", 3, types, NULL
	};
	Datum		values[3];

	name_tally(tally, values);
	partner_api_execute(&statement, values, NULL, SPI_OK_DELETE);
}

/* Announce once that most of a cap is used, until it is not any more. */
static void
watch_tally(const PartnerApiServer *server, Tally *tally)
{
	int64		limit = server->caps[tally->cap];
	int64		amount = amount_of(server, tally, 0);
	bool		reached = amount * 100 >= limit * ALERT_PERCENT;

	if (amount < 0 || limit == 0 ||
		tally->alert == (reached ? ALERT_REACHED : ALERT_BELOW))
		return;
	tally->alert = reached ? ALERT_REACHED : ALERT_BELOW;
	if (!reached)
		forget_alert(tally);
	else if (record_alert(tally))
		partner_api_announce(WARNING, "cap_80", server->name, 0, NULL,
							 psprintf("server \"%s\" has reached %d %% of option \"%s\": " INT64_FORMAT " of " INT64_FORMAT,
									  server->name, ALERT_PERCENT,
									  partner_api_cap_name(tally->cap),
									  amount, limit));
}

/*
 * See how full the caps are that concern a kind of action.  For the worker;
 * of the actions of this kind that are in the tables, "apart" do not count.
 */
void
partner_api_caps_watch(const PartnerApiServer *server, PartnerApiKind kind,
					   int apart)
{
	for (int cap = 0; cap < PARTNER_API_CAPS; cap++)
	{
		Tally	   *tally;

		if (!concerns(server, cap, kind))
			continue;
		tally = find_tally(server, cap, PARTNER_API_CAP_SENT);
		(void) bring_up_to_date(tally, apart, false);
		if (cap == PARTNER_API_TOKEN_QUOTA && tally->alert == ALERT_UNKNOWN)
			partner_api_quota_note(server);
		watch_tally(server, tally);
	}
}
