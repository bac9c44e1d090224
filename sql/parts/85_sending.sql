/*
 * How an invoice reaches the customer.  The provider sends e-mails and text
 * messages by itself when something happens to a charge, to those whose
 * switches are on; nothing sends one again or with another text.  So here is
 * what the business needs to write itself: what an invoice is paid with, and
 * a notice when there is something to write about.
 */

/* ---- the provider's messages ---- */

/* A refusal of before is tried anew. */
CREATE FUNCTION set_sending_for(caller text, arguments jsonb)
RETURNS customers
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result partner_api.customers;
	of_server name := arguments->>'server';
	ref text := arguments->>'customer_ref';
BEGIN
	PERFORM partner_api.check_use(of_server, caller, 'change_notifications');
	UPDATE partner_api.customers c
	SET send_email = coalesce((arguments->>'send_email')::boolean,
							  c.send_email),
		send_sms = coalesce((arguments->>'send_sms')::boolean, c.send_sms),
		sending_set = true,
		reason = CASE WHEN c.customer_id IS NULL THEN c.reason END
	WHERE c.server = of_server AND c.customer_ref = ref;
	PERFORM partner_api.further_customer(of_server, ref);
	SELECT c.* INTO result FROM partner_api.customers c
	WHERE c.server = of_server AND c.customer_ref = ref;
	PERFORM partner_api.refuse_unknown(
		format('customer "%s" of server "%s"', ref, of_server),
		'Register it with partner_api.register_customer().')
	WHERE result.customer_ref IS NULL;
	RETURN result;
END
$$;
COMMENT ON FUNCTION set_sending_for(text, jsonb) IS
'set_sending() on behalf of its caller';
REVOKE ALL ON FUNCTION set_sending_for(text, jsonb) FROM PUBLIC;

CREATE FUNCTION set_sending(server name, customer_ref text,
	send_email boolean DEFAULT NULL, send_sms boolean DEFAULT NULL)
RETURNS customers
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION set_sending(name, text, boolean, boolean) IS
'have the provider send a customer e-mails and text messages, or not; null: as before';
REVOKE ALL ON FUNCTION set_sending(name, text, boolean, boolean) FROM PUBLIC;

/* ---- the business's own ---- */

/*
 * The charge of an invoice that is to be paid, and what is to be asked of it:
 * what is kept holds until the charge changes or the code expires.
 */
CREATE FUNCTION charge_to_pay(of_invoice bigint, with_image boolean,
	OUT server name, OUT charge_id text, OUT state text,
	OUT ask_boleto boolean, OUT ask_pix boolean, OUT any_way boolean)
RETURNS record
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
	payment partner_api.payments;
	paid_by text;
BEGIN
	SELECT i.* INTO invoice FROM partner_api.invoices i
	WHERE i.invoice_id = of_invoice;
	PERFORM partner_api.refuse_unknown(format('invoice %s', of_invoice),
		'Invoices are rows of partner_api.invoices.')
	WHERE invoice.invoice_id IS NULL;
	IF invoice.status NOT IN ('open', 'overdue')
		OR invoice.charge_id IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = CASE WHEN invoice.status IN ('waiting', 'failed')
				THEN format('invoice %s has no charge yet', of_invoice)
				ELSE format('there is nothing to pay of invoice %s',
							of_invoice) END,
			DETAIL = format('It is %s%s.', invoice.status,
							': ' || rtrim(invoice.reason, '.')),
			HINT = CASE invoice.status
				WHEN 'waiting' THEN 'Its charge is on its way: invoice_charged is announced when it is there.'
				WHEN 'failed' THEN 'Mend what the reason says.'
				ELSE 'Only what is open or overdue can be paid.' END;
	END IF;
	SELECT p.* INTO payment FROM partner_api.payments p
	WHERE p.server = invoice.server AND p.charge_id = invoice.charge_id;
	paid_by := coalesce(payment.billing_type, invoice.billing_type);
	server := invoice.server;
	charge_id := invoice.charge_id;
	state := partner_api.payment_data_state(payment);
	ask_boleto := paid_by IN ('BOLETO', 'UNDEFINED')
		AND payment.boleto_line IS NULL;
	ask_pix := paid_by IN ('PIX', 'UNDEFINED')
		AND (with_image OR payment.pix_code IS NULL
			 OR coalesce(payment.pix_expires_at <= partner_api.clock(),
						 false));
	any_way := paid_by = 'UNDEFINED';
END
$$;
COMMENT ON FUNCTION charge_to_pay(bigint, boolean) IS
'the charge of an invoice that is to be paid, and what is to be asked of it; for invoice_payment_data()';
REVOKE ALL ON FUNCTION charge_to_pay(bigint, boolean) FROM PUBLIC;

