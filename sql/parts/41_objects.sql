/*
 * What exists at the billing providers: plans, subscriptions to them, clients
 * and their cards.  object_events is the record, as instance_events is of
 * instances, and numbered with it; the tables are what the events add up to.
 */
CREATE TABLE object_events (
	event_id	bigint		PRIMARY KEY
		DEFAULT pg_catalog.nextval('instance_event_id_seq'),
	server		name		NOT NULL,
	object		text		NOT NULL
		CHECK (object IN ('plan', 'subscription', 'client', 'card',
						  'invoice')),
	object_id	text		NOT NULL,
	kind		text		NOT NULL
		CHECK (kind IN ('created', 'adopted', 'imported', 'changed',
						'deleted', 'suspended', 'reactivated', 'cancelled',
						'refunded', 'stored', 'missing', 'found_again')),
	occurred_at	timestamptz	NOT NULL,
	action_id	bigint,
	details		jsonb		NOT NULL DEFAULT '{}'
);
CREATE INDEX object_events_object
	ON object_events (server, object, object_id, event_id);
COMMENT ON TABLE object_events IS
'what happened to each plan, subscription, client, card and invoice, in order; never changed';
COMMENT ON COLUMN object_events.event_id IS
'order of recording, with instance_events';
COMMENT ON COLUMN object_events.server IS
'foreign server';
COMMENT ON COLUMN object_events.object IS
'what it is: plan, subscription, client, card or invoice';
COMMENT ON COLUMN object_events.object_id IS
'the provider''s id';
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
	plan_id					text		NOT NULL,
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
	customer_ref			text,
	origin					text		NOT NULL
		CHECK (origin IN ('created', 'adopted', 'imported')),
	created_at				timestamptz	NOT NULL,
	action_id				bigint,
	last_seen_at			timestamptz,
	missing_since			timestamptz,
	details					jsonb,
	PRIMARY KEY (server, plan_id)
);
COMMENT ON TABLE plans IS
'plans at the billing providers as far as they are known here';
COMMENT ON COLUMN plans.server IS
'foreign server: the provider account';
COMMENT ON COLUMN plans.plan_id IS
'the provider''s id of the plan';
COMMENT ON COLUMN plans.name IS
'name as given';
COMMENT ON COLUMN plans.description IS
'what the subscriber gets, without the nonce';
COMMENT ON COLUMN plans.email IS
'address';
COMMENT ON COLUMN plans.setup_amount_cents IS
'charged on joining';
COMMENT ON COLUMN plans.amount_cents IS
'value of each recurrence';
COMMENT ON COLUMN plans.grace_period IS
'free time before the first charge, in days as clients read it';
COMMENT ON COLUMN plans.tolerance_period IS
'time allowed when a payment fails, in days as clients read it';
COMMENT ON COLUMN plans.frequency IS
'daily, weekly, monthly or annualy, as the provider spells it';
COMMENT ON COLUMN plans.interval_count IS
'every so many units of the frequency';
COMMENT ON COLUMN plans.logo IS
'whether the establishment''s logo is shown';
COMMENT ON COLUMN plans.currency IS
'ISO 4217 code';
COMMENT ON COLUMN plans.payment_methods IS
'the provider''s literal';
COMMENT ON COLUMN plans.plan_expiration_date IS
'when the plan expires';
COMMENT ON COLUMN plans.has_expiration IS
'does the plan expire';
COMMENT ON COLUMN plans.expire_subscriptions IS
'do its subscriptions expire';
COMMENT ON COLUMN plans.subscription_duration IS
'length of a subscription in months';
COMMENT ON COLUMN plans.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN plans.origin IS
'created here, adopted after a lost answer, or imported';
COMMENT ON COLUMN plans.created_at IS
'when it was created';
COMMENT ON COLUMN plans.action_id IS
'action that created it';
COMMENT ON COLUMN plans.last_seen_at IS
'when a complete list last showed it';
COMMENT ON COLUMN plans.missing_since IS
'when a complete list first did not show it any more';
COMMENT ON COLUMN plans.details IS
'the provider''s own row without secrets';

CREATE TABLE subscriptions (
	server			name		NOT NULL,
	subscription_id	text		NOT NULL,
	plan_id			text,
	client_id		text,
	customer_ref	text,
	status			text		NOT NULL,
	status_id		bigint,
	amount_cents	bigint,
	currency		text,
	payment_method	text,
	due_on			date,
	expires_at		timestamptz,
	created_at		timestamptz	NOT NULL,
	suspended_at	timestamptz,
	cancelled_at	timestamptz,
	origin			text		NOT NULL
		CHECK (origin IN ('created', 'adopted', 'imported')),
	action_id		bigint,
	last_seen_at	timestamptz,
	missing_since	timestamptz,
	details			jsonb,
	PRIMARY KEY (server, subscription_id)
);
COMMENT ON TABLE subscriptions IS
'clients'' subscriptions to plans as far as they are known here';
COMMENT ON COLUMN subscriptions.server IS
'foreign server: the provider account';
COMMENT ON COLUMN subscriptions.subscription_id IS
'the provider''s id of the subscription';
COMMENT ON COLUMN subscriptions.plan_id IS
'the provider''s id of the plan';
COMMENT ON COLUMN subscriptions.client_id IS
'the provider''s id of the client';
COMMENT ON COLUMN subscriptions.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN subscriptions.status IS
'what the provider says of it, in one word';
COMMENT ON COLUMN subscriptions.status_id IS
'the provider''s number for it, of which clients disagree what it means';
COMMENT ON COLUMN subscriptions.amount_cents IS
'value of each recurrence';
COMMENT ON COLUMN subscriptions.currency IS
'ISO 4217 code';
COMMENT ON COLUMN subscriptions.payment_method IS
'the provider''s literal';
COMMENT ON COLUMN subscriptions.due_on IS
'next day of payment';
COMMENT ON COLUMN subscriptions.expires_at IS
'when it expires';
COMMENT ON COLUMN subscriptions.created_at IS
'when it was created';
COMMENT ON COLUMN subscriptions.suspended_at IS
'when it was suspended';
COMMENT ON COLUMN subscriptions.cancelled_at IS
'when it was cancelled';
COMMENT ON COLUMN subscriptions.origin IS
'created here, adopted after a lost answer, or imported';
COMMENT ON COLUMN subscriptions.action_id IS
'action that created it';
COMMENT ON COLUMN subscriptions.last_seen_at IS
'when a complete list last showed it';
COMMENT ON COLUMN subscriptions.missing_since IS
'when a complete list first did not show it any more';
COMMENT ON COLUMN subscriptions.details IS
'the provider''s own row without secrets';

