/*
 * What may be enqueued, and what an action looks like then.  No worker runs
 * here, so nothing is sent.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;

-- runs a statement that is to be refused; says why, and undoes it if not
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
CREATE SERVER second FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE FOREIGN DATA WRAPPER regress_wrapper;
CREATE SERVER foreigner FOREIGN DATA WRAPPER regress_wrapper;
CREATE USER MAPPING FOR regress_operator SERVER zapi OPTIONS (token 'secret');
GRANT USAGE ON FOREIGN SERVER zapi, foreigner TO regress_operator;
INSERT INTO partner_api.instances
	(server, instance_id, name, status, created_at, origin)
VALUES ('zapi', 'T1', 'trial', 'trial', '2026-01-01', 'created'),
	   ('zapi', 'S1', 'signed', 'signed', '2026-01-01', 'created'),
	   ('zapi', 'L1', 'lapsed', 'lapsed', '2026-01-01', 'created'),
	   ('zapi', 'D1', 'deleted', 'deleted', '2026-01-01', 'created'),
	   ('zapi', 'N1', 'no token', 'trial', '2026-01-01', 'imported'),
	   ('second', 'X1', 'elsewhere', 'trial', '2026-01-01', 'created');
INSERT INTO partner_api.instance_secrets
SELECT server, instance_id, 'token-of-' || instance_id
FROM partner_api.instances WHERE instance_id <> 'N1';

SET ROLE regress_operator;

/* ---- the server, and the right to it ---- */

SELECT refused($$SELECT partner_api.enqueue_create_instance('nowhere', 'shop')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('foreigner', 'shop')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance(NULL, 'shop')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('second', 'shop')$$);
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER second TO regress_operator;
SET ROLE regress_operator;
SELECT refused($$SELECT partner_api.enqueue_create_instance('second', 'shop')$$);

-- a waiting call is checked in the same way, and a read
SELECT refused($$SELECT partner_api.create_instance('nowhere', 'shop')$$);
SELECT refused($$SELECT partner_api.create_instance('second', 'shop')$$);
SELECT refused($$SELECT partner_api.test_connection('nowhere')$$);
SELECT refused($$SELECT partner_api.remote_instances('second')$$);
SELECT refused($$SELECT partner_api.sync_instances('foreigner')$$);
SELECT refused($$SELECT partner_api.remote_instances(NULL)$$);

/* ---- names ---- */

SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', NULL)$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', '')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', '   ')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', repeat('ã', 201))$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', repeat('ã', 200))$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', E'a\nb')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', E'a\tb')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', E'a\x7f')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', U&'a\0085b')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', U&'\+01F600')$$);
SELECT refused($$SELECT partner_api.create_instance('zapi', E'a\rb')$$);

/* ---- settings ---- */

SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '[]')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '"x"')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', 'null')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"is_device": true}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"name": "other"}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"": 1}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"isDevice": "true"}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"isDevice": null}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"callRejectMessage": 5}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"callRejectMessage": {"a": 1}}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"callRejectMessage": "a\nb"}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"receivedCallbackUrl": "http://example.com/"}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"receivedCallbackUrl": "https://"}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"receivedCallbackUrl": "javascript:alert(1)"}')$$);

SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"isDevice": 1e400}')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	format('{"sessionName": %s%s}', repeat('[', 3000), repeat(']', 3000))::jsonb)$$);

-- all known ones together
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{
	"autoReadMessage": true, "autoReadStatus": false,
	"blockCallbackUrl": "https://example.com/1", "businessDevice": false,
	"callRejectAuto": true, "callRejectMessage": "não",
	"connectedCallbackUrl": "https://example.com/2",
	"deliveryCallbackUrl": "https://example.com/3",
	"disableEnqueueWhenDisconnected": true,
	"disconnectedCallbackUrl": "https://example.com/4", "isDevice": false,
	"messageStatusCallbackUrl": "https://example.com/5",
	"presenceChatCallbackUrl": "https://example.com/6", "profileName": "p",
	"profilePictureUrl": "https://example.com/p.png",
	"receivedAndDeliveryCallbackUrl": "https://example.com/7",
	"receivedCallbackUrl": "HTTPS://example.com/8", "sessionName": "s"}')$$);

