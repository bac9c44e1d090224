/*
 * What a subscription is to be invoiced: its periods, which are counted from
 * its counted_from, and what each is charged for.
 */

/* ---- periods ---- */

/*
 * Each period is counted from the same day, so that one that begins on the
 * 31st does so again after the months that have none.
 */
CREATE FUNCTION period_start(counted_from date, frequency text,
	interval_count integer, period integer)
RETURNS date
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN counted_from + CASE frequency
		WHEN 'daily' THEN make_interval(days => period * interval_count)
		WHEN 'weekly' THEN make_interval(weeks => period * interval_count)
		WHEN 'monthly' THEN make_interval(months => period * interval_count)
		WHEN 'annualy' THEN make_interval(years => period * interval_count)
		END;
END
$$;
COMMENT ON FUNCTION period_start(date, text, integer, integer) IS
'first day of a period, counted from 0';
REVOKE ALL ON FUNCTION period_start(date, text, integer, integer) FROM PUBLIC;

CREATE FUNCTION period_of(counted_from date, frequency text,
	interval_count integer, day date)
RETURNS integer
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	units double precision;
BEGIN
	IF frequency IN ('daily', 'weekly') THEN
		units := day - counted_from;
		RETURN floor(units / CASE frequency WHEN 'daily' THEN 1 ELSE 7 END
					 / interval_count);
	END IF;
	units := 12 * (date_part('year', day) - date_part('year', counted_from))
		+ date_part('month', day) - date_part('month', counted_from);
	/* a month that is not over does not count */
	IF counted_from + make_interval(months => units::integer) > day THEN
		units := units - 1;
	END IF;
	RETURN floor(units / CASE frequency WHEN 'monthly' THEN 1
										WHEN 'annualy' THEN 12 END
				 / interval_count);
END
$$;
COMMENT ON FUNCTION period_of(date, text, integer, date) IS
'number of the period that a day lies in, counted from 0; negative before the first';
REVOKE ALL ON FUNCTION period_of(date, text, integer, date) FROM PUBLIC;

/*
 * Which periods of a subscription are to be invoiced, if their day of issue is
 * one from issued_from, or any, until issued_until: "ahead" days before the
 * period begins, or if it is charged "afterwards", before the next one does.
 *
 * A plan that was given another frequency goes on from the day up to which
 * there are invoices.
 */
CREATE FUNCTION periods_due(subscription subscriptions, frequency text,
	interval_count integer, ahead integer, afterwards boolean, last_day date,
	issued_from date, issued_until date,
	OUT counted_from date, OUT next_period integer, OUT first_period integer,
	OUT last_period integer)
RETURNS record
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	next_start date := subscription.invoiced_until + 1;
	later integer := afterwards::integer;
BEGIN
	counted_from := subscription.counted_from;
	next_period := coalesce(partner_api.period_of(counted_from, frequency,
		interval_count, next_start), 0);
	IF next_start <> partner_api.period_start(counted_from, frequency,
			interval_count, next_period) THEN
		counted_from := next_start;
		next_period := 0;
	END IF;
	first_period := greatest(next_period,
		partner_api.period_of(counted_from, frequency, interval_count,
							  issued_from + ahead - 1) + 1 - later);
	last_period := least(first_period + 99,
		partner_api.period_of(counted_from, frequency, interval_count,
							  issued_until + ahead) - later,
		partner_api.period_of(counted_from, frequency, interval_count,
							  least(last_day, subscription.ends_on)));
END
$$;
COMMENT ON FUNCTION periods_due(subscriptions, text, integer, integer, boolean,
	date, date, date) IS
'numbers of the periods of a subscription that are to be invoiced, at most 100, and of the next that has no invoice';
REVOKE ALL ON FUNCTION periods_due(subscriptions, text, integer, integer,
	boolean, date, date, date) FROM PUBLIC;

/* ---- subscriptions that are to be invoiced ---- */

/* A plan ends with a moment; what matters is the last day that is before it. */
CREATE FUNCTION last_plan_day(plan plans, of_server name) RETURNS date
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF plan.plan_expiration_date IS NULL OR plan.has_expiration IS FALSE
	   OR plan.expire_subscriptions IS FALSE THEN
		RETURN NULL;
	END IF;
	RETURN partner_api.server_day(of_server, plan.plan_expiration_date
											 - interval '1 microsecond');
