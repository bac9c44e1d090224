--
-- Bills by the day.  Every statement gives its own as-of time, so no result
-- depends on the day of the run.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS partner_api;
RESET client_min_messages;

\set ON_ERROR_ROLLBACK on
\set SHOW_CONTEXT never
BEGIN;
SET LOCAL search_path = partner_api, pg_temp;
SET LOCAL TimeZone = '+03';
SET LOCAL DateStyle = 'ISO, DMY';
SET LOCAL jit = off;			-- compiling takes longer than running

DELETE FROM instances;
DELETE FROM former_subscriptions;
DELETE FROM billing_prices;

-- the published rule, with no price, no currency and no due day, since none
-- is written down anywhere
SELECT * FROM billing_rules WHERE billed_by = 'day' \gx
SELECT * FROM billing_bands WHERE rule_id = 'published-greenapi-2022';
SELECT * FROM billing_prices;

CREATE SERVER green FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'greenapi');

INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   deleted_at, origin)
SELECT 'green', v.id, CASE WHEN v.d IS NULL THEN 'signed' ELSE 'deleted' END,
	   v.c::timestamptz, v.c::timestamptz, v.d::timestamptz, 'created'
FROM (VALUES
	('created at noon', '2024-02-10 12:00', NULL),
	('created at midnight', '2024-02-10 00:00', NULL),
	('created just before midnight', '2024-02-09 23:59:59.999999', NULL),
	('on the leap day alone', '2024-02-29 00:00', '2024-02-29 23:59:59'),
	('for a moment', '2024-02-20 10:00', '2024-02-20 10:00'),
	('for a moment at midnight', '2024-02-20 00:00', '2024-02-20 00:00'),
	('on one day', '2024-02-20 10:00', '2024-02-20 18:00'),
	('over a midnight', '2024-02-20 23:59:59', '2024-02-21 00:00:01'),
	('until midnight', '2024-02-20 23:59:59', '2024-02-21 00:00'),
	('until the end of the month', '2024-01-05 10:00', '2024-03-01 00:00'),
	('until the next month', '2024-01-05 10:00', '2024-03-01 00:00:00.000001'),
	('for a moment at the first', '2024-04-01 00:00', '2024-04-01 00:00'),
	('over the year', '2023-12-31 23:59:59', '2024-01-01 00:00:01'))
	AS v (id, c, d);

-- without a price there is no amount, but the days are known
SELECT cycle_start, cycle_end, instance_id, days, amount_cents, due_on, reason
FROM billing_lines_at('2024-04-15 09:00', of_server => 'green')
ORDER BY cycle_start, instance_id COLLATE "C";
SELECT cycle_start, status, instances AS n, new_instances AS new,
	   cancelled_instances AS gone, unpriced_instances AS unpriced, days,
	   amount_cents, projected_cents, is_estimate AS estimate, currency,
	   due_on, expires_on, deletion_on
FROM billing_cycles_at('2024-04-15 09:00', 'green') ORDER BY cycle_start;

-- a price is for a day; what is due in the first month, and what will be due
-- when the month is over
SELECT set_price('green', 40, valid_from => '2024-01-01');
SELECT set_price('green', 50, valid_from => '2024-04-01');
SELECT cycle_start, days, amount_cents, prepaid_cents, projected_cents
FROM billing_cycles_at('2024-04-15 09:00', 'green') ORDER BY cycle_start;
SELECT * FROM billing_lines_at('2024-04-15', 'green', '2024-02-01')
WHERE instance_id = 'over a midnight' \gx

-- as of earlier: the day that runs has been written off, the next one not;
-- what comes after does not count
SELECT as_of, c.cycle_start, c.status, c.instances AS n,
	   c.cancelled_instances AS gone, c.days, c.amount_cents,
	   c.projected_cents, c.is_estimate AS estimate