-- a misspelt or huge key is cut before it is shown
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	jsonb_build_object(repeat('k', 100), 1))$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	'{"a\u000ab": 1}')$$);

/* ---- trial_end, times ---- */

SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', trial_end => 'later')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', trial_end => '')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', run_at => 'infinity')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', run_at => '-infinity')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', deadline => 'infinity')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', deadline => now() - interval '1 s')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', deadline => '2000-01-01 00:00Z')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	run_at => now() + interval '2 h', deadline => now() + interval '1 h')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	run_at => '2100-01-01', deadline => '2100-01-01')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	run_at => '1999-12-31', deadline => now() + interval '1 h')$$);

/* ---- instance ids ---- */

SELECT refused(format('SELECT partner_api.enqueue_sign_instance(%L, %L)', 'zapi', id))
FROM unnest(ARRAY[NULL, '', '.', '..', '../S1', 'S1/../T1', 'S1/token', 'S1?x=1',
				  'S1#x', 'S1%2e', 'S''1', 'S"1', 'S`1', 'S 1', E'S1\n', E'S1\r\n',
				  E'S1\t', E'S1\x01', 'S\1', U&'S\0085', repeat('S', 256)]) AS id;
SELECT refused($$SELECT partner_api.enqueue_cancel_instance('zapi', '../S1')$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instance('zapi', '../S1')$$);
SELECT refused($$SELECT partner_api.enqueue_disconnect_instance('zapi', '../S1')$$);
SELECT refused($$SELECT partner_api.enqueue_update_subscription('zapi', '../S1', true)$$);
SELECT refused($$SELECT partner_api.sign_instance('zapi', '../S1')$$);
SELECT refused($$SELECT partner_api.instance_status('zapi', '../S1')$$);
SELECT refused($$SELECT partner_api.instance_qr('zapi', E'S1\n')$$);
SELECT refused($$SELECT partner_api.phone_code('zapi', 'S1/x', '5511999990000')$$);
SELECT refused($$SELECT partner_api.phone_code('zapi', 'S1', '+55 11 99999-0000')$$);
SELECT refused($$SELECT partner_api.phone_code('zapi', 'S1', '')$$);

-- instances that are not known here, or whose token is not
SELECT refused($$SELECT partner_api.enqueue_sign_instance('zapi', 'Z9')$$);
SELECT refused($$SELECT partner_api.enqueue_sign_instance('zapi', 'X1')$$);
SELECT refused($$SELECT partner_api.enqueue_sign_instance('zapi', 'N1')$$);
SELECT refused($$SELECT partner_api.enqueue_cancel_instance('zapi', 'Z9')$$);
SELECT refused($$SELECT partner_api.instance_status('zapi', 'Z9')$$);
SELECT refused($$SELECT partner_api.instance_qr_url('zapi', 'N1')$$);

-- signing after the trial lapsed; cancelling is left to the provider
SELECT refused($$SELECT partner_api.enqueue_sign_instance('zapi', 'L1')$$);
SELECT refused($$SELECT partner_api.sign_instance('zapi', 'L1')$$);
SELECT refused($$SELECT partner_api.enqueue_sign_instance('zapi', 'D1')$$);
SELECT refused($$SELECT partner_api.enqueue_cancel_instance('zapi', 'L1')$$);

-- calls can be added, not taken away
SELECT refused($$SELECT partner_api.enqueue_update_subscription('zapi', 'S1', false)$$);
SELECT refused($$SELECT partner_api.enqueue_update_subscription('zapi', 'S1', NULL)$$);
SELECT refused($$SELECT partner_api.enqueue_update_subscription('zapi', 'S1', true)$$);

