/*-------------------------------------------------------------------------
 *
 * spend.c
 *	  The spend guard: what the worker may send of what it has claimed.
 *
 * Asked in the transaction that claims, after the claim and before its
 * commit, so that what is not to be sent was never in flight: it is held, or,
 * if it belongs to a dry run, closed.  Where no cap, no quota and no dry run
 * is set, nothing is executed.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "caps.h"
#include "catalog/pg_type.h"
#include "due.h"
#include "owner.h"
#include "quotas.h"
#include "spend.h"
#include "subtransaction.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* So many actions of a kind are released at a time. */
#define MOST_RELEASED 100

/* Why actions of one batch are held. */
typedef struct Hold
{
	const char *held_for;		/* as the table has it */
	char	   *reason;			/* last_error */
	const PartnerApiClaim *first;
	int			count;			/* of those for which this is news */
} Hold;

/* What was claimed of one server in one go, and what becomes of it. */
typedef struct Batch
{
	int			undecided[PARTNER_API_KINDS];	/* not let through so far */
	List	   *admitted;		/* of PartnerApiTransfer * */
	List	   *holds;			/* of Hold * */
	List	   *answers;		/* for waiting calls */
	TimestampTz now;
} Batch;

/* Options of servers or mappings may have changed, or this worker is new. */
static bool options_changed = true;

/* Syscache callback. */
static void
note_options_changed(Datum arg, int cache, uint32 hash)
{
	options_changed = true;
}

/* Begin to notice when options change. */
void
partner_api_spend_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_options_changed,
								  (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, note_options_changed,
								  (Datum) 0);
}

/* May something that is held have room by now? */
bool
partner_api_spend_options_changed(void)
{
	return options_changed;
}

/* ---- what becomes of a claim ---- */

/* Is there anything to be decided on a transfer? */
static bool
is_guarded(const PartnerApiTransfer *transfer)
{
	const PartnerApiClaim *claim = transfer->claim;

	return claim->purpose == PARTNER_API_SEND &&
		transfer->account->error == NULL &&
		partner_api_why_obsolete(claim) == NULL &&
		(claim->dry_run || transfer->account->server->dry_run ||
		 partner_api_caps_concern(transfer->account->server, claim->kind));
}

/*
 * Claims of a batch that cap_used() finds in the tables although they are
 * still to be decided on.
 */
static int
apart(const Batch *batch, PartnerApiKind kind)
{
	return batch->undecided[kind == PARTNER_API_UPDATE_SUBSCRIPTION ?
							PARTNER_API_SIGN_INSTANCE : kind];
}

/* Why a transfer has no room; NULL if it has. */
static PartnerApiCapRefusal *
refusal_of(const Batch *batch, const PartnerApiTransfer *transfer)
{
	return partner_api_caps_refusal(transfer->account->server,
									transfer->claim->kind,
									PARTNER_API_CAP_SENT,
									apart(batch, transfer->claim->kind));
}

/* A transfer has room. */
static void
let_through(Batch *batch, PartnerApiTransfer *transfer)
{
	const PartnerApiServer *server = transfer->account->server;
	PartnerApiKind kind = transfer->claim->kind;

	batch->undecided[kind]--;
	partner_api_caps_take(server, kind, PARTNER_API_CAP_SENT);
	partner_api_caps_watch(server, kind, apart(batch, kind));
}

/* A batch of these transfers, none of them decided on. */
static void
begin_batch(Batch *batch, const List *transfers, TimestampTz now)
{
	ListCell   *lc;

	memset(batch, 0, sizeof(Batch));
	batch->now = now;
	foreach(lc, transfers)
	{
		const PartnerApiTransfer *transfer = lfirst(lc);
		const PartnerApiClaim *claim = transfer->claim;

		if (claim->purpose == PARTNER_API_SEND && !claim->dry_run)
			batch->undecided[claim->kind]++;
	}
}

/* ---- dry runs ---- */

/* Show what would be sent instead of sending it; returns what a call hears. */
static PartnerApiAnswer *
show(const Batch *batch, PartnerApiTransfer *transfer)
{
	PartnerApiCapRefusal *refusal = refusal_of(batch, transfer);

	return partner_api_dry_run(transfer,
							   refusal == NULL ? NULL : refusal->message,
							   batch->now);
}

/* ---- holding ---- */