CREATE TABLE clients (
	server			name		NOT NULL,
	client_id		text		NOT NULL,
	name			text,
	email			text,
	document		text,
	customer_ref	text,
	origin			text		NOT NULL
		CHECK (origin IN ('created', 'adopted', 'imported')),
	created_at		timestamptz	NOT NULL,
	action_id		bigint,
	details			jsonb,
	PRIMARY KEY (server, client_id)
);
COMMENT ON TABLE clients IS
'clients registered at the billing providers';
COMMENT ON COLUMN clients.server IS
'foreign server: the provider account';
COMMENT ON COLUMN clients.client_id IS
'the provider''s id of the client';
COMMENT ON COLUMN clients.name IS
'name as given';
COMMENT ON COLUMN clients.email IS
'address';
COMMENT ON COLUMN clients.document IS
'CPF or CNPJ, digits only';
COMMENT ON COLUMN clients.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN clients.origin IS
'created here, adopted after a lost answer, or imported';
COMMENT ON COLUMN clients.created_at IS
'when it was created';
COMMENT ON COLUMN clients.action_id IS
'action that created it';
COMMENT ON COLUMN clients.details IS
'the provider''s own row without secrets';

CREATE TABLE cards (
	server			name		NOT NULL,
	card_id			text		NOT NULL,
	client_id		text		NOT NULL,
	last_digits		text,
	created_at		timestamptz	NOT NULL,
	action_id		bigint,
	PRIMARY KEY (server, card_id)
);
COMMENT ON TABLE cards IS
'cards that the billing providers keep for clients: their ids, never their numbers';
COMMENT ON COLUMN cards.server IS
'foreign server: the provider account';
COMMENT ON COLUMN cards.card_id IS
'the provider''s id of the card';
COMMENT ON COLUMN cards.client_id IS
'the provider''s id of the client';
COMMENT ON COLUMN cards.last_digits IS
'last digits of its number';
COMMENT ON COLUMN cards.created_at IS
'when it was created';
COMMENT ON COLUMN cards.action_id IS
'action that created it';

SELECT pg_catalog.pg_extension_config_dump('object_events', '');
SELECT pg_catalog.pg_extension_config_dump('plans', '');
SELECT pg_catalog.pg_extension_config_dump('subscriptions', '');
SELECT pg_catalog.pg_extension_config_dump('clients', '');
SELECT pg_catalog.pg_extension_config_dump('cards', '');

/* Brings events of plans and so on into the tables; raises if a row is held. */
CREATE FUNCTION apply_object_events(event_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO partner_api.plans AS p
		(server, plan_id, name, description, amount_cents, frequency,
		 customer_ref, origin, created_at, action_id)
	SELECT e.server, e.object_id, e.details->>'name',
		   e.details->>'description', (e.details->>'amount_cents')::bigint,
		   e.details->>'frequency', e.details->>'customer_ref', e.kind,
		   e.occurred_at, e.action_id
	FROM partner_api.object_events e
	WHERE e.event_id = ANY (event_ids) AND e.object = 'plan'
	  AND e.kind IN ('created', 'adopted')
	ON CONFLICT (server, plan_id) DO NOTHING;
END
$$;
COMMENT ON FUNCTION apply_object_events(bigint[]) IS
'brings events of plans, subscriptions, clients and cards into their tables';
REVOKE ALL ON FUNCTION apply_object_events(bigint[]) FROM PUBLIC;

CREATE FUNCTION object_row(of_server name, object text, of_id text)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE object
		WHEN 'plan' THEN (
			SELECT to_json(r)::text FROM partner_api.plans r
			WHERE r.server = of_server AND r.plan_id = of_id)
		WHEN 'subscription' THEN (
			SELECT to_json(r)::text FROM partner_api.subscriptions r
			WHERE r.server = of_server AND r.subscription_id = of_id)
		WHEN 'client' THEN (
			SELECT to_json(r)::text FROM partner_api.clients r
			WHERE r.server = of_server AND r.client_id = of_id)
		WHEN 'card' THEN (
			SELECT to_json(r)::text FROM partner_api.cards r
			WHERE r.server = of_server AND r.card_id = of_id) END
$$;
COMMENT ON FUNCTION object_row(name, text, text) IS
'the row of a plan, subscription, client or card as JSON, for the call that waits for it';
REVOKE ALL ON FUNCTION object_row(name, text, text) FROM PUBLIC;
