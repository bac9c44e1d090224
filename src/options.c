/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The options of servers, user mappings and foreign tables: one table
 *	  drives checking, hints, defaults and reading.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "servers.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_validator);

#define SERVER ForeignServerRelationId
#define MAPPING UserMappingRelationId
#define TABLE ForeignTableRelationId
#define COLUMN AttributeRelationId

#define TEXT(catalog, name, superuser_only) \
	{name, catalog, PARTNER_API_OPTION_TEXT, superuser_only, NULL, 0, 0, \
	NULL, PARTNER_API_NEEDS_NOTHING}
#define INTEGER(name, fallback, min, max) \
	{name, SERVER, PARTNER_API_OPTION_INTEGER, false, fallback, min, max, \
	NULL, PARTNER_API_NEEDS_NOTHING}
#define RATE(name, fallback, max) \
	{name, SERVER, PARTNER_API_OPTION_RATE, false, fallback, 0, max, NULL, \
	PARTNER_API_NEEDS_NOTHING}
#define DURATION(name, fallback, need) \
	{name, SERVER, PARTNER_API_OPTION_INTERVAL, false, fallback, 0, 0, \
	NULL, PARTNER_API_NEEDS_##need}
/* one that means nothing if it is 0 */
#define STRETCH(name, fallback) \
	{name, SERVER, PARTNER_API_OPTION_INTERVAL, false, fallback, 1, 0, \
	NULL, PARTNER_API_NEEDS_NOTHING}
#define CHOICE(name, fallback, choices, need) \
	{name, SERVER, PARTNER_API_OPTION_CHOICE, false, fallback, 0, 0, \
	choices, PARTNER_API_NEEDS_##need}
/* what may be left unlimited; NO_CAP is below the least that can be given */
#define LIMIT(catalog, name) \
	{name, catalog, PARTNER_API_OPTION_INTEGER, false, NULL, 0, INT_MAX, \
	NULL, PARTNER_API_NEEDS_INSTANCES}
#define SPECIAL(name, kind, need) \
	{name, SERVER, kind, false, NULL, 0, 0, NULL, PARTNER_API_NEEDS_##need}

/*
 * Alphabetical within each catalog; doc/reference.md describes each.  Whoever
 * chooses the certificates, or a file that the server reads, must be a
 * superuser.
 */
static const PartnerApiOption options_table[] = {
	SPECIAL("base_url", PARTNER_API_OPTION_URL, NOTHING),
	INTEGER("burst", NULL, 1, 100000),
	TEXT(SERVER, "ca_file", true),
	INTEGER("circuit_failures", "5", 0, 1000000),
	INTEGER("circuit_pause_ms", "10000", 1, 86400000),
	INTEGER("connect_timeout_ms", "10000", 1, 600000),
	DURATION("deadline_alarm", "30 min", NOTHING),
	DURATION("deadline_warning", "2 h", NOTHING),
	SPECIAL("instance_base_url", PARTNER_API_OPTION_URL, OWN_HOSTS),
	DURATION("list_lag", "60 s", NOTHING),
	INTEGER("max_concurrency", "4", 1, 1000),
	LIMIT(SERVER, "max_cycle_cents"),
	LIMIT(SERVER, "max_instances"),
	LIMIT(SERVER, "max_new_per_day"),
	INTEGER("max_response_bytes", "16777216", 1024, 1073741823),
	CHOICE("mode", "live", "live,dry_run", NOTHING),
	CHOICE("name_nonce", "on", "on,off", NOTHING),
	RATE("poll_share", "0.5", 1),
	SPECIAL("provider", PARTNER_API_OPTION_PROVIDER, NOTHING),
	CHOICE("quota_counts", "created", "created,running", INSTANCES),
	RATE("rate_limit", "0", 100000),
	INTEGER("request_quota", NULL, 0, INT_MAX),
	STRETCH("request_window", "12 h"),
	DURATION("sign_lead", "6 h", TRIALS),
	SPECIAL("time_zone", PARTNER_API_OPTION_ZONE, LOCAL_TIMES),
	INTEGER("timeout_ms", "30000", 1, 3600000),
	CHOICE("trial_end", "sign", "sign,lapse,ask", TRIALS),
	CHOICE("unknown_create", "prefer_person", "prefer_repeat,prefer_person",
		   NOTHING),
	CHOICE("unknown_sign", "prefer_repeat", "prefer_repeat,prefer_person",
		   TRIALS),

	TEXT(MAPPING, "client_token", false),
	TEXT(MAPPING, "client_token_file", true),
	TEXT(MAPPING, "token", false),
	TEXT(MAPPING, "token_file", true),
	LIMIT(MAPPING, "token_quota"),

	{"list", TABLE, PARTNER_API_OPTION_LIST, false, NULL, 0, 0, NULL,
	PARTNER_API_NEEDS_NOTHING},

	TEXT(COLUMN, "column_name", false)
};

/* The entry of an option; NULL if the catalog has none of that name. */
static const PartnerApiOption *
find_option(const char *name, Oid catalog)
{
	for (int i = 0; i < (int) lengthof(options_table); i++)
	{
		if (options_table[i].catalog == catalog &&
			strcmp(options_table[i].name, name) == 0)
			return &options_table[i];
	}
	return NULL;
}

/* Refuse an option that there is not; name those that there are. */
static void
unknown_option(const char *name, Oid catalog)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(options_table); i++)
	{
		if (options_table[i].catalog == catalog)
			appendStringInfo(&known, "%s%s", known.len > 0 ? ", " : "",
							 options_table[i].name);
	}
	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("invalid option \"%s\"", name),
			known.len > 0 ?
			errhint("Valid options in this context are: %s.", known.data) :
			errhint("There are no valid options in this context."));
}

