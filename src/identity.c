/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Is this database still the installation that it was?
 *
 * A standby that is promoted, a data directory that is copied and a dump that
 * is restored hold open actions which another server may have sent already,
 * or is about to send.  So the worker compares where it is with where the
 * installation was last known to be before it sends anything.
 *
 * A new timeline of the same system is the same installation in another
 * place: it goes on, after a look at everything that may have been sent.
 * Anything else may be a copy beside an original that still runs: it sends
 * nothing until somebody says which of the two it is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <stdlib.h>

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "announce.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "closing.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "owner.h"
#include "settings.h"
#include "survey.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_current_identity);
PG_FUNCTION_INFO_V1(partner_api_identity_change);
PG_FUNCTION_INFO_V1(partner_api_confirm_identity);

#define INSTALLATION_ID_LENGTH 8

/* Where a database is. */
typedef struct Identity
{
	int64		system_identifier;
	int32		timeline;
	Oid			database_oid;
	char	   *data_directory;
	bool		restored;		/* a dump has brought a row of its own */
} Identity;

/* How one identity follows from another. */
typedef enum Change
{
	CHANGE_NONE,
	CHANGE_SUCCESSOR,			/* promoted, or recovered to a point */
	CHANGE_SYSTEM,
	CHANGE_DATABASE,
	CHANGE_RESTORE,				/* into the same database */
	CHANGE_TIMELINE,			/* an earlier one than before */
	CHANGE_DIRECTORY
} Change;

/* What the worker found at its start, or when it was last in doubt. */
static bool settled = false;	/* and it is on disk */
static Change last_change = CHANGE_NONE;
static char our_id[INSTALLATION_ID_LENGTH + 1] = "";

/* ---- where we are, and where we were ---- */

/*
 * The data directory without symbolic links, which may be named differently
 * at every start, and in ASCII, which fits any encoding.
 */
static char *
data_directory(void)
{
	StringInfoData path;
	char	   *resolved = realpath(DataDir, NULL);
	const char *p = resolved != NULL ? resolved : DataDir;

	initStringInfo(&path);
	for (; *p != '\0'; p++)
	{
		if (IS_HIGHBIT_SET(*p))
			appendStringInfo(&path, "\\x%02x", (unsigned char) *p);
		else
			appendStringInfoChar(&path, *p);
	}
	free(resolved);
	return path.data;
}

/* Where this database is, palloc'd. */
static Identity
current_identity(void)
{
	Identity	identity;
	TimeLineID	timeline;

	if (RecoveryInProgress())
		(void) GetXLogReplayRecPtr(&timeline);
	else
		timeline = GetWALInsertionTimeLine();
	identity.system_identifier = (int64) GetSystemIdentifier();
	identity.timeline = (int32) timeline;
	identity.database_oid = MyDatabaseId;
	identity.data_directory = data_directory();
	identity.restored = false;
	return identity;
}

/*
 * Where the installation in force was last known to be, palloc'd; copies its
 * id, which has INSTALLATION_ID_LENGTH characters.  Needs SPI, as the owner.
 */
static Identity
stored_identity(char *id)
{
	static PartnerApiStatement statement = {
		"SELECT system_identifier, timeline, database_oid, data_directory,"
		"       installation_id, count(*) OVER () > 1"
		"  FROM partner_api.installation"
		" ORDER BY established_at, installation_id LIMIT 1", 0, NULL, NULL
	};
	Identity	identity;
	bool		isnull;

	if (partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table partner_api.installation is empty"),
				errhint("Restore its row, or drop and create the extension."));
	identity.system_identifier =
		DatumGetInt64(partner_api_field(0, 1, &isnull));
	identity.timeline = DatumGetInt32(partner_api_field(0, 2, &isnull));
	identity.database_oid = DatumGetObjectId(partner_api_field(0, 3, &isnull));
	identity.data_directory = partner_api_field_text(0, 4);
	strlcpy(id, partner_api_field_text(0, 5), INSTALLATION_ID_LENGTH + 1);
	identity.restored = DatumGetBool(partner_api_field(0, 6, &isnull));
	return identity;
}

/*
 * How does the one follow from the other?  A promotion begins a later
 * timeline, in whatever directory the standby was.  A dump may be restored
 * where it was made: it is old all the same.
 */
