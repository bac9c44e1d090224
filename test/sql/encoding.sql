/*
 * Databases in other encodings than the providers' UTF-8.
 */
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SELECT current_database() AS regression \gset
CREATE DATABASE regress_latin1
	ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_ascii
	ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';

/* ---- LATIN1 ---- */

\c regress_latin1
SHOW server_encoding;
CREATE EXTENSION partner_api;
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE USER MAPPING FOR CURRENT_USER SERVER zapi OPTIONS (token 'secret');

-- characters are counted, not bytes of any encoding
SELECT partner_api.enqueue_create_instance('zapi', repeat('ç', 200)) > 0;
SELECT partner_api.enqueue_create_instance('zapi', repeat('ç', 201)) > 0;

-- a control character of Latin 1
SELECT partner_api.enqueue_create_instance('zapi', 'a' || chr(133)) > 0;

-- names and settings are kept in the encoding of the database
SELECT partner_api.enqueue_create_instance('zapi', 'Pão de Açúcar',
	'{"callRejectMessage": "não \u00e0"}', 'cliente nº 1',
	idempotency_key => 'chave é') AS id \gset
SELECT arguments, octet_length(arguments->>'name'), customer_ref,
	   idempotency_key
FROM partner_api.pending_actions WHERE action_id = :id;
SELECT partner_api.enqueue_create_instance('zapi', 'Pão de Açúcar',
	'{"callRejectMessage": "n\u00e3o \u00e0"}', 'cliente nº 1',
	idempotency_key => 'chave é') = :id AS same;

-- what Latin 1 lacks cannot get in
SELECT partner_api.enqueue_create_instance('zapi', 'euro €');
SELECT partner_api.enqueue_create_instance('zapi', 'euro', '{"sessionName": "\u20ac"}');

-- an unknown setting is shown in ASCII
SELECT partner_api.enqueue_create_instance('zapi', 'shop', '{"ção": 1}');

-- messages are put together in the encoding of the database
SELECT octet_length(partner_api.fill_template(t.subject,
	'{"name": "João"}', false, true)), t.subject
FROM partner_api.set_message_template('paid', 'Olá, {name}', 'Até já') t;

/* ---- SQL_ASCII: bytes that are no UTF-8 cannot be sent ---- */

\c regress_ascii
CREATE EXTENSION partner_api;
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
CREATE USER MAPPING FOR CURRENT_USER SERVER zapi OPTIONS (token 'secret');
SELECT partner_api.enqueue_create_instance('zapi', 'Pão') AS id \gset
SELECT octet_length(arguments->>'name') FROM partner_api.pending_actions;
SELECT partner_api.enqueue_create_instance('zapi', E'P\xe3o');
SELECT count(*) FROM partner_api.pending_actions;

\c :regression
DROP DATABASE regress_latin1;
DROP DATABASE regress_ascii;
