/*
 * What the provider will bill.  A bill is computed from instances, rules and
 * prices as they stood at an as-of time, and nothing is stored: a cycle is
 * one calendar month in the provider's zone, and has one line for each
 * instance that the provider bills in it.
 *
 * The functions that the planner must see through (so that a statement of one
 * cycle reads instances once, and no other cycle is computed) carry no SET
 * clause, which would prevent that.  Their bodies are of the kind that is
 * parsed when the function is created: no search_path has a say in them.
 */
CREATE TABLE billing_rules (
	rule_id			text		PRIMARY KEY,
	provider		text		NOT NULL,
	server			name,
	valid_from		date		NOT NULL
		CHECK (extract(day FROM valid_from) = 1),
	time_zone		text		NOT NULL
		CHECK (timezone(time_zone, timestamp '2000-01-01') IS NOT NULL),
	currency		text		NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
	due_day			integer		NOT NULL CHECK (due_day BETWEEN 1 AND 28),
	expiry_day		integer		NOT NULL CHECK (expiry_day BETWEEN 1 AND 28),
	deletion_day	integer		NOT NULL CHECK (deletion_day BETWEEN 1 AND 28),
	cancel_rule		text		NOT NULL
		CHECK (cancel_rule IN ('original_due', 'days', 'month_end')),
	cancel_days		integer		CHECK (cancel_days BETWEEN 0 AND 366),
	billed_until	text		NOT NULL
		CHECK (billed_until IN ('until_end', 'next_invoice')),
	band_mode		text		NOT NULL DEFAULT 'graduated'
		CHECK (band_mode IN ('graduated', 'volume')),
	source			text		NOT NULL,
	published		boolean		NOT NULL
		GENERATED ALWAYS AS (rule_id LIKE 'published-%') STORED,
	CHECK (due_day <= expiry_day AND expiry_day <= deletion_day),
	CHECK ((cancel_rule = 'days') = (cancel_days IS NOT NULL))
);
/* one rule a month; a rule of one's own may stand beside a published one */
CREATE UNIQUE INDEX billing_rules_of_provider
	ON billing_rules (provider, valid_from, published) WHERE server IS NULL;
CREATE UNIQUE INDEX billing_rules_of_server
	ON billing_rules (server, valid_from) WHERE server IS NOT NULL;

COMMENT ON TABLE billing_rules IS
'how a provider bills, from which month on';
COMMENT ON COLUMN billing_rules.rule_id IS
'names the rule; those that come with the extension begin with "published-"';
COMMENT ON COLUMN billing_rules.provider IS
'provider, as in the server option';
COMMENT ON COLUMN billing_rules.server IS
'foreign server that the rule is for; null: all servers of the provider';
COMMENT ON COLUMN billing_rules.valid_from IS
'first day of the first cycle that it holds for';
COMMENT ON COLUMN billing_rules.time_zone IS
'zone of the provider''s calendar';
COMMENT ON COLUMN billing_rules.currency IS
'ISO 4217 code of the prices';
COMMENT ON COLUMN billing_rules.due_day IS
'day of the month after the cycle on which the bill is due';
COMMENT ON COLUMN billing_rules.expiry_day IS
'day of that month on which all instances stop if it is unpaid';
COMMENT ON COLUMN billing_rules.deletion_day IS
'day of that month on which all instances are deleted if it is unpaid';
COMMENT ON COLUMN billing_rules.cancel_rule IS
'when a cancelled instance ends: original_due, days (after the cancel) or month_end';
COMMENT ON COLUMN billing_rules.cancel_days IS
'number of days for cancel_rule days';
COMMENT ON COLUMN billing_rules.billed_until IS
'a cancelled instance is billed in each cycle until_end, or last on the next_invoice';
COMMENT ON COLUMN billing_rules.band_mode IS
'graduated: each instance has the price of its own band; volume: all have that of the band of their number';
COMMENT ON COLUMN billing_rules.source IS
'where the rule is written';
COMMENT ON COLUMN billing_rules.published IS
'comes with the extension and cannot be changed';

CREATE TABLE billing_bands (
	rule_id	text	NOT NULL REFERENCES billing_rules ON DELETE CASCADE,
	band	integer	NOT NULL CHECK (band > 0),
	up_to	bigint	CHECK (up_to > 0),
	PRIMARY KEY (rule_id, band)
);
CREATE UNIQUE INDEX billing_bands_up_to ON billing_bands
	(rule_id, coalesce(up_to, 9223372036854775807));
