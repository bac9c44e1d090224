/*
 * From an invoice to its charge.  What the provider must know of a customer
 * before it can charge them is told step by step, each step an action of the
 * extension's own: the customer is made, or found; what differs there is
 * changed; the notification switches are read and set, which has to be before
 * a charge exists.  Nothing waits: the event of each step, applied to the
 * mirror, leads to the next, and at the end to the charges.  So everything here
 * may run any number of times.
 */

/* Nothing is to be sent to the customer at all. */
CREATE FUNCTION wants_silence(customer customers) RETURNS boolean
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN NOT (customer.send_email OR customer.send_sms);
COMMENT ON FUNCTION wants_silence(customers) IS
'the provider is to send a customer neither e-mail nor text messages';
REVOKE ALL ON FUNCTION wants_silence(customers) FROM PUBLIC;

/* What to tell the provider of a customer that it does not know. */
CREATE FUNCTION customer_arguments(customer customers) RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'name', customer.name,
		'document', customer.document,
		'email', customer.email,
		'phone', customer.phone,
		'mobile', customer.mobile,
		'street', customer.street,
		'number', customer.number,
		'complement', customer.complement,
		'district', customer.district,
		'postal_code', customer.postal_code,
		'group_name', customer.group_name,
		'foreign_customer', nullif(customer.foreign_customer, false),
		'notifications_disabled',
		nullif(partner_api.wants_silence(customer), false)))
$$;
COMMENT ON FUNCTION customer_arguments(customers) IS
'a customer as the arguments of create_customer()';
REVOKE ALL ON FUNCTION customer_arguments(customers) FROM PUBLIC;

/*
 * What to change there so that the provider knows what is known here.  It may
 * write something in its own way, or not at all: what it was told since a list
 * last showed a change is not told again, whatever it answered.
 */
CREATE FUNCTION customer_changes(customer customers) RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH told AS (
		SELECT jsonb_object_agg(a.key, a.value ORDER BY e.event_id)
			   AS arguments
		FROM partner_api.object_events e
		JOIN partner_api.action_history h USING (action_id)
		CROSS JOIN jsonb_each(h.arguments) a
		WHERE e.server = customer.server AND e.object = 'customer'
		  AND e.object_id = customer.customer_id
		  AND e.kind IN ('created', 'adopted', 'changed')
		  AND e.event_id > coalesce((
				SELECT max(s.event_id) FROM partner_api.object_events s
				WHERE s.server = customer.server AND s.object = 'customer'
				  AND s.object_id = customer.customer_id
				  AND s.action_id IS NULL), 0)), differing AS (
		SELECT a.key, a.value
		FROM jsonb_each(partner_api.customer_arguments(customer)) a
		JOIN (VALUES
			('name', 'name'), ('document', 'cpfCnpj'), ('email', 'email'),
			('phone', 'phone'), ('mobile', 'mobilePhone'),
			('street', 'address'), ('number', 'addressNumber'),
			('complement', 'complement'), ('district', 'province'),
			('postal_code', 'postalCode'), ('group_name', 'groupName'))
			AS k (ours, theirs) ON k.ours = a.key
		WHERE customer.details IS NOT NULL
		  AND a.value IS DISTINCT FROM customer.details->k.theirs
		UNION ALL
		SELECT 'notifications_disabled', to_jsonb(w.silence)
		FROM partner_api.wants_silence(customer) AS w (silence)
		WHERE w.silence <> coalesce(customer.notifications_disabled, false))
	SELECT coalesce(jsonb_object_agg(d.key, d.value), '{}')
	FROM differing d
	LEFT JOIN told t ON true
	WHERE d.value IS DISTINCT FROM t.arguments->d.key
$$;
COMMENT ON FUNCTION customer_changes(customers) IS
'what the provider has not been told of a customer that it knows, as the arguments of change_customer()';
REVOKE ALL ON FUNCTION customer_changes(customers) FROM PUBLIC;

/* ---- notification switches ---- */

CREATE FUNCTION wanted_switches(customer customers) RETURNS jsonb
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN jsonb_build_object('email', customer.send_email,
						  'sms', customer.send_sms);
COMMENT ON FUNCTION wanted_switches(customers) IS
'how the notification switches of a customer should be';
REVOKE ALL ON FUNCTION wanted_switches(customers) FROM PUBLIC;

/*
 * What goes to ourselves, by telephone or by WhatsApp stays as it is.  A
 * notification that is off altogether stays off, but for the one that sends
 * an invoice: without it "by e-mail" would mean nothing.
 */
