/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The options of servers and user mappings: one table drives checking,
 *	  hints, defaults and reading.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "servers.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(partner_api_validator);

#define SERVER ForeignServerRelationId
#define MAPPING UserMappingRelationId

/* Alphabetical within each catalog; doc/reference.md describes each. */
static const PartnerApiOption options_table[] = {
	{"base_url", SERVER, PARTNER_API_OPTION_URL},
	/* whoever chooses the certificates chooses who may read the token */
	{"ca_file", SERVER, PARTNER_API_OPTION_TEXT, true},
	{"connect_timeout_ms", SERVER, PARTNER_API_OPTION_INTEGER, false,
	"10000", 1, 600000},
	{"list_lag", SERVER, PARTNER_API_OPTION_INTERVAL, false, "60 s"},
	{"max_concurrency", SERVER, PARTNER_API_OPTION_INTEGER, false,
	"4", 1, 1000},
	{"max_response_bytes", SERVER, PARTNER_API_OPTION_INTEGER, false,
	"16777216", 1024, 1073741823},
	{"name_nonce", SERVER, PARTNER_API_OPTION_CHOICE, false,
	"on", 0, 0, "on,off"},
	{"provider", SERVER, PARTNER_API_OPTION_PROVIDER},
	{"sign_lead", SERVER, PARTNER_API_OPTION_INTERVAL, false, "6 h"},
	{"timeout_ms", SERVER, PARTNER_API_OPTION_INTEGER, false,
	"30000", 1, 3600000},
	{"trial_end", SERVER, PARTNER_API_OPTION_CHOICE, false,
	"sign", 0, 0, "sign,lapse,ask"},

	{"client_token", MAPPING, PARTNER_API_OPTION_TEXT},
	{"client_token_file", MAPPING, PARTNER_API_OPTION_TEXT, true},
	{"token", MAPPING, PARTNER_API_OPTION_TEXT},
	{"token_file", MAPPING, PARTNER_API_OPTION_TEXT, true},
};

/* The entry of an option; NULL if the catalog has none of that name. */
static const PartnerApiOption *
find_option(const char *name, Oid catalog)
{
	for (int i = 0; i < lengthof(options_table); i++)
	{
		if (options_table[i].catalog == catalog &&
			strcmp(options_table[i].name, name) == 0)
			return &options_table[i];
	}
	return NULL;
}

static void
unknown_option(const char *name, Oid catalog)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < lengthof(options_table); i++)
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

/* ---- values ---- */

static void pg_attribute_noreturn()
bad_value(const PartnerApiOption *option, const char *detail)
{
	ereport(ERROR,
			errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			errmsg("invalid value of option \"%s\"", option->name),
			errdetail("%s", detail));
}

static int
parse_integer(const PartnerApiOption *option, const char *value)
{
	char	   *end;
	long		result;

	errno = 0;
	result = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' ||
		result < option->min || result > option->max)
		bad_value(option, psprintf("It must be an integer from %d to %d.",
								   option->min, option->max));
	return (int) result;
}

/* An interval in microseconds; months have no fixed length. */
static int64
parse_interval(const PartnerApiOption *option, const char *value)
{
	Interval   *interval;
	int64		result;

	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(value),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	result = interval->time + interval->day * USECS_PER_DAY;
	if (interval->month != 0 || result < 0 || result > 365 * USECS_PER_DAY)
		bad_value(option,
				  "It must be an interval from 0 to 365 days, without months.");
	return result;
}

static void
check_choice(const PartnerApiOption *option, const char *value)
{
	char	   *copy = pstrdup(option->choices);
	List	   *choices = NIL;
	ListCell   *lc;

	if (!SplitIdentifierString(copy, ',', &choices))
		elog(ERROR, "bad choices of option \"%s\"", option->name);
	foreach(lc, choices)
	{
		if (strcmp(lfirst(lc), value) == 0)
			return;
	}
	bad_value(option, psprintf("It must be one of: %s.", option->choices));
}

static void
check_provider(const char *value)
{
	if (partner_api_provider_find(value) == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("unknown provider \"%s\"", value),
				errhint("Known providers are: %s.",
						partner_api_provider_names()));
}

