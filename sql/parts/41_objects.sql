/*
 * What exists at the billing providers: plans, subscriptions to them, clients
 * and their cards, customers and their charges.  object_events is the record,
 * as instance_events is of instances, and numbered with it; the tables are what
 * the events add up to.
 */
CREATE TABLE object_events (
	event_id	bigint		PRIMARY KEY
		DEFAULT pg_catalog.nextval('instance_event_id_seq'),
	server		name		NOT NULL,
	object		text COLLATE "C" NOT NULL
		CHECK (object IN ('plan', 'subscription', 'client', 'card',
						  'invoice', 'customer', 'charge', 'recurrence',
						  'notification', 'webhook')),
	object_id	text COLLATE "C" NOT NULL,
	kind		text		NOT NULL
		CHECK (kind IN ('created', 'adopted', 'found', 'imported', 'changed',
						'deleted', 'restored', 'suspended', 'reactivated',
						'cancelled', 'received', 'receipt_undone', 'refunded',
						'stored', 'checked', 'refused', 'missing',
						'found_again')),
	occurred_at	timestamptz	NOT NULL,
	action_id	bigint,
	details		jsonb		NOT NULL DEFAULT '{}'
);
CREATE INDEX object_events_object
	ON object_events (server, object, object_id, event_id);
CREATE INDEX object_events_action ON object_events (action_id)
	WHERE action_id IS NOT NULL;
COMMENT ON TABLE object_events IS
'what happened to each plan, subscription, client, card, invoice, customer, charge, recurrence, notification and webhook, in order; never changed';
COMMENT ON COLUMN object_events.event_id IS
'order of recording, with instance_events';
COMMENT ON COLUMN object_events.server IS
'foreign server';
COMMENT ON COLUMN object_events.object IS
'what it is: plan, subscription, client, card, invoice, customer, charge, recurrence, notification or webhook';
COMMENT ON COLUMN object_events.object_id IS
'the provider''s id: of notifications that of their customer; of what was refused before it had one "action" and the action''s number';
COMMENT ON COLUMN object_events.kind IS
'what happened';
COMMENT ON COLUMN object_events.occurred_at IS
'when, by clock()';
COMMENT ON COLUMN object_events.action_id IS
'action that caused it, if one did';
COMMENT ON COLUMN object_events.details IS
'what was asked for and what the provider answered; no secrets';

CREATE TABLE plans (
	server					name		NOT NULL,
	plan_id					text COLLATE "C" NOT NULL,
	name					text,
	description				text,
	email					text,
	setup_amount_cents		bigint,
	amount_cents			bigint,
	grace_period			integer,
	tolerance_period		integer,
	frequency				text,
	interval_count			integer,
	logo					boolean,
	currency				text,
	payment_methods			text,
	plan_expiration_date	timestamptz,
	has_expiration			boolean,
	expire_subscriptions	boolean,
	subscription_duration	integer,
	customer_ref			text COLLATE "C",
	origin					text		NOT NULL
		CHECK (origin IN ('local', 'created', 'adopted', 'imported')),
	created_at				timestamptz	NOT NULL,
	action_id				bigint,
	last_seen_at			timestamptz,
	missing_since			timestamptz,
	details					jsonb,
	PRIMARY KEY (server, plan_id)
);
CREATE INDEX plans_customer_ref ON plans (customer_ref)
	WHERE customer_ref IS NOT NULL;
