/*-------------------------------------------------------------------------
 *
 * webhook.c
 *	  Events that a provider sends by itself, as a web tier hands them on.
 *
 * What comes over the Internet proves itself by a token alone.  So that is
 * compared first, with that of every server that it could be for and in a
 * time that does not depend on where it differs, and whoever has it not learns
 * nothing.  The provider waits some seconds for an answer and sends again what
 * got none: so nothing here waits for longer, and what fails changes nothing.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "listing.h"
#include "miscadmin.h"
#include "owner.h"
#include "redact.h"
#include "servers.h"
#include "storage/proc.h"
#include "subtransaction.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_asaas_webhook);

/* The provider gives up after 10 s. */
#define MOST_LOCK_WAIT_MS 4000

/* ---- the token ---- */

static void refuse_headers(void) pg_attribute_noreturn();

/* Raise ERROR for what is no object of headers. */
static void
refuse_headers(void)
{
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("headers must be a JSON object of texts"),
			errhint("Hand on the headers of the request by their names."));
}

/*
 * The value of a header whose name is written in any case; NULL if there is
 * none, or more than one.
 */
static char *
find_header(Jsonb *headers, const char *name)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *found = NULL;
	int			count = 0;
	bool		wanted = false;

	if (!JB_ROOT_IS_OBJECT(headers))
		refuse_headers();
	it = JsonbIteratorInit(&headers->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			wanted = value.val.string.len == (int) strlen(name) &&
				pg_strncasecmp(value.val.string.val, name,
							   value.val.string.len) == 0;
		if (token != WJB_VALUE || !wanted)
			continue;
		if (value.type != jbvString)
			refuse_headers();
		found = pnstrdup(value.val.string.val, value.val.string.len);
		count++;
	}
	return count == 1 ? found : NULL;
}

/* Are two tokens the same?  Takes the same time wherever they differ. */
static bool
same_token(const char *given, const char *expected)
{
	char	   *one = partner_api_sha256_hex(given);
	char	   *other = partner_api_sha256_hex(expected);

	return timingsafe_bcmp(one, other, strlen(one)) == 0;
}

/* ---- whose event it is ---- */

/* A server that is looked at, and what is found. */
typedef struct Candidate
{
	const char *server;
	PartnerApiEventSource *source;
} Candidate;

/* Work for partner_api_try(). */
static void
load_source(void *arg)
{
	Candidate  *candidate = arg;

	partner_api_server_event_source(candidate->server, candidate->source);
}

/*
 * Look at a server whose events may be told.  One of many whose token cannot
 * be read keeps no other from being heard: that is for the log.
 */
static bool
is_source(const PartnerApiProvider *provider, const char *server, bool named,
		  PartnerApiEventSource *source)
{
	Candidate	candidate = {server, source};
	ErrorData  *error = NULL;

	if (named)
		load_source(&candidate);
	else
		error = partner_api_try(load_source, &candidate);
	if (error != NULL)
		ereport(LOG,
				errmsg("partner_api cannot tell events of server \"%s\": %s",
					   server, error->message));
	return error == NULL && source->provider == provider &&
		source->token != NULL;
}

/* The servers that an event could be for. */
static List *
list_sources(const PartnerApiProvider *provider, const char *name)
{
	List	   *names = name != NULL ? list_make1(unconstify(char *, name)) :
	partner_api_server_names();
	List	   *sources = NIL;
	ListCell   *lc;

	foreach(lc, names)
	{
		PartnerApiEventSource *source = palloc(sizeof(PartnerApiEventSource));

		if (is_source(provider, lfirst(lc), name != NULL, source))
			sources = lappend(sources, source);
	}
	if (sources == NIL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				name != NULL ?
				errmsg("server \"%s\" has no token for events of provider \"%s\"",
					   name, provider->name) :
				errmsg("no server has a token for events of provider \"%s\"",
					   provider->name),
				errhint("Set the option \"client_token_file\" of the user mapping of the server's owner, or of PUBLIC."));
	return sources;
}

/*
 * The server whose token the event carries.  All are compared.  Raises ERROR
 * if there is none, with the same words whatever is wrong, or several.
 */