static Change
compare(const Identity *before, const Identity *now)
{
	if (before->system_identifier != now->system_identifier)
		return CHANGE_SYSTEM;
	if (before->database_oid != now->database_oid)
		return CHANGE_DATABASE;
	if (before->restored)
		return CHANGE_RESTORE;
	if (now->timeline > before->timeline)
		return CHANGE_SUCCESSOR;
	if (now->timeline < before->timeline)
		return CHANGE_TIMELINE;
	if (strcmp(before->data_directory, now->data_directory) != 0)
		return CHANGE_DIRECTORY;
	return CHANGE_NONE;
}

/* Compare; copies the id of the installation. */
static Change
find_change(char *id)
{
	Identity	before = stored_identity(id);
	Identity	now = current_identity();

	return compare(&before, &now);
}

/* May nothing be sent after this change before somebody has confirmed it? */
static bool
must_be_confirmed(Change change)
{
	return change != CHANGE_NONE &&
		(change != CHANGE_SUCCESSOR ||
		 partner_api_after_promotion == PARTNER_API_AFTER_PROMOTION_CONFIRM);
}

/* A change in words; NULL for none. */
static const char *
change_words(Change change)
{
	switch (change)
	{
		case CHANGE_NONE:
			break;
		case CHANGE_SUCCESSOR:
			return "the server was promoted or recovered to a point";
		case CHANGE_SYSTEM:
			return "it is in another cluster than before";
		case CHANGE_DATABASE:
			return "it is another database than before";
		case CHANGE_RESTORE:
			return "a dump was restored into it";
		case CHANGE_TIMELINE:
			return "its timeline is an earlier one than before";
		case CHANGE_DIRECTORY:
			return "its data directory is another than before";
	}
	return NULL;
}

/* ---- going on as the same installation ---- */

/* What goes before or after another by itself, and may be sent freely */
#define IS_HARMLESS \
	"(p.automatic AND p.kind IN ('disconnect_instance', 'await_instance'," \
	"                            'check_settings'))"

/* Harmless actions are not in doubt: they wait once more. */
static void
resume_harmless_actions(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.pending_actions p"
		"   SET state = 'waiting', lease = p.lease + 1, run_at = $1, looks = 0"
		" WHERE p.state IN ('sending', 'unknown') AND " IS_HARMLESS,
		1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);

	partner_api_execute(&statement, &value, NULL, SPI_OK_UPDATE);
}

/*
 * Whatever else is due or in flight may have been sent by the server that this
 * one was made from.  What is due later was not: its time had not come.  A dry
 * run sends nothing.  Of several for one instance only one can be unknown;
 * what the others did to what it left cannot be told from a list.  The worker
 * then takes over what is in flight.
 */
static void
doubt_open_actions(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"WITH open AS MATERIALIZED ("
		" SELECT p.action_id, p.instance_id IS NULL OR row_number() OVER ("
		"         PARTITION BY p.server, p.instance_id"
		"         ORDER BY p.state = 'waiting', p.action_id) = 1 AS first"
		"   FROM partner_api.pending_actions p"
		"  WHERE NOT " IS_HARMLESS
		"    AND (p.state IN ('sending', 'unknown')"
		"         OR (p.state = 'waiting' AND p.run_at <= $1"
		"             AND NOT p.dry_run)))"
		" UPDATE partner_api.pending_actions p"
		"   SET state = CASE WHEN p.state = 'sending' THEN p.state"
		"                    WHEN open.first THEN 'unknown'"
		"                    ELSE 'needs_attention' END,"
		"       lease = p.lease + 1, run_at = $1, sent_at = $1, looks = 0,"
		"       last_error = CASE WHEN open.first"
		"         THEN 'it may have been sent before the identity of this installation changed'"
		"         ELSE 'another action of the instance was open when the identity of this installation changed' END"
		"  FROM open WHERE p.action_id = open.action_id",
		1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);

	partner_api_execute(&statement, &value, NULL, SPI_OK_UPDATE);
}

/*
 * Commits that this database lacks may have used numbers that its sequence
 * would give again; a nonce must belong to one action for ever.
 */
static void
skip_lost_numbers(void)
{
	static PartnerApiStatement statement = {
		"SELECT setval('partner_api.action_id_seq',"
		"              nextval('partner_api.action_id_seq') + 1000000)",
		0, NULL, NULL
	};

	partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT);
}

#define IN_FORCE \
	"(SELECT installation_id FROM partner_api.installation" \
	"  ORDER BY established_at, installation_id LIMIT 1)"

