/*
 * Options of servers and user mappings: right and wrong values.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
RESET client_min_messages;
CREATE EXTENSION partner_api;

-- runs a statement that is to be refused; says why, and undoes it if not
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RAISE SQLSTATE 'ZZ000';
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
	RETURN 'accepted';
WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n  ', sqlstate || ' ' || message,
					 'DETAIL ' || nullif(detail, ''),
					 'HINT ' || nullif(hint, ''));
END
$$;

-- the same for a server with these options beside its provider
CREATE FUNCTION refused_server(options text, provider text = 'zapi')
RETURNS text LANGUAGE sql AS $$
	SELECT refused(format('CREATE SERVER refused FOREIGN DATA WRAPPER'
		' partner_api OPTIONS (provider %L, %s)', provider, options))
$$;

-- and for a user mapping
CREATE FUNCTION refused_mapping(options text) RETURNS text LANGUAGE sql AS $$
	SELECT refused('CREATE USER MAPPING FOR regress_refused SERVER zapi '
				   || options)
$$;

CREATE ROLE regress_refused;
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');

/* ---- servers ---- */

-- provider: required, and known
SELECT refused($$CREATE SERVER s FOREIGN DATA WRAPPER partner_api$$);
SELECT refused($$CREATE SERVER s FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'Zapi')$$);
SELECT refused($$CREATE SERVER s FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider '')$$);
SELECT refused($$ALTER SERVER zapi OPTIONS (DROP provider)$$);
SELECT refused($$ALTER SERVER zapi OPTIONS (SET provider 'twilio')$$);

-- unknown options: the known ones are listed; so are those of a mapping here
SELECT refused_server($$bas_url 'https://api.z-api.io'$$);
SELECT refused_server($$token 'secret'$$);
SELECT refused($$ALTER SERVER zapi OPTIONS (ADD "Timeout_ms" '5')$$);
SELECT refused($$CREATE FOREIGN DATA WRAPPER w VALIDATOR
	partner_api.partner_api_validator OPTIONS (provider 'zapi')$$);