CREATE INDEX plans_action ON plans (action_id) WHERE action_id IS NOT NULL;
COMMENT ON TABLE plans IS
'plans of our own, and those at billing providers as far as they are known here';
COMMENT ON COLUMN plans.server IS
'foreign server: the provider account';
COMMENT ON COLUMN plans.plan_id IS
'the provider''s id, opaque; of a plan of our own the id that it was registered with';
COMMENT ON COLUMN plans.name IS
'name of the plan';
COMMENT ON COLUMN plans.description IS
'what the subscriber gets, without the nonce';
COMMENT ON COLUMN plans.email IS
'address that is told of actions on the plan';
COMMENT ON COLUMN plans.setup_amount_cents IS
'charged on joining';
COMMENT ON COLUMN plans.amount_cents IS
'charged at each recurrence';
COMMENT ON COLUMN plans.grace_period IS
'free days before the first charge, as clients of the provider read it';
COMMENT ON COLUMN plans.tolerance_period IS
'days allowed when a payment fails, as clients of the provider read it';
COMMENT ON COLUMN plans.frequency IS
'unit of the recurrence as the provider spells it: daily, weekly, monthly, annualy';
COMMENT ON COLUMN plans.interval_count IS
'a recurrence is so many units of frequency';
COMMENT ON COLUMN plans.logo IS
'the establishment''s logo is shown on the sign-up screen';
COMMENT ON COLUMN plans.currency IS
'BRL';
COMMENT ON COLUMN plans.payment_methods IS
'the provider''s literal';
COMMENT ON COLUMN plans.plan_expiration_date IS
'when the plan expires';
COMMENT ON COLUMN plans.has_expiration IS
'the plan expires';
COMMENT ON COLUMN plans.expire_subscriptions IS
'its subscriptions expire';
COMMENT ON COLUMN plans.subscription_duration IS
'length of a subscription in months';
COMMENT ON COLUMN plans.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN plans.origin IS
'local: registered here and known to no provider; created from here, adopted after a lost answer, or imported by sync_plans()';
COMMENT ON COLUMN plans.created_at IS
'when it was created or first seen, by clock()';
COMMENT ON COLUMN plans.action_id IS
'action that created it';
COMMENT ON COLUMN plans.last_seen_at IS
'when a complete list last showed it';
COMMENT ON COLUMN plans.missing_since IS
'when a complete list first did not show it any more';
COMMENT ON COLUMN plans.details IS
'what the provider last showed of it, without secrets';

CREATE TABLE subscriptions (
	server			name		NOT NULL,
	subscription_id	text COLLATE "C" NOT NULL,
	plan_server		name,
	plan_id			text COLLATE "C",
	client_id		text COLLATE "C",
	customer_ref	text COLLATE "C",
	instance_server	name,
	instance_id		text COLLATE "C",
	status			text		NOT NULL
		CHECK (status IN ('waiting', 'trial', 'active', 'paid', 'past_due',
						  'suspended', 'cancelled', 'expired', 'unknown')),
	status_id		bigint,
	amount_cents	bigint,
	currency		text,
	payment_method	text,
	due_on			date,
	starts_on		date,
	ends_on			date,
	counted_from	date,
	invoiced_until	date,
	expires_at		timestamptz,
	created_at		timestamptz	NOT NULL,
	suspended_at	timestamptz,
	cancelled_at	timestamptz,
	origin			text		NOT NULL
		CHECK (origin IN ('local', 'created', 'adopted', 'imported')),
	action_id		bigint,
	last_seen_at	timestamptz,
	missing_since	timestamptz,
	details			jsonb,
	PRIMARY KEY (server, subscription_id)
);
/*
 * Indexes beside the primary keys begin with what tells rows apart: as long as
 * the table is small all look alike to the planner, and the worker keeps the
 * plans that it made then.
 */
CREATE INDEX subscriptions_plan ON subscriptions (plan_id, server);
CREATE INDEX subscriptions_client ON subscriptions (client_id, server);
CREATE INDEX subscriptions_customer_ref ON subscriptions (customer_ref)
	WHERE customer_ref IS NOT NULL;
CREATE INDEX subscriptions_instance
	ON subscriptions (instance_server, instance_id)
	WHERE instance_id IS NOT NULL;
/* what generate_invoices() has to look at, the next period first */
CREATE INDEX subscriptions_to_invoice ON subscriptions (invoiced_until)
	WHERE origin = 'local';
