/*
 * Which installation this is.  Its id goes into every nonce, so that we adopt
 * only what we ordered ourselves.  A restore brings back the id of the dumped
 * database beside the one that CREATE EXTENSION has just made: the oldest row
 * is the one in force.
 */
CREATE TABLE installation (
	installation_id	text		PRIMARY KEY
		CHECK (installation_id ~ '^[0-9a-f]{8}$'),
	established_at	timestamptz	NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE installation IS
'identity of this installation; the oldest row is in force';
COMMENT ON COLUMN installation.installation_id IS
'part of every nonce that this installation sends';
COMMENT ON COLUMN installation.established_at IS
'when the identity was made';

INSERT INTO installation (installation_id)
SELECT pg_catalog.substr(pg_catalog.replace(pg_catalog.gen_random_uuid()::text,
											'-', ''), 1, 8);
SELECT pg_catalog.pg_extension_config_dump('installation', '');

/* The test clock: see clock() */
CREATE TABLE clock_offset (
	singleton	boolean		PRIMARY KEY DEFAULT true CHECK (singleton),
	ahead		interval	NOT NULL
);
COMMENT ON TABLE clock_offset IS
'how far the test clock is ahead of the real one; no row: not at all';
COMMENT ON COLUMN clock_offset.singleton IS
'allows one row';
COMMENT ON COLUMN clock_offset.ahead IS
'added to the real time by clock() while partner_api.test_clock is on';

CREATE FUNCTION clock() RETURNS timestamptz
AS 'MODULE_PATHNAME', 'partner_api_clock'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION clock() IS
'the only clock that the rules of partner_api read';

CREATE FUNCTION set_clock(new_time timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'partner_api_set_clock'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION set_clock(timestamptz) IS
'turn the test clock; it keeps ticking from there';
REVOKE ALL ON FUNCTION set_clock(timestamptz) FROM PUBLIC;

CREATE FUNCTION reset_clock() RETURNS timestamptz
AS 'MODULE_PATHNAME', 'partner_api_reset_clock'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION reset_clock() IS
'set the test clock back to the real time';
REVOKE ALL ON FUNCTION reset_clock() FROM PUBLIC;
