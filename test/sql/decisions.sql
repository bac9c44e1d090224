/*
 * cancel_action(), retry_action() and approve_trial(), in every state of an
 * action.  States that only a worker brings about are set by hand.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;

-- runs a statement and undoes it; says why it was refused
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RAISE SQLSTATE 'ZZ000';
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
	RETURN 'accepted';
WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', sqlstate || ' ' || message,
					 'DETAIL ' || nullif(detail, ''),
					 'HINT ' || nullif(hint, ''));
END
$$;

CREATE ROLE regress_operator IN ROLE partner_api_operator;
CREATE ROLE regress_other IN ROLE partner_api_operator;
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE USER MAPPING FOR PUBLIC SERVER zapi OPTIONS (token 'secret');
GRANT USAGE ON FOREIGN SERVER zapi TO regress_operator;
INSERT INTO partner_api.instances
	(server, instance_id, name, status, created_at, trial_ends_at, origin)
SELECT 'zapi', 'I' || i, 'shop ' || i, 'trial', clock_timestamp(),
	   clock_timestamp() + interval '2 days', 'created'
FROM generate_series(1, 5) i;
INSERT INTO partner_api.instance_secrets
SELECT server, instance_id, 'token' FROM partner_api.instances;

-- action n, in a state of one's choice; open states only
CREATE FUNCTION make_action(wanted text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint := partner_api.enqueue_sign_instance('zapi', 'I1');
BEGIN
	UPDATE partner_api.pending_actions
	SET state = wanted, attempts = 3, lease = 4, looks = 1,
		last_error = 'an error', sent_at = '2026-01-01',
		held_for = CASE wanted WHEN 'held' THEN 'approval' END
	WHERE action_id = id;
	RETURN id;
END
$$;

/* ---- cancel_action ---- */

SELECT refused('SELECT partner_api.cancel_action(4711)');
SELECT refused('SELECT partner_api.cancel_action(-1)');
SELECT partner_api.cancel_action(NULL);

SELECT setval('partner_api.action_id_seq', 1, false);
SELECT refused(format('SELECT partner_api.cancel_action(%s)', make_action(s)))
FROM unnest(ARRAY['waiting', 'held', 'needs_attention', 'sending']) s;
DELETE FROM partner_api.pending_actions WHERE state = 'sending';
SELECT refused(format('SELECT partner_api.cancel_action(%s)',
					  make_action('unknown')));
DELETE FROM partner_api.pending_actions WHERE state = 'unknown';
SELECT partner_api.cancel_action(action_id) FROM partner_api.pending_actions;
SELECT count(*) FROM partner_api.pending_actions;
SELECT action_id, server, kind, state, instance_id, attempts, last_error,
	   held_for, requested_by = current_user AS requested_by, automatic,
	   lease, looks, sent_at IS NOT NULL AS sent, closed_at >= enqueued_at,
	   outcome
FROM partner_api.action_history ORDER BY action_id;

-- closed ones
SELECT refused('SELECT partner_api.cancel_action(1)');
UPDATE partner_api.action_history SET state = 'done' WHERE action_id = 1;
SELECT refused('SELECT partner_api.cancel_action(1)');
UPDATE partner_api.action_history SET state = 'failed' WHERE action_id = 1;
SELECT refused('SELECT partner_api.cancel_action(1)');
UPDATE partner_api.action_history SET state = 'missed' WHERE action_id = 1;
SELECT refused('SELECT partner_api.cancel_action(1)');

-- rolled back with the transaction
BEGIN;
SELECT make_action('waiting') AS id \gset
SELECT partner_api.cancel_action(:id);
SELECT state FROM partner_api.action_history WHERE action_id = :id;
ROLLBACK;
SELECT count(*) FROM partner_api.action_history WHERE action_id = :id;

/* ---- retry_action ---- */

