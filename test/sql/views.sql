/*
 * What the views say about rows that are there: trials at risk, use of
 * tokens, instances that only one side knows, the life of an action.
 */
\pset null '-'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE USER MAPPING FOR PUBLIC SERVER zapi OPTIONS (token 'secret');
CREATE ROLE regress_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER partner_api TO regress_owner;
CREATE SERVER unmapped FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi');
ALTER SERVER unmapped OWNER TO regress_owner;

-- an instance with a sign action in a state of one's choice
CREATE PROCEDURE trial(of_server text, id text, sign_state text,
					   error text DEFAULT NULL,
					   due interval DEFAULT '4 hours',
					   ends interval DEFAULT '10 hours')
LANGUAGE sql AS $$
	INSERT INTO partner_api.instances
		(server, instance_id, name, customer_ref, status, created_at,
		 trial_end, trial_ends_at, origin, token_fingerprint)
	VALUES (of_server, id, 'shop of ' || id, 'ref ' || id, 'trial',
			partner_api.clock(), 'sign', partner_api.clock() + ends,
			'created', 'aaaaaaaaaaaaaaaa');
	INSERT INTO partner_api.pending_actions
		(action_id, server, kind, state, held_for, instance_id, arguments,
		 run_at, deadline, nonce, fingerprint, requested_by, automatic,
		 last_error, enqueued_at)
	SELECT nextval('partner_api.action_id_seq'), of_server, 'sign_instance',
		   sign_state, CASE sign_state WHEN 'held' THEN 'approval' END, id,
		   '{}', partner_api.clock() + due, partner_api.clock() + ends,
		   'sign-' || id, 'f', current_user, true, error, partner_api.clock()
	WHERE sign_state IS NOT NULL;
$$;

/* ---- trials_at_risk ---- */

SELECT * FROM partner_api.trials_at_risk;

CALL trial('zapi', 'a healthy', 'waiting');
CALL trial('zapi', 'b unsigned', NULL);
CALL trial('zapi', 'c held', 'held');
CALL trial('zapi', 'd attention', 'needs_attention', 'no trace at the provider');
CALL trial('zapi', 'e attention', 'needs_attention');
CALL trial('zapi', 'f unknown', 'unknown');
CALL trial('zapi', 'g late', 'waiting', NULL, '11 hours');
CALL trial('zapi', 'h failing', 'waiting', 'could not connect');
CALL trial('unmapped', 'i unmapped', 'waiting');
CALL trial('zapi', 'j sending', 'sending');
CALL trial('gone', 'k no server', 'waiting');
CALL trial('zapi', 'l foreign', NULL);
UPDATE partner_api.instances SET origin = 'imported', trial_end = NULL
WHERE instance_id = 'l foreign';
CALL trial('zapi', 'm no end', NULL);
UPDATE partner_api.instances SET trial_ends_at = NULL
WHERE instance_id = 'm no end';

-- not at risk: over, meant to lapse, not a trial any more
CALL trial('zapi', 'n over', NULL, NULL, '0', '-1 second');
CALL trial('zapi', 'o lapse', NULL);
UPDATE partner_api.instances SET trial_end = 'lapse'
WHERE instance_id = 'o lapse';
CALL trial('zapi', 'p signed', NULL);
UPDATE partner_api.instances SET status = 'signed'
WHERE instance_id = 'p signed';

-- no worker runs here, so even those that are well are at risk
SELECT server, instance_id, reason,
	   slack BETWEEN '9 hours' AND '10 hours' AS slack,
	   action_id IS NOT NULL AS has_action
FROM partner_api.trials_at_risk ORDER BY instance_id COLLATE "C";
SELECT name, customer_ref, trial_ends_at = (
	SELECT i.trial_ends_at FROM partner_api.instances i
	WHERE i.instance_id = t.instance_id) AS same_end
FROM partner_api.trials_at_risk t WHERE instance_id = 'a healthy';

-- of two signs, the one that comes first counts
INSERT INTO partner_api.pending_actions
SELECT nextval('partner_api.action_id_seq'), server, kind, 'held', instance_id,
	   arguments, customer_ref, run_at + interval '1 minute', deadline,
	   attempts, 'later', 'approval', nonce, fingerprint, requested_by,
	   automatic, idempotency_key, lease, looks, sent_at, enqueued_at
