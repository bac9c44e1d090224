/*
 * Texts for the business's own mail: the provider's cannot be changed through
 * its API.  A template holds for an event, and for one plan or for all.  What
 * is made of it says what is recorded here; nothing is asked and nothing sent.
 */
CREATE TABLE message_templates (
	event			text		NOT NULL
		CHECK (event IN ('issued', 'due', 'overdue', 'paid', 'birthday')),
	plan_id			text COLLATE "C" NOT NULL DEFAULT '',
	subject			text		NOT NULL,
	body			text		NOT NULL,
	html			boolean		NOT NULL DEFAULT false,
	published		boolean		NOT NULL DEFAULT false,
	PRIMARY KEY (event, plan_id, published),
	CHECK (plan_id = '' OR (event <> 'birthday' AND NOT published))
);
COMMENT ON TABLE message_templates IS
'texts for the business''s own mail: see invoice_message()';
COMMENT ON COLUMN message_templates.event IS
'issued, due, overdue, paid or birthday';
COMMENT ON COLUMN message_templates.plan_id IS
'the plan whose subscribers get it; empty: all others';
COMMENT ON COLUMN message_templates.subject IS
'subject, with placeholders in braces';
COMMENT ON COLUMN message_templates.body IS
'text, with placeholders in braces';
COMMENT ON COLUMN message_templates.html IS
'the body is HTML, and values are escaped in it';
COMMENT ON COLUMN message_templates.published IS
'comes with the extension; one of one''s own goes before it';

/*
 * Those that come with the extension are made again when a dump is restored,
 * so they are not dumped.  Their words have no accents, so that a database of
 * any encoding can hold them.
 */
