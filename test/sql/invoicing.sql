--
-- What subscriptions are invoiced.  The clock is a setting here, so no result
-- depends on the day of the run; 2096 is a leap year, 2100 is none.
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

CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.current_setting('test.now')::timestamptz $$;
CREATE FUNCTION pg_temp.today(day text) RETURNS void
LANGUAGE sql AS $$
	SELECT set_config('test.now', day || ' 12:00-03', false)
$$;

-- whatever other tests left
DELETE FROM invoices;
DELETE FROM subscriptions;
DELETE FROM instances;

CREATE SERVER asaas FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'asaas');
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE SERVER zs FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zsystems');

-- one run: what it made
CREATE FUNCTION pg_temp.made(period daterange DEFAULT NULL)
RETURNS TABLE (subscription text, starts date, ends date, due date,
	cents bigint, status text)
LANGUAGE sql AS $$
	SELECT i.subscription_id, i.period_start, i.period_end, i.due_on,
		   i.amount_cents, i.status
	FROM generate_invoices(period) i
$$;

-- a customer with a plan of their own, from today on
CREATE FUNCTION pg_temp.joins(id text, plan text, VARIADIC more text[]
							  DEFAULT '{}')
RETURNS void
LANGUAGE sql AS $$
	SELECT register_customer('asaas', id, 'Customer ' || id, '529.982.247-25');
	SELECT subscribe('asaas', id, plan, subscription_id => id,
		starts_on => more[1]::date, ends_on => more[2]::date,
		price_cents => more[3]::bigint)
$$;

-- an error without the numbers in it
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL,
							hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' / ', SQLSTATE, SQLERRM, detail, hint),
						  '(invoice|action) \d+', '\1 N', 'g');
END
$$;
\pset format unaligned
\pset tuples_only on

\echo -- periods: month ends clip and do not drift, leap days come back
SELECT frequency, n, every,
	   array_agg(period_start(anchor, frequency, every, p) ORDER BY p)
FROM (VALUES ('monthly', 1, 1, date '2096-01-31'),
			 ('monthly', 2, 3, date '2099-11-30'),
			 ('annualy', 3, 1, date '2096-02-29'),
			 ('annualy', 4, 2, date '2096-12-31'),
			 ('weekly', 5, 4, date '2096-01-01'),
			 ('daily', 6, 10, date '2096-02-25')) AS f (frequency, n, every, anchor),
	 generate_series(0, 4) AS p
GROUP BY 1, 2, 3 ORDER BY n;

\echo -- the number of the period that a day lies in is the other way round
SELECT count(*) AS days, count(*) FILTER (WHERE day < period_start(anchor, f, every, k)
	OR day >= period_start(anchor, f, every, k + 1)) AS wrong
FROM (VALUES (date '2096-01-31'), ('2096-02-29'), ('2095-12-30')) a (anchor),
	 unnest(ARRAY['daily', 'weekly', 'monthly', 'annualy']) f,
	 unnest(ARRAY[1, 3, 4]) every,
	 generate_series(-40, 800, 1) n,
	 LATERAL (SELECT anchor + n AS day) d,
	 LATERAL (SELECT period_of(anchor, f, every, day) AS k) p;

\echo -- prepaid: set-up once, one invoice a period; a second run makes nothing
SELECT pg_temp.today('2096-01-31');
SELECT plan_id, frequency, currency, origin FROM register_plan('asaas', 'gold', 'Gold', 9900,
	setup_amount_cents => 5000);
SELECT pg_temp.joins('m31', 'gold');
SELECT * FROM pg_temp.made();
SELECT * FROM pg_temp.made();
SELECT line, kind, description, amount_cents FROM invoice_lines ORDER BY invoice_id, line;
SELECT customer_ref, issued_on, billing_type, description, reason FROM invoices;

\echo -- runs that were missed are made up for, and none is due before today
SELECT pg_temp.today('2096-05-30');
SELECT * FROM pg_temp.made();
SELECT pg_temp.today('2096-05-31');
SELECT * FROM pg_temp.made();
SELECT invoiced_until FROM subscriptions;

\echo -- at most 100 of a subscription at once
SELECT plan_id FROM register_plan('asaas', 'day', 'Day', 100, frequency => 'daily');
SELECT pg_temp.joins('daily', 'day', '2096-01-01');
SELECT count(*), min(starts), max(ends) FROM pg_temp.made();
SELECT count(*), min(starts), max(ends) FROM pg_temp.made();
SELECT count(*), min(starts), max(ends) FROM pg_temp.made();
SELECT status FROM unsubscribe('asaas', 'daily');

