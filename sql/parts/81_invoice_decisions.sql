/*
 * What people decide on invoices.  A charge that is on its way, or of which it
 * is not known what became of it, is waited for: it could be paid.
 */

/*
 * An invoice, locked, of a server that the caller may use.  Its customer is
 * locked first, as by whatever goes from a customer to their invoices.
 */
CREATE FUNCTION lock_invoice(caller text, of_invoice bigint) RETURNS invoices
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
BEGIN
	PERFORM FROM partner_api.customers c
	WHERE (c.server, c.customer_ref) = (
		SELECT i.server, i.customer_ref FROM partner_api.invoices i
		WHERE i.invoice_id = of_invoice)
	FOR UPDATE;
	SELECT i.* INTO invoice FROM partner_api.invoices i
	WHERE i.invoice_id = of_invoice FOR UPDATE;
	PERFORM partner_api.refuse_unknown(
		format('invoice %s', coalesce(of_invoice::text, 'null')),
		'Invoices are rows of partner_api.invoices.')
	WHERE invoice.invoice_id IS NULL;
	PERFORM partner_api.check_use(invoice.server, caller, 'create_charge');
	RETURN invoice;
END
$$;
COMMENT ON FUNCTION lock_invoice(text, bigint) IS
'an invoice, locked; raises an error unless the caller may use its server';
REVOKE ALL ON FUNCTION lock_invoice(text, bigint) FROM PUBLIC;

/*
 * Where the action is that charges an invoice: "none", or one that had no
 * effect; "waiting" if it can be withdrawn; else its state.  An open one is
 * locked.
 */
CREATE FUNCTION charge_stage(invoice invoices) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	stage text;
BEGIN
	SELECT CASE WHEN p.state = 'held' THEN 'waiting' ELSE p.state END
	INTO stage
	FROM partner_api.pending_actions p
	WHERE p.action_id = invoice.action_id FOR UPDATE;
	IF NOT FOUND THEN
		SELECT CASE WHEN h.state <> 'done' THEN 'none' ELSE h.state END
		INTO stage
		FROM partner_api.action_history h
		WHERE h.action_id = invoice.action_id;
	END IF;
	/* a charge that was made, and whose action is deleted already */
	IF stage IS NULL AND partner_api.step_is_open(invoice.action_id) THEN
		stage := 'done';
	END IF;
	RETURN coalesce(stage, 'none');
END
$$;
COMMENT ON FUNCTION charge_stage(invoices) IS
'where the action that charges an invoice is: none, waiting, sending, unknown, needs_attention or done';
REVOKE ALL ON FUNCTION charge_stage(invoices) FROM PUBLIC;

