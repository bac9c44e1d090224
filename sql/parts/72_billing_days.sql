/*
 * Rules by the day: an instance is billed on the day of its creation and on
 * each later day at whose beginning it exists.  Its days in a cycle are what
 * the range from its first to its last day and that of the cycle have in
 * common, so they follow from two dates and no day is ever generated.  What
 * the provider bills apart is left out, and in billing_gaps.
 */

/*
 * The days are counted up to the end of the cycle, or to the day that runs
 * while it is open: counted_to.  known_before is as for rules by the month.
 *
 * What ends at midnight does not exist at the beginning of the new day: the
 * last day is that of the moment before.  It is not before the first day,
 * also if both times are the same: the day of creation is always billed.
 *
 * Nearly all rows of a large table were created before the cycle and still
 * exist, so that no time of theirs has to be taken to the provider's zone.
 */
CREATE FUNCTION billed_by_day(of_server name, starts_at timestamptz,
							  known_before timestamptz, cycle_start date,
							  counted_to date, zone text)
RETURNS TABLE (instance_id text, name text, customer_ref text,
			   created_at timestamptz, deleted_at timestamptz,
			   ends_at timestamptz, missing_since timestamptz,
			   first_day date, days integer)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT i.instance_id, i.name, i.customer_ref, i.created_at,
		   CASE WHEN i.deleted_at < known_before THEN i.deleted_at END,
		   known.ends_at,
		   CASE WHEN i.missing_since < known_before THEN i.missing_since END,
		   of_first.day,
		   CASE
			   WHEN known.ends_at IS NULL THEN counted_to
			   ELSE greatest(of_first.day,
							 ((known.ends_at - interval '1 microsecond')
							  AT TIME ZONE zone)::date)
		   END - of_first.day + 1
	FROM instances i
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN least(i.deleted_at, i.ends_at) < known_before
						   THEN least(i.deleted_at, i.ends_at)
				   END AS ends_at
		 ) known
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN i.created_at < starts_at THEN cycle_start
					   ELSE (i.created_at AT TIME ZONE zone)::date
				   END AS day
		 ) of_first
	WHERE i.server = of_server
		  AND NOT i.billed_apart
		  AND i.created_at < known_before
		  AND (coalesce(least(i.deleted_at, i.ends_at) > starts_at, true)
			   OR i.created_at >= starts_at);
END;
COMMENT ON FUNCTION billed_by_day(name, timestamptz, timestamptz, date, date,
								  text) IS
'instances that a rule by the day bills in the cycle that starts at a time, and their days';

/*
 * The instances of a cycle by whichever rule it has: the other one's half is
 * not executed.  For a rule by the day the subscription is the instance's
 * life.
 */
CREATE FUNCTION billed_instances(of_server name, starts_at timestamptz,
								 known_before timestamptz, cycle_start date,
								 counted_to date, zone text, billed_by text,
								 terms billing_terms)
RETURNS TABLE (instance_id text, name text, customer_ref text,
			   signed_at timestamptz, cancelled_at timestamptz,
			   deleted_at timestamptz, missing_since timestamptz,
			   ends_at timestamptz, ends_estimated boolean,
			   billed_until text, first_day date, days integer)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT m.*, NULL::date, NULL::integer
	FROM billed_by_month(of_server, starts_at, known_before, terms) m
	WHERE billed_by = 'month'
	UNION ALL
	SELECT d.instance_id, d.name, d.customer_ref, d.created_at, d.ends_at,
		   d.deleted_at, d.missing_since, d.ends_at, false, NULL,
		   d.first_day, d.days
	FROM billed_by_day(of_server, starts_at, known_before, cycle_start,
					   counted_to, zone) d
	WHERE billed_by = 'day';
END;
COMMENT ON FUNCTION billed_instances(name, timestamptz, timestamptz, date,
									 date, text, text, billing_terms) IS
'instances that are billed in the cycle that starts at a time';