/* ---- validator ---- */

/* The value of an option as given; NULL if it is not. */
static const char *
find_def(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

/* Refuse two options that mean the same thing. */
static void
check_not_both(List *options, const char *one, const char *other)
{
	if (find_def(options, one) != NULL && find_def(options, other) != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("options \"%s\" and \"%s\" exclude each other",
					   one, other),
				errdetail("Both say what the same token is."),
				errhint("Drop one of them; a file keeps the token out of catalogs, dumps and logs."));
}

/*
 * Refuse more requests at a time than the provider takes: the rest would be
 * turned away.
 */
static void
check_concurrency(const PartnerApiProvider *provider, List *options)
{
	int			most = provider->most_requests;

	if (most > 0 &&
		partner_api_option_integer(options, "max_concurrency") > most)
		partner_api_option_refuse(find_option("max_concurrency", SERVER),
								  psprintf("Provider \"%s\" takes %d requests at a time.",
										   provider->name, most));
}

/* Refuse an alarm that comes before its warning; 0 is none. */
static void
check_deadlines(List *options)
{
	int64		warning = partner_api_option_interval(options,
													  "deadline_warning");
	int64		alarm = partner_api_option_interval(options,
													"deadline_alarm");

	if (warning != 0 && alarm > warning)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("option \"%s\" must not be longer than \"%s\"",
					   "deadline_alarm", "deadline_warning"),
				errdetail("They are %s and %s before the deadline.",
						  partner_api_option_text(options, "deadline_alarm"),
						  partner_api_option_text(options,
												  "deadline_warning")),
				errhint("Set both; 0 switches one off."));
}

/*
 * What a provider lacks for an option to mean anything, as a sentence; NULL:
 * nothing.
 */
static const char *
lacks(const PartnerApiProvider *provider, const PartnerApiOption *option)
{
	const char *hint;

	switch (option->need)
	{
		case PARTNER_API_NEEDS_NOTHING:
			break;
		case PARTNER_API_NEEDS_INSTANCES:
			return provider->supports(PARTNER_API_CREATE_INSTANCE, &hint) ?
				NULL : "It has no instances.";
		case PARTNER_API_NEEDS_TRIALS:
			return provider->trial_ms > 0 ? NULL : "It has no trials.";
		case PARTNER_API_NEEDS_OWN_HOSTS:
			return provider->own_hosts ? NULL :
				"It has no instances with hosts of their own.";
		case PARTNER_API_NEEDS_LOCAL_TIMES:
			return provider->time_zone != NULL ? NULL :
				"None of its days or times is read in that zone.";
	}
	return NULL;
}

