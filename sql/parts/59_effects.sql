/*
 * Whose effect an instance is that is found at the provider, and what becomes
 * of one too many.  A create that was sent again on a person's word may have
 * had its effect before, under an older nonce, and that may show late.
 */
CREATE FUNCTION order_of_nonce(of_server name, of_nonce text,
	OUT action_id bigint, OUT customer_ref text, OUT state text,
	OUT nonces text[])
RETURNS record
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.action_id, o.customer_ref, o.state, o.nonces
	FROM (
		SELECT a.action_id, a.customer_ref, a.state, a.nonce || ARRAY(
				SELECT f.nonce FROM partner_api.former_nonces f
				WHERE f.action_id = a.action_id) AS nonces
		FROM (
			SELECT p.action_id, p.server, p.customer_ref, p.state, p.nonce
			FROM partner_api.pending_actions p
			UNION ALL
			SELECT h.action_id, h.server, h.customer_ref, h.state, h.nonce
			FROM partner_api.action_history h) a
		WHERE a.action_id = split_part(of_nonce, '-', 3)::bigint
		  AND a.server = of_server) o
	WHERE of_nonce = ANY (o.nonces)
$$;
COMMENT ON FUNCTION order_of_nonce(name, text) IS
'the create that sent a nonce, with all nonces that it has had; null if it is not known here';
REVOKE ALL ON FUNCTION order_of_nonce(name, text) FROM PUBLIC;

/*
 * Of several instances of one create the one that is recorded is its effect,
 * else the one that is in use, else the oldest.
 */
CREATE FUNCTION is_surplus(of_server name, of_instance text, of_action bigint,
	nonces text[], listing jsonb) RETURNS boolean
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM partner_api.instances i
		WHERE i.server = of_server AND i.action_id = of_action
		  AND i.origin <> 'surplus' AND i.instance_id <> of_instance)
	OR EXISTS (
		SELECT FROM (
			SELECT l.instance_id, row_number() OVER (
				ORDER BY l.status = 'deleted',
						 coalesce(l.status = 'signed' OR l.connected, false) DESC,
						 nullif(l.created_ms, 0), l.instance_id) AS place
			FROM jsonb_to_recordset(listing)
				 AS l (instance_id text, name text, status text,
					   connected boolean, created_ms bigint)
			WHERE substring(l.name FROM '\[([^][]*)\]$') = ANY (nonces)) n
		WHERE n.instance_id = of_instance AND n.place > 1)
$$;
COMMENT ON FUNCTION is_surplus(name, text, bigint, text[], jsonb) IS
'has the create of this instance another one?  The list is that of the server, null to compare with what is recorded alone';
REVOKE ALL ON FUNCTION is_surplus(name, text, bigint, text[], jsonb)
	FROM PUBLIC;

/*
 * An instance that is known here is the effect of a create that is open: the
 * action is done, and the instance is the order's.
 */
