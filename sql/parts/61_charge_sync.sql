/*
 * sync_charges() brings a list of charges into payments: those that were made
 * by other means too.  What the list shows is told like any other answer to a
 * poll; what is new and carries our nonce is the effect of a create.
 */
CREATE FUNCTION take_listed_charge(of_server name, of_charge text,
	nonce text, facts jsonb, since timestamptz)
RETURNS text
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known partner_api.payments;
	taken partner_api.payments;
BEGIN
	SELECT p.* INTO known FROM partner_api.payments p
	WHERE p.server = of_server AND p.charge_id = of_charge;
	IF known.charge_id IS NULL AND nonce IS NOT NULL THEN
		RETURN CASE WHEN partner_api.adopt_object(of_server, 'charge',
			of_charge, nonce, facts) THEN 'added' ELSE '' END;
	END IF;
	taken := partner_api.observe_charge(of_server, of_charge, facts,
		partner_api.clock(), 'poll', NULL, NULL, NULL, since);
	RETURN CASE
		WHEN known.charge_id IS NULL THEN 'added'
		WHEN partner_api.charge_facts(taken)
			 <> partner_api.charge_facts(known) THEN 'changed'
		ELSE '' END;
END
$$;
COMMENT ON FUNCTION take_listed_charge(name, text, text, jsonb, timestamptz) IS
'takes in a charge that a list shows: added, changed, or nothing new';
REVOKE ALL ON FUNCTION take_listed_charge(name, text, text, jsonb,
	timestamptz) FROM PUBLIC;

CREATE FUNCTION apply_charge_listing(of_server name, listing jsonb,
	since timestamptz, whole boolean,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	listed text[] := ARRAY(SELECT l->>'object_id'
						   FROM jsonb_array_elements(listing) l);
	row record;
	outcome text;
BEGIN
	seen := 0;
	added := 0;
	changed := 0;
	missing := 0;
	FOR row IN
		SELECT l.* FROM partner_api.listed_objects(listing) l
	LOOP
		INSERT INTO partner_api.server_evidence (server, nonce_seen_at)
		SELECT of_server, partner_api.clock() WHERE row.nonce IS NOT NULL
		ON CONFLICT (server) DO NOTHING;
		outcome := partner_api.take_listed_charge(of_server, row.object_id,
			row.nonce, row.facts, since);
		seen := seen + 1;
		added := added + (outcome = 'added')::integer;
		changed := changed + (outcome = 'changed')::integer;
	END LOOP;
	UPDATE partner_api.payments p
	SET last_seen_at = partner_api.clock(), missing_since = NULL
	WHERE p.server = of_server AND p.charge_id = ANY (listed);
	IF whole THEN
		UPDATE partner_api.payments p SET missing_since = partner_api.clock()
		WHERE p.server = of_server AND NOT p.deleted
		  AND p.missing_since IS NULL AND p.learned_at < since
		  AND p.charge_id <> ALL (listed);
		GET DIAGNOSTICS missing = ROW_COUNT;
	END IF;
END
$$;
COMMENT ON FUNCTION apply_charge_listing(name, jsonb, timestamptz, boolean) IS
'brings a list of charges into payments; only a whole one tells what is missing; for sync_charges()';
REVOKE ALL ON FUNCTION apply_charge_listing(name, jsonb, timestamptz, boolean)
	FROM PUBLIC;

CREATE FUNCTION sync_charges(server name, query text DEFAULT NULL,
	OUT seen bigint, OUT added bigint, OUT changed bigint, OUT missing bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_sync_charges'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION sync_charges(name, text) IS
'brings the provider''s charges into payments, all or those that a search finds: seen, added, changed, and missing from the list';
REVOKE ALL ON FUNCTION sync_charges(name, text) FROM PUBLIC;
