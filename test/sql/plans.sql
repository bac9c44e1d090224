-- Plans, subscriptions, clients and cards: what events and lists add up to.
CREATE EXTENSION partner_api;
SET search_path = partner_api, public;
SET client_min_messages = warning;
SET TimeZone = 'America/Sao_Paulo';

-- what happened, applied as the worker does it
CREATE FUNCTION pg_temp.happens(object text, of_id text, kind text,
	details jsonb) RETURNS void
LANGUAGE sql AS $$
	WITH e AS (
		INSERT INTO object_events (server, object, object_id, kind,
								   occurred_at, action_id, details)
		VALUES ('zs', object, of_id, kind, '2026-11-01 12:00-03', 7, details)
		RETURNING event_id)
	SELECT apply_object_events(ARRAY(SELECT event_id FROM e))
$$;

-- a plan as asked for and answered, then changed: what a change does not
-- name stays
SELECT pg_temp.happens('plan', '4605', 'created',
	'{"name": "Gold", "description": "All of it", "amount_cents": 9900,
	  "setup_amount_cents": 0, "frequency": "annualy", "interval_count": 1,
	  "grace_period": 14, "logo": false, "customer_ref": "shop-1",
	  "plan_expiration_date": "2099-12-01T01:00:00.000Z",
	  "server": "other", "origin": "imported", "missing_since": "2020-01-01",
	  "details": {"id": 4605}}');
SELECT pg_temp.happens('plan', '4605', 'changed',
	'{"amount_cents": 10900, "name": null}');
SELECT server, plan_id, name, description, amount_cents, frequency,
	   grace_period, logo, plan_expiration_date, customer_ref, origin,
	   created_at, action_id, missing_since, details
FROM plans \gx

-- events that come in one group are applied in their order
INSERT INTO object_events (server, object, object_id, kind, occurred_at,
						   details)
VALUES ('zs', 'plan', '1', 'created', '2026-11-01', '{"name": "a"}'),
	   ('zs', 'plan', '1', 'changed', '2026-11-02', '{"name": "b"}'),
	   ('zs', 'plan', '1', 'missing', '2026-11-03', '{}');
SELECT apply_object_events(ARRAY(
	SELECT event_id FROM object_events WHERE object_id = '1'));
SELECT name, created_at, missing_since FROM plans WHERE plan_id = '1';

-- a change sends all that is known of the plan; what is not to expire any more
-- has no time at which it does
SELECT plan_arguments('zs', '4605', '{"amount_cents": 1}');
SELECT plan_arguments('zs', '4605', '{"has_expiration": false}')
	   ? 'plan_expiration_date' AS expires;
SELECT plan_arguments('zs', 'none', '{"amount_cents": 1}');

-- the state of a subscription: what the provider says, else what was done
SELECT pg_temp.happens('subscription', '90', 'created',
	'{"plan_id": "4605", "client_id": "8", "status": "unknown",
	  "status_id": 1, "amount_cents": 4900, "currency": "BRL",
	  "due_on": "2026-12-01", "created_at": "2026-10-31T12:00:00Z",
	  "card_fingerprint": "abc", "client": {"name": "Ana"}}');
SELECT subscription_id, plan_id, client_id, status, status_id, amount_cents,
	   due_on, created_at, origin, action_id
FROM subscriptions \gx
SELECT pg_temp.happens('subscription', '90', 'suspended', '{}');
SELECT status, suspended_at, cancelled_at FROM subscriptions;
SELECT pg_temp.happens('subscription', '90', 'reactivated',
					   '{"status": "unknown", "status_id": 1}');
SELECT status, suspended_at, cancelled_at FROM subscriptions;
SELECT pg_temp.happens('subscription', '90', 'changed',
					   '{"status": "past_due"}');
SELECT status, suspended_at, cancelled_at FROM subscriptions;
SELECT pg_temp.happens('subscription', '90', 'cancelled',
					   '{"status": "active"}');
SELECT status, suspended_at, cancelled_at FROM subscriptions;

-- clients and cards; a card is stored once
SELECT pg_temp.happens('client', '8', 'created',
	'{"name": "Ana", "document": "52998224725", "birth_date": "1980-12-31",
	  "phone": "1130000000", "customer_ref": "c-8"}');
