-- Copy the sandbox's own records to where the demo can compare them with
-- ours: instances with what was done to them, requests by operation, charges,
-- and the messages that customers got of these.
SET client_min_messages = warning;
BEGIN;
DROP SCHEMA IF EXISTS sandbox CASCADE;
CREATE SCHEMA sandbox;
CREATE TABLE sandbox.instances AS
SELECT i.id AS instance_id, i.requested_name, i.state, i.created_at,
	   i.signed_at, i.cancelled_at, i.lapsed_at, e.creates, e.signs,
	   e.cancels
FROM jsonb_to_recordset(:'state'::jsonb -> 'instances')
	 AS i (id text, requested_name text, state text, created_at timestamptz,
		   signed_at timestamptz, cancelled_at timestamptz,
		   lapsed_at timestamptz, effects jsonb),
	 jsonb_to_record(i.effects) AS e (creates int, signs int, cancels int);
CREATE TABLE sandbox.operations AS
SELECT o.key AS operation, c.requests, c.effects
FROM jsonb_each(:'counters'::jsonb -> 'operations') o,
	 jsonb_to_record(o.value) AS c (requests int, effects int);
CREATE TABLE sandbox.charges AS
SELECT c.id AS charge_id, f.status, f.value AS value_cents
FROM jsonb_to_recordset(:'charges'::jsonb -> 'asaas_payments')
	 AS c (id text, fields jsonb),
	 jsonb_to_record(c.fields) AS f (status text, value bigint);
CREATE TABLE sandbox.messages AS
SELECT f.payment AS charge_id, f.event, f.channel
FROM jsonb_to_recordset(:'messages'::jsonb -> 'asaas_messages')
	 AS m (fields jsonb),
	 jsonb_to_record(m.fields) AS f (payment text, event text, channel text,
									 "to" text)
WHERE f."to" = 'customer';
COMMIT;
