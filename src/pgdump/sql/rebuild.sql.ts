/** Everything that is needed to make a view anew exactly as it was. */
export const REBUILD = /* sql */ `
-- The grants on a relation and its columns to others than its owner, as statements for the relation named "target".
-- Only columns in "columns" count, unless it is null.
CREATE FUNCTION borg_slave.grant_sql(relation oid, target text, columns text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(format('GRANT %s ON %s TO %s%s', g.privilege, target,
           CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
           CASE WHEN g.grantable THEN ' WITH GRANT OPTION' ELSE '' END)), '{}')
    FROM (SELECT e.privilege_type AS privilege, e.grantee, e.is_grantable AS grantable
            FROM pg_class c, aclexplode(c.relacl) e WHERE c.oid = relation AND e.grantee <> c.relowner
          UNION ALL
          SELECT format('%s (%I)', e.privilege_type, a.attname), e.grantee, e.is_grantable
            FROM pg_attribute a, aclexplode(a.attacl) e
           WHERE a.attrelid = relation AND NOT a.attisdropped
             AND (columns IS NULL OR a.attname = ANY (columns))) g;
$$;

-- Takes away what default privileges gave to a new relation.
CREATE FUNCTION borg_slave.clear_grants(relation oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE g record;
BEGIN
  FOR g IN SELECT DISTINCT e.grantee FROM pg_class c, aclexplode(c.relacl) e
            WHERE c.oid = relation AND e.grantee <> c.relowner LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s', borg_slave.qualified_name(relation),
                   CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END);
  END LOOP;
END $$;

-- Gives a new relation the owner and the grants of the one it replaces.
CREATE FUNCTION borg_slave.copy_grants(old_relation oid, new_relation oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  statement text;
  old_owner oid;
  new_owner oid;
  columns text[];
BEGIN
  SELECT relowner INTO old_owner FROM pg_class WHERE oid = old_relation;
  SELECT relowner INTO new_owner FROM pg_class WHERE oid = new_relation;
  IF old_owner <> new_owner THEN
    EXECUTE format('ALTER TABLE %s OWNER TO %I', borg_slave.qualified_name(new_relation), pg_get_userbyid(old_owner));
  END IF;
  PERFORM borg_slave.clear_grants(new_relation);
  columns := ARRAY(SELECT name::text FROM borg_slave.column_list(new_relation));
  FOREACH statement IN ARRAY borg_slave.grant_sql(old_relation, borg_slave.qualified_name(new_relation), columns) LOOP
    EXECUTE statement;
  END LOOP;
END $$;

-- The statements that make a view or materialized view: itself with its options, owner, grants, column defaults,
-- indexes, triggers and rules, and the comments on all of these. Triggers and rules of views can't be disabled, so there
-- is no such state to keep. With "new_query", the view gets that query, and what is said about columns is
-- limited to "columns".
CREATE FUNCTION borg_slave.rebuild_sql(relation oid, new_query text DEFAULT NULL, columns text[] DEFAULT NULL)
RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  c pg_class;
  target text := borg_slave.qualified_name(relation);
  query text := coalesce(new_query, rtrim(pg_get_viewdef(relation), ';'));
  options text;
  statements text[];
BEGIN
  SELECT * INTO c FROM pg_class WHERE oid = relation;
  options := coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '');
  IF c.relkind = 'v' THEN
    statements := ARRAY[format('CREATE OR REPLACE VIEW %s%s AS %s', target, options, query)];
  ELSE
    statements := format('CREATE MATERIALIZED VIEW %s%s AS %s%s', target, options, query,
                         CASE WHEN c.relispopulated THEN '' ELSE ' WITH NO DATA' END)
      || ARRAY(SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = relation ORDER BY indexrelid);
  END IF;
  IF c.relowner <> current_user::regrole THEN
    statements := statements || format('ALTER TABLE %s OWNER TO %I', target, pg_get_userbyid(c.relowner));
  END IF;
  statements := statements
    || format('SELECT borg_slave.clear_grants(%L::regclass)', target)
    || borg_slave.grant_sql(relation, target, columns)
    || ARRAY(SELECT format('COMMENT ON %s %s IS %L', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END,
                           target, d)
               FROM obj_description(relation, 'pg_class') d WHERE d IS NOT NULL)
    || ARRAY(SELECT format('COMMENT ON COLUMN %s.%I IS %L', target, a.attname, col_description(relation, a.attnum))
               FROM pg_attribute a
              WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
                AND col_description(relation, a.attnum) IS NOT NULL
                AND (columns IS NULL OR a.attname = ANY (columns)))
    || ARRAY(SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', target, a.attname,
                           pg_get_expr(e.adbin, e.adrelid))
               FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
              WHERE e.adrelid = relation AND (columns IS NULL OR a.attname = ANY (columns)))
    || ARRAY(SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = relation AND NOT tgisinternal)
    || ARRAY(SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = relation AND rulename <> '_RETURN')
    || ARRAY(SELECT format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, target, d)
               FROM pg_trigger, obj_description(oid, 'pg_trigger') d
              WHERE tgrelid = relation AND NOT tgisinternal AND d IS NOT NULL)
    || ARRAY(SELECT format('COMMENT ON RULE %I ON %s IS %L', rulename, target, d)
               FROM pg_rewrite, obj_description(oid, 'pg_rewrite') d WHERE ev_class = relation AND d IS NOT NULL)
    || ARRAY(SELECT format('COMMENT ON INDEX %s IS %L', borg_slave.qualified_name(indexrelid), d)
               FROM pg_index, obj_description(indexrelid, 'pg_class') d
              WHERE indrelid = relation AND d IS NOT NULL);
  RETURN statements;
END $$;

-- Runs a statement for something that others built. Failing means that it can't be kept: the whole swap then fails.
CREATE FUNCTION borg_slave.run_for(about text, statement text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION
  WHEN lock_not_available OR deadlock_detected OR serialization_failure OR invalid_table_definition
    OR insufficient_privilege THEN RAISE;
  WHEN OTHERS THEN
    RAISE EXCEPTION '% can''t be kept: %', about, SQLERRM USING ERRCODE = 'SS003', DETAIL = left(statement, 500);
END $$;
`;