\echo -- postpaid, with days before the issue; the period must be over
SELECT billing, issue_days, due_days FROM set_plan_terms('asaas', 'gold', billing => 'postpaid',
	issue_days => 2, due_days => 10);
SELECT pg_temp.joins('post', 'gold', '2096-05-10');
SELECT pg_temp.today('2096-06-11');
SELECT count(*) FROM pg_temp.made() WHERE subscription = 'post';
SELECT pg_temp.today('2096-06-12');
SELECT * FROM pg_temp.made() WHERE subscription = 'post';

\echo -- prepaid, some days ahead
SELECT plan_id FROM register_plan('asaas', 'ahead', 'Ahead', 1000, issue_days => 10, due_days => 0);
SELECT pg_temp.joins('ahead', 'ahead', '2096-06-23');
SELECT count(*) FROM pg_temp.made() WHERE subscription = 'ahead';
SELECT pg_temp.today('2096-06-13');
SELECT * FROM pg_temp.made() WHERE subscription = 'ahead';

\echo -- grace, an interval, years in any spelling
SELECT plan_id, frequency FROM register_plan('asaas', 'grace', 'Grace', 1000, 'weekly', 4,
	setup_amount_cents => 50, grace_period => 14);
SELECT plan_id, frequency FROM register_plan('asaas', 'year', 'Year', 1000, 'yearly');
SELECT pg_temp.today('2096-07-01');
SELECT pg_temp.joins('grace', 'grace'), pg_temp.joins('year', 'year', '2096-02-29');
SELECT subscription_id, starts_on, counted_from FROM subscriptions WHERE subscription_id IN ('grace', 'year') ORDER BY 1;
SELECT * FROM pg_temp.made() WHERE subscription IN ('grace', 'year');
SELECT pg_temp.today('2096-07-15');
SELECT * FROM pg_temp.made() WHERE subscription IN ('grace', 'year');
SELECT pg_temp.today('2097-03-01');
SELECT * FROM pg_temp.made() WHERE subscription = 'year';

\echo -- ends: by day, by the duration or the expiration of the plan
SELECT pg_temp.today('2097-04-01');
SELECT plan_id FROM register_plan('asaas', 'three', 'Three', 1000, subscription_duration => 3,
	grace_period => 9);
SELECT plan_id FROM register_plan('asaas', 'short', 'Short', 1000,
	plan_expiration_date => '2097-06-01 00:00-03');
SELECT plan_id FROM register_plan('asaas', 'kept', 'Kept', 1000, subscription_duration => 1,
	plan_expiration_date => '2097-06-01 00:00-03', expire_subscriptions => false);
SELECT pg_temp.joins('ends', 'gold', NULL, '2097-05-01'), pg_temp.joins('three', 'three'),
	   pg_temp.joins('short', 'short'), pg_temp.joins('kept', 'kept');
SELECT subscription_id, counted_from, ends_on FROM subscriptions
WHERE subscription_id IN ('ends', 'three', 'short', 'kept') ORDER BY 1;
SELECT pg_temp.today('2097-08-20');
SELECT subscription, count(*), min(starts), max(ends) FROM pg_temp.made()
WHERE subscription IN ('ends', 'three', 'short', 'kept') GROUP BY 1 ORDER BY 1;
SELECT subscription_id, status FROM subscriptions
WHERE subscription_id IN ('ends', 'three', 'short', 'kept') ORDER BY 1;

\echo -- a subscription that ends is charged whole for its last period
SELECT status, ends_on FROM unsubscribe('asaas', 'kept', '2097-09-01');
SELECT status, ends_on FROM unsubscribe('asaas', 'm31');
SELECT pg_temp.today('2097-09-30');
SELECT * FROM pg_temp.made() WHERE subscription IN ('kept', 'm31');
SELECT subscription_id, status FROM subscriptions WHERE subscription_id IN ('kept', 'm31') ORDER BY 1;
SELECT pg_temp.joins('never', 'ahead', '2097-12-01');
SELECT status, ends_on FROM unsubscribe('asaas', 'never');
SELECT pg_temp.today('2098-01-01');
SELECT count(*) FROM pg_temp.made() WHERE subscription = 'never';

