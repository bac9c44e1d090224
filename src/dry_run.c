/*-------------------------------------------------------------------------
 *
 * dry_run.c
 *	  Dry runs: what would be sent, and what it would cost.
 *
 * The request is built with asterisks where tokens go, so that none can be in
 * what is shown.  The action closes in the transaction that claims it: it is
 * never in flight, whatever happens, and never sent.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "caps.h"
#include "cards.h"
#include "catalog/pg_type.h"
#include "json.h"
#include "lib/stringinfo.h"
#include "owner.h"
#include "redact.h"
#include "spend.h"
#include "subtransaction.h"
#include "utils/builtins.h"

/* Stands for a token. */
#define MASK "***"

/* What partner_api_try() works on. */
typedef struct Preview
{
	PartnerApiTransfer *transfer;
	const char *obstacle;		/* why it would be held, or NULL */
	char	   *text;			/* JSON, UTF-8 */
} Preview;

/* ---- the request ---- */

/* The tokens of a bulk action, masked; NULL if it is none. */
static json_t *
masked_tokens(const PartnerApiTransfer *transfer)
{
	json_t	   *ids = partner_api_json_get(transfer->arguments,
										   "instance_ids");
	json_t	   *tokens;

	if (ids == NULL)
		return NULL;
	tokens = partner_api_json_object();
	for (int i = 0; i < partner_api_json_count(ids); i++)
		partner_api_json_put_text(tokens, partner_api_json_text_at(ids, i),
								  MASK);
	return tokens;
}

/* The request of a transfer as it would be sent, but for the tokens. */
static void
build_masked(const PartnerApiTransfer *transfer, PartnerApiRequest *request)
{
	static const PartnerApiCredential credential = {MASK, MASK};
	PartnerApiAction action;

	partner_api_transfer_action(transfer, &action);
	if (action.instance_token != NULL)
		action.instance_token = MASK;
	action.tokens = masked_tokens(transfer);
	action.secret = partner_api_card_masked(transfer->arguments);
	transfer->account->server->provider->build(&action, &credential, request);
}

/* The path of a request, decoded. */
static char *
path_of(const PartnerApiRequest *request)
{
	StringInfoData path;
	ListCell   *lc;

	initStringInfo(&path);
	foreach(lc, request->path)
		appendStringInfo(&path, "/%s", (char *) lfirst(lc));
	return path.data;
}

/* Show the parts of a form; of a file its name and size. */
static json_t *
show_parts(const PartnerApiRequest *request)
{
	json_t	   *shown = partner_api_json_array();
	ListCell   *lc;

	foreach(lc, request->parts)
	{
		const PartnerApiPart *part = lfirst(lc);
		json_t	   *object = partner_api_json_append_object(shown);

		partner_api_json_put_text(object, "name", part->name);
		partner_api_json_put_text(object, "file_name", part->file_name);
		if (part->file_name != NULL)
			partner_api_json_put_int64(object, "bytes",
									   (int64) part->value_len);
		else
			partner_api_json_put_text(object, "value",
									  pnstrdup(part->value, part->value_len));
	}
	return shown;
}

/* Show method, path, query and body. */
static void
put_request(json_t *shown, const PartnerApiRequest *request)
{
	json_t	   *query = partner_api_json_object();
	char	   *error;
	ListCell   *lc;

	partner_api_json_put_text(shown, "method", request->method);
	partner_api_json_put_text(shown, "path", path_of(request));
	foreach(lc, request->query)
	{
		const PartnerApiPair *pair = lfirst(lc);

		partner_api_json_put_text(query, pair->name, pair->value);
	}
	partner_api_json_put(shown, "query", query);
	if (request->parts != NIL)
		partner_api_json_put(shown, "parts", show_parts(request));
	if (request->body != NULL)
		partner_api_json_put(shown, "body",
							 partner_api_json_parse(request->body,
													request->body_len,
													&error));
}

/* ---- the cost ---- */

/* The currency of a server's running cycle; NULL if no rule says. */
static char *
currency_of(const PartnerApiServer *server)
{
	static const Oid types[] = {NAMEOID};
	static PartnerApiStatement statement = {
		"SELECT r.currency"
		"  FROM partner_api.cycle_rule($1, partner_api.clock()) r",
		1, types, NULL
	};
	NameData	name;
	Datum		value = NameGetDatum(&name);

	namestrcpy(&name, server->name);
	if (partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT) == 0)
		return NULL;
	return partner_api_field_text(0, 1);
}

