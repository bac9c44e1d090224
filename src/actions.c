/*-------------------------------------------------------------------------
 *
 * actions.c
 *	  Actions as rows: how one comes to be.
 *
 * Both ways in end here: enqueue_...() in the caller's transaction, and the
 * worker on behalf of a waiting call.  Neither needs a right on the tables.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "actions.h"
#include "caps.h"
#include "cards.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "commands/sequence.h"
#include "json.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "owner.h"
#include "redact.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define MAX_KEY_BYTES 255
#define INSTALLATION_ID_LENGTH 8

/* ---- checking ---- */

/* The instance must be known here: its token is needed to address it. */
static void
check_instance_known(const PartnerApiServer *server,
					 const PartnerApiNewAction *action,
					 const char *instance_id)
{
	static const Oid types[] = {NAMEOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT i.status, s.token IS NOT NULL"
		"  FROM partner_api.instances i"
		"  LEFT JOIN partner_api.instance_secrets s USING (server, instance_id)"
		" WHERE i.server = $1 AND i.instance_id = $2", 2, types, NULL
	};
	PartnerApiOwnerScope scope;
	Datum		values[2];
	NameData	name;
	char	   *status = NULL;
	bool		isnull;
	bool		addressable = false;
	MemoryContext context = CurrentMemoryContext;

	namestrcpy(&name, action->server);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(instance_id);
	partner_api_owner_begin(&scope);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) > 0)
	{
		status = MemoryContextStrdup(context, partner_api_field_text(0, 1));
		addressable = DatumGetBool(partner_api_field(0, 2, &isnull)) ||
			!server->provider->needs_token(action->kind);
	}
	partner_api_owner_end(&scope);

	if (status == NULL || !addressable)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("instance \"%s\" of server \"%s\" is not known here",
					   instance_id, action->server),
				errhint("Run partner_api.sync_instances('%s') if it exists at the provider.",
						action->server));
	if (action->kind == PARTNER_API_SIGN_INSTANCE &&
		(strcmp(status, "lapsed") == 0 || strcmp(status, "deleted") == 0))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("instance \"%s\" cannot be signed: it is %s",
					   instance_id, status),
				errdetail("The provider deletes an instance whose trial ends unsigned."),
				errhint("Create a new instance."));
}

/* Refuse an operation that the provider does not have. */
void
partner_api_action_check_supported(const PartnerApiServer *server,
								   PartnerApiKind kind)
{
	const char *hint = NULL;

	if (!server->provider->supports(kind, &hint))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("provider \"%s\" has no operation \"%s\"",
					   server->provider->name, partner_api_kind_name(kind)),
				hint != NULL ? errhint("%s", hint) : 0);
}

/*
 * The provider's own rules for the arguments; returns them, parsed.  Raises
 * ERROR for what must not be sent.
 */
json_t *
partner_api_action_check_arguments(const PartnerApiProvider *provider,
								   const PartnerApiNewAction *action)
{
	PartnerApiAction view = {0};
	char	   *utf8 = partner_api_text_to_utf8(action->arguments);
	char	   *error = NULL;

	view.kind = action->kind;
	view.instance_id = action->instance_id;
	view.now_ms = partner_api_unix_ms_from_timestamp(partner_api_clock_now());
	view.arguments = partner_api_json_parse(utf8, strlen(utf8), &error);
	if (view.arguments == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("arguments cannot be sent as JSON"),
				errdetail("%s.", error));
	if (action->secret != NULL)
		view.secret = partner_api_card_parse(action->secret);
	provider->check(&view);
	return view.arguments;
}

/*
 * Every instance that the action names must be known here.  What is no
 * instance is addressed by its id alone.
 */
static void
check_instances_known(const PartnerApiServer *server,
					  const PartnerApiNewAction *action,
					  const json_t *arguments)
{
	json_t	   *ids = partner_api_json_get(arguments, "instance_ids");

	if (!partner_api_kind_of_instance(action->kind))
		return;
	if (action->instance_id != NULL)
		check_instance_known(server, action, action->instance_id);
	for (int i = 0; i < partner_api_json_count(ids); i++)
		check_instance_known(server, action,
							 partner_api_text_from_utf8(partner_api_json_text_at(ids, i)));
}

/* Refuse times that could never lead to a request. */
static void
check_times(const PartnerApiNewAction *action)
{
	TimestampTz earliest = partner_api_clock_now();

	if ((action->has_run_at && TIMESTAMP_NOT_FINITE(action->run_at)) ||
		(action->has_deadline && TIMESTAMP_NOT_FINITE(action->deadline)))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("run_at and deadline must be finite"),
				errhint("Leave them out for \"now\" and \"never too late\"."));
	if (action->has_run_at)
		earliest = Max(earliest, action->run_at);
	if (action->has_deadline && action->deadline <= earliest)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the deadline is not after the time to run"),
				errdetail("The action could never be sent."));
}

