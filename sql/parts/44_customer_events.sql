/*
 * What events add up to in customers, and what they tell of charges.  What a
 * provider shows of a customer wins over what is known here, but for one that
 * it is found to have already: then what was given here does.
 */

/* Nothing of ours says whose a customer is that was first seen there. */
CREATE FUNCTION is_nobodys(customer customers) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT customer.customer_ref = customer.customer_id
	   AND NOT EXISTS (
		SELECT FROM partner_api.subscriptions s
		WHERE s.server = customer.server
		  AND s.customer_ref = customer.customer_ref)
	   AND NOT EXISTS (
		SELECT FROM partner_api.invoices i
		WHERE i.server = customer.server
		  AND i.customer_ref = customer.customer_ref)
$$;
COMMENT ON FUNCTION is_nobodys(customers) IS
'is a customer known under the id of the provider alone?';
REVOKE ALL ON FUNCTION is_nobodys(customers) FROM PUBLIC;

/*
 * The row that an event is about, locked: the one that its action was for, else
 * the one that has its id.  One that is known under that id alone gets the key
 * that is given now, or makes room for the row that has it.
 */
CREATE FUNCTION customer_of_event(event object_events) RETURNS customers
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ours partner_api.customers;
	theirs partner_api.customers;
	ref text := event.details->>'customer_ref';
BEGIN
	SELECT c.* INTO ours FROM partner_api.customers c
	WHERE c.server = event.server AND c.customer_ref = ref
	FOR UPDATE NOWAIT;
	IF ours.customer_id = event.object_id THEN
		RETURN ours;
	END IF;
	SELECT c.* INTO theirs FROM partner_api.customers c
	WHERE c.server = event.server AND c.customer_id = event.object_id
	FOR UPDATE NOWAIT;
	IF FOUND AND partner_api.is_nobodys(theirs) AND ref IS NOT NULL THEN
		DELETE FROM partner_api.customers c
		WHERE c.server = event.server AND c.customer_ref = theirs.customer_ref;
		theirs.customer_ref := ref;
	END IF;
	RETURN CASE WHEN ours.customer_ref IS NULL THEN theirs ELSE ours END;
END
$$;
COMMENT ON FUNCTION customer_of_event(object_events) IS
'the customer that an event is about, locked; null if it is not known; for apply_customer_event()';
REVOKE ALL ON FUNCTION customer_of_event(object_events) FROM PUBLIC;

/*
 * What is recorded as the effect of other actions than one that makes something
 * which carries nothing of ours: a list that shows it shows no effect of this
 * one.  Two keys of ours are two customers, whatever their document.
 */
CREATE FUNCTION recorded_of_others(of_server name, kind text, arguments jsonb,
	ref text, sent_at timestamptz)
RETURNS jsonb
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	of_document text := partner_api.plain_document(arguments->>'document');
BEGIN
	IF kind = 'create_customer' THEN
		RETURN (
			SELECT jsonb_object_agg(c.customer_id, true)
			FROM partner_api.customers c
			WHERE c.server = of_server AND c.document = of_document
			  AND c.customer_id <> c.customer_ref AND c.customer_ref <> ref);
	END IF;
	RETURN (
		SELECT jsonb_object_agg(s.subscription_id, true)
		FROM partner_api.subscriptions s
		WHERE s.server = of_server AND s.plan_id = arguments->>'plan_id'
		  AND s.created_at > sent_at - interval '1 day');
END
$$;
COMMENT ON FUNCTION recorded_of_others(name, text, jsonb, text, timestamptz) IS
'ids of customers or subscriptions that the provider may show and that are not the effect of an action';
REVOKE ALL ON FUNCTION recorded_of_others(name, text, jsonb, text,
	timestamptz) FROM PUBLIC;

/* A customer as an event shows it; a new one begins with the defaults. */
CREATE FUNCTION customer_after_event(customer customers, event object_events)
RETURNS customers
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	facts jsonb := partner_api.event_facts(event.details)
		- ARRAY['customer_id', 'customer_ref', 'created_at', 'deleted_at',
				'reason', 'send_email', 'send_sms', 'sending_set',
				'step_action_id', 'switches'];
