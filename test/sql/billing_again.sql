--
-- Bills of instances that were cancelled and signed again: the cycles before
-- are billed by the former subscription, as if nothing had happened since.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
CREATE EXTENSION partner_api;
RESET client_min_messages;

BEGIN;
SET LOCAL search_path = partner_api, pg_temp;
SET LOCAL TimeZone = 'America/Sao_Paulo';
SET LOCAL DateStyle = 'ISO, DMY';
SET LOCAL jit = off;			-- compiling takes longer than running

CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
INSERT INTO billing_prices VALUES ('zapi', '2026-01-01', 1, 1000);

-- cancelled in March: two run for 30 days, one ended on a day that was stated
INSERT INTO instances (server, instance_id, name, status, created_at,
					   signed_at, cancelled_at, ends_at, origin)
VALUES ('zapi', 'never', 'never', 'cancelling', '2026-01-09', '2026-01-10',
		'2026-03-05', NULL, 'created'),
	   ('zapi', 'soon', 'soon', 'cancelling', '2026-01-09', '2026-01-11',
		'2026-03-05', NULL, 'created'),
	   ('zapi', 'later', 'later', 'ended', '2026-01-09', '2026-01-12',
		'2026-03-05', '2026-04-20', 'created');

CREATE TEMPORARY TABLE closed AS
SELECT 'line' AS what, to_jsonb(l) AS bill
FROM generate_series(date '2026-01-15', '2026-09-15', '1 month') AS t (at),
	 billing_lines_at(t.at) l
UNION ALL
SELECT 'cycle', to_jsonb(c)
FROM generate_series(date '2026-01-15', '2026-03-15', '1 month') AS t (at),
	 billing_cycles_at(t.at) c
WHERE c.status <> 'open';
DELETE FROM closed WHERE bill->>'cycle_start' > '2026-02-01';

-- signed again as the mirror does it
UPDATE instances SET status = 'signed', signed_at = '2026-03-20 12:00',
	   cancelled_at = NULL, ends_at = NULL WHERE instance_id = 'soon';
UPDATE instances SET status = 'signed', signed_at = '2026-07-08 12:00',
	   cancelled_at = NULL, ends_at = NULL WHERE instance_id = 'later';
SELECT instance_id, signed_at, cancelled_at, ends_at, replaced_at
FROM former_subscriptions ORDER BY instance_id;

-- one line for each instance and cycle: none while there was no subscription
SELECT cycle_start, instance_id, signed_at::date, cancelled_at::date,
	   ends_at::date, ends_estimated AS estimate, reason
FROM billing_lines_at('2026-09-15')
ORDER BY cycle_start, instance_id;
SELECT cycle_start, instances, new_instances AS new,
	   continued_instances AS continued, cancelled_instances AS cancelled,
	   amount_cents, is_estimate AS estimate
FROM billing_cycles_at('2026-09-15') ORDER BY cycle_start;

-- as of before it was signed again, the former one counts
SELECT as_of, cycle_start, instance_id, signed_at::date, cancelled_at::date
FROM (VALUES (timestamptz '2026-03-20 11:59:59'), ('2026-03-20 12:00')) t (as_of),
	 billing_lines_at(as_of, 'zapi', '2026-03-01')
WHERE instance_id = 'soon' ORDER BY as_of;

-- what was closed is as it was
SELECT count(*) AS closed,
	   count(*) FILTER (WHERE NOT EXISTS (
			SELECT FROM billing_lines_at('2026-09-15') l
			WHERE what = 'line' AND to_jsonb(l) = bill
			UNION ALL
			SELECT FROM billing_cycles_at('2026-09-15') c
			WHERE what = 'cycle'
			  AND to_jsonb(c) - 'status' = bill - 'status')) AS changed
FROM closed;

-- again and again
UPDATE instances SET status = 'cancelling', cancelled_at = '2026-10-01',
	   ends_at = '2026-10-31' WHERE instance_id = 'later';
UPDATE instances SET status = 'signed', signed_at = '2026-12-24',
	   cancelled_at = NULL, ends_at = NULL WHERE instance_id = 'later';
SELECT cycle_start, signed_at::date
FROM billing_lines_at('2027-01-15', 'zapi') WHERE instance_id = 'later'
ORDER BY cycle_start;

-- not a new subscription: a cancel that is undone, a corrected time
UPDATE instances SET cancelled_at = '2026-12-28' WHERE instance_id = 'later';
UPDATE instances SET signed_at = '2026-12-25' WHERE instance_id = 'later';
UPDATE instances SET cancelled_at = NULL WHERE instance_id = 'later';
UPDATE instances SET signed_at = '2026-12-26' WHERE instance_id = 'later';
SELECT count(*) FROM former_subscriptions WHERE instance_id = 'later';

-- a list that shows an ended instance signed: a new subscription, too
INSERT INTO instances (server, instance_id, name, status, created_at,
					   signed_at, cancelled_at, ends_at, origin)
VALUES ('zapi', 'listed', 'listed', 'ended', '2026-01-09', '2026-01-12',
		'2026-01-20', '2026-02-19', 'created');
SELECT changed FROM apply_listing(of_server => 'zapi',
	listing => '[{"instance_id": "listed", "name": "listed",
				  "status": "signed"}]',
	list_lag => '60 s', sign_lead => '6 h', default_trial_end => 'sign',
	fingerprint => 'f', remove_surplus => false);
SELECT i.status, i.signed_at = f.replaced_at AS begins_anew,
	   i.signed_at > now() - interval '1 minute' AS now, f.signed_at,
	   f.ends_at
FROM instances i JOIN former_subscriptions f USING (server, instance_id)
WHERE instance_id = 'listed';
ROLLBACK;
DROP EXTENSION partner_api CASCADE;
