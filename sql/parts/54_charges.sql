/*
 * Charges: what a customer is to pay, what is needed to pay it, and the
 * account that the money goes to.
 */
CREATE FUNCTION create_charge(
	server name,
	customer_id text,
	billing_type text,
	value_cents bigint,
	due_date date,
	description text DEFAULT NULL,
	days_to_cancel integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	postal_service boolean DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_create_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text, text) IS
'charge a customer: billing_type is UNDEFINED, BOLETO, CREDIT_CARD or PIX';
REVOKE ALL ON FUNCTION create_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_create_charge(
	server name,
	customer_id text,
	billing_type text,
	value_cents bigint,
	due_date date,
	description text DEFAULT NULL,
	days_to_cancel integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	postal_service boolean DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text, text, timestamptz, timestamptz) IS
'enqueue create_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_charge(
	server name,
	charge_id text,
	billing_type text DEFAULT NULL,
	value_cents bigint DEFAULT NULL,
	due_date date DEFAULT NULL,
	description text DEFAULT NULL,
	days_to_cancel integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	postal_service boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_change_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text) IS
'change a charge that is not paid; what is null stays as it is';
REVOKE ALL ON FUNCTION change_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text) FROM PUBLIC;

CREATE FUNCTION enqueue_change_charge(
	server name,
	charge_id text,
	billing_type text DEFAULT NULL,
	value_cents bigint DEFAULT NULL,
	due_date date DEFAULT NULL,
	description text DEFAULT NULL,
	days_to_cancel integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	postal_service boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text, timestamptz, timestamptz) IS
