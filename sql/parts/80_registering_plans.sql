/*
 * Plans of our own, and the terms by which those are charged who subscribe to
 * a plan here, also to one of another provider.  They are rows here, and
 * nothing is sent for them.  Amounts and days that would make no sense are
 * refused.
 */

/* ---- what makes sense ---- */

/* The provider of plans spells it with one "n". */
CREATE FUNCTION plan_frequency(frequency text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN frequency IN ('daily', 'weekly', 'monthly') THEN frequency
			WHEN frequency IN ('annualy', 'annually', 'yearly') THEN 'annualy'
	   END;
COMMENT ON FUNCTION plan_frequency(text) IS
'the unit of a plan''s recurrence as plans write it; null for what is none';
REVOKE ALL ON FUNCTION plan_frequency(text) FROM PUBLIC;

CREATE FUNCTION check_between(argument text, value bigint, lowest bigint,
	highest bigint, hint text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse(argument,
		format('a whole number from %s to %s', lowest, highest),
		coalesce('The value is ' || value || '.', 'It is missing.'), hint)
	WHERE value IS NULL OR value NOT BETWEEN lowest AND highest;
END
$$;
COMMENT ON FUNCTION check_between(text, bigint, bigint, bigint, text) IS
'raises an error for a number that is out of bounds, or missing';
REVOKE ALL ON FUNCTION check_between(text, bigint, bigint, bigint, text)
	FROM PUBLIC;

CREATE FUNCTION check_word(argument text, value text, words text[])
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse(argument,
		format('one of %s', array_to_string(words, ', ')),
		coalesce('The value is "' || value || '".', 'It is missing.'),
		'Give one of these words.')
	WHERE value IS NULL OR value <> ALL (words);
END
$$;
COMMENT ON FUNCTION check_word(text, text, text[]) IS
'raises an error for what is none of these words, or missing';
REVOKE ALL ON FUNCTION check_word(text, text, text[]) FROM PUBLIC;

/* No percentage is null; one of nothing is none. */
CREATE FUNCTION checked_percent(argument text, value numeric)
RETURNS numeric
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse(argument,
		'a percentage from 0 to 99.99, of up to two decimals',
		format('The value is %s.', value), 'Give 2 for 2 %, and 0 for none.')
	WHERE value NOT BETWEEN 0 AND 99.99 OR value <> round(value, 2);
	RETURN nullif(value, 0);
END
$$;
COMMENT ON FUNCTION checked_percent(text, numeric) IS
'a percentage as terms keep it, null for 0; raises an error for one that cannot be';
REVOKE ALL ON FUNCTION checked_percent(text, numeric) FROM PUBLIC;

/* The most that one amount may be; so sums of them stay far from overflow. */
CREATE FUNCTION most_cents() RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN 1000000000000;
COMMENT ON FUNCTION most_cents() IS
'the most that the amount of a plan or subscription may be, in cents';
REVOKE ALL ON FUNCTION most_cents() FROM PUBLIC;

/* The longest period, in units of its frequency: days stay far from overflow. */
CREATE FUNCTION most_intervals() RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN 366;
COMMENT ON FUNCTION most_intervals() IS
'the most units of its frequency that a period of a plan may have';
REVOKE ALL ON FUNCTION most_intervals() FROM PUBLIC;

CREATE FUNCTION check_plan(plan plans) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse('name', 'given', 'It is missing or empty.',
							   'Give it as text.')
	WHERE coalesce(btrim(plan.name), '') = '';
	PERFORM partner_api.check_between('amount_cents', plan.amount_cents, 0,
		partner_api.most_cents(), 'Give R$ 99,00 as 9900.');
	PERFORM partner_api.check_between('setup_amount_cents',
		plan.setup_amount_cents, 0, partner_api.most_cents(),
		'Give R$ 99,00 as 9900, and 0 for none.');
	PERFORM partner_api.check_word('frequency', plan.frequency,
		ARRAY['daily', 'weekly', 'monthly', 'annualy']);
	PERFORM partner_api.check_between('interval_count', plan.interval_count,
		1, partner_api.most_intervals(),
		'Weekly with an interval_count of 4 is every 4 weeks.');
	PERFORM partner_api.check_between('grace_period', plan.grace_period, 0,
		3660, 'Give days before the first period, and 0 for none.');
	PERFORM partner_api.check_between('tolerance_period',
		plan.tolerance_period, 0, 3660,
		'Give days that an invoice may be overdue, and 0 for none.');
	PERFORM partner_api.check_between('subscription_duration',
		plan.subscription_duration, 0, 1200,
		'Give months, or 0 for subscriptions that do not end.')
	WHERE plan.subscription_duration IS NOT NULL;
END
$$;
COMMENT ON FUNCTION check_plan(plans) IS
'raises an error for a plan by which nothing could be charged';
REVOKE ALL ON FUNCTION check_plan(plans) FROM PUBLIC;

CREATE FUNCTION checked_terms(terms plan_terms) RETURNS plan_terms
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.check_word('billing', terms.billing,
		ARRAY['prepaid', 'postpaid']);
	PERFORM partner_api.check_word('price_per', terms.price_per,
		ARRAY['plan', 'instance']);
	PERFORM partner_api.check_word('billing_type', terms.billing_type,
		ARRAY['UNDEFINED', 'BOLETO', 'CREDIT_CARD', 'PIX']);
	PERFORM partner_api.check_word('dunning', terms.dunning,
		ARRAY['none', 'notify', 'stop_signing', 'cancel_instance',
			  'delete_instance']);
	PERFORM partner_api.check_word('resume', terms.resume,
		ARRAY['notify', 'sign']);
	PERFORM partner_api.check_between('max_overdue', terms.max_overdue, -1,
		1000, 'Give a number of invoices, or -1 for no limit.')
	WHERE terms.max_overdue IS NOT NULL;
	PERFORM partner_api.check_between('issue_days', terms.issue_days, 0, 366,
		'Give days before a period that is prepaid, or after one that is not.');
	PERFORM partner_api.check_between('due_days', terms.due_days, 0, 366,
		'Give days from the beginning of a period that is prepaid, or from the end of one that is not.');
	terms.fine_percent := partner_api.checked_percent('fine_percent',
		terms.fine_percent);
	terms.interest_percent := partner_api.checked_percent('interest_percent',
		terms.interest_percent);
	terms.max_overdue := nullif(terms.max_overdue, -1);
	RETURN terms;
END
$$;
COMMENT ON FUNCTION checked_terms(plan_terms) IS
'terms as they are kept; raises an error for what makes no sense';
REVOKE ALL ON FUNCTION checked_terms(plan_terms) FROM PUBLIC;

/* ---- register_plan, set_plan_terms ---- */

/* What is given of the terms of a plan; new ones begin with the defaults. */
CREATE FUNCTION write_terms(of_server name, of_plan text, given jsonb)
RETURNS plan_terms
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	terms partner_api.plan_terms;
BEGIN
	/* a percentage is checked before the column would round it */
	PERFORM partner_api.checked_percent(p.key, p.value::numeric)
	FROM jsonb_each_text(given) p
	WHERE p.key IN ('fine_percent', 'interest_percent');
	INSERT INTO partner_api.plan_terms (server, plan_id)
	VALUES (of_server, of_plan)
	ON CONFLICT (server, plan_id) DO NOTHING;
	SELECT t.* INTO STRICT terms FROM partner_api.plan_terms t
	WHERE t.server = of_server AND t.plan_id = of_plan
	FOR UPDATE;
	terms := partner_api.checked_terms(jsonb_populate_record(terms, given));
	UPDATE partner_api.plan_terms t
	SET (billing, price_per, billing_type, issue_days, due_days,
		 fine_percent, interest_percent, dunning, resume, max_overdue)
	  = (terms.billing, terms.price_per, terms.billing_type,
		 terms.issue_days, terms.due_days, terms.fine_percent,
		 terms.interest_percent, terms.dunning, terms.resume,
		 terms.max_overdue)
	WHERE t.server = of_server AND t.plan_id = of_plan;
	RETURN terms;
END
$$;
COMMENT ON FUNCTION write_terms(name, text, jsonb) IS
'writes what is given of the terms of a plan over what is known, or over the defaults';
REVOKE ALL ON FUNCTION write_terms(name, text, jsonb) FROM PUBLIC;

/* The row of a plan, locked; of one that is new it has the defaults. */
CREATE FUNCTION lock_plan(of_server name, of_plan text) RETURNS plans
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plan partner_api.plans;
BEGIN
	PERFORM partner_api.refuse('plan_id', 'given', 'It is missing or empty.',
							   'Give it as text.')
	WHERE coalesce(btrim(of_plan), '') = '';
	INSERT INTO partner_api.plans (server, plan_id, setup_amount_cents,
		grace_period, tolerance_period, frequency, interval_count,
		expire_subscriptions, currency, origin, created_at)
	VALUES (of_server, of_plan, 0, 0, 0, 'monthly', 1, true, 'BRL', 'local',
			partner_api.clock())
	ON CONFLICT (server, plan_id) DO NOTHING;
	SELECT p.* INTO STRICT plan FROM partner_api.plans p
	WHERE p.server = of_server AND p.plan_id = of_plan
	FOR UPDATE;
	RETURN plan;
END
$$;
COMMENT ON FUNCTION lock_plan(name, text) IS
'the row of a plan of our own, made if it is new, and locked';
REVOKE ALL ON FUNCTION lock_plan(name, text) FROM PUBLIC;

CREATE FUNCTION register_plan(
	server name,
	plan_id text,
	name text DEFAULT NULL,
	amount_cents bigint DEFAULT NULL,
	frequency text DEFAULT NULL,
	interval_count integer DEFAULT NULL,
	setup_amount_cents bigint DEFAULT NULL,
	grace_period integer DEFAULT NULL,
	tolerance_period integer DEFAULT NULL,
	plan_expiration_date timestamptz DEFAULT NULL,
	subscription_duration integer DEFAULT NULL,
	expire_subscriptions boolean DEFAULT NULL,
	description text DEFAULT NULL,
	billing text DEFAULT NULL,
	price_per text DEFAULT NULL,
	billing_type text DEFAULT NULL,
	issue_days integer DEFAULT NULL,
	due_days integer DEFAULT NULL,
	fine_percent numeric DEFAULT NULL,
	interest_percent numeric DEFAULT NULL,
	dunning text DEFAULT NULL,
	resume text DEFAULT NULL,
	max_overdue integer DEFAULT NULL)
RETURNS plans
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION register_plan(
	name, text, text, bigint, text, integer, bigint, integer, integer,
	timestamptz, integer, boolean, text, text, text, text, integer, integer,
	numeric, numeric, text, text, integer) IS
'register a plan of our own with its terms, or change it: what is null stays as it is, and has its default in a new one';
REVOKE ALL ON FUNCTION register_plan(
	name, text, text, bigint, text, integer, bigint, integer, integer,
	timestamptz, integer, boolean, text, text, text, text, integer, integer,
	numeric, numeric, text, text, integer) FROM PUBLIC;

CREATE FUNCTION register_plan_for(caller text, arguments jsonb)
RETURNS plans
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	of_server name := arguments->>'server';
	plan partner_api.plans;
BEGIN
	PERFORM partner_api.check_use(of_server, caller, 'create_charge');
	plan := jsonb_populate_record(
		partner_api.lock_plan(of_server, arguments->>'plan_id'), arguments);
	plan.frequency := coalesce(partner_api.plan_frequency(plan.frequency),
							   plan.frequency);
	PERFORM partner_api.check_plan(plan);
	UPDATE partner_api.plans p
	SET (name, description, setup_amount_cents, amount_cents, grace_period,
		 tolerance_period, frequency, interval_count, plan_expiration_date,
		 has_expiration, expire_subscriptions, subscription_duration)
	  = (plan.name, plan.description, plan.setup_amount_cents,
		 plan.amount_cents, plan.grace_period, plan.tolerance_period,
		 plan.frequency, plan.interval_count, plan.plan_expiration_date,
		 plan.plan_expiration_date IS NOT NULL, plan.expire_subscriptions,
		 nullif(plan.subscription_duration, 0))
	WHERE p.server = of_server AND p.plan_id = plan.plan_id
	RETURNING p.* INTO STRICT plan;
	PERFORM partner_api.write_terms(of_server, plan.plan_id, arguments);
	RETURN plan;
END
$$;
COMMENT ON FUNCTION register_plan_for(text, jsonb) IS
'register_plan() for its caller';
REVOKE ALL ON FUNCTION register_plan_for(text, jsonb) FROM PUBLIC;

CREATE FUNCTION set_plan_terms(
	server name,
	plan_id text,
	billing text DEFAULT NULL,
	price_per text DEFAULT NULL,
	billing_type text DEFAULT NULL,
	issue_days integer DEFAULT NULL,
	due_days integer DEFAULT NULL,
	fine_percent numeric DEFAULT NULL,
	interest_percent numeric DEFAULT NULL,
	dunning text DEFAULT NULL,
	resume text DEFAULT NULL,
	max_overdue integer DEFAULT NULL)
RETURNS plan_terms
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION set_plan_terms(
	name, text, text, text, text, integer, integer, numeric, numeric, text,
	text, integer) IS
'say how those are charged who subscribe to a plan here: what is null stays as it is, or has its default; a percentage of 0 is none, a max_overdue of -1 no limit';
REVOKE ALL ON FUNCTION set_plan_terms(
	name, text, text, text, text, integer, integer, numeric, numeric, text,
	text, integer) FROM PUBLIC;

CREATE FUNCTION set_plan_terms_for(caller text, arguments jsonb)
RETURNS plan_terms
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	of_server name := arguments->>'server';
BEGIN
	PERFORM partner_api.check_use(of_server, caller, NULL);
	PERFORM partner_api.refuse_unknown(
		format('plan "%s" of server "%s"', arguments->>'plan_id', of_server),
		'Register it with partner_api.register_plan(), or run partner_api.sync_plans() if it is the provider''s.')
	WHERE NOT EXISTS (
		SELECT FROM partner_api.plans p
		WHERE p.server = of_server AND p.plan_id = arguments->>'plan_id');
	RETURN partner_api.write_terms(of_server, arguments->>'plan_id',
								   arguments);
END
$$;
COMMENT ON FUNCTION set_plan_terms_for(text, jsonb) IS
'set_plan_terms() for its caller';
REVOKE ALL ON FUNCTION set_plan_terms_for(text, jsonb) FROM PUBLIC;