BEGIN
	IF customer.customer_ref IS NULL THEN
		customer := jsonb_populate_record(customer, jsonb_build_object(
			'server', event.server,
			'customer_ref', coalesce(event.details->>'customer_ref',
									 event.object_id),
			'created_at', event.occurred_at, 'origin', 'imported',
			'switches', '{}'::jsonb, 'foreign_customer', false,
			'send_email', true, 'send_sms', true, 'sending_set', false));
	END IF;
	IF event.kind = 'found' THEN
		facts := facts || jsonb_strip_nulls(to_jsonb(customer)
			- ARRAY['details', 'notifications_disabled']);
	END IF;
	customer := jsonb_populate_record(customer, facts);
	customer.customer_id := event.object_id;
	customer.document := partner_api.plain_document(customer.document);
	customer.reason := NULL;
	customer.missing_since := CASE WHEN event.kind = 'missing'
								   THEN event.occurred_at END;
	customer.deleted_at := CASE (event.details->>'deleted')::boolean
		WHEN true THEN coalesce(customer.deleted_at, event.occurred_at)
		WHEN false THEN NULL
		ELSE customer.deleted_at END;
	IF event.kind IN ('created', 'adopted', 'found') THEN
		customer.origin := event.kind;
		customer.action_id := event.action_id;
		/* a new one has the provider's default, of others it is not known */
		customer.switches := CASE WHEN event.kind = 'found' THEN '{}'::jsonb END;
	END IF;
	RETURN customer;
END
$$;
COMMENT ON FUNCTION customer_after_event(customers, object_events) IS
'a customer as an event shows it; for apply_customer_event()';
REVOKE ALL ON FUNCTION customer_after_event(customers, object_events)
	FROM PUBLIC;

