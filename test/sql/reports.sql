/*
 * Reports on invoices, payments, margins and birthdays.  All that depends on
 * today's date is long ago, or compared with it here.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset null '-'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;
SET datestyle = iso;

CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', sqlstate || ' ' || message,
					 'DETAIL ' || nullif(detail, ''),
					 'HINT ' || nullif(hint, ''));
END
$$;

CREATE SERVER asaas FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas');
CREATE SERVER second FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas');
INSERT INTO partner_api.customers
	(server, customer_ref, customer_id, name, origin, created_at, birth_date)
VALUES
	('asaas', 'C1', 'cus_1', 'Ana', 'local', '2024-01-01', '1990-02-28'),
	('asaas', 'C2', 'cus_2', 'Bento', 'local', '2024-01-01', '1992-02-29'),
	('asaas', 'C3', 'cus_3', 'Carla', 'local', '2024-01-01', '1990-03-01'),
	('asaas', 'C4', NULL, 'Davi', 'local', '2024-01-01', NULL),
	('second', 'C1', 'cus_1', 'Ana', 'local', '2024-01-01', '1990-12-31'),
	('second', 'C9', 'cus_9', 'Nilo', 'local', '2024-01-01', '2025-02-28');
INSERT INTO partner_api.plans (server, plan_id, name, origin, created_at)
VALUES ('asaas', 'P', 'Gateway', 'local', '2024-01-01');

/*
 * An invoice with a charge, if status is that of one: name, customer, month,
 * cents, status here and there, day of payment, net, refunded.
 */
CREATE FUNCTION add_invoice(name text, customer text, month date,
	cents bigint, invoice_status text, payment_status text DEFAULT NULL,
	payer_day date DEFAULT NULL, net bigint DEFAULT NULL,
	refunded bigint DEFAULT NULL, of_server name DEFAULT 'asaas')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO partner_api.invoices
		(server, subscription_id, customer_ref, plan_server, plan_id,
		 period_start, period_end, issued_on, due_on, amount_cents,
		 billing_type, status, charge_id, issued_at, paid_on, paid_cents,
		 reason)
	VALUES (of_server, name, customer, 'asaas', 'P', month,
			month + interval '1 month' - interval '1 day', month, month + 9,
			cents, 'PIX', invoice_status,
			CASE WHEN payment_status IS NOT NULL THEN name END, month,
			payer_day, CASE WHEN payer_day IS NOT NULL
							THEN cents - coalesce(refunded, 0) END,
			CASE invoice_status WHEN 'failed' THEN 'no such CPF' END);
	INSERT INTO partner_api.payments
		(server, charge_id, invoice_id, customer_id, billing_type, status,
		 value_cents, net_value_cents, refunded_cents, due_on, payer_paid_on,
		 paid_on, credited_on, observed_at, learned_at, origin)
	SELECT v.server, v.charge_id, v.invoice_id, c.customer_id, 'PIX',
		   payment_status, cents, net, refunded, v.due_on, payer_day,
		   payer_day + 1, payer_day + 2, now(), now(), 'created'
	FROM partner_api.invoices v
	LEFT JOIN partner_api.customers c USING (server, customer_ref)
	WHERE v.subscription_id = $1 AND payment_status IS NOT NULL;
$$;
SELECT count(*) FROM (VALUES
	(add_invoice('in time', 'C1', '2024-05-01', 5990, 'paid', 'RECEIVED',
				 '2024-05-10', 5791)),
	(add_invoice('a day late', 'C2', '2024-05-01', 5990, 'paid', 'RECEIVED',
				 '2024-05-11', 5791)),
	(add_invoice('a month late', 'C3', '2024-05-01', 10001, 'paid',
				 'RECEIVED_IN_CASH', '2024-06-10', 10001)),
	(add_invoice('part given back', 'C1', '2024-05-02', 4000, 'paid',
				 'RECEIVED', '2024-05-05', 3801, 1500)),
	(add_invoice('given back', 'C1', '2024-05-03', 4000, 'refunded',
				 'REFUNDED', '2024-05-05', 3801)),
	(add_invoice('disputed', 'C2', '2024-05-31', 7000, 'disputed',
				 'CHARGEBACK_REQUESTED', '2024-06-01', 6500)),
	(add_invoice('never paid', 'C3', '2024-05-01', 3000, 'open', 'PENDING')),
	(add_invoice('told overdue', 'C3', '2024-05-04', 3000, 'overdue',
				 'OVERDUE')),
	(add_invoice('no charge', 'C4', '2024-05-01', 2000, 'failed')),
	(add_invoice('on its way', 'C4', '2024-05-02', 2000, 'waiting')),
	(add_invoice('given up', 'C4', '2024-05-03', 2000, 'cancelled',
				 'PENDING')),
	(add_invoice('elsewhere', 'C1', '2024-05-01', 100, 'paid', 'CONFIRMED',
				 '2024-05-02', 95, NULL, 'second')),
	(add_invoice('before', 'C1', '2024-04-30', 1, 'paid', 'RECEIVED',
				 '2024-04-30', 1)),
	(add_invoice('after', 'C1', '2024-06-01', 2, 'paid', 'RECEIVED',
				 '2024-06-01', 2))) v;
