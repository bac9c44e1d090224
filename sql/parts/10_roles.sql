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
