/*-------------------------------------------------------------------------
 *
 * answers.c
 *	  What waiting calls are told of their action.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "answers.h"
#include "catalog/pg_type.h"
#include "identity.h"
#include "owner.h"
#include "redact.h"
#include "utils/memutils.h"

/* The primary message for a call whose action is not done. */
static const char *
outcome_words(const char *state)
{
	if (strcmp(state, "unknown") == 0)
		return "the outcome of %s at server \"%s\" is unknown";
	if (strcmp(state, "needs_attention") == 0)
		return "%s at server \"%s\" needs attention";
	return "%s at server \"%s\" failed";
}

/*
 * What a waiting call is told; NULL while the action goes on.  Needs a
 * transaction.
 */
PartnerApiAnswer *
partner_api_answer_of_settlement(const PartnerApiSettlement *settlement)
{
	PartnerApiAnswer *answer;

	if (strcmp(settlement->state, "waiting") == 0)
		return NULL;
	answer = palloc0(sizeof(PartnerApiAnswer));
	answer->action_id = settlement->action_id;
	if (strcmp(settlement->state, "done") == 0)
	{
		answer->result = settlement->result;
		return answer;
	}
	answer->sqlstate = settlement->sqlstate != 0 ? settlement->sqlstate :
		ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
	answer->message = psprintf(outcome_words(settlement->state),
							   partner_api_kind_name(settlement->claim->kind),
							   settlement->claim->server);
	answer->detail = psprintf("Action " INT64_FORMAT ": %s.",
							  settlement->action_id,
							  partner_api_text_from_utf8(settlement->error));
	answer->hint = settlement->hint != NULL ?
		unconstify(char *, settlement->hint) :
		psprintf("See partner_api.action_timeline(" INT64_FORMAT ").",
				 settlement->action_id);
	return answer;
}

/* A closed action, one row of the result, as calls that wait are told. */
PartnerApiAnswer *
partner_api_answer_of_row(int row, MemoryContext context)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	PartnerApiAnswer *answer = palloc0(sizeof(PartnerApiAnswer));
	bool		isnull;

	answer->action_id = DatumGetInt64(partner_api_field(row, 1, &isnull));
	answer->sqlstate = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
	answer->message = psprintf("action " INT64_FORMAT " is %s",
							   answer->action_id,
							   partner_api_field_text(row, 2));
	answer->detail = partner_api_field_text(row, 3);
	MemoryContextSwitchTo(before);
	return answer;
}

/*
 * How an action went that is closed already, for a call with its idempotency
 * key; NULL if it is open.
 */
PartnerApiAnswer *
partner_api_answer_of_closed(int64 action_id)
{
	static const Oid types[] = {INT8OID};
	static PartnerApiStatement statement = {
		"SELECT h.action_id, h.state, h.last_error,"
		"       CASE WHEN h.state <> 'done' THEN NULL"
		"            WHEN h.kind = 'delete_instances' THEN h.outcome::text"
		"            WHEN i.instance_id IS NOT NULL THEN row_to_json(i)::text"
		"            ELSE partner_api.object_row(h.server, o.object,"
		"                                        o.object_id) END"
		"  FROM partner_api.action_history h"
		"  LEFT JOIN partner_api.object_events o ON o.action_id = h.action_id"
		"  LEFT JOIN partner_api.instances i"
		"    ON i.server = h.server AND i.instance_id = h.instance_id"
		"   AND o.event_id IS NULL"
		" WHERE h.action_id = $1 ORDER BY o.event_id DESC LIMIT 1",
		1, types, NULL
	};
	Datum		value = Int64GetDatum(action_id);
	MemoryContext context = CurrentMemoryContext;
	PartnerApiAnswer *answer;

	if (partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT) == 0)
		return NULL;
	answer = partner_api_answer_of_row(0, context);
	if (strcmp(partner_api_field_text(0, 2), "done") == 0)
	{
		answer->sqlstate = 0;
		answer->result = partner_api_field_text(0, 4);
	}
	return answer;
}

/* What every waiting call is told while it is not clear who we are. */
PartnerApiAnswer *
partner_api_answer_unconfirmed(void)
{
	PartnerApiAnswer *answer = palloc0(sizeof(PartnerApiAnswer));

	answer->sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	answer->message = "the identity of this installation is not confirmed";
	answer->detail = psprintf("Nothing is sent from here: %s.",
							  partner_api_identity_reason());
	answer->hint = "If this database goes on in place of the one that it was made from, call partner_api.confirm_identity('keep'); if it is a copy, ('new').";
	return answer;
}
