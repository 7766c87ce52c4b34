/** Removal, in one transaction and without CASCADE: what others built on the table stops it, by name. */
export const REMOVE = /* sql */ `
-- Returns a warning for each foreign key of another published table that now waits for its target again, as on a slave
-- that never had it; null when there was nothing to remove.
CREATE FUNCTION borg_slave.remove(schema_name text, data_schema text, outdated_schema text, table_name text, lock_ms int)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  view_oid  oid := borg_slave.relation($1, $4);
  new_table oid := borg_slave.relation($2, $4);
  set_aside oid := borg_slave.relation($3, $4);
  warnings  text[] := '{}';
  own_view  boolean;
  table_oid oid;
  former text;
  k record;
BEGIN
  PERFORM set_config('lock_timeout', lock_ms || 'ms', true);
  DELETE FROM borg_slave.foreign_key f WHERE f.data_schema = $2 AND f.table_name = $4;
  own_view := EXISTS (SELECT FROM pg_class WHERE oid = view_oid AND relkind = 'v')
              AND (borg_slave.reads(view_oid, new_table) OR borg_slave.reads(view_oid, set_aside));
  -- Only ordinary tables can be ours.
  SELECT oid INTO new_table FROM pg_class WHERE oid = new_table AND relkind = 'r';
  SELECT oid INTO set_aside FROM pg_class
   WHERE oid = set_aside AND relkind = 'r' AND NOT borg_slave.is_of_another($2, set_aside);
  -- A table of somebody else's, which a refused task file named: ours have an entry, or (of earlier agents) their view.
  IF NOT own_view AND NOT EXISTS (SELECT FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4) THEN
    RETURN NULL;
  END IF;
  IF new_table IS NULL AND set_aside IS NULL THEN
    DELETE FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4;
    RETURN NULL;
  END IF;
  IF own_view THEN
    EXECUTE format('DROP VIEW %I.%I', $1, $4);
  END IF;
  FOR former IN SELECT f.schema FROM unnest(ARRAY[set_aside, new_table]) t (oid),
                       borg_slave.former_views($1, $2, $4, t.oid) f LOOP
    EXECUTE format('DROP VIEW %I.%I', former, $4);
  END LOOP;
  FOREACH table_oid IN ARRAY array_remove(ARRAY[set_aside, new_table], NULL) LOOP
    FOR k IN
      SELECT c.conrelid, c.conname FROM pg_constraint c
       WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = table_oid AND c.conrelid <> table_oid
         AND (c.conname ~ '^borg_[0-9]+$' OR EXISTS (
               SELECT FROM borg_slave.foreign_key f
                WHERE c.conrelid = borg_slave.relation(f.data_schema, f.table_name) AND f.name = c.conname
                  AND f.referenced_schema = $2 AND f.referenced_table = $4)) LOOP
      EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', borg_slave.qualified_name(k.conrelid), k.conname);
      warnings := warnings || format('The foreign key %I of %s was taken away with the table it points to.',
                                     k.conname, borg_slave.qualified_name(k.conrelid));
    END LOOP;
    EXECUTE format('DROP TABLE %s', borg_slave.qualified_name(table_oid));
  END LOOP;
  DELETE FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4;
  RETURN warnings;
END $$;
`;
