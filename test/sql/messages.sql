-- Texts for the business's own mail: templates, and what is made of them.
CREATE EXTENSION partner_api;
SET search_path = partner_api, public;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET TimeZone = 'America/Sao_Paulo';
-- a zone in which it is noon now: no day ends while this runs
SELECT format('Etc/GMT%s%s', CASE WHEN h < 12 THEN '-' ELSE '+' END,
			  abs(h - 12)) AS zone
FROM extract(hour FROM clock() AT TIME ZONE 'UTC') h \gset
CREATE SERVER asaas FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas', time_zone :'zone');
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql AS
	$$SELECT server_day('asaas')$$;

/* ---- templates: what is in them ---- */

SELECT template_placeholders('Dear {name}, {{ {amount} }} {name}');
SELECT template_placeholders('');
SELECT template_placeholders('{}');
SELECT template_placeholders('{Name}');
SELECT template_placeholders('{na me}');
SELECT template_placeholders('{name');
SELECT template_placeholders('name}');
SELECT template_placeholders('{{{name}}}');
SELECT template_placeholders('{{name}}');
SELECT template_placeholders('{' || repeat(U&'\00e9', 50));

/* ---- filling in: values are inserted once, and as they are ---- */

SELECT fill_template('{a}{b}{{a}}', '{"a": "{b}{{b}}", "b": "{a}\\1&$1"}',
					 false, false);
SELECT fill_template('{a} {b} {c}.', '{"a": 12.50, "b": true, "d": null}',
					 false, false);
SELECT fill_template('stray } brace { and {end', '{}', false, false);
-- a value that is HTML is text in HTML; the template is not
SELECT fill_template('<b title="{a}">{a}</b>', '{"a": "<i> & \"x\" ''y''"}',
					 true, false);
-- a subject has one line, whatever is put into it
SELECT fill_template('To {a}', E'{"a": "x\\r\\nBcc: y\\t\u007Fz"}', false, true);
SELECT fill_template('To {a}', E'{"a": "x\\ny"}', false, false);

-- a line without a value is left out, and the empty line beside it
SELECT fill_template(E'A\n\nPix: {p}\nBoleto: {b}\n\nB {p}{n}', v, false, false)
FROM (VALUES ('{"p": "1", "b": "2", "n": "3"}'::jsonb), ('{"n": "3"}'),
			 ('{"b": ""}'), ('{"p": "1"}')) AS v (v);
SELECT '<' || fill_template(E'{p}\n\nA\n\n\nB\n\n{p}\n', '{}', false, false) || '>';
SELECT '<' || fill_template(E'{p}\n{p}', '{}', false, false) || '>';
SELECT '<' || fill_template(E'A\n\n\nB\n', '{}', false, false) || '>';

/* ---- amounts ---- */

SELECT message_amount(a)
FROM unnest('{0, 5, 99, 100, 123456, 100000000, -123456, -5,
			  9223372036854775807, -9223372036854775808}'::bigint[]) a;
SELECT message_amount(NULL) IS NULL AS none;

/* ---- those that come with the extension ---- */

SELECT event, subject, published, octet_length(body) = length(body) AS ascii
FROM message_templates ORDER BY event;
SELECT event, p AS unknown
FROM message_templates,
	 LATERAL unnest(template_placeholders(subject || body)) p
WHERE p <> ALL (message_placeholders(event));

/* ---- an invoice, from its issue to its payment ---- */

INSERT INTO customers (server, customer_ref, name, email, mobile, birth_date,
					   origin, created_at)
VALUES ('asaas', 'c-1', 'Ana {amount} Souza', 'ana@example.com', '47999990000',
		'1980-02-29', 'local', clock()),
	   ('asaas', 'c-2', E'Tom <tom> & Co\nBcc: x', NULL, NULL, NULL, 'local',
		clock());
INSERT INTO plans (server, plan_id, name, origin, created_at)
VALUES ('asaas', 'gold', 'Gold', 'local', clock());
INSERT INTO invoices (server, subscription_id, customer_ref, plan_server,
	plan_id, period_start, period_end, issued_on, due_on, amount_cents,
	billing_type, description, status, charge_id, issued_at)