END
$$;
COMMENT ON FUNCTION last_plan_day(plans, name) IS
'last day on which a period of a subscription to the plan may begin; null if there is none';
REVOKE ALL ON FUNCTION last_plan_day(plans, name) FROM PUBLIC;

/*
 * Why a subscription of our own cannot be invoiced, whatever the day; null if
 * it can.  A provider of plans may show one that is not understood here.
 */
CREATE FUNCTION why_not_invoiced(plan plans, terms plan_terms,
	price_cents bigint)
RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE
	WHEN plan.plan_id IS NULL THEN 'its plan is not known here'
	WHEN terms.plan_id IS NULL THEN 'its plan has no terms'
	WHEN partner_api.plan_frequency(plan.frequency) IS NULL
		OR plan.interval_count IS NULL
		THEN 'the frequency of its plan is not known'
	WHEN plan.interval_count NOT BETWEEN 1 AND partner_api.most_intervals()
		THEN 'the interval of its plan is out of bounds'
	WHEN coalesce(price_cents, plan.amount_cents) IS NULL
		THEN 'its plan has no amount'
	WHEN coalesce(price_cents, plan.amount_cents)
		NOT BETWEEN 0 AND partner_api.most_cents()
		OR plan.setup_amount_cents NOT BETWEEN 0 AND partner_api.most_cents()
		THEN 'the amount of its plan is out of bounds' END;
COMMENT ON FUNCTION why_not_invoiced(plans, plan_terms, bigint) IS
'why a subscription with this plan, terms and price cannot be invoiced; null if it can';
REVOKE ALL ON FUNCTION why_not_invoiced(plans, plan_terms, bigint)
	FROM PUBLIC;

/* One with too many overdue invoices gets its others when it has paid. */
CREATE FUNCTION is_barred(of_server name, of_customer text,
	max_overdue integer)
RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(*) > max_overdue
	FROM partner_api.invoices i
	WHERE i.server = of_server AND i.customer_ref = of_customer
	  AND i.status = 'overdue'
$$;
COMMENT ON FUNCTION is_barred(name, text, integer) IS
'has a customer more overdue invoices than this?  null where there is no limit';
REVOKE ALL ON FUNCTION is_barred(name, text, integer) FROM PUBLIC;

CREATE VIEW subscriptions_not_invoiced AS
SELECT s.server, s.subscription_id, s.customer_ref, s.plan_server, s.plan_id,
	   s.invoiced_until, r.reason
FROM subscriptions s
LEFT JOIN plans p ON p.server = s.plan_server AND p.plan_id = s.plan_id
LEFT JOIN plan_terms t ON t.server = s.plan_server AND t.plan_id = s.plan_id
LEFT JOIN pg_catalog.pg_foreign_server f ON f.srvname = s.server
CROSS JOIN LATERAL (
	SELECT coalesce(
		CASE WHEN f.oid IS NULL THEN 'its server does not exist' END,
		partner_api.why_not_invoiced(p, t, s.amount_cents),
		CASE WHEN partner_api.is_barred(s.server, s.customer_ref,
										t.max_overdue)
			 THEN 'its customer has too many overdue invoices' END)
		AS reason) r
WHERE s.origin = 'local'
  AND (s.ends_on IS NULL OR s.invoiced_until IS NULL
	   OR s.invoiced_until < s.ends_on)
  AND r.reason IS NOT NULL;
COMMENT ON VIEW subscriptions_not_invoiced IS
'subscriptions of our own that generate_invoices() passes over';
COMMENT ON COLUMN subscriptions_not_invoiced.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN subscriptions_not_invoiced.subscription_id IS
'see subscriptions';
COMMENT ON COLUMN subscriptions_not_invoiced.customer_ref IS
'see customers';
COMMENT ON COLUMN subscriptions_not_invoiced.plan_server IS
'foreign server of the plan';
COMMENT ON COLUMN subscriptions_not_invoiced.plan_id IS
'see plans';
COMMENT ON COLUMN subscriptions_not_invoiced.invoiced_until IS
'day up to which it has its invoices';
COMMENT ON COLUMN subscriptions_not_invoiced.reason IS
'why it cannot be invoiced';