CREATE FUNCTION notification_changes(shown jsonb, email boolean, sms boolean)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			'notification_id', n.notification_id,
			'enabled', CASE WHEN n.enabled IS FALSE THEN true END,
			'email_customer', notification_changes.email,
			'sms_customer', notification_changes.sms))
			ORDER BY n.notification_id), '[]')
	FROM jsonb_to_recordset(shown) AS n (notification_id text, event text,
		enabled boolean, email_customer boolean, sms_customer boolean)
	WHERE (n.enabled IS NOT FALSE
		   OR n.event = 'PAYMENT_CREATED'
			  AND (notification_changes.email OR notification_changes.sms))
	  AND (n.enabled IS FALSE
		   OR n.email_customer IS DISTINCT FROM notification_changes.email
		   OR n.sms_customer IS DISTINCT FROM notification_changes.sms)
$$;
COMMENT ON FUNCTION notification_changes(jsonb, boolean, boolean) IS
'which of the notifications that a provider shows are to change, and how, as an argument of change_notifications()';
REVOKE ALL ON FUNCTION notification_changes(jsonb, boolean, boolean)
	FROM PUBLIC;

CREATE FUNCTION switches_if_shown(customer customers, shown jsonb)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE partner_api.notification_changes(shown, customer.send_email,
												 customer.send_sms)
		   WHEN '[]' THEN partner_api.wanted_switches(customer)
		   ELSE '{}' END
$$;
COMMENT ON FUNCTION switches_if_shown(customers, jsonb) IS
'the switches of a customer whose notifications are these: as wanted, or empty';
REVOKE ALL ON FUNCTION switches_if_shown(customers, jsonb) FROM PUBLIC;

/* What was read just now says what to change; else it has to be read. */
CREATE FUNCTION notification_step(customer customers,
	OUT kind text, OUT arguments jsonb)
RETURNS record
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	last partner_api.object_events;
	changes jsonb;
BEGIN
	IF partner_api.wants_silence(customer)
	   OR coalesce(customer.switches, '{"email": true, "sms": true}')
		  = partner_api.wanted_switches(customer) THEN
		RETURN;
	END IF;
	SELECT e.* INTO last FROM partner_api.object_events e
	WHERE e.server = customer.server AND e.object = 'notification'
	  AND e.object_id = customer.customer_id
	ORDER BY e.event_id DESC LIMIT 1;
	IF last.kind = 'checked'
	   AND last.occurred_at > partner_api.clock() - interval '1 hour' THEN
		changes := partner_api.notification_changes(
			last.details->'notifications', customer.send_email,
			customer.send_sms);
	END IF;
	IF changes = '[]' THEN
		RETURN;
	END IF;
	kind := CASE WHEN changes IS NULL THEN 'check_notifications'
				 ELSE 'change_notifications' END;
	arguments := CASE WHEN changes IS NULL THEN '{}'
		ELSE jsonb_build_object(
			'notifications', changes,
			'switches', partner_api.wanted_switches(customer)) END;
END
$$;
COMMENT ON FUNCTION notification_step(customers) IS
'what is to be done about the notification switches of a customer before a charge; null: nothing';
REVOKE ALL ON FUNCTION notification_step(customers) FROM PUBLIC;

/* ---- the chain ---- */

CREATE FUNCTION customer_step(customer customers,
	OUT kind text, OUT arguments jsonb)
RETURNS record
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF customer.customer_id IS NULL THEN
		kind := 'create_customer';
		arguments := partner_api.customer_arguments(customer);
		RETURN;
	END IF;
	arguments := partner_api.customer_changes(customer);
	IF arguments <> '{}' THEN
		kind := 'change_customer';
		RETURN;
	END IF;
	SELECT s.* INTO kind, arguments
	FROM partner_api.notification_step(customer) s;
END
$$;
COMMENT ON FUNCTION customer_step(customers) IS
'what the provider is to be told of a customer next, before it can charge them; null: nothing';
REVOKE ALL ON FUNCTION customer_step(customers) FROM PUBLIC;

/* The invoices of a customer who cannot be charged say why, while it is so. */
CREATE FUNCTION fail_waiting_invoices(of_server name, of_customer text,
	why text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_status text := CASE WHEN why IS NULL THEN 'waiting' ELSE 'failed' END;
BEGIN
	UPDATE partner_api.invoices i SET status = new_status, reason = why
	WHERE i.server = of_server AND i.customer_ref = of_customer
	  AND i.status IN ('waiting', 'failed') AND i.action_id IS NULL
	  AND (i.status, i.reason) IS DISTINCT FROM (new_status, why);
END
$$;
COMMENT ON FUNCTION fail_waiting_invoices(name, text, text) IS
'gives the invoices of a customer that have no charge the reason for that, or takes it from them';
REVOKE ALL ON FUNCTION fail_waiting_invoices(name, text, text) FROM PUBLIC;

/* Why the provider would not take these arguments; null if it would. */
CREATE FUNCTION why_refused(of_server name, of_kind text, of_object text,
	arguments jsonb)
RETURNS text
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	detail text;
BEGIN
	PERFORM partner_api.check_arguments(of_server, of_kind, of_object,
										arguments);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLERRM, nullif(detail, ''));
