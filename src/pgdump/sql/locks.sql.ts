/** Which relations an exchange locks against everybody, how, and who has them when it does not get them. */
export const LOCKS = /* sql */ `
-- ACCESS EXCLUSIVE on this relation alone. LOCK TABLE would lock what a view reads as well, with the rights of the
-- view's owner, who may have none but SELECT; and it does not take materialized views.
CREATE FUNCTION borg_slave.lock_exclusively(relation oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE (SELECT format('ALTER TABLE %s OWNER TO %I', borg_slave.qualified_name(oid), pg_get_userbyid(relowner))
             FROM pg_class WHERE oid = relation);
END $$;

-- The readers that a swap touches, the access view and the old table, in the order in which readers lock them: a view
-- before what it reads. In another order, a reader and the swap would wait for each other, and the server would end
-- the reader.
CREATE FUNCTION borg_slave.exchanged(view_oid oid, old_table oid, new_table oid) RETURNS SETOF oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  same_columns boolean := view_oid IS NOT NULL AND borg_slave.replaceable(view_oid, new_table);
BEGIN
  RETURN QUERY
  WITH touched AS (
    SELECT x.reader FROM borg_slave.readers(array_remove(ARRAY[old_table, view_oid], NULL)) x
     WHERE NOT same_columns OR borg_slave.reads(x.reader, old_table))
  SELECT x.reader FROM borg_slave.readers(array_remove(ARRAY[old_table, view_oid], NULL)) x
   WHERE x.reader IS DISTINCT FROM view_oid
     AND (x.reader IN (SELECT reader FROM touched)
          OR x.reader IN (SELECT y.reader FROM borg_slave.readers(ARRAY(
               SELECT t.reader FROM touched t JOIN pg_class c ON c.oid = t.reader AND c.relkind = 'm')) y))
   ORDER BY x.depth DESC, x.reader;
  IF view_oid IS NOT NULL THEN RETURN NEXT view_oid; END IF;
  IF old_table IS NOT NULL THEN RETURN NEXT old_table; END IF;
END $$;

CREATE FUNCTION borg_slave.lock_for_swap(view_oid oid, old_table oid, new_table oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE r oid;
BEGIN
  FOR r IN SELECT * FROM borg_slave.exchanged(view_oid, old_table, new_table) LOOP
    PERFORM borg_slave.lock_exclusively(r);
  END LOOP;
END $$;

-- All that publishing or removing a table may have to lock: what is exchanged, the tables that have foreign keys to it
-- (a key is dropped with a lock on both its ends) or to which it has some, and the sequences of its columns, which move
-- with it.
CREATE FUNCTION borg_slave.lockable(schema_name text, data_schema text, outdated_schema text, table_name text)
RETURNS SETOF oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  view_oid  oid := borg_slave.relation($1, $4);
  new_table oid := borg_slave.relation($2, $4);
  old_table oid := borg_slave.old_table($1, $2, $3, $4);
  tables    oid[] := array_remove(ARRAY[new_table, old_table, borg_slave.relation($3, $4)], NULL);
BEGIN
  RETURN QUERY
  SELECT borg_slave.exchanged(view_oid, old_table, new_table)
  UNION SELECT unnest(tables)
  UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY (tables)
  UNION SELECT confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY (tables)
  UNION SELECT borg_slave.relation(f.referenced_schema, f.referenced_table) FROM borg_slave.foreign_key f
         WHERE f.data_schema = $2 AND f.table_name = $4
  UNION SELECT d.objid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
           AND d.refobjid = ANY (tables) AND d.deptype IN ('a', 'i');
END $$;

-- The sessions that hold a lock on one of them, those with the oldest transactions first. What others' sessions do is
-- null to a user who may not see it.
CREATE FUNCTION borg_slave.lock_holders(schema_name text, data_schema text, outdated_schema text, table_name text)
RETURNS TABLE (pid int, who text, state text, seconds int, query text, relations text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT a.pid, coalesce(a.usename::text, a.backend_type), a.state,
         round(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)))::int,
         left(regexp_replace(a.query, '\\s+', ' ', 'g'), 120),
         array_agg(DISTINCT borg_slave.qualified_name(l.relation))
    FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.granted AND l.pid <> pg_backend_pid()
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND l.relation IN (SELECT borg_slave.lockable($1, $2, $3, $4))
   GROUP BY 1, 2, 3, 4, 5
   ORDER BY 4 DESC NULLS LAST LIMIT 5;
$$;
`;