/* Refuse an option of which nobody would hear that it has no effect. */
static void
check_meaning(const PartnerApiProvider *provider,
			  const PartnerApiOption *option)
{
	const char *lacking = lacks(provider, option);
	StringInfoData known;

	if (lacking == NULL)
		return;
	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(options_table); i++)
	{
		if (options_table[i].catalog == SERVER &&
			lacks(provider, &options_table[i]) == NULL)
			appendStringInfo(&known, "%s%s", known.len > 0 ? ", " : "",
							 options_table[i].name);
	}
	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("option \"%s\" has no meaning for provider \"%s\"",
				   option->name, provider->name),
			errdetail("%s", lacking),
			errhint("Valid options of its servers are: %s.", known.data));
}

/* Refuse options of a server that are right one by one but not together. */
static void
check_server(List *options)
{
	const char *name = find_def(options, "provider");
	const PartnerApiProvider *provider;
	ListCell   *lc;

	if (name == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("option \"%s\" is required", "provider"),
				errhint("Known providers are: %s.",
						partner_api_provider_names()));
	provider = partner_api_provider_find(name);
	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		check_meaning(provider, find_option(def->defname, SERVER));
	}
	check_concurrency(provider, options);
	check_deadlines(options);
}

/* Refuse options that are right one by one but not together. */
static void
check_whole(List *options, Oid catalog)
{
	if (catalog == SERVER)
		check_server(options);
	if (catalog == TABLE && find_def(options, "list") == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("option \"%s\" is required", "list"),
				errhint("Name what the foreign table is to list, such as \"instances\"."));
	if (catalog != MAPPING)
		return;
	if (find_def(options, "token") == NULL &&
		find_def(options, "token_file") == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("option \"%s\" or \"%s\" is required",
					   "token_file", "token"),
				errhint("Name a file on the database server that only its user can read."));
	check_not_both(options, "token", "token_file");
	check_not_both(options, "client_token", "client_token_file");
}

/* SQL: the wrapper's validator.  Raises ERROR for the first wrong option. */
Datum
partner_api_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);
		const PartnerApiOption *option = find_option(def->defname, catalog);

		if (option == NULL)
			unknown_option(def->defname, catalog);
		else
			partner_api_option_check(option, defGetString(def));
	}
	check_whole(options, catalog);
	/* a cap may have been raised: what it holds need not wait */
	partner_api_wake_worker_for_options();
	PG_RETURN_VOID();
}

/* ---- reading ---- */

/* The value of an option, its default, or NULL. */
const char *
partner_api_option_text(List *options, const char *name)
{
	const char *value = find_def(options, name);
	const PartnerApiOption *option = find_option(name, SERVER);

	if (value == NULL && option != NULL)
		value = option->fallback;
	return value;
}

/* The value of an integer option, or its default. */
int
partner_api_option_integer(List *options, const char *name)
{
	return partner_api_option_parse_integer(find_option(name, SERVER),
											partner_api_option_text(options, name));
}

/* The value of an option that is a rate, or its default. */
double
partner_api_option_rate(List *options, const char *name)
{
	return partner_api_option_parse_rate(find_option(name, SERVER),
										 partner_api_option_text(options, name));
}

/* The value of an option that limits something; PARTNER_API_NO_CAP if none. */
int
partner_api_option_limit(List *options, Oid catalog, const char *name)
{
	const char *value = find_def(options, name);

	return value == NULL ? PARTNER_API_NO_CAP :
		partner_api_option_parse_integer(find_option(name, catalog), value);
}

/* In microseconds. */
int64
partner_api_option_interval(List *options, const char *name)
{
	return partner_api_option_parse_interval(find_option(name, SERVER),
											 partner_api_option_text(options, name));
}

/* The zone of the provider's times, by the option or by the provider. */
pg_tz *
partner_api_option_zone(List *options, const PartnerApiProvider *provider)
{
	const char *value = partner_api_option_text(options, "time_zone");

	if (value == NULL)
		value = provider->time_zone != NULL ? provider->time_zone : "UTC";
	return partner_api_option_parse_zone(find_option("time_zone", SERVER), value);
}
