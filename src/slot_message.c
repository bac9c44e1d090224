/*-------------------------------------------------------------------------
 *
 * slot_message.c
 *	  What travels in a slot: an action one way, an answer the other.
 *
 * Shared memory holds bytes, never pointers, so both are flattened.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "slots.h"
#include "wipe.h"

/* Append text, or NULL. */
static void
put_text(StringInfo message, const char *text)
{
	int			len = text != NULL ? (int) strlen(text) : -1;

	pq_sendint32(message, len);
	if (text != NULL)
		appendBinaryStringInfo(message, text, len);
}

/* Read text, palloc'd, or NULL. */
static char *
get_text(StringInfo message)
{
	int			len = (int) pq_getmsgint(message, 4);

	return len < 0 ? NULL : pnstrdup(pq_getmsgbytes(message, len), len);
}

/*
 * Append a secret text, or NULL.  The message does not grow after that: it
 * would leave a copy behind.  It is overwritten with its context.
 */
static void
put_secret(StringInfo message, const char *secret)
{
	if (secret != NULL)
	{
		enlargeStringInfo(message, (int) strlen(secret) + 4);
		partner_api_wipe_at_reset(CurrentMemoryContext, message->data,
								  message->maxlen);
	}
	put_text(message, secret);
}

/* The same, read: a copy that is overwritten with its context. */
static char *
get_secret(StringInfo message)
{
	int			len = (int) pq_getmsgint(message, 4);

	return len < 0 ? NULL :
		partner_api_secret_copy(CurrentMemoryContext,
								pq_getmsgbytes(message, len), len);
}

/* Write an action; run_at and deadline are not for waiting calls. */
void
partner_api_put_action(StringInfo message, const PartnerApiNewAction *action)
{
	initStringInfo(message);
	pq_sendint32(message, action->kind);
	pq_sendint32(message, action->role);
	put_text(message, action->server);
	put_text(message, action->instance_id);
	put_text(message, action->arguments);
	put_text(message, action->customer_ref);
	put_text(message, action->idempotency_key);
	put_secret(message, action->secret);
}

/* Read an action, palloc'd. */
PartnerApiNewAction *
partner_api_get_action(StringInfo message)
{
	PartnerApiNewAction *action = palloc0(sizeof(PartnerApiNewAction));

	action->kind = (PartnerApiKind) pq_getmsgint(message, 4);
	action->role = (Oid) pq_getmsgint(message, 4);
	action->server = get_text(message);
	action->instance_id = get_text(message);
	action->arguments = get_text(message);
	action->customer_ref = get_text(message);
	action->idempotency_key = get_text(message);
	action->secret = get_secret(message);
	return action;
}

/* Write an answer. */
void
partner_api_put_answer(StringInfo message, const PartnerApiAnswer *answer)
{
	initStringInfo(message);
	pq_sendint64(message, answer->action_id);
	pq_sendint32(message, answer->sqlstate);
	put_text(message, answer->message);
	put_text(message, answer->detail);
	put_text(message, answer->hint);
	put_text(message, answer->result);
}

/* Read an answer, palloc'd. */
PartnerApiAnswer *
partner_api_get_answer(StringInfo message)
{
	PartnerApiAnswer *answer = palloc0(sizeof(PartnerApiAnswer));

	answer->action_id = pq_getmsgint64(message);
	answer->sqlstate = (int) pq_getmsgint(message, 4);
	answer->message = get_text(message);
	answer->detail = get_text(message);
	answer->hint = get_text(message);
	answer->result = get_text(message);
	return answer;
}