/* Raise the error that an invoice is not in the state for what is wanted. */
CREATE FUNCTION refuse_invoice(invoice invoices, what text, stage text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse_state(
		format('invoice %s cannot be %s', invoice.invoice_id, what),
		CASE WHEN invoice.charge_id IS NOT NULL OR invoice.status = 'paid'
			 THEN format('It is %s.', invoice.status)
			 ELSE format('Its charge is on its way: action %s is %s.',
						 invoice.action_id, stage) END,
		CASE WHEN invoice.status IN ('paid', 'refunded', 'disputed')
			 THEN 'Call partner_api.refund_charge() to give the money back.'
			 WHEN invoice.status = 'cancelled'
			 THEN 'Call partner_api.restore_charge() to have its charge back.'
			 WHEN stage = 'needs_attention'
			 THEN 'Call partner_api.resolve_action() for the action first.'
			 WHEN invoice.charge_id IS NOT NULL
			 THEN 'It has its charge.'
			 ELSE 'Wait until it is known what became of it.' END);
END
$$;
COMMENT ON FUNCTION refuse_invoice(invoices, text, text) IS
'raises the error that an invoice is not in the state for what is wanted';
REVOKE ALL ON FUNCTION refuse_invoice(invoices, text, text) FROM PUBLIC;

/*
 * An invoice waits for its action again, which is to be sent again; raises an
 * error if it does not: it is cancelled, or charged by another one.
 */
CREATE FUNCTION reopen_invoice(of_action bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.invoices i SET status = 'waiting', reason = NULL
	WHERE i.action_id = of_action AND i.charge_id IS NULL
	  AND i.status IN ('waiting', 'failed');
	IF NOT FOUND THEN
		PERFORM partner_api.refuse_state(
			format('action %s cannot be sent again', of_action),
			'The invoice that it was to charge is cancelled, or charged by another action.',
			'Call partner_api.retry_invoice() for the invoice.');
	END IF;
END
$$;
COMMENT ON FUNCTION reopen_invoice(bigint) IS
'makes an invoice wait for its action again; for retry_action()';
REVOKE ALL ON FUNCTION reopen_invoice(bigint) FROM PUBLIC;

/* ---- retry_invoice ---- */

/* Was a closed action sent?  What it made after all has its nonce. */
CREATE FUNCTION was_sent(of_action bigint) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.action_history h
		WHERE h.action_id = of_action
		  AND (h.attempts > 0 OR h.sent_at IS NOT NULL) AND NOT h.dry_run)
$$;
COMMENT ON FUNCTION was_sent(bigint) IS
'was a closed action ever sent to the provider?';
REVOKE ALL ON FUNCTION was_sent(bigint) FROM PUBLIC;

CREATE FUNCTION retry_invoice(invoice_id bigint) RETURNS invoices
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION retry_invoice(bigint) IS
'try again to have an invoice charged that failed, or was cancelled before it had a charge';
REVOKE ALL ON FUNCTION retry_invoice(bigint) FROM PUBLIC;

CREATE FUNCTION retry_invoice_for(caller text, arguments jsonb)
RETURNS invoices
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices := partner_api.lock_invoice(caller,
		(arguments->>'invoice_id')::bigint);
	stage text := partner_api.charge_stage(invoice);
BEGIN
	PERFORM partner_api.refuse_invoice(invoice, 'charged again', stage)
	WHERE invoice.charge_id IS NOT NULL OR stage <> 'none'
	   OR invoice.status NOT IN ('waiting', 'failed', 'cancelled');
	UPDATE partner_api.invoices i
	SET status = 'waiting', reason = NULL,
		action_id = CASE WHEN partner_api.was_sent(i.action_id)
						 THEN i.action_id END
	WHERE i.invoice_id = invoice.invoice_id
	RETURNING i.* INTO STRICT invoice;
	/* an answer may have been lost: the same action looks before it charges */
	PERFORM partner_api.send_charge(invoice)
	WHERE invoice.action_id IS NOT NULL;
	/* the caller says that what was wrong is mended */
	UPDATE partner_api.customers c SET reason = NULL
	WHERE c.server = invoice.server
	  AND c.customer_ref = invoice.customer_ref AND c.reason IS NOT NULL;
	PERFORM partner_api.further_customer(invoice.server,
										 invoice.customer_ref);
	SELECT i.* INTO STRICT invoice FROM partner_api.invoices i
	WHERE i.invoice_id = invoice.invoice_id;
	RETURN invoice;
END
$$;
COMMENT ON FUNCTION retry_invoice_for(text, jsonb) IS
'retry_invoice() for its caller';
REVOKE ALL ON FUNCTION retry_invoice_for(text, jsonb) FROM PUBLIC;

/* ---- cancel_invoice ---- */

CREATE FUNCTION cancel_invoice(invoice_id bigint) RETURNS invoices
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION cancel_invoice(bigint) IS
'cancel an invoice that is not paid: its charge is withdrawn, or deleted at the provider';
REVOKE ALL ON FUNCTION cancel_invoice(bigint) FROM PUBLIC;

/* Can the charge of an invoice still be paid, and is nothing done about it? */
CREATE FUNCTION is_left_open(invoice invoices) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.payments p
		WHERE p.server = invoice.server AND p.charge_id = invoice.charge_id
		  AND partner_api.payment_state(p.status, p.deleted)
			  IN ('open', 'overdue'))
	AND NOT EXISTS (
		SELECT FROM partner_api.pending_actions a
		WHERE a.server = invoice.server AND a.instance_id = invoice.charge_id
		  AND a.kind = 'delete_charge')