COMMENT ON TABLE billing_bands IS
'price bands of a rule, by number of instances';
COMMENT ON COLUMN billing_bands.rule_id IS
'see billing_rules';
COMMENT ON COLUMN billing_bands.band IS
'number of the band, as in billing_prices';
COMMENT ON COLUMN billing_bands.up_to IS
'last instance of the band, counted from the first of the cycle; null: no limit';

CREATE TABLE billing_prices (
	server				name	NOT NULL,
	valid_from			date	NOT NULL
		CHECK (extract(day FROM valid_from) = 1),
	band				integer	NOT NULL CHECK (band > 0),
	unit_price_cents	bigint	NOT NULL CHECK (unit_price_cents >= 0),
	PRIMARY KEY (server, band, valid_from)
);
COMMENT ON TABLE billing_prices IS
'what an instance costs for one cycle, by band; providers publish no prices';
COMMENT ON COLUMN billing_prices.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_prices.valid_from IS
'first day of the first cycle that it holds for';
COMMENT ON COLUMN billing_prices.band IS
'band, see billing_bands; the price also holds for higher bands that have none of their own';
COMMENT ON COLUMN billing_prices.unit_price_cents IS
'price of one instance for one cycle, in cents of the rule''s currency';

INSERT INTO billing_rules
	(rule_id, provider, valid_from, time_zone, currency, due_day, expiry_day,
	 deletion_day, cancel_rule, cancel_days, billed_until, source)
VALUES
	('published-zapi-2021', 'zapi', '2021-01-01', 'America/Sao_Paulo', 'BRL',
	 5, 10, 15, 'original_due', NULL, 'next_invoice',
	 'Z-API, partner introduction, text of 2021 to 2025'),
	('published-zapi-2026', 'zapi', '2026-01-01', 'America/Sao_Paulo', 'BRL',
	 5, 10, 15, 'days', 30, 'until_end',
	 'Z-API, https://developer.z-api.io/en/partner/introduction');
INSERT INTO billing_bands (rule_id, band, up_to)
VALUES
	('published-zapi-2021', 1, 25),
	('published-zapi-2021', 2, 50),
	('published-zapi-2021', 3, 100),
	('published-zapi-2021', 4, NULL),
	('published-zapi-2026', 1, 25),
	('published-zapi-2026', 2, NULL);

/*
 * CREATE EXTENSION makes the published rows again when a dump is restored, so
 * they are not dumped; a change to them would be lost there without a word.
 */
CREATE FUNCTION billing_keep_published() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF OLD.rule_id LIKE 'published-%' OR NEW.rule_id LIKE 'published-%' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'integrity_constraint_violation',
			MESSAGE = 'published billing rules cannot be changed',
			DETAIL = 'Rule identifiers that begin with "published-" belong to the extension.',
			HINT = 'Insert a rule of your own: from its valid_from on it takes precedence.';
	END IF;
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION billing_keep_published() IS
'trigger: refuses changes of published billing rules';
REVOKE ALL ON FUNCTION billing_keep_published() FROM PUBLIC;

CREATE TRIGGER keep_published
	BEFORE INSERT OR UPDATE OR DELETE ON billing_rules
	FOR EACH ROW EXECUTE FUNCTION billing_keep_published();
COMMENT ON TRIGGER keep_published ON billing_rules IS
'published rules are not dumped and so must not change';
CREATE TRIGGER keep_published
	BEFORE INSERT OR UPDATE OR DELETE ON billing_bands
	FOR EACH ROW EXECUTE FUNCTION billing_keep_published();
COMMENT ON TRIGGER keep_published ON billing_bands IS
'published rules are not dumped and so must not change';

SELECT pg_catalog.pg_extension_config_dump('billing_rules',
	'WHERE NOT published');
SELECT pg_catalog.pg_extension_config_dump('billing_bands',
	'WHERE rule_id NOT LIKE ''published-%''');
SELECT pg_catalog.pg_extension_config_dump('billing_prices', '');

/*
 * The rule of each server in each month.  A server's own rule, once valid,
 * beats those of the provider, whatever their dates; of two for the same
 * month the published one yields.  A server that was dropped keeps its own.
 */
