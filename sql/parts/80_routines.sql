/*
 * Routines: what has to be done again and again, by a schedule.
 *
 * A schedule is written as cron writes it, and counts in GMT, as it does for
 * pg_cron: the same text means the same, whoever runs it.
 */
CREATE FUNCTION next_run(schedule text, after timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'partner_api_next_run'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION next_run(text, timestamptz) IS
'when a routine with this schedule runs next after a time; null for @reboot';
REVOKE ALL ON FUNCTION next_run(text, timestamptz) FROM PUBLIC;