INSERT INTO message_templates (event, subject, body, published)
VALUES
	('issued', 'Fatura {invoice}: {amount} com vencimento em {due_on}',
	 'Prezado(a) {name},

Emitimos sua fatura {invoice} no valor de {amount}, com vencimento em {due_on}.
Referente a: {description}

Para pagar, acesse: {link}
Pix copia e cola: {pix_code}
Boleto: {boleto_line}

Caso o pagamento tenha sido feito, desconsidere esta mensagem.', true),
	('due', 'Lembrete: sua fatura {invoice} vence em {due_on}',
	 'Prezado(a) {name},

Lembramos que sua fatura {invoice} no valor de {amount} vence em {due_on}.
Referente a: {description}

Para pagar, acesse: {link}
Pix copia e cola: {pix_code}
Boleto: {boleto_line}

Caso o pagamento tenha sido feito, desconsidere esta mensagem.', true),
	('overdue', 'Fatura {invoice} em atraso desde {due_on}',
	 'Prezado(a) {name},

Ainda consta em aberto sua fatura {invoice} no valor de {amount}, que venceu em {due_on}.
Dias de atraso: {days_late}
Referente a: {description}

Para pagar, acesse: {link}
Pix copia e cola: {pix_code}
Boleto: {boleto_line}

Caso o pagamento tenha sido feito, desconsidere esta mensagem.', true),
	('paid', 'Pagamento recebido: fatura {invoice}',
	 'Prezado(a) {name},

Recebemos o pagamento da sua fatura {invoice}. Obrigado!
Valor pago: {paid_amount}
Data do pagamento: {paid_on}
Referente a: {description}
Comprovante: {receipt}', true),
	('birthday', 'Feliz dia, {first_name}!',
	 'Prezado(a) {name},

Hoje, {birthday}, celebramos o seu dia: desejamos muita alegria e sucesso
neste novo ano de vida.', true);
SELECT pg_catalog.pg_extension_config_dump('message_templates',
										   'WHERE NOT published');

/* ---- templates ---- */

CREATE FUNCTION template_placeholders(template text) RETURNS text[]
AS 'MODULE_PATHNAME', 'partner_api_template_placeholders'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION template_placeholders(text) IS
'the placeholders in a template; raises an error for a stray brace';
REVOKE ALL ON FUNCTION template_placeholders(text) FROM PUBLIC;

CREATE FUNCTION fill_template(template text, facts jsonb, html boolean,
	one_line boolean)
RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_fill_template'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fill_template(text, jsonb, boolean, boolean) IS
'a template with these values in place of its placeholders, without the lines that have none';
REVOKE ALL ON FUNCTION fill_template(text, jsonb, boolean, boolean)
	FROM PUBLIC;

CREATE FUNCTION message_placeholders(event text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF event = 'birthday' THEN
		RETURN ARRAY['birthday', 'customer_ref', 'first_name', 'name'];
	ELSIF event IN ('issued', 'due', 'overdue', 'paid') THEN
		RETURN ARRAY['amount', 'boleto', 'boleto_line', 'customer_ref',
			'days_late', 'days_left', 'description', 'due_on', 'first_name',
			'invoice', 'link', 'name', 'paid_amount', 'paid_on', 'period',
			'pix_code', 'plan', 'receipt'];
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'invalid_parameter_value',
		MESSAGE = format('there are no messages for the event "%s"', event),
		HINT = 'Events are: issued, due, overdue, paid, birthday.';
END
$$;
COMMENT ON FUNCTION message_placeholders(text) IS
'the placeholders that templates of an event may have';
REVOKE ALL ON FUNCTION message_placeholders(text) FROM PUBLIC;

/* Raise an error for what cannot be a template. */
CREATE FUNCTION check_message_template(event text, subject text, body text,
	plan_id text)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known text[] := partner_api.message_placeholders(coalesce(event, ''));
	unknown text;
	complaint text := CASE
		WHEN coalesce(subject, '') !~ '\S' THEN 'the subject is empty'
		WHEN subject ~ '[[:cntrl:]]' THEN 'the subject has more than one line'
		WHEN coalesce(body, '') !~ '\S' THEN 'the body is empty'
		WHEN plan_id IS NULL THEN 'the plan is null'
		WHEN plan_id <> '' AND event = 'birthday'
			THEN 'a birthday is of no plan' END;
BEGIN
	IF complaint IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = complaint;
	END IF;
	SELECT p INTO unknown
	FROM unnest(partner_api.template_placeholders(subject)
				|| partner_api.template_placeholders(body)) p
	WHERE p <> ALL (known) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('unknown placeholder {%s}', unknown),
			HINT = format('Placeholders for the event "%s" are: %s.', event,
						  array_to_string(known, ', '));
	END IF;
	PERFORM partner_api.refuse_unknown(format('plan "%s"', plan_id),
		'Give the plan_id of a row of partner_api.plans.')
	WHERE plan_id <> '' AND NOT EXISTS (
		SELECT FROM partner_api.plans p
		WHERE p.plan_id = check_message_template.plan_id);
END
$$;
COMMENT ON FUNCTION check_message_template(text, text, text, text) IS
'raises an error for what cannot be a template; for set_message_template()';
REVOKE ALL ON FUNCTION check_message_template(text, text, text, text)
	FROM PUBLIC;

CREATE FUNCTION set_message_template(event text, subject text, body text,
	plan_id text DEFAULT '', html boolean DEFAULT false)
RETURNS message_templates
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result partner_api.message_templates;
BEGIN
	/* as editors on other systems end lines */
	body := replace(body, E'\r\n', E'\n');
	PERFORM partner_api.check_message_template(event, subject, body, plan_id);
	INSERT INTO partner_api.message_templates AS t
		(event, plan_id, subject, body, html)
	VALUES (event, plan_id, subject, body, coalesce(html, false))
	ON CONFLICT ON CONSTRAINT message_templates_pkey
		DO UPDATE SET (subject, body, html)
			= (excluded.subject, excluded.body, excluded.html)
	RETURNING t.* INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION set_message_template(text, text, text, text, boolean) IS
'set the text for an event, for the subscribers of one plan or for all others';
REVOKE ALL ON FUNCTION set_message_template(text, text, text, text, boolean)
	FROM PUBLIC;

CREATE FUNCTION reset_message_template(event text, plan_id text DEFAULT '')
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.message_placeholders(event);
	DELETE FROM partner_api.message_templates t
	WHERE t.event = reset_message_template.event
	  AND t.plan_id = reset_message_template.plan_id AND NOT t.published;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION reset_message_template(text, text) IS
'forget the text that was set for an event; true if there was one';
REVOKE ALL ON FUNCTION reset_message_template(text, text) FROM PUBLIC;

CREATE FUNCTION message_template(event text, plan_id text)
RETURNS message_templates
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result partner_api.message_templates;
BEGIN
	SELECT t.* INTO result
	FROM partner_api.message_templates t
	WHERE t.event = message_template.event
	  AND t.plan_id IN ('', message_template.plan_id)
	ORDER BY t.plan_id = '', t.published LIMIT 1;
	RETURN result;
END
$$;
COMMENT ON FUNCTION message_template(text, text) IS
'the template that holds: that of the plan, else that for all, else the one that comes with the extension';
REVOKE ALL ON FUNCTION message_template(text, text) FROM PUBLIC;

/* ---- values ---- */

/* in to_char() a comma is a comma, whatever the locale says */
CREATE FUNCTION message_amount(cents bigint) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('%sR$ %s,%s', CASE WHEN cents < 0 THEN '-' END,
		replace(to_char(abs(cents / 100), 'FM99,999,999,999,999,990'),
				',', '.'),
		to_char(abs(cents % 100), 'FM00'));
END
$$;
COMMENT ON FUNCTION message_amount(bigint) IS
'an amount as Brazilians write it: R$ 1.234,56';
REVOKE ALL ON FUNCTION message_amount(bigint) FROM PUBLIC;

/*
 * What templates can tell of an invoice.  What its charge says goes before
 * what was asked for: a charge may have been changed at the provider.
 */
CREATE FUNCTION invoice_facts(invoice invoices) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	today date := partner_api.server_day(invoice.server);
	is_open boolean := invoice.status IN ('open', 'overdue');
	facts jsonb;
BEGIN
	SELECT jsonb_build_object(
		'name', c.name,
		'first_name', split_part(btrim(c.name), ' ', 1),
		'customer_ref', invoice.customer_ref,
		'invoice', invoice.invoice_id::text,
		'amount', partner_api.message_amount(coalesce(
			y.original_value_cents, y.value_cents, invoice.amount_cents)),
		'due_on', to_char(d.due_on, 'DD/MM/YYYY'),
		'days_late', CASE WHEN is_open AND d.due_on < today
			THEN (today - d.due_on)::text END,
		'days_left', CASE WHEN is_open AND d.due_on >= today
			THEN (d.due_on - today)::text END,
		'period', to_char(invoice.period_start, 'DD/MM/YYYY') || ' a '
			|| to_char(invoice.period_end, 'DD/MM/YYYY'),
		'plan', p.name,
		'description', invoice.description,
		'link', y.invoice_url,
		'boleto', CASE WHEN is_open THEN y.boleto_url END,
		'boleto_line', CASE WHEN is_open THEN y.boleto_line END,
		'pix_code', CASE WHEN is_open
			AND coalesce(y.pix_expires_at > partner_api.clock(), true)
			THEN y.pix_code END,
		'paid_on', to_char(invoice.paid_on, 'DD/MM/YYYY'),
		'paid_amount', partner_api.message_amount(invoice.paid_cents),
		'receipt', y.receipt_url)
	INTO facts
	FROM (SELECT) one
	LEFT JOIN partner_api.customers c
		ON c.server = invoice.server AND c.customer_ref = invoice.customer_ref
	LEFT JOIN partner_api.plans p
		ON p.server = invoice.plan_server AND p.plan_id = invoice.plan_id
	LEFT JOIN partner_api.payments y
		ON y.server = invoice.server AND y.charge_id = invoice.charge_id
	CROSS JOIN LATERAL (
		SELECT coalesce(y.due_on, invoice.due_on) AS due_on) d;
	RETURN facts;
END
$$;
COMMENT ON FUNCTION invoice_facts(invoices) IS
'what the placeholders of an invoice''s messages stand for';
REVOKE ALL ON FUNCTION invoice_facts(invoices) FROM PUBLIC;

/*
 * Does the event hold of the invoice?  Nobody is reminded of what is paid or
 * cancelled, however late the mail goes out.
 */
CREATE FUNCTION invoice_event_holds(invoice invoices, event text, facts jsonb)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE event
		/* one for which there was nothing to pay is paid as well */
		WHEN 'paid' THEN invoice.status = 'paid'
			AND invoice.amount_cents > 0
		WHEN 'issued' THEN invoice.status IN ('open', 'overdue')
		WHEN 'due' THEN facts->>'days_left' IS NOT NULL
		WHEN 'overdue' THEN invoice.status = 'overdue'
			OR facts->>'days_late' IS NOT NULL END;
END
$$;
COMMENT ON FUNCTION invoice_event_holds(invoices, text, jsonb) IS
'is there a message for this event of the invoice as it stands?';
REVOKE ALL ON FUNCTION invoice_event_holds(invoices, text, jsonb)
	FROM PUBLIC;

/* ---- messages ---- */

CREATE FUNCTION invoice_message(invoice_id bigint, event text)
RETURNS TABLE (
	recipient_name	text,
	email			text,
	mobile			text,
	subject			text,
	body			text,
	html			boolean)
LANGUAGE plpgsql STABLE STRICT ROWS 1 PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	invoice partner_api.invoices;
	template partner_api.message_templates;
	facts jsonb;
BEGIN
	IF invoice_message.event = 'birthday'
		OR partner_api.message_placeholders(invoice_message.event) IS NULL
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'an invoice has no birthday',
			HINT = 'Use partner_api.birthday_message().';
	END IF;
	SELECT i.* INTO invoice FROM partner_api.invoices i
	WHERE i.invoice_id = invoice_message.invoice_id;
	PERFORM partner_api.refuse_unknown(
		format('invoice %s', invoice_message.invoice_id),
		'Invoices are rows of partner_api.invoices.')
	WHERE invoice.invoice_id IS NULL;
	facts := partner_api.invoice_facts(invoice);
	template := partner_api.message_template(invoice_message.event,
											 invoice.plan_id);
	RETURN QUERY
	SELECT c.name, nullif(c.email, ''), nullif(c.mobile, ''),
		   partner_api.fill_template(template.subject, facts, false, true),
		   partner_api.fill_template(template.body, facts, template.html,
									 false),
		   template.html
	FROM (SELECT) one
	LEFT JOIN partner_api.customers c
		ON c.server = invoice.server AND c.customer_ref = invoice.customer_ref
	WHERE partner_api.invoice_event_holds(invoice, invoice_message.event,
										  facts);
END
$$;
COMMENT ON FUNCTION invoice_message(bigint, text) IS
'a message to the customer of an invoice, for the business''s own mail: event is issued, due, overdue or paid; no row if that does not hold of the invoice';
REVOKE ALL ON FUNCTION invoice_message(bigint, text) FROM PUBLIC;

CREATE FUNCTION birthday_message(server name, customer_ref text)
RETURNS TABLE (
	recipient_name	text,
	email			text,
	mobile			text,
	subject			text,
	body			text,
	html			boolean)
LANGUAGE plpgsql STABLE STRICT ROWS 1 PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	customer partner_api.customers;
	template partner_api.message_templates :=
		partner_api.message_template('birthday', '');
	facts jsonb;
BEGIN
	SELECT c.* INTO customer FROM partner_api.customers c
	WHERE c.server = birthday_message.server
	  AND c.customer_ref = birthday_message.customer_ref;
	PERFORM partner_api.refuse_unknown(
		format('customer "%s" of server "%s"', birthday_message.customer_ref,
			   birthday_message.server),
		'Register it with partner_api.register_customer().')
	WHERE customer.customer_ref IS NULL;
	facts := jsonb_build_object(
		'name', customer.name,
		'first_name', split_part(btrim(customer.name), ' ', 1),
		'customer_ref', customer.customer_ref,
		'birthday', to_char(customer.birth_date, 'DD/MM'));
	RETURN QUERY
	SELECT customer.name, nullif(customer.email, ''),
		   nullif(customer.mobile, ''),
		   partner_api.fill_template(template.subject, facts, false, true),
		   partner_api.fill_template(template.body, facts, template.html,
									 false),
		   template.html;
END
$$;
COMMENT ON FUNCTION birthday_message(name, text) IS
'a message to a customer on their birthday, for the business''s own mail';
REVOKE ALL ON FUNCTION birthday_message(name, text) FROM PUBLIC;
