/*-------------------------------------------------------------------------
 *
 * closing.h
 *	  The SQL that moves open actions to the history, and who is told of it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CLOSING_H
#define PARTNER_API_CLOSING_H

#include "postgres.h"

/* The columns that both tables have and that closing does not change. */
#define PARTNER_API_SHARED_COLUMNS(p) \
	p "action_id, " p "server, " p "kind, " p "customer_ref, " \
	p "arguments, " p "deadline, " p "announced, " p "held_for, " \
	p "nonce, " p "fingerprint, " p "requested_by, " p "automatic, " \
	p "idempotency_key, " p "lease, " p "sent_at, " p "enqueued_at, " \
	p "dry_run"

#define PARTNER_API_HISTORY_COLUMNS \
	"(" PARTNER_API_SHARED_COLUMNS("") ", state, instance_id, run_at," \
	" attempts, last_error, looks, closed_at, outcome)"

/*
 * Close the actions p that "selection" yields with their action_id, as far as
 * no session holds them.  $1 is the time; state and error are expressions on
 * the row.  Yields action_id, state, last_error, server and instance_id.
 */
#define PARTNER_API_CLOSE(selection, state, error) \
	"WITH due AS MATERIALIZED (" selection " FOR UPDATE OF p SKIP LOCKED)," \
	" closed AS (DELETE FROM partner_api.pending_actions p" \
	"  USING due WHERE p.action_id = due.action_id RETURNING p.*)" \
	" INSERT INTO partner_api.action_history " PARTNER_API_HISTORY_COLUMNS \
	" SELECT " PARTNER_API_SHARED_COLUMNS("") ", " state ", instance_id," \
	"        run_at, attempts, " error ", looks, $1, NULL" \
	"   FROM closed RETURNING action_id, state, last_error, server, instance_id"

extern void partner_api_note_refusals(const int64 *action_ids, int count);

#endif							/* PARTNER_API_CLOSING_H */
