/*
 * Birthdays of customers, which the provider does not know.  Who was born on
 * 29 February has the last day of February in other years.
 */

/* By the index on month and day: what has its birthday on one of the days. */
CREATE FUNCTION birthdays_between(of_server name, since date, until date)
RETURNS TABLE (server name, customer_ref text, name text, birth_date date,
			   birthday date)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT c.server, c.customer_ref, c.name, c.birth_date, d.day
	FROM (
		SELECT g.day::date AS day, g.day::date AS as_of
		FROM generate_series(since, until, interval '1 day') AS g (day)
		UNION ALL
		/* 29 February, on the 28th of a year that has none */
		SELECT g.day::date, date '2000-02-29'
		FROM generate_series(since, until, interval '1 day') AS g (day)
		WHERE extract(month FROM g.day) = 2
		  AND extract(day FROM g.day) = 28
		  AND extract(month FROM g.day + interval '1 day') = 3) d
	JOIN partner_api.customers c
		ON extract(month FROM c.birth_date) = extract(month FROM d.as_of)
		AND extract(day FROM c.birth_date) = extract(day FROM d.as_of)
	WHERE c.server = of_server AND c.deleted_at IS NULL
	  AND c.birth_date < d.day
	ORDER BY d.day, c.customer_ref;
END
$$;
COMMENT ON FUNCTION birthdays_between(name, date, date) IS
'the customers of a server whose birthday is on one of these days';
REVOKE ALL ON FUNCTION birthdays_between(name, date, date) FROM PUBLIC;

CREATE FUNCTION birthdays(of_day date DEFAULT NULL,
	days_ahead integer DEFAULT 0)
RETURNS TABLE (server name, customer_ref text, customer_name text,
			   birth_date date, birthday date, years integer)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.check_between('days_ahead', days_ahead, 0, 366,
		'Give the days after the first one, and 0 for that alone.');
	RETURN QUERY
	SELECT b.server, b.customer_ref, b.name, b.birth_date, b.birthday,
		   (extract(year FROM b.birthday)
			- extract(year FROM b.birth_date))::integer
	FROM partner_api.server_days d
	CROSS JOIN LATERAL partner_api.birthdays_between(d.server,
		coalesce(of_day, d.today), coalesce(of_day, d.today) + days_ahead) b
	ORDER BY b.birthday, b.server, b.customer_ref;
END
$$;
COMMENT ON FUNCTION birthdays(date, integer) IS
'the customers whose birthday is on a day, or in the days after it';
REVOKE ALL ON FUNCTION birthdays(date, integer) FROM PUBLIC;

/*
 * Each birthday is announced once: the row remembers the last.  A day that was
 * missed is caught up with for a week; nobody is congratulated on a birthday
 * from before they were registered.  A row that a session holds is left to the
 * next run.
 */
CREATE FUNCTION announce_birthdays_for(caller text, arguments jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	announced bigint;
BEGIN
	WITH due AS MATERIALIZED (
		SELECT b.server, b.customer_ref, max(b.birthday) AS birthday
		FROM partner_api.server_days s
		JOIN pg_foreign_server f ON f.srvname = s.server
		CROSS JOIN LATERAL (
			SELECT coalesce((arguments->>'of_day')::date, s.today) AS day) d
		CROSS JOIN LATERAL partner_api.birthdays_between(s.server,
			d.day - 6, d.day) b
		WHERE has_server_privilege(caller, f.oid, 'USAGE')
		GROUP BY b.server, b.customer_ref), free AS MATERIALIZED (
		SELECT c.server, c.customer_ref, due.birthday
		FROM due
		JOIN partner_api.customers c
			ON c.server = due.server AND c.customer_ref = due.customer_ref
		WHERE coalesce(c.greeted_on < due.birthday, true)
		  AND partner_api.server_day(due.server, c.created_at) <= due.birthday
		FOR UPDATE OF c SKIP LOCKED), greeted AS (
		UPDATE partner_api.customers c SET greeted_on = free.birthday
		FROM free
		WHERE c.server = free.server
		  AND c.customer_ref = free.customer_ref
		RETURNING c.server, c.customer_ref, free.birthday)
	SELECT count(pg_notify('partner_api', jsonb_build_object(
		'event', 'birthday', 'server', g.server,
		'customer_ref', g.customer_ref,
		'birthday', g.birthday)::text))
	INTO announced
	FROM greeted g;
	RETURN announced;
END
$$;
COMMENT ON FUNCTION announce_birthdays_for(text, jsonb) IS
'announce_birthdays() on behalf of its caller';
REVOKE ALL ON FUNCTION announce_birthdays_for(text, jsonb) FROM PUBLIC;

CREATE FUNCTION announce_birthdays(of_day date DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION announce_birthdays(date) IS
'announces the birthdays of customers, each once, also those of the last days that were missed; returns how many';
REVOKE ALL ON FUNCTION announce_birthdays(date) FROM PUBLIC;