CREATE VIEW billing_rules_in_force AS
WITH candidates AS (
	SELECT s.srvname AS billed, r.*
	FROM pg_foreign_server s
		 JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
		 CROSS JOIN LATERAL pg_options_to_table(s.srvoptions) o
		 JOIN billing_rules r ON r.provider = o.option_value
	WHERE w.fdwname = 'partner_api' AND o.option_name = 'provider'
		  AND r.server IS NULL
	UNION ALL
	SELECT r.server, r.*
	FROM billing_rules r
	WHERE r.server IS NOT NULL
), ranked AS (
	SELECT c.*,
		   row_number() OVER (
				PARTITION BY c.billed, c.valid_from
				ORDER BY c.server IS NULL, c.published) AS choice,
		   min(c.valid_from) FILTER (WHERE c.server IS NOT NULL)
				OVER (PARTITION BY c.billed) AS own_since
	FROM candidates c
)
SELECT r.billed AS server, r.valid_from,
	   coalesce(lead(r.valid_from) OVER successive,
				'infinity') AS valid_until,
	   r.rule_id, r.time_zone, r.currency, r.due_day, r.expiry_day,
	   r.deletion_day, r.cancel_rule, r.cancel_days, r.billed_until,
	   r.band_mode
FROM ranked r
WHERE r.choice = 1
	  AND (r.server IS NOT NULL
		   OR coalesce(r.valid_from < r.own_since, true))
WINDOW successive AS (PARTITION BY r.billed ORDER BY r.valid_from);
COMMENT ON VIEW billing_rules_in_force IS
'which billing rule holds for each server, and for which months';
COMMENT ON COLUMN billing_rules_in_force.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_rules_in_force.valid_from IS
'first day of the first cycle that it holds for';
COMMENT ON COLUMN billing_rules_in_force.valid_until IS
'first day of the first cycle that it does not hold for any more';
COMMENT ON COLUMN billing_rules_in_force.rule_id IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.time_zone IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.currency IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.due_day IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.expiry_day IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.deletion_day IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.cancel_rule IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.cancel_days IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.billed_until IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.band_mode IS
'see billing_rules';

CREATE FUNCTION set_price(server name, unit_price_cents bigint,
						  band integer DEFAULT 1,
						  valid_from date DEFAULT NULL)
RETURNS billing_prices
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	zone text;
	result @extschema@.billing_prices;
BEGIN
	SELECT f.time_zone INTO zone
	FROM @extschema@.billing_rules_in_force f
	WHERE f.server = set_price.server
	ORDER BY f.valid_from DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('no billing rule holds for server "%s"',
							 set_price.server),
			DETAIL = 'There is no such server, or its provider has no rules.',
			HINT = 'See partner_api.billing_rules_in_force.';
	ELSIF set_price.unit_price_cents IS NULL
		  OR set_price.unit_price_cents < 0 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a price must be zero or more cents';
	ELSIF set_price.band IS NULL OR set_price.band < 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'price bands are numbered from 1';
	ELSIF extract(day FROM set_price.valid_from) <> 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('a price cannot begin on %s',
							 set_price.valid_from),
			DETAIL = 'An instance is billed for a whole month at one price.',
			HINT = 'Give the first day of a month.';
	END IF;

	INSERT INTO @extschema@.billing_prices AS p
	VALUES (set_price.server,
			coalesce(set_price.valid_from,
					 date_trunc('month', @extschema@.clock()
										 AT TIME ZONE zone)::date),
			set_price.band, set_price.unit_price_cents)
	ON CONFLICT (server, band, valid_from)
		DO UPDATE SET unit_price_cents = excluded.unit_price_cents
	RETURNING p.* INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION set_price(name, bigint, integer, date) IS
'set what an instance costs from a month on, by default the current one';
REVOKE ALL ON FUNCTION set_price(name, bigint, integer, date) FROM PUBLIC;

/* by position: the first rule of the server, the second, and so on */
CREATE VIEW billing_terms AS
SELECT f.server,
	   array_agg(f.valid_from::timestamp AT TIME ZONE f.time_zone
				 ORDER BY f.valid_from) AS since,
	   array_agg(f.time_zone ORDER BY f.valid_from) AS time_zone,
	   array_agg(f.cancel_rule ORDER BY f.valid_from) AS cancel_rule,
	   array_agg(f.cancel_days ORDER BY f.valid_from) AS cancel_days,
	   array_agg(f.billed_until ORDER BY f.valid_from) AS billed_until
