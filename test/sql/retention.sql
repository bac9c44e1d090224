/*
 * prune_history(): what is deleted by age, and what is kept whatever its age.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;

CREATE ROLE regress_admin IN ROLE partner_api_admin;
CREATE ROLE regress_operator IN ROLE partner_api_operator;

-- an action that was closed, attempted and given a key so long ago
CREATE FUNCTION make_old(id bigint, age interval, key text = NULL,
	key_age interval = NULL, closed boolean = true) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	moment timestamptz := partner_api.clock() - age;
BEGIN
	IF closed THEN
		INSERT INTO partner_api.action_history
			(action_id, server, kind, state, arguments, run_at, attempts,
			 nonce, fingerprint, requested_by, automatic, idempotency_key,
			 lease, looks, enqueued_at, closed_at)
		VALUES (id, 'zapi', 'create_instance', 'done', '{}', moment, 2,
				'n', 'f', 'r', false, key, 1, 0, moment, moment);
	ELSE
		INSERT INTO partner_api.pending_actions
			(action_id, server, kind, state, arguments, run_at, attempts,
			 nonce, fingerprint, requested_by, idempotency_key, enqueued_at)
		VALUES (id, 'zapi', 'create_instance', 'needs_attention', '{}', moment,
				2, 'n', 'f', 'r', key, moment);
	END IF;
	INSERT INTO partner_api.action_attempts
		(action_id, attempt, lease, purpose, started_at, finished_at,
		 latency_ms, verdict)
	SELECT id, n, n, 'send', moment, moment, 1, 'unknown'
	FROM generate_series(1, 2) n;
	INSERT INTO partner_api.former_nonces VALUES (id, 'before');
	IF key IS NOT NULL THEN
		INSERT INTO partner_api.idempotency_keys
		VALUES ('zapi', key, 'create_instance', 'r', 'f', id,
				partner_api.clock() - key_age);
	END IF;
END
$$;
CREATE VIEW kept AS
SELECT (SELECT string_agg(action_id::text, ' ' ORDER BY action_id)
		FROM partner_api.action_history) AS actions,
	   (SELECT string_agg(DISTINCT action_id::text, ' ')
		FROM partner_api.action_attempts) AS attempts,
	   (SELECT string_agg(key, ' ' ORDER BY key)
		FROM partner_api.idempotency_keys) AS keys,
	   (SELECT string_agg(action_id::text, ' ' ORDER BY action_id)
		FROM partner_api.former_nonces) AS nonces;

/* ---- the ages by default ---- */

SELECT make_old(1, '1 day');
SELECT make_old(2, '100 days');
SELECT make_old(3, '3 years');
SELECT make_old(4, '3 years', 'old', '3 years');
SELECT make_old(5, '3 years', 'used again', '100 days');
SELECT make_old(6, '3 years', 'open', '3 years', closed => false);
SELECT * FROM kept;
CALL partner_api.prune_history();
SELECT * FROM kept;
-- nothing is left to do
CALL partner_api.prune_history();

/* ---- other ages ---- */

-- an action is kept as long as its key
CALL partner_api.prune_history(history_age => '1 day', attempts_age => NULL);
SELECT * FROM kept;
-- null keeps everything of its kind
SELECT make_old(7, '10 years', 'ancient', '10 years');
CALL partner_api.prune_history(NULL, NULL, NULL);
SELECT * FROM kept;
CALL partner_api.prune_history(keys_age => NULL);
SELECT * FROM kept;
CALL partner_api.prune_history('0', '0', '0');
SELECT * FROM kept;

/* ---- batches ---- */

SELECT count(make_old(n, '3 years', 'key ' || n, '3 years'))
FROM generate_series(11, 35) n;
SELECT partner_api.prune_keys(partner_api.clock(), 10);
SELECT partner_api.prune_actions(partner_api.clock(), 7);
SELECT partner_api.prune_attempts(partner_api.clock(), 20);
CALL partner_api.prune_history(batch => 4);
SELECT * FROM kept;

/* ---- events of payments: none that the provider may send again ---- */

INSERT INTO partner_api.payment_events
	(server, event_id, source, received_at, outcome)
SELECT 'zapi', 'evt_' || days, 'webhook',
	   partner_api.clock() - make_interval(days => days), 'applied'
FROM unnest('{1, 13, 15, 40, 41, 42}'::int[]) days;
CALL partner_api.prune_history(NULL, NULL, NULL);
CALL partner_api.prune_history('20 days', NULL, NULL, batch => 2);
CALL partner_api.prune_history('0 days', NULL, NULL);
SELECT event_id FROM partner_api.payment_events ORDER BY received_at;

/* ---- refused ---- */

CALL partner_api.prune_history(batch => 0);
CALL partner_api.prune_history(batch => NULL);
CALL partner_api.prune_history(keys_age => '-1 day');
-- a batch is a transaction
BEGIN;
CALL partner_api.prune_history();
ROLLBACK;

/* ---- who may ---- */

SET ROLE regress_admin;
CALL partner_api.prune_history();
SET ROLE regress_operator;
CALL partner_api.prune_history();
SELECT partner_api.prune_keys(partner_api.clock(), 1);
SELECT partner_api.prune_actions(partner_api.clock(), 1);
SELECT partner_api.prune_attempts(partner_api.clock(), 1);
SELECT partner_api.prune_events(partner_api.clock(), 1);
RESET ROLE;

DROP VIEW kept;
DROP FUNCTION make_old;
DROP EXTENSION partner_api;
DROP ROLE regress_admin, regress_operator;
