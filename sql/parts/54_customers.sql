/*
 * Customers at providers that charge, and how these are told.  A provider may
 * keep two customers of one document; what is created here is searched for by
 * the document first, right before the request.
 */
CREATE FUNCTION create_customer(
	server name,
	name text,
	document text,
	email text DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	street text DEFAULT NULL,
	number text DEFAULT NULL,
	complement text DEFAULT NULL,
	district text DEFAULT NULL,
	postal_code text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	notifications_disabled boolean DEFAULT NULL,
	additional_emails text DEFAULT NULL,
	municipal_inscription text DEFAULT NULL,
	state_inscription text DEFAULT NULL,
	observations text DEFAULT NULL,
	group_name text DEFAULT NULL,
	company text DEFAULT NULL,
	foreign_customer boolean DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS customers
AS 'MODULE_PATHNAME', 'partner_api_create_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_customer(
	name, text, text, text, text, text, text, text, text, text, text, date,
	boolean, text, text, text, text, text, text, boolean, text, text) IS
'register a customer at the provider; one that it has under the same CPF or CNPJ is found, and none is made';
REVOKE ALL ON FUNCTION create_customer(
	name, text, text, text, text, text, text, text, text, text, text, date,
	boolean, text, text, text, text, text, text, boolean, text, text)
	FROM PUBLIC;

