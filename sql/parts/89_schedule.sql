/*
 * The routines that an installation should have, and the functions that
 * schedule them.
 *
 * Each is safe to run twice and to miss: it does what is left to do.  Later
 * work adds a row to routine_defaults(), and what calls schedule_routines()
 * again has it.
 */
CREATE FUNCTION routine_defaults()
RETURNS TABLE (jobname text, schedule text, command text, purpose text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* GMT: the nights and mornings of Brazil are three hours later */
	SELECT * FROM (VALUES
		('sync_instances', '17 * * * *',
		 'CALL partner_api.sync_all_instances()',
		 'takes in what the providers list'),
		('generate_invoices', '10 6 * * *',
		 'SELECT * FROM partner_api.generate_invoices()',
		 'makes the invoices whose day of issue has come'),
		('refresh_payments', '*/15 * * * *',
		 'CALL partner_api.refresh_all_payments()',
		 'asks the provider about charges that are to be paid'),
		('announce_birthdays', '0 11 * * *',
		 'SELECT partner_api.announce_birthdays()',
		 'announces the birthdays of customers'),
		('run_dunning', '0 12 * * *',
		 'SELECT * FROM partner_api.run_dunning()',
		 'follows up invoices that are overdue for too long'),
		('prune_history', '40 6 * * *',
		 'CALL partner_api.prune_history()',
		 'deletes what is old and closed'))
		AS d (jobname, schedule, command, purpose)
$$;
COMMENT ON FUNCTION routine_defaults() IS
'the routines of schedule_routines(), and when each runs unless the caller says otherwise';
REVOKE ALL ON FUNCTION routine_defaults() FROM PUBLIC;

/*
 * Why routines will not run for the time being; null if nothing is in the
 * way.
 */
CREATE FUNCTION routines_stopped() RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN current_setting('partner_api.enabled', true) = 'off'
			THEN 'sending is switched off'
		WHEN NOT EXISTS (
			SELECT FROM partner_api.worker_status
			WHERE database = current_database() AND pid IS NOT NULL)
			THEN 'no worker runs in this database'
		WHEN partner_api.identity_change() IS NOT NULL
			THEN 'the identity of this installation is not confirmed: '
				 || partner_api.identity_change() END
$$;
COMMENT ON FUNCTION routines_stopped() IS
'why the worker runs no routine; null if it does';
REVOKE ALL ON FUNCTION routines_stopped() FROM PUBLIC;

CREATE VIEW routine_status AS
SELECT r.jobname, r.schedule, r.command, r.username, r.active,
	   'worker' AS run_by, s.next_run_at, s.status, s.started_at,
	   s.finished_at, s.last_error, s.runs, s.failures,
	   CASE WHEN NOT r.active THEN 'it is not active'
			WHEN a.rolname IS NULL THEN 'its role does not exist'
			WHEN NOT a.rolcanlogin THEN 'its role is not permitted to log in'
			ELSE c.stopped END AS reason
FROM routines r
JOIN routine_runs s ON s.jobid = r.jobid
LEFT JOIN pg_catalog.pg_roles a ON a.rolname = r.username
CROSS JOIN (SELECT routines_stopped() AS stopped OFFSET 0) c
UNION ALL
SELECT j.jobname, j.schedule, j.command, j.username, j.active, 'pg_cron',
	   next_run(j.schedule, pg_catalog.statement_timestamp()), j.status,
	   j.started_at, j.finished_at,
	   CASE WHEN j.status = 'failed' THEN j.message END, NULL, NULL,
	   CASE WHEN NOT j.active THEN 'it is not active' END
FROM cron_routines() j;
COMMENT ON VIEW routine_status IS
'routines that are scheduled: who runs them, when next, how the last run went, and why none will follow';

/* ---- scheduling ---- */

CREATE FUNCTION check_routine_names(schedules jsonb) RETURNS void
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong record;
BEGIN
	IF jsonb_typeof(schedules) <> 'object' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'schedules must be a JSON object',
			DETAIL = format('It is of type %s.', jsonb_typeof(schedules)),
			HINT = 'For example: {"sync_instances": "*/15 * * * *"}';
	END IF;
	SELECT s.key, jsonb_typeof(s.value) AS type, d.jobname IS NOT NULL AS known
	INTO wrong
	FROM jsonb_each(schedules) s
	LEFT JOIN partner_api.routine_defaults() d ON d.jobname = s.key
	WHERE d.jobname IS NULL OR jsonb_typeof(s.value) NOT IN ('string', 'null')
	ORDER BY s.key LIMIT 1;
	IF wrong.known THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid schedule of routine "%s"', wrong.key),
			DETAIL = format('It is of type %s.', wrong.type),
			HINT = 'A schedule is a string; null stands for none.';
	ELSIF NOT wrong.known THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no routine "%s"', wrong.key),
			HINT = 'The routines are: ' || (
				SELECT string_agg(d.jobname, ', ' ORDER BY d.jobname)
				FROM partner_api.routine_defaults() d)
				|| '. Others are scheduled with add_routine().';
	END IF;
END
$$;
COMMENT ON FUNCTION check_routine_names(jsonb) IS
'for schedule_routines(): refuse what is no schedule of a routine';
REVOKE ALL ON FUNCTION check_routine_names(jsonb) FROM PUBLIC;

CREATE FUNCTION schedule_routines(schedules jsonb = '{}')
RETURNS TABLE (jobname text, schedule text, command text, run_by text)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	routine record;
	reason text;
BEGIN
	PERFORM partner_api.check_routine_names(schedules);
	FOR routine IN
		SELECT d.jobname, d.command,
			   schedules -> d.jobname = 'null' AS unwanted,
			   /* one that is not named keeps the schedule that it has */
			   coalesce(schedules ->> d.jobname, s.schedule, d.schedule)
			   AS schedule
		FROM partner_api.routine_defaults() d
		LEFT JOIN partner_api.routine_status s ON s.jobname = d.jobname
	LOOP
		IF routine.unwanted THEN
			PERFORM partner_api.unregister_routine(routine.jobname);
		ELSE
			PERFORM partner_api.register_routine(routine.jobname,
				routine.schedule, routine.command);
		END IF;
	END LOOP;

	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		reason := partner_api.routines_stopped();
		IF reason IS NOT NULL THEN
			RAISE WARNING USING
				MESSAGE = 'the routines wait: ' || reason,
				HINT = 'The worker runs them, where partner_api.databases names the database.';
		END IF;
	END IF;
	RETURN QUERY
		SELECT s.jobname, s.schedule, s.command, s.run_by
		FROM partner_api.routine_status s
		JOIN partner_api.routine_defaults() d ON d.jobname = s.jobname
		ORDER BY 1;
END
$$;
COMMENT ON FUNCTION schedule_routines(jsonb) IS
'schedule the routines of the extension as the calling role, with pg_cron where it is installed and else with the worker; schedules: other ones than the default, null for none';
REVOKE ALL ON FUNCTION schedule_routines(jsonb) FROM PUBLIC;

CREATE FUNCTION unschedule_routines() RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT count(*) FROM partner_api.routine_defaults() d
			WHERE partner_api.unregister_routine(d.jobname));