END
$$;
COMMENT ON FUNCTION why_refused(name, text, text, jsonb) IS
'why the provider of a server must not be sent these arguments; null if it may';
REVOKE ALL ON FUNCTION why_refused(name, text, text, jsonb) FROM PUBLIC;

/* Take the next step for a customer; returns why there is none, or null. */
CREATE FUNCTION take_customer_step(customer customers, step text,
	arguments jsonb)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	why text := partner_api.why_refused(customer.server, step,
		customer.customer_id, arguments);
BEGIN
	UPDATE partner_api.customers c
	SET reason = why,
		step_action_id = CASE WHEN why IS NULL THEN
			partner_api.schedule_automatic(customer.server, step,
				customer.customer_id, arguments, customer.customer_ref) END
	WHERE c.server = customer.server
	  AND c.customer_ref = customer.customer_ref;
	PERFORM partner_api.wake_worker();
	RETURN why;
END
$$;
COMMENT ON FUNCTION take_customer_step(customers, text, jsonb) IS
'records the next action for a customer; returns why it cannot be sent, or null';
REVOKE ALL ON FUNCTION take_customer_step(customers, text, jsonb) FROM PUBLIC;

/* Is a step on its way, or does its event wait to be applied? */
CREATE FUNCTION step_is_open(of_action bigint) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.pending_actions p
		WHERE p.action_id = of_action)
	OR EXISTS (
		SELECT FROM partner_api.mirror_backlog b
		JOIN partner_api.object_events e ON e.event_id = b.event_id
		WHERE e.action_id = of_action)
$$;
COMMENT ON FUNCTION step_is_open(bigint) IS
'has what an action came to not reached the mirror yet?';
REVOKE ALL ON FUNCTION step_is_open(bigint) FROM PUBLIC;

/*
 * Is there a reason to tell the provider anything: an invoice that waits for
 * its charge, or messages that somebody wants or does not want any more?
 */
CREATE FUNCTION customer_is_wanted(of_server name, of_customer text)
RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.invoices i
		WHERE i.server = of_server AND i.customer_ref = of_customer
		  AND i.status IN ('waiting', 'failed') AND i.action_id IS NULL)
	OR EXISTS (
		SELECT FROM partner_api.customers c
		WHERE c.server = of_server AND c.customer_ref = of_customer
		  AND c.sending_set AND c.customer_id IS NOT NULL
		  AND CASE WHEN partner_api.wants_silence(c)
				   THEN c.notifications_disabled IS NOT TRUE
				   ELSE coalesce(c.notifications_disabled, false)
						OR coalesce(c.switches, '{"email": true, "sms": true}')
						   <> partner_api.wanted_switches(c) END)
$$;
COMMENT ON FUNCTION customer_is_wanted(name, text) IS
'is the provider to be told anything of a customer now?';
REVOKE ALL ON FUNCTION customer_is_wanted(name, text) FROM PUBLIC;

/*
 * The invoices of a customer go as far as they can.  One who was refused stays
 * so until somebody clears the reason.
 */
CREATE FUNCTION further_customer(of_server name, of_customer text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers;
	step record;
	why text;
BEGIN
	IF NOT partner_api.customer_is_wanted(of_server, of_customer) THEN
		RETURN;
	END IF;
	SELECT c.* INTO customer FROM partner_api.customers c
	WHERE c.server = of_server AND c.customer_ref = of_customer
	FOR UPDATE;
	why := CASE
		WHEN customer.customer_ref IS NULL
			THEN format('customer_ref "%s" is not known here', of_customer)
		WHEN customer.deleted_at IS NOT NULL
			THEN 'the customer was deleted at the provider'
		ELSE customer.reason END;
	IF why IS NULL AND partner_api.step_is_open(customer.step_action_id) THEN
		RETURN;
	END IF;
	IF why IS NULL THEN
		step := partner_api.customer_step(customer);
		IF step.kind IS NULL THEN
			/* in an order that the index of a customer's invoices has */
			PERFORM partner_api.charge_invoice(w.invoice_id)
			FROM (
				SELECT i.invoice_id FROM partner_api.invoices i
				WHERE i.server = of_server AND i.customer_ref = of_customer
				  AND i.status IN ('waiting', 'failed')
				  AND i.action_id IS NULL
				ORDER BY i.period_start, i.invoice_id) w;
			RETURN;
		END IF;
		why := partner_api.take_customer_step(customer, step.kind,
											  step.arguments);
	END IF;
	PERFORM partner_api.fail_waiting_invoices(of_server, of_customer, why);
END
$$;
COMMENT ON FUNCTION further_customer(name, text) IS
'takes the next step from a customer''s waiting invoices to their charges; may be called any number of times';
REVOKE ALL ON FUNCTION further_customer(name, text) FROM PUBLIC;
