/*
 * New instances that are not usable at once.  The worker asks for the state of
 * each until it is ready, or has had its time; then it reads back the settings
 * that were asked for, since a provider may lose them.  These actions are the
 * extension's own, and act on behalf of the server's owner.  PL/pgSQL keeps the
 * plans of what is asked for with each new instance.
 */
CREATE FUNCTION schedule_automatic(of_server name, of_kind text,
	of_instance text, with_arguments jsonb, of_customer text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_id bigint;
BEGIN
	INSERT INTO partner_api.pending_actions (action_id, server, kind, state,
		instance_id, arguments, customer_ref, run_at, nonce, fingerprint,
		requested_by, automatic, enqueued_at)
	SELECT n.id, of_server, of_kind, 'waiting', of_instance, with_arguments,
		   of_customer, c.now,
		   format('pa-%s-%s-%s', t.installation_id, n.id,
				  substr(replace(gen_random_uuid()::text, '-', ''), 1, 8)),
		   encode(sha256(convert_to(
				concat(of_kind, of_instance, of_customer), 'UTF8')), 'hex'),
		   coalesce((SELECT pg_get_userbyid(f.srvowner)
					 FROM pg_foreign_server f WHERE f.srvname = of_server),
					current_user),
		   true, c.now
	FROM (SELECT nextval('partner_api.action_id_seq') AS id) n
	CROSS JOIN (SELECT partner_api.clock() AS now) c
	CROSS JOIN (
		SELECT installation_id FROM partner_api.installation
		ORDER BY established_at, installation_id LIMIT 1) t
	RETURNING action_id INTO new_id;
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION schedule_automatic(name, text, text, jsonb, text) IS
'records an action of the extension''s own, due at once';
REVOKE ALL ON FUNCTION schedule_automatic(name, text, text, jsonb, text)
	FROM PUBLIC;

/* A surplus instance has told its state: delete it, unless somebody uses it. */
CREATE FUNCTION judge_surplus(instance instances) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.announce('surplus', instance.server,
		instance.action_id, instance.instance_id,
		format('surplus instance %s at server "%s" is %s',
			   instance.instance_id, instance.server,
			   CASE
			   WHEN instance.billed_apart
					THEN 'billed apart and kept'
			   WHEN instance.connected IS FALSE
					THEN 'not connected; it is deleted'
			   ELSE 'in use and kept' END));
	PERFORM partner_api.schedule_automatic(instance.server, 'delete_instance',
										   instance.instance_id, '{}')
	WHERE instance.connected IS FALSE AND NOT instance.billed_apart;
END
$$;
COMMENT ON FUNCTION judge_surplus(instances) IS
'schedules the deletion of a surplus instance that nobody uses';
REVOKE ALL ON FUNCTION judge_surplus(instances) FROM PUBLIC;

/* Settings were read back; that they differ is said once. */
CREATE FUNCTION note_settings(of_server name, of_instance text,
	of_action bigint, differing jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known jsonb;
BEGIN
	SELECT i.settings_differ INTO known FROM partner_api.instances i
	WHERE i.server = of_server AND i.instance_id = of_instance;
	UPDATE partner_api.instances i SET settings_differ = differing
	WHERE i.server = of_server AND i.instance_id = of_instance;
	PERFORM partner_api.announce('settings_differ', of_server, of_action,
		of_instance,
		format('instance %s at server "%s" has other settings than were asked for: %s',
			   of_instance, of_server, left(differing::text, 1000)))
	WHERE differing <> '{}' AND differing IS DISTINCT FROM known;
END
$$;
COMMENT ON FUNCTION note_settings(name, text, bigint, jsonb) IS
'keeps which settings of an instance differ from what was asked, and announces it if that is new';
REVOKE ALL ON FUNCTION note_settings(name, text, bigint, jsonb) FROM PUBLIC;

/*
 * What events about the readiness and the settings of instances change, and
 * what follows from them.  Called by the worker for its own events.
 */
CREATE FUNCTION follow_readiness(event_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	event partner_api.instance_events;
	instance partner_api.instances;
BEGIN
	FOR event IN
		SELECT e.* FROM partner_api.instance_events e
		WHERE e.event_id = ANY (event_ids)
		  AND e.kind IN ('created', 'adopted', 'rebooted', 'ready', 'unready',
						 'settings_changed', 'settings_checked')
		ORDER BY e.event_id
	LOOP
		UPDATE partner_api.instances i
		SET state = coalesce(event.details->>'state', i.state),
			connected = coalesce((event.details->>'connected')::boolean,
								 i.connected),
			ready_at = CASE event.kind
				WHEN 'ready' THEN coalesce(i.ready_at, event.occurred_at)
				ELSE i.ready_at END,
			settings_asked = nullif(coalesce(i.settings_asked, '{}')
				|| coalesce(event.details->'settings_asked', '{}'), '{}'),
			/* not known any more */
			settings_differ = CASE event.kind
				WHEN 'settings_changed' THEN NULL
				ELSE i.settings_differ END
		WHERE i.server = event.server AND i.instance_id = event.instance_id
		RETURNING i.* INTO instance;
		CONTINUE WHEN NOT FOUND OR instance.status = 'deleted';
		CASE event.kind
		WHEN 'created', 'adopted', 'rebooted' THEN
			PERFORM partner_api.schedule_automatic(event.server,
				'await_instance', event.instance_id,
				jsonb_build_object('until', event.details->'await_until'))
			WHERE event.details ? 'await_until'
			  AND instance.ready_at IS NULL;
		WHEN 'ready' THEN
			PERFORM partner_api.judge_surplus(instance)
			WHERE instance.origin = 'surplus';
			PERFORM partner_api.schedule_automatic(event.server,
				'check_settings', event.instance_id,
				jsonb_build_object('settings', instance.settings_asked,
					'until', event.details->'await_until'))
			WHERE instance.origin <> 'surplus'
			  AND instance.settings_asked IS NOT NULL;
		WHEN 'unready' THEN
			PERFORM partner_api.announce('unready', event.server,
				event.action_id, event.instance_id,
				format('instance %s at server "%s" did not become ready: %s; partner_api.reboot_instance() may help',
					   event.instance_id, event.server,
					   coalesce(event.details->>'reason', 'no reason known')));
		WHEN 'settings_checked' THEN
			PERFORM partner_api.note_settings(event.server, event.instance_id,
				event.action_id,
				coalesce(event.details->'settings_differ', '{}'));
		ELSE
			NULL;
		END CASE;
	END LOOP;
END
$$;
COMMENT ON FUNCTION follow_readiness(bigint[]) IS
'applies events about readiness and settings to the mirror, and schedules what follows from them';
REVOKE ALL ON FUNCTION follow_readiness(bigint[]) FROM PUBLIC;
