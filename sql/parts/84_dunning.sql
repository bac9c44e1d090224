/*
 * What follows when an invoice is overdue for longer than its plan tolerates,
 * and what a payment undoes and allows.
 *
 * A step strikes an invoice or one of the instances that its subscription is
 * for.  It is taken once, as a row that comes before what it does, so that two
 * runs at the same time do it once; one that did not succeed has its reason,
 * and is tried again by the next run.
 */

/*
 * A subscription without an instance of its own is for all instances of its
 * customer that no other one names.  What is billed apart is not ours to end.
 */
CREATE FUNCTION subscription_instances(of_server name, of_subscription text)
RETURNS SETOF instances
LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT i.*
	FROM subscriptions s
		 JOIN instances i
			ON i.server = s.instance_server
			   AND i.instance_id = s.instance_id
	WHERE s.server = of_server AND s.subscription_id = of_subscription
	UNION ALL
	SELECT i.*
	FROM subscriptions s
		 JOIN instances i ON i.customer_ref = s.customer_ref
	WHERE s.server = of_server AND s.subscription_id = of_subscription
		  AND s.instance_id IS NULL AND NOT i.billed_apart
		  AND NOT EXISTS (
			SELECT FROM subscriptions o
			WHERE o.instance_server = i.server
				  AND o.instance_id = i.instance_id
				  AND o.origin = 'local'
				  AND o.status NOT IN ('cancelled', 'expired'));
END;
COMMENT ON FUNCTION subscription_instances(name, text) IS
'the instances that a subscription of our own is for: the one that it names, or all of its customer that no other subscription names';
REVOKE ALL ON FUNCTION subscription_instances(name, text) FROM PUBLIC;

/* OFFSET 0: asked once for each server, not once for each of its invoices. */
CREATE VIEW server_days AS
SELECT f.srvname AS server, server_zone(f.srvname) AS time_zone,
	   server_day(f.srvname) AS today
FROM pg_catalog.pg_foreign_server f
	 JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
WHERE w.fdwname = 'partner_api'
OFFSET 0;
COMMENT ON VIEW server_days IS
'which day it is at each server';
COMMENT ON COLUMN server_days.server IS
'foreign server';
COMMENT ON COLUMN server_days.time_zone IS
'zone of its days: its option time_zone';
COMMENT ON COLUMN server_days.today IS
'the day there, by clock()';

/*
 * Nobody loses an instance for what we have not heard: before anything is
 * done, the provider must have shown the charge unpaid on a day on which it
 * was overdue for too long already.  A payment in any other state than these
 * three is under way, in dispute, or of a sort that is not known here.
 */
CREATE VIEW overdue_invoices AS
SELECT o.invoice_id, o.server, o.customer_ref, o.subscription_id,
	   o.plan_server, o.plan_id, o.amount_cents, o.charge_id,
	   o.payment_status, o.due_on, o.days_overdue, o.tolerance_days,
	   o.days_overdue > o.tolerance_days AS beyond_tolerance,
	   o.dunning,
	   CASE
		   WHEN o.days_overdue <= o.tolerance_days
			   THEN 'the tolerance of the plan'
		   WHEN o.deleted OR o.payment_status IS NULL
				OR o.payment_status NOT IN ('PENDING', 'OVERDUE',
											'DUNNING_REQUESTED')
			   THEN 'the payment, which is '
					|| coalesce(CASE WHEN o.deleted THEN 'deleted' END,
								o.payment_status, 'not known')
		   WHEN o.shown_on IS NULL
				OR o.shown_on <= o.due_on + o.tolerance_days
			   THEN 'refresh_payments(): the provider was not asked since'
	   END AS waits_for