static const PartnerApiEventSource *
find_source(const List *sources, const char *token)
{
	const PartnerApiEventSource *found = NULL;
	int			count = 0;
	ListCell   *lc;

	foreach(lc, sources)
	{
		const PartnerApiEventSource *source = lfirst(lc);

		if (same_token(token != NULL ? token : "", source->token) &&
			token != NULL)
		{
			found = source;
			count++;
		}
	}
	if (count == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				errmsg("the event does not carry the token of a webhook"),
				errhint("Hand on all headers of the request, and refuse it if this stays so."));
	if (count > 1)
		ereport(ERROR,
				errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				errmsg("the event may be of %d servers, which have the same token",
					   count),
				errhint("Name the server, or give each a token of its own."));
	return found;
}

/* ---- what it says ---- */

/* The body as an event of the provider's; raises ERROR if it is none. */
static void
parse_body(const PartnerApiEventSource *source, Jsonb *body,
		   PartnerApiEvent *event)
{
	char	   *text = JsonbToCString(NULL, &body->root, VARSIZE(body));
	char	   *message = NULL;

	text = partner_api_text_to_utf8(text);
	if (!source->provider->parse_event(text, strlen(text), event, &message))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the body is no event of provider \"%s\"",
					   source->provider->name),
				errdetail("The body cannot be read: %s.", message),
				errhint("Hand on the body of the request as it came."));
	if (event->local_time)
		event->at_ms = partner_api_in_zone(source->zone, event->at_ms);
}

/* A text of the event as a datum, without the token. */
static void
set_text(Datum *values, char *nulls, int column, const char *text,
		 const List *secrets)
{
	nulls[column] = text == NULL ? 'n' : ' ';
	if (text != NULL)
		values[column] =
			CStringGetTextDatum(partner_api_redact_whole(text, secrets));
}

/* Record the event and what follows from it; *outcome is a word. */
static void
take_event(const PartnerApiEventSource *source, const PartnerApiEvent *event,
		   NameData *outcome)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT partner_api.take_webhook_event($1, $2, $3, $4, $5::jsonb, $6,"
		"                                      $7::jsonb)",
		lengthof(types), types, NULL
	};
	const List *secrets = list_make1(unconstify(char *, source->token));
	NameData	name;
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types)];

	namestrcpy(&name, source->server);
	memset(nulls, ' ', sizeof(nulls));
	values[0] = NameGetDatum(&name);
	set_text(values, nulls, 1, event->id, secrets);
	set_text(values, nulls, 2, event->name, secrets);
	set_text(values, nulls, 3, event->charge_id, secrets);
	set_text(values, nulls, 4, event->fields, secrets);
	values[5] =
		TimestampTzGetDatum(partner_api_timestamp_from_unix_ms(event->at_ms));
	nulls[5] = event->at_ms == 0 ? 'n' : ' ';
	set_text(values, nulls, 6, event->body, secrets);
	partner_api_execute(&statement, values, nulls, SPI_OK_SELECT);
	namestrcpy(outcome, partner_api_field_text(0, 1));
}

/* Give up on a row that somebody holds while the provider still waits. */
static void
limit_lock_wait(void)
{
	if (LockTimeout == 0 || LockTimeout > MOST_LOCK_WAIT_MS)
		(void) set_config_option("lock_timeout",
								 psprintf("%d", MOST_LOCK_WAIT_MS),
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * SQL: asaas_webhook(headers, body, server) -> what became of the event.  The
 * caller needs no other right than to execute it.
 */
Datum
partner_api_asaas_webhook(PG_FUNCTION_ARGS)
{
	const PartnerApiProvider *provider = &partner_api_asaas;
	PartnerApiOwnerScope scope;
	const PartnerApiEventSource *source;
	PartnerApiEvent event;
	const char *token;
	NameData	outcome;

	PreventCommandIfReadOnly("asaas_webhook()");
	if (PG_ARGISNULL(0))
		refuse_headers();
	token = find_header(PG_GETARG_JSONB_P(0), provider->event_header);
	source = find_source(list_sources(provider, PG_ARGISNULL(2) ? NULL :
									  NameStr(*PG_GETARG_NAME(2))), token);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("body must not be null"));
	parse_body(source, PG_GETARG_JSONB_P(1), &event);

	partner_api_owner_begin(&scope);
	limit_lock_wait();
	take_event(source, &event, &outcome);
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_TEXT_P(cstring_to_text(NameStr(outcome)));
}
