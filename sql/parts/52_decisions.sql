/* What people and triggers decide on actions that are not claimed. */
CREATE FUNCTION approve_trial(server name, instance_id text) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_approve_trial'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION approve_trial(name, text) IS
'allow a trial with trial_end = ask to be signed when it is due';
REVOKE ALL ON FUNCTION approve_trial(name, text) FROM PUBLIC;

CREATE FUNCTION cancel_action(action_id bigint) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_cancel_action'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION cancel_action(bigint) IS
'withdraw an action that is waiting or held, or give up one that needs attention';
REVOKE ALL ON FUNCTION cancel_action(bigint) FROM PUBLIC;

CREATE FUNCTION retry_action(action_id bigint) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_retry_action'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION retry_action(bigint) IS
'send a failed or cancelled action again, or one that needs attention, on the caller''s word that it had no effect';
REVOKE ALL ON FUNCTION retry_action(bigint) FROM PUBLIC;

CREATE FUNCTION resolve_action(action_id bigint, remote_id text) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_resolve_action'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION resolve_action(bigint, text) IS
'say what an action that is unknown or needs attention came to: the id of what it made or acts on, null for no effect';
REVOKE ALL ON FUNCTION resolve_action(bigint, text) FROM PUBLIC;

CREATE FUNCTION rearm_action(action_id bigint) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_rearm_action'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION rearm_action(bigint) IS
'makes a closed action wait to be sent again; for retry_invoice()';
REVOKE ALL ON FUNCTION rearm_action(bigint) FROM PUBLIC;