\echo -- a price of its own, changed for what comes; nothing to pay is paid
SELECT pg_temp.joins('own', 'ahead', NULL, NULL, '700');
SELECT * FROM pg_temp.made() WHERE subscription = 'own';
SELECT amount_cents FROM set_subscription_price('asaas', 'own', 0);
SELECT pg_temp.today('2098-02-01');
SELECT i.status, paid_on, paid_cents, action_id, i.amount_cents
FROM generate_invoices() i WHERE subscription_id = 'own';
SELECT amount_cents FROM set_subscription_price('asaas', 'own', NULL);
SELECT pg_temp.today('2098-03-01');
SELECT cents, status FROM pg_temp.made() WHERE subscription = 'own';

\echo -- days of issue that are asked for, ahead and with a gap that is filled later
SELECT pg_temp.today('2098-04-01');
SELECT pg_temp.joins('asked', 'ahead', '2098-04-20');
SELECT * FROM pg_temp.made('[2098-05-01,2098-06-01)') WHERE subscription = 'asked';
SELECT invoiced_until FROM subscriptions WHERE subscription_id = 'asked';
SELECT pg_temp.today('2098-05-10');
SELECT * FROM pg_temp.made() WHERE subscription = 'asked';
SELECT invoiced_until FROM subscriptions WHERE subscription_id = 'asked';

\echo -- another frequency goes on from where the invoices end
SELECT plan_id FROM register_plan('asaas', 'ahead', 'Ahead', 300, 'weekly');
SELECT pg_temp.today('2098-07-01');
SELECT * FROM pg_temp.made() WHERE subscription = 'asked';
SELECT counted_from, invoiced_until FROM subscriptions WHERE subscription_id = 'asked';

\echo -- per instance: who was there, and signed; trials are free
SELECT pg_temp.today('2098-08-31');
INSERT INTO instances (server, instance_id, name, customer_ref, status, created_at, signed_at, trial_ends_at, ends_at, deleted_at, origin, missing_since)
VALUES ('zapi', 'signed', 'one', 'inst', 'signed', '2098-01-01', '2098-01-02', NULL, NULL, NULL, 'created', NULL),
	   ('zapi', 'late', 'late', 'inst', 'signed', '2098-09-01', '2098-09-02 12:00-03', NULL, NULL, NULL, 'created', NULL),
	   ('zapi', 'trial', 'trial', 'inst', 'trial', '2098-08-30', NULL, '2098-09-03', NULL, NULL, 'created', NULL),
	   ('zapi', 'lapsed', 'lapsed', 'inst', 'lapsed', '2098-07-30', NULL, '2098-08-03', NULL, NULL, 'created', NULL),
	   ('zapi', 'ended', 'ended', 'inst', 'ended', '2098-01-01', '2098-01-01', NULL, '2098-08-31 23:00-03', NULL, 'created', NULL),
	   ('zapi', 'ending', 'ending', 'inst', 'cancelling', '2098-01-01', '2098-01-01', NULL, '2098-09-01 01:00-03', NULL, 'created', NULL),
	   ('zapi', 'deleted', 'deleted', 'inst', 'deleted', '2098-01-01', '2098-01-01', NULL, NULL, '2098-08-15', 'created', NULL),
	   ('zapi', 'missing', 'missing', 'inst', 'signed', '2098-01-01', '2098-01-01', NULL, NULL, NULL, 'created', '2098-08-15'),
	   ('zapi', 'surplus', 'surplus', 'inst', 'signed', '2098-01-01', '2098-01-01', NULL, NULL, NULL, 'surplus', NULL),
	   ('zapi', 'theirs', 'theirs', 'else', 'signed', '2098-01-01', '2098-01-01', NULL, NULL, NULL, 'created', NULL),
	   ('zapi', 'apart', 'apart', 'inst', 'signed', '2098-01-01', '2098-01-01', NULL, NULL, NULL, 'created', NULL),
	   ('zapi', 'named', 'named', 'inst', 'signed', '2098-01-01', '2098-01-01', NULL, NULL, NULL, 'created', NULL),
	   ('zapi', 'again', 'again', 'inst', 'signed', '2098-01-01', '2098-12-01', NULL, NULL, NULL, 'created', NULL);