FROM (
	SELECT v.invoice_id, v.server, v.customer_ref, v.subscription_id,
		   v.plan_server, v.plan_id, v.amount_cents, v.charge_id,
		   p.status AS payment_status, p.deleted,
		   coalesce(p.due_on, v.due_on) AS due_on,
		   d.today - coalesce(p.due_on, v.due_on) AS days_overdue,
		   coalesce(l.tolerance_period, 0) AS tolerance_days,
		   coalesce(t.dunning, 'notify') AS dunning,
		   (greatest(p.polled_at, p.observed_at)
			AT TIME ZONE d.time_zone)::date AS shown_on
	FROM server_days d
		 JOIN invoices v ON v.server = d.server
		 LEFT JOIN payments p
			ON p.server = v.server AND p.charge_id = v.charge_id
		 LEFT JOIN plans l
			ON l.server = v.plan_server AND l.plan_id = v.plan_id
		 LEFT JOIN plan_terms t
			ON t.server = v.plan_server AND t.plan_id = v.plan_id
	WHERE v.status IN ('open', 'overdue')
		  AND v.due_on < d.today) o
WHERE o.days_overdue > 0;
COMMENT ON VIEW overdue_invoices IS
'unpaid invoices whose due day has passed, and what dunning has in store for them';
COMMENT ON COLUMN overdue_invoices.invoice_id IS
'see invoices';
COMMENT ON COLUMN overdue_invoices.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN overdue_invoices.customer_ref IS
'see customers';
COMMENT ON COLUMN overdue_invoices.subscription_id IS
'see subscriptions';
COMMENT ON COLUMN overdue_invoices.plan_server IS
'foreign server of the plan';
COMMENT ON COLUMN overdue_invoices.plan_id IS
'see plans';
COMMENT ON COLUMN overdue_invoices.amount_cents IS
'what the invoice charges';
COMMENT ON COLUMN overdue_invoices.charge_id IS
'see payments';
COMMENT ON COLUMN overdue_invoices.payment_status IS
'the provider''s word for the state of the payment';
COMMENT ON COLUMN overdue_invoices.due_on IS
'day on which it was due, as the provider has it by now';
COMMENT ON COLUMN overdue_invoices.days_overdue IS
'days since then, in the server''s zone';
COMMENT ON COLUMN overdue_invoices.tolerance_days IS
'days that the plan tolerates';
COMMENT ON COLUMN overdue_invoices.beyond_tolerance IS
'it is overdue for longer than that';
COMMENT ON COLUMN overdue_invoices.dunning IS
'what follows then, by the terms of the plan: see plan_terms';
COMMENT ON COLUMN overdue_invoices.waits_for IS
'what run_dunning() waits for before it does that; null: nothing';

/* ---- the rules ---- */

/*
 * What a policy does to one instance.  A trial is never cancelled: it is not
 * signed, and ends by itself; so a payment that comes before its end saves it.
 * What runs is cancelled before it is deleted, where the provider has that,
 * and deleted when its service has ended.
 */
CREATE FUNCTION dunning_step(policy text, status text, trial_end text,
							 can_cancel boolean)
RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE
	WHEN policy NOT IN ('stop_signing', 'cancel_instance', 'delete_instance')
		THEN NULL
	WHEN status = 'trial'
		THEN CASE WHEN trial_end IN ('sign', 'ask') THEN 'stop_signing' END
	WHEN policy = 'stop_signing' THEN NULL
	WHEN policy = 'cancel_instance'
		THEN CASE WHEN status IN ('signed', 'unknown')
				  THEN 'cancel_instance' END
	WHEN can_cancel AND status IN ('signed', 'unknown')
		THEN 'cancel_instance'
	WHEN status = 'ended'
		 OR (NOT can_cancel AND status IN ('signed', 'cancelling', 'unknown'))
		THEN 'delete_instance'
END;
COMMENT ON FUNCTION dunning_step(text, text, text, boolean) IS
'what a policy of dunning does to an instance in this state; null: nothing';
REVOKE ALL ON FUNCTION dunning_step(text, text, text, boolean) FROM PUBLIC;

/* What the provider of a server has. */
CREATE FUNCTION server_supports(server name, kind text) RETURNS boolean
AS 'MODULE_PATHNAME', 'partner_api_server_supports'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION server_supports(name, text) IS
'has the provider of a server this operation? Null if there is no such server';
REVOKE ALL ON FUNCTION server_supports(name, text) FROM PUBLIC;

/*
 * Is an instance one of a customer who does not pay?  Asked for each new
 * trial, so it is two look-ups.
 */
