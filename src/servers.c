/*-------------------------------------------------------------------------
 *
 * servers.c
 *	  Foreign servers and user mappings of the wrapper.
 *
 * Nothing is cached: a revoked right, a changed option or a rotated token
 * counts from the next use on.  The right to use the server is checked
 * before the mapping is read.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "compat.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "redact.h"
#include "servers.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(partner_api_server_deadlines_sql);
PG_FUNCTION_INFO_V1(partner_api_server_zone);

static const char *const cap_names[PARTNER_API_CAPS] = {
	[PARTNER_API_MAX_INSTANCES] = "max_instances",
	[PARTNER_API_MAX_NEW_PER_DAY] = "max_new_per_day",
	[PARTNER_API_MAX_CYCLE_CENTS] = "max_cycle_cents",
	[PARTNER_API_TOKEN_QUOTA] = "token_quota"
};

/* The option that sets a cap. */
const char *
partner_api_cap_name(PartnerApiCap cap)
{
	return cap_names[cap];
}

/* Is it a server of our wrapper? */
static bool
is_ours(const ForeignServer *foreign)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(foreign->fdwid);

	return strcmp(wrapper->fdwname, "partner_api") == 0;
}

/* The server of that name; raises ERROR unless it is ours. */
static ForeignServer *
find_server(const char *name)
{
	ForeignServer *foreign = GetForeignServerByName(name, true);

	if (foreign == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("server \"%s\" does not exist", name),
				errhint("Create it with CREATE SERVER ... FOREIGN DATA WRAPPER partner_api."));
	if (!is_ours(foreign))
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("server \"%s\" is not a server of foreign-data wrapper \"partner_api\"",
					   name));
	return foreign;
}

/* Raise ERROR unless the role has USAGE on the server. */
static void
check_usage(const ForeignServer *foreign, Oid role)
{
	if (!partner_api_server_usable_compat(foreign->serverid, role))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for foreign server %s",
					   foreign->servername),
				errhint("Grant USAGE on the foreign server to role \"%s\".",
						GetUserNameFromId(role, false)));
}

/*
 * Raise ERROR unless there is such a server of ours and "role" may use it,
 * wherever it points to.
 */
void
partner_api_server_check_usage(const char *name, Oid role)
{
	check_usage(find_server(name), role);
}

/* Does the option say that what is unknown for too long is sent again? */
static bool
prefers_repeat(List *options, const char *name)
{
	return strcmp(partner_api_option_text(options, name),
				  "prefer_repeat") == 0;
}

/* How many requests a window takes; a share is one at least. */
static void
load_window_rules(PartnerApiWindowRules *rules,
				  const PartnerApiProvider *provider, List *options)
{
	double		share = partner_api_option_rate(options, "poll_share");

	rules->quota = provider->request_quota;
	if (partner_api_option_text(options, "request_quota") != NULL)
		rules->quota = partner_api_option_integer(options, "request_quota");
	rules->polls = (int) ceil(rules->quota * share);
	rules->length_us = partner_api_option_interval(options, "request_window");
}

/* How many requests the server's options let through. */
static void
load_gate_rules(PartnerApiGateRules *rules,
				const PartnerApiProvider *provider, List *options)
{
	rules->lanes = partner_api_option_integer(options, "max_concurrency");
	rules->rate = partner_api_option_rate(options, "rate_limit");
	if (partner_api_option_text(options, "burst") != NULL)
		rules->burst = partner_api_option_integer(options, "burst");
	else
		rules->burst = Max((int) ceil(rules->rate), 1);
	rules->circuit_failures =
		partner_api_option_integer(options, "circuit_failures");
	rules->circuit_pause_us =
		partner_api_option_integer(options, "circuit_pause_ms") * INT64CONST(1000);
	load_window_rules(&rules->window, provider, options);
}

/* Does the server only show what it would send? */
static bool
shows_only(List *options)
{
	return strcmp(partner_api_option_text(options, "mode"), "dry_run") == 0;
}

/* What the server's owner allows to be spent. */
static void
load_spending(PartnerApiServer *server, List *options)
{
	server->dry_run = shows_only(options);
	server->quota_counts_running =
		strcmp(partner_api_option_text(options, "quota_counts"),
			   "running") == 0;
	for (int cap = 0; cap < PARTNER_API_CAPS; cap++)
		server->caps[cap] = cap == PARTNER_API_TOKEN_QUOTA ?
			PARTNER_API_NO_CAP :
			partner_api_option_limit(options, ForeignServerRelationId,
									 cap_names[cap]);
}

/* The provider that a server of ours is an account at, whoever asks. */
const PartnerApiProvider *
partner_api_server_provider(Oid server)
{
	ForeignServer *foreign = GetForeignServer(server);
	const char *name = partner_api_option_text(foreign->options, "provider");
	const PartnerApiProvider *provider = partner_api_provider_find(name);

	if (provider == NULL)
		elog(ERROR, "server \"%s\" has no known provider",
			 foreign->servername);
	return provider;
}

