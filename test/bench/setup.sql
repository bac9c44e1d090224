/*
 * What the benchmark needs in its database: servers that are the sandbox, and
 * functions to wait for the worker.  Variables: url, token_file.
 */
CREATE SERVER bench FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi', base_url :'url', timeout_ms '600000');
CREATE USER MAPPING FOR PUBLIC SERVER bench
	OPTIONS (token_file :'token_file', client_token 'sandbox-client-token');

CREATE SERVER bench_green FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'greenapi', base_url :'url', instance_base_url :'url',
			 timeout_ms '600000');
CREATE USER MAPPING FOR PUBLIC SERVER bench_green
	OPTIONS (token_file :'token_file');

CREATE SERVER bench_plans FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zsystems', base_url :'url', timeout_ms '600000');
CREATE USER MAPPING FOR PUBLIC SERVER bench_plans
	OPTIONS (token_file :'token_file');

\set asaas_url :url /v3
CREATE SERVER bench_asaas FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas', base_url :'asaas_url', timeout_ms '600000');
CREATE USER MAPPING FOR PUBLIC SERVER bench_asaas
	OPTIONS (token '$aact_hmlg_sandbox-partner-token',
			 client_token 'sandbox-client-token');

CREATE SCHEMA bench;

/*
 * Both procedures that wait commit after every look: a snapshot that is held
 * would keep the worker's dead rows alive, and so slow it down.
 */

/* Wait until the worker has seen the changed configuration. */
CREATE PROCEDURE bench.reload_until_seen()
LANGUAGE plpgsql AS $$
DECLARE
	asked_at timestamptz := clock_timestamp();
BEGIN
	PERFORM pg_reload_conf();
	WHILE NOT EXISTS (SELECT FROM partner_api.worker_status()
					   WHERE last_pass_at > asked_at AND state = 'idle') LOOP
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

/* Wait until there is a worker that has been through a pass. */
CREATE PROCEDURE bench.wait_for_worker()
LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM partner_api.worker_status()
					   WHERE passes > 0 AND state = 'idle') LOOP
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;

/* Seconds until so many requests are sent and their outcomes committed. */
CREATE PROCEDURE bench.drain(wanted bigint, INOUT seconds double precision)
LANGUAGE plpgsql AS $$
DECLARE
	started_at timestamptz := clock_timestamp();
	before bigint := requests FROM partner_api.worker_status();
BEGIN
	/* partner_api.enabled is on from here */
	PERFORM pg_reload_conf();
	/* the counters are those of the end of a pass, after its commit */
	WHILE NOT EXISTS (SELECT FROM partner_api.worker_status()
					   WHERE requests >= before + wanted
						 AND in_flight = 0) LOOP
		COMMIT;
		PERFORM pg_sleep(0.002);
		IF clock_timestamp() > started_at + interval '10 minutes' THEN
			RAISE EXCEPTION 'the worker is not through: %',
				(SELECT w FROM partner_api.worker_status() w);
		END IF;
	END LOOP;
	seconds := extract(epoch FROM clock_timestamp() - started_at);
END $$;

/* Enqueue creates in one statement. */
CREATE FUNCTION bench.enqueue(count bigint, ending text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT count(partner_api.enqueue_create_instance('bench', 'drain ' || i,
		   trial_end => ending))
	  FROM generate_series(1, $1) i;
$$;

/* Enqueue creates at Green API in one statement. */
CREATE FUNCTION bench.enqueue_green(count bigint) RETURNS bigint
LANGUAGE sql AS $$
	SELECT count(partner_api.enqueue_create_instance('bench_green',
		   'green ' || i))
	  FROM generate_series(1, $1) i;
$$;

/* Enqueue plans in one statement. */
CREATE FUNCTION bench.enqueue_plans(count bigint, format text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT count(partner_api.enqueue_create_plan('bench_plans',
		   name => 'plan ' || i, amount_cents => 9900,
		   frequency => 'monthly', description => 'A plan to be drained',
		   format => $2))
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

/* Microseconds of a commit that writes one row and is flushed. */
CREATE TABLE bench.flushed (id integer);
CREATE PROCEDURE bench.commit_us(count integer, INOUT us double precision)
LANGUAGE plpgsql AS $$
DECLARE
	started_at timestamptz := clock_timestamp();
BEGIN
	FOR i IN 1 .. count LOOP
		INSERT INTO bench.flushed VALUES (i);
		COMMIT;
	END LOOP;
	us := 1e6 * extract(epoch FROM clock_timestamp() - started_at) / count;
END $$;

/* Empty the tables: each measurement begins with none of the others' rows. */
CREATE FUNCTION bench.reset() RETURNS void
LANGUAGE sql AS $$
	TRUNCATE partner_api.pending_actions, partner_api.action_history,
		partner_api.action_attempts, partner_api.instances,
		partner_api.instance_secrets, partner_api.instance_events,
		partner_api.mirror_backlog, partner_api.object_events,
		partner_api.plans;
$$;

/* Status calls a second, all on the connection of this session. */
CREATE FUNCTION bench.read_rate(server name, instance text, count integer)
RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
	started_at timestamptz;
BEGIN
	PERFORM partner_api.instance_status(server, instance);
	started_at := clock_timestamp();
	FOR i IN 1 .. count LOOP
		PERFORM partner_api.instance_status(server, instance);
	END LOOP;
	RETURN count / extract(epoch FROM clock_timestamp() - started_at);
END $$;

CREATE TABLE bench.plain (id integer PRIMARY KEY, name text);
CREATE TABLE bench.triggered (LIKE bench.plain INCLUDING ALL);

CREATE FUNCTION bench.enqueue_row() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM partner_api.enqueue_create_instance('bench', NEW.name,
		customer_ref => NEW.id::text);
	RETURN NULL;
END $$;
CREATE TRIGGER enqueue AFTER INSERT ON bench.triggered
	FOR EACH ROW EXECUTE FUNCTION bench.enqueue_row();

/* Microseconds a row of an insert of many. */
CREATE FUNCTION bench.insert_us(target text, count integer)
RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
	started_at timestamptz;
BEGIN
	EXECUTE format('TRUNCATE bench.%I', target);
	started_at := clock_timestamp();
	EXECUTE format('INSERT INTO bench.%I SELECT i, ''customer '' || i '
		'FROM generate_series(1, $1) i', target) USING count;
	RETURN 1e6 * extract(epoch FROM clock_timestamp() - started_at) / count;
END $$;

/*
 * Microseconds of each of the first and the last of many, in transactions of a
 * hundred: what a flush takes has nothing to do with their number.
 */
CREATE PROCEDURE bench.enqueue_alone(count integer, few integer,
	INOUT first_us double precision, INOUT last_us double precision)
LANGUAGE plpgsql AS $$
DECLARE
	started_at timestamptz;
BEGIN
	/* not the very first, which fill caches */
	FOR i IN -99 .. count LOOP
		IF i IN (1, count - few + 1) THEN
			started_at := clock_timestamp();
		END IF;
		PERFORM partner_api.enqueue_create_instance('bench', 'alone ' || i);
		IF i % 100 = 0 THEN
			COMMIT;
		END IF;
		IF i = few THEN
			first_us := extract(epoch FROM clock_timestamp() - started_at)
				* 1e6 / few;
		END IF;
	END LOOP;
	last_us := extract(epoch FROM clock_timestamp() - started_at)
		* 1e6 / few;
END $$;
