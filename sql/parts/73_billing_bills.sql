/*
 * The bills: which cycles have begun, their lines, and what they come to.
 */

CREATE TYPE billing_month AS (
	server			name,
	cycle_start		date,
	cycle_end		date,
	counted_to		date,
	due_on			date,
	expires_on		date,
	deletion_on		date,
	starts_at		timestamptz,
	known_before	timestamptz,
	status			text,
	rule_id			text,
	billed_by		text,
	prepaid			text,
	time_zone		text,
	band_mode		text,
	currency		text,
	terms			billing_terms
);
COMMENT ON TYPE billing_month IS
'a cycle that has begun, with its dates and its rule';
COMMENT ON COLUMN billing_month.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_month.cycle_start IS
'first day of the cycle';
COMMENT ON COLUMN billing_month.cycle_end IS
'last day of the cycle';
COMMENT ON COLUMN billing_month.counted_to IS
'the day that runs at the as-of time, or the last one of a cycle that is over';
COMMENT ON COLUMN billing_month.due_on IS
'day on which the bill is due';
COMMENT ON COLUMN billing_month.expires_on IS
'day on which all instances stop if it is unpaid';
COMMENT ON COLUMN billing_month.deletion_on IS
'day on which all instances are deleted if it is unpaid';
COMMENT ON COLUMN billing_month.starts_at IS
'when the cycle starts, in the rule''s zone';
COMMENT ON COLUMN billing_month.known_before IS
'what happens from then on does not count';
COMMENT ON COLUMN billing_month.status IS
'see billing_cycles';
COMMENT ON COLUMN billing_month.rule_id IS
'see billing_rules, as for the rest';

/*
 * One row for each cycle that has begun: all since the first instance, or the
 * one asked for.  OFFSET 0 keeps the planner from merging it into a query on
 * instances, where the terms would be collected anew for each row.
 */
CREATE FUNCTION billing_calendar(as_of timestamptz, of_server name,
								 of_cycle date)
RETURNS SETOF billing_month
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT f.server, month.first_day, month.last_day,
		   least(month.last_day, here.local::date),
		   month.last_day + f.due_day, month.last_day + f.expiry_day,
		   month.last_day + f.deletion_day, month.starts_at,
		   least(month.closes_at, here.now + interval '1 microsecond'),
		   CASE
			   WHEN here.now < month.closes_at THEN 'open'
			   WHEN here.local::date > month.last_day + f.due_day
				   THEN 'due_passed'
			   ELSE 'closed'
		   END,
		   f.rule_id, f.billed_by, f.prepaid, f.time_zone, f.band_mode,
		   f.currency, t
	FROM billing_terms t
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN of_cycle IS NULL
						   THEN (SELECT min(i.signed_at)
								 FROM billing_subscriptions i
								 WHERE i.server = t.server
									   AND NOT i.billed_apart)
				   END AS signed_at,
				   CASE
					   WHEN of_cycle IS NULL
							AND EXISTS (SELECT FROM billing_rules r
										WHERE r.billed_by = 'day')
						   THEN (SELECT min(i.created_at)
								 FROM instances i
								 WHERE i.server = t.server
									   AND NOT i.billed_apart)
				   END AS created_at
			OFFSET 0
		 ) earliest
		 JOIN billing_rules_in_force f ON f.server = t.server
		 CROSS JOIN LATERAL (
			SELECT as_of AS now, as_of AT TIME ZONE f.time_zone AS local,
				   coalesce(of_cycle::timestamp,
							CASE f.billed_by
								WHEN 'day' THEN earliest.created_at
								ELSE earliest.signed_at
							END AT TIME ZONE f.time_zone) AS since
		 ) here
		 CROSS JOIN LATERAL generate_series(date_trunc('month', here.since),
											here.local, '1 month') AS m (m)
		 CROSS JOIN LATERAL (
			SELECT m.m::date AS first_day,
				   (m.m + interval '1 month')::date - 1 AS last_day,
				   m.m AT TIME ZONE f.time_zone AS starts_at,
				   (m.m + interval '1 month')
				   AT TIME ZONE f.time_zone AS closes_at
		 ) month
	WHERE (of_server IS NULL OR f.server = of_server)
		  AND (of_cycle IS NULL
			   OR month.first_day = date_trunc('month', of_cycle::timestamp))
		  AND month.first_day >= f.valid_from
		  AND month.first_day < f.valid_until
	OFFSET 0;