/*
 * Configuration of a server as "role" may use it, palloc'd, without the
 * credential.  Raises ERROR if it does not exist, is not ours, may not be
 * used, or points to a host that is not allowed.
 */
PartnerApiServer *
partner_api_server_load(const char *name, Oid role)
{
	ForeignServer *foreign = find_server(name);
	PartnerApiServer *server = palloc0(sizeof(PartnerApiServer));
	List	   *options = foreign->options;
	const char *base_url;

	check_usage(foreign, role);
	server->oid = foreign->serverid;
	server->name = pstrdup(foreign->servername);
	server->provider = partner_api_server_provider(foreign->serverid);
	base_url = partner_api_option_text(options, "base_url");
	if (base_url == NULL)
		base_url = server->provider->base_url;
	partner_api_check_allowed_host(base_url);
	server->endpoint.base_url = base_url;
	server->instance_base_url = partner_api_option_text(options,
														"instance_base_url");
	server->time_zone = partner_api_option_zone(options, server->provider);
	server->endpoint.ca_file = partner_api_option_text(options, "ca_file");
	server->endpoint.connect_timeout_ms =
		partner_api_option_integer(options, "connect_timeout_ms");
	server->endpoint.timeout_ms =
		partner_api_option_integer(options, "timeout_ms");
	server->endpoint.max_response_bytes =
		partner_api_option_integer(options, "max_response_bytes");
	load_gate_rules(&server->limits.rules, server->provider, options);
	server->list_lag = partner_api_option_interval(options, "list_lag");
	server->sign_lead = partner_api_option_interval(options, "sign_lead");
	server->trial_end = pstrdup(partner_api_option_text(options, "trial_end"));
	server->name_nonce =
		strcmp(partner_api_option_text(options, "name_nonce"), "on") == 0;
	server->repeats_unknown_create = prefers_repeat(options, "unknown_create");
	server->repeats_unknown_sign = prefers_repeat(options, "unknown_sign");
	load_spending(server, options);
	return server;
}

/*
 * Options of the mapping for a role, or else of the one for everybody; false
 * if there is neither.
 */
static bool
find_mapping(Oid server, Oid role, List **options)
{
	HeapTuple	tuple;
	Datum		datum;
	bool		isnull;

	*options = NIL;
	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role),
							ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
								ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		return false;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		*options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return true;
}

/* The same; raises ERROR if there is none. */
static List *
mapping_options(const PartnerApiServer *server, Oid role)
{
	List	   *options;

	if (!find_mapping(server->oid, role, &options))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("user mapping not found for role \"%s\" and server \"%s\"",
					   GetUserNameFromId(role, false), server->name),
				errhint("Create one with CREATE USER MAPPING ... OPTIONS (token_file '...')."));
	return options;
}

/* The token of an option pair such as token and token_file, or NULL. */
static const char *
load_token(List *options, const char *name, const char *file_name)
{
	const char *token = partner_api_option_text(options, name);
	const char *path = partner_api_option_text(options, file_name);

	if (token == NULL && path == NULL)
		return NULL;
	if (token == NULL)
	{
		token = partner_api_read_token_file(path);
		partner_api_check_token(token, file_name);
	}
	return token;
}

/*
 * Load the credential with which "role" uses the server.  Raises ERROR if
 * there is no mapping, or its token cannot be read.  Returns a sentence if the
 * token shows that it is of another server, else NULL.
 */
const char *
partner_api_server_read_credential(PartnerApiServer *server, Oid role)
{
	const PartnerApiProvider *provider = server->provider;
	List	   *options = mapping_options(server, role);

	server->credential.token = load_token(options, "token", "token_file");
	server->credential.client_token = load_token(options, "client_token",
												 "client_token_file");
	server->caps[PARTNER_API_TOKEN_QUOTA] =
		partner_api_option_limit(options, UserMappingRelationId,
								 "token_quota");
	if (server->credential.token == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("user mapping for server \"%s\" has no token",
					   server->name),
				errhint("Set its option \"token_file\"."));
	server->limits.key.server = server->oid;
	server->limits.key.token =
		partner_api_limits_hash(server->credential.token);
	server->limits.role = role;
	server->limits.token = server->credential.token;
	return provider->credential_fault == NULL ? NULL :
		provider->credential_fault(&server->credential,
								   server->endpoint.base_url);
}

/* The same; raises ERROR for a token of another server, too. */
void
partner_api_server_load_credential(PartnerApiServer *server, Oid role)
{
	const char *fault = partner_api_server_read_credential(server, role);

	if (fault != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				errmsg("the token is not one of server \"%s\"",
					   server->name),
				errdetail_internal("%s", fault),
				errhint("Check the option \"base_url\" of the server, and the token of its user mapping."));
}