SELECT refused('SELECT partner_api.retry_action(4711)');
DELETE FROM partner_api.action_history;
SELECT setval('partner_api.action_id_seq', 1, false);
SELECT refused(format('SELECT partner_api.retry_action(%s)', make_action(s)))
FROM unnest(ARRAY['waiting', 'held', 'needs_attention', 'sending']) s;
DELETE FROM partner_api.pending_actions WHERE state = 'sending';
SELECT refused(format('SELECT partner_api.retry_action(%s)',
					  make_action('unknown')));
DELETE FROM partner_api.pending_actions WHERE state = 'unknown';

SELECT partner_api.cancel_action(1);
SELECT partner_api.cancel_action(2);
UPDATE partner_api.action_history SET state = 'done' WHERE action_id = 1;
SELECT refused('SELECT partner_api.retry_action(1)');
UPDATE partner_api.action_history SET state = 'missed',
	deadline = '2026-01-01 00:00Z' WHERE action_id = 1;
SELECT refused('SELECT partner_api.retry_action(1)');
UPDATE partner_api.action_history SET state = 'failed', deadline = NULL
WHERE action_id = 1;
SELECT nonce AS nonce FROM partner_api.action_history WHERE action_id = 1 \gset
SELECT partner_api.retry_action(1);
SELECT partner_api.retry_action(2);
SELECT partner_api.retry_action(3);

-- ready to be sent again: as the same action, and with a lease that grows on
SELECT action_id, state, held_for, attempts, lease, looks, last_error,
	   run_at > enqueued_at AS run_again
FROM partner_api.pending_actions ORDER BY action_id;
SELECT nonce = :'nonce' AS same_nonce FROM partner_api.pending_actions
WHERE action_id = 1;
SELECT count(*) FROM partner_api.action_history;
SELECT refused('SELECT partner_api.retry_action(1)');

-- what is sent again keeps a deadline that is still to come
DELETE FROM partner_api.pending_actions;
SELECT partner_api.enqueue_sign_instance('zapi', 'I1',
	deadline => '2100-01-01 00:00Z') AS id \gset
SELECT partner_api.cancel_action(:id);
SELECT partner_api.retry_action(:id);
SELECT deadline = '2100-01-01 00:00Z' AS kept FROM partner_api.pending_actions;

-- ... and one whose deadline has passed is not sent again
UPDATE partner_api.pending_actions SET deadline = '2026-01-01 00:00Z',
	state = 'needs_attention';
SELECT refused(format('SELECT partner_api.retry_action(%s)', :id));
SELECT partner_api.cancel_action(:id);
SELECT refused(format('SELECT partner_api.retry_action(%s)', :id));

-- a create that may have been sent before a promotion keeps its nonce in mind
DELETE FROM partner_api.pending_actions;
SELECT partner_api.enqueue_create_instance('zapi', 'doubted') AS id \gset
UPDATE partner_api.pending_actions SET state = 'needs_attention',
	sent_at = '2026-01-01';
SELECT nonce AS nonce FROM partner_api.pending_actions \gset
SELECT partner_api.retry_action(:id);
SELECT nonce = :'nonce' AS kept FROM partner_api.former_nonces;

-- a dry run stays one, whatever is said of it
UPDATE partner_api.pending_actions SET state = 'needs_attention',
	dry_run = true;
SELECT partner_api.resolve_action(:id, NULL);
SELECT state, dry_run FROM partner_api.action_history WHERE action_id = :id;
SELECT refused(format('SELECT partner_api.retry_action(%s)', :id));

/* ---- approve_trial ---- */

SELECT refused($$SELECT partner_api.approve_trial('nowhere', 'I1')$$);
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'Z9')$$);
SELECT partner_api.approve_trial('zapi', NULL);

-- what is held for it is let go, and nothing else
DELETE FROM partner_api.pending_actions;
SELECT make_action('held') AS held \gset
SELECT make_action('held') AS other \gset
UPDATE partner_api.pending_actions SET instance_id = 'I2'
WHERE action_id = :other;
SELECT partner_api.approve_trial('zapi', 'I1');
SELECT instance_id, state, held_for FROM partner_api.pending_actions
ORDER BY action_id;
SELECT server, instance_id, approved_by = current_user AS by_me
FROM partner_api.trial_approvals;

