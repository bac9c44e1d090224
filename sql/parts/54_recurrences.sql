/*
 * Recurrences, which a provider charges by itself, and webhooks, by which it
 * tells what happens.  Neither has a mirror: object_events is their record.
 */
CREATE FUNCTION create_recurrence(
	server name,
	customer_id text,
	billing_type text,
	value_cents bigint,
	next_due_date date,
	cycle text,
	description text DEFAULT NULL,
	end_date date DEFAULT NULL,
	max_payments integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_create_recurrence'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, text) IS
'have the provider charge a customer by itself, each cycle: WEEKLY, BIWEEKLY, MONTHLY, BIMONTHLY, QUARTERLY, SEMIANNUALLY or YEARLY';
REVOKE ALL ON FUNCTION create_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_create_recurrence(
	server name,
	customer_id text,
	billing_type text,
	value_cents bigint,
	next_due_date date,
	cycle text,
	description text DEFAULT NULL,
	end_date date DEFAULT NULL,
	max_payments integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_recurrence'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, text, timestamptz, timestamptz) IS
'enqueue create_recurrence(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_recurrence(
	server name,
	recurrence_id text,
	billing_type text DEFAULT NULL,
	value_cents bigint DEFAULT NULL,
	next_due_date date DEFAULT NULL,
	cycle text DEFAULT NULL,
	description text DEFAULT NULL,
	end_date date DEFAULT NULL,
	max_payments integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	status text DEFAULT NULL,
	update_pending boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_change_recurrence'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, boolean, text) IS
'change a recurrence; what is null stays as it is';
REVOKE ALL ON FUNCTION change_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION enqueue_change_recurrence(
	server name,
	recurrence_id text,
	billing_type text DEFAULT NULL,
	value_cents bigint DEFAULT NULL,
	next_due_date date DEFAULT NULL,
	cycle text DEFAULT NULL,
	description text DEFAULT NULL,
	end_date date DEFAULT NULL,
	max_payments integer DEFAULT NULL,
	discount jsonb DEFAULT NULL,
	interest jsonb DEFAULT NULL,
	fine jsonb DEFAULT NULL,
	status text DEFAULT NULL,
	update_pending boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_recurrence'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, boolean, text, timestamptz, timestamptz) IS
'enqueue change_recurrence(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_recurrence(
	name, text, text, bigint, date, text, text, date, integer, jsonb, jsonb,
	jsonb, text, boolean, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_recurrence(
	server name,
	recurrence_id text,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_delete_recurrence'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_recurrence(name, text, text) IS
'end a recurrence; its open charges are deleted';
REVOKE ALL ON FUNCTION delete_recurrence(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_recurrence(
	server name,
	recurrence_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_recurrence'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_recurrence(
	name, text, text, timestamptz, timestamptz) IS
'enqueue delete_recurrence(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_recurrence(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE TYPE remote_recurrence AS (
	recurrence_id		text,
	customer_id			text,
	billing_type		text,
	cycle				text,
	status				text,
	value_cents			bigint,
	description			text,
	next_due_on			date,
	ends_on				date,
	max_payments		integer,
	external_reference	text,
	created_on			date,
	deleted				boolean,
	details				jsonb
);
COMMENT ON TYPE remote_recurrence IS
'a recurrence as the provider shows it';

CREATE FUNCTION list_recurrences(server name, query text DEFAULT NULL)
RETURNS SETOF remote_recurrence
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'recurrences', query) o,
		 jsonb_populate_record(NULL::partner_api.remote_recurrence, o) r
$$;
COMMENT ON FUNCTION list_recurrences(name, text) IS
'the recurrences that the provider lists now, all or those that a search finds';
REVOKE ALL ON FUNCTION list_recurrences(name, text) FROM PUBLIC;

CREATE FUNCTION get_recurrence(server name, recurrence_id text)
RETURNS remote_recurrence
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_object(server, 'recurrence', recurrence_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_recurrence, o) r
$$;
COMMENT ON FUNCTION get_recurrence(name, text) IS
'one recurrence as the provider shows it now';
REVOKE ALL ON FUNCTION get_recurrence(name, text) FROM PUBLIC;

CREATE FUNCTION create_webhook(
	server name,
	name text,
	url text,
	email text,
	events text[],
	enabled boolean DEFAULT NULL,
	interrupted boolean DEFAULT NULL,
	send_type text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_create_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_webhook(
	name, text, text, text, text[], boolean, boolean, text, text) IS
'have the provider send its events to a URL, with the client_token of the user mapping';
REVOKE ALL ON FUNCTION create_webhook(
	name, text, text, text, text[], boolean, boolean, text, text)
	FROM PUBLIC;

CREATE FUNCTION enqueue_create_webhook(
	server name,
	name text,
	url text,
	email text,
	events text[],
	enabled boolean DEFAULT NULL,
	interrupted boolean DEFAULT NULL,
	send_type text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_webhook(
	name, text, text, text, text[], boolean, boolean, text, text, timestamptz,
	timestamptz) IS
'enqueue create_webhook(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_webhook(
	name, text, text, text, text[], boolean, boolean, text, text, timestamptz,
	timestamptz) FROM PUBLIC;

CREATE FUNCTION change_webhook(
	server name,
	webhook_id text,
	name text DEFAULT NULL,
	url text DEFAULT NULL,
	email text DEFAULT NULL,
	events text[] DEFAULT NULL,
	enabled boolean DEFAULT NULL,
	interrupted boolean DEFAULT NULL,
	send_type text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_change_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_webhook(
	name, text, text, text, text, text[], boolean, boolean, text, text) IS
'change a webhook; interrupted false lets an interrupted queue go on';
REVOKE ALL ON FUNCTION change_webhook(
	name, text, text, text, text, text[], boolean, boolean, text, text)
	FROM PUBLIC;

CREATE FUNCTION enqueue_change_webhook(
	server name,
	webhook_id text,
	name text DEFAULT NULL,
	url text DEFAULT NULL,
	email text DEFAULT NULL,
	events text[] DEFAULT NULL,
	enabled boolean DEFAULT NULL,
	interrupted boolean DEFAULT NULL,
	send_type text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_webhook(
	name, text, text, text, text, text[], boolean, boolean, text, text,
	timestamptz, timestamptz) IS
'enqueue change_webhook(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_webhook(
	name, text, text, text, text, text[], boolean, boolean, text, text,
	timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_webhook(
	server name,
	webhook_id text,
	idempotency_key text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_delete_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_webhook(name, text, text) IS
'have the provider send no more events to a URL';
REVOKE ALL ON FUNCTION delete_webhook(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_webhook(
	server name,
	webhook_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_webhook(
	name, text, text, timestamptz, timestamptz) IS
'enqueue delete_webhook(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_webhook(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE TYPE remote_webhook AS (
	webhook_id			text,
	name				text,
	url					text,
	email				text,
	enabled				boolean,
	interrupted			boolean,
	send_type			text,
	has_token			boolean,
	penalized_requests	integer,
	events				text[]
);
COMMENT ON TYPE remote_webhook IS
'a webhook as the provider shows it';

CREATE FUNCTION list_webhooks(server name)
RETURNS SETOF remote_webhook
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'webhooks') o,
		 jsonb_populate_record(NULL::partner_api.remote_webhook, o) r
$$;
COMMENT ON FUNCTION list_webhooks(name) IS
'the webhooks of the account as the provider lists them now';
REVOKE ALL ON FUNCTION list_webhooks(name) FROM PUBLIC;