END;
COMMENT ON FUNCTION billing_calendar(timestamptz, name, date) IS
'the cycles that have begun, with their dates and their rule';

/* above and up_to enclose the instances of the band, counted from 1 */
CREATE FUNCTION billing_tariff(of_server name, of_rule text, of_cycle date)
RETURNS TABLE (band integer, above bigint, up_to bigint,
			   unit_price_cents bigint)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT b.band, coalesce(lag(b.up_to) OVER (ORDER BY b.up_to), 0),
		   coalesce(b.up_to, 9223372036854775807),
		   (SELECT p.unit_price_cents
			FROM billing_prices p
			WHERE p.server = of_server AND p.band <= b.band
				  AND p.valid_from <= of_cycle
			ORDER BY p.band DESC, p.valid_from DESC
			LIMIT 1)
	FROM billing_bands b
	WHERE b.rule_id = of_rule;
END;
COMMENT ON FUNCTION billing_tariff(name, text, date) IS
'bands and prices of a server in a cycle';

CREATE FUNCTION billing_lines_at(as_of timestamptz,
								 of_server name DEFAULT NULL,
								 of_cycle date DEFAULT NULL)
RETURNS TABLE (server name, cycle_start date, cycle_end date, due_on date,
			   instance_id text, name text, customer_ref text,
			   signed_at timestamptz, cancelled_at timestamptz,
			   ends_at timestamptz, ends_estimated boolean, days integer,
			   band integer, unit_price_cents bigint, amount_cents bigint,
			   currency text, rule_id text, reason text)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT c.server, c.cycle_start, c.cycle_end,
		   CASE
			   WHEN c.prepaid = 'every_cycle'
					OR (c.prepaid = 'first_cycle'
						AND l.signed_at >= c.starts_at)
				   THEN l.first_day
			   ELSE c.due_on
		   END,
		   l.instance_id, l.name, l.customer_ref, l.signed_at,
		   l.cancelled_at, l.ends_at, l.ends_estimated, l.days, t.band,
		   t.unit_price_cents, t.unit_price_cents * coalesce(l.days, 1),
		   c.currency, c.rule_id,
		   CASE
			   WHEN l.days IS NOT NULL AND l.signed_at >= c.starts_at
				   THEN CASE
							WHEN l.deleted_at IS NOT NULL
								THEN 'created and deleted in this cycle'
							WHEN l.ends_at IS NOT NULL
								THEN 'created and ended in this cycle'
							ELSE 'created in this cycle'
						END
			   WHEN l.deleted_at IS NOT NULL THEN 'deleted in this cycle'
			   WHEN l.days IS NOT NULL AND l.ends_at IS NOT NULL
				   THEN 'ended in this cycle'
			   WHEN l.cancelled_at IS NOT NULL
					AND l.signed_at >= c.starts_at
				   THEN 'signed and cancelled in this cycle'
			   WHEN l.billed_until = 'next_invoice'
				   THEN 'cancelled, billed once more'
			   WHEN l.cancelled_at IS NOT NULL
				   THEN 'cancelled, billed until it ends'
			   WHEN l.ends_at IS NOT NULL THEN 'billed until it ends'
			   WHEN l.signed_at >= c.starts_at THEN 'signed in this cycle'
			   WHEN l.missing_since IS NOT NULL
				   THEN 'continued, but missing at the provider'
			   ELSE 'continued'
		   END
		   || CASE
				  WHEN t.band IS NULL THEN '; the rule has no band for it'
				  WHEN t.unit_price_cents IS NULL THEN '; no price is set'
				  ELSE ''
			  END
	FROM billing_calendar(as_of, of_server, of_cycle) c
		 CROSS JOIN LATERAL (
			SELECT count(*) AS instances
			FROM billed_instances(c.server, c.starts_at, c.known_before,
								  c.cycle_start, c.counted_to, c.time_zone,
								  c.billed_by, c.terms)
			WHERE c.band_mode = 'volume'
		 ) volume
		 CROSS JOIN LATERAL (
			SELECT i.*,
				   CASE c.band_mode
					   WHEN 'volume' THEN volume.instances
					   ELSE row_number() OVER (
							ORDER BY i.signed_at, i.instance_id COLLATE "C")
				   END AS rank
			FROM billed_instances(c.server, c.starts_at, c.known_before,
								  c.cycle_start, c.counted_to, c.time_zone,
								  c.billed_by, c.terms) i
		 ) l
		 LEFT JOIN LATERAL
			billing_tariff(c.server, c.rule_id, c.cycle_start) t
			ON l.rank > t.above AND l.rank <= t.up_to;
