/*
 * Routines: what has to be done again and again, by a schedule.
 *
 * Where pg_cron is installed in this database it runs them; elsewhere the
 * worker does, from a table with the columns of cron.job.  Who runs a routine
 * changes nothing in what it does: a schedule is written as cron writes it and
 * counts in GMT, and the command is run as the role that scheduled it.
 */
CREATE FUNCTION next_run(schedule text, after timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'partner_api_next_run'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION next_run(text, timestamptz) IS
'when a routine with this schedule runs next after a time; null for @reboot';
REVOKE ALL ON FUNCTION next_run(text, timestamptz) FROM PUBLIC;

/* ---- what the worker runs ---- */

CREATE SEQUENCE routines_jobid_seq;
COMMENT ON SEQUENCE routines_jobid_seq IS
'numbers of routines';

CREATE TABLE routines (
	jobid		bigint		PRIMARY KEY
		DEFAULT pg_catalog.nextval('routines_jobid_seq'),
	/* whoever writes a row, what is no schedule raises an error */
	schedule	text		NOT NULL
		CHECK (next_run(schedule, 'epoch') IS DISTINCT FROM 'infinity'),
	command		text		NOT NULL CHECK (command <> ''),
	nodename	text		NOT NULL DEFAULT 'localhost',
	nodeport	integer		NOT NULL
		DEFAULT pg_catalog.current_setting('port')::integer,
	database	text		NOT NULL DEFAULT pg_catalog.current_database(),
	username	text		NOT NULL,
	active		boolean		NOT NULL DEFAULT true,
	jobname		text		NOT NULL UNIQUE
);
ALTER SEQUENCE routines_jobid_seq OWNED BY routines.jobid;
SELECT pg_catalog.pg_extension_config_dump('routines', '');
SELECT pg_catalog.pg_extension_config_dump('routines_jobid_seq', '');

COMMENT ON TABLE routines IS
'routines that the worker runs; the columns are those of cron.job';
COMMENT ON COLUMN routines.jobid IS
'number of the routine';
COMMENT ON COLUMN routines.schedule IS
'when it runs, as cron writes it, in GMT; see next_run()';
COMMENT ON COLUMN routines.command IS
'what it runs: SQL, one transaction unless it is a procedure that commits';
COMMENT ON COLUMN routines.nodename IS
'as in cron.job: always this server';
COMMENT ON COLUMN routines.nodeport IS
'as in cron.job: port of the server where it was scheduled';
COMMENT ON COLUMN routines.database IS
'as in cron.job: name of the database where it was scheduled; it runs in this one';
COMMENT ON COLUMN routines.username IS
'role that it belongs to and runs as';
COMMENT ON COLUMN routines.active IS
'false: it is not run';
COMMENT ON COLUMN routines.jobname IS
'its name';

/*
 * How they go.  Not dumped: a restored routine is planned anew by the trigger
 * below, and what has run elsewhere has not run here.
 */
CREATE TABLE routine_runs (
	jobid				bigint		PRIMARY KEY
		REFERENCES routines ON DELETE CASCADE,
	next_run_at			timestamptz,
	status				text
		CHECK (status IN ('running', 'succeeded', 'failed', 'delayed')),
	started_at			timestamptz,
	finished_at			timestamptz,
	last_error			text,
	runs				bigint		NOT NULL DEFAULT 0,
	failures			bigint		NOT NULL DEFAULT 0,
	server_started_at	timestamptz	NOT NULL
		DEFAULT pg_catalog.pg_postmaster_start_time()
);
CREATE INDEX routine_runs_by_time ON routine_runs (next_run_at);
COMMENT ON TABLE routine_runs IS
'how the routines of the worker go; times by clock()';
COMMENT ON COLUMN routine_runs.jobid IS
'the routine';
COMMENT ON COLUMN routine_runs.next_run_at IS
'when it is due; null: not by time';
COMMENT ON COLUMN routine_runs.status IS
'running, or how the last run ended: succeeded, failed; delayed: it found no free process; null: it has not run yet';
COMMENT ON COLUMN routine_runs.started_at IS
'when the last run started';
COMMENT ON COLUMN routine_runs.finished_at IS
'when it ended';
COMMENT ON COLUMN routine_runs.last_error IS
'why it failed';
COMMENT ON COLUMN routine_runs.runs IS
'runs that have ended';
COMMENT ON COLUMN routine_runs.failures IS
'how many of them failed since the last that did not';
COMMENT ON COLUMN routine_runs.server_started_at IS
'the start of the server that @reboot was last planned by';

CREATE FUNCTION routines_changed() RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_routines_changed_sql'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION routines_changed() IS
'tells the worker at commit that routines were changed';
REVOKE ALL ON FUNCTION routines_changed() FROM PUBLIC;

CREATE FUNCTION plan_routine() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF OLD.schedule = NEW.schedule AND OLD.active = NEW.active THEN
			RETURN NULL;
		END IF;
	END IF;
	INSERT INTO partner_api.routine_runs (jobid, next_run_at)
	VALUES (NEW.jobid, CASE WHEN NEW.active
		THEN partner_api.next_run(NEW.schedule, partner_api.clock()) END)
	ON CONFLICT (jobid) DO UPDATE
		SET next_run_at = excluded.next_run_at,
			server_started_at = excluded.server_started_at;
	PERFORM partner_api.routines_changed();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION plan_routine() IS
'trigger: plans the next run of a routine whose schedule was written';
REVOKE ALL ON FUNCTION plan_routine() FROM PUBLIC;

CREATE TRIGGER plan AFTER INSERT OR UPDATE OF schedule, active ON routines
	FOR EACH ROW EXECUTE FUNCTION plan_routine();
COMMENT ON TRIGGER plan ON routines IS
'plans the next run';

CREATE FUNCTION keep_routine(jobname text, schedule text, command text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_keep_routine'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION keep_routine(text, text, text) IS
'have the worker run a command as the calling role';
REVOKE ALL ON FUNCTION keep_routine(text, text, text) FROM PUBLIC;

CREATE FUNCTION drop_routine(jobname text) RETURNS boolean
AS 'MODULE_PATHNAME', 'partner_api_drop_routine'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION drop_routine(text) IS
'have the worker run a routine no more; false if it did not';
REVOKE ALL ON FUNCTION drop_routine(text) FROM PUBLIC;

/* ---- what pg_cron runs ---- */

/*
 * Our jobs in cron.job, whoever they belong to: the policy of that table
 * shows each role its own, but two roles must not schedule the same.  Dynamic,
 * since pg_cron may come and go.
 */
CREATE FUNCTION cron_routines() RETURNS TABLE (jobid bigint, jobname text,
	schedule text, command text, username text, active boolean, status text,
	started_at timestamptz, finished_at timestamptz, message text)
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		RETURN QUERY EXECUTE
			'SELECT j.jobid, substr(j.jobname::text, 13), j.schedule,
					j.command, j.username, j.active, d.status, d.start_time,
					d.end_time, d.return_message
			 FROM cron.job j
			 LEFT JOIN LATERAL (
				SELECT r.* FROM cron.job_run_details r
				WHERE r.jobid = j.jobid ORDER BY r.runid DESC LIMIT 1) d
				ON true
			 WHERE starts_with(j.jobname::text, ''partner_api.'')
			   AND j.database = current_database()';
	END IF;
END
$$;
COMMENT ON FUNCTION cron_routines() IS
'routines that pg_cron runs, with their last run; none where it is not installed';
REVOKE ALL ON FUNCTION cron_routines() FROM PUBLIC;

/* ---- either ---- */

CREATE FUNCTION register_routine(jobname text, schedule text, command text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	role record;
	job record;
BEGIN
	SELECT r.rolcanlogin, r.rolsuper INTO role
	FROM pg_roles r WHERE r.rolname = current_user;
	IF NOT role.rolcanlogin THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('role "%s" is not permitted to log in', current_user),
			DETAIL = 'A routine is run by a session of the role that schedules it.',
			HINT = 'Schedule routines as a role with LOGIN.';
	END IF;
	/* refuses what is no schedule; pg_cron has fewer words for it */
	PERFORM partner_api.next_run(schedule, 'epoch');
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		RETURN partner_api.keep_routine(jobname, schedule, command);
	END IF;

	IF NOT has_schema_privilege('cron', 'USAGE') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('role "%s" may not use pg_cron', current_user),
			HINT = format('Run: GRANT USAGE ON SCHEMA cron TO %I', current_user);
	END IF;
	SELECT c.jobid, c.schedule, c.command, c.username INTO job
	FROM partner_api.cron_routines() c
	WHERE c.jobname = register_routine.jobname;
	IF job.username <> current_user THEN
		PERFORM partner_api.unregister_routine(jobname);
	END IF;
	PERFORM partner_api.drop_routine(jobname);
	/* a job that is written again would lose what it is due for */
	IF (job.schedule, job.command, job.username)
	   = (schedule, command, current_user::text) THEN
		RETURN job.jobid;
	END IF;
	RETURN cron.schedule('partner_api.' || jobname, schedule, command);
END
$$;
COMMENT ON FUNCTION register_routine(text, text, text) IS
'have pg_cron run a command as the calling role, or else the worker';
REVOKE ALL ON FUNCTION register_routine(text, text, text) FROM PUBLIC;

CREATE FUNCTION unregister_routine(jobname text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_any boolean := partner_api.drop_routine(jobname);
	job record;
BEGIN
	FOR job IN
		SELECT c.jobid, c.username FROM partner_api.cron_routines() c
		WHERE c.jobname = unregister_routine.jobname
	LOOP
		IF job.username <> current_user AND NOT EXISTS (
			SELECT FROM pg_roles
			WHERE rolname = current_user AND rolsuper) THEN
			RAISE EXCEPTION USING
				ERRCODE = 'insufficient_privilege',
				MESSAGE = format('routine "%s" belongs to role "%s"', jobname, job.username),
				HINT = 'That role and superusers may change it.';
		END IF;
		PERFORM cron.unschedule(job.jobid);
		found_any := true;
	END LOOP;
	RETURN found_any;
END
$$;
COMMENT ON FUNCTION unregister_routine(text) IS
'have a routine run no more, by pg_cron or by the worker; false if it was not';
REVOKE ALL ON FUNCTION unregister_routine(text) FROM PUBLIC;