FROM partner_api.pending_actions WHERE instance_id = 'h failing';
SELECT instance_id, reason FROM partner_api.trials_at_risk
WHERE instance_id = 'h failing';

-- the same for a reader
CREATE ROLE regress_reader IN ROLE partner_api_reader;
SET ROLE regress_reader;
SELECT count(*) FROM partner_api.trials_at_risk;
RESET ROLE;

/* ---- stalled_actions ---- */

-- signs and others, with and without a deadline; levels by the server's options
CREATE PROCEDURE enqueued(kind text, id text, ends interval,
						  state text DEFAULT 'waiting')
LANGUAGE sql AS $$
	INSERT INTO partner_api.pending_actions
		(action_id, server, kind, state, instance_id, arguments, run_at,
		 deadline, nonce, fingerprint, requested_by, enqueued_at)
	SELECT nextval('partner_api.action_id_seq'), 'zapi', kind, state, id,
		   '{}', partner_api.clock() - interval '2 minutes',
		   partner_api.clock() + ends, 'n', 'f', current_user,
		   partner_api.clock()
$$;
TRUNCATE partner_api.instances, partner_api.pending_actions;
ALTER SERVER zapi OPTIONS (ADD deadline_warning '3 h',
						   ADD deadline_alarm '1 h');
CALL enqueued('create_instance', NULL, NULL);
CALL enqueued('create_instance', NULL, '4 hours');
CALL enqueued('cancel_instance', 'a', '2 hours');
CALL enqueued('delete_instance', 'b', '1 minute', 'unknown');
CALL enqueued('delete_instance', 'c', '-1 minute');
SELECT kind, state, instance_id, date_trunc('minute', slack) AS slack, level,
	   reason
FROM partner_api.stalled_actions ORDER BY action_id;
ALTER SERVER zapi OPTIONS (SET deadline_alarm '0');
SELECT level, count(*) FROM partner_api.stalled_actions GROUP BY 1 ORDER BY 1;
SELECT * FROM partner_api.server_deadlines('zapi');
SELECT * FROM partner_api.server_deadlines('no such server');
CALL trial('zapi', 'at risk', NULL, NULL, '0', '2 hours');
SELECT level, reason FROM partner_api.trials_at_risk;

/* ---- token_usage ---- */

TRUNCATE partner_api.instances, partner_api.pending_actions;
INSERT INTO partner_api.instances
	(server, instance_id, status, created_at, origin, token_fingerprint)
VALUES ('zapi', '1', 'trial', '2026-01-01 00:00Z', 'created', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '2', 'signed', '2026-01-02 00:00Z', 'created', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '3', 'cancelling', '2026-01-03 00:00Z', 'adopted', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '4', 'lapsed', '2026-01-04 00:00Z', 'created', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '5', 'deleted', '2026-01-05 00:00Z', 'created', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '6', 'ended', '2026-01-06 00:00Z', 'created', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '7', 'signed', '2026-02-01 00:00Z', 'created', 'bbbbbbbbbbbbbbbb'),
	   ('other', '1', 'signed', '2026-03-01 00:00Z', 'created', 'aaaaaaaaaaaaaaaa'),
	   ('zapi', '8', 'signed', '2026-03-01 00:00Z', 'imported', NULL);
SET TIME ZONE 'UTC';
SELECT * FROM partner_api.token_usage ORDER BY server, token_fingerprint;

/* ---- unmatched_instances ---- */

UPDATE partner_api.instances SET last_seen_at = '2026-04-01 00:00Z';
UPDATE partner_api.instances SET missing_since = '2026-04-02 00:00Z'
WHERE server = 'zapi' AND instance_id IN ('2', '8');
INSERT INTO partner_api.instances
	(server, instance_id, name, status, payment_status, created_at, origin,
	 customer_ref, last_seen_at)
VALUES ('zapi', '9', 'foreign', 'signed', 'PAID', '2026-03-01 00:00Z',
		'imported', NULL, '2026-04-03 00:00Z'),
	   ('zapi', '10', 'taken over', 'signed', 'PAID', '2026-03-01 00:00Z',
		'imported', 'customer', '2026-04-03 00:00Z');
SELECT * FROM partner_api.unmatched_instances ORDER BY instance_id;

/* ---- action_timeline ---- */

-- unknown first, found by a look, with its instance
INSERT INTO partner_api.action_history
	(action_id, server, kind, state, instance_id, arguments, run_at, attempts,
	 nonce, fingerprint, requested_by, automatic, lease, looks, enqueued_at,
	 closed_at, outcome)
