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
