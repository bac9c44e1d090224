--
-- What the provider bills.  Every statement gives its own as-of time, so no
-- result depends on the day of the run.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS partner_api;
RESET client_min_messages;

-- nothing stays behind, and an expected error does not end the test
\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
BEGIN;
SET LOCAL search_path = partner_api, pg_temp;
SET LOCAL TimeZone = 'America/Sao_Paulo';
SET LOCAL DateStyle = 'ISO, DMY';

CREATE SERVER first FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE SERVER second FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');

-- whatever other tests left
DELETE FROM instances;
DELETE FROM billing_prices;

-- n instances, signed at the same time
CREATE FUNCTION pg_temp.sign(server name, prefix text, n integer,
							 signed_at timestamptz) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO instances (server, instance_id, name, status, created_at,
						   signed_at, origin)
	SELECT server, t.id, t.id, 'signed', signed_at - interval '1 day',
		   signed_at, 'created'
	FROM generate_series(1, n) AS i,
		 LATERAL (SELECT prefix || to_char(i, 'FM000')) AS t (id)
$$;

-- the two published rule sets
SELECT rule_id, provider, server, valid_from, time_zone, currency, due_day,
	   expiry_day, deletion_day, cancel_rule, cancel_days, billed_until,
	   band_mode, published
FROM billing_rules ORDER BY rule_id;
SELECT * FROM billing_bands ORDER BY rule_id, band;
SELECT server, valid_from, valid_until, rule_id
FROM billing_rules_in_force WHERE server IN ('first', 'second')
ORDER BY server, valid_from;

-- without instances there are no bills
SELECT * FROM billing_cycles_at('2026-06-20');
SELECT * FROM billing_lines_at('2026-06-20');
SELECT * FROM billing_cycle('first', '2026-05-01', '2026-06-20');

-- the provider's worked example: 40 in April, 1 + 2 + 5 + 3 in May make 51 on
-- 05/06; 10 of them, cancelled on 10/06, are on the next bill too
SELECT set_price('first', 5990, valid_from => '2021-01-01');
SELECT pg_temp.sign('first', 'apr', 40, '2026-04-01 10:00'),
	   pg_temp.sign('first', 'may-a', 1, '2026-05-04 09:00'),
	   pg_temp.sign('first', 'may-b', 2, '2026-05-11 09:00'),
	   pg_temp.sign('first', 'may-c', 5, '2026-05-20 09:00'),
	   pg_temp.sign('first', 'may-d', 3, '2026-05-31 23:59:59.999');
UPDATE instances SET status = 'cancelling', cancelled_at = '2026-06-10 15:00'
WHERE instance_id BETWEEN 'apr001' AND 'apr010';

-- by the later text the 10 end on 10/07 and are billed until then
SELECT cycle_start, cycle_end, status, instances AS n, new_instances AS new,
	   continued_instances AS continued, cancelled_instances AS cancelled,
	   amount_cents, currency, is_estimate AS estimate, due_on, expires_on,
	   deletion_on
FROM billing_cycles_at('2026-08-10') ORDER BY cycle_start;
SELECT cycle_start, cancelled_at, ends_at, ends_estimated, count(*),
	   sum(amount_cents), reason
FROM billing_lines_at('2026-08-10')
GROUP BY cycle_start, cancelled_at, ends_at, ends_estimated, reason
ORDER BY cycle_start, reason;

-- a line in full
SELECT * FROM billing_lines_at('2026-08-10', 'first', '2026-06-30')
WHERE instance_id = 'apr001' \gx

-- what was known earlier: the open cycle is an estimate, later ones are not
-- listed, and what comes after does not count
SELECT as_of, c.cycle_start, c.status, c.instances AS n,
	   c.cancelled_instances AS cancelled, c.amount_cents,
	   c.is_estimate AS estimate
