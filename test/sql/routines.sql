/*
 * Routines: schedules, and who may schedule what.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;
SET timezone = 'America/Sao_Paulo';

/* ---- when: see also the unit tests of the parser ---- */

-- in GMT, whatever the session's zone is
SELECT partner_api.next_run('40 3 * * *', '2026-05-04 00:40-03');
SELECT partner_api.next_run('40 3 * * *', '2026-05-04 00:39:59.999-03');
SELECT partner_api.next_run('@reboot', '2026-05-04') IS NULL;
SELECT partner_api.next_run('@daily', 'infinity');
SELECT partner_api.next_run('@yearly', '294276-12-31 23:00+00') IS NULL;
SELECT partner_api.next_run('0 0 30 2 *', '2026-05-04');
SELECT partner_api.next_run('0 24 * * *', '2026-05-04');
SELECT partner_api.next_run('', '2026-05-04');

/* ---- the routines of the extension ---- */

CREATE ROLE regress_admin LOGIN IN ROLE partner_api_admin;
CREATE ROLE regress_operator LOGIN IN ROLE partner_api_operator;

SELECT partner_api.schedule_routines('[]');
SELECT partner_api.schedule_routines('{"nonsense": "@daily"}');
SELECT partner_api.schedule_routines('{"prune_history": 1}');
SELECT partner_api.schedule_routines('{"prune_history": "@never"}');
SELECT partner_api.add_routine('prune_history', '@daily', 'SELECT 1');
SELECT partner_api.add_routine(repeat('x', 51), '@daily', 'SELECT 1');
SELECT partner_api.add_routine('', '@daily', 'SELECT 1');
SELECT partner_api.add_routine('mine', '@daily', ' ');
SELECT partner_api.add_routine('mine', '@dail', 'SELECT 1');
SELECT count(*) FROM partner_api.routines;
SET ROLE partner_api_admin;
SELECT partner_api.add_routine('mine', '@daily', 'SELECT 1');
SET ROLE regress_operator;
SELECT partner_api.schedule_routines();
SELECT partner_api.add_routine('mine', '@daily', 'SELECT 1');
SELECT count(*) FROM partner_api.routine_status;

SET ROLE regress_admin;
SELECT count(*) = (SELECT count(*) FROM partner_api.routine_defaults())
FROM partner_api.schedule_routines('{"prune_history": "0 4 * * *"}');
-- what is not named keeps what it has
SET client_min_messages = error;
SELECT schedule FROM partner_api.schedule_routines('{"sync_instances": null}')
WHERE jobname = 'prune_history';
SELECT count(*) FROM partner_api.routines WHERE jobname = 'sync_instances';
RESET client_min_messages;
SELECT partner_api.add_routine('mine', '@daily', 'SELECT 1') > 0;
SELECT jobname, schedule, command, nodename, database, username, active
FROM partner_api.routines WHERE jobname = 'mine';
SELECT next_run_at > partner_api.clock(), status, runs, reason
FROM partner_api.routine_status WHERE jobname = 'mine';
UPDATE partner_api.routines SET active = false WHERE jobname = 'mine';
SELECT next_run_at IS NULL, reason
FROM partner_api.routine_status WHERE jobname = 'mine';
UPDATE partner_api.routines SET schedule = 'at noon' WHERE jobname = 'mine';
UPDATE partner_api.routines SET command = 'SELECT 2' WHERE jobname = 'mine';
DELETE FROM partner_api.routines;
SELECT partner_api.remove_routine('mine');
SELECT partner_api.remove_routine('mine');
SELECT partner_api.unschedule_routines()
	= (SELECT count(*) - 1 FROM partner_api.routine_defaults());
SELECT count(*) FROM partner_api.routine_runs;
RESET ROLE;

DROP EXTENSION partner_api;
DROP ROLE regress_admin, regress_operator;
