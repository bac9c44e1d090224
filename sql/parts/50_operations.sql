/*
 * Every operation that changes something at a provider, twice: as a call that
 * waits for the outcome, and as enqueue_...(), which records the action in the
 * caller's transaction.  What a call has done stays done if its transaction
 * rolls back; what was enqueued is then not sent.
 */
CREATE FUNCTION create_instance(
	server name,
	instance_name text,
	settings jsonb DEFAULT '{}',
	customer_ref text DEFAULT NULL,
	trial_end text DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_create_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION create_instance(name, text, jsonb, text, text, text) IS
'create an instance; with a trial it is signed, left to lapse or signed when approved, as trial_end says';
REVOKE ALL ON FUNCTION create_instance(name, text, jsonb, text, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_create_instance(
	server name,
	instance_name text,
	settings jsonb DEFAULT '{}',
	customer_ref text DEFAULT NULL,
	trial_end text DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_create_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_create_instance(name, text, jsonb, text, text, text, timestamptz, timestamptz) IS
'enqueue create_instance(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_create_instance(name, text, jsonb, text, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION sign_instance(
	server name,
	instance_id text,
	with_calls boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_sign_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION sign_instance(name, text, boolean, text) IS
'subscribe an instance, which starts its billing; signing twice has no second effect';
REVOKE ALL ON FUNCTION sign_instance(name, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION enqueue_sign_instance(
	server name,
	instance_id text,
	with_calls boolean DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_sign_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_sign_instance(name, text, boolean, text, timestamptz, timestamptz) IS
'enqueue sign_instance(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_sign_instance(name, text, boolean, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION update_subscription(
	server name,
	instance_id text,
	with_calls boolean,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_update_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION update_subscription(name, text, boolean, text) IS
'add voice calls to a subscription; they cannot be taken away again';
REVOKE ALL ON FUNCTION update_subscription(name, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION enqueue_update_subscription(
	server name,
	instance_id text,
	with_calls boolean,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_update_subscription'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_update_subscription(name, text, boolean, text, timestamptz, timestamptz) IS
'enqueue update_subscription(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_update_subscription(name, text, boolean, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION cancel_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_cancel_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION cancel_instance(name, text, text) IS
'cancel a subscription or a trial; the service goes on until the provider ends it';
REVOKE ALL ON FUNCTION cancel_instance(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_cancel_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_cancel_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_cancel_instance(name, text, text, timestamptz, timestamptz) IS
'enqueue cancel_instance(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_cancel_instance(name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_delete_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_instance(name, text, text) IS
'delete an instance for good, as far as the provider allows it';
REVOKE ALL ON FUNCTION delete_instance(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_instance(name, text, text, timestamptz, timestamptz) IS
'enqueue delete_instance(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_instance(name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION delete_instances(
	server name,
	instance_ids text[],
	idempotency_key text DEFAULT NULL)
RETURNS TABLE (instance_id text, deleted boolean, detail text)
AS 'MODULE_PATHNAME', 'partner_api_delete_instances'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION delete_instances(name, text[], text) IS
'delete up to 100 instances in one request; each is judged alone';
REVOKE ALL ON FUNCTION delete_instances(name, text[], text) FROM PUBLIC;

CREATE FUNCTION enqueue_delete_instances(
	server name,
	instance_ids text[],
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_delete_instances'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_delete_instances(name, text[], text, timestamptz, timestamptz) IS
'enqueue delete_instances(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_delete_instances(name, text[], text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION disconnect_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_disconnect_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION disconnect_instance(name, text, text) IS
'disconnect an instance from its phone';
REVOKE ALL ON FUNCTION disconnect_instance(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_disconnect_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_disconnect_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_disconnect_instance(name, text, text, timestamptz, timestamptz) IS
'enqueue disconnect_instance(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_disconnect_instance(name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION reboot_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_reboot_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION reboot_instance(name, text, text) IS
'restart an instance; what helps one that stays in the state "starting"';
REVOKE ALL ON FUNCTION reboot_instance(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_reboot_instance(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_reboot_instance'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_reboot_instance(name, text, text, timestamptz, timestamptz) IS
'enqueue reboot_instance(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_reboot_instance(name, text, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION change_settings(
	server name,
	instance_id text,
	settings jsonb,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_change_settings'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION change_settings(name, text, jsonb, text) IS
'change settings of an instance, which restarts it: for some minutes it is not usable';
REVOKE ALL ON FUNCTION change_settings(name, text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION enqueue_change_settings(
	server name,
	instance_id text,
	settings jsonb,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_change_settings'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_change_settings(name, text, jsonb, text, timestamptz, timestamptz) IS
'enqueue change_settings(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_change_settings(name, text, jsonb, text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION check_settings(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL)
RETURNS instances
AS 'MODULE_PATHNAME', 'partner_api_check_settings'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION check_settings(name, text, text) IS
'read the settings of an instance and compare them with what was asked for here: settings_differ of the row';
REVOKE ALL ON FUNCTION check_settings(name, text, text) FROM PUBLIC;

CREATE FUNCTION enqueue_check_settings(
	server name,
	instance_id text,
	idempotency_key text DEFAULT NULL,
	run_at timestamptz DEFAULT NULL,
	deadline timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_check_settings'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_check_settings(name, text, text, timestamptz, timestamptz) IS
'enqueue check_settings(): sent after the commit, not before run_at, never after deadline; returns the action_id';
REVOKE ALL ON FUNCTION enqueue_check_settings(name, text, text, timestamptz, timestamptz) FROM PUBLIC;