CREATE TYPE subscription_to_invoice AS (
	server			name,
	subscription_id	text,
	customer_ref	text,
	plan_server		name,
	plan_id			text,
	plan_name		text,
	instance_server	name,
	instance_id		text,
	price_cents		bigint,
	setup_cents		bigint,
	frequency		text,
	interval_count	integer,
	billing			text,
	price_per		text,
	billing_type	text,
	issue_days		integer,
	due_days		integer,
	time_zone		text,
	today			date,
	counted_from	date,
	next_period		integer,
	first_period	integer,
	last_period		integer
);
COMMENT ON TYPE subscription_to_invoice IS
'a subscription with what its invoices follow from, and the numbers of its periods: the next without an invoice, and those that are to be invoiced now';

/*
 * The subscriptions that have periods to be invoiced, locked, in the order in
 * which all sessions lock customers.  issued: the days of issue that are asked
 * for; without, every day until today.  A server may have been dropped: what
 * asks for one by its name asks for that of server_days.
 */
CREATE FUNCTION claim_subscriptions(caller text, of_server name,
	issued daterange)
RETURNS SETOF subscription_to_invoice
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT s.server, s.subscription_id, s.customer_ref, s.plan_server,
		   s.plan_id, coalesce(p.name, p.plan_id), s.instance_server,
		   s.instance_id, coalesce(s.amount_cents, p.amount_cents),
		   CASE WHEN s.invoiced_until IS NULL
				THEN p.setup_amount_cents END,
		   f.frequency, p.interval_count, t.billing, t.price_per,
		   t.billing_type, t.issue_days, t.due_days, z.time_zone, z.today,
		   d.counted_from, d.next_period, d.first_period, d.last_period
	FROM partner_api.subscriptions s
	JOIN partner_api.server_days z ON z.server = s.server
	JOIN partner_api.plans p
		ON p.server = s.plan_server AND p.plan_id = s.plan_id
	JOIN partner_api.plan_terms t
		ON t.server = p.server AND t.plan_id = p.plan_id
	CROSS JOIN LATERAL (
		SELECT partner_api.plan_frequency(p.frequency) AS frequency,
			   CASE t.billing WHEN 'prepaid' THEN t.issue_days
							  ELSE -t.issue_days END AS ahead,
			   coalesce(upper(issued) - 1, z.today) AS issued_until) f
	CROSS JOIN LATERAL partner_api.periods_due(s, f.frequency,
		p.interval_count, f.ahead, t.billing = 'postpaid',
		partner_api.last_plan_day(p, s.server), lower(issued),
		f.issued_until) d
	WHERE s.origin = 'local'
	  AND (of_server IS NULL OR s.server = of_server)
	  AND has_server_privilege(caller, z.server, 'USAGE')
	  AND (s.ends_on IS NULL OR s.invoiced_until IS NULL
		   OR s.invoiced_until < s.ends_on)
	  AND partner_api.why_not_invoiced(p, t, s.amount_cents) IS NULL
	  /* most have none yet, and that is seen without counting periods */
	  AND coalesce(s.invoiced_until + 1, s.counted_from)
		  <= f.issued_until + f.ahead
	  AND d.first_period <= d.last_period
	  AND partner_api.is_barred(s.server, s.customer_ref, t.max_overdue)
		  IS NOT TRUE
	ORDER BY s.server, s.customer_ref, s.subscription_id
	FOR UPDATE OF s SKIP LOCKED;
END
$$;
COMMENT ON FUNCTION claim_subscriptions(text, name, daterange) IS
'the subscriptions that have periods to be invoiced, locked';
REVOKE ALL ON FUNCTION claim_subscriptions(text, name, daterange) FROM PUBLIC;

/* ---- lines ---- */

/*
 * Was an instance there as one that is paid for, at some time from since until
 * until?  One that was signed, cancelled and signed again has left its former
 * subscriptions behind.
 */