-- lists of instances
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', NULL)$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', '{}')$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', ARRAY['S1', NULL])$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', ARRAY['S1', '..'])$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', ARRAY['S1', 'T1', 'S1'])$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', ARRAY['S1', 'Z9'])$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi',
	(SELECT array_agg('S' || i) FROM generate_series(1, 101) i))$$);
SELECT refused($$SELECT partner_api.enqueue_delete_instances('zapi', ARRAY['S1', 'T1'])$$);

/* ---- without a worker ---- */

SELECT refused($$SELECT partner_api.create_instance('zapi', 'shop')$$);
SELECT refused($$SELECT partner_api.delete_instances('zapi', ARRAY['S1'])$$);

/* ---- read-only transactions ---- */

BEGIN READ ONLY;
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop')$$);
SELECT refused($$SELECT partner_api.create_instance('zapi', 'shop')$$);
SELECT refused($$SELECT partner_api.sync_instances('zapi')$$);
SELECT refused($$SELECT partner_api.cancel_action(1)$$);
SELECT refused($$SELECT partner_api.retry_action(1)$$);
SELECT refused($$SELECT partner_api.approve_trial('zapi', 'T1')$$);
COMMIT;

-- nothing has been recorded so far
SELECT count(*) FROM partner_api.pending_actions;

/* ---- what is recorded ---- */

\x on
SELECT partner_api.enqueue_create_instance('zapi', 'Açaí 1',
	'{"sessionName": "s", "isDevice": false}', 'customer-1', 'ask') AS first \gset
RESET ROLE;
SELECT action_id = :first AS same_id, server, kind, state, instance_id,
	   arguments, customer_ref, run_at = enqueued_at AS at_once, deadline,
	   attempts, last_error, held_for,
	   nonce = format('pa-%s-%s-%s', (SELECT installation_id
									  FROM partner_api.installation),
					  action_id, right(nonce, 8)) AS nonce_is_ours,
	   fingerprint ~ '^[0-9a-f]{64}$' AS fingerprint_is_sha256, requested_by,
	   automatic, idempotency_key, lease, looks, sent_at,
	   enqueued_at <= statement_timestamp() AS enqueued_before
FROM partner_api.pending_actions;
\x off
SET ROLE regress_operator;

SELECT partner_api.enqueue_sign_instance('zapi', 'T1', true, NULL,
	'2100-01-01 00:00Z', '2100-01-02 00:00Z') > :first AS later;
SELECT partner_api.enqueue_delete_instances('zapi', ARRAY['S1', 'T1']) > :first AS later;
SELECT kind, state, instance_id, arguments,
	   run_at = '2100-01-01 00:00Z' AS run_at,
	   deadline = '2100-01-02 00:00Z' AS deadline
FROM partner_api.pending_actions WHERE action_id > :first ORDER BY action_id;

-- what is rolled back is gone
BEGIN;
SELECT partner_api.enqueue_cancel_instance('zapi', 'S1') > :first AS later;
ROLLBACK;
BEGIN;
SELECT partner_api.enqueue_disconnect_instance('zapi', 'S1') > :first AS later;
SAVEPOINT s;
SELECT partner_api.enqueue_cancel_instance('zapi', 'S1') > :first AS later;
ROLLBACK TO s;
COMMIT;
SELECT kind, count(*) FROM partner_api.pending_actions GROUP BY 1 ORDER BY 1;

-- a transaction that is prepared
BEGIN;
SELECT partner_api.enqueue_cancel_instance('zapi', 'S1') > :first AS later;
PREPARE TRANSACTION 'regress';
SELECT count(*) FROM partner_api.pending_actions WHERE kind = 'cancel_instance';
COMMIT PREPARED 'regress';
SELECT count(*) FROM partner_api.pending_actions WHERE kind = 'cancel_instance';

