/**
 * Foreign keys of other tables that point to the table being replaced. Each is added to the new table first, under a
 * temporary name, NOT VALID, and then validated: neither step blocks readers. The swap only drops and renames.
 * The definition is the server's own text with its beginning exchanged, so that column order, quoting, MATCH,
 * DEFERRABLE and the actions survive.
 */
export const FOREIGN_KEYS = /* sql */ `
-- What is still to be done before the swap; add_sql and validate_sql are null where they are done or not wanted.
CREATE FUNCTION borg_slave.foreign_keys_to_move(old_table oid, new_table oid)
RETURNS TABLE (child text, name text, temporary text, add_sql text, validate_sql text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT borg_slave.qualified_name(c.conrelid), c.conname::text, t.temporary,
         CASE WHEN n.oid IS NULL
              THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s%s%s', borg_slave.qualified_name(c.conrelid), t.temporary,
                     t.new_start, regexp_replace(substr(d.definition, length(t.old_start) + 1), ' NOT VALID$', ''),
                     -- A partitioned table accepts validated keys only.
                     CASE WHEN r.relkind = 'p' THEN '' ELSE ' NOT VALID' END)
         END,
         CASE WHEN c.convalidated AND r.relkind <> 'p'
              THEN format('ALTER TABLE %s VALIDATE CONSTRAINT %I', borg_slave.qualified_name(c.conrelid), t.temporary)
         END
    FROM pg_constraint c
    JOIN pg_class r ON r.oid = c.conrelid
   CROSS JOIN LATERAL (SELECT pg_get_constraintdef(c.oid) AS definition) d
   CROSS JOIN LATERAL (
     SELECT 'borg_' || c.oid AS temporary,
            format('FOREIGN KEY (%s) REFERENCES %s(', k.columns, borg_slave.qualified_name(old_table)) AS old_start,
            format('FOREIGN KEY (%s) REFERENCES %s(', k.columns, borg_slave.qualified_name(new_table)) AS new_start
       FROM (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) AS columns
               FROM unnest(c.conkey) WITH ORDINALITY u (number, place)
               JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.number) k) t
    LEFT JOIN pg_constraint n ON n.conrelid = c.conrelid AND n.conname = t.temporary AND n.confrelid = new_table
   WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = old_table AND c.conrelid <> old_table
     AND starts_with(d.definition, t.old_start)
     -- A crash can come between adding and validating.
     AND (n.oid IS NULL OR c.convalidated AND NOT n.convalidated);
$$;

CREATE FUNCTION borg_slave.move_foreign_keys(old_table oid, new_table oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  k record;
  part record;
BEGIN
  FOR k IN
    SELECT c.conname, borg_slave.qualified_name(c.conrelid) AS child, n.conname AS prepared, n.oid AS prepared_oid
      FROM pg_constraint c
      LEFT JOIN pg_constraint n ON n.conrelid = c.conrelid AND n.confrelid = new_table
                               AND n.conname = 'borg_' || c.oid
     WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = old_table AND c.conrelid <> old_table LOOP
    IF k.prepared IS NULL THEN
      RAISE EXCEPTION 'the foreign key % of % is not prepared', k.conname, k.child USING ERRCODE = 'SS004';
    END IF;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', k.child, k.conname);
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', k.child, k.prepared, k.conname);
    -- Partitions have copies of it, which are not renamed along.
    FOR part IN
      WITH RECURSIVE copies (oid, conrelid, conname) AS (
        SELECT oid, conrelid, conname FROM pg_constraint WHERE conparentid = k.prepared_oid
        UNION ALL
        SELECT c.oid, c.conrelid, c.conname FROM pg_constraint c JOIN copies p ON c.conparentid = p.oid)
      SELECT borg_slave.qualified_name(conrelid) AS child FROM copies WHERE conname = k.prepared LOOP
      EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', part.child, k.prepared, k.conname);
    END LOOP;
  END LOOP;
END $$;
`;