FROM (VALUES (timestamptz '2026-03-31 12:00'), ('2026-05-20 08:59:59'),
			 ('2026-05-20 09:00'), ('2026-06-01 00:00'),
			 ('2026-06-05 23:59'), ('2026-06-06 00:00')) v (as_of),
	 LATERAL billing_cycles_at(v.as_of) c
ORDER BY as_of, c.cycle_start;

-- later events leave the lines of a closed cycle as they were
SELECT count(*) FROM (
	SELECT * FROM billing_lines_at('2026-06-01', 'first', '2026-05-01')
	EXCEPT
	SELECT * FROM billing_lines_at('2026-08-10', 'first', '2026-05-01')) d;

-- the fast way to one bill; any day names its month, a future one has no bill
SELECT cycle_start, instances, amount_cents
FROM billing_cycle('first', '2026-05-17', '2026-08-10');
SELECT * FROM billing_cycle('first', '2026-09-01', '2026-08-10');

-- by the text of 2021 to 2025 the 10 are charged once more and no longer; the
-- rule of the month of the cancel also holds after a new one has begun
DELETE FROM instances;
SELECT pg_temp.sign('first', 'apr', 40, '2024-04-01 10:00'),
	   pg_temp.sign('first', 'may-a', 1, '2024-05-04 09:00'),
	   pg_temp.sign('first', 'may-b', 2, '2024-05-11 09:00'),
	   pg_temp.sign('first', 'may-c', 5, '2024-05-20 09:00'),
	   pg_temp.sign('first', 'may-d', 3, '2024-05-31 23:59:59.999');
UPDATE instances SET status = 'cancelling', cancelled_at = '2024-06-10 15:00'
WHERE instance_id BETWEEN 'apr001' AND 'apr010';
SELECT cycle_start, instances AS n, new_instances AS new,
	   cancelled_instances AS cancelled, is_estimate AS estimate, due_on
FROM billing_cycles_at('2024-08-10') ORDER BY cycle_start;
SELECT ends_at, ends_estimated, count(*), reason
FROM billing_lines_at('2024-08-10', 'first', '2024-06-01')
GROUP BY ends_at, ends_estimated, reason ORDER BY reason;
UPDATE instances SET cancelled_at = '2025-12-20 15:00'
WHERE instance_id BETWEEN 'apr001' AND 'apr010';
UPDATE instances SET cancelled_at = '2026-01-20 15:00'
WHERE instance_id BETWEEN 'apr011' AND 'apr015';
SELECT cycle_start, instances AS n, cancelled_instances AS cancelled, rule_id
FROM billing_cycles_at('2026-04-10')
WHERE cycle_start >= '2025-11-01' ORDER BY cycle_start;

-- the original due time is a month after the day of signing, or the last day
-- of a shorter month; the provider's own due time is no estimate, but that of
-- the trial is not the one that counts
DELETE FROM instances;
INSERT INTO instances (server, instance_id, status, created_at, trial_ends_at,
					   signed_at, cancelled_at, provider_due_at, origin)
VALUES ('first', 'in February', 'cancelling', '2024-01-30', NULL,
		'2024-01-31 10:00', '2024-02-10 12:00', NULL, 'created'),
	   ('first', 'on the due day, before', 'cancelling', '2024-01-30', NULL,
		'2024-01-31 10:00', '2024-02-29 09:59:59', NULL, 'created'),
	   ('first', 'on the due day, after', 'cancelling', '2024-01-30', NULL,
		'2024-01-31 10:00', '2024-02-29 10:00:00', NULL, 'created'),
	   ('first', 'over the year', 'cancelling', '2023-12-14', NULL,
		'2023-12-15 10:00', '2024-02-10 12:00', NULL, 'created'),
	   ('first', 'provider says', 'cancelling', '2024-01-30', NULL,
		'2024-01-31 10:00', '2024-02-10 12:00', '2024-03-02 08:00', 'created'),
	   ('first', 'provider said', 'cancelling', '2024-01-30', NULL,
		'2024-01-31 10:00', '2024-02-10 12:00', '2024-02-02 08:00', 'created'),
	   ('first', 'trial', 'cancelling', '2024-02-09', '2024-02-11 08:00',
		'2024-02-09 10:00', '2024-02-10 12:00', '2024-02-11 08:00', 'created');