COMMENT ON TABLE subscriptions IS
'subscriptions of our own to plans, and those at billing providers as far as they are known here';
COMMENT ON COLUMN subscriptions.server IS
'foreign server: the provider account';
COMMENT ON COLUMN subscriptions.subscription_id IS
'the provider''s id, opaque; of one of our own what subscribe() was given or made';
COMMENT ON COLUMN subscriptions.plan_server IS
'foreign server of the plan, of one of our own; null: that of the subscription';
COMMENT ON COLUMN subscriptions.plan_id IS
'see plans';
COMMENT ON COLUMN subscriptions.client_id IS
'the provider''s id of the client';
COMMENT ON COLUMN subscriptions.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN subscriptions.instance_server IS
'foreign server of the instance that it is for, of one of our own';
COMMENT ON COLUMN subscriptions.instance_id IS
'the instance that it is for; null: all instances of the customer';
COMMENT ON COLUMN subscriptions.status IS
'waiting, trial, active, paid, past_due, suspended, cancelled, expired or unknown: by the provider''s title, or by what was done here';
COMMENT ON COLUMN subscriptions.status_id IS
'the provider''s number of the state, whose meaning is not published';
COMMENT ON COLUMN subscriptions.amount_cents IS
'charged at each recurrence (the provider writes decimal reais here); of one of our own its price_cents, null: the plan''s';
COMMENT ON COLUMN subscriptions.currency IS
'BRL';
COMMENT ON COLUMN subscriptions.payment_method IS
'the provider''s literal';
COMMENT ON COLUMN subscriptions.due_on IS
'when the next payment is due';
COMMENT ON COLUMN subscriptions.starts_on IS
'first day of one of our own; its first period begins after the plan''s grace_period';
COMMENT ON COLUMN subscriptions.ends_on IS
'last day of one of our own; null: it goes on';
COMMENT ON COLUMN subscriptions.counted_from IS
'first day of the period from which those of one of our own are counted: starts_on and the plan''s grace_period, or the day from which the plan has another frequency';
COMMENT ON COLUMN subscriptions.invoiced_until IS
'day up to which each period of one of our own has its invoice';
COMMENT ON COLUMN subscriptions.expires_at IS
'when it expires';
COMMENT ON COLUMN subscriptions.created_at IS
'when it began, as the provider says, or when it was first seen';
COMMENT ON COLUMN subscriptions.suspended_at IS
'when it was suspended; null while it is not';
COMMENT ON COLUMN subscriptions.cancelled_at IS
'when it was cancelled from here';
COMMENT ON COLUMN subscriptions.origin IS
'local: registered here and known to no provider; created from here, adopted after a lost answer, or imported by sync_subscriptions()';
COMMENT ON COLUMN subscriptions.action_id IS
'action that created it';
COMMENT ON COLUMN subscriptions.last_seen_at IS
'when a complete list last showed it';
COMMENT ON COLUMN subscriptions.missing_since IS
'when a complete list first did not show it any more';
COMMENT ON COLUMN subscriptions.details IS
'what the provider last showed of it, without secrets';

CREATE TABLE clients (
	server			name		NOT NULL,
	client_id		text COLLATE "C" NOT NULL,
	name			text,
	email			text,
	document		text COLLATE "C",
	birth_date		date,
	phone			text,
	mobile			text,
	customer_ref	text COLLATE "C",
	origin			text		NOT NULL
		CHECK (origin IN ('created', 'adopted', 'imported')),
	created_at		timestamptz	NOT NULL,
	action_id		bigint,
	details			jsonb,
	PRIMARY KEY (server, client_id)
);
CREATE INDEX clients_document ON clients (document, server);
COMMENT ON TABLE clients IS
'clients registered at the billing providers';
COMMENT ON COLUMN clients.server IS
'foreign server: the provider account';
COMMENT ON COLUMN clients.client_id IS
'the provider''s id, opaque';
COMMENT ON COLUMN clients.name IS
'name of the person or company';
COMMENT ON COLUMN clients.email IS
'e-mail address';
COMMENT ON COLUMN clients.document IS
'CPF or CNPJ, digits';
COMMENT ON COLUMN clients.birth_date IS
'as given at the creation';
COMMENT ON COLUMN clients.phone IS
'as given at the creation';
COMMENT ON COLUMN clients.mobile IS
'as given at the creation';
COMMENT ON COLUMN clients.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN clients.origin IS
'created here, or adopted after a lost answer';
COMMENT ON COLUMN clients.created_at IS
'when the provider was told of it, by clock()';
COMMENT ON COLUMN clients.action_id IS
'action that created it';
COMMENT ON COLUMN clients.details IS
'what the provider last showed of it, without secrets';