/* Why nothing that was not enqueued as a dry run is sent during one. */
static char *
dry_run_reason(const PartnerApiServer *server)
{
	return psprintf("server \"%s\" is in dry_run mode: \"%s\", the owner of the server, can end it with ALTER SERVER %s OPTIONS (SET mode 'live')",
					server->name, partner_api_server_owner(server),
					quote_identifier(server->name));
}

/* The entry of a reason to hold, new or known. */
static Hold *
find_hold(Batch *batch, const char *held_for, char *reason,
		  const PartnerApiClaim *claim)
{
	Hold	   *hold;
	ListCell   *lc;

	foreach(lc, batch->holds)
	{
		hold = lfirst(lc);
		if (strcmp(hold->held_for, held_for) == 0 &&
			hold->first->kind == claim->kind &&
			strcmp(hold->first->role, claim->role) == 0)
			return hold;
	}
	hold = palloc0(sizeof(Hold));
	hold->held_for = held_for;
	hold->reason = reason;
	hold->first = claim;
	batch->holds = lappend(batch->holds, hold);
	return hold;
}

/* What a call that waits for a held action is told. */
static void
answer_held(Batch *batch, const Hold *hold, int64 action_id)
{
	const PartnerApiClaim *claim = hold->first;
	PartnerApiAnswer *answer;

	if (!partner_api_slot_waits_for(action_id))
		return;
	answer = palloc0(sizeof(PartnerApiAnswer));
	answer->action_id = action_id;
	answer->sqlstate = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
	answer->message = psprintf("%s at server \"%s\" is held",
							   partner_api_kind_name(claim->kind),
							   claim->server);
	answer->detail = psprintf("Action " INT64_FORMAT ": %s.", action_id,
							  hold->reason);
	answer->hint = psprintf("It goes on without the caller when %s; partner_api.cancel_action(" INT64_FORMAT ") withdraws it.",
							strcmp(hold->held_for, "dry_run") == 0 ?
							"the server is live again" : "there is room",
							action_id);
	batch->answers = lappend(batch->answers, answer);
}

/*
 * Hold the actions that the last statement has held: count those for which
 * the reason is news.
 */
static void
note_held(Batch *batch, Hold *hold, uint64 rows)
{
	SPITupleTable *table = SPI_tuptable;

	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		Datum		action_id = SPI_getbinval(table->vals[row],
											  table->tupdesc, 1, &isnull);

		if (DatumGetBool(SPI_getbinval(table->vals[row], table->tupdesc, 2,
									   &isnull)))
			hold->count++;
		answer_held(batch, hold, DatumGetInt64(action_id));
	}
}

/* Undo a claim: the action is held, and nothing was sent. */
static void
hold_claim(Batch *batch, const PartnerApiTransfer *transfer,
		   const char *held_for, char *reason)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.pending_actions p"
		"   SET state = 'held', held_for = $2, last_error = $3,"
		"       attempts = p.attempts - 1"
		"  FROM partner_api.pending_actions o"
		" WHERE p.action_id = $1 AND o.action_id = $1"
		" RETURNING p.action_id, o.last_error IS DISTINCT FROM $3",
		3, types, NULL
	};
	Hold	   *hold = find_hold(batch, held_for, reason, transfer->claim);
	Datum		values[3];

	batch->undecided[transfer->claim->kind]--;
	values[0] = Int64GetDatum(transfer->claim->action_id);
	values[1] = CStringGetTextDatum(held_for);
	values[2] = CStringGetTextDatum(hold->reason);
	note_held(batch, hold,
			  partner_api_execute(&statement, values, NULL,
								  SPI_OK_UPDATE_RETURNING));
}

/* Due actions of a server, with or without a deadline, that a hold is for. */
#define REST(deadline) \
	" SELECT r.action_id FROM partner_api.pending_actions r" \
	"  WHERE r.server = $1 AND r.state = 'waiting' AND r.run_at <= $2" \
	"    AND r.deadline IS " deadline " AND r.kind = $3 AND NOT r.dry_run" \
	"    AND ($4 IS NULL OR r.requested_by = $4)"

/*
 * What is due and would be refused next need not be claimed first: that would
 * keep others from being sent.
 */