VALUES (1, 'zapi', 'create_instance', 'done', 'A1', '{"name": "shop"}',
		'2026-05-01 10:00Z', 1, 'pa-00000000-1-00000000', 'f', 'shop_owner',
		false, 2, 1, '2026-05-01 09:00Z', '2026-05-01 10:01:31Z', '{}');
INSERT INTO partner_api.action_attempts
VALUES (1, 1, 1, 'send', '2026-05-01 10:00Z', '2026-05-01 10:00:30Z', 30000,
		'unknown', NULL, 'Timeout was reached'),
	   (1, 1, 2, 'look', '2026-05-01 10:01:30Z', '2026-05-01 10:01:31Z', 900,
		'found', 200, NULL);
INSERT INTO partner_api.instance_events
	(server, instance_id, kind, occurred_at, action_id)
VALUES ('zapi', 'A1', 'adopted', '2026-05-01 10:01:31Z', 1),
	   ('zapi', 'A1', 'cancelled', '2026-05-02 10:01:31Z', 2);
SELECT * FROM partner_api.action_timeline(1);

-- still open
INSERT INTO partner_api.pending_actions
	(action_id, server, kind, state, instance_id, arguments, run_at, attempts,
	 nonce, fingerprint, requested_by, lease, enqueued_at, last_error)
VALUES (2, 'zapi', 'cancel_instance', 'waiting', 'A1', '{}',
		'2026-05-02 10:00:04Z', 1, 'n', 'f', 'shop_owner', 1,
		'2026-05-02 10:00Z', 'HTTP 429 with an empty body');
INSERT INTO partner_api.action_attempts
VALUES (2, 1, 1, 'send', '2026-05-02 10:00Z', '2026-05-02 10:00:02Z', 2000,
		'retry', 429, 'HTTP 429 with an empty body');
SELECT * FROM partner_api.action_timeline(2);

-- held
UPDATE partner_api.pending_actions SET state = 'held', held_for = 'approval';
SELECT step, detail FROM partner_api.action_timeline(2);

-- none
SELECT * FROM partner_api.action_timeline(3);
SELECT * FROM partner_api.action_timeline(NULL);

/* ---- worker_status ---- */

-- empty where the library is not preloaded
SELECT * FROM partner_api.worker_status;

-- a worker is there, but does nothing
BEGIN;
CREATE OR REPLACE FUNCTION partner_api.worker_status(
	OUT database name, OUT state text, OUT pid integer,
	OUT started_at timestamptz, OUT starts integer,
	OUT last_pass_at timestamptz, OUT passes bigint, OUT requests bigint,
	OUT in_flight integer, OUT last_error text)
RETURNS SETOF record LANGUAGE sql
AS $$ SELECT pg_catalog.current_database(), 'sending', 1,
			 pg_catalog.now() - interval '1 hour', 1,
			 pg_catalog.clock_timestamp() - interval '61 seconds',
			 1::bigint, 1::bigint, 1, NULL::text $$;
UPDATE partner_api.pending_actions SET state = 'waiting', held_for = NULL;
SELECT DISTINCT reason FROM partner_api.stalled_actions
WHERE reason LIKE '%worker%';
ROLLBACK;

/* ---- rows that cannot be ---- */

\set VERBOSITY terse
UPDATE partner_api.action_history SET state = 'waiting';
UPDATE partner_api.instances SET status = 'dead';
UPDATE partner_api.instances SET trial_end = 'never';
INSERT INTO partner_api.instance_events (server, instance_id, kind, occurred_at)
VALUES ('zapi', 'A1', 'forgotten', now());

-- one call in flight for an instance
UPDATE partner_api.pending_actions SET state = 'unknown', held_for = NULL;
INSERT INTO partner_api.pending_actions
SELECT 5, server, kind, 'sending', instance_id, arguments, customer_ref,
	   run_at, deadline, attempts, last_error, held_for, nonce, fingerprint,
	   requested_by, automatic, idempotency_key, lease, looks, sent_at,
	   enqueued_at
FROM partner_api.pending_actions;

TRUNCATE partner_api.pending_actions;
SET client_min_messages = warning;
DROP PROCEDURE trial, enqueued;
DROP EXTENSION partner_api CASCADE;
DROP ROLE regress_owner, regress_reader;