CREATE FUNCTION instance_was_signed(instance instances, since timestamptz,
	until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(instance.signed_at,
			CASE WHEN instance.status IN ('signed', 'cancelling', 'ended')
				 THEN instance.created_at END) < until
		AND partner_api.instance_gone_at(instance) > since
	OR EXISTS (
		SELECT FROM partner_api.former_subscriptions f
		WHERE f.server = instance.server
		  AND f.instance_id = instance.instance_id
		  AND f.signed_at < until
		  AND least(f.ends_at, f.replaced_at) > since)
$$;
COMMENT ON FUNCTION instance_was_signed(instances, timestamptz, timestamptz) IS
'was an instance there, and signed, at some time between the two?';
REVOKE ALL ON FUNCTION instance_was_signed(instances, timestamptz,
	timestamptz) FROM PUBLIC;

CREATE FUNCTION instance_gone_at(instance instances) RETURNS timestamptz
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN least('infinity', instance.deleted_at, instance.missing_since,
	CASE instance.status
		WHEN 'lapsed' THEN instance.trial_ends_at
		WHEN 'cancelling' THEN instance.ends_at
		WHEN 'ended' THEN coalesce(instance.ends_at, instance.cancelled_at)
	END);
COMMENT ON FUNCTION instance_gone_at(instances) IS
'when an instance was gone, or will be; infinity if that is not known';
REVOKE ALL ON FUNCTION instance_gone_at(instances) FROM PUBLIC;

/* Is an instance another subscription's for some of these days? */
CREATE FUNCTION is_subscribed_apart(instance instances, starts_on date,
	until date)
RETURNS boolean
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.subscriptions o
		WHERE o.instance_server = instance.server
		  AND o.instance_id = instance.instance_id
		  AND o.origin = 'local' AND o.starts_on < until
		  AND (o.ends_on IS NULL OR o.ends_on >= is_subscribed_apart.starts_on))
$$;
COMMENT ON FUNCTION is_subscribed_apart(instances, date, date) IS
'does a subscription of our own name this instance, for some day from the first until the second?';
REVOKE ALL ON FUNCTION is_subscribed_apart(instances, date, date) FROM PUBLIC;

/*
 * The instances that a period is charged for: that of the subscription, also
 * while it is a trial, or all of the customer's that are signed and no other
 * subscription's.  Of a period that is prepaid count those that were there on
 * the day of issue, so that a run that comes late charges the same.
 */
CREATE FUNCTION instances_to_charge(s subscription_to_invoice,
	starts_on date, until date)
RETURNS SETOF instances
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	since timestamptz := starts_on::timestamp AT TIME ZONE s.time_zone;
	before timestamptz := until::timestamp AT TIME ZONE s.time_zone;
BEGIN
	IF s.instance_id IS NOT NULL THEN
		RETURN QUERY
		SELECT i.* FROM partner_api.instances i
		WHERE i.server = s.instance_server AND i.instance_id = s.instance_id
		  AND i.created_at < before
		  AND partner_api.instance_gone_at(i) > since;
	ELSE
		RETURN QUERY
		SELECT i.* FROM partner_api.instances i
		WHERE i.customer_ref = s.customer_ref AND i.origin <> 'surplus'
		  AND NOT i.billed_apart
		  AND partner_api.instance_was_signed(i, since, before)
		  AND NOT partner_api.is_subscribed_apart(i, starts_on, until)
		ORDER BY i.created_at, i.server, i.instance_id;
	END IF;
END
$$;
COMMENT ON FUNCTION instances_to_charge(subscription_to_invoice, date, date) IS
'the instances of a subscription, or of its customer, that were there from one day until another';
REVOKE ALL ON FUNCTION instances_to_charge(subscription_to_invoice, date,
	date) FROM PUBLIC;

/* until: the day after the last on which an instance counts if it is new. */
CREATE FUNCTION lines_of_period(s subscription_to_invoice, period integer,
	starts_on date, until date)
RETURNS TABLE (line integer, kind text, description text,
	instance_server name, instance_id text, amount_cents bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	line := 0;
	IF s.price_per = 'plan' THEN
		line := line + 1;
		kind := 'plan';
		description := s.plan_name;
		amount_cents := s.price_cents;
		RETURN NEXT;
	ELSE
		FOR instance_server, instance_id, description IN
			SELECT i.server, i.instance_id,
				   format('%s: %s', s.plan_name, coalesce(i.name, i.instance_id))
			FROM partner_api.instances_to_charge(s, starts_on, until) i
		LOOP
			line := line + 1;
			kind := 'instance';
			amount_cents := s.price_cents;
			RETURN NEXT;
		END LOOP;
	END IF;
	IF period = 0 AND s.setup_cents > 0 THEN
		line := line + 1;
		kind := 'setup';
		description := format('%s (set-up)', s.plan_name);
		instance_server := NULL;
		instance_id := NULL;
		amount_cents := s.setup_cents;
		RETURN NEXT;
	END IF;
END
$$;
COMMENT ON FUNCTION lines_of_period(subscription_to_invoice, integer, date,
	date) IS
'what a period of a subscription is charged for';
REVOKE ALL ON FUNCTION lines_of_period(subscription_to_invoice, integer, date,
	date) FROM PUBLIC;

