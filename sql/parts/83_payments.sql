/*
 * What the provider tells of charges, and what follows.  It is told in three
 * ways that overtake each other: the answers to our own actions, polls, and
 * the events of webhooks, which come late, twice, in any order or not at all.
 * observe_charge() is the one way in which payments change.
 */

/* ---- whose it is ---- */

/* The action that made a charge, by the nonce that it carries. */
CREATE FUNCTION action_of_charge(of_server name, reference text)
RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF reference !~ '^pa-[0-9a-f]{8}-\d{1,18}-[0-9a-f]{8}$' THEN
		RETURN NULL;
	END IF;
	RETURN (SELECT o.action_id
			FROM partner_api.order_of_nonce(of_server, reference) o);
END
$$;
COMMENT ON FUNCTION action_of_charge(name, text) IS
'the action whose nonce a charge carries as its external reference';
REVOKE ALL ON FUNCTION action_of_charge(name, text) FROM PUBLIC;

/*
 * The invoice that a charge is of.  A second charge of an invoice is surplus,
 * and so is one of an invoice that was cancelled without it: somebody has to
 * look at it before it is paid.
 */
CREATE FUNCTION invoice_of_charge(payment payments) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
BEGIN
	SELECT i.* INTO invoice FROM partner_api.invoices i
	WHERE i.action_id = payment.action_id AND i.server = payment.server;
	IF invoice.charge_id = payment.charge_id OR (
			invoice.charge_id IS NULL
			AND invoice.status IS DISTINCT FROM 'cancelled') THEN
		RETURN invoice.invoice_id;
	END IF;
	PERFORM partner_api.announce('surplus', payment.server,
		payment.action_id, payment.charge_id,
		format('charge %s at server "%s" is surplus: invoice %s %s',
			   payment.charge_id, payment.server, invoice.invoice_id,
			   CASE WHEN invoice.charge_id IS NULL THEN 'is cancelled'
					ELSE 'has another' END));
	RETURN CASE WHEN invoice.charge_id IS NULL THEN invoice.invoice_id END;
END
$$;
COMMENT ON FUNCTION invoice_of_charge(payments) IS
'the invoice that a charge is of; announces a second charge of an invoice as surplus';
REVOKE ALL ON FUNCTION invoice_of_charge(payments) FROM PUBLIC;

/* ---- what follows ---- */

/* Any role may listen: ids, and nothing that only some may read. */
CREATE FUNCTION notify_payment(event text, payment payments) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM pg_notify('partner_api', jsonb_strip_nulls(jsonb_build_object(
		'event', event, 'server', payment.server,
		'charge_id', payment.charge_id,
		'invoice_id', payment.invoice_id))::text);
END
$$;
COMMENT ON FUNCTION notify_payment(text, payments) IS
'tells whoever listens what happened to a charge, when the transaction commits';
REVOKE ALL ON FUNCTION notify_payment(text, payments) FROM PUBLIC;

/*
 * What a change of a charge is called, if it is one to speak of; was: null of
 * one that is new here.
 */
CREATE FUNCTION payment_news(was text, becomes text) RETURNS text
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN was IS NOT DISTINCT FROM becomes THEN NULL
		WHEN becomes = 'paid' THEN 'payment_received'
		WHEN becomes = 'refunded' THEN 'payment_refunded'
		WHEN becomes = 'disputed' THEN 'payment_disputed'
		WHEN becomes = 'deleted' THEN 'charge_deleted'
		WHEN becomes = 'unknown' THEN 'payment_unclear'
		WHEN was = 'deleted' THEN 'charge_restored'
		WHEN was IN ('paid', 'refunded', 'disputed') THEN 'payment_reopened'
		WHEN becomes = 'overdue' THEN 'payment_overdue' END;
END
$$;
COMMENT ON FUNCTION payment_news(text, text) IS
'the event that is announced when a charge goes from one payment_state() to another; null for none';
REVOKE ALL ON FUNCTION payment_news(text, text) FROM PUBLIC;

/*
 * Bring an invoice to where its charge is.  One that was cancelled here stays
 * so as long as its charge is only open, unless that was restored.
 */
