/*
 * Invoices from subscriptions: one for each period, by constraint.  What makes
 * them may run any number of times, at any time, and in several sessions at
 * once: a subscription that another session is invoicing is left to it.  An
 * invoice and its charge are an action apart, so one that cannot be charged
 * stops no other, and has its reason.
 */

/* ---- making them ---- */

/*
 * The periods of a subscription that are to be invoiced now, with the day
 * before which an instance must be there to be charged.
 */
CREATE FUNCTION periods_to_invoice(s subscription_to_invoice)
RETURNS TABLE (period integer, period_start date, period_end date,
	until date, due_on date)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT n.n, d.starts_on, d.ends_on,
		   CASE s.billing WHEN 'prepaid' THEN d.starts_on - s.issue_days + 1
						  ELSE d.ends_on + 1 END,
		   greatest(s.today,
			   CASE s.billing WHEN 'prepaid' THEN d.starts_on
							  ELSE d.ends_on + 1 END + s.due_days)
	FROM generate_series(s.first_period, s.last_period) AS n (n)
	CROSS JOIN LATERAL (
		SELECT partner_api.period_start(s.counted_from, s.frequency,
				   s.interval_count, n.n) AS starts_on,
			   partner_api.period_start(s.counted_from, s.frequency,
				   s.interval_count, n.n + 1) - 1 AS ends_on) d;
END;
COMMENT ON FUNCTION periods_to_invoice(subscription_to_invoice) IS
'the periods of a subscription that are to be invoiced now';
REVOKE ALL ON FUNCTION periods_to_invoice(subscription_to_invoice)
	FROM PUBLIC;

/*
 * One that another invoice covers, as of a subscription whose plan had another
 * frequency when that was made ahead, is left out.
 */
CREATE FUNCTION is_covered(of_server name, of_subscription text,
	starts_on date, ends_on date)
RETURNS boolean
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.invoices i
		WHERE i.server = of_server AND i.subscription_id = of_subscription
		  AND i.period_start <= ends_on AND i.period_end >= starts_on
		  AND i.period_start <> starts_on)
$$;
COMMENT ON FUNCTION is_covered(name, text, date, date) IS
'has a subscription an invoice for some of these days, but not for the period that begins with them?';
REVOKE ALL ON FUNCTION is_covered(name, text, date, date) FROM PUBLIC;

/*
 * Makes the invoices that are to be made; returns their numbers.  One for which
 * there is nothing to pay is paid.
 */
CREATE FUNCTION make_invoices(caller text, of_server name, issued daterange)
RETURNS bigint[]
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made_ids bigint[];
BEGIN
	WITH claimed AS MATERIALIZED (
		SELECT s FROM partner_api.claim_subscriptions(caller, of_server,
													  issued) s),
	periods AS MATERIALIZED (
		SELECT c.s, (c.s).server, (c.s).subscription_id, p.*
		FROM claimed c
		CROSS JOIN LATERAL partner_api.periods_to_invoice(c.s) p
		WHERE NOT partner_api.is_covered((c.s).server, (c.s).subscription_id,
										 p.period_start, p.period_end)),
	lines AS MATERIALIZED (
		SELECT p.server, p.subscription_id, p.period_start, l.*
		FROM periods p
		CROSS JOIN LATERAL partner_api.lines_of_period(p.s, p.period,
			p.period_start, p.until) l),
	sums AS (
		SELECT l.server, l.subscription_id, l.period_start,
			   sum(l.amount_cents)::bigint AS amount_cents
		FROM lines l
		GROUP BY l.server, l.subscription_id, l.period_start),
	made AS (
		INSERT INTO partner_api.invoices (server, subscription_id,
			customer_ref, plan_server, plan_id, period_start, period_end,
			issued_on, due_on, amount_cents, billing_type, description,
			status, paid_on, paid_cents, issued_at)
		SELECT p.server, p.subscription_id, (p.s).customer_ref,
			   (p.s).plan_server, (p.s).plan_id, p.period_start,
			   p.period_end, (p.s).today, p.due_on,
			   coalesce(m.amount_cents, 0), (p.s).billing_type,
			   left(format('%s, %s - %s', (p.s).plan_name,
						   to_char(p.period_start, 'DD/MM/YYYY'),
						   to_char(p.period_end, 'DD/MM/YYYY')), 500),
			   CASE WHEN m.amount_cents > 0 THEN 'waiting' ELSE 'paid' END,
			   CASE WHEN m.amount_cents > 0 THEN NULL ELSE (p.s).today END,
			   CASE WHEN m.amount_cents > 0 THEN NULL ELSE 0 END,
			   partner_api.clock()
		FROM periods p
		LEFT JOIN sums m USING (server, subscription_id, period_start)
		ORDER BY p.server, (p.s).customer_ref, p.subscription_id, p.period
		ON CONFLICT (server, subscription_id, period_start) DO NOTHING
		RETURNING *),
	made_lines AS (
		INSERT INTO partner_api.invoice_lines
		SELECT m.invoice_id, l.line, l.kind, l.description,
			   l.instance_server, l.instance_id, l.amount_cents
		FROM made m
		JOIN lines l USING (server, subscription_id, period_start)),
	moved AS (
		UPDATE partner_api.subscriptions s
		SET counted_from = (c.s).counted_from,
			invoiced_until = partner_api.period_start((c.s).counted_from,
				(c.s).frequency, (c.s).interval_count,
				(c.s).last_period + 1) - 1
		FROM claimed c
		WHERE s.server = (c.s).server
		  AND s.subscription_id = (c.s).subscription_id
		  AND (c.s).first_period = (c.s).next_period)
	SELECT coalesce(array_agg(m.invoice_id ORDER BY m.invoice_id), '{}')
	INTO made_ids FROM made m;
	RETURN made_ids;