SELECT 'asaas', 's-' || n, 'c-' || n, 'asaas', 'gold', '2027-02-01',
	   '2027-02-28', pg_temp.today(), pg_temp.today() + 3, 123456,
	   'UNDEFINED', 'Gold, fevereiro', 'open', 'pay_' || n, clock()
FROM generate_series(1, 2) n;
INSERT INTO payments (server, charge_id, invoice_id, status, value_cents,
	due_on, invoice_url, boleto_url, boleto_line, pix_code, pix_expires_at,
	receipt_url, observed_at, learned_at, origin)
SELECT 'asaas', charge_id, invoice_id, 'PENDING', 123456, due_on,
	   'https://asaas.example/i/1', 'https://asaas.example/b/1',
	   '46190001141500000', '00020101021226', clock() + interval '1 day',
	   'https://asaas.example/r/1', clock(), clock(), 'created'
FROM invoices WHERE invoice_id = 1;

-- what differs from day to day is shown as it would be written
CREATE FUNCTION pg_temp.shown(message text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(replace(replace(message,
		to_char(pg_temp.today() + 3, 'DD/MM/YYYY'), 'TODAY+3'),
		to_char(pg_temp.today() - 9, 'DD/MM/YYYY'), 'TODAY-9'),
		to_char(pg_temp.today(), 'DD/MM/YYYY'), 'TODAY')
$$;
CREATE FUNCTION pg_temp.messages(of_invoice bigint)
RETURNS TABLE (event text, recipient_name text, email text, mobile text,
			   subject text, body text)
LANGUAGE sql AS $$
	SELECT e, m.recipient_name, m.email, m.mobile, pg_temp.shown(m.subject),
		   pg_temp.shown(m.body)
	FROM unnest('{issued, due, overdue, paid}'::text[]) e,
		 LATERAL invoice_message(of_invoice, e) m
$$;
SELECT * FROM pg_temp.messages(1) \gx
-- of one whose payment data was never asked for
SELECT subject, body FROM pg_temp.messages(2) \gx
-- a Pix code that has expired is none
UPDATE payments SET pix_expires_at = clock() - interval '1 second';
SELECT position('Pix' IN body) FROM invoice_message(1, 'issued');
UPDATE payments SET pix_expires_at = NULL;
SELECT position('Pix' IN body) > 0 AS pix FROM invoice_message(1, 'issued');

-- what the charge says goes before what was asked for
UPDATE payments SET due_on = pg_temp.today() - 9, value_cents = 130000,
	original_value_cents = 123456;
SELECT event, subject, body FROM pg_temp.messages(1)
WHERE event = 'overdue' \gx
SELECT array_agg(event) FROM pg_temp.messages(1);

-- what does not hold of the invoice has no message
CREATE FUNCTION pg_temp.events_of(new_status text) RETURNS text
LANGUAGE sql AS $$
	UPDATE invoices SET status = new_status WHERE invoice_id = 1;
	SELECT string_agg(event, ' ') FROM pg_temp.messages(1)
$$;
UPDATE payments SET due_on = pg_temp.today();
SELECT s AS status, pg_temp.events_of(s) AS due_today
FROM unnest('{waiting, failed, open, overdue, paid, refunded, disputed,
			  cancelled}'::text[]) s;

UPDATE invoices SET status = 'paid', paid_on = pg_temp.today(),
	paid_cents = 130000 WHERE invoice_id = 1;
SELECT subject, body FROM pg_temp.messages(1) \gx

-- nobody is thanked for nothing
BEGIN;
UPDATE invoices SET amount_cents = 0, paid_cents = 0 WHERE invoice_id = 1;
SELECT count(*) FROM invoice_message(1, 'paid');
ROLLBACK;

/* ---- templates of one's own ---- */

SELECT event, plan_id, subject, body, html, published
FROM set_message_template('paid', 'Thanks, {first_name}',
						  E'{plan} {period}\r\n{paid_amount} {pix_code}\r\n');
SELECT subject, body, html FROM invoice_message(1, 'paid');
-- that of the plan goes before it; in HTML values are escaped, in a subject not
SELECT html FROM set_message_template('paid', '{name}', '<p>{name}</p>', 'gold',
									  html => true);
UPDATE invoices SET status = 'paid' WHERE invoice_id = 2;
SELECT subject, body, html FROM invoice_message(2, 'paid');
SELECT event, plan_id, subject FROM message_templates
WHERE event = 'paid' ORDER BY published, plan_id;
SELECT subject FROM message_template('paid', 'gold');
SELECT subject FROM message_template('paid', 'silver');
SELECT reset_message_template('paid', 'gold'), reset_message_template('paid', 'gold');
SELECT subject, body, html FROM invoice_message(2, 'paid');
SELECT reset_message_template('paid');
SELECT subject FROM invoice_message(2, 'paid');

-- refused, and nothing changed
\set VERBOSITY default
SELECT set_message_template('paid', 'Thanks', '{nome}, {valor}');
SELECT set_message_template('birthday', 'Thanks', '{amount}');
SELECT set_message_template('paid', 'Thanks {', 'body');
SELECT set_message_template('paid', 'Thanks', 'Dear {{name}}');
SELECT set_message_template('payed', 'Thanks', 'body');
SELECT set_message_template(NULL, 'Thanks', 'body');
SELECT set_message_template('paid', '', 'body');
SELECT set_message_template('paid', NULL, 'body');
SELECT set_message_template('paid', E'Thanks\nBcc: x', 'body');
SELECT set_message_template('paid', 'Thanks', E' \n');
SELECT set_message_template('paid', 'Thanks', 'body', 'bronze');
SELECT set_message_template('paid', 'Thanks', 'body', NULL);
SELECT set_message_template('birthday', 'Thanks', 'body', 'gold');
SELECT reset_message_template('payed');
SELECT invoice_message(1, 'birthday');
SELECT invoice_message(1, 'payed');
SELECT invoice_message(77, 'paid');
SELECT count(*) FROM message_templates WHERE NOT published;

-- an address that was taken away is none
BEGIN;
UPDATE customers SET email = '', mobile = '';
SELECT num_nulls(m.email, m.mobile) FROM invoices i, invoice_message(i.invoice_id, 'paid') m WHERE invoice_id = 2;
ROLLBACK;

/* ---- birthdays ---- */

SELECT * FROM birthday_message('asaas', 'c-1') \gx
SELECT set_message_template('birthday', '{first_name}', '{name} {birthday}');
SELECT * FROM birthday_message('asaas', 'c-2') \gx
SELECT birthday_message('asaas', 'c-3');

/* ---- the provider's own messages: which switches are to change ---- */

SELECT email, sms, notification_changes('[
	{"notification_id": "1", "event": "PAYMENT_CREATED", "enabled": false,
	 "email_customer": true, "sms_customer": true},
	{"notification_id": "2", "event": "PAYMENT_OVERDUE", "enabled": false,
	 "email_customer": true, "sms_customer": true},
	{"notification_id": "3", "event": "PAYMENT_OVERDUE", "enabled": true,
	 "email_customer": true, "sms_customer": false, "email_provider": true,
	 "whatsapp_customer": true},
	{"notification_id": "4", "event": "PAYMENT_RECEIVED"}]', email, sms)
	AS changes
FROM unnest('{t,f}'::boolean[]) email, unnest('{t,f}'::boolean[]) sms;
SELECT notification_changes('[]', true, true);

/* ---- rights ---- */

CREATE ROLE regress_mailer IN ROLE partner_api_reader;
CREATE ROLE regress_editor IN ROLE partner_api_admin;
CREATE ROLE regress_operator IN ROLE partner_api_operator;
SET ROLE regress_mailer;
SELECT count(*) FROM invoice_message(2, 'paid');
SELECT count(*) FROM birthday_message('asaas', 'c-1');
SELECT set_message_template('paid', 'x', 'y');
SET ROLE regress_operator;
SELECT set_message_template('paid', 'x', 'y');
SET ROLE regress_editor;
SELECT subject FROM set_message_template('paid', 'x', 'y');
DELETE FROM message_templates;
SELECT reset_message_template('paid');
RESET ROLE;
DROP ROLE regress_mailer, regress_editor, regress_operator;

DROP EXTENSION partner_api CASCADE;
DROP SCHEMA partner_api;