/* Refuse what cannot be done without the second secret of the mapping. */
static void
check_client_token(const PartnerApiServer *server, PartnerApiKind kind)
{
	if (server->provider->needs_client_token == NULL ||
		!server->provider->needs_client_token(kind) ||
		server->credential.client_token != NULL)
		return;
	ereport(ERROR,
			errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			errmsg("user mapping of server \"%s\" has no client_token",
				   server->name),
			errdetail("Operation \"%s\" sends it along.",
					  partner_api_kind_name(kind)),
			errhint("Set client_token_file or client_token of the user mapping."));
}

/*
 * Check everything that can be checked before anything is recorded: the
 * server and the right to it, the credential, what the provider can do, the
 * arguments, the instance, the caps.  Takes over whether it is a dry run.
 * Returns the server's configuration.
 */
PartnerApiServer *
partner_api_action_check(PartnerApiNewAction *action)
{
	PartnerApiServer *server = partner_api_server_load(action->server,
													   action->role);
	json_t	   *arguments;

	partner_api_server_load_credential(server, action->role);
	partner_api_action_check_supported(server, action->kind);
	check_client_token(server, action->kind);
	/* the id of anything else is checked by its name, with the arguments */
	if (action->instance_id != NULL &&
		partner_api_kind_of_instance(action->kind))
		partner_api_check_instance_id(action->instance_id);
	arguments = partner_api_action_check_arguments(server->provider, action);
	check_times(action);
	if (action->idempotency_key != NULL &&
		(action->idempotency_key[0] == '\0' ||
		 strlen(action->idempotency_key) > MAX_KEY_BYTES))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid idempotency key"),
				errdetail("It must have 1 to %d bytes.", MAX_KEY_BYTES),
				errhint("Use a key of the business row that the call is made for."));
	check_instances_known(server, action, arguments);
	partner_api_caps_check(server, action);
	action->dry_run = server->dry_run;
	return server;
}

/* ---- identity ---- */

/* The id of this installation, read once a transaction. */
static const char *
installation_id(void)
{
	static PartnerApiStatement statement = {
		"SELECT installation_id FROM partner_api.installation"
		" ORDER BY established_at, installation_id LIMIT 1", 0, NULL, NULL
	};
	static char cached[INSTALLATION_ID_LENGTH + 1];
	static LocalTransactionId cached_in_transaction = 0;
	static TimestampTz cached_at = 0;

	if (cached_at == GetCurrentTransactionStartTimestamp() &&
		cached_in_transaction == MyProc->lxid)
		return cached;
	if (partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table partner_api.installation is empty"),
				errhint("Restore its row, or drop and create the extension."));
	strlcpy(cached, partner_api_field_text(0, 1), sizeof(cached));
	cached_at = GetCurrentTransactionStartTimestamp();
	cached_in_transaction = MyProc->lxid;
	return cached;
}

/* A random number; drawn by the dozen, since asking is what costs. */
static uint32
random_number(void)
{
	static uint32 numbers[64];
	static int	left = 0;

	if (left == 0)
	{
		if (!pg_strong_random(numbers, sizeof(numbers)))
			ereport(ERROR,
					errcode(ERRCODE_INTERNAL_ERROR),
					errmsg("could not generate random values"));
		left = lengthof(numbers);
	}
	return numbers[--left];
}

/*
 * A nonce for an action: what lets us find its effect at the provider again
 * and tell it from everybody else's.  To be called between owner begin and
 * end.
 */
char *
partner_api_make_nonce(int64 action_id)
{
	return psprintf("pa-%s-" INT64_FORMAT "-%08x", installation_id(),
					action_id, random_number());
}

/* What makes two calls the same: kind, instance, customer and arguments. */
static char *
make_fingerprint(const PartnerApiNewAction *action)
{
	char	   *whole;

	whole = psprintf("%s\n%s\n%s\n%s", partner_api_kind_name(action->kind),
					 action->instance_id != NULL ? action->instance_id : "",
					 action->customer_ref != NULL ? action->customer_ref : "",
					 action->arguments);
	return partner_api_sha256_hex(whole);
}

/* The number of a new action. */
static int64
next_action_id(void)
{
	Oid			namespace = get_namespace_oid("partner_api", false);

	return nextval_internal(get_relname_relid("action_id_seq", namespace),
							false);
}

/* ---- idempotency keys ---- */

static void key_conflict(void) pg_attribute_noreturn();