SELECT instance_id, cycle_end, ends_at, ends_estimated, reason
FROM billing_lines_at('2024-04-10', 'first', '2024-02-01')
ORDER BY instance_id COLLATE "C";
SELECT cycle_start, instances FROM billing_cycles_at('2024-04-10')
ORDER BY cycle_start;

-- months begin and end in the provider's zone: 02:59:59 UTC is still the day
-- before in Sao Paulo; with daylight saving time, as in 2018, 01:59:59 is
DELETE FROM instances;
INSERT INTO billing_rules (rule_id, provider, server, valid_from, time_zone,
						   currency, due_day, expiry_day, deletion_day,
						   cancel_rule, billed_until, source)
VALUES ('long ago', 'zapi', 'second', '2018-01-01', 'America/Sao_Paulo', 'BRL',
		5, 10, 15, 'month_end', 'until_end', 'test');
INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   origin)
SELECT v.server, v.signed_at, 'signed', t.signed_at, t.signed_at, 'created'
FROM (VALUES ('first', '2024-03-01 02:59:59+00'),
			 ('first', '2024-03-01 03:00:00+00'),
			 ('first', '2026-06-01 02:30:00+00'),
			 ('first', '2026-06-01 03:00:00+00'),
			 ('second', '2018-12-01 01:59:59+00'),
			 ('second', '2018-12-01 02:00:00+00'),
			 ('second', '2026-03-01 01:59:59+00')) v (server, signed_at),
	 LATERAL (SELECT v.signed_at::timestamptz) t (signed_at);
SELECT l.server, l.cycle_start, l.cycle_end, l.due_on, l.instance_id
FROM billing_lines_at('2026-07-01') l WHERE l.reason ~ '^signed'
ORDER BY l.server, l.signed_at;

-- the provider's own end date beats ours, sooner or later
DELETE FROM instances;
INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   cancelled_at, ends_at, deleted_at, missing_since,
					   origin)
VALUES ('first', 'ours', 'cancelling', '2026-03-31', '2026-04-01',
		'2026-05-20', NULL, NULL, NULL, 'created'),
	   ('first', 'sooner', 'ended', '2026-03-31', '2026-04-01',
		'2026-05-20', '2026-05-31', NULL, NULL, 'created'),
	   ('first', 'later', 'cancelling', '2026-03-31', '2026-04-01',
		'2026-05-20', '2026-08-01 00:00:01', NULL, NULL, 'created'),
	   ('first', 'at the month''s end', 'ended', '2026-03-31', '2026-04-01',
		'2026-05-20', '2026-06-01 00:00', NULL, NULL, 'created'),
	   ('first', 'found after its end', 'ended', '2026-03-31', '2026-04-01',
		'2026-08-20', '2026-05-20', NULL, NULL, 'imported'),
	   ('first', 'never cancelled', 'ended', '2026-03-31', '2026-04-01',
		NULL, '2026-06-15', NULL, NULL, 'imported'),
	   ('first', 'deleted', 'deleted', '2026-03-31', '2026-04-01',
		NULL, NULL, '2026-05-25', NULL, 'created'),
	   ('first', 'deleted before the end', 'deleted', '2026-03-31',
		'2026-04-01', '2026-05-20', '2026-07-20', '2026-06-02', NULL,
		'created'),
	   ('first', 'deleted before our end', 'deleted', '2026-03-31',
		'2026-04-01', '2026-05-20', NULL, '2026-06-02', NULL, 'created'),
	   ('first', 'deleted long after', 'deleted', '2026-03-31', '2026-04-01',
		'2026-05-20', NULL, '2026-07-02', NULL, 'created'),
	   ('first', 'in one month', 'cancelling', '2026-05-01', '2026-05-02',
		'2026-05-02 08:00', NULL, NULL, NULL, 'created'),
	   ('first', 'missing', 'signed', '2026-03-31', '2026-04-01', NULL, NULL,
		NULL, '2026-06-03', 'created'),
	   ('first', 'trial', 'trial', '2026-05-01', NULL, NULL, NULL, NULL, NULL,
		'created'),
	   ('first', 'lapsed', 'lapsed', '2026-05-01', NULL, NULL, NULL, NULL,
		NULL, 'created'),
	   ('first', 'cancelled trial', 'cancelling', '2026-05-01', NULL,
		'2026-05-02', '2026-05-03', NULL, NULL, 'created');