/* Show what the action costs, and return what is to be said of it. */
static const char *
put_cost(json_t *shown, const PartnerApiClaim *claim,
		 const PartnerApiServer *server)
{
	int64		billed = partner_api_cycle_cost(server);
	const char *note = NULL;
	int64		cost = 0;

	if (partner_api_begins_billing(server, claim->kind))
	{
		cost = billed;
		note = billed < 0 ? "no price is set" : NULL;
	}
	else if (claim->kind == PARTNER_API_CREATE_INSTANCE && billed < 0)
		note = "a trial costs nothing; no price is set for a subscription";
	else if (claim->kind == PARTNER_API_CREATE_INSTANCE)
		note = psprintf("a trial costs nothing; a subscription adds "
						INT64_FORMAT " cents to the running cycle", billed);
	else if (claim->kind == PARTNER_API_UPDATE_SUBSCRIPTION)
	{
		cost = -1;
		note = "no price is known for voice calls";
	}
	if (cost >= 0)
		partner_api_json_put_int64(shown, "cost_cents", cost);
	partner_api_json_put_text(shown, "currency", currency_of(server));
	return note;
}

/* Work for partner_api_try(): everything that is shown of an action. */
static void
make_preview(void *arg)
{
	Preview    *preview = arg;
	PartnerApiTransfer *transfer = preview->transfer;
	json_t	   *shown = partner_api_json_object();
	PartnerApiRequest request = {0};
	const char *note;

	partner_api_transfer_parse(transfer);
	build_masked(transfer, &request);
	partner_api_json_put_bool(shown, "dry_run", true);
	put_request(shown, &request);
	note = put_cost(shown, transfer->claim, transfer->account->server);
	if (preview->obstacle != NULL)
		note = psprintf("%s%swould be held: %s", note != NULL ? note : "",
						note != NULL ? "; " : "",
						partner_api_text_to_utf8(preview->obstacle));
	partner_api_json_put_text(shown, "note", note);
	preview->text = partner_api_json_print(shown);
}

/* ---- closing ---- */

/* The settlement that closes it. */
static PartnerApiSettlement *
make_settlement(PartnerApiTransfer *transfer, const char *obstacle,
				TimestampTz now)
{
	PartnerApiClaim *claim = transfer->claim;
	MemoryContext before = MemoryContextSwitchTo(claim->context);
	Preview		preview = {.transfer = transfer,.obstacle = obstacle};
	ErrorData  *error = partner_api_try(make_preview, &preview);
	PartnerApiNextStep next = {.state = "cancelled",
		.attempts = claim->attempts - 1
	};
	PartnerApiSettlement *settlement;

	settlement = partner_api_settlement_new(transfer, &next, now);
	settlement->outcome = preview.text;
	settlement->error = error == NULL ? "dry run: nothing was sent" :
		psprintf("dry run: the request cannot be put together: %s",
				 partner_api_message_as_utf8(error->message));
	MemoryContextSwitchTo(before);
	return settlement;
}

/* Its key is free again: the same call is to be made in earnest one day. */
static void
free_key(int64 action_id)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"DELETE FROM partner_api.idempotency_keys k"
		" USING partner_api.action_history h"
		" WHERE h.action_id = $1 AND k.server = h.server"
		"   AND k.key = h.idempotency_key AND k.action_id = h.action_id",
		1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);

	partner_api_execute(&statement, &value, NULL, SPI_OK_DELETE);
}

/*
 * Close an action, claimed in the running transaction, with what would be sent
 * as its outcome.  "obstacle" says why it would be held, NULL if it would not.
 * Returns what a call that waits for it is told.
 */
PartnerApiAnswer *
partner_api_dry_run(PartnerApiTransfer *transfer, const char *obstacle,
					TimestampTz now)
{
	PartnerApiSettlement *settlement = make_settlement(transfer, obstacle,
													   now);
	const PartnerApiClaim *claim = transfer->claim;
	PartnerApiAnswer *answer = palloc0(sizeof(PartnerApiAnswer));

	partner_api_settle(list_make1(settlement), now);
	free_key(claim->action_id);
	answer->action_id = claim->action_id;
	answer->sqlstate = PARTNER_API_ERRCODE_DRY_RUN;
	answer->message = psprintf("dry run: %s at server \"%s\" was not sent",
							   partner_api_kind_name(claim->kind),
							   claim->server);
	answer->detail = partner_api_text_from_utf8(settlement->outcome != NULL ?
												settlement->outcome :
												settlement->error);
	answer->hint = psprintf("See the outcome of action " INT64_FORMAT " in partner_api.action_history; nothing is sent while the server's mode is dry_run.",
							claim->action_id);
	return answer;
}