$$;
COMMENT ON FUNCTION is_left_open(invoices) IS
'has an invoice a charge that can be paid, and that is not being deleted?';
REVOKE ALL ON FUNCTION is_left_open(invoices) FROM PUBLIC;

CREATE FUNCTION cancel_invoice_for(caller text, arguments jsonb)
RETURNS invoices
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices := partner_api.lock_invoice(caller,
		(arguments->>'invoice_id')::bigint);
	stage text := partner_api.charge_stage(invoice);
BEGIN
	/* once more, if the provider would not delete its charge */
	IF invoice.status = 'cancelled'
	   AND NOT partner_api.is_left_open(invoice) THEN
		RETURN invoice;
	END IF;
	PERFORM partner_api.refuse_invoice(invoice, 'cancelled', stage)
	WHERE invoice.status IN ('paid', 'refunded', 'disputed')
	   OR (invoice.charge_id IS NULL AND stage NOT IN ('none', 'waiting'));
	PERFORM partner_api.close_action(invoice.action_id, 'cancelled',
		'its invoice was cancelled', NULL, NULL)
	WHERE stage = 'waiting';
	PERFORM partner_api.schedule_automatic(invoice.server, 'delete_charge',
		invoice.charge_id, '{}'),
		partner_api.wake_worker()
	WHERE invoice.charge_id IS NOT NULL;
	UPDATE partner_api.invoices i SET status = 'cancelled', reason = NULL
	WHERE i.invoice_id = invoice.invoice_id
	RETURNING i.* INTO STRICT invoice;
	RETURN invoice;
END
$$;
COMMENT ON FUNCTION cancel_invoice_for(text, jsonb) IS
'cancel_invoice() for its caller';
REVOKE ALL ON FUNCTION cancel_invoice_for(text, jsonb) FROM PUBLIC;

/* ---- set_invoice_due ---- */

CREATE FUNCTION set_invoice_due(invoice_id bigint, due_on date)
RETURNS invoices
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION set_invoice_due(bigint, date) IS
'give an invoice that is not paid another due day: that of a charge is changed at the provider first';
REVOKE ALL ON FUNCTION set_invoice_due(bigint, date) FROM PUBLIC;

CREATE FUNCTION set_invoice_due_for(caller text, arguments jsonb)
RETURNS invoices
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices := partner_api.lock_invoice(caller,
		(arguments->>'invoice_id')::bigint);
	stage text := partner_api.charge_stage(invoice);
	day date := arguments->>'due_on';
BEGIN
	PERFORM partner_api.refuse('due_on', 'today or later',
		coalesce('The day is ' || day || '.', 'It is missing.'),
		'Give a day on which the invoice can still be paid.')
	WHERE day IS NULL OR day < partner_api.server_day(invoice.server);
	PERFORM partner_api.refuse_invoice(invoice, 'given another due day',
									   stage)
	WHERE invoice.status NOT IN ('waiting', 'failed', 'open', 'overdue')
	   OR (invoice.charge_id IS NULL AND stage <> 'none');
	IF invoice.charge_id IS NULL THEN
		UPDATE partner_api.invoices i SET due_on = day
		WHERE i.invoice_id = invoice.invoice_id
		RETURNING i.* INTO STRICT invoice;
	ELSE
		PERFORM partner_api.schedule_automatic(invoice.server,
			'change_charge', invoice.charge_id,
			jsonb_build_object('due_date', day)),
			partner_api.wake_worker();
	END IF;
	RETURN invoice;
END
$$;
COMMENT ON FUNCTION set_invoice_due_for(text, jsonb) IS
'set_invoice_due() for its caller';
REVOKE ALL ON FUNCTION set_invoice_due_for(text, jsonb) FROM PUBLIC;
