/*
 * Where this database is: the identity of the installation.  A promoted
 * standby, a copied data directory and a restored dump differ from what they
 * were made from in at least one of these.
 */
CREATE FUNCTION current_identity(OUT system_identifier bigint,
	OUT timeline integer, OUT database_oid oid, OUT data_directory text)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_current_identity'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION current_identity() IS
'identity of this database: system, timeline, database, data directory';
REVOKE ALL ON FUNCTION current_identity() FROM PUBLIC;

/*
 * Which installation this is.  Its id goes into every nonce, so that we adopt
 * only what we ordered ourselves; its identity tells when this is not the
 * place any more in which it was made.  A restore brings back the row of the
 * dumped database beside the one that CREATE EXTENSION has just made: the
 * oldest row is the one in force.
 */
CREATE TABLE installation (
	installation_id		text COLLATE "C" PRIMARY KEY
		CHECK (installation_id ~ '^[0-9a-f]{8}$'),
	established_at		timestamptz	NOT NULL
		DEFAULT pg_catalog.clock_timestamp(),
	system_identifier	bigint		NOT NULL,
	timeline			integer		NOT NULL,
	database_oid		oid			NOT NULL,
	data_directory		text		NOT NULL,
	identified_at		timestamptz	NOT NULL
		DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE installation IS
'this installation, and where it was last known to be; the oldest row is in force';
COMMENT ON COLUMN installation.installation_id IS
'part of every nonce that this installation sends';
COMMENT ON COLUMN installation.established_at IS
'when the installation was made';
COMMENT ON COLUMN installation.system_identifier IS
'the cluster, see pg_control_system()';
COMMENT ON COLUMN installation.timeline IS
'its timeline: a promotion or a recovery to a point begins another';
COMMENT ON COLUMN installation.database_oid IS
'the database, see pg_database';
COMMENT ON COLUMN installation.data_directory IS
'where the cluster lies';
COMMENT ON COLUMN installation.identified_at IS
'when this identity was recorded: at the installation, a promotion, or confirm_identity()';

INSERT INTO installation (installation_id, system_identifier, timeline,
						  database_oid, data_directory)
SELECT pg_catalog.substr(pg_catalog.replace(pg_catalog.gen_random_uuid()::text,
											'-', ''), 1, 8),
	   i.system_identifier, i.timeline, i.database_oid, i.data_directory
FROM current_identity() i;
SELECT pg_catalog.pg_extension_config_dump('installation', '');

/*
 * What keys the fingerprints of cards: one row.  That of a dump replaces the
 * one that CREATE EXTENSION has just made, so that the same card keeps its
 * fingerprint.
 */
CREATE TABLE installation_secrets (
	card_key	bytea		PRIMARY KEY
		CHECK (pg_catalog.octet_length(card_key) = 32),
	made_at		timestamptz	NOT NULL
		DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE installation_secrets IS
'secrets of this installation; no role reads them by default, but dumps hold them';
COMMENT ON COLUMN installation_secrets.card_key IS
'random; without it the fingerprint of a card tells nothing of its number';
COMMENT ON COLUMN installation_secrets.made_at IS
'when it was made';
INSERT INTO installation_secrets (card_key)
SELECT pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
	|| pg_catalog.uuid_send(pg_catalog.gen_random_uuid());
SELECT pg_catalog.pg_extension_config_dump('installation_secrets', '');

CREATE FUNCTION replace_installation_secrets() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM partner_api.installation_secrets;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION replace_installation_secrets() IS
'trigger: restored secrets take the place of those that were made';
REVOKE ALL ON FUNCTION replace_installation_secrets() FROM PUBLIC;

CREATE TRIGGER replace_others BEFORE INSERT ON installation_secrets
	FOR EACH ROW EXECUTE FUNCTION replace_installation_secrets();
COMMENT ON TRIGGER replace_others ON installation_secrets IS
'an installation has one row of secrets, also after a restore';

CREATE FUNCTION identity_change() RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_identity_change'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION identity_change() IS
'why nothing is sent until confirm_identity() was called; null while the identity is not in question';
REVOKE ALL ON FUNCTION identity_change() FROM PUBLIC;

CREATE FUNCTION confirm_identity(choice text) RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_confirm_identity'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION confirm_identity(text) IS
'say that this database is the installation that it was (keep), or a copy that acts for itself (new); returns the installation id';
REVOKE ALL ON FUNCTION confirm_identity(text) FROM PUBLIC;

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