SELECT cycle_start, instance_id, ends_at, ends_estimated AS estimated, reason
FROM billing_lines_at('2026-09-02')
WHERE cycle_start BETWEEN '2026-05-01' AND '2026-08-01'
ORDER BY cycle_start, instance_id COLLATE "C";
SELECT cycle_start, instances AS n, cancelled_instances AS cancelled,
	   is_estimate AS estimate
FROM billing_cycles_at('2026-09-02') ORDER BY cycle_start;

-- bands: 25, 25 more, 50 more, then unlimited, ranked by time of signing
DELETE FROM instances;
SELECT pg_temp.sign('first', 'c', 60, '2024-05-03'),
	   pg_temp.sign('first', 'a', 24, '2024-05-01'),
	   pg_temp.sign('first', 'b', 18, '2024-05-02');
SELECT set_price('first', 6000, 1, '2024-01-01'),
	   set_price('first', 5000, 2, '2024-01-01'),
	   set_price('first', 4000, 3, '2024-01-01');
SELECT band, count(*), min(instance_id), max(instance_id), unit_price_cents,
	   sum(amount_cents)
FROM billing_lines_at('2024-05-20') GROUP BY band, unit_price_cents
ORDER BY band;
SELECT instances, unpriced_instances, amount_cents
FROM billing_cycles_at('2024-05-20');
-- the fourth band has had the price of the third, the last one of the text
SELECT set_price('first', 1000, 4, '2024-01-01');
SELECT amount_cents FROM billing_cycles_at('2024-05-20');

-- a price changes from a month on
SELECT set_price('first', 7000, 1, '2024-07-01'),
	   set_price('first', 6500, 1, '2024-07-01');
SELECT cycle_start, amount_cents FROM billing_cycles_at('2024-08-20')
ORDER BY cycle_start;
SELECT * FROM billing_prices WHERE server = 'first' ORDER BY band, valid_from;

-- volume: all have the price of the band that their number falls into; the
-- server's own rule beats those of the provider, also one that begins later
INSERT INTO billing_rules (rule_id, provider, server, valid_from, time_zone,
						   currency, due_day, expiry_day, deletion_day,
						   cancel_rule, billed_until, band_mode, source)
VALUES ('contract', 'zapi', 'first', '2024-06-01', 'UTC', 'USD', 1, 2, 3,
		'month_end', 'until_end', 'volume', 'test');
INSERT INTO billing_bands VALUES ('contract', 1, 100), ('contract', 2, 102);
SELECT cycle_start, instances, amount_cents, currency, due_on, expires_on,
	   deletion_on, rule_id
FROM billing_cycles_at('2024-07-20') ORDER BY cycle_start;
SELECT server, valid_from, valid_until, rule_id
FROM billing_rules_in_force WHERE server IN ('first', 'second')
ORDER BY server, valid_from;
SELECT cycle_start, band, count(*), sum(amount_cents), reason
FROM billing_lines_at('2024-07-20')
GROUP BY cycle_start, band, reason ORDER BY cycle_start, band, reason;
-- one more than the rule has a band for
SELECT pg_temp.sign('first', 'd', 1, '2024-07-03');
SELECT instances, unpriced_instances, amount_cents
FROM billing_cycle('first', '2024-07-01', '2024-07-20');
SELECT band, count(*), sum(amount_cents), reason
FROM billing_lines_at('2024-07-20', 'first', '2024-07-01')
GROUP BY band, reason ORDER BY reason;
DELETE FROM billing_rules WHERE rule_id = 'contract';
SELECT count(*) FROM billing_bands WHERE rule_id = 'contract';

