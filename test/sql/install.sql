/*
 * What CREATE EXTENSION makes: objects, comments, roles, and who may do what.
 */
\pset null '-'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS partner_api CASCADE;
DROP SCHEMA IF EXISTS partner_api;
DROP ROLE IF EXISTS partner_api_reader, partner_api_operator, partner_api_admin;
RESET client_min_messages;

-- only for superusers
CREATE ROLE regress_nobody;
GRANT CREATE ON DATABASE regression TO regress_nobody;
SET ROLE regress_nobody;
CREATE EXTENSION partner_api;
RESET ROLE;
REVOKE CREATE ON DATABASE regression FROM regress_nobody;

CREATE EXTENSION partner_api;
SELECT extversion, extrelocatable, nspname
FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
WHERE extname = 'partner_api';

-- not over another one
CREATE EXTENSION partner_api;

/* ---- objects ---- */

CREATE VIEW members AS
SELECT classid, objid, pg_describe_object(classid, objid, 0) AS object
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'partner_api');

-- those of billing have a test of their own
SELECT object COLLATE "C" FROM members
WHERE object NOT LIKE 'type %' AND object !~ 'bill|set_price' ORDER BY 1;

-- everything has a comment
SELECT object FROM members
WHERE obj_description(objid, classid::regclass::name) IS NULL
  AND object NOT LIKE 'type %' AND object NOT LIKE 'schema %'
ORDER BY 1;

-- so does every column of a table; the history has those of open actions
SELECT c.relname, a.attname
FROM members m
JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'r' AND NOT a.attisdropped
  AND col_description(c.oid, a.attnum) IS NULL
  AND NOT (c.relname = 'action_history' AND EXISTS (
	SELECT FROM pg_attribute o
	WHERE o.attrelid = 'partner_api.pending_actions'::regclass
	  AND o.attname = a.attname))
ORDER BY 1, 2;

-- SQL and PL functions do not depend on the caller's search_path: a body is
-- either parsed when the function is made, or runs with a path of its own,
-- which a procedure that commits cannot have
SELECT p.oid::regprocedure
FROM members m
JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname <> 'c' AND p.prosqlbody IS NULL
  AND NOT EXISTS (
	SELECT FROM unnest(p.proconfig) s WHERE s = 'search_path=pg_catalog, pg_temp')
ORDER BY 1;

-- few run with another's rights by way of SQL: what deletes old rows, plans
-- routines, and reads those of pg_cron
SELECT p.oid::regprocedure
FROM members m
JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.prosecdef;

/* ---- roles ---- */

SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolinherit,
	   shobj_description(oid, 'pg_authid') AS comment
FROM pg_roles WHERE rolname LIKE 'partner\_api\_%' ORDER BY 1;

SELECT m.roleid::regrole AS granted, m.member::regrole AS to_role
FROM pg_auth_members m
WHERE m.roleid::regrole::text LIKE 'partner\_api\_%' ORDER BY 1, 2;

/* ---- privileges ---- */

CREATE VIEW grants AS
SELECT m.object, p.oid AS function, p.provolatile,
	   pg_get_userbyid(coalesce(p.proowner, c.relowner, n.nspowner,
								w.fdwowner)) AS owner,
	   CASE a.grantee WHEN 0 THEN 'PUBLIC'
			ELSE pg_get_userbyid(a.grantee) END AS grantee,
	   a.privilege_type
FROM members m
LEFT JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
LEFT JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
LEFT JOIN pg_namespace n
  ON m.classid = 'pg_namespace'::regclass AND n.oid = m.objid
LEFT JOIN pg_foreign_data_wrapper w
  ON m.classid = 'pg_foreign_data_wrapper'::regclass AND w.oid = m.objid
CROSS JOIN LATERAL aclexplode(CASE
	WHEN p.oid IS NOT NULL THEN coalesce(p.proacl, acldefault('f', p.proowner))
	WHEN c.relkind = 'S' THEN coalesce(c.relacl, acldefault('s', c.relowner))
	WHEN c.oid IS NOT NULL THEN coalesce(c.relacl, acldefault('r', c.relowner))
	WHEN n.oid IS NOT NULL THEN coalesce(n.nspacl, acldefault('n', n.nspowner))
	WHEN w.oid IS NOT NULL THEN coalesce(w.fdwacl, acldefault('F', w.fdwowner))
	END) a;

-- PUBLIC reads no table, and calls nothing that has an effect
SELECT object, provolatile, privilege_type FROM grants
WHERE grantee = 'PUBLIC' AND object !~ 'bill|set_price'
ORDER BY object COLLATE "C";
SELECT object, provolatile, privilege_type FROM grants
WHERE grantee = 'PUBLIC' AND object ~ 'bill|set_price'
  AND provolatile NOT IN ('i', 's');

