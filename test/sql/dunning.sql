/*
 * What follows when an invoice is overdue for too long, as far as no provider
 * is asked: the rules, which instances they strike, what waits for what.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
\pset null '-'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;

-- what a policy does to an instance, with and without a cancel
SELECT p.policy, s.status, e.trial_end,
	   partner_api.dunning_step(p.policy, s.status, e.trial_end, true),
	   partner_api.dunning_step(p.policy, s.status, e.trial_end, false)
FROM unnest(ARRAY['none', 'notify', 'stop_signing', 'cancel_instance',
				  'delete_instance', 'unheard of']) WITH ORDINALITY
		AS p (policy, n),
	 unnest(ARRAY['trial', 'signed', 'cancelling', 'ended', 'lapsed',
				  'deleted', 'unknown']) WITH ORDINALITY AS s (status, m),
	 unnest(ARRAY['sign', 'ask', 'lapse', NULL]) WITH ORDINALITY
		AS e (trial_end, l)
WHERE s.status = 'trial' OR e.trial_end IS NULL
ORDER BY p.n, s.m, e.l;

CREATE SERVER asaas FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas');
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE SERVER green FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'greenapi');
SELECT s, k, partner_api.server_supports(s, k)
FROM unnest(ARRAY['asaas', 'green', 'zapi', 'nowhere']) s,
	 unnest(ARRAY['cancel_instance', 'create_charge']) k;

/* ---- which instances ---- */

INSERT INTO partner_api.subscriptions
	(server, subscription_id, plan_server, plan_id, customer_ref,
	 instance_server, instance_id, status, origin, created_at)
VALUES
	('asaas', 'all', 'asaas', 'P', 'C', NULL, NULL, 'active', 'local', now()),
	('asaas', 'one', 'asaas', 'P', 'C', 'zapi', 'I1', 'active', 'local', now()),
	('asaas', 'gone', 'asaas', 'P', 'C', 'zapi', 'I2', 'cancelled', 'local',
	 now()),
	('asaas', 'theirs', 'asaas', 'P', 'C', 'zapi', 'I3', 'active', 'imported',
	 now()),
	('asaas', 'none', 'asaas', 'P', NULL, NULL, NULL, 'active', 'local',
	 now());
INSERT INTO partner_api.instances
	(server, instance_id, customer_ref, status, created_at, origin,
	 billed_apart)
VALUES
	('zapi', 'I1', 'C', 'signed', now(), 'created', false),
	('zapi', 'I2', 'C', 'signed', now(), 'created', false),
	('zapi', 'I3', 'C', 'trial', now(), 'created', false),
	('green', 'I1', 'C', 'signed', now(), 'created', false),
	('green', 'I2', 'C', 'signed', now(), 'created', true),
	('green', 'I3', 'D', 'signed', now(), 'created', false),
	('green', 'I4', NULL, 'signed', now(), 'created', false);
SELECT s.subscription_id, i.server, i.instance_id
FROM partner_api.subscriptions s,
	 LATERAL partner_api.subscription_instances(s.server, s.subscription_id) i
ORDER BY 1, 2, 3;

-- which are those of a suspended subscription
CREATE FUNCTION dunned_if_suspended(subscription text)
RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE partner_api.subscriptions SET status = 'suspended'
	WHERE subscription_id = subscription;
	RETURN QUERY
	SELECT i.server || ' ' || i.instance_id FROM partner_api.instances i
	WHERE partner_api.is_dunned(i.server, i.instance_id, i.customer_ref)
	ORDER BY 1;
	UPDATE partner_api.subscriptions SET status = 'active'
	WHERE subscription_id = subscription;
END
$$;
SELECT s, dunned_if_suspended(s)
FROM unnest(ARRAY['all', 'one', 'theirs', 'none']) s;

/* ---- which invoices ---- */

INSERT INTO partner_api.plans
	(server, plan_id, tolerance_period, origin, created_at)