-- a rule of one's own replaces the published one of the same month
INSERT INTO billing_rules (rule_id, provider, valid_from, time_zone,
						   currency, due_day, expiry_day, deletion_day,
						   cancel_rule, billed_until, source)
VALUES ('ours', 'zapi', '2026-01-01', 'America/Sao_Paulo', 'BRL', 5, 10, 15,
		'month_end', 'until_end', 'test');
SELECT server, valid_from, valid_until, rule_id
FROM billing_rules_in_force WHERE server IN ('first', 'second')
ORDER BY server, valid_from;
DELETE FROM billing_rules WHERE rule_id IN ('ours', 'long ago');

-- two servers have a bill each; without a price there is no amount, not zero
DELETE FROM instances;
SELECT pg_temp.sign('first', 'a', 2, '2026-05-01'),
	   pg_temp.sign('second', 'a', 3, '2026-05-02');
SELECT server, cycle_start, instances, unpriced_instances, amount_cents
FROM billing_cycles_at('2026-06-20') ORDER BY server, cycle_start;
SELECT server, instance_id, band, unit_price_cents, amount_cents, reason
FROM billing_lines_at('2026-06-20', of_cycle => '2026-05-01')
ORDER BY server, instance_id;
SELECT set_price('second', 0, valid_from => '2026-06-01');
SELECT server, cycle_start, unpriced_instances, amount_cents
FROM billing_cycles_at('2026-06-20', 'second') ORDER BY cycle_start;

-- when all have ended, the bill is zero
UPDATE instances SET cancelled_at = '2026-05-02', ends_at = '2026-05-03'
WHERE server = 'first';
SELECT cycle_start, instances, amount_cents
FROM billing_cycles_at('2026-06-20', 'first') ORDER BY cycle_start;

-- cents are counted exactly, and never beyond what the type holds
SELECT set_price('second', 3074457345618258602, valid_from => '2026-05-01');
SELECT amount_cents FROM billing_cycle('second', '2026-05-01', '2026-05-20');
SELECT set_price('second', 3074457345618258603, valid_from => '2026-05-01');
SELECT amount_cents FROM billing_cycle('second', '2026-05-01', '2026-05-20');
SELECT set_price('second', 100, valid_from => '2026-05-01');

-- bills and lines agree
UPDATE instances SET cancelled_at = '2026-05-30', ends_at = NULL
WHERE instance_id = 'a001';
SELECT pg_temp.sign('first', 'b', 70, '2025-11-20'),
	   pg_temp.sign('second', 'b', 30, '2025-12-20');
UPDATE instances SET cancelled_at = '2025-12-05' WHERE instance_id > 'b060';
SELECT count(*) AS bills,
	   bool_and(ROW(c.instances, c.amount_cents, c.new_instances,
					c.cancelled_instances, c.unpriced_instances)
				= ROW(l.instances, l.amount_cents, l.new_instances,
					  l.cancelled_instances, l.unpriced_instances)) AS agree
FROM billing_cycles_at('2026-08-20') c
	 JOIN (SELECT server, cycle_start, count(*) AS instances,
				  sum(amount_cents) AS amount_cents,
				  count(*) FILTER (WHERE reason ~ '^signed') AS new_instances,
				  count(cancelled_at) AS cancelled_instances,
				  count(*) FILTER (WHERE amount_cents IS NULL)
				  AS unpriced_instances
		   FROM billing_lines_at('2026-08-20')
		   GROUP BY server, cycle_start) l
	 USING (server, cycle_start);