-- nor those that mean nothing for the provider
SELECT refused_server($$max_instances '5'$$, 'zsystems');
SELECT refused_server($$trial_end 'lapse'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://7107.api.greenapi.com'$$);
SELECT refused_server($$time_zone 'UTC'$$);
SELECT p AS provider, o.name, split_part(refused_server(
		format('%I %L', o.name, o.value), p), E'\n', 1) AS outcome
FROM unnest('{zapi, greenapi, zsystems}'::text[]) p,
	 (VALUES ('burst', '1'), ('deadline_warning', '3 h'),
			 ('instance_base_url', 'https://7107.api.greenapi.com'),
			 ('list_lag', '5 s'), ('max_cycle_cents', '5'),
			 ('max_instances', '5'), ('max_new_per_day', '5'),
			 ('name_nonce', 'off'), ('quota_counts', 'running'),
			 ('sign_lead', '5 h'), ('time_zone', 'UTC'), ('trial_end', 'ask'),
			 ('unknown_create', 'prefer_repeat'),
			 ('unknown_sign', 'prefer_person')) o (name, value)
ORDER BY o.name, p DESC;
-- also if it is the provider that changes; in any order
CREATE SERVER caps FOREIGN DATA WRAPPER partner_api
	OPTIONS (max_instances '5', provider 'greenapi');
SELECT refused($$ALTER SERVER caps OPTIONS (SET provider 'zsystems')$$);
ALTER SERVER caps OPTIONS (SET provider 'zsystems', DROP max_instances);
DROP SERVER caps;

-- base_url: only to allowed hosts, https except on loopback
SHOW partner_api.allowed_hosts;
SELECT refused_server($$base_url 'https://evil.example'$$);
SELECT refused_server($$base_url 'https://api.z-api.io.evil.example'$$);
SELECT refused_server($$base_url 'https://api.z-api.io@evil.example'$$);
SELECT refused_server($$base_url 'https://user:pass@api.z-api.io'$$);
SELECT refused_server($$base_url 'http://api.z-api.io'$$);
SELECT refused_server($$base_url 'http://127.0.0.1'$$);
SELECT refused_server($$base_url 'ftp://api.z-api.io'$$);
SELECT refused_server($$base_url 'file:///etc/passwd'$$);
SELECT refused_server($$base_url 'api.z-api.io'$$);
SELECT refused_server($$base_url '//api.z-api.io'$$);
SELECT refused_server($$base_url 'https://'$$);
SELECT refused_server($$base_url 'not a url'$$);
SELECT refused_server($$base_url 'https://api.z-api.io/?a=b'$$);
SELECT refused_server($$base_url 'https://api.z-api.io/#a'$$);
SELECT refused_server($$base_url 'https://api.z-api.io:99999'$$);
SELECT refused_server($$base_url ''$$);

SET partner_api.allowed_hosts = '127.0.0.1, LOCALHOST:8080, [::1]:8443, example.com, 10.0.0.1, 127.0.0.1.example.com';
SELECT refused_server($$base_url 'https://api.z-api.io'$$);
SELECT refused_server($$base_url 'http://example.com'$$);
SELECT refused_server($$base_url 'http://10.0.0.1'$$);
SELECT refused_server($$base_url 'http://localhost'$$);
SELECT refused_server($$base_url 'http://localhost:80801'$$);
SELECT refused_server($$base_url 'http://127.0.0.1.example.com'$$);
SELECT refused_server($$base_url 'http://[::1]:8444'$$);
SELECT refused_server($$base_url 'http://2130706433'$$);
CREATE SERVER here FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi', base_url 'http://127.0.0.1:8080/path/');
ALTER SERVER here OPTIONS (SET base_url 'http://localhost:8080');
ALTER SERVER here OPTIONS (SET base_url 'http://[::1]:8443');
ALTER SERVER here OPTIONS (SET base_url 'https://EXAMPLE.com:444/v1');
SELECT refused($$ALTER SERVER here OPTIONS (SET base_url 'https://example.org')$$);
RESET partner_api.allowed_hosts;

-- ... as of now: the setting has changed since the server was made
CREATE USER MAPPING FOR CURRENT_USER SERVER here OPTIONS (token 'secret');
SELECT refused($$SELECT partner_api.enqueue_create_instance('here', 'shop')$$);
SELECT refused($$SELECT partner_api.test_connection('here')$$);
DROP USER MAPPING FOR CURRENT_USER SERVER here;
DROP SERVER here;

-- deadlines: the alarm comes after the warning, the defaults counted in
SELECT refused_server($$deadline_alarm '1 h', deadline_warning '59 min'$$);
SELECT refused_server($$deadline_warning '10 min'$$);
SELECT refused_server($$deadline_alarm '3 h'$$);
SELECT refused_server($$deadline_alarm '1 month'$$);
SELECT refused_server($$deadline_alarm '1 h', deadline_warning '1 h'$$);
SELECT refused_server($$deadline_alarm '0', deadline_warning '1 min'$$);
SELECT refused_server($$deadline_alarm '3 h', deadline_warning '0'$$);

-- numbers
SELECT refused_server($$timeout_ms '0'$$);
SELECT refused_server($$timeout_ms '3600001'$$);
SELECT refused_server($$timeout_ms '-1'$$);
SELECT refused_server($$timeout_ms '1.5'$$);
SELECT refused_server($$timeout_ms '10 s'$$);
SELECT refused_server($$timeout_ms 'ten'$$);
SELECT refused_server($$timeout_ms ''$$);
SELECT refused_server($$timeout_ms '99999999999999999999'$$);
SELECT refused_server($$connect_timeout_ms '0'$$);
SELECT refused_server($$connect_timeout_ms '600001'$$);
SELECT refused_server($$max_concurrency '0'$$);
SELECT refused_server($$max_concurrency '1001'$$);
SELECT refused_server($$max_response_bytes '1023'$$);
SELECT refused_server($$max_response_bytes '1073741824'$$);
SELECT refused_server($$max_instances '-1'$$);
SELECT refused_server($$max_new_per_day 'none'$$);
SELECT refused_server($$max_cycle_cents '49.90'$$);
SELECT refused_server($$max_cycle_cents '2147483648'$$);
SELECT refused_server($$mode 'dry run'$$);
SELECT refused_server($$quota_counts 'all'$$);
SELECT refused_server($$token_quota '25'$$);
CREATE SERVER bounds FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi', timeout_ms '1', connect_timeout_ms '1',
			 max_concurrency '1', max_response_bytes '1024');
ALTER SERVER bounds
	OPTIONS (SET timeout_ms '3600000', SET connect_timeout_ms '600000',
			 SET max_concurrency '1000', SET max_response_bytes '1073741823');

