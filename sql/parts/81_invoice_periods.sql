/*
 * What a subscription is to be invoiced: its periods, which are counted from
 * its counted_from, and what each is charged for.
 *
 * The functions that the planner must see through, so that a run over many
 * subscriptions computes in place, carry no SET clause, which would prevent
 * that.  Their bodies are of the kind that is parsed when the function is
 * created: no search_path has a say in them.
 */

/* ---- periods ---- */

/* How many months a unit of a frequency has; null: it is none of months. */
CREATE FUNCTION frequency_months(frequency text) RETURNS integer
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE frequency WHEN 'monthly' THEN 1 WHEN 'annualy' THEN 12 END;
COMMENT ON FUNCTION frequency_months(text) IS
'months of a unit of a frequency; null: it is counted in days';
REVOKE ALL ON FUNCTION frequency_months(text) FROM PUBLIC;

CREATE FUNCTION frequency_days(frequency text) RETURNS integer
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE frequency WHEN 'daily' THEN 1 WHEN 'weekly' THEN 7 END;
COMMENT ON FUNCTION frequency_days(text) IS
'days of a unit of a frequency; null: it is counted in months';
REVOKE ALL ON FUNCTION frequency_days(text) FROM PUBLIC;

/*
 * Each period is counted from the same day, so that one that begins on the
 * 31st does so again after the months that have none.
 */
CREATE FUNCTION period_start(counted_from date, frequency text,
	interval_count integer, period integer)
RETURNS date
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN coalesce(
	counted_from
		+ period * interval_count * partner_api.frequency_days(frequency),
	(counted_from + make_interval(months =>
		period * interval_count
		* partner_api.frequency_months(frequency)))::date);
COMMENT ON FUNCTION period_start(date, text, integer, integer) IS
'first day of a period, counted from 0';
REVOKE ALL ON FUNCTION period_start(date, text, integer, integer) FROM PUBLIC;

/* How many whole months lie between two days; their ends count as whole. */
CREATE FUNCTION months_until(counted_from date, day date) RETURNS integer
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN (
	SELECT m.months - CASE
			WHEN counted_from + make_interval(months => m.months) > day
			THEN 1 ELSE 0 END
	FROM (SELECT (12 * (date_part('year', day)
						- date_part('year', counted_from))
				  + date_part('month', day)
				  - date_part('month', counted_from))::integer AS months) m);
COMMENT ON FUNCTION months_until(date, date) IS
'whole months from one day to another';
REVOKE ALL ON FUNCTION months_until(date, date) FROM PUBLIC;

CREATE FUNCTION period_of(counted_from date, frequency text,
	interval_count integer, day date)
RETURNS integer
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN floor(coalesce(
	(day - counted_from)::double precision
		/ partner_api.frequency_days(frequency),
	partner_api.months_until(counted_from, day)::double precision
		/ partner_api.frequency_months(frequency))
	/ interval_count)::integer;
COMMENT ON FUNCTION period_of(date, text, integer, date) IS
'number of the period that a day lies in, counted from 0; negative before the first';
REVOKE ALL ON FUNCTION period_of(date, text, integer, date) FROM PUBLIC;