END
$$;
COMMENT ON FUNCTION unschedule_routines() IS
'schedule none of the routines of schedule_routines() any more; returns how many were';
REVOKE ALL ON FUNCTION unschedule_routines() FROM PUBLIC;

CREATE FUNCTION add_routine(jobname text, schedule text, command text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM partner_api.routine_defaults() d
			   WHERE d.jobname = add_routine.jobname) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = format('routine "%s" is one of the extension', jobname),
			HINT = 'Change its schedule with schedule_routines().';
	ELSIF octet_length(jobname) NOT BETWEEN 1 AND 50 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('invalid name "%s" of a routine', jobname),
			DETAIL = format('It has %s bytes.', octet_length(jobname)),
			HINT = 'The name of a routine has 1 to 50 bytes.';
	ELSIF btrim(command) = '' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('routine "%s" has no command', jobname),
			HINT = 'A command is SQL: one statement or several.';
	END IF;
	RETURN partner_api.register_routine(jobname, schedule, command);
END
$$;
COMMENT ON FUNCTION add_routine(text, text, text) IS
'schedule a routine of one''s own as the calling role, or change it; returns the number that it has in routines or in cron.job';
REVOKE ALL ON FUNCTION add_routine(text, text, text) FROM PUBLIC;

CREATE FUNCTION remove_routine(jobname text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN partner_api.unregister_routine(jobname);
END
$$;
COMMENT ON FUNCTION remove_routine(text) IS
'schedule a routine no more; false if it was not';
REVOKE ALL ON FUNCTION remove_routine(text) FROM PUBLIC;

/* ---- what they call ---- */

/*
 * Each server is a transaction: what one provider lists is kept whatever
 * becomes of the next.  That is why there can be no SET clause here, and every
 * name and operator is qualified.
 */
CREATE PROCEDURE sync_all_instances()
LANGUAGE plpgsql
AS $$
DECLARE
	servers name[] := ARRAY(
		SELECT s.srvname FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w
			ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
		WHERE w.fdwname OPERATOR(pg_catalog.=) 'partner_api'
		  AND pg_catalog.has_server_privilege(s.oid, 'USAGE')
		ORDER BY s.srvname);
	server name;
	failed text[] := '{}';
	counts record;
BEGIN
	FOREACH server IN ARRAY servers LOOP
		BEGIN
			SELECT * INTO counts FROM partner_api.sync_instances(server);
			RAISE NOTICE 'server "%": % seen, % added, % changed, % missing',
				server, counts.seen, counts.added, counts.changed,
				counts.missing;
		EXCEPTION
			WHEN feature_not_supported THEN
				NULL; /* its provider has no instances */
			WHEN OTHERS THEN
				failed := pg_catalog.array_append(failed,
					pg_catalog.format('%s: %s', server, SQLERRM));
		END;
		COMMIT;
	END LOOP;
	IF pg_catalog.cardinality(failed) OPERATOR(pg_catalog.>) 0 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'fdw_error',
			MESSAGE = pg_catalog.format('could not sync %s of %s servers',
				pg_catalog.cardinality(failed),
				pg_catalog.cardinality(servers)),
			DETAIL = pg_catalog.array_to_string(failed, '; '),
			HINT = 'The others are synced.';
	END IF;
END
$$;
COMMENT ON PROCEDURE sync_all_instances() IS
'sync_instances() of each server that the caller may use, one after the other; a server that fails stops no other, and is named in the error at the end';
REVOKE ALL ON PROCEDURE sync_all_instances() FROM PUBLIC;

/* What was learnt is kept, also where a server could not be asked. */
CREATE PROCEDURE refresh_all_payments()
LANGUAGE plpgsql
AS $$
DECLARE
	asked bigint;
	failed text[];
BEGIN
	SELECT pg_catalog.count(*),
		   pg_catalog.array_agg(pg_catalog.format('%s: %s', r.server, r.error))
		   FILTER (WHERE r.error IS NOT NULL)
	INTO asked, failed
	FROM partner_api.refresh_payments() r;
	COMMIT;
	IF failed IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'fdw_error',
			MESSAGE = pg_catalog.format(
				'could not ask about the payments of %s of %s servers',
				pg_catalog.cardinality(failed), asked),
			DETAIL = pg_catalog.array_to_string(failed, '; '),
			HINT = 'What the others have told is taken in.';
	END IF;
END
$$;
COMMENT ON PROCEDURE refresh_all_payments() IS
'refresh_payments(), which tells of a server that fails in a row, as a routine: it is named in the error at the end';
REVOKE ALL ON PROCEDURE refresh_all_payments() FROM PUBLIC;
