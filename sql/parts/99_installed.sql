/* Lets the launcher start a worker here as soon as this is committed. */
CREATE FUNCTION installed() RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_installed'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION installed() IS
'tells the launcher that this database has the extension';
REVOKE ALL ON FUNCTION installed() FROM PUBLIC;
SELECT installed();