UPDATE instances SET billed_apart = true WHERE instance_id = 'apart';
INSERT INTO former_subscriptions VALUES ('zapi', 'again', '2098-01-01', '2098-08-20', '2098-09-10', NULL, '2098-12-01');
SELECT plan_id FROM register_plan('asaas', 'each', 'Each', 1000, setup_amount_cents => 1, price_per => 'instance');
SELECT plan_id FROM register_plan('asaas', 'behind', 'Behind', 1000, price_per => 'instance', billing => 'postpaid');
SELECT pg_temp.joins('inst', 'each', '2098-09-01');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'behind', starts_on => '2098-09-01', subscription_id => 'behind');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'each', 'zapi', 'trial', '2098-09-01', subscription_id => 'tried');
SELECT subscription_id, ends_on FROM subscribe('asaas', 'inst', 'each', 'zapi', 'named', '2098-09-01', '2098-09-20', subscription_id => 'named');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'each', 'zapi', 'ended', '2098-09-01', subscription_id => 'gone');
SELECT pg_temp.today('2098-10-20');
SELECT count(*) FROM pg_temp.made();
SELECT i.subscription_id, i.period_start, i.amount_cents, i.status,
	   array_agg(coalesce(l.instance_id, l.kind) ORDER BY l.line)
FROM invoices i LEFT JOIN invoice_lines l USING (invoice_id)
WHERE i.customer_ref = 'inst' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;
UPDATE instances SET status = 'deleted', deleted_at = clock() WHERE instance_id = 'trial';
SELECT pg_temp.today('2098-11-01');
SELECT * FROM pg_temp.made() WHERE subscription = 'tried';
SELECT description FROM invoice_lines WHERE instance_id = 'late' LIMIT 1;

\echo -- too many overdue ones
SELECT max_overdue, resume FROM set_plan_terms('asaas', 'gold', max_overdue => 0);
UPDATE invoices SET status = 'overdue' WHERE subscription_id = 'post' AND period_start = '2096-05-10';
SELECT count(*) FROM pg_temp.made() WHERE subscription = 'post';
SELECT subscription_id, reason FROM subscriptions_not_invoiced;
UPDATE invoices SET status = 'paid' WHERE subscription_id = 'post';
SELECT max_overdue FROM set_plan_terms('asaas', 'gold', max_overdue => -1);
SELECT pg_temp.today('2099-06-20');
SELECT count(*) > 0 FROM pg_temp.made() WHERE subscription = 'post';

\echo -- a plan of a provider of plans needs terms, and must be understood
INSERT INTO plans (server, plan_id, name, amount_cents, frequency, interval_count, origin, created_at)
VALUES ('zs', '77', 'Theirs', 500, 'monthly', 1, 'imported', clock());
SELECT subscribe('asaas', 'post', '77', plan_server => 'zs');
SELECT billing, due_days, fine_percent FROM set_plan_terms('zs', '77', fine_percent => 2.50);
SELECT plan_server, plan_id FROM subscribe('asaas', 'post', '77', plan_server => 'zs', subscription_id => 'theirs');
SELECT * FROM pg_temp.made() WHERE subscription = 'theirs';
UPDATE plans SET frequency = 'fortnightly' WHERE plan_id = '77';
SELECT count(*) FROM pg_temp.made();
SELECT subscription_id, plan_server, plan_id, reason FROM subscriptions_not_invoiced;
UPDATE plans SET frequency = 'monthly', amount_cents = 9223372036854775807 WHERE plan_id = '77';
SELECT reason FROM subscriptions_not_invoiced;
UPDATE plans SET amount_cents = NULL WHERE plan_id = '77';
SELECT reason FROM subscriptions_not_invoiced;
DELETE FROM plan_terms WHERE plan_id = '77';
SELECT reason FROM subscriptions_not_invoiced;
SELECT status FROM unsubscribe('asaas', 'theirs');
UPDATE plans SET amount_cents = 1 WHERE plan_id = '77';

\echo -- the largest amounts are sums that can be counted
SELECT plan_id FROM register_plan('asaas', 'most', 'Most', 1000000000000, setup_amount_cents => 1000000000000);
SELECT pg_temp.joins('most', 'most');
SELECT cents FROM pg_temp.made() WHERE subscription = 'most';