END;
COMMENT ON FUNCTION billing_lines_at(timestamptz, name, date) IS
'the lines of the bills as known at a time, of all servers and cycles or of one';

/* what the instances of a cycle add up to, as billing_bill() needs it */
CREATE TYPE billing_sums AS (
	instances			bigint,
	new_instances		bigint,
	cancelled_instances	bigint,
	uncertain_instances	bigint,
	days				bigint,
	new_days			bigint
);
COMMENT ON TYPE billing_sums IS
'the numbers that the bill of a cycle follows from';
COMMENT ON COLUMN billing_sums.instances IS
'instances billed';
COMMENT ON COLUMN billing_sums.new_instances IS
'of these, new in this cycle';
COMMENT ON COLUMN billing_sums.cancelled_instances IS
'of all, cancelled, or deleted where billed by the day';
COMMENT ON COLUMN billing_sums.uncertain_instances IS
'of all, on the bill by an end that was computed here';
COMMENT ON COLUMN billing_sums.days IS
'days of all of them; null where billed by the month';
COMMENT ON COLUMN billing_sums.new_days IS
'days of the new ones';

/*
 * Each reads the instances once.  They are not one aggregate of
 * billed_instances(), which could not be computed in parallel.
 */
CREATE FUNCTION billing_month_sums(of_server name, starts_at timestamptz,
								   known_before timestamptz,
								   terms billing_terms)
RETURNS SETOF billing_sums
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT count(*), count(*) FILTER (WHERE i.signed_at >= starts_at),
		   count(i.cancelled_at),
		   count(CASE WHEN i.cancelled_at < starts_at
					  THEN nullif(i.ends_estimated, false) END),
		   NULL::bigint, NULL::bigint
	FROM billed_by_month(of_server, starts_at, known_before, terms) i;
END;
COMMENT ON FUNCTION billing_month_sums(name, timestamptz, timestamptz,
									   billing_terms) IS
'what the instances of a cycle add up to where they are billed by the month';

CREATE FUNCTION billing_day_sums(of_server name, starts_at timestamptz,
								 known_before timestamptz, cycle_start date,
								 counted_to date, zone text)
RETURNS SETOF billing_sums
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT count(*), count(*) FILTER (WHERE i.created_at >= starts_at),
		   count(i.ends_at), 0::bigint, coalesce(sum(i.days), 0),
		   coalesce(sum(i.days) FILTER (WHERE i.created_at >= starts_at), 0)
	FROM billed_by_day(of_server, starts_at, known_before, cycle_start,
					   counted_to, zone) i;
END;
COMMENT ON FUNCTION billing_day_sums(name, timestamptz, timestamptz, date,
									 date, text) IS
'what the instances of a cycle add up to where they are billed by the day';

/*
 * The price of each band and how many units have it: instances, or their
 * days.  How many instances fall into a band follows from their number, so
 * that none has to be ranked.  That gives the days too where all instances
 * are in one band; where they are not, those of the band are read.
 */
