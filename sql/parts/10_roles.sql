/*
 * Whoever owns the schema owns what is in it, so it must be ours.  CREATE
 * EXTENSION uses one that exists already.
 */
DO LANGUAGE plpgsql $$
DECLARE
	schema_owner name := (SELECT pg_catalog.pg_get_userbyid(n.nspowner)
						  FROM pg_catalog.pg_namespace n
						  WHERE n.nspname = 'partner_api');
BEGIN
	IF schema_owner <> current_user THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "partner_api" exists already and belongs to somebody else',
			DETAIL = pg_catalog.format('Its owner is role "%s", who could replace what is in it.', schema_owner),
			HINT = 'Rename or drop that schema first.';
	END IF;
END
$$;

/*
 * Three roles, shared by all databases of the cluster.  A role that this
 * script made carries its comment; one that somebody else made is refused if
 * it could already be somebody's login or somebody's group, since the grants
 * below would silently reach them.
 */
DO LANGUAGE plpgsql $$
DECLARE
	wanted text[] := ARRAY['partner_api_reader', 'partner_api_operator',
						   'partner_api_admin'];
	purpose text[] := ARRAY['reads the views of partner_api',
							'acts at providers through partner_api',
							'configures partner_api'];
	role record;
BEGIN
	FOR i IN 1 .. 3 LOOP
		SELECT r.oid, r.rolcanlogin,
			   EXISTS (SELECT FROM pg_auth_members m
					   WHERE m.roleid = r.oid) AS has_members,
			   shobj_description(r.oid, 'pg_authid') AS comment
		INTO role
		FROM pg_roles r WHERE r.rolname = wanted[i];

		IF NOT FOUND THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', wanted[i]);
			EXECUTE format('COMMENT ON ROLE %I IS %L', wanted[i],
						   'partner_api: ' || purpose[i]);
		ELSIF role.rolcanlogin THEN
			RAISE EXCEPTION USING
				ERRCODE = 'duplicate_object',
				MESSAGE = format('role "%s" exists already and can log in',
								 wanted[i]),
				DETAIL = 'The extension would grant it rights on providers that cost money.',
				HINT = 'Rename that role, or take its LOGIN away if it is meant for partner_api.';
		ELSIF role.has_members
			  AND role.comment IS DISTINCT FROM 'partner_api: ' || purpose[i] THEN
			RAISE EXCEPTION USING
				ERRCODE = 'duplicate_object',
				MESSAGE = format('role "%s" exists already and has members',
								 wanted[i]),
				DETAIL = 'It was not made by this extension, so its members may not be meant to have these rights.',
				HINT = format('If they are, run: COMMENT ON ROLE %I IS %L',
							  wanted[i], 'partner_api: ' || purpose[i]);
		END IF;
	END LOOP;
END
$$;
