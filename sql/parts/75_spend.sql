/*
 * The spend guard: what counts against the caps of a server and the quota of
 * a token.  The worker, sessions that enqueue and the view spend_caps all
 * count with cap_used().
 */
CREATE TABLE token_quotas (
	server				name	NOT NULL,
	token_fingerprint	text	NOT NULL,
	quota				integer	NOT NULL,
	only_running		boolean	NOT NULL,
	PRIMARY KEY (server, token_fingerprint)
);
COMMENT ON TABLE token_quotas IS
'the quotas of the tokens of user mappings, as the worker last read them';
COMMENT ON COLUMN token_quotas.server IS
'foreign server';
COMMENT ON COLUMN token_quotas.token_fingerprint IS
'first 16 hex digits of the token''s SHA-256';
COMMENT ON COLUMN token_quotas.quota IS
'option token_quota of the user mapping';
COMMENT ON COLUMN token_quotas.only_running IS
'option quota_counts of the server is running';

CREATE TABLE cap_alerts (
	server				name		NOT NULL,
	cap					text		NOT NULL,
	token_fingerprint	text		NOT NULL,
	reached_at			timestamptz	NOT NULL,
	PRIMARY KEY (server, cap, token_fingerprint)
);
COMMENT ON TABLE cap_alerts IS
'caps of which 80 % were reached and announced, until there is more room again';
COMMENT ON COLUMN cap_alerts.server IS
'foreign server';
COMMENT ON COLUMN cap_alerts.cap IS
'option that sets the cap';
COMMENT ON COLUMN cap_alerts.token_fingerprint IS
'token whose quota it is; empty for a cap of the server';
COMMENT ON COLUMN cap_alerts.reached_at IS
'when it was announced, by clock()';
SELECT pg_catalog.pg_extension_config_dump('token_quotas', '');
SELECT pg_catalog.pg_extension_config_dump('cap_alerts', '');

/*
 * The rule of the cycle that runs at a time, the cycle's first day, how many
 * units an instance costs that is there for all of it, and how many one that
 * is new: the unit is an instance or, where it is billed by the day, a day.
 */
CREATE FUNCTION cycle_rule(of_server name, as_of timestamptz)
RETURNS TABLE (rule_id text, band_mode text, currency text, first_day date,
			   whole_units integer, new_units integer)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT f.rule_id, f.band_mode, f.currency, month.first_day,
		   CASE f.billed_by
			   WHEN 'day' THEN month.next_one - month.first_day
			   ELSE 1
		   END,
		   CASE f.billed_by
			   WHEN 'day' THEN month.next_one - here.today
			   ELSE 1
		   END
	FROM billing_rules_in_force f
		 CROSS JOIN LATERAL (
			SELECT (as_of AT TIME ZONE f.time_zone)::date AS today
		 ) here
		 CROSS JOIN LATERAL (
			SELECT date_trunc('month', here.today::timestamp)::date
				   AS first_day,
				   (date_trunc('month', here.today::timestamp)
					+ interval '1 month')::date AS next_one
		 ) month
	WHERE f.server = of_server
		  AND here.today >= f.valid_from
		  AND here.today < f.valid_until;
END;
COMMENT ON FUNCTION cycle_rule(name, timestamptz) IS
'the billing rule of a server at a time';
REVOKE ALL ON FUNCTION cycle_rule(name, timestamptz) FROM PUBLIC;

/*
 * Days are not told which instance they are of: a band is taken to be as wide
 * as whole cycles of its instances make it.  With one band, or one price, that
 * is exact.
 */
CREATE FUNCTION cycle_cents(of_server name, of_units bigint,
							as_of timestamptz DEFAULT clock())
RETURNS bigint
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	cents numeric;
	priced numeric;
