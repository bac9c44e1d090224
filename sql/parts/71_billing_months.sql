/*
 * Rules by the month: which instances are billed in a cycle, always for a
 * whole one.  What takes an instance off the bill is the end of its
 * subscription, which follows from its cancel.
 */

/*
 * Counted from the first day, so that 31 January gives 28 February, 31 March.
 * Here and below COST is what it costs a row of instances on average, next to
 * nothing, since few rows get there: the default would have the planner
 * compile each query, which takes longer than to run it.
 */
CREATE FUNCTION billing_next_due(signed_at timestamptz, moment timestamptz,
								 zone text)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
RETURN (
	WITH here AS (
		SELECT signed_at AT TIME ZONE zone AS signed,
			   moment AT TIME ZONE zone AS moment
	), whole AS (
		SELECT h.signed, h.moment,
			   (extract(year FROM h.moment)
				- extract(year FROM h.signed)) * 12
			   + extract(month FROM h.moment)
			   - extract(month FROM h.signed) AS months
		FROM here h
	)
	SELECT min(w.signed + make_interval(months => w.months::integer + n.n))
		   AT TIME ZONE zone
	FROM whole w, generate_series(0, 1) AS n (n)
	WHERE w.signed + make_interval(months => w.months::integer + n.n)
		  > w.moment
);
COMMENT ON FUNCTION billing_next_due(timestamptz, timestamptz, text) IS
'the first monthly due time after a moment, counted from when the subscription began';

/* where the cancel was before the first rule, it is taken as the end */
CREATE FUNCTION billing_end(cancel_rule text, cancel_days integer, zone text,
							signed_at timestamptz, cancelled_at timestamptz)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1
RETURN CASE cancel_rule
	WHEN 'days' THEN (cancelled_at AT TIME ZONE zone
					  + make_interval(days => cancel_days)) AT TIME ZONE zone
	WHEN 'month_end' THEN (date_trunc('month', cancelled_at AT TIME ZONE zone)
						   + interval '1 month') AT TIME ZONE zone
	WHEN 'original_due' THEN billing_next_due(signed_at, cancelled_at, zone)
	ELSE cancelled_at
END;
COMMENT ON FUNCTION billing_end(text, integer, text, timestamptz,
								timestamptz) IS
'when a cancelled instance ends if the provider does not say: an estimate';

/* a month, which is what the other rules need, and the odd hours of a zone */
CREATE FUNCTION billing_reach() RETURNS interval
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN (SELECT make_interval(days => 2 + greatest(31, max(r.cancel_days)))
		FROM billing_rules r);
COMMENT ON FUNCTION billing_reach() IS
'no computed end is further from its cancel than this';

/*
 * At each time at most one of an instance counts: that which is not replaced.
 * A condition on instances here would keep the planner from reading them
 * directly.
 */
CREATE VIEW billing_subscriptions AS
SELECT i.server, i.instance_id, i.name, i.customer_ref, i.signed_at,
	   i.cancelled_at, i.ends_at, i.deleted_at, i.missing_since,
	   i.provider_due_at, i.trial_ends_at,
	   NULL::timestamptz AS replaced_at, i.billed_apart
FROM instances i
UNION ALL
SELECT f.server, f.instance_id, i.name, i.customer_ref, f.signed_at,
	   f.cancelled_at, f.ends_at, NULL, NULL, f.provider_due_at,
	   i.trial_ends_at, f.replaced_at, coalesce(i.billed_apart, false)
FROM former_subscriptions f
	 LEFT JOIN instances i
		ON i.server = f.server AND i.instance_id = f.instance_id;
COMMENT ON VIEW billing_subscriptions IS
'every subscription that there is or was, and trials: an instance that was signed again after a cancel has several rows';
COMMENT ON COLUMN billing_subscriptions.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_subscriptions.instance_id IS
'the provider''s id';
COMMENT ON COLUMN billing_subscriptions.name IS
'name as given';
COMMENT ON COLUMN billing_subscriptions.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN billing_subscriptions.signed_at IS
'when it began; null if the instance was never signed';
COMMENT ON COLUMN billing_subscriptions.cancelled_at IS
'when it was cancelled';
COMMENT ON COLUMN billing_subscriptions.ends_at IS
'when the service ends, as the provider states it';
COMMENT ON COLUMN billing_subscriptions.deleted_at IS
'when the instance was deleted by us';
COMMENT ON COLUMN billing_subscriptions.missing_since IS
'when a complete list first did not show the instance any more';
COMMENT ON COLUMN billing_subscriptions.provider_due_at IS
'the provider''s last stated due time';
COMMENT ON COLUMN billing_subscriptions.trial_ends_at IS
'when the trial of the instance ended';
COMMENT ON COLUMN billing_subscriptions.replaced_at IS
'when the next subscription of the instance began; null for the last one';
COMMENT ON COLUMN billing_subscriptions.billed_apart IS
'the instance is not on the partner''s bill';