-- intervals
SELECT refused_server($$sign_lead 'soon'$$);
SELECT refused_server($$sign_lead '-1 h'$$);
SELECT refused_server($$sign_lead '1 month'$$);
SELECT refused_server($$sign_lead '366 days'$$);
SELECT refused_server($$sign_lead '213503983 days'$$);
SELECT refused_server($$sign_lead ''$$);
SELECT refused_server($$list_lag '1 year'$$);
-- zones of PostgreSQL, but none that reads the other way round
SELECT refused_server($$time_zone 'America/Sao_Paulo'$$, 'greenapi');
SELECT refused_server($$time_zone 'Etc/GMT-3'$$, 'greenapi');
SELECT refused_server($$time_zone 'UTC'$$, 'greenapi');
SELECT refused_server($$time_zone 'Brazil/Nowhere'$$, 'greenapi');
SELECT refused_server($$time_zone 'UTC+3'$$, 'greenapi');
SELECT refused_server($$time_zone 'gmt-3'$$, 'greenapi');
-- days are those of the zone, by the option or by the provider
CREATE SERVER days FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'asaas');
CREATE FUNCTION day_at(moment text) RETURNS text LANGUAGE sql AS $$
	SELECT to_char(partner_api.server_day('days', moment::timestamptz),
				   'YYYY-MM-DD') || ' in ' || partner_api.server_zone('days')
$$;
SELECT day_at('2027-01-01 02:59+00'), day_at('2027-01-01 03:00+00');
ALTER SERVER days OPTIONS (time_zone 'Asia/Tokyo');
SELECT day_at('2027-01-01 14:59+00'), day_at('2027-01-01 15:00+00');
SELECT partner_api.server_day('days')
	   = (partner_api.clock() AT TIME ZONE 'Asia/Tokyo')::date AS today,
	   partner_api.server_zone('none') IS NULL AS none,
	   partner_api.server_day('none') IS NULL AS none;
DROP SERVER days;
-- hosts of instances are hosts of tokens
SELECT refused_server($$instance_base_url 'https://evil.example'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://7107.api.greenapi.com'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://a.7107.api.greenapi.com'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://7107.evil-api.greenapi.com'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'http://7107.api.greenapi.com'$$, 'greenapi');
SET partner_api.allowed_hosts = '*.0.0.1, *.example.com:8443';
SELECT refused_server($$instance_base_url 'https://127.0.0.1'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://a.example.com:8443'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://a.example.com'$$, 'greenapi');
SELECT refused_server($$instance_base_url 'https://example.com:8443'$$, 'greenapi');
RESET partner_api.allowed_hosts;
SELECT refused_server($$list_lag '30'$$);
-- quotas of requests, and as many at a time as the provider takes
SELECT refused_server($$request_quota '-1'$$);
SELECT refused_server($$request_quota '2147483648'$$);
SELECT refused_server($$request_window '0'$$);
SELECT refused_server($$request_window '999 ms'$$);
SELECT refused_server($$request_window '12'$$);
SELECT refused_server($$request_window '366 days'$$);
SELECT refused_server($$poll_share '1.01'$$);
SELECT refused_server($$poll_share '50%'$$);
SELECT refused_server($$poll_share '-0.5'$$);
SELECT refused_server($$poll_share 'NaN'$$);
SELECT refused_server($$request_quota '0', request_window '1 s',
	poll_share '0'$$);
SELECT refused_server($$request_quota '25000', request_window '12 h',
	poll_share '1'$$);
SELECT refused_server($$max_concurrency '51'$$, 'asaas');
SELECT refused_server($$max_concurrency '50'$$, 'asaas');
ALTER SERVER bounds OPTIONS (sign_lead '0', list_lag '365 days');
ALTER SERVER bounds OPTIONS (SET sign_lead '1 day 02:03:04.5');

-- choices
SELECT refused_server($$trial_end 'SIGN'$$);
SELECT refused_server($$trial_end 'never'$$);
SELECT refused_server($$name_nonce 'true'$$);
ALTER SERVER bounds OPTIONS (trial_end 'ask', name_nonce 'off');
ALTER SERVER bounds OPTIONS (SET trial_end 'lapse', SET name_nonce 'on');
ALTER SERVER bounds OPTIONS (SET trial_end 'sign', DROP name_nonce);

-- twice
SELECT refused_server($$timeout_ms '5', timeout_ms '6'$$);

-- text
ALTER SERVER bounds OPTIONS (ca_file '/etc/ssl/certs/own.pem');
SELECT refused_server($$ca_file ''$$);

-- a value that does not fit is refused before anything is stored
SELECT srvname, srvoptions FROM pg_foreign_server ORDER BY 1;

/* ---- user mappings ---- */

SELECT refused_mapping('');
SELECT refused_mapping($$OPTIONS (client_token 'abcdefgh')$$);
SELECT refused_mapping($$OPTIONS (password 'secret')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', token_quota '-1')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', max_instances '5')$$);
SELECT refused_mapping($$OPTIONS (provider 'zapi', token 'secret')$$);
SELECT refused_mapping($$OPTIONS (token '')$$);
SELECT refused_mapping($$OPTIONS (token ' ')$$);
SELECT refused_mapping($$OPTIONS (token 'se cret')$$);
SELECT refused_mapping($$OPTIONS (token 'secret ')$$);
SELECT refused_mapping(E'OPTIONS (token ''secret\n'')');
SELECT refused_mapping(E'OPTIONS (token ''sec\r\nX-Header: x'')');
SELECT refused_mapping($$OPTIONS (token 'segrédo')$$);
SELECT refused_mapping($$OPTIONS (token_file '')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', token_file '/t')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', client_token '')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', client_token 'a b')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', client_token_file '')$$);
SELECT refused_mapping($$OPTIONS (token 'secret', client_token 'abcdefgh',
	client_token_file '/t')$$);