CREATE FUNCTION billing_units(month billing_month, sums billing_sums)
RETURNS TABLE (unit_price_cents bigint, instances bigint, units bigint,
			   new_units bigint, running bigint)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.unit_price_cents, share.instances, u.units, u.new_units,
		   u.running
	FROM billing_tariff((month).server, (month).rule_id,
						(month).cycle_start) t
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN (month).band_mode = 'graduated'
						   THEN greatest(least((sums).instances, t.up_to)
										 - t.above, 0)
					   WHEN (sums).instances > t.above
							AND (sums).instances <= t.up_to
						   THEN (sums).instances
					   ELSE 0
				   END AS instances
		 ) share
		 CROSS JOIN LATERAL (
			SELECT share.instances AS units, 0 AS new_units, 0 AS running
			WHERE (month).billed_by = 'month'
			UNION ALL
			SELECT (sums).days, (sums).new_days,
				   (sums).instances - (sums).cancelled_instances
			WHERE (month).billed_by = 'day'
				  AND share.instances = (sums).instances
			UNION ALL
			SELECT sum(i.days),
				   sum(i.days) FILTER (WHERE i.created_at
											 >= (month).starts_at),
				   count(*) - count(i.ends_at)
			FROM (SELECT d.*,
						 row_number() OVER (
							ORDER BY d.created_at,
									 d.instance_id COLLATE "C") AS rank
				  FROM billed_by_day((month).server, (month).starts_at,
									 (month).known_before,
									 (month).cycle_start, (month).counted_to,
									 (month).time_zone) d) i
			WHERE (month).billed_by = 'day'
				  AND share.instances BETWEEN 1 AND (sums).instances - 1
				  AND i.rank > t.above AND i.rank <= t.up_to
			HAVING (month).billed_by = 'day'
				   AND share.instances BETWEEN 1 AND (sums).instances - 1
		 ) u
	WHERE share.instances > 0;
END;
COMMENT ON FUNCTION billing_units(billing_month, billing_sums) IS
'how many instances or days have which price in a cycle';

/* A bill without its lines; none before there was any instance. */
CREATE FUNCTION billing_bill(month billing_month, sums billing_sums)
RETURNS TABLE (server name, cycle_start date, cycle_end date, status text,
			   instances bigint, new_instances bigint,
			   continued_instances bigint, cancelled_instances bigint,
			   unpriced_instances bigint, days bigint, amount_cents bigint,
			   prepaid_cents bigint, projected_cents bigint, currency text,
			   is_estimate boolean, due_on date, expires_on date,
			   deletion_on date, rule_id text)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT (month).server, (month).cycle_start, (month).cycle_end,
		   (month).status, (sums).instances, (sums).new_instances,
		   (sums).instances - (sums).new_instances,
		   (sums).cancelled_instances, (sums).instances - cost.priced,
		   (sums).days,
		   CASE WHEN known.entirely THEN cost.of_units::bigint END,
		   CASE WHEN known.entirely THEN cost.of_prepaid::bigint END,
		   CASE WHEN known.entirely
				THEN (cost.of_units + cost.of_running_day
					  * ((month).cycle_end - (month).counted_to))::bigint END,
		   (month).currency,
		   (month).status = 'open' OR (sums).uncertain_instances > 0,
		   (month).due_on, (month).expires_on, (month).deletion_on,
		   (month).rule_id
	FROM (SELECT coalesce(sum(u.units * u.unit_price_cents::numeric), 0)
				 AS of_units,
				 coalesce(sum(CASE (month).prepaid
								  WHEN 'first_cycle' THEN u.new_units
								  WHEN 'every_cycle' THEN u.units
							  END * u.unit_price_cents::numeric), 0)
				 AS of_prepaid,
				 coalesce(sum(u.running * u.unit_price_cents::numeric), 0)
				 AS of_running_day,
				 coalesce(sum(u.instances)
						  FILTER (WHERE u.unit_price_cents IS NOT NULL),
						  0)::bigint AS priced
		  FROM billing_units(month, sums) u) cost
		 CROSS JOIN LATERAL (
			SELECT cost.priced = (sums).instances AS entirely
		 ) known
	WHERE (sums).instances > 0
		  OR CASE (month).billed_by
				 WHEN 'day' THEN
					 EXISTS (SELECT FROM instances i
							 WHERE i.server = (month).server
								   AND NOT i.billed_apart
								   AND i.created_at < (month).known_before)
				 ELSE
					 EXISTS (SELECT FROM billing_subscriptions i
							 WHERE i.server = (month).server
								   AND NOT i.billed_apart
								   AND i.signed_at < (month).known_before)
			 END;
