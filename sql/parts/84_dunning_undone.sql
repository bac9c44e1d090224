/*
 * What a payment undoes of dunning, and what it allows.
 *
 * The worker records payments too, and waits for nobody: an event whose rows a
 * session holds is applied later, and a sign that one holds is let go later.
 */

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
	WHERE d.undone_at IS NULL AND d.step_id = ANY (ARRAY(
		/* each by an index: an OR of them would read all invoices */
		SELECT o.step_id
		FROM partner_api.invoices w
		JOIN partner_api.dunning_steps o ON o.invoice_id = w.invoice_id
		WHERE w.server = invoice.server
		  AND w.subscription_id = invoice.subscription_id
		UNION
		SELECT o.step_id
		FROM partner_api.subscription_instances(invoice.server,
			invoice.subscription_id) i
		JOIN partner_api.dunning_steps o
			ON o.instance_server = i.server AND o.instance_id = i.instance_id
		WHERE o.instance_id IS NOT NULL AND o.undone_at IS NULL));
	PERFORM partner_api.release_signs();
	PERFORM partner_api.wake_worker();
END
$$;
COMMENT ON FUNCTION undo_dunning(bigint) IS
'undoes what can be undone of the dunning of an invoice that is paid, unless its subscription has another that is overdue for too long';
REVOKE ALL ON FUNCTION undo_dunning(bigint) FROM PUBLIC;

/*
 * What undo_dunning() was not called for: another policy, say.  Whoever runs it
 * locks subscriptions in the same order.
 */
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
		GROUP BY v.server, v.subscription_id
		ORDER BY v.server, v.subscription_id) u;
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