\echo -- plans that are refused
SELECT register_plan('asaas', 'x', 'X', -1);
SELECT register_plan('asaas', 'x', 'X', 1000000000001);
SELECT register_plan('asaas', 'x', 'X', NULL);
SELECT register_plan('asaas', 'x', ' ', 1);
SELECT register_plan('asaas', NULL, 'X', 1);
SELECT register_plan('asaas', 'x', 'X', 1, 'fortnightly');
SELECT register_plan('asaas', 'x', 'X', 1, interval_count => 0);
SELECT register_plan('asaas', 'x', 'X', 1, setup_amount_cents => -1);
SELECT register_plan('asaas', 'x', 'X', 1, grace_period => -1);
SELECT register_plan('asaas', 'x', 'X', 1, tolerance_period => -1);
SELECT register_plan('asaas', 'x', 'X', 1, subscription_duration => -1);
SELECT register_plan('asaas', 'x', 'X', 1, plan_expiration_date => 'infinity');
SELECT register_plan('asaas', 'x', 'X', 1, billing => 'never');
SELECT register_plan('asaas', 'x', 'X', 1, price_per => 'seat');
SELECT register_plan('asaas', 'x', 'X', 1, billing_type => 'CASH');
SELECT register_plan('asaas', 'x', 'X', 1, issue_days => 400);
SELECT register_plan('asaas', 'x', 'X', 1, due_days => -1);
SELECT register_plan('asaas', 'x', 'X', 1, fine_percent => 2.555);
SELECT register_plan('asaas', 'x', 'X', 1, interest_percent => -1);
SELECT register_plan('asaas', 'x', 'X', 1, dunning => 'shout');
SELECT register_plan('asaas', 'x', 'X', 1, resume => 'pray');
SELECT register_plan('asaas', 'x', 'X', 1, max_overdue => -2);
SELECT register_plan('zapi', 'x', 'X', 1);
SELECT register_plan('nowhere', 'x', 'X', 1);
SELECT register_plan(NULL, 'x', 'X', 1);
SELECT set_plan_terms('asaas', 'x', due_days => 1);
SELECT count(*) FROM plans WHERE plan_id = 'x';
SELECT fine_percent, interest_percent FROM set_plan_terms('asaas', 'gold', fine_percent => 2, interest_percent => 1);
SELECT fine_percent, interest_percent FROM set_plan_terms('asaas', 'gold', fine_percent => 0);

\echo -- a plan that is registered again keeps of what nothing is said
SELECT plan_id FROM register_plan('asaas', 'keeps', 'Keeps', 1000, 'weekly', 2, setup_amount_cents => 5,
	grace_period => 3, tolerance_period => 4, plan_expiration_date => '2100-01-01 00:00-03', subscription_duration => 6,
	expire_subscriptions => false, description => 'What it is', due_days => 7, dunning => 'cancel_instance');
SELECT p.name, amount_cents, frequency, interval_count, setup_amount_cents, grace_period, tolerance_period,
	   plan_expiration_date, has_expiration, subscription_duration, expire_subscriptions, description
FROM register_plan('asaas', 'keeps', amount_cents => 1100) p;
SELECT due_days, dunning FROM plan_terms WHERE plan_id = 'keeps';
SELECT subscription_duration, tolerance_period
FROM register_plan('asaas', 'keeps', subscription_duration => 0, tolerance_period => 0);
SELECT register_plan('asaas', 'keeps', '', 1200);
SELECT register_plan('asaas', 'keeps', amount_cents => 1200, dunning => 'shout');
SELECT register_plan('asaas', 'anew', 'Anew');
SELECT plan_id, p.name, amount_cents, tolerance_period FROM plans p WHERE plan_id IN ('keeps', 'anew');

\echo -- customers that are refused, and what a change leaves as it is
SELECT register_customer('asaas', 'x', 'X', '529.982.247-24');
SELECT register_customer('asaas', 'x', 'X', '11111111111');
SELECT register_customer('asaas', 'x', 'X');
SELECT register_customer('asaas', 'x', document => '52998224725');
SELECT register_customer('asaas', 'x', E'two\nlines', '52998224725');
SELECT register_customer('asaas', ' ', 'X', '52998224725');
SELECT register_customer('asaas', NULL, 'X', '52998224725');
SELECT register_customer('asaas', 'x', 'X', '52998224725', birth_date => '2099-12-31');
SELECT register_customer('asaas', 'x', 'X', '52998224725', birth_date => '0080-12-31');
SELECT register_customer('zapi', 'x', 'X', '52998224725');
SELECT register_customer('nowhere', 'x', 'X', '52998224725');
SELECT count(*) FROM customers WHERE customer_ref = 'x';
SELECT document, foreign_customer FROM register_customer('asaas', 'x', 'X', 'AB-1', foreign_customer => true);
SELECT document FROM register_customer('asaas', 'y', 'Y', '11.222.333/0001-81', email => 'y@example.com', birth_date => '1980-12-31');
SELECT name, document, email, birth_date, send_email, send_sms, origin, customer_id
FROM register_customer('asaas', 'y', mobile => '11999990000', send_sms => false);
SELECT register_customer('asaas', 'y', document => '123');
SELECT document, mobile FROM customers WHERE customer_ref = 'y';