-- from a trigger: the role that inserts is the one that acts
RESET ROLE;
CREATE TABLE customers (customer_id text PRIMARY KEY, name text);
GRANT ALL ON customers TO regress_operator, regress_other;
CREATE FUNCTION want_instance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM partner_api.enqueue_create_instance('zapi', new.name,
		customer_ref => new.customer_id, idempotency_key => new.customer_id);
	RETURN new;
END
$$;
CREATE TRIGGER want_instance AFTER INSERT ON customers
	FOR EACH ROW EXECUTE FUNCTION want_instance();
SET ROLE regress_operator;
INSERT INTO customers SELECT 'c' || i, 'customer ' || i
FROM generate_series(1, 3) i;
SELECT refused($$INSERT INTO customers VALUES ('c4', E'line\nbreak')$$);
SELECT customer_ref, arguments->>'name', requested_by
FROM partner_api.pending_actions
WHERE customer_ref LIKE 'c_' ORDER BY action_id;
SET ROLE regress_other;
SELECT refused($$INSERT INTO customers VALUES ('c5', 'five')$$);
SET ROLE regress_operator;

/* ---- idempotency keys ---- */

SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop', idempotency_key => '')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop',
	idempotency_key => repeat('k', 256))$$);
SELECT partner_api.enqueue_create_instance('zapi', 'key', '{"sessionName": "s", "isDevice": true}',
	idempotency_key => 'K') AS keyed \gset

-- the same call, settings in another order, another time: the same action
SELECT partner_api.enqueue_create_instance('zapi', 'key', '{"isDevice": true, "sessionName": "s"}',
	idempotency_key => 'K', run_at => '2100-01-01') = :keyed AS same;
SELECT count(*) FROM partner_api.pending_actions WHERE idempotency_key = 'K';

-- another call: an error that does not tell what the first was
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'other', idempotency_key => 'K')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'key', idempotency_key => 'K')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'key',
	'{"isDevice": true, "sessionName": "s"}', 'customer', idempotency_key => 'K')$$);
SELECT refused($$SELECT partner_api.enqueue_sign_instance('zapi', 'T1', idempotency_key => 'K')$$);

-- on another server it is another key
RESET ROLE;
CREATE USER MAPPING FOR PUBLIC SERVER second OPTIONS (token 'secret');
CREATE USER MAPPING FOR regress_other SERVER zapi OPTIONS (token 'secret');
GRANT USAGE ON FOREIGN SERVER zapi TO regress_other;
SET ROLE regress_operator;
SELECT partner_api.enqueue_create_instance('second', 'key', idempotency_key => 'K')
	> :keyed AS another;

-- another role
SET ROLE regress_other;
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'key',
	'{"isDevice": true, "sessionName": "s"}', idempotency_key => 'K')$$);
SET ROLE regress_operator;

-- a closed action too; its key is not free
SELECT partner_api.cancel_action(:keyed);
SELECT partner_api.enqueue_create_instance('zapi', 'key', '{"sessionName": "s", "isDevice": true}',
	idempotency_key => 'K') = :keyed AS same;
SELECT count(*) FROM partner_api.pending_actions WHERE action_id = :keyed;

-- a key of a transaction that was rolled back is free
BEGIN;
SELECT partner_api.enqueue_create_instance('zapi', 'first', idempotency_key => 'L') > 0 AS recorded;
ROLLBACK;
SELECT partner_api.enqueue_create_instance('zapi', 'second', idempotency_key => 'L') > 0 AS recorded;

-- keys are compared as they are
SELECT partner_api.enqueue_create_instance('zapi', 'key', idempotency_key => 'k') > 0 AS recorded;
RESET ROLE;
SELECT server, key, kind, requested_by, action_id = :keyed AS is_first
FROM partner_api.idempotency_keys WHERE lower(key) = 'k'
ORDER BY server, key COLLATE "C";

DROP TABLE customers;
SET client_min_messages = warning;
DROP EXTENSION partner_api CASCADE;
DROP FUNCTION want_instance, refused;
DROP FOREIGN DATA WRAPPER regress_wrapper CASCADE;
DROP ROLE regress_operator, regress_other;
