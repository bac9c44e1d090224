/*
 * Subscriptions of our own: a customer, a plan, and the days from which and
 * until which its periods are invoiced.  What a subscription runs out on is
 * settled when it is made: a plan that changes later does not move it.
 */

/* ---- what a subscription needs ---- */

CREATE FUNCTION check_subscriber(of_server name, of_customer text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers;
BEGIN
	SELECT c.* INTO customer FROM partner_api.customers c
	WHERE c.server = of_server AND c.customer_ref = of_customer;
	PERFORM partner_api.refuse_unknown(
		format('customer "%s" of server "%s"', of_customer, of_server),
		'Register it with partner_api.register_customer().')
	WHERE customer.customer_ref IS NULL;
	PERFORM partner_api.refuse_state(
		format('customer "%s" cannot subscribe', of_customer),
		'It was deleted at the provider.',
		'Call partner_api.restore_customer() first.')
	WHERE customer.deleted_at IS NOT NULL;
END
$$;
COMMENT ON FUNCTION check_subscriber(name, text) IS
'raises an error for a customer that cannot subscribe';
REVOKE ALL ON FUNCTION check_subscriber(name, text) FROM PUBLIC;

/*
 * A plan of a provider of plans is charged by that provider; to charge those
 * who subscribe to it here as well is a decision, and made by giving it terms.
 */
CREATE FUNCTION plan_to_subscribe(of_server name, of_plan text,
	price_cents bigint)
RETURNS plans
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plan partner_api.plans;
	label text := format('plan "%s" of server "%s"', of_plan, of_server);
BEGIN
	SELECT p.* INTO plan FROM partner_api.plans p
	WHERE p.server = of_server AND p.plan_id = of_plan;
	PERFORM partner_api.refuse_unknown(label,
		'Register it with partner_api.register_plan(), or give plan_server if it is another provider''s.')
	WHERE plan.plan_id IS NULL;
	PERFORM partner_api.refuse_state(
		format('%s cannot be subscribed to here', label),
		'It has no terms: nothing says how its subscribers are charged.',
		'Call partner_api.set_plan_terms().')
	WHERE NOT EXISTS (
		SELECT FROM partner_api.plan_terms t
		WHERE t.server = of_server AND t.plan_id = of_plan);
	PERFORM partner_api.refuse_state(
		format('%s cannot be subscribed to here', label),
		'Its frequency, interval or amount is not known, or out of bounds.',
		'Run partner_api.sync_plans(), or subscribe to another plan.')
	WHERE partner_api.plan_frequency(plan.frequency) IS NULL
	   OR coalesce(plan.interval_count, 0)
		  NOT BETWEEN 1 AND partner_api.most_intervals()
	   OR plan.grace_period NOT BETWEEN 0 AND 3660
	   OR coalesce(price_cents, plan.amount_cents, -1) < 0;
	PERFORM partner_api.refuse_state(
		format('%s has expired', label),
		format('It expired on %s.',
			   partner_api.server_day(of_server, plan.plan_expiration_date)),
		'Subscribe to another plan.')
	WHERE coalesce(plan.has_expiration, true)
	  AND plan.plan_expiration_date <= partner_api.clock();
	RETURN plan;
END
$$;
COMMENT ON FUNCTION plan_to_subscribe(name, text, bigint) IS
'a plan; raises an error for one that cannot be subscribed to here';
REVOKE ALL ON FUNCTION plan_to_subscribe(name, text, bigint) FROM PUBLIC;

CREATE FUNCTION check_subscribed_instance(of_server name, of_instance text,
	of_customer text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	instance partner_api.instances;
BEGIN
	PERFORM partner_api.refuse('instance_server',
		'given with instance_id, and only with it',
		'One of them is missing.', 'Give both, or neither.')
	WHERE (of_server IS NULL) <> (of_instance IS NULL);
	IF of_instance IS NULL THEN
		RETURN;
	END IF;
	SELECT i.* INTO instance FROM partner_api.instances i
	WHERE i.server = of_server AND i.instance_id = of_instance;
	PERFORM partner_api.refuse_unknown(
		format('instance "%s" of server "%s"', of_instance, of_server),
		format('Run partner_api.sync_instances(%L) if it exists at the provider.',
			   of_server))
	WHERE instance.instance_id IS NULL;
	PERFORM partner_api.refuse_state(
		format('instance "%s" cannot be subscribed to', of_instance),
		format('It is %s.', instance.status),
		'Create a new instance, or leave it out.')
	WHERE instance.status IN ('ended', 'lapsed', 'deleted');
	PERFORM partner_api.refuse_state(
		format('instance "%s" cannot be subscribed to', of_instance),
		'It belongs to another customer.',
		'Check customer_ref of the instance.')
	WHERE instance.customer_ref <> of_customer;
END
$$;
COMMENT ON FUNCTION check_subscribed_instance(name, text, text) IS
'raises an error for an instance that the customer cannot subscribe to';
REVOKE ALL ON FUNCTION check_subscribed_instance(name, text, text)
	FROM PUBLIC;

/*
 * An instance for which one plan is charged twice is a mistake: a call that
 * came twice, or an old subscription that was not ended.  Other plans beside it
 * are for what is sold in addition.  The lock keeps two calls from each missing
 * the other.
 */
CREATE FUNCTION check_subscribed_once(subscription subscriptions)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	other partner_api.subscriptions;
BEGIN
	PERFORM partner_api.lock_customer(subscription.server,
									  subscription.customer_ref);
	SELECT s.* INTO other FROM partner_api.subscriptions s
	WHERE s.server = subscription.server
	  AND s.customer_ref = subscription.customer_ref
	  AND s.instance_server = subscription.instance_server
	  AND s.instance_id = subscription.instance_id
	  AND s.plan_server = subscription.plan_server
	  AND s.plan_id = subscription.plan_id
	  AND s.subscription_id <> subscription.subscription_id
	  AND daterange(s.starts_on, greatest(s.ends_on + 1, s.starts_on))
		  && daterange(subscription.starts_on, subscription.ends_on, '[]')
	ORDER BY s.starts_on LIMIT 1;
	PERFORM partner_api.refuse_state(
		format('instance "%s" is subscribed to plan "%s" already',
			   subscription.instance_id, subscription.plan_id),
		format('Subscription "%s" is for it, from %s %s.',
			   other.subscription_id, other.starts_on,
			   coalesce('to ' || other.ends_on, 'on')),
		'Call partner_api.unsubscribe() for that first, or begin after it.')
	WHERE other.subscription_id IS NOT NULL;
END
$$;
COMMENT ON FUNCTION check_subscribed_once(subscriptions) IS
'raises an error if a plan would be charged twice for one instance';
REVOKE ALL ON FUNCTION check_subscribed_once(subscriptions) FROM PUBLIC;

/*
 * A subscription to a plan whose subscriptions last so many months ends with
 * the last of them, counted from its first period.
 */
CREATE FUNCTION end_of_subscription(plan plans, counted_from date,
	ends_on date)
RETURNS date
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN least(ends_on, CASE WHEN plan.expire_subscriptions IS NOT FALSE THEN
	(counted_from + make_interval(
		months => plan.subscription_duration))::date - 1 END);
COMMENT ON FUNCTION end_of_subscription(plans, date, date) IS
'last day of a subscription, by what was given and by how long those of the plan last';
REVOKE ALL ON FUNCTION end_of_subscription(plans, date, date) FROM PUBLIC;

/* ---- subscribe ---- */

CREATE FUNCTION subscribe(
	server name,
	customer_ref text,
	plan_id text,
	instance_server name DEFAULT NULL,
	instance_id text DEFAULT NULL,
	starts_on date DEFAULT NULL,
	ends_on date DEFAULT NULL,
	price_cents bigint DEFAULT NULL,
	plan_server name DEFAULT NULL,
	subscription_id text DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION subscribe(
	name, text, text, name, text, date, date, bigint, name, text) IS
'subscribe a customer to a plan that we charge for; price_cents is a price of its own in place of the plan''s';
REVOKE ALL ON FUNCTION subscribe(
	name, text, text, name, text, date, date, bigint, name, text) FROM PUBLIC;

CREATE FUNCTION check_price(price_cents bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.check_between('price_cents', price_cents, 0,
		partner_api.most_cents(),
		'Give R$ 99,00 as 9900, or leave it out for the plan''s.');
END
$$;
COMMENT ON FUNCTION check_price(bigint) IS
'raises an error for what cannot be the price of a subscription; null is the plan''s';
REVOKE ALL ON FUNCTION check_price(bigint) FROM PUBLIC;

/* A typing error in a day would be invoiced period by period. */
CREATE FUNCTION check_subscription(subscription subscriptions) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse(a.name, 'given', 'It is missing.', a.hint)
	FROM (VALUES
			('customer_ref', subscription.customer_ref,
			 'Give the key of a customer that is registered.'),
			('plan_id', subscription.plan_id,
			 'Give a plan that is registered, or is of plan_server.'))
		 AS a (name, value, hint)
	WHERE a.value IS NULL;
	PERFORM partner_api.refuse('starts_on', 'at most a year ago',
		format('The day is %s.', subscription.starts_on),
		'Give the first day that is not invoiced yet.')
	WHERE subscription.starts_on
		  < partner_api.server_day(subscription.server) - 366;
	PERFORM partner_api.refuse('starts_on', 'at most ten years ahead',
		format('The day is %s.', subscription.starts_on),
		'Give the first day of the subscription.')
	WHERE subscription.starts_on
		  > partner_api.server_day(subscription.server) + 3660;
	PERFORM partner_api.refuse('ends_on', 'starts_on or later',
		'The subscription would end before it begins.',
		'Leave it out for one that goes on.')
	WHERE subscription.ends_on < subscription.starts_on;
	PERFORM partner_api.check_price(subscription.amount_cents);
	PERFORM partner_api.refuse('subscription_id', 'a text that is not empty',
		'It is empty.', 'Leave it out to have one made.')
	WHERE btrim(subscription.subscription_id) = '';
END
$$;
COMMENT ON FUNCTION check_subscription(subscriptions) IS
'raises an error for days or a price that make no sense';
REVOKE ALL ON FUNCTION check_subscription(subscriptions) FROM PUBLIC;

/* A subscription as it is asked for, with what is not said filled in. */
CREATE FUNCTION subscription_as_given(given jsonb) RETURNS subscriptions
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subscription partner_api.subscriptions := jsonb_populate_record(
		NULL::partner_api.subscriptions, given - 'price_cents');
BEGIN
	subscription.subscription_id :=
		coalesce(subscription.subscription_id, gen_random_uuid()::text);
	subscription.plan_server :=
		coalesce(subscription.plan_server, subscription.server);
	subscription.amount_cents := given->>'price_cents';
	subscription.currency := 'BRL';
	subscription.starts_on := coalesce(subscription.starts_on,
		partner_api.server_day(subscription.server));
	subscription.status := 'active';
	subscription.origin := 'local';
	subscription.created_at := partner_api.clock();
	RETURN subscription;
END
$$;
COMMENT ON FUNCTION subscription_as_given(jsonb) IS
'a subscription as it is asked for';
REVOKE ALL ON FUNCTION subscription_as_given(jsonb) FROM PUBLIC;

CREATE FUNCTION subscribe_for(caller text, arguments jsonb)
RETURNS subscriptions
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subscription partner_api.subscriptions;
	plan partner_api.plans;
BEGIN
	PERFORM partner_api.check_use((arguments->>'server')::name, caller,
								  'create_charge');
	subscription := partner_api.subscription_as_given(arguments);
	PERFORM partner_api.check_use(s.server, caller, NULL)
	FROM unnest(ARRAY[subscription.plan_server,
					  subscription.instance_server]) AS s (server)
	WHERE s.server <> subscription.server;
	PERFORM partner_api.check_subscription(subscription);
	PERFORM partner_api.check_subscriber(subscription.server,
										 subscription.customer_ref);
	PERFORM partner_api.check_subscribed_instance(
		subscription.instance_server, subscription.instance_id,
		subscription.customer_ref);
	plan := partner_api.plan_to_subscribe(subscription.plan_server,
		subscription.plan_id, subscription.amount_cents);
	subscription.counted_from :=
		subscription.starts_on + coalesce(plan.grace_period, 0);
	subscription.ends_on := partner_api.end_of_subscription(plan,
		subscription.counted_from, subscription.ends_on);
	PERFORM partner_api.check_subscribed_once(subscription);
	INSERT INTO partner_api.subscriptions SELECT subscription.*
	ON CONFLICT (server, subscription_id) DO NOTHING;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'unique_violation',
			MESSAGE = format('subscription "%s" of server "%s" exists already',
							 subscription.subscription_id,
							 subscription.server),
			HINT = 'Leave subscription_id out to have one made.';
	END IF;
	RETURN subscription;
END
$$;
COMMENT ON FUNCTION subscribe_for(text, jsonb) IS
'subscribe() for its caller';
REVOKE ALL ON FUNCTION subscribe_for(text, jsonb) FROM PUBLIC;

/* ---- changes ---- */

/* One of our own that goes on, locked. */
CREATE FUNCTION lock_subscription(caller text, of_server name,
	of_subscription text)
RETURNS subscriptions
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subscription partner_api.subscriptions;
BEGIN
	PERFORM partner_api.check_use(of_server, caller, 'create_charge');
	SELECT s.* INTO subscription FROM partner_api.subscriptions s
	WHERE s.server = of_server AND s.subscription_id = of_subscription
	FOR UPDATE;
	PERFORM partner_api.refuse_unknown(
		format('subscription "%s" of server "%s"', of_subscription,
			   of_server),
		'partner_api.subscribe() makes one.')
	WHERE subscription.subscription_id IS NULL;
	PERFORM partner_api.refuse_state(
		format('subscription "%s" has ended', of_subscription),
		format('Its last day was %s.', subscription.ends_on),
		'Call partner_api.subscribe() for a new one.')
	WHERE subscription.status IN ('cancelled', 'expired')
	   OR subscription.ends_on < partner_api.server_day(of_server);
	RETURN subscription;
END
$$;
COMMENT ON FUNCTION lock_subscription(text, name, text) IS
'a subscription of our own, locked; raises an error for one that has ended';
REVOKE ALL ON FUNCTION lock_subscription(text, name, text) FROM PUBLIC;

CREATE FUNCTION unsubscribe(server name, subscription_id text,
	ends_on date DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION unsubscribe(name, text, date) IS
'end a subscription of our own on a day, today by default: no period begins after it';
REVOKE ALL ON FUNCTION unsubscribe(name, text, date) FROM PUBLIC;

CREATE FUNCTION unsubscribe_for(caller text, arguments jsonb)
RETURNS subscriptions
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subscription partner_api.subscriptions := partner_api.lock_subscription(
		caller, (arguments->>'server')::name, arguments->>'subscription_id');
	today date := partner_api.server_day(subscription.server);
	last_day date := arguments->>'ends_on';
BEGIN
	PERFORM partner_api.refuse('ends_on', 'starts_on or later',
		'The subscription would end before it begins.',
		'Leave it out for one that is to end at once.')
	WHERE last_day < subscription.starts_on;
	/* one that has not begun never does */
	last_day := coalesce(last_day,
						 greatest(today, subscription.starts_on - 1));
	UPDATE partner_api.subscriptions s
	SET ends_on = last_day, cancelled_at = partner_api.clock(),
		status = CASE WHEN last_day <= today OR last_day < s.starts_on
					  THEN 'cancelled' ELSE s.status END
	WHERE s.server = subscription.server
	  AND s.subscription_id = subscription.subscription_id
	RETURNING s.* INTO STRICT subscription;
	RETURN subscription;
END
$$;
COMMENT ON FUNCTION unsubscribe_for(text, jsonb) IS
'unsubscribe() for its caller';
REVOKE ALL ON FUNCTION unsubscribe_for(text, jsonb) FROM PUBLIC;

CREATE FUNCTION set_subscription_price(server name, subscription_id text,
	price_cents bigint)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION set_subscription_price(name, text, bigint) IS
'give a subscription of our own a price of its own for the invoices to come, or with null the plan''s';
REVOKE ALL ON FUNCTION set_subscription_price(name, text, bigint)
	FROM PUBLIC;

CREATE FUNCTION set_subscription_price_for(caller text, arguments jsonb)
RETURNS subscriptions
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subscription partner_api.subscriptions := partner_api.lock_subscription(
		caller, (arguments->>'server')::name, arguments->>'subscription_id');
BEGIN
	subscription.amount_cents := arguments->>'price_cents';
	PERFORM partner_api.check_price(subscription.amount_cents);
	UPDATE partner_api.subscriptions s
	SET amount_cents = subscription.amount_cents
	WHERE s.server = subscription.server
	  AND s.subscription_id = subscription.subscription_id;
	RETURN subscription;
END
$$;
COMMENT ON FUNCTION set_subscription_price_for(text, jsonb) IS
'set_subscription_price() for its caller';
REVOKE ALL ON FUNCTION set_subscription_price_for(text, jsonb) FROM PUBLIC;