-- a second time, and before there is anything to let go
SELECT approved_at AS approved_at FROM partner_api.trial_approvals \gset
SELECT partner_api.approve_trial('zapi', 'I1');
SELECT partner_api.approve_trial('zapi', 'I3');
SELECT instance_id, approved_at = :'approved_at' AS unchanged
FROM partner_api.trial_approvals ORDER BY instance_id;

-- a trial that is over
UPDATE partner_api.instances SET trial_ends_at = clock_timestamp()
WHERE instance_id = 'I4';
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I4')$$);
UPDATE partner_api.instances SET status = 'lapsed' WHERE instance_id = 'I4';
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I4')$$);
UPDATE partner_api.instances SET status = 'deleted' WHERE instance_id = 'I4';
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I4')$$);
UPDATE partner_api.instances SET status = 'ended' WHERE instance_id = 'I4';
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I4')$$);

-- a trial whose end is not known, one that is signed already
UPDATE partner_api.instances SET trial_ends_at = NULL, status = 'trial'
WHERE instance_id = 'I4';
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I4')$$);
UPDATE partner_api.instances SET status = 'signed' WHERE instance_id = 'I4';
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I4')$$);

/* ---- who may ---- */

SELECT make_action('waiting') AS id \gset
SET ROLE regress_other;
SELECT refused(format('SELECT partner_api.cancel_action(%s)', :id));
SELECT refused(format('SELECT partner_api.retry_action(%s)', :id));
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'I5')$$);

-- the right to the server is enough, whoever enqueued it
SET ROLE regress_operator;
SELECT partner_api.cancel_action(:id);
SELECT partner_api.retry_action(:id);
SELECT partner_api.approve_trial('zapi', 'I5');
RESET ROLE;
SELECT approved_by FROM partner_api.trial_approvals WHERE instance_id = 'I5';
SELECT state, requested_by = current_user AS on_behalf_of_the_first
FROM partner_api.pending_actions WHERE action_id = :id;

-- withdrawing sends nothing, so it needs neither credential nor host
SET partner_api.allowed_hosts = 'example.com';
SELECT refused(format('SELECT partner_api.cancel_action(%s)', :id));
RESET partner_api.allowed_hosts;

-- ... and once the server is gone, only the right of whoever enqueued it
SET ROLE regress_operator;
SELECT partner_api.enqueue_create_instance('zapi', 'shop') AS own \gset
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER zapi TO regress_other;
ALTER SERVER zapi RENAME TO renamed;
SET ROLE regress_other;
SELECT refused(format('SELECT partner_api.cancel_action(%s)', :own));
SET ROLE regress_operator;
SELECT refused(format('SELECT partner_api.cancel_action(%s)', :id));
SELECT refused(format('SELECT partner_api.cancel_action(%s)', :own));
RESET ROLE;
SELECT refused(format('SELECT partner_api.cancel_action(%s)', :own));
ALTER SERVER renamed RENAME TO zapi;

/* ---- not to be forgotten ---- */

-- what may have had its effect keeps the extension
SET client_min_messages = warning;
DELETE FROM partner_api.pending_actions;
SELECT make_action('sending') AS id \gset
SELECT refused('DROP EXTENSION partner_api CASCADE');
SELECT refused('DROP SCHEMA partner_api CASCADE');
SELECT refused('DROP TABLE partner_api.pending_actions');
UPDATE partner_api.pending_actions SET state = 'unknown';
SELECT refused('DROP EXTENSION partner_api CASCADE');
UPDATE partner_api.pending_actions SET state = 'needs_attention';
SELECT refused('DROP EXTENSION partner_api CASCADE');
UPDATE partner_api.pending_actions SET state = 'waiting';

DROP EXTENSION partner_api CASCADE;
DROP FUNCTION make_action, refused;
DROP ROLE regress_operator, regress_other;