'enqueue change_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_charge(
	name, text, text, bigint, date, text, integer, jsonb, jsonb, jsonb,
	boolean, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_charge(
	server name,
	charge_id text,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_delete_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_charge(name, text, text) IS
'delete a charge that is pending or overdue';
REVOKE ALL ON FUNCTION delete_charge(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_charge(
	server name,
	charge_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_charge(
	name, text, text, timestamptz, timestamptz) IS
'enqueue delete_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_charge(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION restore_charge(
	server name,
	charge_id text,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_restore_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION restore_charge(name, text, text) IS
'bring a deleted charge back';
REVOKE ALL ON FUNCTION restore_charge(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_restore_charge(
	server name,
	charge_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_restore_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_restore_charge(
	name, text, text, timestamptz, timestamptz) IS
'enqueue restore_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_restore_charge(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION refund_charge(
	server name,
	charge_id text,
	value_cents bigint DEFAULT NULL,
	description text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_refund_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION refund_charge(name, text, bigint, text, text) IS
'give a paid charge back, all of it or value_cents; never sent twice';
REVOKE ALL ON FUNCTION refund_charge(name, text, bigint, text, text)
	FROM PUBLIC;

CREATE FUNCTION enqueue_refund_charge(
	server name,
	charge_id text,
	value_cents bigint DEFAULT NULL,
	description text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_refund_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_refund_charge(
	name, text, bigint, text, text, timestamptz, timestamptz) IS
'enqueue refund_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_refund_charge(
	name, text, bigint, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION receive_charge(
	server name,
	charge_id text,
	payment_date date,
	value_cents bigint,
	notify_customer boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_receive_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION receive_charge(name, text, date, bigint, boolean, text) IS
'a charge was paid in cash';
REVOKE ALL ON FUNCTION receive_charge(name, text, date, bigint, boolean, text)
	FROM PUBLIC;

CREATE FUNCTION enqueue_receive_charge(
	server name,
	charge_id text,
	payment_date date,
	value_cents bigint,
	notify_customer boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_receive_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_receive_charge(
	name, text, date, bigint, boolean, text, timestamptz, timestamptz) IS
'enqueue receive_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_receive_charge(
	name, text, date, bigint, boolean, text, timestamptz, timestamptz)
	FROM PUBLIC;

CREATE FUNCTION undo_receive_charge(
	server name,
	charge_id text,
	idempotency_key text DEFAULT NULL)
RETURNS payments
AS 'MODULE_PATHNAME', 'partner_api_undo_receive_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION undo_receive_charge(name, text, text) IS
'a charge was not paid in cash after all';
REVOKE ALL ON FUNCTION undo_receive_charge(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_undo_receive_charge(
	server name,
	charge_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_undo_receive_charge'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_undo_receive_charge(
	name, text, text, timestamptz, timestamptz) IS
'enqueue undo_receive_charge(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_undo_receive_charge(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE TYPE remote_charge AS (
	charge_id				text,
	customer_id				text,
	recurrence_id			text,
	installment_id			text,
	billing_type			text,
	status					text,
	value_cents				bigint,
	net_value_cents			bigint,
	original_value_cents	bigint,
	interest_value_cents	bigint,
	description				text,
	due_on					date,
	original_due_on			date,
	paid_on					date,
	payer_paid_on			date,
	confirmed_on			date,
	credited_on				date,
	credit_expected_on		date,
	invoice_url				text,
	invoice_number			text,
	boleto_url				text,
	receipt_url				text,
	our_number				text,
	external_reference		text,
	created_on				date,
	deleted					boolean,
	details					jsonb
);
COMMENT ON TYPE remote_charge IS
'a charge as the provider shows it; the columns are those of payments';

CREATE FUNCTION list_charges(server name, query text DEFAULT NULL)
RETURNS SETOF remote_charge
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'charges', query) o,
		 jsonb_populate_record(NULL::partner_api.remote_charge, o) r
$$;
COMMENT ON FUNCTION list_charges(name, text) IS
'the charges that the provider lists now, all or those that a search finds';
REVOKE ALL ON FUNCTION list_charges(name, text) FROM PUBLIC;

CREATE FUNCTION get_charge(server name, charge_id text)
RETURNS remote_charge
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_object(server, 'charge', charge_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_charge, o) r
$$;
COMMENT ON FUNCTION get_charge(name, text) IS
'one charge as the provider shows it now; one that was deleted too';
REVOKE ALL ON FUNCTION get_charge(name, text) FROM PUBLIC;

CREATE FUNCTION recurrence_charges(server name, recurrence_id text)
RETURNS SETOF remote_charge
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.*
	FROM partner_api.list_charges(server,
			partner_api.search_term('recurrence_id', recurrence_id)) c
	WHERE recurrence_id <> ''
$$;
COMMENT ON FUNCTION recurrence_charges(name, text) IS
'the charges that a recurrence has made, as the provider lists them now';
REVOKE ALL ON FUNCTION recurrence_charges(name, text) FROM PUBLIC;

CREATE FUNCTION charge_boleto(server name, charge_id text,
	OUT line text, OUT our_number text, OUT bar_code text)
RETURNS record
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o->>'line', o->>'our_number', o->>'bar_code'
	FROM partner_api.remote_object(server, 'boleto', charge_id) o
$$;
COMMENT ON FUNCTION charge_boleto(name, text) IS
'what it takes to pay a charge by boleto: the digits, the bank''s number, the bar code';
REVOKE ALL ON FUNCTION charge_boleto(name, text) FROM PUBLIC;

/* the provider writes a time without its zone: it is that of the server */
CREATE FUNCTION charge_pix(server name, charge_id text,
	OUT payload text, OUT image bytea, OUT expires_at timestamptz)
RETURNS record
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o->>'payload', decode(o->>'image', 'base64'),
		   substring(o->>'expires'
					 FROM '^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?$')::timestamp
		   AT TIME ZONE partner_api.server_zone(server)
	FROM partner_api.remote_object(server, 'pix', charge_id) o
$$;
COMMENT ON FUNCTION charge_pix(name, text) IS
'what it takes to pay a charge by Pix: the code, its QR image (PNG), and until when';
REVOKE ALL ON FUNCTION charge_pix(name, text) FROM PUBLIC;

CREATE FUNCTION charge_views(server name, charge_id text,
	OUT invoice_viewed text, OUT boleto_viewed text)
RETURNS record
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o->>'invoice_viewed', o->>'boleto_viewed'
	FROM partner_api.remote_object(server, 'views', charge_id) o
$$;
COMMENT ON FUNCTION charge_views(name, text) IS
'when the payer last looked at a charge and at its boleto, as the provider writes it; null: never';
REVOKE ALL ON FUNCTION charge_views(name, text) FROM PUBLIC;

CREATE FUNCTION account_balance(server name) RETURNS bigint
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (o->>'balance_cents')::bigint
	FROM partner_api.remote_object(server, 'balance', NULL) o
$$;
COMMENT ON FUNCTION account_balance(name) IS
'the account''s money in cents';
REVOKE ALL ON FUNCTION account_balance(name) FROM PUBLIC;

CREATE FUNCTION account_status(server name,
	OUT commercial_info text, OUT bank_account_info text,
	OUT documentation text, OUT general text)
RETURNS record
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o->>'commercial_info', o->>'bank_account_info',
		   o->>'documentation', o->>'general'
	FROM partner_api.remote_object(server, 'account', NULL) o
$$;
COMMENT ON FUNCTION account_status(name) IS
'how far the provider has approved the account: PENDING, APPROVED, REJECTED or AWAITING_APPROVAL';
REVOKE ALL ON FUNCTION account_status(name) FROM PUBLIC;

CREATE FUNCTION charge_limit(server name,
	OUT daily_limit bigint, OUT used bigint, OUT reached boolean)
RETURNS record
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (o->>'daily_limit')::bigint, (o->>'used')::bigint,
		   (o->>'reached')::boolean
	FROM partner_api.remote_object(server, 'charge_limit', NULL) o
$$;
COMMENT ON FUNCTION charge_limit(name) IS
'how many charges the account may make a day, and has made today';
REVOKE ALL ON FUNCTION charge_limit(name) FROM PUBLIC;