CREATE FUNCTION payment_data_state(payment payments) RETURNS text
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN jsonb_build_array(payment.value_cents, payment.due_on,
							 payment.billing_type)::text;
END
$$;
COMMENT ON FUNCTION payment_data_state(payments) IS
'what the codes to pay a charge are for: they are others when it changes';
REVOKE ALL ON FUNCTION payment_data_state(payments) FROM PUBLIC;

/* A charge that has changed since it was asked for has other codes. */
CREATE FUNCTION keep_payment_data(of_server name, of_charge text,
	state text, boleto jsonb, pix jsonb,
	OUT link text, OUT boleto_url text, OUT boleto_line text,
	OUT pix_code text, OUT pix_expires_at timestamptz)
RETURNS record
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payment partner_api.payments;
	kept partner_api.payments;
BEGIN
	SELECT p.* INTO payment FROM partner_api.payments p
	WHERE p.server = of_server AND p.charge_id = of_charge;
	kept := payment;
	kept.boleto_line := coalesce(boleto->>'line', payment.boleto_line);
	IF pix IS NOT NULL THEN
		kept.pix_code := pix->>'payload';
		kept.pix_expires_at := (pix->>'expires')::timestamp
			AT TIME ZONE partner_api.server_zone(of_server);
	END IF;
	UPDATE partner_api.payments p
	SET boleto_line = kept.boleto_line, pix_code = kept.pix_code,
		pix_expires_at = kept.pix_expires_at
	WHERE p.server = of_server AND p.charge_id = of_charge
	  AND kept IS DISTINCT FROM payment
	  AND partner_api.payment_data_state(p) = state;
	link := kept.invoice_url;
	boleto_url := kept.boleto_url;
	boleto_line := kept.boleto_line;
	IF coalesce(kept.pix_expires_at > partner_api.clock(), true) THEN
		pix_code := kept.pix_code;
		pix_expires_at := kept.pix_expires_at;
	END IF;
END
$$;
COMMENT ON FUNCTION keep_payment_data(name, text, text, jsonb, jsonb) IS
'keeps with a charge what it is paid with, and returns that; for invoice_payment_data()';
REVOKE ALL ON FUNCTION keep_payment_data(name, text, text, jsonb, jsonb)
	FROM PUBLIC;

CREATE FUNCTION invoice_payment_data(invoice_id bigint,
	with_image boolean DEFAULT true,
	OUT link text, OUT boleto_url text, OUT boleto_line text,
	OUT pix_code text, OUT pix_expires_at timestamptz, OUT pix_image bytea)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_invoice_payment_data'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION invoice_payment_data(bigint, boolean) IS
'what it takes to pay an invoice: link, boleto, Pix code and its QR image (PNG), as far as the way to pay has them; asks the provider for what is not kept';
REVOKE ALL ON FUNCTION invoice_payment_data(bigint, boolean) FROM PUBLIC;

CREATE FUNCTION resend_invoice(invoice_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'feature_not_supported',
		MESSAGE = format('the provider cannot send invoice %s again',
						 invoice_id),
		DETAIL = 'It sends e-mails and text messages by itself when something happens to a charge, to customers whose switches are on; no call of its API sends one again, or with another text.',
		HINT = format('partner_api.invoice_message(%s, ''issued'') is a text for the business''s own mail, with the link; the provider''s panel has a button.',
					  invoice_id);
END
$$;
COMMENT ON FUNCTION resend_invoice(bigint) IS
'raises an error: the API of the provider cannot send an invoice again, and the hint says what to do';
REVOKE ALL ON FUNCTION resend_invoice(bigint) FROM PUBLIC;

/*
 * There is a charge now, and a link: the business's own mail may go out.  Any
 * role may listen, so only ids are told.
 */
CREATE FUNCTION announce_invoice() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM pg_notify('partner_api', jsonb_build_object(
		'event', 'invoice_charged', 'server', NEW.server,
		'charge_id', NEW.charge_id, 'invoice_id', NEW.invoice_id)::text);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_invoice() IS
'trigger: tells whoever listens that an invoice has got its charge';
REVOKE ALL ON FUNCTION announce_invoice() FROM PUBLIC;

CREATE TRIGGER announce_invoice AFTER UPDATE OF charge_id ON invoices
	FOR EACH ROW
	WHEN (NEW.charge_id IS DISTINCT FROM OLD.charge_id
		  AND NEW.charge_id IS NOT NULL)
	EXECUTE FUNCTION announce_invoice();
COMMENT ON TRIGGER announce_invoice ON invoices IS
'announces that an invoice has got its charge';