SELECT client_id, name, document, birth_date, phone, customer_ref, origin
FROM clients;
SELECT pg_temp.happens('card', '31', 'stored',
					   '{"client_id": "8", "last_digits": "1111"}');
SELECT pg_temp.happens('card', '31', 'stored', '{"client_id": "9"}');
SELECT card_id, client_id, last_digits, action_id FROM cards;

-- what a waiting call gets
SELECT object_row('zs', 'card', '31');
SELECT pg_temp.happens('invoice', '55', 'refunded',
					   '{"subscription_id": "90", "invoice_id": "55"}');
SELECT object_row('zs', 'invoice', '55');
SELECT object_row('zs', 'plan', 'none') IS NULL AS none;

-- a list: what is known is compared, what is new is imported, what is not
-- there any more is missing
CREATE FUNCTION pg_temp.lists(object text, listing jsonb)
RETURNS TABLE (seen bigint, added bigint, changed bigint, missing bigint)
LANGUAGE sql AS $$
	SELECT * FROM apply_object_listing('zs', object, listing, '1 minute')
$$;
SELECT * FROM pg_temp.lists('plan', '[
	{"object_id": "4605", "marked_text": "All of it",
	 "fields": "{\"plan_id\": \"4605\", \"amount_cents\": 10900, \"name\": \"Gold\", \"details\": {\"id\": 4605}}"},
	{"object_id": "12", "marked_text": "Theirs [pa-00000000-1-00000000]",
	 "fields": "{\"plan_id\": \"12\", \"name\": \"Foreign\", \"amount_cents\": 100}"}]');
SELECT plan_id, name, amount_cents, origin, last_seen_at IS NOT NULL AS seen,
	   missing_since IS NOT NULL AS missing
FROM plans ORDER BY plan_id;
SELECT * FROM pg_temp.lists('plan', '[
	{"object_id": "12", "marked_text": "Theirs",
	 "fields": "{\"plan_id\": \"12\", \"name\": \"Foreign\", \"amount_cents\": 200}"},
	{"object_id": "1", "marked_text": "b", "fields": "{\"name\": \"b\"}"}]');
SELECT kind, details FROM object_events
WHERE server = 'zs' AND object = 'plan' ORDER BY event_id DESC LIMIT 4;
SELECT * FROM pg_temp.lists('subscription', '[]');

-- one that carries our nonce is ours: the effect of a create that is open, or
-- of one whose record was lost
INSERT INTO pending_actions (action_id, server, kind, state, arguments,
	customer_ref, run_at, nonce, fingerprint, requested_by, enqueued_at)
SELECT 41, 'zs', 'create_plan', 'needs_attention', '{"name": "Silver"}',
	   'shop-2', '2026-11-01',
	   'pa-' || installation_id || '-41-0a0b0c0d', '', 'x', '2026-11-01'
FROM installation;
SELECT l.* FROM installation, pg_temp.lists('plan', jsonb_build_array(
	jsonb_build_object('object_id', '13', 'marked_text',
		'Ours [pa-' || installation_id || '-41-0a0b0c0d]',
		'fields', '{"name": "Silver"}'),
	jsonb_build_object('object_id', '14', 'marked_text',
		'Lost [pa-' || installation_id || '-40-0a0b0c0d]',
		'fields', '{"name": "Bronze"}'))) l;
SELECT plan_id, name, origin, action_id, customer_ref FROM plans
WHERE plan_id IN ('13', '14') ORDER BY plan_id;
SELECT state, instance_id FROM action_history WHERE action_id = 41;

-- the life of an action on what is no instance
SELECT DISTINCT step, detail FROM action_timeline(7) ORDER BY 1, 2;

-- card data is for waiting calls alone: what was sent with it is not again
INSERT INTO action_history (action_id, server, kind, state, instance_id,
	arguments, run_at, attempts, nonce, fingerprint, requested_by, automatic,
	lease, looks, enqueued_at, closed_at)
VALUES (42, 'zs', 'store_card', 'failed', '8', '{"card_fingerprint": "abc"}',
		'2026-11-01', 1, '', '', current_user, false, 1, 0, '2026-11-01',
		'2026-11-01');
SELECT retry_action(42);
SELECT count(*) FROM pg_proc
WHERE pronamespace = 'partner_api'::regnamespace AND proname ~ '^enqueue_'
  AND 'card' = ANY (proargnames);

DROP EXTENSION partner_api CASCADE;