END;
COMMENT ON FUNCTION billing_bill(billing_month, billing_sums) IS
'the bill of a cycle';

CREATE FUNCTION billing_cycles_at(as_of timestamptz,
								  of_server name DEFAULT NULL,
								  of_cycle date DEFAULT NULL)
RETURNS TABLE (server name, cycle_start date, cycle_end date, status text,
			   instances bigint, new_instances bigint,
			   continued_instances bigint, cancelled_instances bigint,
			   unpriced_instances bigint, days bigint, amount_cents bigint,
			   prepaid_cents bigint, projected_cents bigint, currency text,
			   is_estimate boolean, due_on date, expires_on date,
			   deletion_on date, rule_id text)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT b.*
	FROM billing_calendar(as_of, of_server, of_cycle) c
		 CROSS JOIN LATERAL (
			SELECT m AS sums
			FROM billing_month_sums(c.server, c.starts_at, c.known_before,
									c.terms) m
			WHERE c.billed_by = 'month'
			UNION ALL
			SELECT d
			FROM billing_day_sums(c.server, c.starts_at, c.known_before,
								  c.cycle_start, c.counted_to,
								  c.time_zone) d
			WHERE c.billed_by = 'day'
		 ) n
		 CROSS JOIN LATERAL billing_bill(c, n.sums) b;
END;
COMMENT ON FUNCTION billing_cycles_at(timestamptz, name, date) IS
'the bills as known at a time, of all servers and cycles or of one';

CREATE VIEW billing_lines AS
SELECT * FROM billing_lines_at(clock());
COMMENT ON VIEW billing_lines IS
'one line for each instance in each cycle in which the provider bills it';
COMMENT ON COLUMN billing_lines.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_lines.cycle_start IS
'first day of the cycle, in the rule''s zone';
COMMENT ON COLUMN billing_lines.cycle_end IS
'last day of the cycle';
COMMENT ON COLUMN billing_lines.due_on IS
'day on which the bill is due; for what is prepaid the first day billed';
COMMENT ON COLUMN billing_lines.instance_id IS
'the provider''s id';
COMMENT ON COLUMN billing_lines.name IS
'name as given';
COMMENT ON COLUMN billing_lines.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN billing_lines.signed_at IS
'when the subscription began; billed by the day: when the instance was created';
COMMENT ON COLUMN billing_lines.cancelled_at IS
'when it was cancelled (billed by the day: deleted), if that was before the cycle closed';
COMMENT ON COLUMN billing_lines.ends_at IS
'when the service ends, as far as was known when the cycle closed';
COMMENT ON COLUMN billing_lines.ends_estimated IS
'ends_at was computed from the rule because the provider did not say';
COMMENT ON COLUMN billing_lines.days IS
'days that are billed, by now if the cycle is open; null: billed by the month';
COMMENT ON COLUMN billing_lines.band IS
'price band, see billing_bands; null: the rule has none for so many instances';
COMMENT ON COLUMN billing_lines.unit_price_cents IS
'price of one instance for the cycle, or for a day of it; null: none is set';
COMMENT ON COLUMN billing_lines.amount_cents IS
'what the line costs; null: not known, which is not zero';
COMMENT ON COLUMN billing_lines.currency IS
'ISO 4217 code';
COMMENT ON COLUMN billing_lines.rule_id IS
'rule of the cycle, see billing_rules';
COMMENT ON COLUMN billing_lines.reason IS
'why the instance is billed in this cycle, and why it has no price if it has none';