FROM billing_rules_in_force f
GROUP BY f.server;
COMMENT ON VIEW billing_terms IS
'what the rules in force say of a cancel, as arrays, so that the rule of its month is found by position';
COMMENT ON COLUMN billing_terms.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_terms.since IS
'when each rule began, in its own zone';
COMMENT ON COLUMN billing_terms.time_zone IS
'see billing_rules';
COMMENT ON COLUMN billing_terms.cancel_rule IS
'see billing_rules';
COMMENT ON COLUMN billing_terms.cancel_days IS
'see billing_rules';
COMMENT ON COLUMN billing_terms.billed_until IS
'see billing_rules';

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
	   NULL::timestamptz AS replaced_at
FROM instances i
UNION ALL
SELECT f.server, f.instance_id, i.name, i.customer_ref, f.signed_at,
	   f.cancelled_at, f.ends_at, NULL, NULL, f.provider_due_at,
	   i.trial_ends_at, f.replaced_at
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
CREATE FUNCTION billed_instances(of_server name, starts_at timestamptz,
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
COMMENT ON FUNCTION billed_instances(name, timestamptz, timestamptz,
									 billing_terms) IS
'instances that are billed in the cycle that starts at a time';

/*
 * One row for each cycle that has begun: all since the first signing, or the
 * one asked for.  OFFSET 0 keeps the planner from merging it into a query on
 * instances, where the terms would be collected anew for each row.
 */
CREATE FUNCTION billing_calendar(as_of timestamptz, of_server name,
								 of_cycle date)
RETURNS TABLE (server name, cycle_start date, cycle_end date, due_on date,
			   expires_on date, deletion_on date, starts_at timestamptz,
			   known_before timestamptz, status text, rule_id text,
			   band_mode text, currency text, terms billing_terms)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT f.server, month.first_day, month.last_day,
		   month.last_day + f.due_day, month.last_day + f.expiry_day,
		   month.last_day + f.deletion_day, month.starts_at,
		   least(month.closes_at, here.now + interval '1 microsecond'),
		   CASE
			   WHEN here.now < month.closes_at THEN 'open'
			   WHEN here.local::date <= month.last_day + f.due_day
				   THEN 'closed'
			   ELSE 'due_passed'
		   END,
		   f.rule_id, f.band_mode, f.currency, t
	FROM billing_terms t
		 CROSS JOIN LATERAL (
			SELECT CASE
					   WHEN of_cycle IS NULL
						   THEN (SELECT min(i.signed_at)
								 FROM billing_subscriptions i
								 WHERE i.server = t.server)
				   END AS signed_at
			OFFSET 0
		 ) earliest
		 JOIN billing_rules_in_force f ON f.server = t.server
		 CROSS JOIN LATERAL (
			SELECT as_of AS now, as_of AT TIME ZONE f.time_zone AS local,
				   coalesce(of_cycle::timestamp,
							earliest.signed_at AT TIME ZONE f.time_zone)
				   AS since
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
			   ends_at timestamptz, ends_estimated boolean, band integer,
			   unit_price_cents bigint, amount_cents bigint, currency text,
			   rule_id text, reason text)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT c.server, c.cycle_start, c.cycle_end, c.due_on, l.instance_id,
		   l.name, l.customer_ref, l.signed_at, l.cancelled_at, l.ends_at,
		   l.ends_estimated, t.band, t.unit_price_cents, t.unit_price_cents,
		   c.currency, c.rule_id,
		   CASE
			   WHEN l.deleted_at IS NOT NULL THEN 'deleted in this cycle'
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
								  c.terms)
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
								  c.terms) i
		 ) l
		 LEFT JOIN LATERAL
			billing_tariff(c.server, c.rule_id, c.cycle_start) t
			ON l.rank > t.above AND l.rank <= t.up_to;
END;
COMMENT ON FUNCTION billing_lines_at(timestamptz, name, date) IS
'the lines of the bills as known at a time, of all servers and cycles or of one';

/*
 * The same bills without their lines: how many instances fall into each band
 * follows from their number, so that none has to be ranked.
 */
CREATE FUNCTION billing_cycles_at(as_of timestamptz,
								  of_server name DEFAULT NULL,
								  of_cycle date DEFAULT NULL)
