/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  Telling people and programs that something needs them.
 *
 * An announcement is a line of the server log and a notification on the
 * channel partner_api.  Any role may listen, so the notification says only
 * what to look at: kinds of events and ids, no words of a provider, no names
 * of customers.  doc/reference.md lists the events.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "commands/async.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(partner_api_announce_warning);

#define CHANNEL "partner_api"
/* async.c refuses longer ones; ids of a provider may be of any length */
#define MOST_PAYLOAD_BYTES 7000

/* Append a member whose value is text; nothing if there is none. */
static void
put_text(StringInfo payload, const char *key, const char *value)
{
	if (value == NULL || payload->len + strlen(value) > MOST_PAYLOAD_BYTES)
		return;
	appendStringInfo(payload, ", \"%s\": ", key);
	escape_json(payload, value);
}

/* Notify when the transaction commits, and log a message now. */
static void
announce(int elevel, StringInfo payload, const char *message)
{
	Assert(elevel < ERROR);
	appendStringInfoChar(payload, '}');
	Async_Notify(CHANNEL, payload->data);
	pfree(payload->data);

	/* by which of our functions it came here helps nobody */
	ereport(elevel,
			errcode(elevel >= WARNING ? ERRCODE_WARNING :
					ERRCODE_SUCCESSFUL_COMPLETION),
			errmsg("partner_api %s", message),
			errhidecontext(true));
}

/*
 * Log a message, and notify whoever listens when the running transaction
 * commits.  event: one of those listed in doc/reference.md; server,
 * instance_id: NULL if it is about none, in the database's encoding;
 * action_id: 0 if it is about none.  A transaction that fails after this
 * leaves its line in the log, and says it again when it is repeated.
 */
void
partner_api_announce(int elevel, const char *event, const char *server,
					 int64 action_id, const char *instance_id,
					 const char *message)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"event\": \"%s\"", event);
	put_text(&payload, "server", server);
	if (action_id != 0)
		appendStringInfo(&payload, ", \"action_id\": " INT64_FORMAT,
						 action_id);
	put_text(&payload, "instance_id", instance_id);
	announce(elevel, &payload, message);
}

/* The same about a routine. */
void
partner_api_announce_routine(int elevel, const char *event,
							 const char *routine, const char *message)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"event\": \"%s\"", event);
	put_text(&payload, "routine", routine);
	announce(elevel, &payload, message);
}

/* A text argument, NULL if it is null. */
static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/*
 * SQL: announce(event, server, action_id, instance_id, message), for what is
 * found out in SQL.
 */
Datum
partner_api_announce_warning(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(4))
		elog(ERROR, "an announcement needs an event and a message");
	partner_api_announce(WARNING, text_argument(fcinfo, 0),
						 PG_ARGISNULL(1) ? NULL :
						 NameStr(*PG_GETARG_NAME(1)),
						 PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2),
						 text_argument(fcinfo, 3), text_argument(fcinfo, 4));
	PG_RETURN_VOID();
}
