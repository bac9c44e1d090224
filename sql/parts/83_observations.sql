/*
 * What to make of what is told of a charge: what it says, whether it is newer
 * than what is known, and what becomes of it.  Rules alone: nothing here writes
 * anything.
 *
 * What counts is what is newer.  A request that was sent after the row was last
 * changed tells something newer, whatever the clocks say; of an event only the
 * provider's time is known.  Where that does not decide, a status may only go
 * forward, and the provider is asked: a poll is the truth.
 */

/* ---- what a charge is to us ---- */

/*
 * A refund that was asked for may be denied, and the money is still here; one
 * in progress will arrive.  A dispute that was won stays one until the money
 * is back.
 */
CREATE FUNCTION payment_state(status text, deleted boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN deleted THEN 'deleted'
		WHEN status IN ('PENDING', 'AWAITING_RISK_ANALYSIS', 'AUTHORIZED')
			THEN 'open'
		WHEN status IN ('OVERDUE', 'DUNNING_REQUESTED') THEN 'overdue'
		WHEN status IN ('CONFIRMED', 'RECEIVED', 'RECEIVED_IN_CASH',
						'DUNNING_RECEIVED', 'REFUND_REQUESTED') THEN 'paid'
		WHEN status IN ('REFUND_IN_PROGRESS', 'REFUNDED') THEN 'refunded'
		WHEN status IN ('CHARGEBACK_REQUESTED', 'CHARGEBACK_DISPUTE',
						'AWAITING_CHARGEBACK_REVERSAL') THEN 'disputed'
		ELSE 'unknown' END;
END
$$;
COMMENT ON FUNCTION payment_state(text, boolean) IS
'what a charge is to us: open, overdue, paid, refunded, disputed, deleted, or unknown for a word of the provider that is not known here';
REVOKE ALL ON FUNCTION payment_state(text, boolean) FROM PUBLIC;

/*
 * How far a charge has come.  Time brings it forward; what brings it back (a
 * restored charge, a payment in cash that is undone, a dispute that was won)
 * must be known to be newer.
 */
CREATE FUNCTION charge_progress(status text, deleted boolean) RETURNS integer
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN deleted THEN 4
		WHEN status IN ('PENDING', 'AWAITING_RISK_ANALYSIS') THEN 1
		WHEN status IN ('OVERDUE', 'AUTHORIZED') THEN 2
		WHEN status = 'DUNNING_REQUESTED' THEN 3
		WHEN status = 'CONFIRMED' THEN 5
		WHEN status IN ('RECEIVED', 'RECEIVED_IN_CASH', 'DUNNING_RECEIVED')
			THEN 6
		WHEN status IN ('REFUND_REQUESTED', 'CHARGEBACK_REQUESTED') THEN 7
		WHEN status IN ('REFUND_IN_PROGRESS', 'CHARGEBACK_DISPUTE') THEN 8
		WHEN status = 'AWAITING_CHARGEBACK_REVERSAL' THEN 9
		WHEN status = 'REFUNDED' THEN 10 END;
END
$$;
COMMENT ON FUNCTION charge_progress(text, boolean) IS
'how far a charge has come; null of a status that is not known here';
REVOKE ALL ON FUNCTION charge_progress(text, boolean) FROM PUBLIC;

CREATE FUNCTION is_charge_event(event text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN event = ANY ('{PAYMENT_CREATED, PAYMENT_AWAITING_RISK_ANALYSIS,
		PAYMENT_APPROVED_BY_RISK_ANALYSIS, PAYMENT_REPROVED_BY_RISK_ANALYSIS,
		PAYMENT_AUTHORIZED, PAYMENT_UPDATED, PAYMENT_CONFIRMED,
		PAYMENT_RECEIVED, PAYMENT_CREDIT_CARD_CAPTURE_REFUSED,
		PAYMENT_ANTICIPATED, PAYMENT_OVERDUE, PAYMENT_DELETED,
		PAYMENT_RESTORED, PAYMENT_REFUNDED, PAYMENT_PARTIALLY_REFUNDED,
		PAYMENT_REFUND_IN_PROGRESS, PAYMENT_REFUND_DENIED,
		PAYMENT_RECEIVED_IN_CASH_UNDONE, PAYMENT_CHARGEBACK_REQUESTED,
		PAYMENT_CHARGEBACK_DISPUTE, PAYMENT_AWAITING_CHARGEBACK_REVERSAL,
		PAYMENT_DUNNING_RECEIVED, PAYMENT_DUNNING_REQUESTED,
		PAYMENT_BANK_SLIP_VIEWED, PAYMENT_BANK_SLIP_CANCELLED,
		PAYMENT_CHECKOUT_VIEWED}'::text[])
		OR starts_with(event, 'PAYMENT_SPLIT_');
END
$$;
COMMENT ON FUNCTION is_charge_event(text) IS
'is it an event of a charge that is known here, and shows the charge as it is?';
REVOKE ALL ON FUNCTION is_charge_event(text) FROM PUBLIC;

/* ---- what is newer ---- */

/* The provider's events and answers may come from clocks two minutes apart. */
CREATE FUNCTION compare_observation(known payments, observed_at timestamptz,
	source text, since timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	apart interval := CASE known.observed_by WHEN 'webhook' THEN interval '0'
						   ELSE interval '2 minutes' END;
BEGIN
	RETURN CASE
		WHEN known.observed_by IS NULL THEN 'newer'
		/* a clock that was set back proves nothing of what came before */
		WHEN source <> 'webhook'
			 AND (since >= known.learned_at
				  OR known.learned_at > partner_api.clock()
										+ interval '1 hour') THEN 'newer'
		/* one action at a time: their answers come in order */
		WHEN source = 'answer' AND known.observed_by = 'answer'
			 AND observed_at >= known.observed_at THEN 'newer'
		WHEN source <> 'webhook' OR observed_at IS NULL THEN 'unclear'
		WHEN observed_at > known.observed_at + apart THEN 'newer'
		WHEN observed_at < known.observed_at - apart THEN 'older'
		ELSE 'unclear' END;
END
$$;
COMMENT ON FUNCTION compare_observation(payments, timestamptz, text,
	timestamptz) IS
'is what is told of a charge newer or older than what is known of it, or unclear?';
REVOKE ALL ON FUNCTION compare_observation(payments, timestamptz, text,
	timestamptz) FROM PUBLIC;

/* What is said to come from the future cannot be put in order. */
CREATE FUNCTION moment_told(fields jsonb, observed_at timestamptz,
	source text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF source = 'webhook'
	   AND observed_at > partner_api.clock() + interval '2 minutes' THEN
		RETURN NULL;
	END IF;
	RETURN coalesce((fields->>'answered_at')::timestamptz, observed_at);
END
$$;
COMMENT ON FUNCTION moment_told(jsonb, timestamptz, text) IS
'when what is told of a charge was so; null if that is not known';
REVOKE ALL ON FUNCTION moment_told(jsonb, timestamptz, text) FROM PUBLIC;

/* ---- what it says ---- */

/* The columns that only the provider's word can change. */
CREATE FUNCTION charge_facts(payment payments) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN to_jsonb(payment) - ARRAY['server', 'charge_id', 'invoice_id',
		'boleto_line', 'pix_code', 'pix_expires_at', 'observed_at',
		'observed_by', 'learned_at', 'polled_at', 'must_poll',
		'reminded_due_on', 'origin', 'action_id', 'last_seen_at',
		'missing_since', 'details'];
END
$$;
COMMENT ON FUNCTION charge_facts(payments) IS
'what the provider tells of a charge, by column';
REVOKE ALL ON FUNCTION charge_facts(payments) FROM PUBLIC;

/*
 * A whole charge is told with its status: what it lacks is not so any more.
 * An answer may tell less.  The codes to pay by are those of what was to be
 * paid then.
 */
CREATE FUNCTION told_payment(known payments, fields jsonb) RETURNS payments
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	told partner_api.payments := known;
	facts jsonb := partner_api.charge_facts(known);
	columns text[] := ARRAY(SELECT jsonb_object_keys(facts))
		|| ARRAY['details'];
BEGIN
	IF fields->>'status' IS NOT NULL THEN
		facts := (SELECT jsonb_object_agg(c, NULL) FROM unnest(columns) c)
				 || '{"deleted": false}';
	END IF;
	told := jsonb_populate_record(told, facts || coalesce((
		SELECT jsonb_object_agg(f.key, f.value)
		FROM jsonb_each(jsonb_strip_nulls(fields)) f
		WHERE f.key = ANY (columns)), '{}'));
	IF (told.value_cents, told.due_on, told.billing_type)
	   IS DISTINCT FROM (known.value_cents, known.due_on, known.billing_type)
	THEN
		told.boleto_line := NULL;
		told.pix_code := NULL;
		told.pix_expires_at := NULL;
	END IF;
	RETURN told;
END
$$;
COMMENT ON FUNCTION told_payment(payments, jsonb) IS
'a charge as it is told';
REVOKE ALL ON FUNCTION told_payment(payments, jsonb) FROM PUBLIC;

/* ---- what becomes of it ---- */

/* What becomes of what was told: see payment_events. */
CREATE FUNCTION judge_observation(known payments, told payments,
	relation text, source text, event text, moment timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF source = 'webhook' AND (NOT partner_api.is_charge_event(event)
		OR partner_api.payment_state(told.status, told.deleted) = 'unknown')
	THEN
		RETURN 'unknown';
	ELSIF relation = 'older' THEN
		RETURN 'late';
	ELSIF partner_api.charge_facts(told) = partner_api.charge_facts(known) THEN
		RETURN 'nothing_new';
	ELSIF relation = 'newer' OR (
		/* a poll that was overtaken is simply asked again */
		(source = 'answer' OR (source = 'webhook'
							   AND moment >= known.observed_at))
		AND partner_api.charge_progress(told.status, told.deleted)
			> partner_api.charge_progress(known.status, known.deleted)) THEN
		RETURN 'applied';
	END IF;
	RETURN 'unclear';
END
$$;
COMMENT ON FUNCTION judge_observation(payments, payments, text, text, text,
	timestamptz) IS
'what becomes of what is told of a charge: applied, nothing_new, late, unclear or unknown';
REVOKE ALL ON FUNCTION judge_observation(payments, payments, text, text, text,
	timestamptz) FROM PUBLIC;

/*
 * The row of a charge after an observation.  It is learned at this moment, not
 * when the statement began: a poll that was sent meanwhile may have read what
 * was before.
 */
CREATE FUNCTION taken_payment(known payments, told payments, outcome text,
	relation text, source text, moment timestamptz)
RETURNS payments
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	taken partner_api.payments := known;
BEGIN
	IF outcome IN ('applied', 'nothing_new') THEN
		taken := told;
		taken.missing_since := NULL;
		IF relation = 'newer' OR moment >= known.observed_at THEN
			taken.observed_at := greatest(moment, known.observed_at);
			taken.observed_by := source;
		END IF;
	END IF;
	IF outcome <> 'late' THEN
		taken.learned_at := partner_api.clock()
			+ (clock_timestamp() - statement_timestamp());
	END IF;
	IF source = 'poll' THEN
		taken.polled_at := partner_api.clock();
		taken.must_poll := known.must_poll AND relation <> 'newer';
	END IF;
	IF outcome IN ('unclear', 'unknown')
	   OR (outcome = 'applied' AND relation = 'unclear') THEN
		taken.must_poll := true;
	END IF;
	RETURN taken;
END
$$;
COMMENT ON FUNCTION taken_payment(payments, payments, text, text, text,
	timestamptz) IS
'the row of a charge after an observation';
REVOKE ALL ON FUNCTION taken_payment(payments, payments, text, text, text,
	timestamptz) FROM PUBLIC;