CREATE VIEW billing_cycles AS
SELECT * FROM billing_cycles_at(clock());
COMMENT ON VIEW billing_cycles IS
'one bill for each server and month since its first instance was signed';
COMMENT ON COLUMN billing_cycles.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_cycles.cycle_start IS
'first day of the cycle, in the rule''s zone';
COMMENT ON COLUMN billing_cycles.cycle_end IS
'last day of the cycle';
COMMENT ON COLUMN billing_cycles.status IS
'open: still running; closed: not past its due day; due_passed: should be paid';
COMMENT ON COLUMN billing_cycles.instances IS
'instances billed: those new and those continued';
COMMENT ON COLUMN billing_cycles.new_instances IS
'of these, signed in this cycle';
COMMENT ON COLUMN billing_cycles.continued_instances IS
'of these, signed in an earlier cycle';
COMMENT ON COLUMN billing_cycles.cancelled_instances IS
'of all, cancelled (billed by the day: deleted) before the cycle closed';
COMMENT ON COLUMN billing_cycles.unpriced_instances IS
'of all, without a price';
COMMENT ON COLUMN billing_cycles.days IS
'days that are billed, of all instances together, by now if the cycle is open; null: billed by the month';
COMMENT ON COLUMN billing_cycles.amount_cents IS
'what the bill comes to, days to come not included; null as long as an instance has no price';
COMMENT ON COLUMN billing_cycles.prepaid_cents IS
'of this, what was due within the cycle and not on due_on';
COMMENT ON COLUMN billing_cycles.projected_cents IS
'what the bill will come to if nothing more happens';
COMMENT ON COLUMN billing_cycles.currency IS
'ISO 4217 code';
COMMENT ON COLUMN billing_cycles.is_estimate IS
'the cycle is still open, or a line is there by an end that was computed here';
COMMENT ON COLUMN billing_cycles.due_on IS
'day on which the bill is due';
COMMENT ON COLUMN billing_cycles.expires_on IS
'day on which all instances stop if it is unpaid';
COMMENT ON COLUMN billing_cycles.deletion_on IS
'day on which all instances are deleted if it is unpaid';
COMMENT ON COLUMN billing_cycles.rule_id IS
'rule of the cycle, see billing_rules';

/*
 * The same for one cycle, with its dates and its rule as constants: so the
 * instances are read in parallel.  Compiling the query would take as long as
 * reading 500,000 instances.
 */
CREATE FUNCTION billing_cycle(of_server name, of_cycle date,
							  as_of timestamptz DEFAULT clock())
RETURNS SETOF billing_cycles
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	c partner_api.billing_month;
BEGIN
	FOR c IN
		SELECT m.*
		FROM partner_api.billing_calendar(as_of, of_server, of_cycle) m
	LOOP
		IF c.billed_by = 'day' THEN
			RETURN QUERY
			SELECT b.*
			FROM partner_api.billing_day_sums(c.server, c.starts_at,
											  c.known_before, c.cycle_start,
											  c.counted_to, c.time_zone) n
			CROSS JOIN LATERAL partner_api.billing_bill(c, n) b;
		ELSE
			RETURN QUERY
			SELECT b.*
			FROM partner_api.billing_month_sums(c.server, c.starts_at,
												c.known_before, c.terms) n
			CROSS JOIN LATERAL partner_api.billing_bill(c, n) b;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION billing_cycle(name, date, timestamptz) IS
'one bill, the fast way: of_cycle is any day of its month';

/* what would otherwise be missing from a bill without a word */
CREATE VIEW billing_gaps AS
SELECT i.server, count(*) AS instances,
	   'no billing rule for the month in which they were signed' AS problem
FROM billing_subscriptions i
	 LEFT JOIN billing_terms t ON t.server = i.server
WHERE i.signed_at IS NOT NULL AND NOT i.billed_apart
	  AND coalesce(i.signed_at < t.since[1], true)
GROUP BY i.server
UNION ALL
SELECT i.server, count(*), 'subscribed, but not known since when'
FROM instances i
WHERE i.signed_at IS NULL AND i.status IN ('signed', 'cancelling')
	  AND NOT i.billed_apart
GROUP BY i.server
UNION ALL
SELECT i.server, count(*), 'billed apart: they have another tariff, or are free'
FROM instances i
WHERE i.billed_apart
GROUP BY i.server;
COMMENT ON VIEW billing_gaps IS
'instances that the bills cannot include, by server and reason';
COMMENT ON COLUMN billing_gaps.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_gaps.instances IS
'how many instances';
COMMENT ON COLUMN billing_gaps.problem IS
'why they are not billed here';