END
$$;
COMMENT ON FUNCTION make_invoices(text, name, daterange) IS
'makes the invoices that are to be made, without their charges; returns their numbers';
REVOKE ALL ON FUNCTION make_invoices(text, name, daterange) FROM PUBLIC;

/* ---- charging them ---- */

/* What the provider is told of an invoice: its charge. */
CREATE FUNCTION charge_arguments(invoice invoices) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer text;
	terms partner_api.plan_terms;
BEGIN
	SELECT c.customer_id INTO customer FROM partner_api.customers c
	WHERE c.server = invoice.server
	  AND c.customer_ref = invoice.customer_ref;
	SELECT t.* INTO terms FROM partner_api.plan_terms t
	WHERE t.server = invoice.plan_server AND t.plan_id = invoice.plan_id;
	RETURN jsonb_strip_nulls(jsonb_build_object(
		'customer_id', customer,
		'billing_type', invoice.billing_type,
		'value_cents', invoice.amount_cents,
		'due_date', invoice.due_on,
		'description', invoice.description,
		'fine', CASE WHEN terms.fine_percent IS NOT NULL THEN
			jsonb_build_object('percent', terms.fine_percent::text) END,
		'interest', CASE WHEN terms.interest_percent IS NOT NULL THEN
			jsonb_build_object('percent', terms.interest_percent::text) END));
END
$$;
COMMENT ON FUNCTION charge_arguments(invoices) IS
'an invoice as the arguments of create_charge()';
REVOKE ALL ON FUNCTION charge_arguments(invoices) FROM PUBLIC;

/*
 * A charge that carries a nonce of ours, but is no action's here, was made by a
 * server that is gone, and its invoice may have been lost with it.  The invoice
 * that was made again is that one if customer, amount and text are the same.
 */
CREATE FUNCTION take_lost_charge(invoice invoices, arguments jsonb)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lost partner_api.payments;
	taken partner_api.payments;
BEGIN
	SELECT p.* INTO lost FROM partner_api.payments p
	WHERE p.server = invoice.server
	  AND p.customer_id = arguments->>'customer_id'
	  AND p.origin = 'adopted' AND p.action_id IS NULL
	  AND p.invoice_id IS NULL AND NOT p.deleted
	  AND p.value_cents = invoice.amount_cents
	  AND p.description IS NOT DISTINCT FROM invoice.description
	ORDER BY p.created_on, p.charge_id LIMIT 1
	FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE partner_api.payments p SET invoice_id = invoice.invoice_id
	WHERE p.server = lost.server AND p.charge_id = lost.charge_id
	RETURNING p.* INTO taken;
	PERFORM partner_api.follow_payment(lost, taken);
	RETURN true;
END
$$;
COMMENT ON FUNCTION take_lost_charge(invoices, jsonb) IS
'gives an invoice the charge that a server which is gone has made for it; false if there is none';
REVOKE ALL ON FUNCTION take_lost_charge(invoices, jsonb) FROM PUBLIC;