/* ---- subscriptions that are to be invoiced ---- */

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
		OR coalesce(plan.interval_count, 0) < 1
		THEN 'the frequency of its plan is not known'
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
CROSS JOIN LATERAL (
	SELECT coalesce(partner_api.why_not_invoiced(p, t, s.amount_cents),
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
 * for; what has none is every day until today.
 *
 * The day of issue is so many days from the beginning of a period, or for
 * "postpaid" of the one that follows it.  A plan that was given another
 * frequency goes on from the day up to which there are invoices.
 */
CREATE FUNCTION claim_subscriptions(caller text, of_server name,
	issued daterange)
RETURNS SETOF subscription_to_invoice
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	WITH servers AS MATERIALIZED (
		SELECT f.srvname AS server,
			   partner_api.server_zone(f.srvname) AS time_zone,
			   partner_api.server_day(f.srvname) AS today
		FROM pg_foreign_server f
		JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw
		WHERE w.fdwname = 'partner_api'
		  AND has_server_privilege(caller, f.oid, 'USAGE')
		  AND (of_server IS NULL OR f.srvname = of_server))
	SELECT s.server, s.subscription_id, s.customer_ref, s.plan_server,
		   s.plan_id, coalesce(p.name, p.plan_id), s.instance_server,
		   s.instance_id, coalesce(s.amount_cents, p.amount_cents),
		   CASE WHEN s.invoiced_until IS NULL
				THEN p.setup_amount_cents END,
		   f.frequency, p.interval_count, t.billing, t.price_per,
		   t.billing_type, t.issue_days, t.due_days, z.time_zone, z.today,
		   g.counted_from, n.next_period, b.first_period, e.last_period
	FROM partner_api.subscriptions s
	JOIN servers z ON z.server = s.server
	JOIN partner_api.plans p
		ON p.server = s.plan_server AND p.plan_id = s.plan_id
	JOIN partner_api.plan_terms t
		ON t.server = p.server AND t.plan_id = p.plan_id
	CROSS JOIN LATERAL (
		SELECT partner_api.plan_frequency(p.frequency) AS frequency,
			   s.invoiced_until + 1 AS next_start,
			   CASE t.billing WHEN 'prepaid' THEN 0 ELSE 1 END AS later,
			   CASE t.billing WHEN 'prepaid' THEN t.issue_days
							  ELSE -t.issue_days END AS ahead) f
	CROSS JOIN LATERAL (
		SELECT CASE WHEN f.next_start <> partner_api.period_start(
				s.counted_from, f.frequency, p.interval_count,
				partner_api.period_of(s.counted_from, f.frequency,
									  p.interval_count, f.next_start))
			   THEN f.next_start ELSE s.counted_from END AS counted_from) g
	CROSS JOIN LATERAL (
		SELECT coalesce(partner_api.period_of(g.counted_from, f.frequency,
			p.interval_count, f.next_start), 0) AS next_period) n
	CROSS JOIN LATERAL (
		SELECT greatest(n.next_period, partner_api.period_of(g.counted_from,
			f.frequency, p.interval_count,
			lower(issued) + f.ahead - 1) + 1 - f.later) AS first_period) b
	CROSS JOIN LATERAL (
		SELECT least(b.first_period + 99,
			partner_api.period_of(g.counted_from, f.frequency,
				p.interval_count, coalesce(upper(issued) - 1, z.today)
								  + f.ahead) - f.later,
			partner_api.period_of(g.counted_from, f.frequency,
				p.interval_count, s.ends_on),
			partner_api.period_of(g.counted_from, f.frequency,
				p.interval_count,
				CASE WHEN p.expire_subscriptions IS NOT FALSE
						  AND p.has_expiration IS NOT FALSE
				THEN (p.plan_expiration_date AT TIME ZONE z.time_zone
					  - interval '1 microsecond')::date END))
			AS last_period) e
	WHERE s.origin = 'local'
	  AND (s.ends_on IS NULL OR s.invoiced_until IS NULL
		   OR s.invoiced_until < s.ends_on)
	  AND partner_api.why_not_invoiced(p, t, s.amount_cents) IS NULL
	  AND b.first_period <= e.last_period
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

/*
 * The instances that a period is charged for: that of the subscription, also
 * while it is a trial, or all of the customer's that are signed.  Of a period
 * that is prepaid count those that were there on the day of issue, so that a
 * run that comes late charges the same.
 */
CREATE FUNCTION instances_to_charge(s subscription_to_invoice,
	since timestamptz, until timestamptz)
RETURNS SETOF instances
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF s.instance_id IS NOT NULL THEN
		RETURN QUERY
		SELECT i.* FROM partner_api.instances i
		WHERE i.server = s.instance_server AND i.instance_id = s.instance_id
		  AND i.created_at < until
		  AND partner_api.instance_gone_at(i) > since;
	ELSE
		RETURN QUERY
		SELECT i.* FROM partner_api.instances i
		WHERE i.customer_ref = s.customer_ref AND i.origin <> 'surplus'
		  AND partner_api.instance_was_signed(i, since, until)
		ORDER BY i.created_at, i.server, i.instance_id;
	END IF;
END
$$;
COMMENT ON FUNCTION instances_to_charge(subscription_to_invoice, timestamptz,
	timestamptz) IS
'the instances of a subscription, or of its customer, that were there between the two';
REVOKE ALL ON FUNCTION instances_to_charge(subscription_to_invoice,
	timestamptz, timestamptz) FROM PUBLIC;

/* until: the day after the last on which an instance counts if it is new. */
CREATE FUNCTION lines_of_period(s subscription_to_invoice, period integer,
	starts_on date, until date)
RETURNS TABLE (line integer, kind text, description text,
	instance_server name, instance_id text, amount_cents bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
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
			FROM partner_api.instances_to_charge(s,
				starts_on::timestamp AT TIME ZONE s.time_zone,
				until::timestamp AT TIME ZONE s.time_zone) i
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