CREATE TABLE cards (
	server			name		NOT NULL,
	card_id			text COLLATE "C" NOT NULL,
	client_id		text COLLATE "C" NOT NULL,
	last_digits		text,
	created_at		timestamptz	NOT NULL,
	action_id		bigint,
	PRIMARY KEY (server, card_id)
);
CREATE INDEX cards_client ON cards (client_id, server);
COMMENT ON TABLE cards IS
'cards that the billing providers keep for clients: their ids, never their numbers';
COMMENT ON COLUMN cards.server IS
'foreign server: the provider account';
COMMENT ON COLUMN cards.card_id IS
'the provider''s id, opaque';
COMMENT ON COLUMN cards.client_id IS
'the provider''s id of the client whose card it is';
COMMENT ON COLUMN cards.last_digits IS
'last four digits of its number, as the provider shows them';
COMMENT ON COLUMN cards.created_at IS
'when it was stored, by clock()';
COMMENT ON COLUMN cards.action_id IS
'action that stored it';

SELECT pg_catalog.pg_extension_config_dump('object_events', '');
SELECT pg_catalog.pg_extension_config_dump('plans', '');
SELECT pg_catalog.pg_extension_config_dump('subscriptions', '');
SELECT pg_catalog.pg_extension_config_dump('clients', '');
SELECT pg_catalog.pg_extension_config_dump('cards', '');

/*
 * What an event tells of a row, over what was known of it; what the tables
 * know by themselves no event can change.
 */
