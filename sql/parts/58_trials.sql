/*
 * Trials that are to be kept get their sign action with the instance, on
 * behalf of the server's owner (looked up again when it is sent: the server
 * may be renamed, or away for a moment); those with trial_end = ask are held
 * until they are approved, and all of a customer whose subscription is suspended
 * until they have paid.  Called by the worker for what it created or adopted, and
 * by apply_listing() for what a list showed.
 */
CREATE FUNCTION schedule_signs(event_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO partner_api.pending_actions (action_id, server, kind, state,
		held_for, instance_id, arguments, customer_ref, run_at, deadline,
		nonce, fingerprint, requested_by, automatic, enqueued_at)
	SELECT n.id, e.server, 'sign_instance',
		   CASE WHEN h.held_for IS NULL THEN 'waiting' ELSE 'held' END,
		   h.held_for,
		   e.instance_id, '{}', e.details->>'customer_ref',
		   (e.details->>'sign_at')::timestamptz,
		   (e.details->>'trial_ends_at')::timestamptz,
		   format('pa-%s-%s-%s', t.installation_id, n.id,
				  substr(replace(gen_random_uuid()::text, '-', ''), 1, 8)),
		   encode(sha256(convert_to('sign_instance' || e.instance_id,
									'UTF8')), 'hex'),
		   coalesce(pg_get_userbyid(f.srvowner), current_user), true,
		   e.occurred_at
	FROM partner_api.instance_events e
	LEFT JOIN pg_foreign_server f ON f.srvname = e.server
	CROSS JOIN (
		SELECT installation_id FROM partner_api.installation
		ORDER BY established_at, installation_id LIMIT 1) t
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN partner_api.is_dunned(e.server, e.instance_id,
									   e.details->>'customer_ref')
				THEN 'dunning'
			WHEN e.details->>'trial_end' = 'ask' AND NOT EXISTS (
				SELECT FROM partner_api.trial_approvals a
				WHERE a.server = e.server AND a.instance_id = e.instance_id)
				THEN 'approval' END AS held_for) h
	CROSS JOIN LATERAL (
		SELECT nextval('partner_api.action_id_seq') AS id
		WHERE e.event_id IS NOT NULL) n
	WHERE e.event_id = ANY (event_ids)
	  AND e.kind IN ('created', 'adopted', 'surplus')
	  AND e.details ? 'sign_at';
END
$$;
COMMENT ON FUNCTION schedule_signs(bigint[]) IS
'schedules the sign actions of the trials that these events began';
REVOKE ALL ON FUNCTION schedule_signs(bigint[]) FROM PUBLIC;

/* A subscription that exists, or an end, leaves no automatic sign to be sent. */
CREATE FUNCTION withdraw_signs(event_ids bigint[]) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_withdraw_signs'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION withdraw_signs(bigint[]) IS
'withdraws the sign actions that these events leave without a use';
REVOKE ALL ON FUNCTION withdraw_signs(bigint[]) FROM PUBLIC;
