/* Reads at a provider, sent by the caller's own backend. */
CREATE TABLE connection_tests (
	test_id		bigint		GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	server		name		NOT NULL,
	tested_at	timestamptz	NOT NULL,
	tested_by	name		NOT NULL,
	ok			boolean		NOT NULL,
	http_status	integer,
	latency_ms	double precision,
	detail		text		NOT NULL
);
CREATE INDEX connection_tests_server ON connection_tests (server, test_id);
COMMENT ON TABLE connection_tests IS
'what test_connection() found; server_health shows the last of each server';
COMMENT ON COLUMN connection_tests.test_id IS
'number of the test';
COMMENT ON COLUMN connection_tests.server IS
'foreign server';
COMMENT ON COLUMN connection_tests.tested_at IS
'when, by clock()';
COMMENT ON COLUMN connection_tests.tested_by IS
'role with whose token';
COMMENT ON COLUMN connection_tests.ok IS
'was it reached, and accepted the token?';
COMMENT ON COLUMN connection_tests.http_status IS
'status of the answer; null: there was none';
COMMENT ON COLUMN connection_tests.latency_ms IS
'from the call to the answer; null: nothing was sent';
COMMENT ON COLUMN connection_tests.detail IS
'what was wrong, without secrets';
COMMENT ON SEQUENCE connection_tests_test_id_seq IS
'numbers of tests of connections';

SELECT pg_catalog.pg_extension_config_dump('connection_tests', '');
SELECT pg_catalog.pg_extension_config_dump('connection_tests_test_id_seq', '');

CREATE FUNCTION test_connection(server name,
	OUT ok boolean, OUT http_status integer, OUT latency_ms double precision,
	OUT detail text)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_test_connection'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION test_connection(name) IS
'can the server be reached, and does it accept the token?  Free of charge; connection_tests keeps the result';
REVOKE ALL ON FUNCTION test_connection(name) FROM PUBLIC;

CREATE FUNCTION remote_instances(server name, query text DEFAULT NULL,
	middleware text DEFAULT NULL)
RETURNS TABLE (
	server_name			name,
	instance_id			text,
	name				text,
	status				text,
	payment_status		text,
	created_at			timestamptz,
	due_at				timestamptz,
	instance_middleware	text,
	phone_connected		boolean,
	whatsapp_connected	boolean,
	details				jsonb,
	deleted_at			timestamptz)
AS 'MODULE_PATHNAME', 'partner_api_remote_instances'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION remote_instances(name, text, text) IS
'the instances that the provider lists now, all pages; query searches name and id, middleware is web or mobile at Z-API, the messenger at Green API';
REVOKE ALL ON FUNCTION remote_instances(name, text, text) FROM PUBLIC;

CREATE FUNCTION instance_status(server name, instance_id text,
	OUT connected boolean, OUT phone_connected boolean, OUT detail text)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_instance_status'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION instance_status(name, text) IS
'is the instance linked to WhatsApp?  detail is the provider''s remark, also when all is well';
REVOKE ALL ON FUNCTION instance_status(name, text) FROM PUBLIC;

CREATE FUNCTION instance_qr(server name, instance_id text) RETURNS bytea
AS 'MODULE_PATHNAME', 'partner_api_instance_qr'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION instance_qr(name, text) IS
'the QR code that links a phone, as a PNG image; void after 20 s';
REVOKE ALL ON FUNCTION instance_qr(name, text) FROM PUBLIC;

CREATE FUNCTION instance_qr_url(server name, instance_id text) RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_instance_qr_url'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION instance_qr_url(name, text) IS
'the QR code as the provider gives it for a web page: at Z-API a data: URL, at Green API a link that holds the instance''s token, for those who may read instance_secrets';
REVOKE ALL ON FUNCTION instance_qr_url(name, text) FROM PUBLIC;

CREATE FUNCTION phone_code(server name, instance_id text, phone text)
RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_phone_code'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION phone_code(name, text, text) IS
'the code that links a phone without a camera; phone: digits with country code';
REVOKE ALL ON FUNCTION phone_code(name, text, text) FROM PUBLIC;

CREATE FUNCTION instance_settings(server name, instance_id text) RETURNS jsonb
AS 'MODULE_PATHNAME', 'partner_api_instance_settings'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION instance_settings(name, text) IS
'the settings of an instance as the provider holds them, without secrets';
REVOKE ALL ON FUNCTION instance_settings(name, text) FROM PUBLIC;