/* Record where the installation is now, which is the only one from here on. */
static void
store_identity(void)
{
	static const Oid types[] = {INT8OID, INT4OID, OIDOID, TEXTOID};
	static PartnerApiStatement forget_others = {
		"DELETE FROM partner_api.installation"
		" WHERE installation_id <> " IN_FORCE, 0, NULL, NULL
	};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.installation"
		"   SET system_identifier = $1, timeline = $2, database_oid = $3,"
		"       data_directory = $4, identified_at = clock_timestamp()"
		" WHERE installation_id = " IN_FORCE, 4, types, NULL
	};
	Identity	identity = current_identity();
	Datum		values[4];

	values[0] = Int64GetDatum(identity.system_identifier);
	values[1] = Int32GetDatum(identity.timeline);
	values[2] = ObjectIdGetDatum(identity.database_oid);
	values[3] = CStringGetTextDatum(identity.data_directory);
	partner_api_execute(&forget_others, NULL, NULL, SPI_OK_DELETE);
	partner_api_execute(&statement, values, NULL, SPI_OK_UPDATE);
}

/* Go on here: nothing is taken for unsent, and nothing for complete. */
static void
keep(TimestampTz now)
{
	store_identity();
	resume_harmless_actions(now);
	doubt_open_actions(now);
	skip_lost_numbers();
	partner_api_surveys_want(now);
}

/* ---- the worker's side ---- */

/* Say once that this database does not act, or that it goes on. */
static void
announce_change(Change change, bool may_act)
{
	if (may_act)
		partner_api_announce(LOG, "identity_changed", NULL, 0, NULL,
							 psprintf("goes on after a change of its identity: %s; every server is listed first",
									  change_words(change)));
	else if (last_change != change)
		partner_api_announce(WARNING, "identity_unconfirmed", NULL, 0, NULL,
							 psprintf("sends nothing until confirm_identity() is called: %s",
									  change_words(change)));
}

/*
 * May this worker act here?  After a promotion, everything that may have been
 * sent is made unknown first.  Runs in the worker's transaction; raises ERROR
 * if that cannot be recorded now, and is to be asked again then.  Until the
 * caller has called partner_api_identity_settle(), after the commit, the
 * worker must not act.
 */
bool
partner_api_identity_check(TimestampTz now)
{
	Change		change = find_change(our_id);
	bool		may_act = !must_be_confirmed(change);

	if (may_act && change != CHANGE_NONE)
		keep(now);
	if (change != CHANGE_NONE)
		announce_change(change, may_act);
	last_change = change;
	return may_act;
}

/* What was found is on disk: the worker may act, or it may not. */
void
partner_api_identity_settle(bool may_act)
{
	settled = may_act;
}

/*
 * A dump may be restored, and even confirmed, beside a worker that runs: then
 * it has to find out anew who it is.  Needs a transaction.
 */
void
partner_api_identity_recheck(void)
{
	char		id[INSTALLATION_ID_LENGTH + 1];

	if (find_change(id) != CHANGE_NONE || strcmp(id, our_id) != 0)
		settled = false;
}

/* As of the last check: may this worker act here? */
bool
partner_api_identity_is_settled(void)
{
	return settled;
}

/* Why it may not, as of the last check, for an error's detail. */
const char *
partner_api_identity_reason(void)
{
	return change_words(last_change);
}

/*
 * Raise ERROR unless a nonce is of the installation that was found to be ours.
 * A restore may bring actions of another one while the worker runs; it then
 * looks again who it is before it sends anything.
 */
void
partner_api_identity_require(const char *nonce)
{
	size_t		prefix = strlen("pa-");

	if (strncmp(nonce, "pa-", prefix) == 0 &&
		strncmp(nonce + prefix, our_id, INSTALLATION_ID_LENGTH) == 0)
		return;
	settled = false;
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("an action belongs to another installation"),
			errhint("See partner_api.confirm_identity()."));
}

/* ---- SQL ---- */

/* SQL: current_identity() -> where this database is. */
Datum
partner_api_current_identity(PG_FUNCTION_ARGS)
{
	Identity	identity = current_identity();
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(identity.system_identifier);
	values[1] = Int32GetDatum(identity.timeline);
	values[2] = ObjectIdGetDatum(identity.database_oid);
	values[3] = CStringGetTextDatum(identity.data_directory);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}

/*
 * SQL: identity_change() -> why nothing is sent, null if that is not so.  A
 * standby is not the place to ask: nothing is sent from there anyway.
 */