/*
 * Who sends the events of a server's webhooks.  Their token is that of the
 * mapping with which the server's owner uses it: any other role could make a
 * mapping of its own, and say what was paid.  Raises ERROR if there is no such
 * server of ours.
 */
void
partner_api_server_event_source(const char *name,
								PartnerApiEventSource *source)
{
	ForeignServer *foreign = find_server(name);
	List	   *options;

	source->server = pstrdup(foreign->servername);
	source->provider = partner_api_server_provider(foreign->serverid);
	source->zone = partner_api_option_zone(foreign->options,
										   source->provider);
	source->token = NULL;
	if (source->provider->parse_event != NULL &&
		find_mapping(foreign->serverid, foreign->owner, &options))
		source->token = load_token(options, "client_token",
								   "client_token_file");
}

/*
 * Note which token the server is used with.  Only what is recorded about a
 * use needs to know; hashing needs a resource owner.
 */
void
partner_api_server_identify_token(PartnerApiServer *server)
{
	server->token_fingerprint =
		partner_api_token_fingerprint(server->credential.token);
}

/* What must never be shown of a call with this credential. */
List *
partner_api_server_secrets(const PartnerApiServer *server,
						   const char *instance_token)
{
	List	   *secrets = NIL;

	if (server->credential.token != NULL)
		secrets = lappend(secrets,
						  unconstify(char *, server->credential.token));
	if (server->credential.client_token != NULL)
		secrets = lappend(secrets,
						  unconstify(char *, server->credential.client_token));
	if (instance_token != NULL)
		secrets = lappend(secrets, unconstify(char *, instance_token));
	return secrets;
}

/* Is there a foreign server of that name? */
bool
partner_api_server_exists(const char *name)
{
	return GetForeignServerByName(name, true) != NULL;
}

/* Does the server exist, and may the role use it? */
bool
partner_api_server_is_usable(const char *name, Oid role)
{
	ForeignServer *foreign = GetForeignServerByName(name, true);

	return foreign != NULL && is_ours(foreign) &&
		partner_api_server_usable_compat(foreign->serverid, role);
}

/*
 * When the deadlines of a server's actions are announced; one that is gone
 * has the defaults.
 */
PartnerApiDeadlines
partner_api_server_deadlines(const char *name)
{
	ForeignServer *foreign = GetForeignServerByName(name, true);
	List	   *options = foreign != NULL && is_ours(foreign) ?
	foreign->options : NIL;
	PartnerApiDeadlines times;

	times.warning = partner_api_option_interval(options, "deadline_warning");
	times.alarm = partner_api_option_interval(options, "deadline_alarm");
	return times;
}

/*
 * SQL: server_deadlines(server) -> warning, alarm: null where they are
 * switched off.
 */
Datum
partner_api_server_deadlines_sql(PG_FUNCTION_ARGS)
{
	PartnerApiDeadlines times =
	partner_api_server_deadlines(NameStr(*PG_GETARG_NAME(0)));
	Interval	warning = {.time = times.warning};
	Interval	alarm = {.time = times.alarm};
	Datum		values[2] = {IntervalPGetDatum(&warning),
	IntervalPGetDatum(&alarm)};
	bool		nulls[2] = {times.warning == 0, times.alarm == 0};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}

/* SQL: server_zone(server): its time_zone; null if there is no such server. */
Datum
partner_api_server_zone(PG_FUNCTION_ARGS)
{
	ForeignServer *foreign =
	GetForeignServerByName(NameStr(*PG_GETARG_NAME(0)), true);
	pg_tz	   *zone;

	if (foreign == NULL || !is_ours(foreign))
		PG_RETURN_NULL();
	zone = partner_api_option_zone(foreign->options,
								   partner_api_server_provider(foreign->serverid));
	PG_RETURN_TEXT_P(cstring_to_text(pg_get_timezone_name(zone)));
}

/* The owner of a server, by name, palloc'd. */
char *
partner_api_server_owner(const PartnerApiServer *server)
{
	return GetUserNameFromId(GetForeignServer(server->oid)->owner, false);
}

/* Does a server, if there is one, only show what it would send? */
bool
partner_api_server_in_dry_run(const char *name)
{
	ForeignServer *foreign = GetForeignServerByName(name, true);

	return foreign != NULL && is_ours(foreign) &&
		shows_only(foreign->options);
}

/* Names of all servers of the wrapper, palloc'd. */
List *
partner_api_server_names(void)
{
	Relation	relation = table_open(ForeignServerRelationId,
									  AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false,
										  NULL, 0, NULL);
	List	   *names = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server form;

		form = (Form_pg_foreign_server) GETSTRUCT(tuple);
		if (is_ours(GetForeignServer(form->oid)))
			names = lappend(names, pstrdup(NameStr(form->srvname)));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return names;
}