CREATE FUNCTION move_invoice(payment payments, was text, becomes text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
	has_payment boolean := becomes IN ('paid', 'refunded', 'disputed');
	stays boolean;
BEGIN
	SELECT i.* INTO invoice FROM partner_api.invoices i
	WHERE i.invoice_id = payment.invoice_id FOR UPDATE;
	stays := becomes = 'unknown' OR (invoice.status = 'cancelled'
		AND becomes IN ('open', 'overdue')
		AND was IS DISTINCT FROM 'deleted');
	UPDATE partner_api.invoices i
	SET charge_id = payment.charge_id,
		due_on = coalesce(payment.due_on, i.due_on),
		status = CASE WHEN stays THEN i.status
					  WHEN becomes = 'deleted' THEN 'cancelled'
					  ELSE becomes END,
		reason = CASE WHEN stays THEN i.reason
					  WHEN becomes = 'deleted'
					  THEN coalesce(i.reason, 'its charge was deleted') END,
		paid_on = CASE WHEN has_payment THEN coalesce(payment.payer_paid_on,
			payment.paid_on, payment.confirmed_on, i.paid_on) END,
		paid_cents = CASE WHEN has_payment THEN payment.value_cents
			- coalesce(payment.refunded_cents, 0) END
	WHERE i.invoice_id = payment.invoice_id;
END
$$;
COMMENT ON FUNCTION move_invoice(payments, text, text) IS
'brings the invoice of a charge to where the charge is';
REVOKE ALL ON FUNCTION move_invoice(payments, text, text) FROM PUBLIC;

/*
 * A charge has changed, or its invoice has become known.  What a poll shows of
 * a charge for the first time is history, and not announced.
 */
CREATE FUNCTION follow_payment(old payments, new payments) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was text := CASE WHEN old.observed_by IS NOT NULL
		THEN partner_api.payment_state(old.status, old.deleted) END;
	becomes text := partner_api.payment_state(new.status, new.deleted);
	is_new boolean := was IS DISTINCT FROM becomes
		OR old.invoice_id IS DISTINCT FROM new.invoice_id;
BEGIN
	IF new.invoice_id IS NOT NULL THEN
		PERFORM partner_api.move_invoice(new, was, becomes);
		PERFORM partner_api.undo_dunning(new.invoice_id)
		WHERE is_new AND becomes IN ('paid', 'deleted');
		PERFORM partner_api.approve_paid_trials(new.invoice_id)
		WHERE is_new AND becomes = 'paid';
	END IF;
	PERFORM partner_api.notify_payment(CASE
		WHEN was = becomes AND new.refunded_cents
			 > coalesce(old.refunded_cents, 0) THEN 'payment_partly_refunded'
		ELSE partner_api.payment_news(was, becomes) END, new)
	WHERE was IS NOT NULL OR new.invoice_id IS NOT NULL
	   OR new.observed_by <> 'poll';
END
$$;
COMMENT ON FUNCTION follow_payment(payments, payments) IS
'what follows from the change of a charge: for its invoice, for those who listen, for dunning and trials';
REVOKE ALL ON FUNCTION follow_payment(payments, payments) FROM PUBLIC;

/*
 * A charge that is known here is the effect of the action whose nonce it
 * carries: if that looks for it, or is to be sent again, it need not.  Lists
 * may lag for longer than anybody has said.
 */
CREATE FUNCTION settle_by_charge(of_action bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.close_action(a.action_id, 'done', NULL, a.charge_id,
		jsonb_build_object('charge_id', a.charge_id)::text)
	FROM (
		SELECT o.action_id, p.charge_id
		FROM partner_api.pending_actions o
		JOIN partner_api.payments p
			ON p.action_id = o.action_id AND p.server = o.server
		WHERE o.action_id = of_action AND o.kind = 'create_charge'
		  AND (o.state IN ('unknown', 'needs_attention')
			   OR (o.state = 'waiting' AND o.attempts > 0))
		ORDER BY p.charge_id LIMIT 1
		FOR UPDATE OF o SKIP LOCKED) a;
END
$$;
COMMENT ON FUNCTION settle_by_charge(bigint) IS
'closes the action that made a charge which is known here, if its outcome is not known';
REVOKE ALL ON FUNCTION settle_by_charge(bigint) FROM PUBLIC;

/* ---- the one way in ---- */

/*
 * The row of a charge, locked; of one that is new here it is empty.  The
 * worker waits for nobody: what it cannot lock it applies later.
 */
CREATE FUNCTION lock_payment(of_server name, of_charge text, source text)
RETURNS payments
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	payment partner_api.payments;
BEGIN
	INSERT INTO partner_api.payments
		(server, charge_id, observed_at, learned_at, origin)
	VALUES (of_server, of_charge, '-infinity', '-infinity', 'imported')
	ON CONFLICT (server, charge_id) DO NOTHING;
	IF source = 'answer' THEN
		SELECT p.* INTO STRICT payment FROM partner_api.payments p
		WHERE p.server = of_server AND p.charge_id = of_charge
		FOR UPDATE NOWAIT;
		PERFORM FROM partner_api.invoices i
		WHERE i.invoice_id = payment.invoice_id FOR UPDATE NOWAIT;
	ELSE
		SELECT p.* INTO STRICT payment FROM partner_api.payments p
		WHERE p.server = of_server AND p.charge_id = of_charge FOR UPDATE;
	END IF;
	RETURN payment;
END
$$;
COMMENT ON FUNCTION lock_payment(name, text, text) IS
'the row of a charge, made if need be, and locked';
REVOKE ALL ON FUNCTION lock_payment(name, text, text) FROM PUBLIC;

CREATE FUNCTION write_payment(payment payments) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.payments p
	SET (invoice_id, customer_id, recurrence_id, installment_id,
		 billing_type, status, deleted, value_cents, net_value_cents,
		 original_value_cents, interest_value_cents, refunded_cents,
		 description, due_on, original_due_on, paid_on, payer_paid_on,
		 confirmed_on, credited_on, credit_expected_on, created_on,
		 invoice_url, invoice_number, boleto_url, receipt_url, our_number,
		 external_reference, boleto_line, pix_code, pix_expires_at,
		 observed_at, observed_by, learned_at, polled_at, must_poll, origin,
		 action_id, missing_since, details)
	  = (payment.invoice_id, payment.customer_id, payment.recurrence_id,
		 payment.installment_id, payment.billing_type, payment.status,
		 payment.deleted, payment.value_cents, payment.net_value_cents,
		 payment.original_value_cents, payment.interest_value_cents,
		 payment.refunded_cents, payment.description, payment.due_on,
		 payment.original_due_on, payment.paid_on, payment.payer_paid_on,
		 payment.confirmed_on, payment.credited_on,
		 payment.credit_expected_on, payment.created_on,
		 payment.invoice_url, payment.invoice_number, payment.boleto_url,
		 payment.receipt_url, payment.our_number,
		 payment.external_reference, payment.boleto_line, payment.pix_code,
		 payment.pix_expires_at, payment.observed_at, payment.observed_by,
		 payment.learned_at, payment.polled_at, payment.must_poll,
		 payment.origin, payment.action_id, payment.missing_since,
		 payment.details)
	WHERE p.server = payment.server AND p.charge_id = payment.charge_id;
END
$$;
COMMENT ON FUNCTION write_payment(payments) IS
'writes the row of a charge';
REVOKE ALL ON FUNCTION write_payment(payments) FROM PUBLIC;

/* Every event is recorded, and of answers and polls what changed something. */
CREATE FUNCTION note_payment_event(payment payments, source text,
	fields jsonb, occurred_at timestamptz, event_id text, event text,
	outcome text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF event_id IS NULL AND outcome <> 'applied' THEN
		RETURN;
	END IF;
	INSERT INTO partner_api.payment_events
		(server, event_id, event, charge_id, source, status, occurred_at,
		 received_at, outcome, body)
	VALUES (payment.server, event_id, event, payment.charge_id, source,
			fields->>'status', occurred_at, partner_api.clock(), outcome,
			fields->'details')
	ON CONFLICT ON CONSTRAINT payment_events_server_event_id_key
	DO UPDATE SET outcome = excluded.outcome;
END
$$;
COMMENT ON FUNCTION note_payment_event(payments, text, jsonb, timestamptz,
	text, text, text) IS
'records what was told of a charge, and what became of it';
REVOKE ALL ON FUNCTION note_payment_event(payments, text, jsonb, timestamptz,
	text, text, text) FROM PUBLIC;

/*
 * fields: by the names of our columns, as the provider's code tells them;
 * "answered_at" among them is the provider's time of an answer.  observed_at:
 * of an event the time that it names, else ours.  event: of an answer the kind
 * of the object's event, "created" and so on.  since: when the request was
 * sent, by clock(); of the answer to an action, of_action, it is known; else
 * observed_at.
 */
CREATE FUNCTION observe_charge(of_server name, of_charge text, fields jsonb,
	observed_at timestamptz, source text, event_id text DEFAULT NULL,
	event text DEFAULT NULL, of_action bigint DEFAULT NULL,
	since timestamptz DEFAULT NULL)
RETURNS payments
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known partner_api.payments :=
		partner_api.lock_payment(of_server, of_charge, source);
	told partner_api.payments := partner_api.told_payment(known, fields);
	moment timestamptz := partner_api.moment_told(fields, observed_at,
												  source);
	relation text := partner_api.compare_observation(known, moment, source,
		coalesce(since, (SELECT h.sent_at FROM partner_api.action_history h
						 WHERE h.action_id = of_action), observed_at));
	outcome text := partner_api.judge_observation(known, told, relation,
		source, event, moment);
	taken partner_api.payments := partner_api.taken_payment(known, told,
		outcome, relation, source, moment);
BEGIN
	IF event IN ('created', 'adopted') THEN
		taken.origin := event;
		taken.action_id := of_action;
	END IF;
	taken.action_id := coalesce(taken.action_id,
		partner_api.action_of_charge(of_server, taken.external_reference));
	IF taken.invoice_id IS NULL
	   AND taken.action_id IS DISTINCT FROM known.action_id THEN
		taken.invoice_id := partner_api.invoice_of_charge(taken);
	ELSIF event = 'adopted' AND taken.action_id IS NULL
		  AND taken.invoice_id IS NULL AND NOT taken.deleted THEN
		taken.invoice_id := partner_api.invoice_of_lost_charge(taken);
	END IF;
	PERFORM partner_api.write_payment(taken);
	PERFORM partner_api.follow_payment(known, taken)
	WHERE outcome = 'applied'
	   OR taken.invoice_id IS DISTINCT FROM known.invoice_id;
	PERFORM partner_api.settle_by_charge(taken.action_id)
	WHERE source <> 'answer';
	PERFORM partner_api.note_payment_event(taken, source, fields, moment,
										   event_id, event, outcome);
	RETURN taken;
END
$$;
COMMENT ON FUNCTION observe_charge(name, text, jsonb, timestamptz, text, text,
	text, bigint, timestamptz) IS
'takes in what an answer, a poll or a webhook tells of a charge: the one way in which payments change';
REVOKE ALL ON FUNCTION observe_charge(name, text, jsonb, timestamptz, text,
	text, text, bigint, timestamptz) FROM PUBLIC;

/* ---- events ---- */

/*
 * An event is taken once, by its id.  What is about no charge is kept, and a
 * key that will not be accepted any more is announced.
 */
CREATE FUNCTION take_webhook_event(of_server name, of_event text, event text,
	of_charge text, fields jsonb, occurred_at timestamptz, body jsonb)
RETURNS text
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO partner_api.payment_events
		(server, event_id, event, charge_id, source, status, occurred_at,
		 received_at, outcome, body)
	VALUES (of_server, of_event, event, of_charge, 'webhook',
			fields->>'status', occurred_at, partner_api.clock(), 'unknown',
			body)
	ON CONFLICT ON CONSTRAINT payment_events_server_event_id_key DO NOTHING;
	IF NOT FOUND THEN
		RETURN 'duplicate';
	END IF;
	PERFORM partner_api.announce('key_expires', of_server, NULL, NULL,
		format('%s: the provider does not accept a key of server "%s" any more, or soon will not',
			   event, of_server))
	WHERE event IN ('ACCESS_TOKEN_EXPIRING_SOON', 'ACCESS_TOKEN_EXPIRED',
					'ACCESS_TOKEN_DISABLED', 'ACCESS_TOKEN_DELETED');
	PERFORM partner_api.observe_charge(of_server, of_charge, fields,
		occurred_at, 'webhook', of_event, event)
	WHERE of_charge IS NOT NULL;
	RETURN (SELECT e.outcome FROM partner_api.payment_events e
			WHERE e.server = of_server AND e.event_id = of_event);
END
$$;
COMMENT ON FUNCTION take_webhook_event(name, text, text, text, jsonb,
	timestamptz, jsonb) IS
'records an event of a webhook, takes in what it tells of a charge, and returns its outcome; for asaas_webhook()';
REVOKE ALL ON FUNCTION take_webhook_event(name, text, text, text, jsonb,
	timestamptz, jsonb) FROM PUBLIC;

CREATE FUNCTION asaas_webhook(headers jsonb, body jsonb,
	server name DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'partner_api_asaas_webhook'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION asaas_webhook(jsonb, jsonb, name) IS
'take in an event that Asaas posted to a webhook, with the headers and the body of the request; returns applied, nothing_new, late, unclear, unknown or duplicate';
REVOKE ALL ON FUNCTION asaas_webhook(jsonb, jsonb, name) FROM PUBLIC;
