/*
 * Configuration is SQL/MED: a server per provider account, a user mapping per
 * role that acts on it.
 */
CREATE FUNCTION partner_api_validator(options text[], catalog oid) RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_validator'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION partner_api_validator(text[], oid) IS
'checks options of servers and user mappings when they are written';

REVOKE ALL ON FUNCTION partner_api_validator(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER partner_api VALIDATOR partner_api_validator;
COMMENT ON FOREIGN DATA WRAPPER partner_api IS
'accounts at partner, plan and billing providers';
