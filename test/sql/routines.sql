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
