/*
 * Clients, their cards and their subscriptions to plans.  Card data goes with
 * waiting calls alone: it is kept nowhere, and so cannot be enqueued.
 */
CREATE FUNCTION create_client(
	server name,
	name text,
	document text,
	email text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	address jsonb DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS clients
AS 'MODULE_PATHNAME', 'partner_api_create_client'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_client(
	name, text, text, text, date, text, text, jsonb, text, text) IS
'register a client; one whose document is registered already is that client';
REVOKE ALL ON FUNCTION create_client(
	name, text, text, text, date, text, text, jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_create_client(
	server name,
	name text,
	document text,
	email text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	address jsonb DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_client'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_client(
	name, text, text, text, date, text, text, jsonb, text, text,
	timestamptz, timestamptz) IS
'enqueue create_client(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_client(
	name, text, text, text, date, text, text, jsonb, text, text,
	timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION store_card(
	server name,
	client_id text,
	card jsonb,
	idempotency_key text DEFAULT NULL)
RETURNS cards
AS 'MODULE_PATHNAME', 'partner_api_store_card'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION store_card(name, text, jsonb, text) IS
'have the provider keep a client''s card: holder, number, security_code, valid_until; its data is sent once and kept nowhere here';
REVOKE ALL ON FUNCTION store_card(name, text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION create_subscription(
	server name,
	plan_id text,
	client_id text DEFAULT NULL,
	card_id text DEFAULT NULL,
	client jsonb DEFAULT NULL,
	address jsonb DEFAULT NULL,
	card jsonb DEFAULT NULL,
	expiration_date date DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_create_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_subscription(
	name, text, text, text, jsonb, jsonb, jsonb, date, text, text) IS
'subscribe to a plan: a client and card that the provider has (client_id, card_id), or new ones (client, address, card); card data is sent once and kept nowhere here';
REVOKE ALL ON FUNCTION create_subscription(
	name, text, text, text, jsonb, jsonb, jsonb, date, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_create_subscription(
	server name,
	plan_id text,
	client_id text,
	card_id text,
	expiration_date date DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_subscription(
	name, text, text, text, date, text, text, timestamptz, timestamptz) IS
'enqueue create_subscription(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_subscription(
	name, text, text, text, date, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_subscription(
	server name,
	subscription_id text,
	changes jsonb,
	idempotency_key text DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_change_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_subscription(name, text, jsonb, text) IS
'change a subscription; the members of changes are sent as they are';
REVOKE ALL ON FUNCTION change_subscription(name, text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION enqueue_change_subscription(
	server name,
	subscription_id text,
	changes jsonb,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_subscription(
	name, text, jsonb, text, timestamptz, timestamptz) IS
'enqueue change_subscription(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_subscription(
	name, text, jsonb, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION suspend_subscription(
	server name,
	subscription_id text,
	idempotency_key text DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_suspend_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION suspend_subscription(name, text, text) IS
'suspend a subscription: nothing is charged until it is reactivated';
REVOKE ALL ON FUNCTION suspend_subscription(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_suspend_subscription(
	server name,
	subscription_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_suspend_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_suspend_subscription(
	name, text, text, timestamptz, timestamptz) IS
'enqueue suspend_subscription(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_suspend_subscription(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION reactivate_subscription(
	server name,
	subscription_id text,
	idempotency_key text DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_reactivate_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION reactivate_subscription(name, text, text) IS
'reactivate a suspended subscription';
REVOKE ALL ON FUNCTION reactivate_subscription(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_reactivate_subscription(
	server name,
	subscription_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_reactivate_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_reactivate_subscription(
	name, text, text, timestamptz, timestamptz) IS
'enqueue reactivate_subscription(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_reactivate_subscription(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION cancel_subscription(
	server name,
	subscription_id text,
	idempotency_key text DEFAULT NULL)
RETURNS subscriptions
AS 'MODULE_PATHNAME', 'partner_api_cancel_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION cancel_subscription(name, text, text) IS
'cancel a subscription for good';
REVOKE ALL ON FUNCTION cancel_subscription(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_cancel_subscription(
	server name,
	subscription_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_cancel_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_cancel_subscription(
	name, text, text, timestamptz, timestamptz) IS
'enqueue cancel_subscription(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_cancel_subscription(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION refund_invoice(
	server name,
	subscription_id text,
	invoice_id text,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_refund_invoice'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION refund_invoice(name, text, text, text) IS
'give a paid invoice of a subscription back; never sent twice';
REVOKE ALL ON FUNCTION refund_invoice(name, text, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_refund_invoice(
	server name,
	subscription_id text,
	invoice_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_refund_invoice'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_refund_invoice(
	name, text, text, text, timestamptz, timestamptz) IS
'enqueue refund_invoice(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_refund_invoice(
	name, text, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE TYPE remote_subscription AS (
	subscription_id	text,
	plan_id			text,
	client_id		text,
	status			text,
	status_id		bigint,
	amount_cents	bigint,
	currency		text,
	payment_method	text,
	due_on			date,
	expires_at		timestamptz,
	created_at		timestamptz,
	suspended_at	timestamptz,
	details			jsonb
);
COMMENT ON TYPE remote_subscription IS
'a subscription as the provider shows it; the columns are those of subscriptions';

CREATE FUNCTION list_subscriptions(server name)
RETURNS SETOF remote_subscription
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'subscriptions') o,
		 jsonb_populate_record(NULL::partner_api.remote_subscription, o) r
$$;
COMMENT ON FUNCTION list_subscriptions(name) IS
'the subscriptions that the provider lists now';
REVOKE ALL ON FUNCTION list_subscriptions(name) FROM PUBLIC;

CREATE FUNCTION get_subscription(server name, subscription_id text)
RETURNS remote_subscription
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_object(server, 'subscription', subscription_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_subscription, o) r
$$;
COMMENT ON FUNCTION get_subscription(name, text) IS
'one subscription as the provider shows it now';
REVOKE ALL ON FUNCTION get_subscription(name, text) FROM PUBLIC;

CREATE TYPE remote_invoice AS (
	invoice_id		text,
	subscription_id	text,
	amount_cents	bigint,
	status			text,
	invoiced_on		date,
	paid_at			timestamptz,
	details			jsonb
);
COMMENT ON TYPE remote_invoice IS
'an invoice of a subscription as the provider shows it';

CREATE FUNCTION subscription_invoices(server name, subscription_id text)
RETURNS SETOF remote_invoice
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'invoices', subscription_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_invoice, o) r
$$;
COMMENT ON FUNCTION subscription_invoices(name, text) IS
'the invoices of a subscription as the provider lists them now; status is paid, pending or voided';
REVOKE ALL ON FUNCTION subscription_invoices(name, text) FROM PUBLIC;

CREATE TYPE remote_client AS (
	client_id	text,
	name		text,
	email		text,
	document	text,
	details		jsonb
);
COMMENT ON TYPE remote_client IS
'a client as the provider shows it';

CREATE FUNCTION find_client(server name, document text)
RETURNS SETOF remote_client
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'clients', document) o,
		 jsonb_populate_record(NULL::partner_api.remote_client, o) r
$$;
COMMENT ON FUNCTION find_client(name, text) IS
'the client of a CPF or CNPJ at the provider, with or without punctuation; no row if there is none';
REVOKE ALL ON FUNCTION find_client(name, text) FROM PUBLIC;
