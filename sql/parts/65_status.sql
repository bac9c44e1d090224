/* What an administrator looks at. */
CREATE FUNCTION worker_status(
	OUT database name, OUT state text, OUT pid integer,
	OUT started_at timestamptz, OUT starts integer,
	OUT last_pass_at timestamptz, OUT passes bigint, OUT requests bigint,
	OUT in_flight integer, OUT last_error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'partner_api_worker_status'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION worker_status() IS
'what each worker does, from shared memory; empty where the library is not preloaded';

REVOKE ALL ON FUNCTION worker_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION worker_status() TO partner_api_reader;

CREATE VIEW worker_status AS
SELECT w.database, w.state, w.pid, w.started_at, w.starts, w.last_pass_at,
	   w.passes, w.requests, w.in_flight, w.last_error
FROM worker_status() w;
COMMENT ON VIEW worker_status IS
'the workers of the databases in partner_api.databases; times are real time';

CREATE VIEW trials_at_risk AS
SELECT t.server, t.instance_id, t.name, t.customer_ref, t.trial_ends_at,
	   t.slack, t.reason, t.action_id
FROM (
	SELECT i.server, i.instance_id, i.name, i.customer_ref, i.trial_ends_at,
		   i.trial_ends_at - c.now AS slack, p.action_id,
		   CASE
		   WHEN i.trial_ends_at IS NULL THEN 'the end of the trial is not known'
		   WHEN p.action_id IS NULL AND i.origin = 'imported'
				THEN 'not created here: nothing signs it'
		   WHEN p.action_id IS NULL THEN 'no sign action is open'
		   WHEN p.state = 'held' THEN 'waits for approval'
		   WHEN p.state = 'needs_attention' THEN 'the sign needs attention: '
				|| coalesce(p.last_error, 'unknown outcome')
		   WHEN p.state = 'unknown' THEN 'the outcome of the sign is not known'
		   WHEN p.run_at >= i.trial_ends_at THEN 'signed too late by schedule'
		   WHEN p.last_error IS NOT NULL THEN 'last try: ' || p.last_error
		   WHEN NOT EXISTS (
				SELECT FROM pg_catalog.pg_foreign_server f
				WHERE f.srvname = i.server)
				THEN 'the server does not exist'
		   WHEN p.automatic AND NOT EXISTS (
				SELECT FROM pg_catalog.pg_foreign_server f
				JOIN pg_catalog.pg_user_mappings m
				  ON m.srvid = f.oid AND m.umuser IN (0, f.srvowner)
				WHERE f.srvname = i.server)
				THEN 'the owner of the server has no user mapping'
		   WHEN pg_catalog.current_setting('partner_api.enabled', true) = 'off'
				THEN 'sending is switched off'
		   WHEN NOT pg_catalog.pg_is_in_recovery() AND NOT EXISTS (
				SELECT FROM worker_status() w
				WHERE w.database = pg_catalog.current_database()
				  AND w.pid IS NOT NULL)
				THEN 'no worker runs in this database'
		   WHEN c.identity_change IS NOT NULL
				THEN 'the identity of this installation is not confirmed: '
				|| c.identity_change
		   WHEN EXISTS (
				SELECT FROM server_surveys s
				WHERE s.server = i.server AND s.listed_at IS NULL)
				THEN 'the server was not listed since the identity changed'
		   WHEN p.state = 'waiting' AND p.run_at < c.now - interval '1 minute'
				THEN 'due since ' || (c.now - p.run_at)::text
		   END AS reason
	FROM instances i
	/* OFFSET 0: asked once, not once for each trial */
	CROSS JOIN (SELECT clock() AS now, identity_change() OFFSET 0) c
	LEFT JOIN LATERAL (
		SELECT a.* FROM pending_actions a
		WHERE a.server = i.server AND a.instance_id = i.instance_id
		  AND a.kind = 'sign_instance'
		ORDER BY a.run_at LIMIT 1) p ON true
	WHERE i.status = 'trial'
	  AND (i.trial_ends_at > c.now OR i.trial_ends_at IS NULL)
	  AND i.trial_end IS DISTINCT FROM 'lapse') t
WHERE t.reason IS NOT NULL;
COMMENT ON VIEW trials_at_risk IS
'trials that will lapse unless something is done: how much time is left, and why';

CREATE VIEW token_usage AS
SELECT i.server, i.token_fingerprint, count(*) AS created,
	   count(*) FILTER (WHERE i.status IN ('trial', 'signed', 'cancelling'))
	   AS running,
	   count(*) FILTER (WHERE i.status = 'signed') AS signed,
	   min(i.created_at) AS first_used_at, max(i.created_at) AS last_used_at
FROM instances i
WHERE i.token_fingerprint IS NOT NULL
GROUP BY i.server, i.token_fingerprint;
COMMENT ON VIEW token_usage IS
'how many instances each partner token has made, for its tier and its rotation';

CREATE VIEW unmatched_instances AS
SELECT i.server, i.instance_id, i.name, i.status, i.payment_status,
	   CASE WHEN i.missing_since IS NOT NULL THEN 'missing at the provider'
			WHEN i.origin = 'adopted' THEN 'the record of its order was lost'
			ELSE 'not created here' END AS reason,
	   coalesce(i.missing_since, i.last_seen_at) AS since
FROM instances i
WHERE i.missing_since IS NOT NULL
   OR (i.origin = 'imported' AND i.customer_ref IS NULL)
   OR (i.origin = 'adopted' AND i.action_id IS NULL
	   AND i.customer_ref IS NULL);
COMMENT ON VIEW unmatched_instances IS
'instances that only one side knows: the provider or this database';

CREATE FUNCTION action_timeline(of_action bigint)
RETURNS TABLE (at timestamptz, step text, detail text)
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT s.at, s.step, s.detail
	FROM (
		SELECT a.enqueued_at, 1, 'enqueued',
			   format('%s at %s by %s%s', a.kind, a.server, a.requested_by,
					  CASE WHEN a.run_at > a.enqueued_at
						   THEN ', to run at '
								|| to_char(a.run_at, 'YYYY-MM-DD HH24:MI:SS')
						   ELSE '' END)
		FROM (SELECT action_id, kind, server, requested_by, run_at,
					 enqueued_at FROM partner_api.pending_actions
			  UNION ALL
			  SELECT action_id, kind, server, requested_by, run_at,
					 enqueued_at FROM partner_api.action_history) a
		WHERE a.action_id = of_action
		UNION ALL
		SELECT t.started_at, 2,
			   CASE t.purpose WHEN 'send' THEN 'sent' ELSE 'looked' END,
			   format('attempt %s, lease %s', t.attempt, t.lease)
		FROM partner_api.action_attempts t WHERE t.action_id = of_action
		UNION ALL
		SELECT t.finished_at, 3, t.verdict,
			   concat_ws(', ', 'HTTP ' || t.http_status,
						 t.latency_ms || ' ms', t.error)
		FROM partner_api.action_attempts t WHERE t.action_id = of_action
		UNION ALL
		SELECT e.occurred_at, 4, 'instance ' || e.kind, e.instance_id
		FROM partner_api.instance_events e WHERE e.action_id = of_action
		UNION ALL
		SELECT h.closed_at, 5, h.state, h.last_error
		FROM partner_api.action_history h WHERE h.action_id = of_action
		UNION ALL
		SELECT p.run_at, 6, p.state,
			   concat_ws(': ', 'for ' || p.held_for, p.last_error)
		FROM partner_api.pending_actions p WHERE p.action_id = of_action
	) AS s (at, rank, step, detail)
	ORDER BY s.at, s.rank
$$;
COMMENT ON FUNCTION action_timeline(bigint) IS
'the life of one action, step by step';