CREATE FUNCTION event_facts(details jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_strip_nulls(details) - ARRAY['server', 'origin', 'action_id',
											  'last_seen_at', 'missing_since',
											  'cancelled_at', 'status']
		|| jsonb_strip_nulls(jsonb_build_object(
			'details', details->'details',
			'description', regexp_replace(details->>'description',
				' ?\[pa-[0-9a-f]{8}-\d{1,18}-[0-9a-f]{8}\]$', ''),
			'status', nullif(details->>'status', 'unknown')))
$$;
COMMENT ON FUNCTION event_facts(jsonb) IS
'the columns that an event tells of: without our nonce, and without a status that is not known';
REVOKE ALL ON FUNCTION event_facts(jsonb) FROM PUBLIC;

/* The origin of what an event is the first of. */
CREATE FUNCTION event_origin(event object_events) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN event.kind IN ('created', 'adopted') THEN event.kind
				ELSE 'imported' END
$$;
COMMENT ON FUNCTION event_origin(object_events) IS
'where a row comes from that begins with this event';
REVOKE ALL ON FUNCTION event_origin(object_events) FROM PUBLIC;

CREATE FUNCTION apply_plan_event(event object_events) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plan partner_api.plans;
BEGIN
	SELECT p.* INTO plan FROM partner_api.plans p
	WHERE p.server = event.server AND p.plan_id = event.object_id
	FOR UPDATE NOWAIT;
	IF NOT FOUND THEN
		plan.origin := partner_api.event_origin(event);
		plan.created_at := event.occurred_at;
	END IF;
	plan := jsonb_populate_record(plan,
		partner_api.event_facts(event.details) - 'created_at');
	plan.server := event.server;
	plan.plan_id := event.object_id;
	plan.missing_since := CASE WHEN event.kind IN ('missing', 'deleted')
							   THEN event.occurred_at END;
	IF event.kind IN ('created', 'adopted') THEN
		plan.origin := event.kind;
		plan.action_id := event.action_id;
	END IF;
	INSERT INTO partner_api.plans AS p SELECT plan.*
	ON CONFLICT (server, plan_id) DO UPDATE
	SET (name, description, email, setup_amount_cents, amount_cents,
		 grace_period, tolerance_period, frequency, interval_count, logo,
		 currency, payment_methods, plan_expiration_date, has_expiration,
		 expire_subscriptions, subscription_duration, customer_ref, origin,
		 action_id, missing_since, details)
	  = (excluded.name, excluded.description, excluded.email,
		 excluded.setup_amount_cents, excluded.amount_cents,
		 excluded.grace_period, excluded.tolerance_period,
		 excluded.frequency, excluded.interval_count, excluded.logo,
		 excluded.currency, excluded.payment_methods,
		 excluded.plan_expiration_date, excluded.has_expiration,
		 excluded.expire_subscriptions, excluded.subscription_duration,
		 excluded.customer_ref, excluded.origin, excluded.action_id,
		 excluded.missing_since, excluded.details);
END
$$;
COMMENT ON FUNCTION apply_plan_event(object_events) IS
'brings one event into plans; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_plan_event(object_events) FROM PUBLIC;

/*
 * What was done here is known to have been done, even where the answer shows
 * no state, or a number that nobody can read.
 */
CREATE FUNCTION apply_subscription_event(event object_events) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subscription partner_api.subscriptions;
	done_status text := CASE event.kind WHEN 'suspended' THEN 'suspended'
										WHEN 'reactivated' THEN 'active'
										WHEN 'cancelled' THEN 'cancelled' END;
BEGIN
	SELECT s.* INTO subscription FROM partner_api.subscriptions s
	WHERE s.server = event.server AND s.subscription_id = event.object_id
	FOR UPDATE NOWAIT;
	IF NOT FOUND THEN
		subscription.origin := partner_api.event_origin(event);
		subscription.created_at := event.occurred_at;
		subscription.status := 'unknown';
	END IF;
	IF event.kind = 'reactivated' THEN
		subscription.suspended_at := NULL;
	END IF;
	subscription.status := coalesce(done_status, subscription.status);
	subscription := jsonb_populate_record(subscription,
		partner_api.event_facts(event.details));
	IF event.kind IN ('suspended', 'cancelled') THEN
		subscription.status := done_status;
	END IF;
	subscription.server := event.server;
	subscription.subscription_id := event.object_id;
	subscription.suspended_at := CASE
		WHEN event.kind = 'suspended'
			THEN coalesce(subscription.suspended_at, event.occurred_at)
		WHEN subscription.status = 'suspended'
			THEN subscription.suspended_at END;
	subscription.cancelled_at := CASE
		WHEN event.kind = 'cancelled' THEN event.occurred_at
		ELSE subscription.cancelled_at END;
	subscription.missing_since := CASE WHEN event.kind = 'missing'
									   THEN event.occurred_at END;
	IF event.kind IN ('created', 'adopted') THEN
		subscription.origin := event.kind;
		subscription.action_id := event.action_id;
	END IF;
	INSERT INTO partner_api.subscriptions AS s SELECT subscription.*
	ON CONFLICT (server, subscription_id) DO UPDATE
	SET (plan_id, client_id, customer_ref, status, status_id, amount_cents,
		 currency, payment_method, due_on, expires_at, created_at,
		 suspended_at, cancelled_at, origin, action_id, missing_since,
		 details)
	  = (excluded.plan_id, excluded.client_id, excluded.customer_ref,
		 excluded.status, excluded.status_id, excluded.amount_cents,
		 excluded.currency, excluded.payment_method, excluded.due_on,
		 excluded.expires_at, excluded.created_at, excluded.suspended_at,
		 excluded.cancelled_at, excluded.origin, excluded.action_id,
		 excluded.missing_since, excluded.details);
END
$$;
COMMENT ON FUNCTION apply_subscription_event(object_events) IS
'brings one event into subscriptions; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_subscription_event(object_events) FROM PUBLIC;

CREATE FUNCTION apply_client_event(event object_events) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	client partner_api.clients;
	facts jsonb := partner_api.event_facts(event.details) - 'created_at';
BEGIN
	SELECT c.* INTO client FROM partner_api.clients c
	WHERE c.server = event.server AND c.client_id = event.object_id
	FOR UPDATE NOWAIT;
	IF NOT FOUND THEN
		client.origin := partner_api.event_origin(event);
		client.created_at := event.occurred_at;
		client.action_id := event.action_id;
	ELSIF (facts->>'existed')::boolean THEN
		/* what was asked for again changed nothing at the provider */
		facts := facts || jsonb_strip_nulls(to_jsonb(client) - 'customer_ref');
	END IF;
	client := jsonb_populate_record(client, facts);
	client.server := event.server;
	client.client_id := event.object_id;
	INSERT INTO partner_api.clients AS c SELECT client.*
	ON CONFLICT (server, client_id) DO UPDATE
	SET (name, email, document, birth_date, phone, mobile, customer_ref,
		 details)
	  = (excluded.name, excluded.email, excluded.document,
		 excluded.birth_date, excluded.phone, excluded.mobile,
		 excluded.customer_ref, excluded.details);
END
$$;
COMMENT ON FUNCTION apply_client_event(object_events) IS
'brings one event into clients; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_client_event(object_events) FROM PUBLIC;

CREATE FUNCTION apply_card_event(event object_events) RETURNS void
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO partner_api.cards
		(server, card_id, client_id, last_digits, created_at, action_id)
	VALUES (event.server, event.object_id, event.details->>'client_id',
			event.details->>'last_digits', event.occurred_at,
			event.action_id)
	ON CONFLICT (server, card_id) DO NOTHING
$$;
COMMENT ON FUNCTION apply_card_event(object_events) IS
'brings one event into cards; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_card_event(object_events) FROM PUBLIC;

CREATE FUNCTION apply_object_events(event_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	event partner_api.object_events;
BEGIN
	FOR event IN
		SELECT e.* FROM partner_api.object_events e
		WHERE e.event_id = ANY (event_ids) ORDER BY e.event_id
	LOOP
		CASE event.object
		WHEN 'plan' THEN PERFORM partner_api.apply_plan_event(event);
		WHEN 'subscription' THEN
			PERFORM partner_api.apply_subscription_event(event);
		WHEN 'client' THEN PERFORM partner_api.apply_client_event(event);
		WHEN 'card' THEN PERFORM partner_api.apply_card_event(event);
		WHEN 'customer' THEN
			PERFORM partner_api.apply_customer_event(event);
		WHEN 'notification' THEN
			PERFORM partner_api.apply_notification_event(event);
		WHEN 'charge' THEN PERFORM partner_api.apply_charge_event(event);
		ELSE NULL;		/* of the others the events are all there is */
		END CASE;
	END LOOP;
END
$$;
COMMENT ON FUNCTION apply_object_events(bigint[]) IS
'brings events of plans, subscriptions, customers, charges and so on into their tables; raises an error if a session holds a row';
REVOKE ALL ON FUNCTION apply_object_events(bigint[]) FROM PUBLIC;

/* its queries are planned once a session: the worker asks for each call */
CREATE FUNCTION object_row(of_server name, of_object text, of_id text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	facts jsonb;
BEGIN
	CASE of_object
	WHEN 'plan' THEN
		SELECT to_jsonb(p) INTO facts FROM partner_api.plans p
		WHERE p.server = of_server AND p.plan_id = of_id;
	WHEN 'subscription' THEN
		SELECT to_jsonb(s) INTO facts FROM partner_api.subscriptions s
		WHERE s.server = of_server AND s.subscription_id = of_id;
	WHEN 'client' THEN
		SELECT to_jsonb(c) INTO facts FROM partner_api.clients c
		WHERE c.server = of_server AND c.client_id = of_id;
	WHEN 'card' THEN
		SELECT to_jsonb(c) INTO facts FROM partner_api.cards c
		WHERE c.server = of_server AND c.card_id = of_id;
	WHEN 'customer' THEN
		SELECT to_jsonb(c) INTO facts FROM partner_api.customers c
		WHERE c.server = of_server AND c.customer_id = of_id;
	WHEN 'charge' THEN
		SELECT to_jsonb(p) INTO facts FROM partner_api.payments p
		WHERE p.server = of_server AND p.charge_id = of_id;
	ELSE
		SELECT jsonb_build_object(
				CASE of_object WHEN 'notification' THEN 'customer_id'
							   ELSE of_object || '_id' END, e.object_id,
				'event', e.kind, 'occurred_at', e.occurred_at) || e.details
		INTO facts
		FROM partner_api.object_events e
		WHERE e.server = of_server AND e.object = of_object
		  AND e.object_id = of_id
		ORDER BY e.event_id DESC LIMIT 1;
	END CASE;
	IF length(facts::text) > 8000 THEN
		facts := facts - 'details';
	END IF;
	RETURN facts::text;
END
$$;
COMMENT ON FUNCTION object_row(name, text, text) IS
'what is known of a plan, subscription, customer, charge and so on as JSON, for the call that waits for it';
REVOKE ALL ON FUNCTION object_row(name, text, text) FROM PUBLIC;