static void
check_option(const PartnerApiOption *option, const char *value)
{
	if (option->superuser_only && !superuser())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to set option \"%s\"", option->name),
				errhint("Only superusers may set it."));
	if (*value == '\0')
		bad_value(option, "It must not be empty.");

	switch (option->kind)
	{
		case PARTNER_API_OPTION_TEXT:
			if (option->catalog == MAPPING && !option->superuser_only)
				partner_api_check_token(value, option->name);
			break;
		case PARTNER_API_OPTION_INTEGER:
			(void) parse_integer(option, value);
			break;
		case PARTNER_API_OPTION_INTERVAL:
			(void) parse_interval(option, value);
			break;
		case PARTNER_API_OPTION_CHOICE:
			check_choice(option, value);
			break;
		case PARTNER_API_OPTION_URL:
			partner_api_check_allowed_host(value);
			break;
		case PARTNER_API_OPTION_PROVIDER:
			check_provider(value);
			break;
	}
}

/* ---- allowed hosts ---- */

/* Loopback as it is written: a name could resolve to anything. */
static bool
is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0 ||
		strcmp(host, "localhost") == 0;
}

/* Does an entry of the setting, host or host:port, cover this URL? */
static bool
entry_covers(const char *entry, const PartnerApiUrl *url)
{
	size_t		len = strlen(url->host);

	if (pg_strncasecmp(entry, url->host, len) != 0)
		return false;
	if (entry[len] == '\0')
		return true;
	return entry[len] == ':' && strtol(entry + len + 1, NULL, 10) == url->port;
}

static bool
host_allowed(const PartnerApiUrl *url)
{
	char	   *copy = pstrdup(partner_api_allowed_hosts);
	List	   *entries = NIL;
	ListCell   *lc;

	if (!SplitGUCList(copy, ',', &entries))
		return false;
	foreach(lc, entries)
	{
		if (entry_covers(lfirst(lc), url))
			return true;
	}
	return false;
}

/*
 * Refuse a base URL that a token must not be sent to.  Called when the option
 * is written and again at every use, since the setting may change.
 */
void
partner_api_check_allowed_host(const char *base_url)
{
	PartnerApiUrl url;
	char	   *problem = partner_api_url_problem(base_url, &url);

	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("invalid value of option \"%s\"", "base_url"),
				errdetail("%s", problem));
	if (!host_allowed(&url))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("host \"%s\" is not allowed", url.host),
				errdetail("Tokens are sent only to the hosts in the setting \"partner_api.allowed_hosts\"."),
				errhint("A superuser can add \"%s:%d\" to that setting.",
						url.host, url.port));
	if (strcmp(url.scheme, "https") != 0 && !is_loopback(url.host))
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("plain http to host \"%s\" is not allowed", url.host),
				errdetail("A token would cross the network unencrypted."),
				errhint("Use https."));
}

/* ---- validator ---- */

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

static void
check_not_both(List *options, const char *one, const char *other)
{
	if (find_def(options, one) != NULL && find_def(options, other) != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("options \"%s\" and \"%s\" exclude each other",
					   one, other));
}

static void
check_whole(List *options, Oid catalog)
{
	if (catalog == SERVER && find_def(options, "provider") == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("option \"%s\" is required", "provider"),
				errhint("Known providers are: %s.",
						partner_api_provider_names()));
	if (catalog != MAPPING)
		return;
	if (find_def(options, "token") == NULL &&
		find_def(options, "token_file") == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("option \"%s\" or \"%s\" is required",
					   "token_file", "token"));
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
			check_option(option, defGetString(def));
	}
	check_whole(options, catalog);
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

int
partner_api_option_integer(List *options, const char *name)
{
	return parse_integer(find_option(name, SERVER),
						 partner_api_option_text(options, name));
}

/* In microseconds. */
int64
partner_api_option_interval(List *options, const char *name)
{
	return parse_interval(find_option(name, SERVER),
						  partner_api_option_text(options, name));
}
