/*
 * What the provider will bill.  A bill is computed from instances, rules and
 * prices as they stood at an as-of time, and nothing is stored: a cycle is
 * one calendar month in the provider's zone, and has one line for each
 * instance that the provider bills in it, by the month or by the day.
 *
 * Here are the rules and prices; the files that follow have the instances of
 * a cycle by either kind of rule, and the bills.
 *
 * The functions that the planner must see through (so that a statement of one
 * cycle reads instances once, and no other cycle is computed) carry no SET
 * clause, which would prevent that.  Their bodies are of the kind that is
 * parsed when the function is created: no search_path has a say in them.
 */
CREATE TABLE billing_rules (
	rule_id			text COLLATE "C" PRIMARY KEY,
	provider		text		NOT NULL,
	server			name,
	valid_from		date		NOT NULL
		CHECK (extract(day FROM valid_from) = 1),
	billed_by		text		NOT NULL DEFAULT 'month'
		CHECK (billed_by IN ('month', 'day')),
	prepaid			text		NOT NULL DEFAULT 'nothing'
		CHECK (prepaid IN ('nothing', 'first_cycle', 'every_cycle')),
	/* "UTC+3" would be west of Greenwich, by the rules of POSIX */
	time_zone		text		NOT NULL
		CHECK (timezone(time_zone, timestamp '2000-01-01') IS NOT NULL
			   AND time_zone !~ '^[A-Za-z]*[+-]'),
	currency		text		CHECK (currency ~ '^[A-Z]{3}$'),
	due_day			integer		CHECK (due_day BETWEEN 1 AND 28),
	expiry_day		integer		CHECK (expiry_day BETWEEN 1 AND 28),
	deletion_day	integer		CHECK (deletion_day BETWEEN 1 AND 28),
	cancel_rule		text
		CHECK (cancel_rule IN ('original_due', 'days', 'month_end')),
	cancel_days		integer		CHECK (cancel_days BETWEEN 0 AND 366),
	billed_until	text
		CHECK (billed_until IN ('until_end', 'next_invoice')),
	band_mode		text		NOT NULL DEFAULT 'graduated'
		CHECK (band_mode IN ('graduated', 'volume')),
	source			text		NOT NULL,
	published		boolean		NOT NULL
		GENERATED ALWAYS AS (rule_id LIKE 'published-%') STORED,
	CHECK (due_day <= expiry_day AND expiry_day <= deletion_day
		   AND due_day <= deletion_day),
	CHECK ((cancel_rule = 'days') = (cancel_days IS NOT NULL)),
	CHECK (CASE billed_by
			   WHEN 'month' THEN
				   prepaid = 'nothing'
				   AND num_nulls(currency, due_day, expiry_day, deletion_day,
								 cancel_rule, billed_until) = 0
			   ELSE num_nonnulls(cancel_rule, cancel_days, billed_until) = 0
		   END)
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
COMMENT ON COLUMN billing_rules.billed_by IS
'month: each instance, from when it was signed, a whole month; day: each instance, from its creation, each day on which it exists';
COMMENT ON COLUMN billing_rules.prepaid IS
'what is due on its first day in the cycle and not after it: nothing, instances in their first_cycle, or every_cycle';
COMMENT ON COLUMN billing_rules.time_zone IS
'zone of the provider''s calendar, where its months and days begin';
COMMENT ON COLUMN billing_rules.currency IS
'ISO 4217 code of the prices; null: not known';
COMMENT ON COLUMN billing_rules.due_day IS
'day of the month after the cycle on which the bill is due; null: not known';
COMMENT ON COLUMN billing_rules.expiry_day IS
'day of that month on which all instances stop if it is unpaid; null: they do not, or it is not known';
COMMENT ON COLUMN billing_rules.deletion_day IS
'day of that month on which all instances are deleted if it is unpaid; null: as above';
COMMENT ON COLUMN billing_rules.cancel_rule IS
'when a cancelled instance ends: original_due, days (after the cancel) or month_end; null where billed by the day';
COMMENT ON COLUMN billing_rules.cancel_days IS
'number of days for cancel_rule days';
COMMENT ON COLUMN billing_rules.billed_until IS
'a cancelled instance is billed in each cycle until_end, or last on the next_invoice; null where billed by the day';
COMMENT ON COLUMN billing_rules.band_mode IS
'graduated: each instance has the price of its own band; volume: all have that of the band of their number';
COMMENT ON COLUMN billing_rules.source IS
'where the rule is written';
COMMENT ON COLUMN billing_rules.published IS
'comes with the extension and cannot be changed';

CREATE TABLE billing_bands (
	rule_id	text COLLATE "C" NOT NULL REFERENCES billing_rules ON DELETE CASCADE,
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
'what an instance costs for one cycle or one day, by band; providers publish no prices';
COMMENT ON COLUMN billing_prices.server IS
'foreign server: the provider account';
COMMENT ON COLUMN billing_prices.valid_from IS
'first day of the first cycle that it holds for';
COMMENT ON COLUMN billing_prices.band IS
'band, see billing_bands; the price also holds for higher bands that have none of their own';
COMMENT ON COLUMN billing_prices.unit_price_cents IS
'price of one instance for one cycle, or for one day where the rule bills by the day, in cents of the rule''s currency';

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
INSERT INTO billing_rules
	(rule_id, provider, valid_from, billed_by, prepaid, time_zone, source)
VALUES
	('published-greenapi-2022', 'greenapi', '2022-01-01', 'day',
	 'first_cycle', 'Etc/GMT-3',
	 'Green API, https://green-api.com/en/docs/partners/');
INSERT INTO billing_bands (rule_id, band, up_to)
VALUES
	('published-greenapi-2022', 1, NULL),
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
	   r.rule_id, r.billed_by, r.prepaid, r.time_zone, r.currency, r.due_day,
	   r.expiry_day, r.deletion_day, r.cancel_rule, r.cancel_days,
	   r.billed_until, r.band_mode
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
COMMENT ON COLUMN billing_rules_in_force.billed_by IS
'see billing_rules';
COMMENT ON COLUMN billing_rules_in_force.prepaid IS
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
			DETAIL = 'A cycle is billed at one price, also where it is billed by the day.',
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
'set what an instance costs, for a month or a day as its rule has it, from a month on, by default the current one';
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
