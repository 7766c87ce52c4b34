/**
 * Access views that a task file has moved to another schema: the former one goes with the exchange that makes the new
 * one. The bookkeeping says in which schemas they are; a view that no longer looks as a publication made it is not ours.
 */
export const FORMER_VIEWS = /* sql */ `
-- Is it a view as publications make them: all columns of the table, as they are?
CREATE FUNCTION borg_slave.shows(view_oid oid, table_oid oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition text := (SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = view_oid AND relkind = 'v');
  table_name text := (SELECT quote_ident(relname) FROM pg_class WHERE oid = table_oid);
  plain      text;
  prefixed   text;
BEGIN
  IF definition IS NULL OR table_name IS NULL OR NOT borg_slave.replaceable(view_oid, table_oid)
     OR NOT borg_slave.replaceable(table_oid, view_oid) THEN
    RETURN false;
  END IF;
  -- Servers up to 15 print the table's name before each column.
  SELECT string_agg(quote_ident(name), ', ' ORDER BY place),
         string_agg(table_name || '.' || quote_ident(name), ', ' ORDER BY place)
    INTO plain, prefixed FROM borg_slave.column_list(view_oid);
  RETURN regexp_replace(definition, '\\s+', ' ', 'g') IN (
    SELECT regexp_replace(format(' SELECT %s FROM %s;', columns, borg_slave.qualified_name(table_oid)), '\\s+', ' ', 'g')
      FROM unnest(ARRAY[plain, prefixed]) columns);
END $$;

-- What others built on a view, in words: all that would go with it, or be in the way of that. Grants and comments are
-- no such thing.
CREATE FUNCTION borg_slave.built_on(view_oid oid) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN ARRAY(
    SELECT DISTINCT CASE WHEN w.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, w.ev_class, 0)
                         ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END
      FROM pg_class c
      JOIN pg_type t ON t.oid = c.reltype
     CROSS JOIN LATERAL (VALUES ('pg_class'::regclass, c.oid), ('pg_type', t.oid), ('pg_type', t.typarray)) o (class, id)
      JOIN pg_depend d ON d.refclassid = o.class AND d.refobjid = o.id AND d.deptype <> 'i'
      LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
     WHERE c.oid = view_oid AND NOT coalesce(w.ev_class = c.oid AND w.rulename = '_RETURN', false)
     ORDER BY 1);
END $$;

-- The access views in other schemas than this one, with what others built on each.
CREATE FUNCTION borg_slave.former_views(schema_name text, data_schema text, table_name text, table_oid oid)
RETURNS TABLE (schema text, view_oid oid, others text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT s.name, v.oid, borg_slave.built_on(v.oid)
    FROM (SELECT DISTINCT unnest(l.view_schemas) AS name FROM borg_slave.layer l
           -- The table may have come from another data schema.
           WHERE l.table_name = $3 AND (l.data_schema = $2 OR l.live_oid = table_oid)) s
   CROSS JOIN LATERAL (SELECT borg_slave.relation(s.name, $3) AS oid) v
   WHERE s.name <> $1 AND borg_slave.shows(v.oid, table_oid)
   ORDER BY 1;
END $$;

-- Drops the former views that nobody built on. Returns the schemas of the others.
CREATE FUNCTION borg_slave.drop_former_views(schema_name text, data_schema text, table_name text, table_oid oid)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  former record;
  kept text[] := '{}';
BEGIN
  FOR former IN SELECT * FROM borg_slave.former_views($1, $2, $3, table_oid) LOOP
    IF former.others = '{}' THEN
      EXECUTE format('DROP VIEW %I.%I', former.schema, $3); -- no CASCADE
    ELSE
      kept := kept || former.schema;
    END IF;
  END LOOP;
  RETURN kept;
END $$;

-- A warning for each former view that stays.
CREATE FUNCTION borg_slave.kept_views(schema_name text, data_schema text, table_name text, table_oid oid)
RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN ARRAY(SELECT format('The former access view %I.%I stays, since others have built on it: %s.',
                             f.schema, $3, array_to_string(f.others, ', '))
                 FROM borg_slave.former_views($1, $2, $3, table_oid) f WHERE f.others <> '{}');
END $$;
`;

/**
 * For entries of versions that did not note the schema of the access view: it is the one of the only view that looks
 * like it. Of several, nobody can say which are others'.
 */
export const NOTE_VIEWS = /* sql */ `
UPDATE borg_slave.layer l SET view_schemas = ARRAY[found.schema]
  FROM (SELECT k.data_schema, k.table_name, min(n.nspname::text) AS schema
          FROM borg_slave.layer k
          JOIN pg_catalog.pg_class t ON t.oid = k.live_oid
          JOIN pg_catalog.pg_class v ON v.relname = k.table_name AND v.relkind = 'v' AND v.relowner = t.relowner
          JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
         WHERE k.view_schemas IS NULL AND borg_slave.shows(v.oid, t.oid)
         GROUP BY 1, 2 HAVING count(*) = 1) found
 WHERE l.data_schema = found.data_schema AND l.table_name = found.table_name;
`;
