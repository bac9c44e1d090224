/*
 * What follows when an invoice is overdue for longer than its plan tolerates,
 * and what a payment undoes and allows.
 *
 * A step strikes an invoice or one of the instances that its subscription is
 * for.  It is taken once, as a row that comes before what it does, so that two
 * runs at the same time do it once; one that did not succeed has its reason,
 * and is tried again by the next run.
 */

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