VALUES ('asaas', 'P', 3, 'local', now()), ('asaas', 'Q', NULL, 'local', now());
INSERT INTO partner_api.plan_terms (server, plan_id, dunning)
VALUES ('asaas', 'P', 'cancel_instance');
CREATE FUNCTION add_invoice(name text, plan text, days integer,
	invoice_status text, payment_status text, asked integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	today date := partner_api.server_day('asaas');
BEGIN
	INSERT INTO partner_api.invoices
		(server, subscription_id, customer_ref, plan_server, plan_id,
		 period_start, period_end, issued_on, due_on, amount_cents,
		 billing_type, status, charge_id, issued_at)
	VALUES ('asaas', name, 'C', 'asaas', plan, '2026-01-01', '2026-01-31',
			today - days, today - days, 100, 'PIX', invoice_status, name,
			now());
	INSERT INTO partner_api.payments
		(server, charge_id, status, due_on, observed_at, learned_at,
		 polled_at, origin)
	SELECT 'asaas', name, payment_status, today - days, '2026-01-01',
		   '2026-01-01', now() - make_interval(days => asked), 'created'
	WHERE payment_status IS NOT NULL;
END
$$;
SELECT add_invoice('due today', 'P', 0, 'open', 'PENDING', 0);
SELECT add_invoice('due tomorrow', 'P', -1, 'open', 'PENDING', 0);
SELECT add_invoice('within', 'P', 3, 'overdue', 'OVERDUE', 0);
SELECT add_invoice('beyond', 'P', 4, 'overdue', 'OVERDUE', 0);
SELECT add_invoice('beyond but open', 'P', 4, 'open', 'PENDING', 0);
SELECT add_invoice('no tolerance', 'Q', 1, 'open', 'PENDING', 0);
SELECT add_invoice('asked too early', 'P', 4, 'overdue', 'OVERDUE', 1);
SELECT add_invoice('asked just then', 'P', 5, 'overdue', 'OVERDUE', 1);
SELECT add_invoice('examined', 'P', 9, 'open', 'AWAITING_RISK_ANALYSIS', 0);
SELECT add_invoice('new word', 'P', 9, 'overdue', 'NEW_WORD', 0);
SELECT add_invoice('no payment', 'P', 9, 'open', NULL, 0);
SELECT add_invoice('at their dunning', 'P', 9, 'overdue', 'DUNNING_REQUESTED', 0);
SELECT add_invoice(s, 'P', 9, s, 'OVERDUE', 0)
FROM unnest(ARRAY['waiting', 'failed', 'paid', 'refunded', 'disputed',
				  'cancelled']) s;
SELECT add_invoice('deleted', 'P', 9, 'open', 'OVERDUE', 0);
UPDATE partner_api.payments SET deleted = true WHERE charge_id = 'deleted';
-- the provider gave it another due day
SELECT add_invoice('moved', 'P', 9, 'open', 'PENDING', 0);
UPDATE partner_api.payments SET due_on = partner_api.server_day('asaas') + 1
WHERE charge_id = 'moved';
INSERT INTO partner_api.customers (server, customer_ref, name, origin, created_at)
VALUES ('asaas', 'C', 'Carla', 'local', now());
SELECT subscription_id, customer_name, days_overdue, tolerance_days,
	   beyond_tolerance, dunning, waits_for
FROM partner_api.overdue_invoices ORDER BY subscription_id COLLATE "C";

-- of a server that is gone nothing is known: not even the day there
ALTER SERVER asaas RENAME TO elsewhere;
SELECT count(*) FROM partner_api.overdue_invoices;
ALTER SERVER elsewhere RENAME TO asaas;

/* ---- a run ---- */

SELECT s.step, v.subscription_id, s.instance_id, s.reason
FROM partner_api.run_dunning('nowhere') s, partner_api.invoices v;
SELECT v.subscription_id, s.step, s.instance_id, s.reason
FROM partner_api.run_dunning() s
	 JOIN partner_api.invoices v USING (invoice_id)
ORDER BY s.step_id;
SELECT count(*) FROM partner_api.run_dunning();

-- rolled back, nothing was done
BEGIN;
DELETE FROM partner_api.dunning_steps;
SELECT count(*) FROM partner_api.run_dunning('asaas');
ROLLBACK;
SELECT count(*) FROM partner_api.dunning_steps WHERE undone_at IS NULL;

-- a policy that is taken back is no reason any more
UPDATE partner_api.plan_terms SET dunning = 'none';
SELECT count(*) FROM partner_api.run_dunning();
SELECT v.subscription_id, s.step
FROM partner_api.dunning_steps s
	 JOIN partner_api.invoices v USING (invoice_id)
WHERE s.undone_at IS NULL;

-- who may
SET ROLE partner_api_reader;
SELECT count(*) > 0 FROM partner_api.overdue_invoices;
SELECT partner_api.run_dunning();
RESET ROLE;
SET ROLE partner_api_operator;
SELECT partner_api.undo_dunning(1);
SELECT partner_api.approve_paid_trials(1);
RESET ROLE;

DROP EXTENSION partner_api CASCADE;