CREATE FUNCTION adopt_effect(of_action bigint, of_instance text,
	sign_lead interval, default_trial_end text, await_until bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ordered partner_api.pending_actions;
	instance partner_api.instances;
	event_id bigint;
	facts jsonb;
BEGIN
	SELECT p.* INTO STRICT ordered FROM partner_api.pending_actions p
	WHERE p.action_id = of_action;
	UPDATE partner_api.instances i
	SET name = ordered.arguments->>'name',
		customer_ref = ordered.customer_ref,
		trial_end = coalesce(ordered.arguments->>'trial_end',
							 default_trial_end),
		origin = 'adopted', action_id = of_action
	WHERE i.server = ordered.server AND i.instance_id = of_instance
	RETURNING i.* INTO STRICT instance;
	facts := jsonb_strip_nulls(jsonb_build_object(
		'name', instance.name,
		'customer_ref', instance.customer_ref,
		'status', instance.status,
		'trial_end', instance.trial_end,
		'trial_ends_at', instance.trial_ends_at,
		'sign_at',
		CASE WHEN instance.status = 'trial' AND instance.trial_end <> 'lapse'
			 THEN instance.trial_ends_at - sign_lead END,
		'await_until', await_until,
		'settings_asked',
		CASE WHEN await_until IS NOT NULL
			 THEN (ordered.arguments->'settings') - 'webhookUrlToken' END));
	PERFORM partner_api.close_action(of_action, 'done', NULL, of_instance,
									 facts::text);
	INSERT INTO partner_api.instance_events
		(server, instance_id, kind, occurred_at, action_id, details)
	VALUES (ordered.server, of_instance, 'adopted', partner_api.clock(),
			of_action, facts)
	RETURNING instance_events.event_id INTO event_id;
	/* one that was scheduled before follows another trial_end */
	PERFORM partner_api.close_action(s.action_id, 'cancelled',
		'not needed any more: the order has its own', NULL, NULL)
	FROM (
		SELECT p.action_id FROM partner_api.pending_actions p
		WHERE p.server = ordered.server AND p.instance_id = of_instance
		  AND p.kind = 'sign_instance' AND p.automatic
		  AND p.state IN ('waiting', 'held')
		FOR UPDATE) s;
	PERFORM partner_api.schedule_signs(ARRAY[event_id])
	WHERE NOT EXISTS (
		SELECT FROM partner_api.pending_actions p
		WHERE p.server = ordered.server AND p.instance_id = of_instance
		  AND p.kind = 'sign_instance');
	PERFORM partner_api.follow_readiness(ARRAY[event_id])
	WHERE await_until IS NOT NULL;
END
$$;
COMMENT ON FUNCTION adopt_effect(bigint, text, interval, text, bigint) IS
'closes an open create as done with this instance, which becomes the order''s';
REVOKE ALL ON FUNCTION adopt_effect(bigint, text, interval, text, bigint)
	FROM PUBLIC;

/*
 * A surplus instance is announced.  Where it costs money each day it is
 * deleted, unless somebody uses it; elsewhere its trial is left to lapse.
 * "signed" says no more there than that it exists: what counts is whether it
 * is connected.  One of which that is not known is asked; one that cannot be
 * asked, since its token is not known, is left to a person.
 */
CREATE FUNCTION dispose_of_surplus(of_server name, of_instance text,
	of_action bigint, remove boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	instance partner_api.instances;
	fate text;
BEGIN
	SELECT i.* INTO STRICT instance FROM partner_api.instances i
	WHERE i.server = of_server AND i.instance_id = of_instance;
	fate := CASE
		WHEN instance.connected
			 OR (instance.status = 'signed' AND NOT remove) THEN 'kept'
		WHEN NOT remove THEN 'left'
		WHEN instance.connected IS FALSE THEN 'deleted'
		WHEN EXISTS (
			SELECT FROM partner_api.instance_secrets s
			WHERE s.server = of_server AND s.instance_id = of_instance)
			THEN 'asked'
		ELSE 'stranded' END;
	PERFORM partner_api.announce('surplus', of_server, of_action, of_instance,
		format('instance %s at server "%s" is surplus: %s has another; %s',
			   of_instance, of_server,
			   coalesce('action ' || of_action, 'its order'),
			   CASE fate
			   WHEN 'kept' THEN 'it is in use and kept'
			   WHEN 'left' THEN 'its trial is left to lapse'
			   WHEN 'deleted' THEN 'it is deleted'
			   WHEN 'asked' THEN 'it is deleted unless it is connected'
			   ELSE 'its token is not known, so it cannot be asked whether it is connected: delete it if nobody needs it'
			   END));
	/* it may be as new as any, and not ready yet */
	PERFORM partner_api.schedule_automatic(of_server, 'await_instance',
		of_instance, jsonb_build_object('until', (1000 * extract(
			epoch FROM partner_api.clock() + interval '10 minutes'))::bigint))
	WHERE fate = 'asked';
	PERFORM partner_api.schedule_automatic(of_server, 'delete_instance',
										   of_instance, '{}')
	WHERE fate = 'deleted';
END
$$;
COMMENT ON FUNCTION dispose_of_surplus(name, text, bigint, boolean) IS
'announces a surplus instance, and schedules its deletion where it is to be removed';
REVOKE ALL ON FUNCTION dispose_of_surplus(name, text, bigint, boolean)
	FROM PUBLIC;