RETURNS TABLE (server name, cycle_start date, cycle_end date, status text,
			   instances bigint, new_instances bigint,
			   continued_instances bigint, cancelled_instances bigint,
			   unpriced_instances bigint, amount_cents bigint, currency text,
			   is_estimate boolean, due_on date, expires_on date,
			   deletion_on date, rule_id text)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT c.server, c.cycle_start, c.cycle_end, c.status, n.instances,
		   n.new_instances, n.instances - n.new_instances,
		   n.cancelled_instances, n.instances - m.priced,
		   CASE WHEN m.priced = n.instances THEN m.amount::bigint END,
		   c.currency, c.status = 'open' OR n.uncertain > 0, c.due_on,
		   c.expires_on, c.deletion_on, c.rule_id
	FROM billing_calendar(as_of, of_server, of_cycle) c
		 CROSS JOIN LATERAL (
			SELECT count(*) AS instances,
				   count(*) FILTER (WHERE i.signed_at >= c.starts_at)
				   AS new_instances,
				   count(i.cancelled_at) AS cancelled_instances,
				   count(CASE WHEN i.cancelled_at < c.starts_at
							  THEN nullif(i.ends_estimated, false) END)
				   AS uncertain
			FROM billed_instances(c.server, c.starts_at, c.known_before,
								  c.terms) i
		 ) n
		 CROSS JOIN LATERAL (
			SELECT coalesce(sum(b.instances * t.unit_price_cents::numeric), 0)
				   AS amount,
				   coalesce(sum(b.instances)
							FILTER (WHERE t.unit_price_cents IS NOT NULL),
							0)::bigint AS priced
			FROM billing_tariff(c.server, c.rule_id, c.cycle_start) t
				 CROSS JOIN LATERAL (
					SELECT CASE
							   WHEN c.band_mode = 'graduated'
								   THEN greatest(least(n.instances, t.up_to)
												 - t.above, 0)
							   WHEN n.instances > t.above
									AND n.instances <= t.up_to
								   THEN n.instances
							   ELSE 0
						   END AS instances
				 ) b
		 ) m
	WHERE n.instances > 0
		  OR EXISTS (SELECT FROM billing_subscriptions i
					 WHERE i.server = c.server
						   AND i.signed_at < c.known_before);
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
'day on which the bill is due';
COMMENT ON COLUMN billing_lines.instance_id IS
'the provider''s id';
COMMENT ON COLUMN billing_lines.name IS
'name as given';
COMMENT ON COLUMN billing_lines.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN billing_lines.signed_at IS
'when the subscription began';
COMMENT ON COLUMN billing_lines.cancelled_at IS
'when it was cancelled, if that was before the cycle closed';
COMMENT ON COLUMN billing_lines.ends_at IS
'when the service ends, as far as was known when the cycle closed';
COMMENT ON COLUMN billing_lines.ends_estimated IS
'ends_at was computed from the rule because the provider did not say';
COMMENT ON COLUMN billing_lines.band IS
'price band, see billing_bands; null: the rule has none for so many instances';
COMMENT ON COLUMN billing_lines.unit_price_cents IS
'price of one instance for the cycle; null: none is set';
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
'of all, cancelled before the cycle closed';
COMMENT ON COLUMN billing_cycles.unpriced_instances IS
'of all, without a price';
COMMENT ON COLUMN billing_cycles.amount_cents IS
'what the bill comes to; null as long as an instance has no price';
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

/* compiling the query would take as long as reading 500,000 instances */
CREATE FUNCTION billing_cycle(of_server name, of_cycle date,
							  as_of timestamptz DEFAULT clock())
RETURNS SETOF billing_cycles
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT * FROM billing_cycles_at(as_of, of_server, of_cycle);
END;
COMMENT ON FUNCTION billing_cycle(name, date, timestamptz) IS
'one bill, the fast way: of_cycle is any day of its month';

/* what would otherwise be missing from a bill without a word */
CREATE VIEW billing_gaps AS
SELECT i.server, count(*) AS instances,
	   'no billing rule for the month in which they were signed' AS problem
FROM billing_subscriptions i
	 LEFT JOIN billing_terms t ON t.server = i.server
WHERE i.signed_at IS NOT NULL
	  AND coalesce(i.signed_at < t.since[1], true)
GROUP BY i.server
UNION ALL
SELECT i.server, count(*), 'subscribed, but not known since when'
FROM instances i
WHERE i.signed_at IS NULL AND i.status IN ('signed', 'cancelling')
GROUP BY i.server;
COMMENT ON VIEW billing_gaps IS
'instances that the bills cannot include, by server and reason';
COMMENT ON COLUMN billing_gaps.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_gaps.instances IS
'how many instances';
COMMENT ON COLUMN billing_gaps.problem IS
'why they are not billed here';