/* Send a closed action again, with what holds now; returns its number. */
CREATE FUNCTION send_again(of_action bigint, with_arguments jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.action_history h SET arguments = with_arguments
	WHERE h.action_id = of_action;
	PERFORM partner_api.rearm_action(of_action);
	RETURN of_action;
END
$$;
COMMENT ON FUNCTION send_again(bigint, jsonb) IS
'makes a closed action wait to be sent again with other arguments; returns its number';
REVOKE ALL ON FUNCTION send_again(bigint, jsonb) FROM PUBLIC;

/*
 * Have an invoice charged, which the caller has locked: by a new action, or
 * again by the one that it has.
 */
CREATE FUNCTION send_charge(invoice invoices) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	arguments jsonb;
	why text;
BEGIN
	IF invoice.action_id IS NULL
	   AND partner_api.take_lost_charge(invoice) THEN
		RETURN;
	END IF;
	invoice.due_on := greatest(invoice.due_on,
							   partner_api.server_day(invoice.server));
	arguments := partner_api.charge_arguments(invoice);
	IF partner_api.take_lost_charge(invoice, arguments) THEN
		RETURN;
	END IF;
	why := partner_api.why_refused(invoice.server, 'create_charge', NULL,
								   arguments);
	UPDATE partner_api.invoices i
	SET due_on = invoice.due_on, reason = why,
		status = CASE WHEN why IS NULL THEN 'waiting' ELSE 'failed' END,
		action_id = CASE
			WHEN why IS NOT NULL THEN i.action_id
			WHEN i.action_id IS NOT NULL
				THEN partner_api.send_again(i.action_id, arguments)
			ELSE partner_api.schedule_automatic(invoice.server,
				'create_charge', NULL, arguments, invoice.customer_ref) END
	WHERE i.invoice_id = invoice.invoice_id;
	PERFORM partner_api.wake_worker();
END
$$;
COMMENT ON FUNCTION send_charge(invoices) IS
'has the provider charge an invoice that is locked';
REVOKE ALL ON FUNCTION send_charge(invoices) FROM PUBLIC;

/*
 * One that has an action is charged by that, or was not, and then a person or
 * retry_invoice() decides: nothing is charged a second time from here.
 */
CREATE FUNCTION charge_invoice(of_invoice bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
BEGIN
	/* by its number alone: no plan may read the index of what waits instead */
	SELECT i.* INTO invoice FROM partner_api.invoices i
	WHERE i.invoice_id = of_invoice FOR UPDATE;
	IF invoice.action_id IS NULL AND invoice.charge_id IS NULL
	   AND invoice.status IN ('waiting', 'failed') THEN
		PERFORM partner_api.send_charge(invoice);
	END IF;
END
$$;
COMMENT ON FUNCTION charge_invoice(bigint) IS
'has the provider charge an invoice whose customer it knows';
REVOKE ALL ON FUNCTION charge_invoice(bigint) FROM PUBLIC;

/*
 * Customers who have invoices without a charge: those of invoices that were
 * just made, and those whom a session held when theirs were.  Who is held now
 * is left again.  A customer is locked even if a step is on its way to them:
 * its end must not come before others see the invoices.
 */
CREATE FUNCTION further_customers(of_server name) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	waiting record;
BEGIN
	FOR waiting IN
		SELECT w.customer_ref, c.customer_ref IS NOT NULL AS is_known
		FROM (
			SELECT DISTINCT i.customer_ref
			FROM partner_api.invoices i
			WHERE i.server = of_server AND i.status = 'waiting'
			  AND i.action_id IS NULL) w
		LEFT JOIN partner_api.customers c
			ON c.server = of_server AND c.customer_ref = w.customer_ref
		ORDER BY w.customer_ref
	LOOP
		IF waiting.is_known THEN
			PERFORM FROM partner_api.customers c
			WHERE c.server = of_server
			  AND c.customer_ref = waiting.customer_ref
			FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND;
		END IF;
		PERFORM partner_api.further_customer(of_server,
											 waiting.customer_ref);
	END LOOP;
END
$$;
COMMENT ON FUNCTION further_customers(name) IS
'takes the next step for each customer of a server whose invoices wait for one';
REVOKE ALL ON FUNCTION further_customers(name) FROM PUBLIC;

/* ---- generate_invoices ---- */

CREATE FUNCTION generate_invoices(period daterange DEFAULT NULL,
	of_server name DEFAULT NULL)
RETURNS SETOF invoices
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION generate_invoices(daterange, name) IS
'makes the invoices whose day of issue has come, or lies in the period, and that are not made yet, and has them charged; returns those that it made';
REVOKE ALL ON FUNCTION generate_invoices(daterange, name) FROM PUBLIC;

CREATE FUNCTION check_issue_period(period daterange) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse('period', 'a range of days with an end',
		format('The range is %s.', period),
		'Leave it out for all that is to be invoiced by today.')
	WHERE isempty(period) OR upper_inf(period) OR upper(period) = 'infinity'
	   OR lower(period) = '-infinity';
	PERFORM partner_api.refuse('period', 'at most a year ahead',
		format('The range is %s.', period),
		'Give the days on which the invoices are to be issued.')
	WHERE upper(period) > partner_api.clock()::date + 367;
END
$$;
COMMENT ON FUNCTION check_issue_period(daterange) IS
'raises an error for days of issue that make no sense';
REVOKE ALL ON FUNCTION check_issue_period(daterange) FROM PUBLIC;

/*
 * Subscriptions whose last day is over are shown as ended, and those that
 * expired with their plan.
 */
CREATE FUNCTION end_subscriptions(caller text, of_server name) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.subscriptions s
	SET ends_on = e.ends_on,
		status = CASE WHEN s.cancelled_at IS NULL THEN 'expired'
					  ELSE 'cancelled' END
	FROM (
		SELECT o.server, o.subscription_id,
			   least(o.ends_on, partner_api.last_plan_day(p, f.srvname))
				   AS ends_on
		FROM partner_api.subscriptions o
		JOIN partner_api.plans p
			ON p.server = o.plan_server AND p.plan_id = o.plan_id
		JOIN pg_foreign_server f ON f.srvname = o.server
		WHERE o.origin = 'local' AND o.status NOT IN ('cancelled', 'expired')
		  /* not of o: its server may have been dropped */
		  AND least(o.ends_on, partner_api.last_plan_day(p, f.srvname))
			  < partner_api.server_day(f.srvname)
		  AND (of_server IS NULL OR o.server = of_server)
		  AND has_server_privilege(caller, f.oid, 'USAGE')
		FOR UPDATE OF o SKIP LOCKED) e
	WHERE s.server = e.server AND s.subscription_id = e.subscription_id;
END
$$;
COMMENT ON FUNCTION end_subscriptions(text, name) IS
'marks subscriptions of our own whose last day is over as cancelled or expired';
REVOKE ALL ON FUNCTION end_subscriptions(text, name) FROM PUBLIC;

/*
 * Tables that were never analyzed look as if it paid to compile the queries,
 * which takes seconds.
 */
CREATE FUNCTION generate_invoices_for(caller text, arguments jsonb)
RETURNS SETOF invoices
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	of_server name := arguments->>'of_server';
	issued daterange := arguments->>'period';
	made bigint[];
BEGIN
	PERFORM partner_api.check_use(of_server, caller, 'create_charge')
	WHERE of_server IS NOT NULL;
	PERFORM partner_api.check_issue_period(issued);
	made := partner_api.make_invoices(caller, of_server, issued);
	PERFORM partner_api.end_subscriptions(caller, of_server);
	PERFORM partner_api.further_customers(f.srvname)
	FROM (
		SELECT o.srvname FROM pg_foreign_server o
		WHERE (of_server IS NULL OR o.srvname = of_server)
		  AND has_server_privilege(caller, o.oid, 'USAGE')
		ORDER BY o.srvname) f;
	IF EXISTS (
			SELECT FROM partner_api.subscriptions_not_invoiced n
			WHERE of_server IS NULL OR n.server = of_server) THEN
		RAISE WARNING USING
			MESSAGE = 'some subscriptions cannot be invoiced',
			HINT = 'See partner_api.subscriptions_not_invoiced.';
	END IF;
	RETURN QUERY
	SELECT i.* FROM partner_api.invoices i
	WHERE i.invoice_id = ANY (made) ORDER BY i.invoice_id;
END
$$;
COMMENT ON FUNCTION generate_invoices_for(text, jsonb) IS
'generate_invoices() for its caller';
REVOKE ALL ON FUNCTION generate_invoices_for(text, jsonb) FROM PUBLIC;