FROM (VALUES (timestamptz '2024-01-05 09:59'), ('2024-01-05 10:00'),
			 ('2024-02-20 09:59:59'), ('2024-02-20 23:59:59'),
			 ('2024-02-21 00:00'), ('2024-02-29 23:59:59'),
			 ('2024-03-01 00:00')) v (as_of),
	 LATERAL billing_cycles_at(v.as_of, 'green') c
ORDER BY as_of, c.cycle_start;

-- a closed bill stays as it was, whatever happens later
CREATE TEMPORARY TABLE closed AS
SELECT to_jsonb(l) AS bill
FROM billing_lines_at('2024-03-01', 'green', '2024-02-01') l;
UPDATE instances SET status = 'deleted', deleted_at = '2024-03-01'
WHERE deleted_at IS NULL;
SELECT count(*) AS lines,
	   count(*) FILTER (WHERE to_jsonb(l) IN (SELECT bill FROM closed)) AS same
FROM billing_lines_at('2025-01-01', 'green', '2024-02-01') l;
SELECT cycle_start, instances, days, amount_cents, projected_cents
FROM billing_cycles_at('2024-04-15', 'green') ORDER BY cycle_start;

-- an end that the provider states, a missing instance, and one line for an
-- instance whose subscription was renewed
DELETE FROM instances;
INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   cancelled_at, ends_at, deleted_at, missing_since,
					   origin)
VALUES ('green', 'ended', 'ended', '2024-05-01', '2024-05-02', '2024-05-04',
		'2024-05-10 12:00', NULL, NULL, 'created'),
	   ('green', 'ended, then deleted', 'deleted', '2024-04-01', '2024-05-02',
		NULL, '2024-05-10 12:00', '2024-05-20', NULL, 'created'),
	   ('green', 'missing', 'signed', '2024-04-20', '2024-04-20', NULL, NULL,
		NULL, '2024-05-20', 'created'),
	   ('green', 'never signed', 'trial', '2024-05-20', NULL, NULL, NULL,
		NULL, NULL, 'imported'),
	   ('green', 'renewed', 'cancelling', '2024-03-01', '2024-03-02',
		'2024-04-02', NULL, NULL, NULL, 'created');
UPDATE instances SET status = 'signed', signed_at = '2024-05-02',
	   cancelled_at = NULL WHERE instance_id = 'renewed';
SELECT instance_id, signed_at, cancelled_at, ends_at, days, reason
FROM billing_lines_at('2024-06-02', 'green', '2024-05-01')
ORDER BY instance_id COLLATE "C";
SELECT days FROM billing_cycle('green', '2024-05-31', '2024-06-02');
-- a month without any
SELECT cycle_start, instances, days, amount_cents
FROM billing_cycles_at('2024-06-02', 'green')
WHERE cycle_start < '2024-05-01' ORDER BY cycle_start;

-- what the provider bills apart is on no bill and counts against no cap, by the
-- day and by the month; billing_gaps has it
INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   token_fingerprint, billed_apart, origin)
VALUES ('green', 'business', 'signed', '2024-04-01', '2024-04-01', 'f', true,
		'imported'),
	   ('green', 'copy', 'signed', clock(), clock(), 'f', true, 'surplus');
SELECT days, instances FROM billing_cycle('green', '2024-05-31', '2024-06-02');
SELECT count(*) AS lines FROM billing_lines_at('2024-06-02', 'green')
WHERE instance_id IN ('business', 'copy');
SELECT cap, cap_used('green', cap, 'f', false, '-infinity', false) AS used
FROM unnest('{max_instances, max_new_per_day, token_quota}'::text[]) cap;
SELECT instance_id AS by_month
FROM billing_terms t,
	 billed_by_month('green', '2024-05-01', '2024-06-01', t::billing_terms)