CREATE FUNCTION enqueue_create_customer(
	server name,
	name text,
	document text,
	email text DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	street text DEFAULT NULL,
	number text DEFAULT NULL,
	complement text DEFAULT NULL,
	district text DEFAULT NULL,
	postal_code text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	notifications_disabled boolean DEFAULT NULL,
	additional_emails text DEFAULT NULL,
	municipal_inscription text DEFAULT NULL,
	state_inscription text DEFAULT NULL,
	observations text DEFAULT NULL,
	group_name text DEFAULT NULL,
	company text DEFAULT NULL,
	foreign_customer boolean DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_customer(
	name, text, text, text, text, text, text, text, text, text, text, date,
	boolean, text, text, text, text, text, text, boolean, text, text,
	timestamptz, timestamptz) IS
'enqueue create_customer(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_customer(
	name, text, text, text, text, text, text, text, text, text, text, date,
	boolean, text, text, text, text, text, text, boolean, text, text,
	timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_customer(
	server name,
	customer_id text,
	name text DEFAULT NULL,
	document text DEFAULT NULL,
	email text DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	street text DEFAULT NULL,
	number text DEFAULT NULL,
	complement text DEFAULT NULL,
	district text DEFAULT NULL,
	postal_code text DEFAULT NULL,
	notifications_disabled boolean DEFAULT NULL,
	additional_emails text DEFAULT NULL,
	municipal_inscription text DEFAULT NULL,
	state_inscription text DEFAULT NULL,
	observations text DEFAULT NULL,
	group_name text DEFAULT NULL,
	company text DEFAULT NULL,
	foreign_customer boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS customers
AS 'MODULE_PATHNAME', 'partner_api_change_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_customer(
	name, text, text, text, text, text, text, text, text, text, text, text,
	boolean, text, text, text, text, text, text, boolean, text) IS
'change a customer at the provider; what is null stays as it is';
REVOKE ALL ON FUNCTION change_customer(
	name, text, text, text, text, text, text, text, text, text, text, text,
	boolean, text, text, text, text, text, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION enqueue_change_customer(
	server name,
	customer_id text,
	name text DEFAULT NULL,
	document text DEFAULT NULL,
	email text DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	street text DEFAULT NULL,
	number text DEFAULT NULL,
	complement text DEFAULT NULL,
	district text DEFAULT NULL,
	postal_code text DEFAULT NULL,
	notifications_disabled boolean DEFAULT NULL,
	additional_emails text DEFAULT NULL,
	municipal_inscription text DEFAULT NULL,
	state_inscription text DEFAULT NULL,
	observations text DEFAULT NULL,
	group_name text DEFAULT NULL,
	company text DEFAULT NULL,
	foreign_customer boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_customer(
	name, text, text, text, text, text, text, text, text, text, text, text,
	boolean, text, text, text, text, text, text, boolean, text, timestamptz,
	timestamptz) IS
'enqueue change_customer(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_customer(
	name, text, text, text, text, text, text, text, text, text, text, text,
	boolean, text, text, text, text, text, text, boolean, text, timestamptz,
	timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_customer(
	server name,
	customer_id text,
	idempotency_key text DEFAULT NULL)
RETURNS customers
AS 'MODULE_PATHNAME', 'partner_api_delete_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_customer(name, text, text) IS
'delete a customer at the provider';
REVOKE ALL ON FUNCTION delete_customer(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_customer(
	server name,
	customer_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_customer(
	name, text, text, timestamptz, timestamptz) IS
'enqueue delete_customer(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_customer(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION restore_customer(
	server name,
	customer_id text,
	idempotency_key text DEFAULT NULL)
RETURNS customers
AS 'MODULE_PATHNAME', 'partner_api_restore_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION restore_customer(name, text, text) IS
'bring a deleted customer back';
REVOKE ALL ON FUNCTION restore_customer(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_restore_customer(
	server name,
	customer_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_restore_customer'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_restore_customer(
	name, text, text, timestamptz, timestamptz) IS
'enqueue restore_customer(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_restore_customer(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION check_notifications(
	server name,
	customer_id text,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_check_notifications'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION check_notifications(name, text, text) IS
'ask for the notifications of a customer, and keep what they are';
REVOKE ALL ON FUNCTION check_notifications(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_check_notifications(
	server name,
	customer_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_check_notifications'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_check_notifications(
	name, text, text, timestamptz, timestamptz) IS
'enqueue check_notifications(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_check_notifications(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_notifications(
	server name,
	customer_id text,
	notifications jsonb,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_change_notifications'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_notifications(name, text, jsonb, text) IS
'change notifications of a customer: an array of objects with notification_id and what is to change';
REVOKE ALL ON FUNCTION change_notifications(name, text, jsonb, text)
	FROM PUBLIC;

CREATE FUNCTION enqueue_change_notifications(
	server name,
	customer_id text,
	notifications jsonb,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_notifications'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_notifications(
	name, text, jsonb, text, timestamptz, timestamptz) IS
'enqueue change_notifications(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_notifications(
	name, text, jsonb, text, timestamptz, timestamptz) FROM PUBLIC;

/* Letters, digits and nothing else of a document that has check digits. */
CREATE FUNCTION plain_document(document text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN translate(document, './- ', '') ~ '^(\d{11}|\d{14})$'
				THEN translate(document, './- ', '')
				ELSE document END
$$;
COMMENT ON FUNCTION plain_document(text) IS
'a CPF or CNPJ without punctuation, any other text as it is';
REVOKE ALL ON FUNCTION plain_document(text) FROM PUBLIC;

/* A value may hold what separates terms, so every byte of it is encoded. */
CREATE FUNCTION search_term(term text, value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT term || '=' || string_agg(
			'%' || upper(lpad(to_hex(get_byte(u.utf8, n)), 2, '0')), ''
			ORDER BY n)
	FROM (SELECT convert_to(value, 'UTF8') AS utf8) u
	CROSS JOIN LATERAL generate_series(0, length(u.utf8) - 1) n
	GROUP BY u.utf8
$$;
COMMENT ON FUNCTION search_term(text, text) IS
'a term of the query of remote_objects() and its like, with its value encoded; null for an empty value';
REVOKE ALL ON FUNCTION search_term(text, text) FROM PUBLIC;

CREATE TYPE remote_customer AS (
	customer_id				text,
	name					text,
	document				text,
	email					text,
	phone					text,
	mobile					text,
	group_name				text,
	notifications_disabled	boolean,
	external_reference		text,
	created_on				date,
	deleted					boolean,
	details					jsonb
);
COMMENT ON TYPE remote_customer IS
'a customer as the provider shows it; the columns are those of customers';

CREATE FUNCTION list_customers(server name, query text DEFAULT NULL)
RETURNS SETOF remote_customer
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'customers', query) o,
		 jsonb_populate_record(NULL::partner_api.remote_customer, o) r
$$;
COMMENT ON FUNCTION list_customers(name, text) IS
'the customers that the provider lists now, all or those that a search finds';
REVOKE ALL ON FUNCTION list_customers(name, text) FROM PUBLIC;

CREATE FUNCTION find_customers(server name, document text)
RETURNS SETOF remote_customer
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.*
	FROM partner_api.list_customers(server, partner_api.search_term(
			'document', partner_api.plain_document(document))) c
	WHERE document <> ''
$$;
COMMENT ON FUNCTION find_customers(name, text) IS
'the customers of a CPF or CNPJ at the provider, with or without punctuation; it may have several';
REVOKE ALL ON FUNCTION find_customers(name, text) FROM PUBLIC;

CREATE FUNCTION get_customer(server name, customer_id text)
RETURNS remote_customer
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_object(server, 'customer', customer_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_customer, o) r
$$;
COMMENT ON FUNCTION get_customer(name, text) IS
'one customer as the provider shows it now';
REVOKE ALL ON FUNCTION get_customer(name, text) FROM PUBLIC;

CREATE TYPE remote_notification AS (
	notification_id		text,
	customer_id			text,
	event				text,
	enabled				boolean,
	email_customer		boolean,
	sms_customer		boolean,
	phone_customer		boolean,
	whatsapp_customer	boolean,
	email_provider		boolean,
	sms_provider		boolean,
	schedule_offset		integer,
	deleted				boolean
);
COMMENT ON TYPE remote_notification IS
'a notification of a customer as the provider shows it';

CREATE FUNCTION customer_notifications(server name, customer_id text)
RETURNS SETOF remote_notification
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'notifications', customer_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_notification, o) r
$$;
COMMENT ON FUNCTION customer_notifications(name, text) IS
'the notifications of a customer as the provider shows them now: when and how it tells whom';
REVOKE ALL ON FUNCTION customer_notifications(name, text) FROM PUBLIC;