/* Say no more than that the key is taken: its call may be another role's. */
static void
key_conflict(void)
{
	ereport(ERROR,
			errcode(ERRCODE_UNIQUE_VIOLATION),
			errmsg("the idempotency key belongs to another call"),
			errhint("Use a new key for a call with other arguments."));
}

/*
 * The action that a key named before, 0 if none; another call's key is an
 * error.
 */
static int64
find_key(const PartnerApiNewAction *action, Datum server,
		 const char *fingerprint)
{
	static const Oid types[] = {NAMEOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT action_id, fingerprint, requested_by"
		"  FROM partner_api.idempotency_keys"
		" WHERE server = $1 AND key = $2", 2, types, NULL
	};
	Datum		values[2];
	bool		isnull;

	values[0] = server;
	values[1] = CStringGetTextDatum(action->idempotency_key);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) == 0)
		return 0;
	if (strcmp(partner_api_field_text(0, 2), fingerprint) != 0 ||
		strcmp(partner_api_field_text(0, 3),
			   GetUserNameFromId(action->role, false)) != 0)
		key_conflict();
	return DatumGetInt64(partner_api_field(0, 1, &isnull));
}

/*
 * The action that this same call made before, by its idempotency key; 0 if it
 * is new.  To be asked before the call is checked: what was right when it was
 * first made may be refused by now.
 */
int64
partner_api_action_find(const PartnerApiNewAction *action)
{
	PartnerApiOwnerScope scope;
	NameData	server;
	int64		action_id;

	if (action->idempotency_key == NULL ||
		!partner_api_server_is_usable(action->server, action->role))
		return 0;
	namestrcpy(&server, action->server);
	partner_api_owner_begin(&scope);
	action_id = find_key(action, NameGetDatum(&server),
						 make_fingerprint(action));
	partner_api_owner_end(&scope);
	return action_id;
}

/* Claim the key for a new action; false if it names one already. */
static bool
claim_key(const PartnerApiNewAction *action, Datum server, Datum role,
		  int64 action_id, const char *fingerprint, TimestampTz now)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID, NAMEOID, TEXTOID,
	INT8OID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.idempotency_keys (server, key, kind,"
		"       requested_by, fingerprint, action_id, created_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (server, key) DO NOTHING", 7, types, NULL
	};
	Datum		values[7];

	values[0] = server;
	values[1] = CStringGetTextDatum(action->idempotency_key);
	values[2] = CStringGetTextDatum(partner_api_kind_name(action->kind));
	values[3] = role;
	values[4] = CStringGetTextDatum(fingerprint);
	values[5] = Int64GetDatum(action_id);
	values[6] = TimestampTzGetDatum(now);
	return partner_api_execute(&statement, values, NULL, SPI_OK_INSERT) > 0;
}

/* ---- recording ---- */

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/*
 * Is the phone of an instance to be disconnected before it is deleted?  Not
 * without the token that it takes.  Whether it is connected is as old as the
 * last look, so that does not matter.
 */
static bool
disconnects_first(const PartnerApiNewAction *action, Datum server)
{
	static const Oid types[] = {NAMEOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT FROM partner_api.instances i"
		"  JOIN partner_api.instance_secrets s USING (server, instance_id)"
		" WHERE i.server = $1 AND i.instance_id = $2"
		"   AND i.status <> 'deleted'",
		2, types, NULL
	};
	Datum		values[2];
	Oid			oid;

	if (action->kind != PARTNER_API_DELETE_INSTANCE || action->dry_run)
		return false;
	oid = get_foreign_server_oid(action->server, true);
	if (!OidIsValid(oid) ||
		!partner_api_server_provider(oid)->disconnects_first)
		return false;
	values[0] = server;
	values[1] = CStringGetTextDatum(action->instance_id);
	return partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) > 0;
}

/* The disconnect before a delete, due when that is. */
static void
insert_disconnect(int64 disconnect, int64 before)
{
	static const Oid types[] = {INT8OID, INT8OID, TEXTOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.pending_actions (action_id, server, kind,"
		"       instance_id, arguments, run_at, nonce, fingerprint,"
		"       requested_by, automatic, enqueued_at, state)"
		" SELECT $1, d.server, 'disconnect_instance', d.instance_id, '{}',"
		"        d.run_at, $3, d.fingerprint, d.requested_by, true,"
		"        d.enqueued_at, 'waiting'"
		"   FROM partner_api.pending_actions d WHERE d.action_id = $2",
		3, types, NULL
	};
	Datum		values[3];

	values[0] = Int64GetDatum(disconnect);
	values[1] = Int64GetDatum(before);
	values[2] = CStringGetTextDatum(partner_api_make_nonce(disconnect));
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT);
}

