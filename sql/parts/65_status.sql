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

/* what deadlines are measured by */
CREATE FUNCTION server_deadlines(server name,
	OUT warning interval, OUT alarm interval)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_server_deadlines_sql'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION server_deadlines(name) IS
'how long before a deadline its warning and its alarm are due, by the options of the server; null: never';

REVOKE ALL ON FUNCTION server_deadlines(name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION server_deadlines(name) TO partner_api_reader;

/*
 * From the tables alone, so that it is right while no worker runs.  The worker
 * asks for single actions: nothing volatile may keep the planner from putting
 * the action's id to the index (so worker_status() has a subquery of its own).
 */
CREATE VIEW stalled_actions AS
SELECT t.action_id, t.server, t.kind, t.state, t.instance_id, t.customer_ref,
	   t.run_at, t.deadline, t.deadline - t.now AS slack,
	   CASE WHEN t.deadline <= t.now + d.alarm THEN 'alarm'
			WHEN t.deadline <= t.now + d.warning THEN 'warning'
	   END AS level,
	   t.reason
FROM (
	SELECT p.*, c.now, coalesce(
		   /* what somebody, or a look, has to settle */
		   CASE
		   WHEN p.held_for = 'approval' THEN 'waits for approval'
		   WHEN p.held_for IN ('cap', 'quota', 'dunning')
				THEN 'held: ' || p.last_error
		   WHEN p.state = 'needs_attention' THEN 'needs attention: '
				|| coalesce(p.last_error, 'unknown outcome')
		   WHEN p.state = 'unknown' THEN 'the outcome is not known'
		   END,
		   nullif(pg_catalog.concat_ws('; ',
		   /* what stops all the actions of a server, or of the database */
		   CASE
		   WHEN f.oid IS NULL THEN 'the server does not exist'
		   WHEN NOT EXISTS (
				SELECT FROM pg_catalog.pg_user_mappings m
				WHERE m.srvid = f.oid
				  AND m.umuser IN (0, CASE WHEN p.automatic
										AND p.kind <> 'disconnect_instance'
									  THEN f.srvowner
									  ELSE (SELECT r.oid
											FROM pg_catalog.pg_roles r
											WHERE r.rolname = p.requested_by)
									  END))
				THEN CASE WHEN p.automatic
						   AND p.kind <> 'disconnect_instance'
						  THEN 'the owner of the server has no user mapping'
						  ELSE 'its role has no user mapping' END
		   WHEN pg_catalog.current_setting('partner_api.enabled', true) = 'off'
				THEN 'sending is switched off'
		   WHEN pg_catalog.current_setting('partner_api.paid_calls', true) = 'off'
			AND p.kind IN ('create_instance', 'sign_instance',
						   'update_subscription')
				THEN 'paid calls are switched off'
		   WHEN NOT p.dry_run AND 'mode=dry_run' = ANY (f.srvoptions)
				THEN 'the server is in dry_run mode'
		   WHEN p.held_for = 'dry_run' THEN 'held until the server is live again'
		   WHEN NOT c.worker_runs THEN 'no worker runs in this database'
		   WHEN c.worker_hangs THEN 'the worker makes no pass'
		   WHEN c.identity_change IS NOT NULL
				THEN 'the identity of this installation is not confirmed: '
				|| c.identity_change
		   WHEN p.server = ANY (c.paused) THEN 'the server is paused'
		   WHEN p.server = ANY (c.unreached)
				THEN 'the provider is not reached'
		   WHEN p.server = ANY (c.refused)
				THEN 'the provider refuses the token'
		   WHEN p.server = ANY (c.used_up)
				THEN 'the request_quota of the server is used up'
		   WHEN EXISTS (
				SELECT FROM server_surveys s
				WHERE s.server = p.server AND s.listed_at IS NULL)
				THEN 'the server was not listed since the identity changed'
		   END,
		   CASE WHEN p.state = 'waiting' AND f.oid IS NOT NULL
				 /* a new instance may take as long */
				 AND NOT (p.kind = 'await_instance'
						  AND p.enqueued_at > c.now - interval '5 minutes')
				THEN 'last try: ' || p.last_error END), ''),
		   /* what is late for no reason that is known here */
		   CASE
		   WHEN p.state <> 'waiting' OR p.run_at > c.now THEN NULL
		   WHEN EXISTS (
				SELECT FROM pending_actions q
				WHERE q.server = p.server AND q.instance_id = p.instance_id
				  AND acted_on(q.kind) = acted_on(p.kind)
				  AND q.state = 'unknown')
				THEN 'the outcome of another action of the instance is not known'
		   WHEN p.run_at < c.now - interval '1 minute'
				THEN CASE WHEN p.server = ANY (c.blocked)
					 THEN 'the provider takes no request now; ' ELSE '' END
					 || 'due since '
					 || pg_catalog.date_trunc('second', c.now - p.run_at)::text
		   END) AS reason
	FROM pending_actions p
	/* OFFSET 0: asked once, not once for each action */
	CROSS JOIN (
		SELECT clock() AS now, identity_change() AS identity_change,
			   pg_catalog.pg_is_in_recovery() OR EXISTS (
				SELECT FROM worker_status() w
				WHERE w.database = pg_catalog.current_database()
				  AND w.pid IS NOT NULL) AS worker_runs,
			   /* real time; not the worker itself, just woken */
			   EXISTS (
				SELECT FROM worker_status() w
				WHERE w.database = pg_catalog.current_database()
				  AND w.pid <> pg_catalog.pg_backend_pid()
				  AND coalesce(w.last_pass_at, w.started_at)
					  < pg_catalog.clock_timestamp() - interval '1 minute'
				) AS worker_hangs,
			   ARRAY(SELECT server FROM server_pauses) AS paused,
			   ARRAY(SELECT srvname FROM server_limits()
					 JOIN pg_catalog.pg_foreign_server ON oid = server_oid
					 WHERE circuit <> 'closed') AS unreached,
			   /* old tokens may be refused while a new one is not */
			   ARRAY(SELECT srvname FROM server_limits()
					 JOIN pg_catalog.pg_foreign_server ON oid = server_oid
					 GROUP BY srvname
					 HAVING bool_and(refused_since IS NOT NULL)) AS refused,
			   ARRAY(SELECT srvname FROM server_limits()
					 JOIN pg_catalog.pg_foreign_server ON oid = server_oid
					 GROUP BY srvname
					 HAVING bool_and(requests_used >= request_quota
									 AND window_ends_at
										 > pg_catalog.clock_timestamp()))
			   AS used_up,
			   ARRAY(SELECT srvname FROM server_limits()
					 JOIN pg_catalog.pg_foreign_server ON oid = server_oid
					 GROUP BY srvname
					 HAVING bool_and(blocked_until
									 > pg_catalog.clock_timestamp()))
			   AS blocked
			   OFFSET 0) c
	LEFT JOIN pg_catalog.pg_foreign_server f ON f.srvname = p.server) t
LEFT JOIN LATERAL server_deadlines(t.server) d ON true
WHERE t.reason IS NOT NULL;
COMMENT ON VIEW stalled_actions IS
'open actions that something keeps from being done: what it is, and how much time is left';

CREATE VIEW trials_at_risk AS
SELECT t.server, t.instance_id, t.name, t.customer_ref, t.trial_ends_at,
	   t.slack,
	   CASE WHEN t.slack <= d.alarm THEN 'alarm'
			WHEN t.slack <= d.warning THEN 'warning' END AS level,
	   t.reason, t.action_id
FROM (
	SELECT i.server, i.instance_id, i.name, i.customer_ref, i.trial_ends_at,
		   i.trial_ends_at - c.now AS slack, p.action_id,
		   CASE
		   WHEN i.trial_ends_at IS NULL THEN 'the end of the trial is not known'
		   WHEN p.action_id IS NULL AND i.origin = 'imported'
				THEN 'not created here: nothing signs it'
		   WHEN p.action_id IS NULL THEN 'no sign action is open'
		   WHEN p.run_at >= i.trial_ends_at AND p.state = 'waiting'
				THEN 'signed too late by schedule'
		   ELSE s.reason END AS reason
	FROM instances i
	CROSS JOIN (SELECT clock() AS now) c
	LEFT JOIN LATERAL (
		SELECT a.* FROM pending_actions a
		WHERE a.server = i.server AND a.instance_id = i.instance_id
		  AND a.kind = 'sign_instance'
		ORDER BY a.run_at LIMIT 1) p ON true
	LEFT JOIN stalled_actions s ON s.action_id = p.action_id
	WHERE i.status = 'trial'
	  AND (i.trial_ends_at > c.now OR i.trial_ends_at IS NULL)
	  AND i.trial_end IS DISTINCT FROM 'lapse') t
LEFT JOIN LATERAL server_deadlines(t.server) d ON true
WHERE t.reason IS NOT NULL;
COMMENT ON VIEW trials_at_risk IS
'trials that will lapse unless something is done: how much time is left, and why';

CREATE VIEW unmatched_instances AS
SELECT i.server, i.instance_id, i.name, i.status, i.payment_status,
	   CASE WHEN i.missing_since IS NOT NULL THEN 'missing at the provider'
			WHEN i.origin = 'surplus' THEN 'surplus: '
				|| coalesce('action ' || i.action_id, 'its order')
				|| CASE WHEN EXISTS (
						SELECT FROM instance_secrets s
						WHERE s.server = i.server
						  AND s.instance_id = i.instance_id)
					THEN ' has another instance'
					ELSE ' cannot use it: its token is not known' END
			WHEN i.origin = 'adopted' THEN 'the record of its order was lost'
			ELSE 'not created here' END AS reason,
	   coalesce(i.missing_since, i.last_seen_at) AS since
FROM instances i
WHERE i.missing_since IS NOT NULL
   OR (i.origin = 'imported' AND i.customer_ref IS NULL
	   AND i.status <> 'deleted')
   OR (i.origin = 'surplus'
	   AND i.status NOT IN ('lapsed', 'deleted', 'ended'))
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
					  /* once it was tried, that is when it is next looked at */
					  CASE WHEN a.run_at > a.enqueued_at
							AND a.run_at <= coalesce((
								SELECT min(t.started_at)
								FROM partner_api.action_attempts t
								WHERE t.action_id = of_action), 'infinity')
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
		SELECT e.occurred_at, 4, e.object || ' ' || e.kind, e.object_id
		FROM partner_api.object_events e WHERE e.action_id = of_action
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