\echo -- subscriptions that are refused
SELECT subscribe('asaas', 'nobody', 'gold');
SELECT subscribe('asaas', 'y', 'nothing');
SELECT subscribe('asaas', 'y', NULL);
SELECT subscribe('asaas', NULL, 'gold');
SELECT subscribe('asaas', 'y', 'short');
SELECT subscribe('asaas', 'y', 'gold', 'zapi', 'nowhere');
SELECT subscribe('asaas', 'y', 'gold', 'zapi', 'deleted');
SELECT subscribe('asaas', 'y', 'gold', 'zapi', 'theirs');
SELECT subscribe('asaas', 'y', 'gold', 'zapi');
SELECT register_customer('asaas', repeat('y', 256), 'Y', '52998224725');
SELECT subscribe('asaas', 'y', 'gold', price_cents => -1);
SELECT subscribe('asaas', 'y', 'gold', starts_on => '2099-06-20', ends_on => '2099-06-19');
SELECT subscribe('asaas', 'y', 'gold', starts_on => '2098-06-18');
SELECT subscribe('asaas', 'y', 'gold', starts_on => 'infinity');
SELECT subscribe('asaas', 'y', 'gold', starts_on => '2199-06-20');
SELECT subscribe('asaas', 'y', 'gold', subscription_id => 'own');
SELECT subscribe('asaas', 'y', 'gold', subscription_id => '');
SELECT subscribe('zapi', 'y', 'gold');
UPDATE customers SET deleted_at = clock() WHERE customer_ref = 'y';
SELECT subscribe('asaas', 'y', 'gold');
SELECT unsubscribe('asaas', 'nothing');
SELECT unsubscribe('asaas', 'm31');
SELECT unsubscribe('asaas', 'post', '2096-05-09');
SELECT set_subscription_price('asaas', 'm31', 1);
SELECT set_subscription_price('asaas', 'post', -1);
SELECT count(*) FROM subscriptions WHERE customer_ref IN ('y', 'nobody');

\echo -- one plan is charged once for an instance at a time; another may be beside it
SELECT subscription_id FROM subscribe('asaas', 'inst', 'gold', 'zapi', 'signed', ends_on => '2099-08-31', subscription_id => 'once');
SELECT subscribe('asaas', 'inst', 'gold', 'zapi', 'signed');
SELECT subscribe('asaas', 'inst', 'gold', 'zapi', 'signed', '2099-08-31');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'gold', 'zapi', 'signed', '2099-09-01', subscription_id => 'then');
SELECT subscribe('asaas', 'inst', 'gold', 'zapi', 'signed', '2099-07-01', '2099-12-31');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'keeps', 'zapi', 'signed', subscription_id => 'beside it');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'gold', 'zapi', 'late', subscription_id => 'other');
SELECT ends_on FROM unsubscribe('asaas', 'then');
SELECT subscription_id FROM subscribe('asaas', 'inst', 'gold', 'zapi', 'signed', '2099-09-10', subscription_id => 'anew');
DELETE FROM subscriptions WHERE subscription_id IN ('once', 'then', 'beside it', 'other', 'anew');

\echo -- ids that no provider gives out, by their names
CREATE USER MAPPING FOR CURRENT_USER SERVER asaas OPTIONS (token '$aact_prod_none');
SELECT enqueue_delete_customer('asaas', 'Ana Lima');
SELECT enqueue_refund_charge('asaas', '');
SELECT get_charge('asaas', '../customers');
DROP USER MAPPING FOR CURRENT_USER SERVER asaas;

\echo -- days of issue that are refused
SELECT generate_invoices('empty');
SELECT generate_invoices('[2099-01-01,)');
SELECT generate_invoices('[2099-01-01,2101-01-01)');
SELECT generate_invoices('[-infinity,2099-07-01)');
SELECT generate_invoices(of_server => 'zapi');
SELECT generate_invoices(of_server => 'nowhere');