WHERE t.server = 'green' ORDER BY 1;
SELECT instances, problem FROM billing_gaps WHERE server = 'green';
-- nor does a bill begin with it
UPDATE instances SET billed_apart = true WHERE server = 'green';
SELECT count(*) AS bills FROM billing_cycles_at('2024-06-02', 'green');
SELECT count(*) AS bills FROM billing_cycle('green', '2024-05-01', '2024-06-02');
UPDATE instances SET billed_apart = false
WHERE instance_id NOT IN ('business', 'copy');
DELETE FROM instances WHERE billed_apart;

-- rules of our own, for a server that would be billed by the month
CREATE SERVER daily FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi');
UPDATE instances SET server = 'daily';
CREATE FUNCTION pg_temp.rule(rule_id text, server name, valid_from date,
							 zone text, prepaid text, band_mode text,
							 due_day integer, bands bigint[]) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO billing_rules (rule_id, provider, server, valid_from,
							   billed_by, prepaid, time_zone, currency,
							   due_day, band_mode, source)
	VALUES (rule_id, 'zapi', server, valid_from, 'day', prepaid, zone, 'BRL',
			due_day, band_mode, 'test');
	INSERT INTO billing_bands
	SELECT rule_id, b.n, b.up_to
	FROM unnest(bands) WITH ORDINALITY AS b (up_to, n);
$$;

-- bands count instances as elsewhere, the price is for each of their days
SELECT pg_temp.rule('banded', 'daily', '2024-01-01', 'Etc/GMT-3',
					'first_cycle', 'graduated', 7, '{2, 4, NULL}');
DELETE FROM billing_prices;
SELECT set_price('daily', 100, 1, '2024-01-01'),
	   set_price('daily', 10, 2, '2024-01-01'),
	   set_price('daily', 1, 3, '2024-01-01');
SELECT instance_id, days, band, unit_price_cents, amount_cents, due_on
FROM billing_lines_at('2024-06-02', 'daily', '2024-05-01')
ORDER BY band, instance_id COLLATE "C";
SELECT instances, days, amount_cents, prepaid_cents, projected_cents, due_on
FROM billing_cycle('daily', '2024-05-01', '2024-06-02');
SELECT instances, days, amount_cents, prepaid_cents, projected_cents, due_on
FROM billing_cycle('daily', '2024-05-01', '2024-05-25');
DELETE FROM billing_prices WHERE band = 3;
UPDATE billing_rules SET band_mode = 'volume', prepaid = 'every_cycle'
WHERE rule_id = 'banded';
SELECT instances, days, amount_cents, prepaid_cents
FROM billing_cycle('daily', '2024-05-01', '2024-06-02');
UPDATE billing_bands SET up_to = 4 WHERE rule_id = 'banded' AND band = 2;
DELETE FROM billing_bands WHERE rule_id = 'banded' AND band = 3;
SELECT instances, unpriced_instances, days, amount_cents, projected_cents
FROM billing_cycle('daily', '2024-05-01', '2024-06-02');

-- from the month to the day and back; what was cancelled while it was billed
-- by the day had no rule for its end
DELETE FROM instances;
DELETE FROM former_subscriptions;
DELETE FROM billing_rules WHERE rule_id = 'banded';
SELECT pg_temp.rule('by day', 'daily', '2026-03-01', 'Etc/GMT-3', 'nothing',
					'graduated', 7, '{NULL}');
INSERT INTO billing_rules (rule_id, provider, server, valid_from, time_zone,
						   currency, due_day, expiry_day, deletion_day,
						   cancel_rule, billed_until, source)
VALUES ('by month', 'zapi', 'daily', '2026-05-01', 'Etc/GMT-3', 'BRL', 5, 10,
		15, 'month_end', 'until_end', 'test');
INSERT INTO billing_bands VALUES ('by month', 1, NULL);
INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   cancelled_at, deleted_at, origin)
VALUES ('daily', 'all along', 'signed', '2026-01-10', '2026-01-11', NULL,
		NULL, 'created'),
	   ('daily', 'trial in February', 'signed', '2026-02-27', '2026-04-20',
		NULL, NULL, 'created'),
	   ('daily', 'cancelled by day', 'cancelling', '2026-01-10',
		'2026-01-11', '2026-04-20', NULL, 'created'),
	   ('daily', 'deleted', 'deleted', '2026-01-10', '2026-01-11', NULL,
		'2026-04-20', 'created');
