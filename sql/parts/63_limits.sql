/*
 * What keeps requests from being sent: pauses, limits, providers that are not
 * reached.
 */
CREATE TABLE server_pauses (
	server		name		PRIMARY KEY,
	reason		text,
	paused_at	timestamptz	NOT NULL,
	paused_by	name		NOT NULL
);
COMMENT ON TABLE server_pauses IS
'servers to which nothing is sent that changes anything, until resume()';
COMMENT ON COLUMN server_pauses.server IS
'foreign server';
COMMENT ON COLUMN server_pauses.reason IS
'why, in the words of who paused it';
COMMENT ON COLUMN server_pauses.paused_at IS
'since when, by clock()';
COMMENT ON COLUMN server_pauses.paused_by IS
'role that paused it';

SELECT pg_catalog.pg_extension_config_dump('server_pauses', '');

CREATE TABLE request_windows (
	server				name		NOT NULL,
	token_fingerprint	text		NOT NULL,
	opened_at			timestamptz	NOT NULL,
	ends_at				timestamptz	NOT NULL,
	requests_used		integer		NOT NULL,
	requests_polled		integer		NOT NULL,
	PRIMARY KEY (server, token_fingerprint)
);
COMMENT ON TABLE request_windows IS
'how many requests of its window each token has used, as of the last seconds; what counts is in memory, see server_health';
COMMENT ON COLUMN request_windows.server IS
'foreign server';
COMMENT ON COLUMN request_windows.token_fingerprint IS
'first 16 hex digits of the token''s SHA-256';
COMMENT ON COLUMN request_windows.opened_at IS
'when the first request of the window was sent, by clock()';
COMMENT ON COLUMN request_windows.ends_at IS
'when the count begins anew, by clock()';
COMMENT ON COLUMN request_windows.requests_used IS
'requests of the window';
COMMENT ON COLUMN request_windows.requests_polled IS
'of them for polling';

SELECT pg_catalog.pg_extension_config_dump('request_windows', '');

CREATE FUNCTION pause(server name, reason text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_pause'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION pause(name, text) IS
'send nothing that changes anything at the provider until resume(); actions wait';

CREATE FUNCTION resume(server name)
RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_resume'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION resume(name) IS
'end the pause of a server';

REVOKE ALL ON FUNCTION pause(name, text), resume(name) FROM PUBLIC;

CREATE FUNCTION server_limits(
	OUT server_oid oid, OUT token_fingerprint text, OUT in_flight integer,
	OUT max_concurrency integer, OUT rate_limit double precision,
	OUT burst integer, OUT tokens_left double precision,
	OUT blocked_until timestamptz, OUT blocked_by text, OUT circuit text,
	OUT circuit_since timestamptz, OUT next_probe_at timestamptz,
	OUT failures integer, OUT last_success_at timestamptz,
	OUT last_failure_at timestamptz, OUT last_error text,
	OUT refused_since timestamptz, OUT refused_until timestamptz,
	OUT request_quota integer, OUT requests_used integer,
	OUT poll_quota integer, OUT requests_polled integer,
	OUT window_ends_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'partner_api_server_limits'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION server_limits() IS
'the limits of the credentials used in this database, from shared memory; empty where the library is not preloaded';

REVOKE ALL ON FUNCTION server_limits() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION server_limits() TO partner_api_reader;

CREATE VIEW server_health AS
SELECT f.srvname AS server, l.token_fingerprint, p.server IS NOT NULL AS paused,
	   p.reason AS pause_reason, p.paused_at, p.paused_by,
	   coalesce(l.circuit, 'closed') AS circuit, l.circuit_since,
	   l.next_probe_at, l.failures, l.last_success_at, l.last_failure_at,
	   l.last_error, l.refused_since, l.refused_until, l.blocked_until,
	   l.blocked_by, l.in_flight,
	   l.max_concurrency, l.rate_limit, l.burst, l.tokens_left,
	   l.request_quota, l.requests_used, l.poll_quota, l.requests_polled,
	   l.window_ends_at,
	   t.tested_at, t.ok AS test_ok, t.detail AS test_detail,
	   a.waiting, a.held, a.sending, a.unknown, a.needs_attention,
	   a.oldest_due_at
FROM pg_catalog.pg_foreign_server f
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
LEFT JOIN server_limits() l ON l.server_oid = f.oid
LEFT JOIN server_pauses p ON p.server = f.srvname
LEFT JOIN LATERAL (
	SELECT c.tested_at, c.ok, c.detail
	FROM connection_tests c
	WHERE c.server = f.srvname
	ORDER BY c.test_id DESC LIMIT 1) t ON true
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE a.state = 'waiting') AS waiting,
		   count(*) FILTER (WHERE a.state = 'held') AS held,
		   count(*) FILTER (WHERE a.state = 'sending') AS sending,
		   count(*) FILTER (WHERE a.state = 'unknown') AS unknown,
		   count(*) FILTER (WHERE a.state = 'needs_attention')
		   AS needs_attention,
		   min(a.run_at) FILTER (WHERE a.state = 'waiting'
								   AND a.run_at <= clock()) AS oldest_due_at
	FROM pending_actions a
	WHERE a.server = f.srvname) a
WHERE w.fdwname = 'partner_api';
COMMENT ON VIEW server_health IS
'how each server is, one row for each token that is used with it: pauses, limits, reachability, the last test, open actions';

CREATE FUNCTION poll_budget(server name) RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_poll_budget'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION poll_budget(name) IS
'how many more requests that only read the server takes from the caller now; null: there is no limit';
REVOKE ALL ON FUNCTION poll_budget(name) FROM PUBLIC;