CREATE USER MAPPING FOR regress_refused SERVER zapi
	OPTIONS (token 'secret', client_token 'client-secret');
SELECT refused($$ALTER USER MAPPING FOR regress_refused SERVER zapi
	OPTIONS (DROP token)$$);
SELECT refused($$ALTER USER MAPPING FOR regress_refused SERVER zapi
	OPTIONS (ADD token_file '/t')$$);
ALTER USER MAPPING FOR regress_refused SERVER zapi
	OPTIONS (DROP token, ADD token_file '/t');
DROP USER MAPPING FOR regress_refused SERVER zapi;

-- a file is looked at when it is used
CREATE USER MAPPING FOR CURRENT_USER SERVER zapi
	OPTIONS (token_file '/nonexistent/token');
SELECT refused($$SELECT partner_api.test_connection('zapi')$$);
SELECT refused($$SELECT partner_api.enqueue_create_instance('zapi', 'shop')$$);
ALTER USER MAPPING FOR CURRENT_USER SERVER zapi
	OPTIONS (SET token_file '/dev/null');
SELECT refused($$SELECT partner_api.test_connection('zapi')$$);
ALTER USER MAPPING FOR CURRENT_USER SERVER zapi OPTIONS (SET token_file '/');
SELECT refused($$SELECT partner_api.test_connection('zapi')$$);
ALTER USER MAPPING FOR CURRENT_USER SERVER zapi
	OPTIONS (SET token_file '/etc/passwd');
SELECT refused($$SELECT partner_api.test_connection('zapi')$$);
DROP USER MAPPING FOR CURRENT_USER SERVER zapi;

/* ---- what only superusers may set ---- */

CREATE ROLE regress_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER partner_api TO regress_owner;
GRANT USAGE ON FOREIGN SERVER zapi TO regress_refused;
SET ROLE regress_owner;
SELECT refused_server($$ca_file '/tmp/ca.pem'$$);
SELECT refused_server($$base_url 'http://127.0.0.1:8080'$$);
CREATE SERVER own FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi', timeout_ms '5000');
SELECT refused($$ALTER SERVER own OPTIONS (ADD ca_file '/tmp/ca.pem')$$);
SELECT refused($$ALTER SERVER own
	OPTIONS (ADD base_url 'https://evil.example')$$);
SELECT refused($$CREATE USER MAPPING FOR CURRENT_USER SERVER own
	OPTIONS (token_file '/etc/passwd')$$);
SELECT refused($$CREATE USER MAPPING FOR CURRENT_USER SERVER own
	OPTIONS (token 'secret', client_token_file '/etc/passwd')$$);
CREATE USER MAPPING FOR CURRENT_USER SERVER own
	OPTIONS (token 'secret', client_token 'client-secret');
RESET ROLE;

-- a role with USAGE makes a mapping for itself alone
SET ROLE regress_refused;
SELECT refused($$CREATE USER MAPPING FOR PUBLIC SERVER zapi
	OPTIONS (token 'secret')$$);
SELECT refused($$CREATE USER MAPPING FOR regress_owner SERVER zapi
	OPTIONS (token 'secret')$$);
SELECT refused($$ALTER SERVER zapi OPTIONS (ADD timeout_ms '1')$$);
CREATE USER MAPPING FOR CURRENT_USER SERVER zapi OPTIONS (token 'secret');
RESET ROLE;

-- what a mapping holds is shown to its role and the server's owner only
CREATE USER MAPPING FOR PUBLIC SERVER zapi OPTIONS (token 'public-secret');
SET ROLE regress_refused;
SELECT srvname, usename, umoptions FROM pg_user_mappings ORDER BY 1, 2;
SET ROLE regress_owner;
SELECT srvname, usename, umoptions FROM pg_user_mappings ORDER BY 1, 2;
RESET ROLE;

SET client_min_messages = warning;
DROP EXTENSION partner_api CASCADE;
DROP FUNCTION refused_mapping, refused_server, refused;
DROP ROLE regress_refused, regress_owner;
