/**
 * Reader roles. Each privilege is compared with the catalog first: GRANT rewrites catalog rows even when nothing
 * changes, and two such statements at once fail with "tuple concurrently updated".
 */
export const ROLES = /* sql */ `
-- Makes "reader" (authorisation level 0 and 1) or a role named like the schema (level 2) the one that may read the schema's
-- tables and views, now and later, and takes that right from the other one. Returns the number of changes.
-- Needs LOGIN CREATEROLE, not SUPERUSER.
CREATE FUNCTION borg_slave.ensure_roles(schema_name text, level int, reader text DEFAULT 'sso_access') RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  mark CONSTANT text := 'managed by borg slave';
  nsp     oid := (SELECT oid FROM pg_namespace WHERE nspname = $1);
  changes int := 0;
  wanted  text := CASE WHEN level = 2 THEN $1 ELSE reader END;
  other   text := CASE WHEN level = 2 THEN reader ELSE $1 END;
  item record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('borg roles', 0));
  IF level = 2 AND ($1 IN ('public', 'none', reader, current_user) OR $1 LIKE 'pg\\_%') THEN
    RAISE EXCEPTION 'the schema % can''t have a reader role of its own name', $1 USING ERRCODE = 'SS001';
  END IF;
  -- A role that can do more than read is somebody's account, whatever its name.
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted AND (rolsuper OR rolcreaterole OR rolcreatedb
                                                              OR rolreplication OR rolbypassrls)) THEN
    RAISE EXCEPTION 'the role % exists and is more than a reader', wanted USING ERRCODE = 'SS001';
  END IF;

  FOR item IN SELECT x.role, x.inherits FROM (VALUES (reader, false), ($1, true)) x (role, inherits)
               WHERE (x.role = reader OR level = 2)
                 AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = x.role) LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I %s LOGIN', item.role, CASE WHEN item.inherits THEN 'INHERIT' ELSE 'NOINHERIT' END);
      EXECUTE format('COMMENT ON ROLE %I IS %L', item.role, mark);
      changes := changes + 1;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another database of the cluster was first
    END;
  END LOOP;

  FOR item IN
    SELECT x.role, x.member
      FROM (VALUES (reader, current_user::text), ($1, current_user::text), (reader, $1)) x (role, member)
     WHERE (level = 2 OR $1 NOT IN (x.role, x.member)) AND x.role <> x.member
       AND NOT EXISTS (SELECT FROM pg_auth_members m
                        WHERE m.roleid = (SELECT oid FROM pg_roles WHERE rolname = x.role)
                          AND m.member = (SELECT oid FROM pg_roles WHERE rolname = x.member)) LOOP
    EXECUTE format('GRANT %I TO %I', item.role, item.member);
    changes := changes + 1;
  END LOOP;

  IF NOT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
                  WHERE n.oid = nsp AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = wanted)
                    AND a.privilege_type = 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', $1, wanted);
    changes := changes + 1;
  END IF;
  FOR item IN SELECT c.relname FROM pg_class c
               WHERE c.relnamespace = nsp AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
                 AND pg_has_role(c.relowner, 'USAGE')
                 AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a
                                  WHERE a.grantee = (SELECT oid FROM pg_roles WHERE rolname = wanted)
                                    AND a.privilege_type = 'SELECT') LOOP
    EXECUTE format('GRANT SELECT ON %I.%I TO %I', $1, item.relname, wanted);
    changes := changes + 1;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
                  WHERE d.defaclnamespace = nsp AND d.defaclrole = current_user::regrole AND d.defaclobjtype = 'r'
                    AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = wanted)
                    AND a.privilege_type = 'SELECT') THEN
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO %I', $1, wanted);
    changes := changes + 1;
  END IF;

  RETURN changes + borg_slave.withdraw_reader($1, other, reader, mark);
END $$;

-- Takes the rights on a schema from a reader role: "reader" itself, or a role named like the schema, if that is one of
-- ours (marked, or a member of "reader" as earlier agents made it); a person's account keeps what it was given.
-- A marked role that nothing in the cluster mentions any more is dropped. Never DROP OWNED: that drops tables.
CREATE FUNCTION borg_slave.withdraw_reader(schema_name text, role text, reader text, mark text) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nsp      oid := (SELECT oid FROM pg_namespace WHERE nspname = $1);
  role_oid oid := (SELECT oid FROM pg_roles WHERE rolname = $2 AND NOT rolsuper AND rolname <> current_user);
  marked   boolean := shobj_description(role_oid, 'pg_authid') IS NOT DISTINCT FROM mark;
  changes  int := 0;
  item record;
BEGIN
  IF role_oid IS NULL THEN RETURN 0; END IF;
  IF $2 <> reader AND NOT marked AND NOT EXISTS (
       SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
        WHERE r.rolname = reader AND m.member = role_oid) THEN RETURN 0; END IF;
  FOR item IN SELECT DISTINCT c.relname FROM pg_class c, aclexplode(c.relacl) a
               WHERE c.relnamespace = nsp AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND a.grantee = role_oid
                 AND c.relowner <> role_oid AND pg_has_role(c.relowner, 'USAGE') LOOP
    EXECUTE format('REVOKE ALL ON %I.%I FROM %I', $1, item.relname, $2);
    changes := changes + 1;
  END LOOP;
  IF EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
              WHERE n.oid = nsp AND a.grantee = role_oid AND n.nspowner <> role_oid) THEN
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', $1, $2);
    changes := changes + 1;
  END IF;
  IF EXISTS (SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
              WHERE d.defaclnamespace = nsp AND d.defaclrole = current_user::regrole AND d.defaclobjtype = 'r'
                AND a.grantee = role_oid) THEN
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I REVOKE ALL ON TABLES FROM %I', $1, $2);
    changes := changes + 1;
  END IF;
  IF marked AND $2 <> reader AND NOT EXISTS (
       SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = role_oid) THEN
    EXECUTE format('DROP ROLE %I', $2);
    changes := changes + 1;
  END IF;
  RETURN changes;
END $$;
`;
