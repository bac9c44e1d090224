/*
 * sync_instances() brings the provider's list into the mirror.  The list wins
 * in what only the provider knows: payment status, end of service, whether an
 * instance is there at all.  One that carries our nonce is adopted and its
 * trial kept as the server's trial_end says; a foreign one is imported, and
 * its trial is shown in trials_at_risk.  What a list keeps for a while after
 * it was deleted is recorded as deleted, and is no order's effect.  Nor is an
 * instance without the token that it is used with: a person decides on it.
 * What is billed apart is none of our business and is never removed.
 */
CREATE FUNCTION apply_listing(of_server name, listing jsonb, list_lag interval,
	sign_lead interval, default_trial_end text, fingerprint text,
	remove_surplus boolean,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment timestamptz := partner_api.clock();
	ours text := (SELECT '\s*\[(pa-' || installation_id || '-\d{1,18}-[0-9a-f]{8})\]$'
				  FROM partner_api.installation
				  ORDER BY established_at, installation_id LIMIT 1);
	row record;
	known partner_api.instances;
	event text;
	event_id bigint;
	ordered record;
	kept_as text;
	kept_until text;
	changes jsonb;
BEGIN
	seen := 0;
	added := 0;
	changed := 0;
	FOR row IN
		SELECT l.instance_id, l.token, l.name, l.payment_status, l.status,
			   l.details::jsonb AS details, l.connected,
			   coalesce(l.billed_apart, false) AS billed_apart,
			   CASE WHEN l.created_ms > 0
					THEN to_timestamp(l.created_ms / 1000.0) END AS created_at,
			   CASE WHEN l.due_ms > 0
					THEN to_timestamp(l.due_ms / 1000.0) END AS due_at,
			   CASE WHEN l.status = 'deleted'
					THEN coalesce(to_timestamp(
						nullif(l.deleted_ms, 0) / 1000.0), moment)
					END AS deleted_at,
			   l.status = 'deleted' AS is_deleted,
			   l.token IS NULL AND l.must_have_token AS is_stranded,
			   l.await_until,
			   l.name ~ ours AS is_ours, substring(l.name FROM ours) AS nonce,
			   count(*) OVER (PARTITION BY split_part(
				substring(l.name FROM ours), '-', 3)) > 1 AS has_siblings,
			   EXISTS (
				SELECT FROM partner_api.instances i
				WHERE i.server = of_server
				  AND i.instance_id = l.instance_id) AS was_known
		FROM jsonb_to_recordset(listing)
			 AS l (instance_id text, token text, name text,
				   payment_status text, status text, details text,
				   connected boolean, created_ms bigint, due_ms bigint,
				   deleted_ms bigint, must_have_token boolean,
				   billed_apart boolean, await_until bigint)
		ORDER BY l.instance_id
	LOOP
		seen := seen + 1;
		IF row.is_ours THEN
			INSERT INTO partner_api.server_evidence (server, nonce_seen_at)
			VALUES (of_server, moment) ON CONFLICT (server) DO NOTHING;
		END IF;
		/* whose order it was is known here, if it was not forgotten */
		SELECT o.* INTO ordered
		FROM partner_api.order_of_nonce(of_server,
			CASE WHEN NOT row.was_known THEN row.nonce END) o;
		/* an unanswered create of ours is the worker's to adopt */
		CONTINUE WHEN ordered.state IN ('sending', 'unknown');
		IF row.token IS NOT NULL THEN
			INSERT INTO partner_api.instance_secrets AS s
				(server, instance_id, token)
			VALUES (of_server, row.instance_id, row.token)
			ON CONFLICT (server, instance_id) DO UPDATE
				SET token = excluded.token WHERE s.token <> excluded.token;
		END IF;
		/* read after the wait for another sync, if there was one */
		SELECT i.* INTO known FROM partner_api.instances i
		WHERE i.server = of_server AND i.instance_id = row.instance_id;
		IF known.instance_id IS NULL THEN
			/* one that a session holds is being decided on */
			CONTINUE WHEN ordered.state IN ('waiting', 'held',
											'needs_attention')
				AND NOT EXISTS (
					SELECT FROM partner_api.pending_actions p
					WHERE p.action_id = ordered.action_id
					FOR UPDATE SKIP LOCKED);
			kept_as := CASE
				WHEN NOT row.is_ours THEN 'imported'
				WHEN ordered.state IN ('waiting', 'held', 'needs_attention')
					 AND (row.is_deleted OR row.is_stranded) THEN 'surplus'
				WHEN partner_api.is_surplus(of_server, row.instance_id,
						ordered.action_id,
						coalesce(ordered.nonces, ARRAY[row.nonce]),
						CASE WHEN row.has_siblings THEN listing END)
					THEN 'surplus'
				ELSE 'adopted' END;
			kept_until := CASE
				WHEN NOT coalesce(row.is_ours, false) THEN NULL
				WHEN kept_as = 'adopted' THEN default_trial_end
				WHEN row.connected THEN 'ask'
				ELSE 'lapse' END;
			INSERT INTO partner_api.instances
				(server, instance_id, name, customer_ref, status, created_at,
				 trial_end,
				 trial_ends_at, provider_due_at, payment_status, connected,
				 origin, token_fingerprint, action_id, last_seen_at, details,
				 signed_at, cancelled_at, ends_at, deleted_at, billed_apart)
			VALUES
				(of_server, row.instance_id, regexp_replace(row.name, ours, ''),
				 CASE kept_as WHEN 'adopted' THEN ordered.customer_ref END,
				 row.status, coalesce(row.created_at, moment), kept_until,
				 CASE row.status WHEN 'trial' THEN row.due_at END,
				 row.due_at, row.payment_status, row.connected,
				 kept_as, CASE WHEN row.is_ours THEN fingerprint END,
				 ordered.action_id,
				 moment, row.details,
				 CASE WHEN row.status IN ('signed', 'cancelling', 'ended',
										  'deleted')
					  THEN coalesce(row.created_at, moment) END,
				 CASE WHEN row.status IN ('cancelling', 'ended')
					  THEN moment END,
				 CASE WHEN row.status IN ('cancelling', 'ended')
					  THEN row.due_at END, row.deleted_at, row.billed_apart)
			ON CONFLICT (server, instance_id) DO NOTHING;
			/* the worker was faster: the next sync compares */
			CONTINUE WHEN NOT FOUND;
			added := added + 1;
			IF ordered.state IN ('waiting', 'held', 'needs_attention')
				AND kept_as = 'adopted' THEN
				PERFORM partner_api.adopt_effect(ordered.action_id,
					row.instance_id, sign_lead, default_trial_end,
					CASE WHEN NOT row.is_deleted THEN row.await_until END);
				CONTINUE;
			END IF;
			INSERT INTO partner_api.instance_events
				(server, instance_id, kind, occurred_at, action_id, details)
			VALUES
				(of_server, row.instance_id, kept_as, moment,
				 ordered.action_id,
				 jsonb_strip_nulls(jsonb_build_object(
					'name', regexp_replace(row.name, ours, ''),
					'customer_ref',
					CASE kept_as WHEN 'adopted' THEN ordered.customer_ref END,
					'status', row.status,
					'deleted_at', row.deleted_at,
					'trial_end',
					CASE row.status WHEN 'trial' THEN kept_until END,
					'trial_ends_at',
					CASE row.status WHEN 'trial' THEN row.due_at END,
					'sign_at',
					CASE WHEN row.status = 'trial' AND kept_until <> 'lapse'
						 THEN row.due_at - sign_lead END,
					'await_until',
					CASE WHEN kept_as = 'adopted' AND NOT row.is_deleted
							  AND NOT row.is_stranded
						 THEN row.await_until END)))
			RETURNING instance_events.event_id INTO event_id;
			PERFORM partner_api.schedule_signs(ARRAY[event_id]);
			PERFORM partner_api.follow_readiness(ARRAY[event_id])
			WHERE kept_as = 'adopted';
			PERFORM partner_api.dispose_of_surplus(of_server, row.instance_id,
				ordered.action_id, remove_surplus AND NOT row.billed_apart)
			WHERE kept_as = 'surplus' AND NOT row.is_deleted;
			CONTINUE;
		END IF;

		event := CASE
			WHEN row.is_deleted AND known.status <> 'deleted'
				THEN 'deleted'
			WHEN row.status = 'signed'
				 AND known.status IN ('trial', 'lapsed', 'unknown', 'ended')
				THEN 'signed'
			WHEN row.status IN ('cancelling', 'ended')
				 AND known.status IN ('trial', 'signed', 'unknown')
				THEN 'cancelled'
			WHEN known.missing_since IS NOT NULL
				THEN 'found_again'
			WHEN row.due_at IS DISTINCT FROM known.provider_due_at
				 OR row.payment_status IS DISTINCT FROM known.payment_status
				THEN 'changed' END;
		IF event IS NOT NULL THEN
			changed := changed + 1;
			changes := jsonb_strip_nulls(jsonb_build_object(
				'payment_status', row.payment_status,
				'deleted_at', row.deleted_at,
				'provider_due_at', row.due_at));
			INSERT INTO partner_api.instance_events
				(server, instance_id, kind, occurred_at, details)
			VALUES (of_server, row.instance_id, event, moment, changes)
			RETURNING instance_events.event_id INTO event_id;
			PERFORM partner_api.withdraw_signs(ARRAY[event_id]);
		END IF;
		UPDATE partner_api.instances i
		SET status = CASE event WHEN 'signed' THEN 'signed'
								WHEN 'cancelled' THEN 'cancelling'
								WHEN 'deleted' THEN 'deleted'
								ELSE i.status END,
			signed_at = CASE WHEN event = 'signed' AND
				(i.signed_at IS NULL OR i.cancelled_at IS NOT NULL)
				THEN moment ELSE i.signed_at END,
			cancelled_at = CASE event
				WHEN 'cancelled' THEN coalesce(i.cancelled_at, moment)
				WHEN 'signed' THEN NULL ELSE i.cancelled_at END,
			ends_at = CASE
				WHEN row.status IN ('cancelling', 'ended')
				THEN coalesce(row.due_at, i.ends_at)
				WHEN event = 'signed' THEN NULL ELSE i.ends_at END,
			trial_ends_at = CASE WHEN row.status = 'trial'
				THEN coalesce(row.due_at, i.trial_ends_at)
				ELSE i.trial_ends_at END,
			trial_estimated = i.trial_estimated
				AND NOT (row.status = 'trial' AND row.due_at IS NOT NULL),
			deleted_at = CASE event WHEN 'deleted' THEN row.deleted_at
				ELSE i.deleted_at END,
			provider_due_at = coalesce(row.due_at, i.provider_due_at),
			payment_status = row.payment_status,
			connected = CASE WHEN NOT row.is_deleted
				THEN coalesce(row.connected, i.connected) END,
			billed_apart = row.billed_apart,
			last_seen_at = moment,
			missing_since = NULL,
			details = row.details
		WHERE i.server = of_server AND i.instance_id = row.instance_id;
		/* the provider's own end of the trial moves the sign */
		IF row.status = 'trial' AND row.due_at IS DISTINCT FROM
			known.trial_ends_at AND row.due_at IS NOT NULL THEN
			UPDATE partner_api.pending_actions p
			SET run_at = row.due_at - sign_lead, deadline = row.due_at
			WHERE p.server = of_server AND p.instance_id = row.instance_id
			  AND p.kind = 'sign_instance' AND p.automatic
			  AND p.state IN ('waiting', 'held');
		END IF;
	END LOOP;

	/* what the list should show but does not, lag apart */
	WITH gone AS (
		UPDATE partner_api.instances i SET missing_since = moment
		WHERE i.server = of_server AND i.missing_since IS NULL
		  AND i.status IN ('trial', 'signed', 'cancelling', 'unknown')
		  AND i.created_at < moment - list_lag
		  AND i.instance_id NOT IN (
			SELECT l->>'instance_id' FROM jsonb_array_elements(listing) l)
		RETURNING i.instance_id), noted AS (
		INSERT INTO partner_api.instance_events
			(server, instance_id, kind, occurred_at)
		SELECT of_server, gone.instance_id, 'missing', moment FROM gone)
	SELECT count(*) INTO missing FROM gone;
END
$$;
COMMENT ON FUNCTION apply_listing(name, jsonb, interval, interval, text, text, boolean)
IS 'brings a complete list of a server into the mirror; for sync_instances()';
REVOKE ALL ON FUNCTION
	apply_listing(name, jsonb, interval, interval, text, text, boolean) FROM PUBLIC;

CREATE FUNCTION sync_instances(server name,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_sync_instances'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sync_instances(name) IS
'brings the provider''s list into the mirror: rows seen, added, changed, and missing from the list';
REVOKE ALL ON FUNCTION sync_instances(name) FROM PUBLIC;
