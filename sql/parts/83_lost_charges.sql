/*
 * Charges whose invoices this database has lost.  A promoted or restored
 * server may lack the last commits: then invoices are made that were made, and
 * charged, before.  What the provider shows with a nonce of ours that no
 * action here has is such a charge.  It is known by its customer, its amount
 * and its text, which names plan and period; so the invoice gets it back, and
 * no other one is made.
 */

/* The charge that an invoice had, locked; null if none is known. */
CREATE FUNCTION lost_charge(invoice invoices) RETURNS payments
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payment partner_api.payments;
BEGIN
	SELECT p.* INTO payment
	FROM partner_api.customers c
	JOIN partner_api.payments p
		ON p.customer_id = c.customer_id AND p.server = c.server
	WHERE c.server = invoice.server
	  AND c.customer_ref = invoice.customer_ref
	  AND p.origin = 'adopted' AND p.action_id IS NULL
	  AND p.invoice_id IS NULL AND NOT p.deleted
	  AND coalesce(p.original_value_cents, p.value_cents)
		  = invoice.amount_cents
	  AND p.description = invoice.description
	ORDER BY p.charge_id LIMIT 1
	FOR UPDATE OF p NOWAIT;
	RETURN payment;
END
$$;
COMMENT ON FUNCTION lost_charge(invoices) IS
'a charge of an invoice that was made before the record of it was lost; null if there is none';
REVOKE ALL ON FUNCTION lost_charge(invoices) FROM PUBLIC;

/* Give an invoice back the charge that it had; false if it had none. */
CREATE FUNCTION take_lost_charge(invoice invoices) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known partner_api.payments := partner_api.lost_charge(invoice);
	taken partner_api.payments := known;
BEGIN
	IF known.charge_id IS NULL THEN
		RETURN false;
	END IF;
	taken.invoice_id := invoice.invoice_id;
	PERFORM partner_api.write_payment(taken);
	PERFORM partner_api.follow_payment(known, taken);
	RETURN true;
END
$$;
COMMENT ON FUNCTION take_lost_charge(invoices) IS
'gives an invoice the charge that it had before the record of it was lost; false if there is none';
REVOKE ALL ON FUNCTION take_lost_charge(invoices) FROM PUBLIC;

/*
 * The invoice of a charge of ours that no action here has made, if one waits
 * for it: its own action, which is not sent yet, is withdrawn.  Nothing is
 * waited for; who finds a row held tries again.
 */
CREATE FUNCTION invoice_of_lost_charge(payment payments) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
BEGIN
	SELECT i.* INTO invoice
	FROM partner_api.customers c
	JOIN partner_api.invoices i
		ON i.customer_ref = c.customer_ref AND i.server = c.server
	WHERE c.server = payment.server AND c.customer_id = payment.customer_id
	  AND i.status IN ('waiting', 'failed') AND i.charge_id IS NULL
	  AND i.amount_cents
		  = coalesce(payment.original_value_cents, payment.value_cents)
	  AND i.description = payment.description
	  AND (i.action_id IS NULL OR EXISTS (
		SELECT FROM partner_api.pending_actions a
		WHERE a.action_id = i.action_id AND a.attempts = 0
		  AND a.state IN ('waiting', 'held')))
	ORDER BY i.period_start, i.invoice_id LIMIT 1
	FOR UPDATE OF i NOWAIT;
	PERFORM FROM partner_api.pending_actions a
	WHERE a.action_id = invoice.action_id AND a.state IN ('waiting', 'held')
	FOR UPDATE NOWAIT;
	IF FOUND THEN
		PERFORM partner_api.close_action(invoice.action_id, 'cancelled',
			format('charge %s was made before, and the record of it lost',
				   payment.charge_id), NULL, NULL);
	ELSIF invoice.action_id IS NOT NULL THEN
		RETURN NULL;
	END IF;
	RETURN invoice.invoice_id;
END
$$;
COMMENT ON FUNCTION invoice_of_lost_charge(payments) IS
'the invoice that waits for a charge which was made before the record of it was lost; withdraws the action that would make another';
REVOKE ALL ON FUNCTION invoice_of_lost_charge(payments) FROM PUBLIC;