\echo -- a plan of which the provider shows an endless period stops no other
SELECT plan_id FROM register_plan('asaas', 'endless', 'Endless', 1);
SELECT pg_temp.joins('endless', 'endless');
SELECT pg_temp.joins('beside', 'gold');
UPDATE plans SET interval_count = 2000000000 WHERE plan_id = 'endless';
SELECT subscription, starts FROM pg_temp.made() WHERE subscription IN ('endless', 'beside');
SELECT reason FROM subscriptions_not_invoiced WHERE subscription_id = 'endless';
SELECT subscribe('asaas', 'endless', 'endless');
DELETE FROM subscriptions WHERE customer_ref IN ('endless', 'beside');

\echo -- who may do what
CREATE ROLE regress_operator IN ROLE partner_api_operator;
CREATE ROLE regress_admin IN ROLE partner_api_admin;
CREATE ROLE regress_reader IN ROLE partner_api_reader;
SET LOCAL ROLE regress_operator;
SELECT register_plan('asaas', 'x', 'X', 1);
SELECT set_plan_terms('asaas', 'gold');
SELECT register_customer('asaas', 'z', 'Z', '52998224725');
SELECT subscribe('asaas', 'x', 'gold');
SELECT generate_invoices(of_server => 'asaas');
SELECT cancel_invoice((SELECT min(invoice_id) FROM invoices));
RESET ROLE;
SELECT pg_temp.joins('rights', 'gold');
SET LOCAL ROLE regress_operator;
SELECT count(*) FROM generate_invoices();
SET LOCAL ROLE regress_admin;
SELECT register_plan('asaas', 'x', 'X', 1);
SET LOCAL ROLE regress_reader;
SELECT generate_invoices();
SELECT register_customer('asaas', 'z', 'Z', '52998224725');
SELECT count(*) FROM subscriptions_not_invoiced;
SELECT make_invoices('postgres', NULL, NULL);
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER asaas TO regress_operator, regress_admin;
SET LOCAL ROLE regress_admin;
SELECT plan_id FROM register_plan('asaas', 'x', 'X', 1);
SET LOCAL ROLE regress_operator;
SELECT customer_ref FROM register_customer('asaas', 'z', 'Z', '52998224725');
SELECT subscribe('asaas', 'z', 'gold', 'zapi', 'signed');
SELECT customer_ref FROM subscribe('asaas', 'z', 'x', subscription_id => 'z');
SELECT subscription_id, amount_cents, status FROM generate_invoices() WHERE subscription_id = 'z';
RESET ROLE;

\echo -- a function with the rights of its owner calls with those
CREATE FUNCTION pg_temp.signs_up() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.register_customer('asaas', NEW.id, NEW.name, NEW.cpf);
	PERFORM partner_api.subscribe('asaas', NEW.id, 'x', subscription_id => NEW.id);
	RETURN NULL;
END
$$;
ALTER FUNCTION pg_temp.signs_up() OWNER TO regress_operator;
CREATE TEMP TABLE shop (id text, name text, cpf text);
CREATE TRIGGER signs_up AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION pg_temp.signs_up();
GRANT INSERT ON shop TO PUBLIC;
CREATE ROLE regress_nobody;
SET LOCAL ROLE regress_nobody;
INSERT INTO shop VALUES ('s1', 'Shop', '52998224725');
INSERT INTO shop VALUES ('s2', 'Shop', '52998224720');
RESET ROLE;
SELECT customer_ref, subscription_id FROM subscriptions WHERE customer_ref LIKE 's_';

\echo -- decisions on invoices: without a charge, with one, on its way
SELECT invoice_id AS i, action_id FROM generate_invoices() WHERE subscription_id = 's1' \gset
SELECT status, reason FROM cancel_invoice(:i);
SELECT status, reason FROM cancel_invoice(:i);
SELECT count(*) FROM pg_temp.made() WHERE subscription = 's1';
SELECT status FROM retry_invoice(:i);
UPDATE customers SET customer_id = 'cus_1', step_action_id = NULL WHERE customer_ref = 's1';
DELETE FROM pending_actions WHERE customer_ref = 's1';
SELECT status, reason, action_id IS NOT NULL AS has_action FROM retry_invoice(:i);
SELECT kind, state, arguments, customer_ref, requested_by = current_user AS owners, automatic
FROM pending_actions WHERE action_id = (SELECT action_id FROM invoices WHERE invoice_id = :i);
SELECT a AS action, pg_temp.refused(format('UPDATE pending_actions SET state = %L WHERE customer_ref = ''s1''; SELECT retry_invoice(%s)', a, :i)),
	   pg_temp.refused(format('UPDATE pending_actions SET state = %L WHERE customer_ref = ''s1''; SELECT cancel_invoice(%s)', a, :i)),
	   pg_temp.refused(format('UPDATE pending_actions SET state = %L WHERE customer_ref = ''s1''; SELECT set_invoice_due(%s, ''2099-12-31'')', a, :i))