SELECT cycle_start, instance_id, days, due_on, rule_id, reason
FROM billing_lines_at('2026-06-01', 'daily')
ORDER BY cycle_start, instance_id COLLATE "C";

/*
 * Day by day, for instances with random lives in random zones, some of which
 * have days of 23 and 25 hours or days that begin at 01:00: billed on the day
 * of creation, and on each day at whose beginning it exists.
 */
SELECT setseed(0.4) IS NOT NULL AS seeded;
DELETE FROM instances;
DELETE FROM billing_rules WHERE rule_id IN ('by day', 'by month');
DELETE FROM billing_prices;
CREATE TEMPORARY TABLE zones (server name, zone text, since date);
INSERT INTO zones
VALUES ('a', 'Etc/GMT-3', '2023-11-01'), ('b', 'UTC', '2023-11-01'),
	   ('c', 'America/Sao_Paulo', '2017-10-01'),
	   ('d', 'Europe/Berlin', '2024-02-01'), ('e', 'Asia/Kolkata', '2023-12-01');
SELECT pg_temp.rule(server, server, since, zone, 'first_cycle', 'graduated',
					5, '{20, 50, NULL}') FROM zones;
INSERT INTO billing_prices
SELECT server, since, 1 + n, 100 / (1 + n) FROM zones, generate_series(0, 2) n;
INSERT INTO instances (server, instance_id, status, created_at, signed_at,
					   deleted_at, ends_at, origin)
SELECT z.server, to_char(n, 'FM000'), 'signed', t.c, t.c,
	   CASE WHEN n % 3 > 0 THEN t.c + t.life END,
	   CASE WHEN n % 5 = 0 THEN t.c + t.life / 2 END, 'created'
FROM zones z, generate_series(1, 100) n,
	 LATERAL (SELECT (z.since::timestamp
					  + trunc(random() * 150) * interval '1 day'
					  + CASE WHEN n % 4 = 0 THEN interval '0'
							 ELSE trunc(random() * 86400) * interval '1 s' END)
					 AT TIME ZONE z.zone AS c,
					 CASE WHEN n % 2 = 0
						  THEN trunc(random() * 60) * interval '1 day'
						  ELSE random() * random() * interval '60 days' END
					 AS life) t;
CREATE TEMPORARY TABLE moments AS
SELECT z.server,
	   (z.since::timestamp + m * interval '37 days'
		+ CASE WHEN m % 2 = 0 THEN interval '0' ELSE interval '11:59:59' END)
	   AT TIME ZONE z.zone AS as_of
FROM zones z, generate_series(0, 6) m;
CREATE TEMPORARY TABLE by_hand AS
SELECT m.server, m.as_of, date_trunc('month', d.day)::date AS cycle_start,
	   i.instance_id, count(*)::integer AS days
FROM moments m
	 JOIN zones z USING (server)
	 CROSS JOIN generate_series(z.since::timestamp,
								m.as_of AT TIME ZONE z.zone, '1 day') d (day)
	 CROSS JOIN LATERAL (SELECT d.day AT TIME ZONE z.zone AS begins) b
	 JOIN instances i
		ON i.server = m.server AND i.created_at <= m.as_of
		   AND ((i.created_at AT TIME ZONE z.zone)::date = d.day::date
				OR (i.created_at < b.begins
					AND coalesce(least(i.deleted_at, i.ends_at) > b.begins,
								 true)))