CREATE FUNCTION is_dunned(of_server name, of_instance text,
						  of_customer text)
RETURNS boolean
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (
		SELECT FROM partner_api.subscriptions s
		WHERE s.instance_server = of_server AND s.instance_id = of_instance
		  AND s.origin = 'local' AND s.status = 'suspended')
	OR (EXISTS (
			SELECT FROM partner_api.subscriptions s
			WHERE s.customer_ref = of_customer AND s.instance_id IS NULL
			  AND s.origin = 'local' AND s.status = 'suspended')
		AND NOT EXISTS (
			SELECT FROM partner_api.subscriptions o
			WHERE o.instance_server = of_server
			  AND o.instance_id = of_instance AND o.origin = 'local'
			  AND o.status NOT IN ('cancelled', 'expired')));
END
$$;
COMMENT ON FUNCTION is_dunned(name, text, text) IS
'has the instance a suspended subscription of our own?';
REVOKE ALL ON FUNCTION is_dunned(name, text, text) FROM PUBLIC;

/* ---- taking steps ---- */

/* What run_dunning() is to do now, in the order in which it does it. */
CREATE FUNCTION dunning_wanted(of_server name, caller text)
RETURNS TABLE (invoice_id bigint, step text, instance_server name,
			   instance_id text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT o.invoice_id, w.step, w.server, w.instance_id
	FROM partner_api.overdue_invoices o
	JOIN pg_foreign_server f ON f.srvname = o.server
	CROSS JOIN LATERAL (
		SELECT 'notify' AS step, NULL::name AS server,
			   NULL::text AS instance_id
		UNION ALL
		SELECT partner_api.dunning_step(o.dunning, i.status, i.trial_end,
				coalesce(partner_api.server_supports(i.server,
													 'cancel_instance'),
						 true)),
			   i.server, i.instance_id
		FROM partner_api.subscription_instances(o.server,
												o.subscription_id) i
		WHERE o.dunning <> 'notify') w
	WHERE o.beyond_tolerance AND o.waits_for IS NULL
	  AND o.dunning <> 'none' AND w.step IS NOT NULL
	  AND (of_server IS NULL OR o.server = of_server)
	  AND has_server_privilege(caller, f.oid, 'USAGE')
	  AND NOT EXISTS (
		SELECT FROM partner_api.dunning_steps s
		WHERE s.instance_server = w.server AND s.instance_id = w.instance_id
		  AND s.step = w.step AND s.undone_at IS NULL
		  AND (s.action_id IS NOT NULL OR s.reason IS NULL))
	  /* somebody may have wanted the same */
	  AND NOT EXISTS (
		SELECT FROM partner_api.pending_actions p
		WHERE p.server = w.server AND p.instance_id = w.instance_id
		  AND p.kind = w.step)
	  AND (w.instance_id IS NOT NULL OR NOT EXISTS (
		SELECT FROM partner_api.dunning_steps s
		WHERE s.invoice_id = o.invoice_id AND s.instance_id IS NULL
		  AND s.undone_at IS NULL))
	ORDER BY o.invoice_id, w.instance_id NULLS FIRST, w.server;
END
$$;
COMMENT ON FUNCTION dunning_wanted(name, text) IS
'steps of dunning that are to be taken on behalf of a caller';
REVOKE ALL ON FUNCTION dunning_wanted(name, text) FROM PUBLIC;

/* As enqueue_...() does it for its caller, with the same checks. */
CREATE FUNCTION enqueue_for(caller text, server name, kind text,
							instance_id text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'partner_api_enqueue_for'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION enqueue_for(text, name, text, text) IS
'enqueues an action without arguments on behalf of a caller';
REVOKE ALL ON FUNCTION enqueue_for(text, name, text, text) FROM PUBLIC;

/* A trial that nobody pays for is not signed of our own accord. */
CREATE FUNCTION hold_sign(of_server name, of_instance text,
						  of_invoice bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sign partner_api.pending_actions;
BEGIN
	SELECT p.* INTO sign FROM partner_api.pending_actions p
	WHERE p.server = of_server AND p.instance_id = of_instance
	  AND p.kind = 'sign_instance' AND p.automatic
	ORDER BY p.action_id LIMIT 1 FOR UPDATE;
	IF sign.state NOT IN ('waiting', 'held') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('action %s, which signs the instance, is %s',
							 sign.action_id, sign.state);
	END IF;
	UPDATE partner_api.pending_actions p
	SET state = 'held', held_for = 'dunning',
		last_error = format('invoice %s is overdue', of_invoice)
	WHERE p.action_id = sign.action_id
	  AND p.held_for IS DISTINCT FROM 'dunning';
	RETURN sign.action_id;
END
$$;
COMMENT ON FUNCTION hold_sign(name, text, bigint) IS
'holds the sign action of a trial until its customer has paid; null if it has none';
REVOKE ALL ON FUNCTION hold_sign(name, text, bigint) FROM PUBLIC;

/*
 * Any role may listen: ids alone, and the words of a provider only in the
 * server's log.
 */
CREATE FUNCTION announce_dunning(event text, step dunning_steps)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
BEGIN
	SELECT v.* INTO STRICT invoice FROM partner_api.invoices v
	WHERE v.invoice_id = step.invoice_id;
	PERFORM pg_notify('partner_api', jsonb_strip_nulls(jsonb_build_object(
		'event', event, 'server', invoice.server,
		'invoice_id', invoice.invoice_id,
		'customer_ref', invoice.customer_ref, 'step', step.step,
		'instance_server', step.instance_server,
		'instance_id', step.instance_id,
		'action_id', coalesce(step.undo_action_id, step.action_id)))::text);
	RAISE LOG 'partner_api %: invoice % of customer "%" at server "%": %',
		event, invoice.invoice_id, invoice.customer_ref, invoice.server,
		concat_ws(' ', step.step, step.instance_id,
				  '(' || step.reason || ')');
END
$$;
COMMENT ON FUNCTION announce_dunning(text, dunning_steps) IS
'says that a step of dunning was taken, failed or was undone';
REVOKE ALL ON FUNCTION announce_dunning(text, dunning_steps) FROM PUBLIC;

/* What a step does; returns the action that it enqueued or held, if any. */
CREATE FUNCTION do_dunning_step(step dunning_steps, caller text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF step.step = 'notify' THEN
		RETURN NULL;
	ELSIF step.step = 'stop_signing' THEN
		PERFORM partner_api.check_use(step.instance_server, caller,
									  'sign_instance');
		RETURN partner_api.hold_sign(step.instance_server, step.instance_id,
									 step.invoice_id);
	END IF;
	RETURN partner_api.enqueue_for(caller, step.instance_server, step.step,
								   step.instance_id);
END
$$;
COMMENT ON FUNCTION do_dunning_step(dunning_steps, text) IS
'does what a step of dunning says, with the rights of a caller';
REVOKE ALL ON FUNCTION do_dunning_step(dunning_steps, text) FROM PUBLIC;

/*
 * Take one step; null if another run has taken it, or it has failed as before.
 * What fails is undone and leaves its reason, which is announced once.
 */
CREATE FUNCTION take_dunning_step(of_invoice bigint, of_step text,
	of_server name, of_instance text, caller text)
RETURNS dunning_steps
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	taken partner_api.dunning_steps;
	failed_before text;
BEGIN
	UPDATE partner_api.dunning_steps s SET taken_at = partner_api.clock()
	WHERE s.instance_server = of_server AND s.instance_id = of_instance
	  AND s.step = of_step AND s.undone_at IS NULL
	  AND s.action_id IS NULL AND s.reason IS NOT NULL
	RETURNING s.* INTO taken;
	IF NOT FOUND THEN
		INSERT INTO partner_api.dunning_steps AS s
			(invoice_id, step, instance_server, instance_id, taken_at)
		VALUES (of_invoice, of_step, of_server, of_instance,
				partner_api.clock())
		ON CONFLICT DO NOTHING RETURNING s.* INTO taken;
		IF NOT FOUND THEN
			RETURN NULL;
		END IF;
	END IF;
	failed_before := taken.reason;
	taken.reason := NULL;
	BEGIN
		taken.action_id := partner_api.do_dunning_step(taken, caller);
	EXCEPTION WHEN OTHERS THEN
		taken.reason := SQLERRM;
	END;
	UPDATE partner_api.dunning_steps s
	SET action_id = taken.action_id, reason = taken.reason
	WHERE s.step_id = taken.step_id;
	IF taken.reason = failed_before THEN
		RETURN NULL;
	END IF;
	PERFORM partner_api.announce_dunning(
		CASE WHEN taken.reason IS NULL THEN 'dunning'
			 ELSE 'dunning_failed' END, taken);
	RETURN taken;
END
$$;
COMMENT ON FUNCTION take_dunning_step(bigint, text, name, text, text) IS
'takes a step of dunning on behalf of a caller, unless it is taken';
REVOKE ALL ON FUNCTION take_dunning_step(bigint, text, name, text, text)
	FROM PUBLIC;

/* The subscription of an invoice that is overdue for too long. */
CREATE FUNCTION mark_dunned(of_invoice bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.subscriptions s
	SET status = m.status,
		suspended_at = CASE m.status WHEN 'suspended'
							THEN coalesce(s.suspended_at, partner_api.clock())
							END
	FROM partner_api.overdue_invoices o
	CROSS JOIN LATERAL (
		SELECT CASE WHEN o.dunning = 'notify' THEN 'past_due'
					ELSE 'suspended' END AS status) m
	WHERE o.invoice_id = of_invoice
	  AND s.server = o.server AND s.subscription_id = o.subscription_id
	  AND s.origin = 'local'
	  AND s.status NOT IN (m.status, 'suspended', 'cancelled', 'expired');
END
$$;
COMMENT ON FUNCTION mark_dunned(bigint) IS
'marks the subscription of an invoice as past_due or suspended';
REVOKE ALL ON FUNCTION mark_dunned(bigint) FROM PUBLIC;

/*
 * What the provider refused of what was enqueued before: the step has its
 * words, and is not taken again.  What a dry run has shown is taken again when
 * the server is live.
 */
CREATE FUNCTION note_dunning_refusals() RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refused partner_api.dunning_steps;
BEGIN
	FOR refused IN
		UPDATE partner_api.dunning_steps s
		SET reason = CASE WHEN h.dry_run THEN 'it was a dry run'
						  ELSE coalesce(h.last_error,
										'the action was ' || h.state) END
		FROM partner_api.action_history h
		WHERE h.action_id = coalesce(s.undo_action_id, s.action_id)
		  AND h.state <> 'done' AND s.reason IS NULL
		  AND (s.undone_at IS NULL OR s.undo_action_id IS NOT NULL)
		RETURNING s.*
	LOOP
		PERFORM partner_api.announce_dunning('dunning_failed', refused);
	END LOOP;
	UPDATE partner_api.dunning_steps s SET action_id = NULL
	FROM partner_api.action_history h
	JOIN pg_foreign_server f ON f.srvname = h.server
	WHERE h.action_id = s.action_id AND h.dry_run
	  AND s.undone_at IS NULL
	  AND 'mode=dry_run' <> ALL (coalesce(f.srvoptions, '{}'));
END
$$;
COMMENT ON FUNCTION note_dunning_refusals() IS
'gives steps of dunning whose actions came to nothing their reason';
REVOKE ALL ON FUNCTION note_dunning_refusals() FROM PUBLIC;

/* ---- undoing them ---- */

/* Let go the signs that were held for customers who have paid since. */
CREATE FUNCTION release_signs() RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.pending_actions p
	SET state = CASE WHEN h.unapproved THEN 'held' ELSE 'waiting' END,
		held_for = CASE WHEN h.unapproved THEN 'approval' END,
		last_error = NULL
	FROM (
		SELECT q.action_id,
			   i.trial_end = 'ask' AND NOT EXISTS (
				SELECT FROM partner_api.trial_approvals a
				WHERE a.server = q.server
				  AND a.instance_id = q.instance_id) AS unapproved
		FROM partner_api.pending_actions q
		JOIN partner_api.instances i
			ON i.server = q.server AND i.instance_id = q.instance_id
		WHERE q.state = 'held' AND q.held_for = 'dunning'
		  AND NOT partner_api.is_dunned(q.server, q.instance_id,
										i.customer_ref)
		FOR UPDATE OF q SKIP LOCKED) h
	WHERE p.action_id = h.action_id;
END
$$;
COMMENT ON FUNCTION release_signs() IS
'lets go the sign actions that dunning held and has no reason any more to hold';
REVOKE ALL ON FUNCTION release_signs() FROM PUBLIC;

/* What was not sent is not wanted any more, nor the disconnect before it. */
CREATE FUNCTION withdraw_dunning(step dunning_steps) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	withdrawn boolean;
BEGIN
	PERFORM FROM partner_api.pending_actions p
	WHERE p.action_id = step.action_id AND p.state IN ('waiting', 'held')
	FOR UPDATE;
	withdrawn := FOUND;
	PERFORM partner_api.close_action(p.action_id, 'cancelled',
		'withdrawn: the invoice is not overdue any more', NULL, NULL)
	FROM partner_api.pending_actions p
	WHERE withdrawn AND p.server = step.instance_server
	  AND p.instance_id = step.instance_id
	  AND (p.action_id = step.action_id
		   OR (p.kind = 'disconnect_instance' AND p.automatic
			   AND p.state = 'waiting' AND p.action_id < step.action_id));
	RETURN withdrawn;
END
$$;
COMMENT ON FUNCTION withdraw_dunning(dunning_steps) IS
'withdraws what a step of dunning enqueued; false if it was sent before';
REVOKE ALL ON FUNCTION withdraw_dunning(dunning_steps) FROM PUBLIC;

/*
 * No provider can take a cancel back.  Signing the instance again costs money,
 * so it is done only where the terms of the plan say so, and may be refused as
 * long as the instance is in cancellation.
 */
CREATE FUNCTION resume_instance(instance instances, resume text,
	OUT action_id bigint, OUT reason text)
RETURNS record
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF coalesce(instance.status IN ('deleted', 'lapsed'), true) THEN
		reason := 'it was cancelled, and does not exist any more';
	ELSIF resume IS DISTINCT FROM 'sign' THEN
		reason := 'it was cancelled: signing it again is left to you';
	ELSE
		SELECT partner_api.enqueue_for(pg_get_userbyid(f.srvowner), f.srvname,
				'sign_instance', instance.instance_id) INTO STRICT action_id
		FROM pg_foreign_server f WHERE f.srvname = instance.server;
	END IF;
EXCEPTION WHEN OTHERS THEN
	reason := 'it was cancelled, and cannot be signed again: ' || SQLERRM;
END
$$;
COMMENT ON FUNCTION resume_instance(instances, text) IS
'signs an instance again that dunning cancelled, or says why not';
REVOKE ALL ON FUNCTION resume_instance(instances, text) FROM PUBLIC;

/*
 * What another subscription of the instance demands as well stays as it is.
 * An action that was sent, with whatever outcome, may have had its effect.
 */
CREATE FUNCTION undo_dunning_step(step dunning_steps, resume text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	instance partner_api.instances;
	had_effect boolean := false;
	undone partner_api.dunning_steps := step;
BEGIN
	SELECT i.* INTO instance FROM partner_api.instances i
	WHERE i.server = step.instance_server
	  AND i.instance_id = step.instance_id;
	IF partner_api.is_dunned(instance.server, instance.instance_id,
							 instance.customer_ref) THEN
		RETURN;
	END IF;
	IF step.step IN ('cancel_instance', 'delete_instance')
	   AND step.action_id IS NOT NULL THEN
		had_effect := NOT partner_api.withdraw_dunning(step)
			AND NOT EXISTS (
				SELECT FROM partner_api.action_history h
				WHERE h.action_id = step.action_id AND h.state <> 'done');
	END IF;
	IF step.step = 'stop_signing' AND instance.status <> 'trial' THEN
		undone.reason := 'the trial has ended';
	ELSIF had_effect AND step.step = 'delete_instance' THEN
		undone.reason := 'it was deleted, which nothing undoes';
	ELSIF had_effect THEN
		SELECT r.action_id, r.reason
		INTO undone.undo_action_id, undone.reason
		FROM partner_api.resume_instance(instance, resume) r;
	END IF;
	undone.undone_at := partner_api.clock();
	UPDATE partner_api.dunning_steps s
	SET undone_at = undone.undone_at, reason = undone.reason,
		undo_action_id = undone.undo_action_id
	WHERE s.step_id = step.step_id;
	PERFORM partner_api.announce_dunning(
		CASE WHEN undone.reason IS NOT DISTINCT FROM step.reason
			 THEN 'dunning_undone' ELSE 'dunning_not_undone' END, undone)
	WHERE step.step <> 'notify';
END
$$;
COMMENT ON FUNCTION undo_dunning_step(dunning_steps, text) IS
'undoes a step of dunning as far as it can be undone';
REVOKE ALL ON FUNCTION undo_dunning_step(dunning_steps, text) FROM PUBLIC;

/*
 * Called by whatever records a payment, so it is quick where nothing was done.
 * Of two payments of one subscription at the same time the second sees the
 * first: the lock is for that.
 */
CREATE FUNCTION undo_dunning(of_invoice bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	invoice partner_api.invoices;
BEGIN
	SELECT v.* INTO invoice FROM partner_api.invoices v
	JOIN partner_api.subscriptions s
		ON s.server = v.server AND s.subscription_id = v.subscription_id
	WHERE v.invoice_id = of_invoice AND s.origin = 'local'
	  AND (s.status IN ('past_due', 'suspended') OR EXISTS (
		SELECT FROM partner_api.dunning_steps d
		WHERE d.invoice_id = of_invoice AND d.undone_at IS NULL));
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM FROM partner_api.subscriptions s
	WHERE s.server = invoice.server
	  AND s.subscription_id = invoice.subscription_id FOR UPDATE;
	IF EXISTS (
			SELECT FROM partner_api.overdue_invoices o
			WHERE o.server = invoice.server
			  AND o.subscription_id = invoice.subscription_id
			  AND o.beyond_tolerance AND o.dunning <> 'none') THEN
		RETURN;
	END IF;
	UPDATE partner_api.subscriptions s
	SET status = 'active', suspended_at = NULL
	WHERE s.server = invoice.server
	  AND s.subscription_id = invoice.subscription_id
	  AND s.status IN ('past_due', 'suspended');
	PERFORM partner_api.undo_dunning_step(d, t.resume)
	FROM partner_api.dunning_steps d
	JOIN partner_api.invoices v ON v.invoice_id = d.invoice_id
	LEFT JOIN partner_api.plan_terms t
		ON t.server = v.plan_server AND t.plan_id = v.plan_id
	WHERE d.undone_at IS NULL
	  AND ((v.server = invoice.server
			AND v.subscription_id = invoice.subscription_id)
		   OR (d.instance_server, d.instance_id) IN (
			SELECT i.server, i.instance_id
			FROM partner_api.subscription_instances(invoice.server,
				invoice.subscription_id) i));
	PERFORM partner_api.release_signs();
	PERFORM partner_api.wake_worker();
END
$$;
COMMENT ON FUNCTION undo_dunning(bigint) IS
'undoes what can be undone of the dunning of an invoice that is paid, unless its subscription has another that is overdue for too long';
REVOKE ALL ON FUNCTION undo_dunning(bigint) FROM PUBLIC;

/* What undo_dunning() was not called for: another policy, say. */
CREATE FUNCTION settle_dunning(of_server name, caller text) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.undo_dunning(u.invoice_id)
	FROM (
		SELECT max(v.invoice_id) AS invoice_id
		FROM partner_api.dunning_steps d
		JOIN partner_api.invoices v ON v.invoice_id = d.invoice_id
		JOIN pg_foreign_server f ON f.srvname = v.server
		WHERE d.undone_at IS NULL
		  AND (of_server IS NULL OR v.server = of_server)
		  AND has_server_privilege(caller, f.oid, 'USAGE')
		  AND (v.server, v.subscription_id) NOT IN (
			SELECT o.server, o.subscription_id
			FROM partner_api.overdue_invoices o
			WHERE o.beyond_tolerance AND o.dunning <> 'none')
		GROUP BY v.server, v.subscription_id) u;
	PERFORM partner_api.release_signs();
END
$$;
COMMENT ON FUNCTION settle_dunning(name, text) IS
'undoes the dunning of what is not overdue any more';
REVOKE ALL ON FUNCTION settle_dunning(name, text) FROM PUBLIC;

/* ---- trials that a payment approves ---- */

/* Approves on behalf of the server's owner: who pays is no role here. */
CREATE FUNCTION approve_paid_trials(of_invoice bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO partner_api.trial_approvals
		(server, instance_id, approved_at, approved_by)
	SELECT i.server, i.instance_id, partner_api.clock(),
		   pg_get_userbyid(f.srvowner)
	FROM partner_api.invoices v
	CROSS JOIN LATERAL partner_api.subscription_instances(v.server,
		v.subscription_id) i
	JOIN pg_foreign_server f ON f.srvname = i.server
	WHERE v.invoice_id = of_invoice AND i.status = 'trial'
	  AND i.trial_end = 'ask'
	ON CONFLICT (server, instance_id) DO NOTHING;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	/* what is locked is let go by the worker's upkeep */
	UPDATE partner_api.pending_actions p
	SET state = 'waiting', held_for = NULL
	WHERE p.action_id IN (
		SELECT q.action_id
		FROM partner_api.invoices v
		CROSS JOIN LATERAL partner_api.subscription_instances(v.server,
			v.subscription_id) i
		JOIN partner_api.trial_approvals a
			ON a.server = i.server AND a.instance_id = i.instance_id
		JOIN partner_api.pending_actions q
			ON q.server = i.server AND q.instance_id = i.instance_id
		WHERE v.invoice_id = of_invoice AND q.state = 'held'
		  AND q.held_for = 'approval'
		FOR UPDATE OF q SKIP LOCKED);
	PERFORM partner_api.wake_worker();
END
$$;
COMMENT ON FUNCTION approve_paid_trials(bigint) IS
'approves the trials with trial_end = ask that a paid invoice is for';
REVOKE ALL ON FUNCTION approve_paid_trials(bigint) FROM PUBLIC;

/* ---- the routine ---- */

/*
 * An invoice is locked before its first step, so that a payment that is being
 * recorded comes before all of them, and is then seen here, or after them, and
 * undoes them.
 */
CREATE FUNCTION run_dunning_for(caller text, arguments jsonb)
RETURNS SETOF dunning_steps
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	of_server name := arguments->>'of_server';
	locked bigint := 0;
	wanted record;
	taken partner_api.dunning_steps;
BEGIN
	IF of_server IS NOT NULL THEN
		PERFORM partner_api.check_use(of_server, caller, 'create_charge');
	END IF;
	PERFORM partner_api.note_dunning_refusals();
	PERFORM partner_api.settle_dunning(of_server, caller);
	FOR wanted IN
		SELECT w.* FROM partner_api.dunning_wanted(of_server, caller) w
	LOOP
		IF wanted.invoice_id <> locked THEN
			PERFORM FROM partner_api.invoices v
			WHERE v.invoice_id = wanted.invoice_id
			  AND v.status IN ('open', 'overdue')
			FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND;
			locked := wanted.invoice_id;
			PERFORM partner_api.mark_dunned(wanted.invoice_id);
		END IF;
		taken := partner_api.take_dunning_step(wanted.invoice_id,
			wanted.step, wanted.instance_server, wanted.instance_id, caller);
		IF taken.step_id IS NOT NULL THEN
			RETURN NEXT taken;
		END IF;
	END LOOP;
	PERFORM partner_api.wake_worker();
END
$$;
COMMENT ON FUNCTION run_dunning_for(text, jsonb) IS
'run_dunning() on behalf of its caller';
REVOKE ALL ON FUNCTION run_dunning_for(text, jsonb) FROM PUBLIC;

CREATE FUNCTION run_dunning(of_server name DEFAULT NULL)
RETURNS SETOF dunning_steps
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION run_dunning(name) IS
'does what the terms of the plans say of invoices that are overdue for too long; returns the steps that it took';
REVOKE ALL ON FUNCTION run_dunning(name) FROM PUBLIC;
