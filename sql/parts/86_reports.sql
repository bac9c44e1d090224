/*
 * Reports on what customers are charged, what they pay, and what is left of
 * it.  Days are those of the server that charges; periods are ranges of days.
 *
 * The functions read as the owner: somebody may be let read a report without
 * being let read documents and addresses of customers.  To compile their
 * queries would take longer than to run them.
 */

/* A range without an end has the ends of time. */
CREATE FUNCTION check_period(period daterange, bounded boolean) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse('period', 'a range of at least one day',
		CASE WHEN period IS NULL THEN 'It is missing.'
			 ELSE 'The range is empty.' END,
		'Write May as ''[2026-05-01,2026-05-31]''.')
	WHERE period IS NULL OR isempty(period);
	PERFORM partner_api.refuse('period',
		'a range of days with a beginning and an end',
		format('The range is %s.', period),
		'Write May as ''[2026-05-01,2026-05-31]''.')
	WHERE bounded AND NOT coalesce(isfinite(lower(period))
								   AND isfinite(upper(period)), false);
END
$$;
COMMENT ON FUNCTION check_period(daterange, boolean) IS
'raises an error for a period without a day, or without an end where one is needed';
REVOKE ALL ON FUNCTION check_period(daterange, boolean) FROM PUBLIC;

/*
 * No rows for a name that was mistyped would read as: nobody owes anything.  A
 * server that was dropped is known by what is recorded of it.
 */
CREATE FUNCTION check_reported_server(of_server name) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse_unknown(format('server "%s"', of_server),
		'Leave it out for all, or give one of partner_api.server_days.')
	WHERE NOT EXISTS (SELECT FROM partner_api.server_days d
					  WHERE d.server = of_server)
	  AND NOT EXISTS (SELECT FROM partner_api.customers c
					  WHERE c.server = of_server)
	  AND NOT EXISTS (SELECT FROM partner_api.payments p
					  WHERE p.server = of_server);
END
$$;
COMMENT ON FUNCTION check_reported_server(name) IS
'raises an error for a server of which nothing is known here';
REVOKE ALL ON FUNCTION check_reported_server(name) FROM PUBLIC;

CREATE FUNCTION first_day(period daterange) RETURNS date
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN coalesce(lower(period), '-infinity');
COMMENT ON FUNCTION first_day(daterange) IS
'the first day of a period';
REVOKE ALL ON FUNCTION first_day(daterange) FROM PUBLIC;

CREATE FUNCTION day_after(period daterange) RETURNS date
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN coalesce(upper(period), 'infinity');
COMMENT ON FUNCTION day_after(daterange) IS
'the first day after a period';
REVOKE ALL ON FUNCTION day_after(daterange) FROM PUBLIC;

/* ---- invoices ---- */

/* An invoice is overdue from the day after its due day, told of it or not. */
CREATE FUNCTION invoice_standing(status text, due_on date, today date)
RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE
	WHEN status IN ('open', 'overdue')
		THEN CASE WHEN due_on < today THEN 'overdue' ELSE 'pending' END
	WHEN status = 'waiting' THEN 'pending'
	ELSE status
END;
COMMENT ON FUNCTION invoice_standing(text, date, date) IS
'how an invoice stands on a day: pending, overdue, paid, failed, refunded, disputed or cancelled';
REVOKE ALL ON FUNCTION invoice_standing(text, date, date) FROM PUBLIC;

