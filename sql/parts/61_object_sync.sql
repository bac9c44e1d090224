/*
 * sync_plans() and its like bring the provider's list into the mirror, as
 * sync_instances() does with instances.  The list wins in all that the provider
 * shows.  What carries our nonce is the effect of a create: adopted; everything
 * else that is new is imported.
 */
CREATE FUNCTION note_object(of_server name, object text, of_id text,
	kind text, of_action bigint, details jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_event bigint;
BEGIN
	INSERT INTO partner_api.object_events
		(server, object, object_id, kind, occurred_at, action_id, details)
	VALUES (of_server, object, of_id, kind, partner_api.clock(), of_action,
			details)
	RETURNING event_id INTO new_event;
	PERFORM partner_api.apply_object_events(ARRAY[new_event]);
END
$$;
COMMENT ON FUNCTION note_object(name, text, text, text, bigint, jsonb) IS
'records an event of a plan, subscription, customer or charge and applies it';
REVOKE ALL ON FUNCTION note_object(name, text, text, text, bigint, jsonb)
	FROM PUBLIC;

/*
 * What of these facts is news about something that is known.  A customer has
 * no column for being deleted, but a time.
 */
CREATE FUNCTION object_news(object text, known jsonb, facts jsonb)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_object_agg(n.key, n.value), '{}')
	FROM jsonb_each(CASE object
		WHEN 'plan' THEN to_jsonb(jsonb_populate_record(
			NULL::partner_api.plans, known || facts))
		WHEN 'customer' THEN to_jsonb(jsonb_populate_record(
				NULL::partner_api.customers, known || facts))
			|| CASE WHEN (facts->>'deleted')::boolean
						 IS DISTINCT FROM (known->>'deleted_at' IS NOT NULL)
				THEN jsonb_build_object('deleted', facts->'deleted')
				ELSE '{}' END
		ELSE to_jsonb(jsonb_populate_record(
			NULL::partner_api.subscriptions, known || facts)) END) n
	WHERE n.value IS DISTINCT FROM known->n.key AND n.key <> 'details'
$$;
COMMENT ON FUNCTION object_news(text, jsonb, jsonb) IS
'which columns of a plan, subscription or customer differ from what is known';
REVOKE ALL ON FUNCTION object_news(text, jsonb, jsonb) FROM PUBLIC;

/*
 * Take in what is new.  Returns whether it was: a create of ours that is not
 * settled is the worker's to adopt, and one that a session holds is being
 * decided on.
 */
CREATE FUNCTION adopt_object(of_server name, object text, of_id text,
	nonce text, facts jsonb)
RETURNS boolean
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ordered record;
	has_effect boolean;
BEGIN
	SELECT o.* INTO ordered
	FROM partner_api.order_of_nonce(of_server, nonce) o;
	IF ordered.state IN ('sending', 'unknown') THEN
		RETURN false;
	END IF;
	IF ordered.state IN ('waiting', 'held', 'needs_attention') THEN
		PERFORM FROM partner_api.pending_actions p
		WHERE p.action_id = ordered.action_id FOR UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RETURN false;
		END IF;
	END IF;
	has_effect := EXISTS (
			SELECT FROM partner_api.plans p
			WHERE p.server = of_server AND p.action_id = ordered.action_id)
		OR EXISTS (
			SELECT FROM partner_api.customers c
			WHERE c.server = of_server AND c.action_id = ordered.action_id)
		OR EXISTS (
			SELECT FROM partner_api.payments p
			WHERE p.server = of_server AND p.action_id = ordered.action_id);
	IF nonce IS NULL OR has_effect THEN
		PERFORM partner_api.note_object(of_server, object, of_id, 'imported',
										NULL, facts);
		PERFORM partner_api.announce('surplus', of_server, ordered.action_id,
			of_id, format('%s %s at server "%s" is surplus: action %s has another',
						  object, of_id, of_server, ordered.action_id))
		WHERE has_effect;
		RETURN true;
	END IF;
	facts := facts || jsonb_strip_nulls(jsonb_build_object(
		'customer_ref', ordered.customer_ref));
	PERFORM partner_api.note_object(of_server, object, of_id, 'adopted',
									ordered.action_id, facts);
	PERFORM partner_api.close_action(ordered.action_id, 'done', NULL, of_id,
									 facts::text)
	WHERE ordered.state IN ('waiting', 'held', 'needs_attention');
	RETURN true;
END
$$;
COMMENT ON FUNCTION adopt_object(name, text, text, text, jsonb) IS
'takes in a plan, subscription, customer or charge that a list shows and that is not known here';
REVOKE ALL ON FUNCTION adopt_object(name, text, text, text, jsonb)
	FROM PUBLIC;

/* What a list shows, with the nonces of this installation in it. */
CREATE FUNCTION listed_objects(listing jsonb)
RETURNS TABLE (object_id text, nonce text, facts jsonb)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ours text := (SELECT '\[(pa-' || installation_id || '-\d{1,18}-[0-9a-f]{8})\]$'
				  FROM partner_api.installation
				  ORDER BY established_at, installation_id LIMIT 1);
BEGIN
	RETURN QUERY
	SELECT l.object_id, substring(l.marked_text FROM ours), l.fields::jsonb
	FROM jsonb_to_recordset(listing)
		 AS l (object_id text, marked_text text, fields text)
	ORDER BY l.object_id;