static void
hold_rest(Batch *batch, Hold *hold)
{
	static const Oid types[] = {NAMEOID, TIMESTAMPTZOID, TEXTOID, NAMEOID,
	TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"WITH rest AS MATERIALIZED ("
		" SELECT q.action_id, q.last_error FROM partner_api.pending_actions q"
		"  WHERE q.action_id = ANY (ARRAY("
		REST("NULL") " UNION ALL" REST("NOT NULL") "))"
		"  FOR UPDATE SKIP LOCKED)"
		" UPDATE partner_api.pending_actions p"
		"   SET state = 'held', held_for = $5, last_error = $6"
		"  FROM rest WHERE p.action_id = rest.action_id"
		" RETURNING p.action_id, rest.last_error IS DISTINCT FROM $6",
		6, types, NULL
	};
	bool		of_role = strcmp(hold->held_for, "quota") == 0;
	NameData	server;
	NameData	role;
	Datum		values[6];

	namestrcpy(&server, hold->first->server);
	namestrcpy(&role, hold->first->role);
	values[0] = NameGetDatum(&server);
	values[1] = TimestampTzGetDatum(batch->now);
	values[2] = CStringGetTextDatum(partner_api_kind_name(hold->first->kind));
	values[3] = NameGetDatum(&role);
	values[4] = CStringGetTextDatum(hold->held_for);
	values[5] = CStringGetTextDatum(hold->reason);
	note_held(batch, hold,
			  partner_api_execute(&statement, values,
								  of_role ? NULL : "   n  ",
								  SPI_OK_UPDATE_RETURNING));
}

/* Say once that actions are held, and why. */
static void
announce_hold(const Hold *hold)
{
	const PartnerApiClaim *claim = hold->first;
	char	   *more = "";

	if (hold->count == 0)
		return;
	if (hold->count > 1)
		more = psprintf(" and %d more", hold->count - 1);
	partner_api_announce(WARNING, "held", claim->server, claim->action_id,
						 claim->instance_id,
						 psprintf("holds action " INT64_FORMAT " (%s)%s: %s",
								  claim->action_id,
								  partner_api_kind_name(claim->kind), more,
								  hold->reason));
}

/* ---- admitting ---- */

/* Decide on a transfer on which there is something to be decided. */
static void
decide(Batch *batch, PartnerApiTransfer *transfer)
{
	const PartnerApiServer *server = transfer->account->server;
	PartnerApiCapRefusal *refusal;

	if (transfer->claim->dry_run)
		batch->answers = lappend(batch->answers, show(batch, transfer));
	else if (server->dry_run)
		hold_claim(batch, transfer, "dry_run", dry_run_reason(server));
	else if ((refusal = refusal_of(batch, transfer)) != NULL)
	{
		partner_api_caps_watch(server, transfer->claim->kind,
							   apart(batch, transfer->claim->kind));
		hold_claim(batch, transfer, refusal->held_for,
				   psprintf("%s: %s", refusal->message, refusal->hint));
	}
	else
	{
		let_through(batch, transfer);
		batch->admitted = lappend(batch->admitted, transfer);
	}
}

/*
 * Which of these transfers, claimed in the running transaction, may be sent.
 * The others are held, or shown and closed; calls that wait for them are told
 * after the commit.  Raises ERROR if that cannot be written.
 */
List *
partner_api_spend_admit(List *transfers, TimestampTz now, List **answers)
{
	Batch		batch;
	bool		any = false;
	ListCell   *lc;

	foreach(lc, transfers)
		any = any || is_guarded(lfirst(lc));
	if (!any)
		return transfers;
	if (options_changed)
		partner_api_caps_forget();	/* nothing was added without a cap */
	begin_batch(&batch, transfers, now);
	foreach(lc, transfers)
	{
		if (is_guarded(lfirst(lc)))
			decide(&batch, lfirst(lc));
		else
			batch.admitted = lappend(batch.admitted, lfirst(lc));
	}
	foreach(lc, batch.holds)
	{
		hold_rest(&batch, lfirst(lc));
		announce_hold(lfirst(lc));
	}
	*answers = list_concat(*answers, batch.answers);
	return batch.admitted;
}

/*
 * The same for a call that waits: where there is no room, it is refused, and
 * the caller undoes what was recorded.  Returns an answer if the action was
 * shown and closed, NULL if it may be sent.
 */
PartnerApiAnswer *
partner_api_spend_admit_call(PartnerApiTransfer *transfer, TimestampTz now)
{
	Batch		batch;
	PartnerApiCapRefusal *refusal;

	if (!is_guarded(transfer))
		return NULL;
	if (options_changed)
		partner_api_caps_forget();
	begin_batch(&batch, list_make1(transfer), now);
	if (transfer->claim->dry_run)
		return show(&batch, transfer);
	refusal = refusal_of(&batch, transfer);
	if (refusal != NULL)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("%s", refusal->message),
				errdetail("%s Nothing was recorded.", refusal->detail),
				errhint("%s.", refusal->hint));
	let_through(&batch, transfer);
	return NULL;
}