-- the views are the same at the time of clock()
SELECT count(*) FROM (SELECT * FROM billing_cycles
					  EXCEPT ALL SELECT * FROM billing_cycles_at(clock())) d;
SELECT count(*) FROM (SELECT * FROM billing_lines
					  EXCEPT ALL SELECT * FROM billing_lines_at(clock())) d;
SELECT valid_from = date_trunc('month', clock()) AS this_month
FROM set_price('first', 1);

-- a reader sees the bills and cannot change them; an admin sets prices
SET LOCAL ROLE partner_api_reader;
SELECT count(*) >= 0 AS readable FROM billing_cycles;
SELECT count(*) >= 0 AS readable FROM billing_lines;
SELECT count(*) >= 0 AS readable FROM billing_gaps;
SELECT instances FROM billing_cycle('first', '2025-11-01', '2026-08-20');
SELECT set_price('first', 1);
DELETE FROM billing_prices;
SET LOCAL ROLE partner_api_admin;
SELECT set_price('first', 5990, valid_from => '2026-05-01');
INSERT INTO billing_rules (rule_id, provider, valid_from, time_zone,
						   currency, due_day, expiry_day, deletion_day,
						   cancel_rule, billed_until, source)
VALUES ('ours', 'zapi', '2027-01-01', 'America/Sao_Paulo', 'BRL', 5, 10, 15,
		'month_end', 'until_end', 'test');
INSERT INTO billing_bands VALUES ('ours', 1, NULL);
DELETE FROM billing_rules WHERE rule_id = 'ours';
RESET ROLE;

-- what no bill can include is not lost from sight
SELECT * FROM billing_gaps;
INSERT INTO instances (server, instance_id, status, created_at, origin)
VALUES ('first', 'imported', 'signed', '2026-05-01', 'imported');
SELECT pg_temp.sign('first', 'early', 2, '2020-12-31'),
	   pg_temp.sign('dropped', 'a', 4, '2026-05-01');
SELECT * FROM billing_gaps ORDER BY server, problem;

-- bad input
SELECT set_price('nowhere', 100);
SELECT set_price('first', -1);
SELECT set_price('first', NULL);
SELECT set_price('first', 100, 0);
SELECT set_price('first', 100, valid_from => '2026-05-02');
UPDATE billing_rules SET due_day = 6 WHERE rule_id = 'published-zapi-2026';
DELETE FROM billing_bands WHERE rule_id = 'published-zapi-2026';
INSERT INTO billing_rules (rule_id, provider, valid_from, time_zone, currency,
						   due_day, expiry_day, deletion_day, cancel_rule,
						   cancel_days, billed_until, source)
SELECT v.*, 'test'
FROM (VALUES ('published-mine', 'zapi', date '2026-02-01', 'UTC', 'BRL', 5,
			  10, 15, 'days', 30, 'until_end')) v;
\set rule 'INSERT INTO billing_rules (rule_id, provider, valid_from, time_zone, currency, due_day, expiry_day, deletion_day, cancel_rule, cancel_days, billed_until, source) VALUES'
:rule ('x', 'zapi', '2026-02-02', 'UTC', 'BRL', 5, 10, 15, 'days', 30, 'until_end', 'test');
:rule ('x', 'zapi', '2026-02-01', 'Sao Paulo', 'BRL', 5, 10, 15, 'days', 30, 'until_end', 'test');
:rule ('x', 'zapi', '2026-02-01', 'UTC', 'real', 5, 10, 15, 'days', 30, 'until_end', 'test');
:rule ('x', 'zapi', '2026-02-01', 'UTC', 'BRL', 15, 10, 5, 'days', 30, 'until_end', 'test');
:rule ('x', 'zapi', '2026-02-01', 'UTC', 'BRL', 5, 10, 15, 'days', NULL, 'until_end', 'test');
:rule ('x', 'zapi', '2026-02-01', 'UTC', 'BRL', 5, 10, 15, 'at once', NULL, 'until_end', 'test');
ROLLBACK;