-- deleted at the provider, and a charge that is nobody's invoice
UPDATE partner_api.payments SET deleted = true WHERE charge_id = 'given up';
INSERT INTO partner_api.payments
	(server, charge_id, customer_id, status, value_cents, net_value_cents,
	 due_on, paid_on, observed_at, learned_at, origin)
VALUES ('asaas', 'by hand', 'cus_2', 'RECEIVED', 500, 400, '2024-05-20',
		'2024-05-20', now(), now(), 'imported');

/* ---- invoices ---- */

SELECT status, due_on, today, partner_api.invoice_standing(status, due_on, today)
FROM unnest(ARRAY['waiting', 'failed', 'open', 'overdue', 'paid', 'refunded',
				  'disputed', 'cancelled']) WITH ORDINALITY AS s (status, n),
	 (VALUES (date '2024-05-10', date '2024-05-10'),
			 ('2024-05-10', '2024-05-11')) d (due_on, today)
ORDER BY n, today;

SELECT server, customer_ref, customer_name, subscription_id, plan_name,
	   issued_on, due_on, status,
	   days_overdue = partner_api.server_day(server) - due_on AS right_days,
	   amount_cents, paid_on, paid_cents, reason
FROM partner_api.invoice_report('[2024-05-01,2024-05-31]');
SELECT * FROM partner_api.invoice_totals('[2024-05-01,2024-05-31]');
SELECT * FROM partner_api.invoice_totals('[2024-05-01,2024-05-31]', 'second');
SELECT * FROM partner_api.invoice_totals('[2023-05-01,2023-05-31]');
SELECT sum(invoices) FROM partner_api.invoice_totals('(,)')
WHERE status = 'issued';
-- the same by adding up
SELECT t.status, t.invoices = count(r.*) AND t.amount_cents
		= sum(r.amount_cents) AS adds_up
FROM partner_api.invoice_totals('(,2025-01-01)', 'asaas') t
	 LEFT JOIN partner_api.invoice_report('(,2025-01-01)', 'asaas') r
		ON t.status IN ('issued', r.status)
GROUP BY t.status, t.invoices, t.amount_cents ORDER BY t.status;

SELECT refused($$SELECT partner_api.invoice_report(NULL)$$);
SELECT refused($$SELECT partner_api.invoice_report('empty')$$);
SELECT refused($$SELECT partner_api.invoice_report('(,)', 'nowhere')$$);
SELECT refused($$SELECT partner_api.payment_totals('(,)', of_server => 'nowhere')$$);

/* ---- payments ---- */

SELECT server, charge_id, customer_ref, customer_name, status, due_on,
	   payer_paid_on, paid_on, days_late, value_cents, received_cents,
	   fee_cents, net_cents, refunded_cents
FROM partner_api.payment_report('[2024-05-01,2024-05-31]');
SELECT d AS by_day, charge_id, CASE WHEN received_cents IS NOT NULL
									THEN days_late::text
		WHEN days_late = partner_api.server_day(server) - due_on
		THEN 'late by now' END AS late
FROM unnest(ARRAY['payer_paid_on', 'credited_on', 'due_on']) d,
	 partner_api.payment_report('[2024-05-01,2024-05-31]', d, 'asaas');
SELECT server, payments, value_cents, received_cents, fee_cents, net_cents,
	   refunded_cents, paid_late, mean_days_late, unpaid_late,
	   unpaid_late_cents
FROM unnest(ARRAY['paid_on', 'due_on']) d,
	 partner_api.payment_totals('[2024-05-01,2024-05-31]', d);
SELECT refused($$SELECT partner_api.payment_report('(,)', 'deleted')$$);
SELECT refused($$SELECT partner_api.payment_report('(,)', NULL)$$);
SELECT refused($$SELECT partner_api.payment_totals('empty')$$);

/* ---- views ---- */

SELECT subscription_id AS invoice, o.status,
	   o.days_overdue = partner_api.server_day(o.server) - o.due_on AS right_days,
	   o.amount_cents, o.reason
FROM partner_api.open_invoices o JOIN partner_api.invoices USING (invoice_id)
ORDER BY 1;
SELECT * FROM partner_api.customer_balances ORDER BY 1, 2;

/* ---- margin ---- */

CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE SERVER zeta FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE SERVER green FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'greenapi');
SELECT count(partner_api.set_price('zapi', 3000, valid_from => '2024-01-01'));
SELECT count(partner_api.set_price('green', 33, valid_from => '2024-01-01'));
INSERT INTO partner_api.instances
	(server, instance_id, customer_ref, status, created_at, signed_at, origin)
VALUES
	('zapi', 'I1', 'C1', 'signed', '2024-04-10', '2024-04-10', 'created'),
	('zapi', 'I2', 'C1', 'signed', '2024-05-10', '2024-05-10', 'created'),
	('zapi', 'I3', NULL, 'signed', '2024-05-10', '2024-05-10', 'imported'),
	('zapi', 'I4', 'C2', 'trial', '2024-05-10', NULL, 'created'),
	('green', 'G1', 'C5', 'signed', '2024-05-30', '2024-05-30', 'created'),
	('green', 'G2', 'C3', 'signed', '2024-04-01', '2024-04-01', 'created');
UPDATE partner_api.instances SET deleted_at = '2024-05-02', status = 'deleted'
WHERE instance_id = 'G2';
SELECT * FROM partner_api.margin_report('[2024-05-01,2024-05-31]');
-- cents add up to those of the bills
SELECT sum(cost_cents) = (
		SELECT sum(amount_cents)
		FROM partner_api.billing_lines_at(now(), NULL, '2024-05-01'))
	AS adds_up
FROM partner_api.margin_report('[2024-05-01,2024-05-31]');
-- months are those that begin in the period
SELECT customer_ref, charged_cents, cost_cents
FROM partner_api.margin_report('[2024-04-30,2024-06-01]')
WHERE customer_ref = 'C1';
SELECT count(*) FROM partner_api.margin_report('[2024-05-12,2024-05-31]')
WHERE cost_cents > 0;
-- no price, or another currency: the cost is not known
INSERT INTO partner_api.instances
	(server, instance_id, customer_ref, status, created_at, signed_at, origin)
VALUES ('zeta', 'J1', 'C1', 'signed', '2024-05-10', '2024-05-10', 'created'),
	   ('zeta', 'J2', 'C1', 'signed', '2024-05-10', '2024-05-10', 'created');
INSERT INTO partner_api.billing_rules
	(rule_id, provider, server, valid_from, billed_by, prepaid, time_zone,
	 currency, source)
VALUES ('dollars', 'greenapi', 'green', '2024-05-01', 'day', 'nothing',
		'Etc/GMT-3', 'USD', 'contract');
INSERT INTO partner_api.billing_bands (rule_id, band) VALUES ('dollars', 1);
SELECT customer_ref, instances, cost_cents, margin_cents, is_estimate, reason
FROM partner_api.margin_report('[2024-05-01,2024-05-31]')
WHERE cost_cents IS NULL;
SELECT refused($$SELECT partner_api.margin_report('[2024-05-01,)')$$);
SELECT refused($$SELECT partner_api.margin_report('[2024-05-01,infinity)')$$);
SELECT refused($$SELECT partner_api.margin_report('empty')$$);

/* ---- birthdays ---- */

SELECT d AS day, b.*
FROM unnest(ARRAY['2027-02-28', '2028-02-28', '2028-02-29', '2027-03-01',
				  '2027-02-27', '1990-02-28']::date[]) d,
	 partner_api.birthdays(d) b;
SELECT * FROM partner_api.birthdays('2026-12-30', 62);
SELECT refused($$SELECT partner_api.birthdays('2027-01-01', -1)$$);
SELECT refused($$SELECT partner_api.birthdays('2027-01-01', 367)$$);

\t
-- each once, also after days that were missed, up to a week
SELECT d AS day, partner_api.announce_birthdays(d)
FROM unnest(ARRAY['2027-02-27', '2027-02-28', '2027-02-28', '2027-03-02',
				  '2027-03-09', '2027-02-28', '2028-03-06', '2028-03-06',
				  '2029-03-07', '2029-03-08']::date[])
		WITH ORDINALITY AS x (d, n)
ORDER BY n;
SELECT server, customer_ref, greeted_on FROM partner_api.customers
WHERE greeted_on IS NOT NULL ORDER BY 1, 2;
-- nobody on a day before they were registered
UPDATE partner_api.customers SET created_at = '2030-03-01 12:00-03'
WHERE customer_ref IN ('C1', 'C3');
SELECT partner_api.announce_birthdays('2030-03-02');
-- nor who was deleted
UPDATE partner_api.customers SET deleted_at = '2030-12-01'
WHERE birth_date = '1990-12-31';
SELECT partner_api.announce_birthdays('2031-01-01');

DROP EXTENSION partner_api CASCADE;
