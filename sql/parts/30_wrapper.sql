/*
 * Configuration is SQL/MED: a server per provider account, a user mapping per
 * role that acts on it.
 */
CREATE FUNCTION partner_api_validator(options text[], catalog oid) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_validator'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION partner_api_validator(text[], oid) IS
'checks options of servers, user mappings and foreign tables when they are written';

REVOKE ALL ON FUNCTION partner_api_validator(text[], oid) FROM PUBLIC;

CREATE FUNCTION partner_api_handler() RETURNS fdw_handler
AS 'MODULE_PATHNAME', 'partner_api_handler'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION partner_api_handler() IS
'foreign tables that list the provider when they are scanned';

REVOKE ALL ON FUNCTION partner_api_handler() FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER partner_api
	HANDLER partner_api_handler VALIDATOR partner_api_validator;
COMMENT ON FOREIGN DATA WRAPPER partner_api IS
'accounts at partner, plan and billing providers';

/* Days are those of the server's zone: of the provider's business. */
CREATE FUNCTION server_zone(server name) RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_server_zone'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION server_zone(name) IS
'the zone of a server''s days, its option time_zone; null if there is no such server';
REVOKE ALL ON FUNCTION server_zone(name) FROM PUBLIC;

CREATE FUNCTION server_day(server name,
	moment timestamptz DEFAULT partner_api.clock())
RETURNS date
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (moment AT TIME ZONE partner_api.server_zone(server))::date;
END
$$;
COMMENT ON FUNCTION server_day(name, timestamptz) IS
'the day at a server, in its zone; today by default';
REVOKE ALL ON FUNCTION server_day(name, timestamptz) FROM PUBLIC;

/*
 * Functions that act for a caller who has no right on our tables: f(...) is
 * C, and runs f_for(caller text, arguments jsonb) as the owner; see
 * src/on_behalf.c.
 */
CREATE FUNCTION check_use(server name, caller text, kind text) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_check_use'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED;
COMMENT ON FUNCTION check_use(name, text, text) IS
'raises an error unless the caller may use the server, and its provider has the operation, if one is given';
REVOKE ALL ON FUNCTION check_use(name, text, text) FROM PUBLIC;

/* In the words of arguments that providers refuse. */
CREATE FUNCTION refuse(argument text, must text, detail text, hint text)
RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_refuse_sql'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION refuse(text, text, text, text) IS
'raises the error that an argument must be something else';
REVOKE ALL ON FUNCTION refuse(text, text, text, text) FROM PUBLIC;

/* Raise the error that something is not known here. */
CREATE FUNCTION refuse_unknown(what text, hint text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'undefined_object',
		MESSAGE = format('%s is not known here', what),
		HINT = refuse_unknown.hint;
END
$$;
COMMENT ON FUNCTION refuse_unknown(text, text) IS
'raises the error that something is not known here';
REVOKE ALL ON FUNCTION refuse_unknown(text, text) FROM PUBLIC;

/* Raise the error that something is not in the state for it. */
CREATE FUNCTION refuse_state(message text, detail text, hint text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'object_not_in_prerequisite_state',
		MESSAGE = refuse_state.message,
		DETAIL = refuse_state.detail,
		HINT = refuse_state.hint;
END
$$;
COMMENT ON FUNCTION refuse_state(text, text, text) IS
'raises the error that something is not in the state for what is wanted';
REVOKE ALL ON FUNCTION refuse_state(text, text, text) FROM PUBLIC;