CREATE FUNCTION invoice_report(period daterange, of_server name DEFAULT NULL)
RETURNS TABLE (invoice_id bigint, server name, customer_ref text,
			   customer_name text, subscription_id text, plan_id text,
			   plan_name text, period_start date, period_end date,
			   issued_on date, due_on date, status text, days_overdue integer,
			   amount_cents bigint, paid_on date, paid_cents bigint,
			   charge_id text, reason text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	PERFORM partner_api.check_period(period, false);
	PERFORM partner_api.check_reported_server(of_server);
	RETURN QUERY
	SELECT v.invoice_id, v.server, v.customer_ref, c.name, v.subscription_id,
		   v.plan_id, l.name, v.period_start, v.period_end, v.issued_on,
		   due.day, s.standing,
		   CASE s.standing WHEN 'overdue' THEN d.today - due.day END,
		   v.amount_cents, v.paid_on, v.paid_cents, v.charge_id, v.reason
	FROM partner_api.invoices v
	LEFT JOIN partner_api.server_days d ON d.server = v.server
	LEFT JOIN partner_api.payments p
		ON p.server = v.server AND p.charge_id = v.charge_id
	LEFT JOIN partner_api.customers c
		ON c.server = v.server AND c.customer_ref = v.customer_ref
	LEFT JOIN partner_api.plans l
		ON l.server = v.plan_server AND l.plan_id = v.plan_id
	CROSS JOIN LATERAL (SELECT coalesce(p.due_on, v.due_on) AS day) due
	CROSS JOIN LATERAL (
		SELECT partner_api.invoice_standing(v.status, due.day, d.today)
			   AS standing) s
	WHERE v.issued_on >= partner_api.first_day(period)
	  AND v.issued_on < partner_api.day_after(period)
	  AND (of_server IS NULL OR v.server = of_server)
	ORDER BY v.issued_on, v.invoice_id;
END
$$;
COMMENT ON FUNCTION invoice_report(daterange, name) IS
'the invoices that were issued in a period, and how they stand today';
REVOKE ALL ON FUNCTION invoice_report(daterange, name) FROM PUBLIC;

CREATE FUNCTION invoice_totals(period daterange, of_server name DEFAULT NULL)
RETURNS TABLE (server name, status text, invoices bigint,
			   amount_cents bigint, paid_cents bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT r.server,
		   CASE WHEN grouping(r.status) = 1 THEN 'issued' ELSE r.status END,
		   count(*), sum(r.amount_cents)::bigint,
		   coalesce(sum(r.paid_cents), 0)::bigint
	FROM partner_api.invoice_report(period, of_server) r
	GROUP BY GROUPING SETS ((r.server, r.status), (r.server))
	ORDER BY r.server, grouping(r.status) DESC, r.status;
END
$$;
COMMENT ON FUNCTION invoice_totals(daterange, name) IS
'what the invoices of a period come to: for each server all that were issued, and those of each status';
REVOKE ALL ON FUNCTION invoice_totals(daterange, name) FROM PUBLIC;

/* ---- payments ---- */

/* What was deleted at the provider is in no report. */
CREATE FUNCTION payments_of_period(period daterange, by_day text)
RETURNS SETOF payments
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	since date := partner_api.first_day(period);
	until date := partner_api.day_after(period);
BEGIN
	PERFORM partner_api.check_word('by_day', by_day,
		ARRAY['paid_on', 'payer_paid_on', 'credited_on', 'due_on']);
	CASE by_day
	WHEN 'paid_on' THEN
		RETURN QUERY SELECT p.* FROM partner_api.payments p
		WHERE p.paid_on >= since AND p.paid_on < until AND NOT p.deleted;
	WHEN 'payer_paid_on' THEN
		RETURN QUERY SELECT p.* FROM partner_api.payments p
		WHERE p.payer_paid_on >= since AND p.payer_paid_on < until
		  AND NOT p.deleted;
	WHEN 'credited_on' THEN
		RETURN QUERY SELECT p.* FROM partner_api.payments p
		WHERE p.credited_on >= since AND p.credited_on < until
		  AND NOT p.deleted;
	WHEN 'due_on' THEN
		RETURN QUERY SELECT p.* FROM partner_api.payments p
		WHERE p.due_on >= since AND p.due_on < until AND NOT p.deleted;
	END CASE;
END
$$;
COMMENT ON FUNCTION payments_of_period(daterange, text) IS
'the payments one of whose days is in a period';
REVOKE ALL ON FUNCTION payments_of_period(daterange, text) FROM PUBLIC;

/*
 * Late is what the payer paid after the due day, or has not paid by now.  What
 * was given back has not been received.
 */
CREATE FUNCTION payment_report(period daterange,
	by_day text DEFAULT 'paid_on', of_server name DEFAULT NULL)
RETURNS TABLE (server name, charge_id text, invoice_id bigint,
			   customer_ref text, customer_name text, billing_type text,
			   status text, provider_status text, due_on date,
			   payer_paid_on date, paid_on date, credited_on date,
			   days_late integer, value_cents bigint, received_cents bigint,
			   fee_cents bigint, net_cents bigint, refunded_cents bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	PERFORM partner_api.check_period(period, false);
	PERFORM partner_api.check_reported_server(of_server);
	RETURN QUERY
	SELECT p.server, p.charge_id, p.invoice_id,
		   coalesce(v.customer_ref, c.customer_ref),
		   c.name, p.billing_type, s.state, p.status, p.due_on,
		   p.payer_paid_on, p.paid_on, p.credited_on,
		   nullif(greatest(CASE
			   WHEN s.has_payment THEN coalesce(p.payer_paid_on, p.paid_on,
												p.confirmed_on)
			   WHEN s.state IN ('open', 'overdue') THEN d.today
			   END - p.due_on, 0), 0),
		   p.value_cents,
		   CASE WHEN s.has_payment THEN p.value_cents - s.refunded END,
		   CASE WHEN s.has_payment
				THEN p.value_cents - p.net_value_cents END,
		   CASE WHEN s.has_payment
				THEN p.net_value_cents - s.refunded END,
		   nullif(s.refunded, 0)
	FROM partner_api.payments_of_period(period, by_day) p
	LEFT JOIN partner_api.server_days d ON d.server = p.server
	LEFT JOIN partner_api.invoices v ON v.invoice_id = p.invoice_id
	LEFT JOIN partner_api.customers c
		ON c.server = p.server AND c.customer_id = p.customer_id
	CROSS JOIN LATERAL (
		SELECT partner_api.payment_state(p.status, p.deleted) AS state) t
	CROSS JOIN LATERAL (
		SELECT t.state, t.state IN ('paid', 'refunded', 'disputed')
			   AS has_payment,
			   coalesce(p.refunded_cents, CASE t.state WHEN 'refunded'
						THEN p.value_cents END, 0) AS refunded) s
	WHERE of_server IS NULL OR p.server = of_server
	ORDER BY CASE by_day WHEN 'paid_on' THEN p.paid_on
						 WHEN 'payer_paid_on' THEN p.payer_paid_on
						 WHEN 'credited_on' THEN p.credited_on
						 ELSE p.due_on END, p.server, p.charge_id;
END
$$;
COMMENT ON FUNCTION payment_report(daterange, text, name) IS
'the payments of a period by one of their days: what was received, what the provider took, how late it was';
REVOKE ALL ON FUNCTION payment_report(daterange, text, name) FROM PUBLIC;

CREATE FUNCTION payment_totals(period daterange,
	by_day text DEFAULT 'paid_on', of_server name DEFAULT NULL)
RETURNS TABLE (server name, payments bigint, value_cents bigint,
			   received_cents bigint, fee_cents bigint, net_cents bigint,
			   refunded_cents bigint, paid_late bigint,
			   mean_days_late numeric, unpaid_late bigint,
			   unpaid_late_cents bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT r.server, count(*), coalesce(sum(r.value_cents), 0)::bigint,
		   coalesce(sum(r.received_cents), 0)::bigint,
		   coalesce(sum(r.fee_cents), 0)::bigint,
		   coalesce(sum(r.net_cents), 0)::bigint,
		   coalesce(sum(r.refunded_cents), 0)::bigint,
		   count(r.days_late) FILTER (WHERE r.received_cents IS NOT NULL),
		   round(avg(r.days_late)
				 FILTER (WHERE r.received_cents IS NOT NULL), 1),
		   count(r.days_late) FILTER (WHERE r.received_cents IS NULL),
		   coalesce(sum(r.value_cents) FILTER (
				WHERE r.received_cents IS NULL
				AND r.days_late IS NOT NULL), 0)::bigint
	FROM partner_api.payment_report(period, by_day, of_server) r
	GROUP BY r.server
	ORDER BY r.server;
END
$$;
COMMENT ON FUNCTION payment_totals(daterange, text, name) IS
'what the payments of a period come to, for each server';
REVOKE ALL ON FUNCTION payment_totals(daterange, text, name) FROM PUBLIC;

/* ---- margin ---- */

/*
 * What the providers' bills have for each customer, in the months that begin
 * in a period.  A line without a price makes the cost unknown, not less; and
 * cents of another currency are not added to ours.
 */
CREATE FUNCTION provider_costs(period daterange)
RETURNS TABLE (customer_ref text, instances bigint, cost_cents bigint,
			   unpriced bigint, foreign_lines bigint, is_estimate boolean)
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT b.customer_ref, count(DISTINCT (b.server, b.instance_id)),
		   sum(b.amount_cents)
				FILTER (WHERE coalesce(b.currency, 'BRL') = 'BRL')::bigint,
		   count(*) FILTER (WHERE b.amount_cents IS NULL),
		   count(*) FILTER (WHERE b.currency <> 'BRL'),
		   bool_or(b.cycle_end >= partner_api.server_day(b.server)
				   OR b.ends_estimated IS TRUE)
	FROM generate_series(
			date_trunc('month', lower(period) + interval '1 month'
								- interval '1 day'),
			upper(period) - interval '1 day', '1 month') AS m (month)
	CROSS JOIN LATERAL partner_api.billing_lines_at(partner_api.clock(), NULL,
													m.month::date) b
	GROUP BY b.customer_ref;
END
$$;
COMMENT ON FUNCTION provider_costs(daterange) IS
'what the providers charge for the instances of each customer in a period';
REVOKE ALL ON FUNCTION provider_costs(daterange) FROM PUBLIC;

CREATE FUNCTION margin_report(period daterange)
RETURNS TABLE (customer_ref text, customer_name text, invoices bigint,
			   charged_cents bigint, received_cents bigint, instances bigint,
			   cost_cents bigint, margin_cents bigint, is_estimate boolean,
			   reason text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	PERFORM partner_api.check_period(period, true);
	RETURN QUERY
	WITH charged AS (
		SELECT v.customer_ref, count(*) AS invoices,
			   sum(v.amount_cents)::bigint AS cents,
			   coalesce(sum(v.paid_cents), 0)::bigint AS received
		FROM partner_api.invoices v
		WHERE v.period_start >= lower(period)
		  AND v.period_start < upper(period)
		  AND v.status NOT IN ('failed', 'cancelled', 'refunded')
		GROUP BY v.customer_ref), named AS (
		SELECT c.customer_ref, min(c.name) AS name
		FROM partner_api.customers c
		GROUP BY c.customer_ref)
	SELECT r.customer_ref, n.name, coalesce(i.invoices, 0),
		   coalesce(i.cents, 0), coalesce(i.received, 0),
		   coalesce(k.instances, 0), r.cost,
		   coalesce(i.cents, 0) - r.cost, coalesce(k.is_estimate, false),
		   nullif(concat_ws('; ',
			CASE WHEN r.customer_ref IS NULL
				THEN 'instances without a customer' END,
			CASE WHEN k.unpriced > 0
				THEN format('lines without a price: %s', k.unpriced) END,
			CASE WHEN k.foreign_lines > 0
				THEN format('lines in another currency: %s',
							k.foreign_lines) END,
			CASE WHEN r.customer_ref IS NOT NULL AND i.invoices IS NULL
				THEN 'nothing is charged' END), '')
	FROM charged i
	FULL JOIN partner_api.provider_costs(period) k
		ON k.customer_ref = i.customer_ref
	CROSS JOIN LATERAL (
		SELECT coalesce(i.customer_ref, k.customer_ref) AS customer_ref,
			   CASE WHEN k.unpriced > 0 OR k.foreign_lines > 0 THEN NULL
					ELSE coalesce(k.cost_cents, 0) END AS cost) r
	LEFT JOIN named n ON n.customer_ref = r.customer_ref
	ORDER BY r.customer_ref;
END
$$;
COMMENT ON FUNCTION margin_report(daterange) IS
'for each customer what we charge, what the providers charge, and what is left: of the periods and months that begin in a period';
REVOKE ALL ON FUNCTION margin_report(daterange) FROM PUBLIC;

/* ---- views ---- */

CREATE VIEW open_invoices AS
SELECT v.invoice_id, v.server, v.customer_ref, c.name AS customer_name,
	   v.plan_id, v.period_start, v.period_end, v.issued_on,
	   coalesce(p.due_on, v.due_on) AS due_on,
	   invoice_standing(v.status, coalesce(p.due_on, v.due_on), d.today)
	   AS status,
	   greatest(d.today - coalesce(p.due_on, v.due_on), 0) AS days_overdue,
	   v.amount_cents, p.invoice_url, v.reason
FROM invoices v
	 LEFT JOIN server_days d ON d.server = v.server
	 LEFT JOIN payments p
		ON p.server = v.server AND p.charge_id = v.charge_id
	 LEFT JOIN customers c
		ON c.server = v.server AND c.customer_ref = v.customer_ref
WHERE v.status IN ('waiting', 'failed', 'open', 'overdue');
COMMENT ON VIEW open_invoices IS
'invoices that are not paid';
COMMENT ON COLUMN open_invoices.invoice_id IS
'see invoices';
COMMENT ON COLUMN open_invoices.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN open_invoices.customer_ref IS
'see customers';
COMMENT ON COLUMN open_invoices.customer_name IS
'name of the customer';
COMMENT ON COLUMN open_invoices.plan_id IS
'see plans';
COMMENT ON COLUMN open_invoices.period_start IS
'first day of the period';
COMMENT ON COLUMN open_invoices.period_end IS
'last day of the period';
COMMENT ON COLUMN open_invoices.issued_on IS
'day of issue';
COMMENT ON COLUMN open_invoices.due_on IS
'day on which it is due, as the provider has it by now';
COMMENT ON COLUMN open_invoices.status IS
'pending, overdue, or failed: it has no charge';
COMMENT ON COLUMN open_invoices.days_overdue IS
'days since it was due; 0 if it is not overdue';
COMMENT ON COLUMN open_invoices.amount_cents IS
'what it charges';
COMMENT ON COLUMN open_invoices.invoice_url IS
'page on which it can be paid';
COMMENT ON COLUMN open_invoices.reason IS
'why it has no charge';

CREATE VIEW customer_balances AS
SELECT c.server, c.customer_ref, c.name AS customer_name,
	   count(v.invoice_id) AS invoices,
	   coalesce(sum(v.amount_cents) FILTER (
			WHERE s.standing IN ('pending', 'overdue')), 0)::bigint
	   AS open_cents,
	   coalesce(sum(v.amount_cents) FILTER (
			WHERE s.standing = 'overdue'), 0)::bigint AS overdue_cents,
	   coalesce(sum(v.paid_cents), 0)::bigint AS paid_cents,
	   min(v.due_on) FILTER (WHERE s.standing = 'overdue') AS overdue_since
FROM customers c
	 LEFT JOIN server_days d ON d.server = c.server
	 LEFT JOIN invoices v
		ON v.server = c.server AND v.customer_ref = c.customer_ref
	 CROSS JOIN LATERAL (
		SELECT invoice_standing(v.status, v.due_on, d.today) AS standing) s
GROUP BY c.server, c.customer_ref;
COMMENT ON VIEW customer_balances IS
'what each customer owes and has paid';
COMMENT ON COLUMN customer_balances.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN customer_balances.customer_ref IS
'see customers';
COMMENT ON COLUMN customer_balances.customer_name IS
'name of the customer';
COMMENT ON COLUMN customer_balances.invoices IS
'invoices that the customer has ever had';
COMMENT ON COLUMN customer_balances.open_cents IS
'what is to be paid, overdue or not';
COMMENT ON COLUMN customer_balances.overdue_cents IS
'what is overdue of it';
COMMENT ON COLUMN customer_balances.paid_cents IS
'what was paid and not given back';
COMMENT ON COLUMN customer_balances.overdue_since IS
'due day of the oldest invoice that is overdue';