/* ---- releasing ---- */

/* Held actions of one kind, server and role; work for partner_api_try(). */
typedef struct Release
{
	char	   *server;
	char	   *kind;
	char	   *role;
	bool		more;			/* there may be room for more */
} Release;

/* Let so many go, the earliest deadline first, then the oldest. */
static uint64
let_go(const Release *release, int room)
{
	static const Oid types[] = {NAMEOID, TEXTOID, NAMEOID, INT4OID};
	static PartnerApiStatement statement = {
		"WITH due AS MATERIALIZED ("
		" SELECT p.action_id FROM partner_api.pending_actions p"
		"  WHERE p.server = $1 AND p.kind = $2 AND p.state = 'held'"
		"    AND p.held_for IN ('cap', 'quota', 'dry_run')"
		"    AND " PARTNER_API_SENDER("p") " = $3"
		"  ORDER BY p.deadline, p.run_at, p.action_id LIMIT $4"
		"  FOR UPDATE SKIP LOCKED)"
		" UPDATE partner_api.pending_actions p"
		"   SET state = 'waiting', held_for = NULL"
		"  FROM due WHERE p.action_id = due.action_id", 4, types, NULL
	};
	NameData	server;
	NameData	role;
	Datum		values[4];

	namestrcpy(&server, release->server);
	namestrcpy(&role, release->role);
	values[0] = NameGetDatum(&server);
	values[1] = CStringGetTextDatum(release->kind);
	values[2] = NameGetDatum(&role);
	values[3] = Int32GetDatum(room);
	return partner_api_execute(&statement, values, NULL, SPI_OK_UPDATE);
}

/* Let go what has room. */
static void
release_group(void *arg)
{
	Release    *release = arg;
	Oid			role = get_role_oid(release->role, false);
	PartnerApiServer *server = partner_api_server_load(release->server, role);
	PartnerApiKind kind;
	int			room;

	if (!partner_api_kind_parse(release->kind, &kind))
		return;
	partner_api_server_load_credential(server, role);
	if (server->caps[PARTNER_API_TOKEN_QUOTA] != PARTNER_API_NO_CAP)
		partner_api_server_identify_token(server);
	room = server->dry_run ? 0 :
		partner_api_caps_room(server, kind, MOST_RELEASED);
	if (room == 0)
		return;
	release->more = let_go(release, room) == MOST_RELEASED;
	partner_api_due_anything();
}

/* What is held, by server, kind and role; palloc'd. */
static List *
list_held(void)
{
	static PartnerApiStatement statement = {
		"SELECT DISTINCT p.server, p.kind," PARTNER_API_SENDER("p")
		"  FROM partner_api.pending_actions p"
		" WHERE p.state = 'held' AND p.held_for IN ('cap', 'quota', 'dry_run')"
		"   AND EXISTS (SELECT FROM pg_catalog.pg_foreign_server f"
		"                WHERE f.srvname = p.server)", 0, NULL, NULL
	};
	uint64		rows = partner_api_execute(&statement, NULL, NULL,
										   SPI_OK_SELECT);
	List	   *held = NIL;

	for (int row = 0; row < (int) rows; row++)
	{
		Release    *release = palloc0(sizeof(Release));

		release->server = partner_api_field_text(row, 1);
		release->kind = partner_api_field_text(row, 2);
		release->role = partner_api_field_text(row, 3);
		held = lappend(held, release);
	}
	return held;
}

/* Work for partner_api_try(): which token has which quota. */
static void
read_quotas(void *arg)
{
	partner_api_quotas_read();
}

/*
 * Let go what was held and has room by now, no more than that.  A server that
 * cannot be used keeps its own; another time will do for what is in the way.
 */
void
partner_api_spend_release(void)
{
	ListCell   *lc;

	if (options_changed)
	{
		options_changed = false;
		partner_api_caps_forget();
		(void) partner_api_try(read_quotas, NULL);
	}
	foreach(lc, list_held())
	{
		Release    *release = lfirst(lc);

		(void) partner_api_try(release_group, release);
		options_changed = options_changed || release->more;
	}
}