BEGIN
	SELECT sum(b.units * t.unit_price_cents),
		   sum(b.units) FILTER (WHERE t.unit_price_cents IS NOT NULL)
	INTO cents, priced
	FROM partner_api.cycle_rule(of_server, as_of) r
	CROSS JOIN LATERAL
		partner_api.billing_tariff(of_server, r.rule_id, r.first_day) t
	CROSS JOIN LATERAL (
		SELECT t.above::numeric * r.whole_units AS above,
			   t.up_to::numeric * r.whole_units AS up_to) w
	CROSS JOIN LATERAL (
		SELECT CASE
			   WHEN r.band_mode = 'graduated'
					THEN greatest(least(of_units, w.up_to) - w.above, 0)
			   WHEN of_units > w.above AND of_units <= w.up_to
					THEN of_units
			   ELSE 0 END AS units) b;
	RETURN CASE WHEN of_units = 0 THEN 0
				WHEN priced = of_units THEN cents END;
END
$$;
COMMENT ON FUNCTION cycle_cents(name, bigint, timestamptz) IS
'what a cycle costs with so many instances or days; null where a price is missing';
REVOKE ALL ON FUNCTION cycle_cents(name, bigint, timestamptz) FROM PUBLIC;

/*
 * Instances, but for those that are billed apart, and creates or signs that
 * may have had their effect; those that wait count if they are due before a
 * time, those that are held if asked for.
 * For max_cycle_cents: the units of cycle_rule() that the running cycle will
 * be billed for if nothing more happens.  Where it is billed by the day, what
 * begins the billing is the create.
 * Which token a create in flight uses is known when it is done: it counts
 * against each quota of the server.
 */
CREATE FUNCTION cap_used(of_server name, cap text, token text,
						 only_running boolean, due_before timestamptz,
						 with_held boolean)
RETURNS bigint
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment timestamptz := partner_api.clock();
	used bigint;
	weight integer := 1;
	c partner_api.billing_month;
BEGIN
	CASE cap
	WHEN 'max_instances' THEN
		SELECT count(*) INTO used FROM partner_api.instances i
		WHERE i.server = of_server AND NOT i.billed_apart
		  AND i.status IN ('trial', 'signed', 'cancelling', 'unknown');
	WHEN 'max_new_per_day' THEN
		SELECT count(*) INTO used FROM partner_api.instances i
		WHERE i.server = of_server AND NOT i.billed_apart
		  AND i.origin <> 'imported'
		  AND i.created_at > moment - interval '1 day';
	WHEN 'token_quota' THEN
		SELECT count(*) INTO used FROM partner_api.instances i
		WHERE i.server = of_server AND NOT i.billed_apart
		  AND i.token_fingerprint = token
		  AND (NOT only_running
			   OR i.status IN ('trial', 'signed', 'cancelling', 'unknown'));
	WHEN 'max_cycle_cents' THEN
		SELECT m.* INTO c
		FROM partner_api.cycle_rule(of_server, moment) r
		CROSS JOIN LATERAL
			partner_api.billing_calendar(moment, of_server, r.first_day) m;
		IF c.billed_by = 'day' THEN
			weight := c.cycle_end - c.counted_to + 1;
			SELECT s.days + (s.instances - s.cancelled_instances)
							* (weight - 1) INTO used
			FROM partner_api.billing_day_sums(c.server, c.starts_at,
											  c.known_before, c.cycle_start,
											  c.counted_to, c.time_zone) s;
		ELSE
			SELECT s.instances INTO used
			FROM partner_api.billing_month_sums(c.server, c.starts_at,
												c.known_before, c.terms) s;
			RETURN used + (
				SELECT count(*) FROM (
					SELECT FROM partner_api.pending_actions p
					WHERE p.server = of_server AND p.kind = 'sign_instance'
					  AND p.instance_id IS NOT NULL
					  AND p.state IN ('sending', 'unknown')
					UNION ALL
					SELECT FROM partner_api.pending_actions p
					WHERE p.server = of_server AND p.kind = 'sign_instance'
					  AND p.state = 'needs_attention' AND p.held_for IS NULL
					UNION ALL
					SELECT FROM partner_api.pending_actions p
					WHERE p.server = of_server AND p.kind = 'sign_instance'
					  AND p.state = 'waiting' AND p.deadline IS NOT NULL
					  AND p.run_at <= due_before AND NOT p.dry_run
					UNION ALL
					SELECT FROM partner_api.pending_actions p
					WHERE p.server = of_server AND p.kind = 'sign_instance'
					  AND p.state = 'waiting' AND p.deadline IS NULL
					  AND p.run_at <= due_before AND NOT p.dry_run
					UNION ALL
					SELECT FROM partner_api.pending_actions p
					WHERE with_held AND p.server = of_server
					  AND p.kind = 'sign_instance' AND p.state = 'held'
					  AND p.held_for = 'cap') AS a);
		END IF;
	END CASE;
	RETURN used + weight * ((
		SELECT count(*) FROM partner_api.pending_actions p
		WHERE p.server = of_server AND p.kind = 'create_instance'
		  AND NOT p.dry_run
		  AND (p.state IN ('sending', 'unknown', 'needs_attention')
			   OR (p.state = 'waiting' AND p.run_at <= due_before)
			   OR (p.state = 'held' AND with_held))
	) + (
		/* created, but not applied to instances yet */
		SELECT count(*) FROM partner_api.mirror_backlog b
		JOIN partner_api.instance_events e ON e.event_id = b.event_id
		WHERE e.server = of_server AND e.kind IN ('created', 'adopted')));