GROUP BY m.server, m.as_of, cycle_start, i.instance_id;
CREATE TEMPORARY TABLE by_rule AS
SELECT m.as_of, l.* FROM moments m, LATERAL billing_lines_at(m.as_of, m.server) l;
SELECT count(*) > 1000 AS many, sum(days) > 20000 AS days, min(days), max(days)
FROM by_hand;
SELECT server, as_of, cycle_start, instance_id, days FROM by_hand
EXCEPT SELECT server, as_of, cycle_start, instance_id, days FROM by_rule;
SELECT server, as_of, cycle_start, instance_id, days FROM by_rule
EXCEPT SELECT server, as_of, cycle_start, instance_id, days FROM by_hand;

-- bills and lines agree, and so does the fast way to one bill; what is
-- projected has the days to come of those that exist
SELECT count(*) AS bills,
	   bool_and(ROW(c.instances, c.days, c.amount_cents, c.new_instances,
					c.cancelled_instances, c.prepaid_cents)
				= ROW(l.instances, l.days, l.amount_cents, l.new_instances,
					  l.cancelled_instances, l.prepaid_cents)) AS agree
FROM moments m
	 CROSS JOIN LATERAL billing_cycles_at(m.as_of, m.server) c
	 JOIN (SELECT server, as_of, cycle_start, count(*) AS instances,
				  sum(days) AS days, sum(amount_cents) AS amount_cents,
				  count(*) FILTER (WHERE reason ~ '^created')
				  AS new_instances,
				  count(ends_at) AS cancelled_instances,
				  coalesce(sum(amount_cents)
						   FILTER (WHERE due_on <= cycle_end), 0)
				  AS prepaid_cents
		   FROM by_rule GROUP BY server, as_of, cycle_start) l
	 ON l.server = m.server AND l.as_of = m.as_of
		AND l.cycle_start = c.cycle_start;
SELECT count(*) AS differences
FROM moments m
	 CROSS JOIN LATERAL billing_cycles_at(m.as_of, m.server) c
	 LEFT JOIN LATERAL billing_cycle(m.server, c.cycle_end, m.as_of) one ON true
WHERE c IS DISTINCT FROM one;
SELECT bool_and(c.projected_cents
				= (SELECT sum(l.unit_price_cents
							  * (l.days
								 + CASE WHEN l.ends_at IS NULL
										THEN c.cycle_end
											 - (m.as_of AT TIME ZONE z.zone)::date
										ELSE 0 END))
				   FROM by_rule l
				   WHERE l.server = m.server AND l.as_of = m.as_of
						 AND l.cycle_start = c.cycle_start)) AS projected
FROM moments m JOIN zones z USING (server)
	 CROSS JOIN LATERAL billing_cycles_at(m.as_of, m.server) c
WHERE c.status = 'open' AND c.instances > 0;

-- what a cap compares: days to the end of the month that runs now, also of one
-- more instance
SELECT pg_temp.rule('cap', 'daily', '2024-01-01', 'Etc/GMT-3', 'nothing',
					'graduated', 5, '{NULL}');
DELETE FROM instances;
INSERT INTO instances (server, instance_id, status, created_at, origin)
SELECT 'daily', n, 'signed', clock() - interval '1 year', 'created'
FROM generate_series(1, 3) n;
INSERT INTO instances (server, instance_id, status, created_at, origin)
VALUES ('daily', 'new', 'signed', clock(), 'created');
SELECT set_price('daily', 5, valid_from => '2024-01-01');
SELECT r.whole_units = days.month AND r.new_units = days.left AS units,
	   used = 3 * days.month + days.left AS used,
	   cycle_cents('daily', used) = 5 * used AS cents
FROM (SELECT extract(day FROM date_trunc('month', here.now)
					 + interval '1 month - 1 day')::integer AS month,
			 extract(day FROM date_trunc('month', here.now)
					 + interval '1 month - 1 day')::integer
			 - extract(day FROM here.now)::integer + 1 AS left
	  FROM (SELECT clock() AT TIME ZONE 'Etc/GMT-3' AS now) here) days,
	 cycle_rule('daily', clock()) r,
	 cap_used('daily', 'max_cycle_cents', '', false, '-infinity', false) used;