-- what the roles may do themselves
SELECT grantee, privilege_type, object FROM grants
WHERE grantee NOT IN ('PUBLIC', owner) AND object !~ 'bill|set_price'
ORDER BY grantee, privilege_type, object COLLATE "C";

-- instance tokens: readable by nobody but the owner and superusers
SELECT r.rolname,
	   has_table_privilege(r.oid, 'partner_api.instance_secrets', p.privilege)
	   AS allowed, p.privilege
FROM pg_roles r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
	 AS p (privilege)
WHERE r.rolname IN ('partner_api_reader', 'partner_api_operator',
					'partner_api_admin', 'pg_monitor', 'regress_nobody')
  AND has_table_privilege(r.oid, 'partner_api.instance_secrets', p.privilege)
ORDER BY 1, 3;

-- no role changes what the extension records
SELECT r.rolname, c.oid::regclass, p.privilege
FROM members m
JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
CROSS JOIN pg_roles r
CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])
	 AS p (privilege)
WHERE c.relkind = 'r' AND r.rolname LIKE 'partner\_api\_%'
  AND c.relname NOT LIKE 'billing\_%'
  AND has_table_privilege(r.oid, c.oid, p.privilege)
ORDER BY 1, 2, 3;

-- and now as these roles
CREATE ROLE regress_reader IN ROLE partner_api_reader;
CREATE ROLE regress_operator IN ROLE partner_api_operator;
SET ROLE regress_nobody;
SELECT * FROM partner_api.instances;
SET ROLE regress_reader;
SELECT count(*) FROM partner_api.instances;
SELECT count(*) FROM partner_api.trials_at_risk;
SELECT count(*) FROM partner_api.worker_status;
SELECT count(*) FROM partner_api.action_timeline(1);
SELECT * FROM partner_api.instance_secrets;
SELECT partner_api.enqueue_create_instance('zapi', 'shop');
SELECT partner_api.cancel_action(1);
SELECT partner_api.set_clock('2030-01-01');
SET ROLE regress_operator;
SELECT * FROM partner_api.instance_secrets;
SELECT partner_api.set_clock('2030-01-01');
SELECT partner_api.reset_clock();
DELETE FROM partner_api.pending_actions;
INSERT INTO partner_api.trial_approvals VALUES ('zapi', 'x', now(), 'me');
RESET ROLE;

/* ---- tables ---- */

-- pg_dump takes all tables with data, but not the test clock
SELECT c.oid::regclass FROM members m
JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
WHERE c.relkind IN ('r', 'p', 'S') AND c.oid <> ALL (
	SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'partner_api')
ORDER BY 1;

-- one installation, whose id fits a nonce
SELECT count(*), bool_and(installation_id ~ '^[0-9a-f]{8}$')
FROM partner_api.installation;

/* ---- without the library preloaded ---- */

SELECT * FROM partner_api.worker_status;
SELECT partner_api.clock() = statement_timestamp() AS real_time;
SELECT partner_api.set_clock('2030-01-01');
SHOW partner_api.allowed_hosts;
SET partner_api.no_such_setting = 1;
SET partner_api.allowed_hosts = 'a, , b';
SET ROLE regress_operator;
SET partner_api.allowed_hosts = 'evil.example';
SET partner_api.databases = 'postgres';
RESET ROLE;

/* ---- dropping ---- */

CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api OPTIONS (provider 'zapi');
DROP EXTENSION partner_api;
DROP SERVER zapi;
DROP VIEW grants, members;
DROP EXTENSION partner_api;
SELECT count(*) FROM pg_depend
WHERE refclassid = 'pg_namespace'::regclass
  AND refobjid = to_regnamespace('partner_api');

-- roles outlive it, and are taken again
SELECT rolname FROM pg_roles WHERE rolname LIKE 'partner\_api\_%' ORDER BY 1;
CREATE EXTENSION partner_api;
DROP EXTENSION partner_api;

-- not into a schema whose owner could change what is in it
\set SHOW_CONTEXT never
ALTER SCHEMA partner_api OWNER TO regress_nobody;
CREATE EXTENSION partner_api;
DROP SCHEMA partner_api;

-- and not with roles that may be somebody's
DROP ROLE regress_reader, regress_operator;
DROP ROLE partner_api_reader, partner_api_operator, partner_api_admin;
CREATE ROLE partner_api_operator LOGIN;
CREATE EXTENSION partner_api;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'partner\_api\_%' ORDER BY 1;
ALTER ROLE partner_api_operator NOLOGIN;
GRANT partner_api_operator TO regress_nobody;
CREATE EXTENSION partner_api;
COMMENT ON ROLE partner_api_operator
	IS 'partner_api: acts at providers through partner_api';
CREATE EXTENSION partner_api;
DROP EXTENSION partner_api;
DROP SCHEMA partner_api;
DROP ROLE partner_api_reader, partner_api_operator, partner_api_admin,
	regress_nobody;