/*
 * The instances that are billed in a cycle, from what was known before a
 * moment: the close of the cycle, or less if it is still open, so that what
 * happens later does not change the bill.  An end that the provider stated,
 * also as the due time where the rule says that service lasts until then, is
 * never overruled by a computed one; it comes to be known with the cancel,
 * unless it is older, as where an instance was found after it had ended.  The
 * rule is that of the month of the cancel, however long the end takes.
 *
 * Nearly all rows of a large table have no end, or one long ago: the first two
 * branches of the CASE settle them before any end is computed.  (A computed
 * end is not before its cancel.)
 */
CREATE FUNCTION billed_by_month(of_server name, starts_at timestamptz,
								known_before timestamptz,
								terms billing_terms)
RETURNS TABLE (instance_id text, name text, customer_ref text,
			   signed_at timestamptz, cancelled_at timestamptz,
			   deleted_at timestamptz, missing_since timestamptz,
			   ends_at timestamptz, ends_estimated boolean,
			   billed_until text)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT i.instance_id, i.name, i.customer_ref, i.signed_at,
		   known.cancelled_at, known.deleted_at,
		   CASE WHEN i.missing_since < known_before THEN i.missing_since END,
		   least(provider.ends_at, own.ends_at, known.deleted_at),
		   coalesce(own.ends_at < known.deleted_at, own.ends_at IS NOT NULL),
		   (terms).billed_until[term.n]
	FROM billing_subscriptions i
		 CROSS JOIN LATERAL (
			SELECT CASE WHEN i.cancelled_at < known_before
						THEN i.cancelled_at END AS cancelled_at,
				   CASE WHEN i.deleted_at < known_before
						THEN i.deleted_at END AS deleted_at
		 ) known
		 CROSS JOIN LATERAL (
			SELECT width_bucket(known.cancelled_at, (terms).since) AS n
		 ) term
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN i.cancelled_at >= known_before
							AND coalesce(i.ends_at >= i.cancelled_at, true)
						   THEN NULL
					   WHEN i.ends_at IS NOT NULL THEN i.ends_at
					   WHEN (terms).cancel_rule[term.n] = 'original_due'
							AND nullif(i.provider_due_at,
									   i.trial_ends_at) > i.cancelled_at
						   THEN i.provider_due_at
				   END AS ends_at
		 ) provider
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN known.cancelled_at IS NOT NULL
							AND provider.ends_at IS NULL
						   THEN billing_end((terms).cancel_rule[term.n],
											(terms).cancel_days[term.n],
											(terms).time_zone[term.n],
											i.signed_at, i.cancelled_at)
				   END AS ends_at
		 ) own
	WHERE i.server = of_server
		  AND NOT i.billed_apart
		  AND i.signed_at < known_before
		  AND coalesce(i.replaced_at >= known_before, true)
		  AND CASE
				  WHEN i.ends_at IS NULL AND i.deleted_at IS NULL
					   AND coalesce(i.cancelled_at >= starts_at, true)
					  THEN true
				  WHEN i.cancelled_at < starts_at - (SELECT billing_reach())
					   AND coalesce(greatest(i.ends_at, i.provider_due_at)
									<= starts_at, true)
					  THEN false
				  WHEN (terms).billed_until[term.n] = 'next_invoice'
					   AND i.cancelled_at < starts_at
					  THEN false
				  ELSE coalesce(least(provider.ends_at, own.ends_at,
									  known.deleted_at) > starts_at, true)
			  END;
END;
COMMENT ON FUNCTION billed_by_month(name, timestamptz, timestamptz,
									billing_terms) IS
'instances that a rule by the month bills in the cycle that starts at a time';