Datum
partner_api_identity_change(PG_FUNCTION_ARGS)
{
	PartnerApiOwnerScope scope;
	char		id[INSTALLATION_ID_LENGTH + 1];
	Change		change;

	if (RecoveryInProgress())
		PG_RETURN_NULL();
	partner_api_owner_begin(&scope);
	change = find_change(id);
	partner_api_owner_end(&scope);
	if (!must_be_confirmed(change))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(change_words(change)));
}

/* Close every open action: the original sends them. */
static void
leave_open_actions(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement close = {
		PARTNER_API_CLOSE(" SELECT p.action_id"
						  "   FROM partner_api.pending_actions p",
						  "'cancelled'",
						  "'left to the installation that this one was copied from'"),
		1, types, NULL
	};
	static PartnerApiStatement left = {
		"SELECT FROM partner_api.pending_actions LIMIT 1", 0, NULL, NULL
	};
	Datum		value = TimestampTzGetDatum(now);
	int			rows = (int) partner_api_execute(&close, &value, NULL,
												 SPI_OK_INSERT_RETURNING);
	int64	   *ids = palloc(Max(rows, 1) * sizeof(int64));
	bool		isnull;

	for (int row = 0; row < rows; row++)
		ids[row] = DatumGetInt64(partner_api_field(row, 1, &isnull));
	if (rows > 0)
		partner_api_note_refusals(ids, rows);
	if (partner_api_execute(&left, NULL, NULL, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_IN_USE),
				errmsg("open actions are held by other sessions"),
				errhint("Try again when they have ended."));
}

/*
 * Become an installation of its own: what is open is left to the original,
 * and what exists is somebody else's.
 */
static void
begin_anew(TimestampTz now)
{
	static const char new_installation[] =
	"INSERT INTO partner_api.installation (installation_id,"
	"       system_identifier, timeline, database_oid, data_directory)"
	" SELECT substr(replace(gen_random_uuid()::text, '-', ''), 1, 8),"
	"       i.system_identifier, i.timeline, i.database_oid,"
	"       i.data_directory FROM partner_api.current_identity() i";
	static PartnerApiStatement statements[] = {
		{"UPDATE partner_api.instances"
		"   SET origin = 'imported', trial_end = NULL", 0, NULL, NULL},
		{"UPDATE partner_api.subscriptions SET origin = 'imported'"
		" WHERE origin = 'local'", 0, NULL, NULL},
		{"DELETE FROM partner_api.trial_approvals", 0, NULL, NULL},
		{"DELETE FROM partner_api.server_evidence", 0, NULL, NULL},
		{"DELETE FROM partner_api.server_surveys", 0, NULL, NULL},
		{"DELETE FROM partner_api.installation", 0, NULL, NULL},
		{new_installation, 0, NULL, NULL}
	};
	static const int results[] = {SPI_OK_UPDATE, SPI_OK_UPDATE,
		SPI_OK_DELETE, SPI_OK_DELETE, SPI_OK_DELETE, SPI_OK_DELETE,
	SPI_OK_INSERT};

	leave_open_actions(now);
	for (int i = 0; i < (int) lengthof(statements); i++)
		partner_api_execute(&statements[i], NULL, NULL, results[i]);
}

/* Raise ERROR for a choice that there is not, or with nothing to decide. */
static void
check_choice(const char *choice, Change change)
{
	if (strcmp(choice, "keep") != 0 && strcmp(choice, "new") != 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid choice \"%s\"", choice),
				errhint("\"keep\": this database goes on in place of the one that it was made from; \"new\": it is a copy beside it."));
	if (strcmp(choice, "keep") == 0 && change == CHANGE_NONE)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the identity of this installation is not in question"));
}

/*
 * SQL: confirm_identity(choice) -> installation id.  "new" is possible at any
 * time: a clone of a whole machine cannot be told from the original.
 */
Datum
partner_api_confirm_identity(PG_FUNCTION_ARGS)
{
	char	   *choice = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz now = partner_api_clock_now();
	PartnerApiOwnerScope scope;
	char		id[INSTALLATION_ID_LENGTH + 1];

	PreventCommandIfReadOnly("confirm_identity()");
	partner_api_owner_begin(&scope);
	check_choice(choice, find_change(id));
	if (strcmp(choice, "keep") == 0)
		keep(now);
	else
		begin_anew(now);
	(void) stored_identity(id);
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_TEXT_P(cstring_to_text(id));
}
