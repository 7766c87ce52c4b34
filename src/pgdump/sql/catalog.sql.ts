/**
 * Questions to the catalog. Names are always compared as text, never cast: a cast to a name would cut it silently.
 * What is asked often is PL/pgSQL, which keeps its plans; SQL functions are planned at every call.
 */
export const CATALOG = /* sql */ `
CREATE FUNCTION borg_slave.relation(schema_name text, relation_name text) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = schema_name AND c.relname = relation_name);
END $$;

CREATE FUNCTION borg_slave.qualified_name(relation oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
END $$;

-- Does the view read the table itself (not only through other views)?
CREATE FUNCTION borg_slave.reads(view_oid oid, table_oid oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM pg_depend p JOIN pg_rewrite w ON w.oid = p.objid
     WHERE p.classid = 'pg_rewrite'::regclass AND p.refclassid = 'pg_class'::regclass
       AND p.refobjid = table_oid AND w.ev_class = view_oid AND table_oid <> view_oid);
END $$;

-- All views and materialized views that read one of the relations, directly or not, each with its depth:
-- a reader always has a greater depth than what it reads.
CREATE FUNCTION borg_slave.readers(relations oid[]) RETURNS TABLE (reader oid, depth int)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE found (reader, depth) AS (
    SELECT unnest(relations), 0
    UNION
    SELECT w.ev_class, f.depth + 1
      FROM found f
      JOIN pg_depend p ON p.refobjid = f.reader AND p.refclassid = 'pg_class'::regclass
                      AND p.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = p.objid
      JOIN pg_class c ON c.oid = w.ev_class AND c.relkind IN ('v', 'm')
     WHERE w.ev_class <> f.reader)
  SELECT f.reader, max(f.depth) FROM found f
   WHERE f.depth > 0 AND f.reader <> ALL (array_remove(relations, NULL)) GROUP BY 1 ORDER BY 2, 1;
END $$;

CREATE FUNCTION borg_slave.column_list(relation oid)
RETURNS TABLE (place bigint, name name, type oid, modifier int, collation_oid oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT row_number() OVER (ORDER BY attnum), attname, atttypid, atttypmod, attcollation
    FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped;
END $$;

-- Are all columns of the view the first columns of the table? Then CREATE OR REPLACE VIEW can do it.
CREATE FUNCTION borg_slave.replaceable(view_oid oid, table_oid oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN NOT EXISTS (SELECT * FROM borg_slave.column_list(view_oid)
                     EXCEPT SELECT * FROM borg_slave.column_list(table_oid));
END $$;

-- Is this the live table of another data schema, that shares the outdated schema?
CREATE FUNCTION borg_slave.is_of_another(data_schema text, table_oid oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (SELECT FROM borg_slave.layer l WHERE l.live_oid = table_oid AND l.data_schema <> $1);
END $$;

-- The table that is live while its successor is restored or waits: the one set aside, or the one the access view
-- reads in another data schema, when the task file has moved it.
CREATE FUNCTION borg_slave.old_table(schema_name text, data_schema text, outdated_schema text, table_name text)
RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN coalesce(
    CASE WHEN NOT borg_slave.is_of_another($2, borg_slave.relation($3, $4)) THEN borg_slave.relation($3, $4) END,
    (SELECT l.live_oid FROM borg_slave.layer l
      WHERE l.table_name = $4 AND l.data_schema <> $2
        AND l.live_oid = borg_slave.relation(l.data_schema, l.table_name)
        AND borg_slave.reads(borg_slave.relation($1, $4), l.live_oid)
      LIMIT 1));
END $$;

-- Foreign keys of a table's dump that are not there.
CREATE FUNCTION borg_slave.left_out(data_schema text, table_name text) RETURNS SETOF borg_slave.foreign_key
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT f.* FROM borg_slave.foreign_key f
   WHERE f.data_schema = $1 AND f.table_name = $2
     AND NOT EXISTS (SELECT FROM pg_constraint c
                      WHERE c.conrelid = borg_slave.relation($1, $2) AND c.contype = 'f' AND c.conname = f.name);
$$;

-- Foreign keys of other published tables that wait for this table: not there, or not validated although the dump has
-- them so (rows pointed to nothing, or a crash came between adding and validating).
CREATE FUNCTION borg_slave.awaited(data_schema text, table_name text)
RETURNS TABLE (child text, name text, definition text, is_there boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT borg_slave.qualified_name(l.live_oid), f.name, f.definition, c.oid IS NOT NULL
    FROM borg_slave.foreign_key f
    JOIN borg_slave.layer l ON l.data_schema = f.data_schema AND l.table_name = f.table_name
                           AND l.live_oid = borg_slave.relation(f.data_schema, f.table_name)
    LEFT JOIN pg_constraint c ON c.conrelid = l.live_oid AND c.contype = 'f' AND c.conname = f.name
   WHERE f.referenced_schema = $1 AND f.referenced_table = $2 AND (f.data_schema, f.table_name) <> ($1, $2)
     AND (c.oid IS NULL OR NOT c.convalidated AND f.definition NOT LIKE '% NOT VALID');
$$;

-- Is this table there ('present'), away for good ('absent'), or in the middle of being published ('changing')?
CREATE FUNCTION borg_slave.presence(data_schema text, table_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN l.data_schema IS NOT NULL AND l.live_oid IS DISTINCT FROM t.oid
         AND (t.oid IS NOT NULL OR EXISTS (SELECT FROM pg_class c WHERE c.oid = l.live_oid)) THEN 'changing'
    WHEN t.oid IS NULL THEN 'absent'
    ELSE 'present' END
  FROM (SELECT borg_slave.relation($1, $2) AS oid) t
  LEFT JOIN borg_slave.layer l ON l.data_schema = $1 AND l.table_name = $2;
$$;

-- What is published, and whether the catalog is still as it was left: then an equal dump need not be restored.
-- "kept" are warnings about former access views.
CREATE FUNCTION borg_slave.standing(schema_name text, data_schema text, outdated_schema text, table_name text)
RETURNS TABLE (as_recorded boolean, md5 text, content_key text, size bigint, left_out text[], is_awaited boolean, kept text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.live_oid = borg_slave.relation($2, $4)
           AND borg_slave.relation($3, $4) IS NULL
           AND borg_slave.reads(borg_slave.relation($1, $4), l.live_oid)
           -- A former view that others built on has the form of the access view, but its successor has to go.
           AND coalesce(l.view_schemas[1] = $1, true),
         l.live_md5, l.live_key, l.live_size,
         ARRAY(SELECT f.name FROM borg_slave.left_out($2, $4) f),
         EXISTS (SELECT FROM borg_slave.awaited($2, $4)),
         CASE WHEN cardinality(l.view_schemas) > 1 THEN borg_slave.kept_views($1, $2, $4, l.live_oid) ELSE '{}' END
    FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4;
$$;
`;