FROM unnest(ARRAY['unknown', 'needs_attention']) a \gx
SELECT status FROM cancel_invoice(:i);
SELECT state, last_error FROM action_history WHERE customer_ref = 's1';
SELECT status, action_id IS NULL AS forgotten FROM retry_invoice(:i);
SELECT set_invoice_due(:i, '2099-06-19');
SELECT set_invoice_due(:i, NULL);
UPDATE invoices SET status = 'failed', reason = 'so it is', action_id = NULL WHERE invoice_id = :i;
DELETE FROM pending_actions WHERE customer_ref = 's1';
SELECT status, due_on FROM set_invoice_due(:i, '2099-12-31');
UPDATE invoices SET status = 'open', charge_id = 'pay_1' WHERE invoice_id = :i;
SELECT status, due_on FROM set_invoice_due(:i, '2099-12-30');
SELECT status FROM cancel_invoice(:i);
SELECT kind, instance_id, arguments FROM pending_actions WHERE instance_id = 'pay_1' ORDER BY action_id;
SELECT s AS status, pg_temp.refused(format('UPDATE invoices SET status = %L WHERE invoice_id = %s; SELECT cancel_invoice(%2$s)', s, :i)),
	   pg_temp.refused(format('UPDATE invoices SET status = %L WHERE invoice_id = %s; SELECT retry_invoice(%2$s)', s, :i)),
	   pg_temp.refused(format('UPDATE invoices SET status = %L WHERE invoice_id = %s; SELECT set_invoice_due(%2$s, ''2099-12-31'')', s, :i))
FROM unnest(ARRAY['open', 'paid', 'refunded', 'cancelled']) s \gx
SELECT retry_invoice(0);
SELECT cancel_invoice(NULL);
SELECT set_invoice_due(NULL, '2099-12-31');

\echo -- a charge that could not be made: its reason, and another try
UPDATE invoices SET status = 'waiting', charge_id = NULL, action_id = NULL, amount_cents = 0 WHERE invoice_id = :i;
SELECT status, reason, action_id FROM retry_invoice(:i);
UPDATE invoices SET amount_cents = 100 WHERE invoice_id = :i;
SELECT status, reason, due_on FROM retry_invoice(:i);
DELETE FROM pending_actions WHERE customer_ref = 's1';
SELECT pg_temp.today('2100-01-02');
SELECT status, reason, due_on FROM retry_invoice(:i);

\echo -- a customer whom the provider refused is tried again when it is changed
UPDATE customers SET customer_id = NULL, reason = 'no' WHERE customer_ref = 's1';
UPDATE invoices SET status = 'failed', reason = 'no', action_id = NULL WHERE invoice_id = :i;
SELECT reason, step_action_id FROM register_customer('asaas', 's1', birth_date => '1990-01-01');
SELECT reason, step_action_id IS NOT NULL AS told FROM register_customer('asaas', 's1', email => 's1@example.com');
SELECT status, reason FROM invoices WHERE invoice_id = :i;

\echo -- a server that is gone keeps no other from being invoiced
SELECT pg_temp.today('2101-03-01');
SELECT plan_id FROM register_plan('asaas', 'over', 'Over', 100, plan_expiration_date => '2101-03-02');
CREATE SERVER gone FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'asaas');
SELECT customer_ref FROM register_customer('gone', 'g', 'Gone', '529.982.247-25', birth_date => '1990-03-01');
SELECT subscription_id FROM subscribe('gone', 'g', 'over', plan_server => 'asaas', subscription_id => 'g');
SELECT pg_temp.joins('stays', 'over');
DROP SERVER gone;
SELECT subscription FROM pg_temp.made() WHERE subscription IN ('g', 'stays');
SELECT reason FROM subscriptions_not_invoiced WHERE subscription_id = 'g';
SELECT announce_birthdays() AS birthdays;
ROLLBACK;
SET client_min_messages = warning;
DROP EXTENSION partner_api CASCADE;
