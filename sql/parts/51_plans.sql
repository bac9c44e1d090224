/*
 * Plans at billing providers.  What the provider makes of each argument is its
 * own matter; what is null is not sent, or keeps its value in a change.
 */
CREATE FUNCTION create_plan(
	server name,
	name text,
	amount_cents bigint,
	frequency text,
	description text DEFAULT NULL,
	email text DEFAULT NULL,
	setup_amount_cents bigint DEFAULT 0,
	grace_period integer DEFAULT 0,
	tolerance_period integer DEFAULT 0,
	interval_count integer DEFAULT 1,
	logo boolean DEFAULT false,
	currency text DEFAULT 'BRL',
	payment_methods text DEFAULT 'credit_card',
	plan_expiration_date timestamptz DEFAULT NULL,
	has_expiration boolean DEFAULT NULL,
	expire_subscriptions boolean DEFAULT NULL,
	subscription_duration integer DEFAULT NULL,
	format text DEFAULT 'json',
	file_field text DEFAULT NULL,
	file_name text DEFAULT NULL,
	file_content bytea DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS plans
AS 'MODULE_PATHNAME', 'partner_api_create_plan'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_plan(
	name, text, bigint, text, text, text, bigint, integer, integer, integer,
	boolean, text, text, timestamptz, boolean, boolean, integer, text, text,
	text, bytea, text, text) IS
'create a plan; amounts are whole cents, interval_count units of frequency make a recurrence';
REVOKE ALL ON FUNCTION create_plan(
	name, text, bigint, text, text, text, bigint, integer, integer, integer,
	boolean, text, text, timestamptz, boolean, boolean, integer, text, text,
	text, bytea, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_create_plan(
	server name,
	name text,
	amount_cents bigint,
	frequency text,
	description text DEFAULT NULL,
	email text DEFAULT NULL,
	setup_amount_cents bigint DEFAULT 0,
	grace_period integer DEFAULT 0,
	tolerance_period integer DEFAULT 0,
	interval_count integer DEFAULT 1,
	logo boolean DEFAULT false,
	currency text DEFAULT 'BRL',
	payment_methods text DEFAULT 'credit_card',
	plan_expiration_date timestamptz DEFAULT NULL,
	has_expiration boolean DEFAULT NULL,
	expire_subscriptions boolean DEFAULT NULL,
	subscription_duration integer DEFAULT NULL,
	format text DEFAULT 'json',
	file_field text DEFAULT NULL,
	file_name text DEFAULT NULL,
	file_content bytea DEFAULT NULL,
	customer_ref text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_plan'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_plan(
	name, text, bigint, text, text, text, bigint, integer, integer, integer,
	boolean, text, text, timestamptz, boolean, boolean, integer, text, text,
	text, bytea, text, text, timestamptz, timestamptz) IS
'enqueue create_plan(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_plan(
	name, text, bigint, text, text, text, bigint, integer, integer, integer,
	boolean, text, text, timestamptz, boolean, boolean, integer, text, text,
	text, bytea, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_plan(
	server name,
	plan_id text,
	name text DEFAULT NULL,
	amount_cents bigint DEFAULT NULL,
	frequency text DEFAULT NULL,
	description text DEFAULT NULL,
	email text DEFAULT NULL,
	setup_amount_cents bigint DEFAULT NULL,
	grace_period integer DEFAULT NULL,
	tolerance_period integer DEFAULT NULL,
	interval_count integer DEFAULT NULL,
	logo boolean DEFAULT NULL,
	currency text DEFAULT NULL,
	payment_methods text DEFAULT NULL,
	plan_expiration_date timestamptz DEFAULT NULL,
	has_expiration boolean DEFAULT NULL,
	expire_subscriptions boolean DEFAULT NULL,
	subscription_duration integer DEFAULT NULL,
	format text DEFAULT 'json',
	file_field text DEFAULT NULL,
	file_name text DEFAULT NULL,
	file_content bytea DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS plans
AS 'MODULE_PATHNAME', 'partner_api_change_plan'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_plan(
	name, text, text, bigint, text, text, text, bigint, integer, integer,
	integer, boolean, text, text, timestamptz, boolean, boolean, integer,
	text, text, text, bytea, text) IS
'change a plan; what is null stays as it is';
REVOKE ALL ON FUNCTION change_plan(
	name, text, text, bigint, text, text, text, bigint, integer, integer,
	integer, boolean, text, text, timestamptz, boolean, boolean, integer,
	text, text, text, bytea, text) FROM PUBLIC;

CREATE FUNCTION enqueue_change_plan(
	server name,
	plan_id text,
	name text DEFAULT NULL,
	amount_cents bigint DEFAULT NULL,
	frequency text DEFAULT NULL,
	description text DEFAULT NULL,
	email text DEFAULT NULL,
	setup_amount_cents bigint DEFAULT NULL,
	grace_period integer DEFAULT NULL,
	tolerance_period integer DEFAULT NULL,
	interval_count integer DEFAULT NULL,
	logo boolean DEFAULT NULL,
	currency text DEFAULT NULL,
	payment_methods text DEFAULT NULL,
	plan_expiration_date timestamptz DEFAULT NULL,
	has_expiration boolean DEFAULT NULL,
	expire_subscriptions boolean DEFAULT NULL,
	subscription_duration integer DEFAULT NULL,
	format text DEFAULT 'json',
	file_field text DEFAULT NULL,
	file_name text DEFAULT NULL,
	file_content bytea DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_plan'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_plan(
	name, text, text, bigint, text, text, text, bigint, integer, integer,
	integer, boolean, text, text, timestamptz, boolean, boolean, integer,
	text, text, text, bytea, text, timestamptz, timestamptz) IS
'enqueue change_plan(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_plan(
	name, text, text, bigint, text, text, text, bigint, integer, integer,
	integer, boolean, text, text, timestamptz, boolean, boolean, integer,
	text, text, text, bytea, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_plan(
	server name,
	plan_id text,
	idempotency_key text DEFAULT NULL)
RETURNS plans
AS 'MODULE_PATHNAME', 'partner_api_delete_plan'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_plan(name, text, text) IS
'delete a plan, where the provider can do that';
REVOKE ALL ON FUNCTION delete_plan(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_plan(
	server name,
	plan_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_plan'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_plan(
	name, text, text, timestamptz, timestamptz) IS
'enqueue delete_plan(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_plan(
	name, text, text, timestamptz, timestamptz) FROM PUBLIC;

/*
 * A change sends all fields of a plan, since the provider is not known to keep
 * those that are left out: what is not given is taken from the mirror, when
 * the request is sent, so that changes of a plan follow each other.  The nonce
 * of its create stays at the end of the description, to be found by.
 */
CREATE FUNCTION plan_arguments(of_server name, of_plan text, arguments jsonb)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH known AS (
		SELECT coalesce((
				SELECT jsonb_strip_nulls(to_jsonb(p))
				FROM partner_api.plans p
				WHERE p.server = of_server AND p.plan_id = of_plan), '{}')
			/* and what a session keeps from being there */
			|| (SELECT coalesce(jsonb_object_agg(f.key, f.value
										ORDER BY e.event_id), '{}')
				FROM partner_api.mirror_backlog b
				JOIN partner_api.object_events e ON e.event_id = b.event_id
				CROSS JOIN jsonb_each(partner_api.event_facts(e.details)) f
				WHERE e.server = of_server AND e.object = 'plan'
				  AND e.object_id = of_plan) AS facts), whole AS (
		SELECT k.facts - ARRAY['server', 'plan_id', 'customer_ref', 'origin',
				'created_at', 'action_id', 'last_seen_at', 'missing_since',
				'details',
				CASE plan_arguments.arguments->>'has_expiration' WHEN 'false'
					 THEN 'plan_expiration_date' END,
				CASE plan_arguments.arguments->>'expire_subscriptions'
					 WHEN 'false' THEN 'subscription_duration' END]
			|| plan_arguments.arguments AS facts, h.nonce
		FROM known k
		LEFT JOIN partner_api.action_history h
			ON h.action_id = (k.facts->>'action_id')::bigint
		   AND NOT EXISTS (
				SELECT FROM pg_foreign_server f
				WHERE f.srvname = of_server
				  AND 'name_nonce=off' = ANY (f.srvoptions)))
	SELECT w.facts || jsonb_strip_nulls(jsonb_build_object('description',
			(w.facts->>'description') || ' [' || w.nonce || ']'))
	FROM whole w
$$;
COMMENT ON FUNCTION plan_arguments(name, text, jsonb) IS
'the arguments of change_plan() with what they leave out, as it is known here';
REVOKE ALL ON FUNCTION plan_arguments(name, text, jsonb) FROM PUBLIC;

/* What the provider shows, as it shows it; the functions below give it types. */
CREATE FUNCTION remote_objects(server name, list text, query text DEFAULT NULL)
RETURNS SETOF jsonb
AS 'MODULE_PATHNAME', 'partner_api_remote_objects'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION remote_objects(name, text, text) IS
'the rows of a list as the provider shows them now: plans, subscriptions, clients of a document, invoices of a subscription';
REVOKE ALL ON FUNCTION remote_objects(name, text, text) FROM PUBLIC;

CREATE FUNCTION remote_object(server name, object text, object_id text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_remote_object'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION remote_object(name, text, text) IS
'a plan or a subscription as the provider shows it now';
REVOKE ALL ON FUNCTION remote_object(name, text, text) FROM PUBLIC;

CREATE TYPE remote_plan AS (
	plan_id					text,
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
	details					jsonb
);
COMMENT ON TYPE remote_plan IS
'a plan as the provider shows it; the columns are those of plans';

CREATE FUNCTION list_plans(server name)
RETURNS SETOF remote_plan
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_objects(server, 'plans') o,
		 jsonb_populate_record(NULL::partner_api.remote_plan, o) r
$$;
COMMENT ON FUNCTION list_plans(name) IS
'the plans that the provider lists now';
REVOKE ALL ON FUNCTION list_plans(name) FROM PUBLIC;

CREATE FUNCTION get_plan(server name, plan_id text)
RETURNS remote_plan
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*
	FROM partner_api.remote_object(server, 'plan', plan_id) o,
		 jsonb_populate_record(NULL::partner_api.remote_plan, o) r
$$;
COMMENT ON FUNCTION get_plan(name, text) IS
'one plan as the provider shows it now';
REVOKE ALL ON FUNCTION get_plan(name, text) FROM PUBLIC;