/*
 * Keep a secret setting where nobody reads it; returns the arguments without.
 * Few actions have one, so most are told by their text alone.
 */
static char *
hide_secrets(const PartnerApiNewAction *action, int64 action_id)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.action_secrets (action_id, settings)"
		" SELECT $1, jsonb_build_object($3, a.settings->$3)"
		"   FROM (SELECT $2::jsonb->'settings' AS settings) a"
		"  WHERE a.settings ? $3"
		" RETURNING jsonb_set($2::jsonb, ARRAY['settings', $3],"
		"                     '\"(secret)\"')::text", 3, types, NULL
	};
	Datum		values[3];

	if (strstr(action->arguments, PARTNER_API_SECRET_SETTING) == NULL)
		return action->arguments;
	values[0] = Int64GetDatum(action_id);
	values[1] = CStringGetTextDatum(action->arguments);
	values[2] = CStringGetTextDatum(PARTNER_API_SECRET_SETTING);
	if (partner_api_execute(&statement, values, NULL,
							SPI_OK_INSERT_RETURNING) == 0)
		return action->arguments;
	return partner_api_field_text(0, 1);
}

/* Insert the row; $1 to $14 as in the statement. */
static void
insert_action(const PartnerApiNewAction *action, Datum server, Datum role,
			  int64 action_id, const char *fingerprint, TimestampTz now)
{
	static const Oid types[] = {INT8OID, NAMEOID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, NAMEOID,
	TEXTOID, TIMESTAMPTZOID, BOOLOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.pending_actions (action_id, server, kind,"
		"       instance_id, arguments, customer_ref, run_at, deadline, nonce,"
		"       fingerprint, requested_by, idempotency_key, enqueued_at,"
		"       dry_run, state)"
		" VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6, $7, $8, $9, $10,"
		"         $11, $12, $13, $14, 'waiting')", 14, types, NULL
	};
	Datum		values[14];
	char		nulls[14];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(action_id);
	values[1] = server;
	values[2] = CStringGetTextDatum(partner_api_kind_name(action->kind));
	values[3] = text_or_null(action->instance_id, &nulls[3]);
	values[4] = CStringGetTextDatum(hide_secrets(action, action_id));
	values[5] = text_or_null(action->customer_ref, &nulls[5]);
	if (action->has_run_at)
		values[6] = TimestampTzGetDatum(action->run_at);
	else
		values[6] = TimestampTzGetDatum(now);
	values[7] = TimestampTzGetDatum(action->deadline);
	nulls[7] = !action->has_deadline ? 'n' : ' ';
	values[8] = CStringGetTextDatum(partner_api_make_nonce(action_id));
	values[9] = CStringGetTextDatum(fingerprint);
	values[10] = role;
	values[11] = text_or_null(action->idempotency_key, &nulls[11]);
	values[12] = TimestampTzGetDatum(now);
	values[13] = BoolGetDatum(action->dry_run);
	partner_api_execute(&statement, values, nulls, SPI_OK_INSERT);
}

/*
 * Record an action in the running transaction.  The caller has checked it
 * with partner_api_action_check().  Raises ERROR if its idempotency key
 * belongs to another call.
 */
PartnerApiEnqueued
partner_api_action_enqueue(const PartnerApiNewAction *action)
{
	PartnerApiOwnerScope scope;
	PartnerApiEnqueued result = {0};
	int64		disconnect = 0;
	NameData	server;
	NameData	role;
	char	   *fingerprint = make_fingerprint(action);
	TimestampTz now = partner_api_clock_now();

	namestrcpy(&server, action->server);
	namestrcpy(&role, GetUserNameFromId(action->role, false));
	partner_api_owner_begin(&scope);
	/* actions of an instance go in order */
	if (disconnects_first(action, NameGetDatum(&server)))
		disconnect = next_action_id();
	result.action_id = next_action_id();
	if (action->idempotency_key != NULL &&
		!claim_key(action, NameGetDatum(&server), NameGetDatum(&role),
				   result.action_id, fingerprint, now))
	{
		result.existed = true;
		result.action_id = find_key(action, NameGetDatum(&server),
									fingerprint);
		if (result.action_id == 0)
			key_conflict();		/* inserted by a snapshot we cannot see */
	}
	else
	{
		insert_action(action, NameGetDatum(&server), NameGetDatum(&role),
					  result.action_id, fingerprint, now);
		if (disconnect != 0)
			insert_disconnect(disconnect, result.action_id);
		result.is_preceded = disconnect != 0;
	}
	partner_api_owner_end(&scope);
	return result;
}