END
$$;
COMMENT ON FUNCTION listed_objects(jsonb) IS
'what a list of objects shows, by their ids, with the nonces of this installation';
REVOKE ALL ON FUNCTION listed_objects(jsonb) FROM PUBLIC;

/*
 * What the list should show but does not: it has shown it before, or had time
 * enough to.
 */
CREATE FUNCTION miss_objects(of_server name, object text, listed text[],
	list_lag interval)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone text;
	missing bigint := 0;
BEGIN
	FOR gone IN
		SELECT p.plan_id FROM partner_api.plans p
		WHERE object = 'plan' AND p.server = of_server
		  AND p.missing_since IS NULL
		  AND (p.last_seen_at IS NOT NULL
			   OR p.created_at < partner_api.clock() - list_lag)
		  AND p.plan_id <> ALL (listed)
		UNION ALL
		SELECT s.subscription_id FROM partner_api.subscriptions s
		WHERE object = 'subscription' AND s.server = of_server
		  AND s.missing_since IS NULL AND s.status <> 'cancelled'
		  AND (s.last_seen_at IS NOT NULL
			   OR s.created_at < partner_api.clock() - list_lag)
		  AND s.subscription_id <> ALL (listed)
		UNION ALL
		SELECT c.customer_id FROM partner_api.customers c
		WHERE object = 'customer' AND c.server = of_server
		  AND c.customer_id IS NOT NULL AND c.missing_since IS NULL
		  AND c.deleted_at IS NULL
		  AND (c.last_seen_at IS NOT NULL
			   OR c.created_at < partner_api.clock() - list_lag)
		  AND c.customer_id <> ALL (listed)
	LOOP
		PERFORM partner_api.note_object(of_server, object, gone, 'missing',
										NULL, '{}');
		missing := missing + 1;
	END LOOP;
	RETURN missing;
END
$$;
COMMENT ON FUNCTION miss_objects(name, text, text[], interval) IS
'notes the plans, subscriptions or customers that a complete list does not show any more; returns how many';
REVOKE ALL ON FUNCTION miss_objects(name, text, text[], interval)
	FROM PUBLIC;

CREATE FUNCTION apply_object_listing(of_server name, object text,
	listing jsonb, list_lag interval,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	listed text[] := ARRAY(SELECT l->>'object_id'
						   FROM jsonb_array_elements(listing) l);
	row record;
	known jsonb;
	news jsonb;
BEGIN
	seen := 0;
	added := 0;
	changed := 0;
	FOR row IN
		SELECT l.* FROM partner_api.listed_objects(listing) l
	LOOP
		seen := seen + 1;
		INSERT INTO partner_api.server_evidence (server, nonce_seen_at)
		SELECT of_server, partner_api.clock() WHERE row.nonce IS NOT NULL
		ON CONFLICT (server) DO NOTHING;
		known := partner_api.object_row(of_server, object, row.object_id);
		IF known IS NULL THEN
			added := added + partner_api.adopt_object(of_server, object,
				row.object_id, row.nonce, row.facts)::integer;
			CONTINUE;
		END IF;
		news := partner_api.object_news(object, known,
			partner_api.event_facts(row.facts)
			- CASE object WHEN 'subscription' THEN '' ELSE 'created_at' END);
		CONTINUE WHEN news = '{}' AND known->>'missing_since' IS NULL;
		PERFORM partner_api.note_object(of_server, object, row.object_id,
			CASE WHEN known->>'missing_since' IS NULL THEN 'changed'
				 ELSE 'found_again' END, NULL,
			news || jsonb_strip_nulls(jsonb_build_object(
				'details', row.facts->'details')));
		changed := changed + 1;
	END LOOP;
	UPDATE partner_api.plans p SET last_seen_at = partner_api.clock()
	WHERE object = 'plan' AND p.server = of_server
	  AND p.plan_id = ANY (listed);
	UPDATE partner_api.subscriptions s SET last_seen_at = partner_api.clock()
	WHERE object = 'subscription' AND s.server = of_server
	  AND s.subscription_id = ANY (listed);
	UPDATE partner_api.customers c SET last_seen_at = partner_api.clock()
	WHERE object = 'customer' AND c.server = of_server
	  AND c.customer_id = ANY (listed);
	missing := partner_api.miss_objects(of_server, object, listed, list_lag);
END
$$;
COMMENT ON FUNCTION apply_object_listing(name, text, jsonb, interval) IS
'brings a complete list of plans, subscriptions or customers into the mirror; for sync_plans() and its like';
REVOKE ALL ON FUNCTION apply_object_listing(name, text, jsonb, interval)
	FROM PUBLIC;

CREATE FUNCTION sync_plans(server name,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_sync_plans'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sync_plans(name) IS
'brings the provider''s plans into the mirror: rows seen, added, changed, and missing from the list';
REVOKE ALL ON FUNCTION sync_plans(name) FROM PUBLIC;

CREATE FUNCTION sync_subscriptions(server name,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_sync_subscriptions'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sync_subscriptions(name) IS
'brings the provider''s subscriptions into the mirror: rows seen, added, changed, and missing from the list';
REVOKE ALL ON FUNCTION sync_subscriptions(name) FROM PUBLIC;

CREATE FUNCTION sync_customers(server name,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_sync_customers'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sync_customers(name) IS
'brings the provider''s customers into the mirror: rows seen, added, changed, and missing from the list';
REVOKE ALL ON FUNCTION sync_customers(name) FROM PUBLIC;