-- creates that may have had their effect, or are due, count with their days
CREATE TEMPORARY TABLE used AS
SELECT cap_used('daily', 'max_cycle_cents', '', false, '-infinity', false) n;
INSERT INTO pending_actions (action_id, server, kind, state, arguments,
							 run_at, nonce, fingerprint, requested_by,
							 enqueued_at, dry_run)
SELECT n, 'daily', v.kind, v.state, '{}', clock() - interval '1 h', '', '',
	   'nobody', clock(), v.dry
FROM (VALUES (-1, 'create_instance', 'sending', false),
			 (-2, 'create_instance', 'unknown', false),
			 (-3, 'create_instance', 'waiting', false),
			 (-4, 'create_instance', 'waiting', true),
			 (-5, 'create_instance', 'held', false),
			 (-6, 'delete_instance', 'sending', false))
	 v (n, kind, state, dry);
SELECT t.due_before, t.with_held,
	   (cap_used('daily', 'max_cycle_cents', '', false, t.due_before,
				 t.with_held) - u.n) / r.new_units AS more
FROM used u, cycle_rule('daily', clock()) r,
	 (VALUES (timestamptz '-infinity', false), ('infinity', false),
			 ('infinity', true)) t (due_before, with_held);
DELETE FROM pending_actions WHERE action_id < 0;

-- a band is as wide as whole cycles of its instances
DELETE FROM billing_bands WHERE rule_id = 'cap';
INSERT INTO billing_bands VALUES ('cap', 1, 10), ('cap', 2, NULL);
SELECT set_price('daily', 4, 2, '2024-01-01');
SELECT cycle_cents('daily', 310, '2024-05-20') AS all_in_the_first,
	   cycle_cents('daily', 311, '2024-05-20') AS one_day_more,
	   cycle_cents('daily', 0, '2024-05-20') AS none;

-- all of it is for the reader
SET LOCAL ROLE partner_api_reader;
SELECT instances FROM billing_cycle('daily', '2024-05-01', '2024-06-02');
SELECT count(*) FROM billing_lines_at('2024-06-02', 'daily');
RESET ROLE;

-- bad input
\set rule 'INSERT INTO billing_rules (rule_id, provider, valid_from, billed_by, prepaid, time_zone, due_day, expiry_day, deletion_day, cancel_rule, cancel_days, billed_until, currency, source) VALUES'
:rule ('x', 'zapi', '2026-02-01', 'hour', 'nothing', 'UTC', NULL, NULL, NULL, NULL, NULL, NULL, 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'day', 'later', 'UTC', NULL, NULL, NULL, NULL, NULL, NULL, 'BRL', 'test');
-- would be west of Greenwich
:rule ('x', 'zapi', '2026-02-01', 'day', 'nothing', 'UTC+3', NULL, NULL, NULL, NULL, NULL, NULL, 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'day', 'nothing', '+03', NULL, NULL, NULL, NULL, NULL, NULL, 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'day', 'nothing', 'UTC', 20, NULL, 15, NULL, NULL, NULL, 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'day', 'nothing', 'UTC', NULL, NULL, NULL, 'month_end', NULL, NULL, 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'day', 'nothing', 'UTC', NULL, NULL, NULL, NULL, NULL, 'until_end', 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'month', 'nothing', 'UTC', 5, 10, 15, NULL, NULL, 'until_end', 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'month', 'nothing', 'UTC', 5, 10, NULL, 'month_end', NULL, 'until_end', 'BRL', 'test');
:rule ('x', 'zapi', '2026-02-01', 'month', 'nothing', 'UTC', 5, 10, 15, 'month_end', NULL, 'until_end', NULL, 'test');
:rule ('x', 'zapi', '2026-02-01', 'month', 'first_cycle', 'UTC', 5, 10, 15, 'month_end', NULL, 'until_end', 'BRL', 'test');
UPDATE billing_rules SET prepaid = 'nothing'
WHERE rule_id = 'published-greenapi-2022';
ROLLBACK;