END
$$;
COMMENT ON FUNCTION cap_used(name, text, text, boolean, timestamptz, boolean) IS
'how many instances, or units of the running cycle, count against a cap';
REVOKE ALL ON FUNCTION cap_used(name, text, text, boolean, timestamptz, boolean) FROM PUBLIC;

CREATE VIEW spend_caps AS
SELECT u.server, u.cap, u.token_fingerprint, u.allowed, u.used,
	   round(u.used / nullif(u.allowed, 0)::numeric, 4) AS share
FROM (
	SELECT f.srvname AS server, o.option_name AS cap,
		   NULL::text AS token_fingerprint, o.option_value::bigint AS allowed,
		   CASE o.option_name
		   WHEN 'max_cycle_cents' THEN cycle_cents(f.srvname,
				cap_used(f.srvname, o.option_name, '', false, '-infinity',
						 false))
		   ELSE cap_used(f.srvname, o.option_name, '', false, '-infinity',
						 false) END AS used
	FROM pg_catalog.pg_foreign_server f
	JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
	CROSS JOIN LATERAL pg_catalog.pg_options_to_table(f.srvoptions) o
	WHERE w.fdwname = 'partner_api'
	  AND o.option_name IN ('max_instances', 'max_new_per_day',
							'max_cycle_cents')
	UNION ALL
	SELECT q.server, 'token_quota', q.token_fingerprint, q.quota,
		   cap_used(q.server, 'token_quota', q.token_fingerprint,
					q.only_running, '-infinity', false)
	FROM token_quotas q) u;
COMMENT ON VIEW spend_caps IS
'how much of each cap and quota is used';
COMMENT ON COLUMN spend_caps.server IS
'foreign server: the provider account';
COMMENT ON COLUMN spend_caps.cap IS
'option that sets it: max_instances, max_new_per_day, max_cycle_cents, token_quota';
COMMENT ON COLUMN spend_caps.token_fingerprint IS
'token whose quota it is; null for a cap of the server';
COMMENT ON COLUMN spend_caps.allowed IS
'value of the option';
COMMENT ON COLUMN spend_caps.used IS
'what counts against it, actions that may have had their effect included; null where a price is missing';
COMMENT ON COLUMN spend_caps.share IS
'used as a share of allowed';

CREATE VIEW token_usage AS
SELECT i.server, i.token_fingerprint, count(*) AS created,
	   count(*) FILTER (WHERE i.status IN ('trial', 'signed', 'cancelling'))
	   AS running,
	   count(*) FILTER (WHERE i.status = 'signed') AS signed,
	   min(i.created_at) AS first_used_at, max(i.created_at) AS last_used_at,
	   q.quota, c.used AS quota_used, c.share AS quota_share
FROM instances i
LEFT JOIN token_quotas q
  ON q.server = i.server AND q.token_fingerprint = i.token_fingerprint
LEFT JOIN spend_caps c
  ON c.server = q.server AND c.token_fingerprint = q.token_fingerprint
WHERE i.token_fingerprint IS NOT NULL
GROUP BY i.server, i.token_fingerprint, q.quota, c.used, c.share;
COMMENT ON VIEW token_usage IS
'how many instances each partner token has made, for its tier and its rotation';
