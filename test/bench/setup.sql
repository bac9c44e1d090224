/*
 * What the benchmark needs in its database: a server that is the sandbox, and
 * functions to wait for the worker.  Variables: url, token_file.
 */
CREATE SERVER bench FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi', base_url :'url', timeout_ms '600000');
CREATE USER MAPPING FOR PUBLIC SERVER bench
	OPTIONS (token_file :'token_file', client_token 'sandbox-client-token');

CREATE SCHEMA bench;

/* Wait until the worker has seen the changed configuration. */
CREATE FUNCTION bench.reload_until_seen() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	asked_at timestamptz := clock_timestamp();
BEGIN
	PERFORM pg_reload_conf();
	WHILE NOT EXISTS (SELECT FROM partner_api.worker_status()
					   WHERE last_pass_at > asked_at AND state = 'idle') LOOP
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

/* Seconds until so many requests are sent and their outcomes committed. */
CREATE FUNCTION bench.seconds_to_settle(count bigint, reload boolean)
RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
	started_at timestamptz := clock_timestamp();
	before bigint := requests FROM partner_api.worker_status();
BEGIN
	IF reload THEN
		PERFORM pg_reload_conf();
	END IF;
	/* the counters are those of the end of a pass, after its commit */
	WHILE NOT EXISTS (SELECT FROM partner_api.worker_status()
					   WHERE requests >= before + count
						 AND in_flight = 0) LOOP
		PERFORM pg_sleep(0.002);
		IF clock_timestamp() > started_at + interval '10 minutes' THEN
			RAISE EXCEPTION 'the worker is not through: %',
				(SELECT w FROM partner_api.worker_status() w);
		END IF;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - started_at);
END $$;

/* Enqueue creates in one statement. */
CREATE FUNCTION bench.enqueue(count bigint, ending text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT count(partner_api.enqueue_create_instance('bench', 'drain ' || i,
		   trial_end => ending))
	  FROM generate_series(1, $1) i;
$$;

/* What is open and what became of the rest, as one line. */
CREATE FUNCTION bench.outcome() RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s waiting, %s in flight, %s done, %s attempts, %s instances',
		   (SELECT count(*) FROM partner_api.pending_actions
			 WHERE state = 'waiting' AND NOT automatic),
		   (SELECT count(*) FROM partner_api.pending_actions
			 WHERE state IN ('sending', 'unknown')),
		   (SELECT count(*) FROM partner_api.action_history
			 WHERE state = 'done'),
		   (SELECT count(*) FROM partner_api.action_attempts
			 WHERE verdict = 'done'),
		   (SELECT count(*) FROM partner_api.instances));
$$;

/* Empty the tables: each measurement begins with none of the others' rows. */
CREATE FUNCTION bench.reset() RETURNS void
LANGUAGE sql AS $$
	TRUNCATE partner_api.pending_actions, partner_api.action_history,
		partner_api.action_attempts, partner_api.instances,
		partner_api.instance_secrets, partner_api.instance_events,
		partner_api.mirror_backlog;
$$;