/* The worker waits for nobody: what a session holds it takes up later. */
CREATE FUNCTION go_on_with_customer(of_server name, of_customer text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM partner_api.invoices i
	WHERE i.server = of_server AND i.customer_ref = of_customer
	  AND i.status IN ('waiting', 'failed')
	FOR UPDATE NOWAIT;
	PERFORM partner_api.further_customer(of_server, of_customer);
END
$$;
COMMENT ON FUNCTION go_on_with_customer(name, text) IS
'takes the next step for a customer of whom an event told; raises an error if a session holds an invoice';
REVOKE ALL ON FUNCTION go_on_with_customer(name, text) FROM PUBLIC;

/*
 * An id that is another customer's here cannot be taken: somebody has to say
 * whose it is.
 */
CREATE FUNCTION apply_customer_event(event object_events) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers := partner_api.customer_of_event(event);
	owner text;
BEGIN
	SELECT c.customer_ref INTO owner FROM partner_api.customers c
	WHERE c.server = event.server AND c.customer_id = event.object_id
	  AND c.customer_ref <> customer.customer_ref;
	IF customer.step_action_id = event.action_id THEN
		customer.step_action_id := NULL;
	END IF;
	IF event.kind = 'refused' THEN
		customer.reason := event.details->>'reason';
	ELSIF owner IS NOT NULL THEN
		customer.reason := format(
			'customer %s of the provider is that of customer_ref "%s" here',
			event.object_id, owner);
	ELSE
		customer := partner_api.customer_after_event(customer, event);
	END IF;
	IF customer.customer_ref IS NULL THEN
		RETURN;			/* what was refused was for nobody known here */
	END IF;
	INSERT INTO partner_api.customers AS c SELECT customer.*
	ON CONFLICT (server, customer_ref) DO UPDATE
	SET (customer_id, name, document, email, phone, mobile, street, number,
		 complement, district, postal_code, group_name, birth_date,
		 foreign_customer, notifications_disabled, switches, reason,
		 step_action_id, origin, deleted_at, action_id, missing_since,
		 details)
	  = (excluded.customer_id, excluded.name, excluded.document,
		 excluded.email, excluded.phone, excluded.mobile, excluded.street,
		 excluded.number, excluded.complement, excluded.district,
		 excluded.postal_code, excluded.group_name, excluded.birth_date,
		 excluded.foreign_customer, excluded.notifications_disabled,
		 excluded.switches, excluded.reason, excluded.step_action_id,
		 excluded.origin, excluded.deleted_at, excluded.action_id,
		 excluded.missing_since, excluded.details);
	PERFORM partner_api.go_on_with_customer(customer.server,
											customer.customer_ref);
END
$$;
COMMENT ON FUNCTION apply_customer_event(object_events) IS
'brings one event into customers; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_customer_event(object_events) FROM PUBLIC;

/*
 * What was told of a customer's notifications.  Which switches a change leads
 * to is known where it was made for that; of any other it is not.
 */
CREATE FUNCTION apply_notification_event(event object_events) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers;
BEGIN
	SELECT c.* INTO customer FROM partner_api.customers c
	WHERE c.server = event.server AND c.customer_id = event.object_id
	FOR UPDATE NOWAIT;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE partner_api.customers c
	SET step_action_id = nullif(c.step_action_id, event.action_id),
		reason = CASE event.kind WHEN 'refused' THEN event.details->>'reason'
				 ELSE c.reason END,
		switches = CASE event.kind
			WHEN 'checked' THEN partner_api.switches_if_shown(c,
				event.details->'notifications')
			WHEN 'changed' THEN coalesce(event.details->'switches', '{}')
			ELSE c.switches END
	WHERE c.server = customer.server
	  AND c.customer_ref = customer.customer_ref;
	PERFORM partner_api.go_on_with_customer(customer.server,
											customer.customer_ref);
END
$$;
COMMENT ON FUNCTION apply_notification_event(object_events) IS
'brings one event about notifications into customers; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_notification_event(object_events) FROM PUBLIC;

/*
 * Was a charge refused when its due day was over?  It may have waited for a
 * pause to end, or for the provider to be reached.
 */
CREATE FUNCTION charge_was_late(of_action bigint) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (
		SELECT FROM partner_api.action_history h
		WHERE h.action_id = of_action AND h.state = 'failed'
		  AND (h.arguments->>'due_date')::date
			  < partner_api.server_day(h.server));
END
$$;
COMMENT ON FUNCTION charge_was_late(bigint) IS
'was a charge refused when its due day was over?';
REVOKE ALL ON FUNCTION charge_was_late(bigint) FROM PUBLIC;

/*
 * What was told of a charge.  One that was refused leaves its invoice without,
 * unless it came too late: then it is sent again, to be paid today.  One that
 * cannot be deleted is still to be paid.
 */
CREATE FUNCTION apply_charge_event(event object_events) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF event.kind <> 'refused' THEN
		PERFORM partner_api.observe_charge(event.server, event.object_id,
			event.details, event.occurred_at, 'answer', NULL, event.kind,
			event.action_id);
		RETURN;
	END IF;
	PERFORM FROM partner_api.invoices i
	WHERE i.action_id = event.action_id FOR UPDATE NOWAIT;
	PERFORM FROM partner_api.invoices i
	WHERE i.server = event.server AND i.charge_id = event.object_id
	FOR UPDATE NOWAIT;
	UPDATE partner_api.invoices i
	SET status = 'failed', reason = event.details->>'reason'
	WHERE i.action_id = event.action_id AND i.status = 'waiting';
	PERFORM partner_api.send_charge(i)
	FROM partner_api.invoices i
	WHERE i.action_id = event.action_id AND i.status = 'failed'
	  AND i.charge_id IS NULL
	  AND partner_api.charge_was_late(event.action_id);
	UPDATE partner_api.invoices i
	SET reason = format('its charge could not be deleted: %s',
						event.details->>'reason')
	WHERE i.server = event.server AND i.charge_id = event.object_id
	  AND event.details->>'operation' = 'delete_charge';
END
$$;
COMMENT ON FUNCTION apply_charge_event(object_events) IS
'brings one event about a charge into payments and invoices; for apply_object_events()';
REVOKE ALL ON FUNCTION apply_charge_event(object_events) FROM PUBLIC;
