/**
 * The steps before the swap. What to do is decided from the catalog alone, so it is right whatever a crash left:
 *
 *   table in data schema | in outdated schema | access view reads | meaning                        | to do
 *   -------------------- | ------------------ | ----------------- | ------------------------------ | -----------------------
 *   -                    | -                  | -                 | first publication              | restore
 *   yes                  | -                  | data              | steady                         | set aside, restore
 *   -                    | yes                | outdated          | crashed while restoring        | restore
 *   yes                  | yes                | outdated          | restored, not swapped          | staged? swap : drop, restore
 *   yes                  | yes                | data              | left by another agent          | drop outdated, as steady
 *   yes                  | -                  | -                 | first publication, not swapped | staged? swap : drop, restore
 *                        |                    |                   | ... or the view was dropped    | set aside, restore
 *                        |                    |                   | ... or nothing of ours is known | refuse, touch nothing
 *   yes                  | yes                | -                 | the view was dropped           | staged? swap : drop, restore
 *   -                    | yes                | -                 | the view was dropped           | restore
 *   any                  | any                | anything else     | a name collision               | refuse, touch nothing
 *
 * "staged" means that the bookkeeping holds this oid and this dump's md5.
 */
export const PREPARE = /* sql */ `
CREATE FUNCTION borg_slave.refuse_collisions(schema_name text, data_schema text, outdated_schema text, table_name text)
RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  view_oid  oid := borg_slave.relation($1, $4);
  new_table oid := borg_slave.relation($2, $4);
  old_table oid := borg_slave.old_table($1, $2, $3, $4);
  taken text;
BEGIN
  IF borg_slave.is_of_another($2, borg_slave.relation($3, $4)) THEN
    RAISE EXCEPTION '%.% is another data schema''s table that is being replaced', $3, $4 USING ERRCODE = '40001';
  END IF;
  SELECT format('%s exists and is %s, not a view', borg_slave.qualified_name(oid),
                CASE relkind WHEN 'r' THEN 'a table' WHEN 'm' THEN 'a materialized view' WHEN 'S' THEN 'a sequence'
                             WHEN 'p' THEN 'a partitioned table' WHEN 'i' THEN 'an index' ELSE 'something else' END)
    INTO taken FROM pg_class WHERE oid = view_oid AND relkind <> 'v';
  IF taken IS NULL THEN
    SELECT format('%s exists and is not an ordinary table', borg_slave.qualified_name(oid))
      INTO taken FROM pg_class WHERE oid IN (new_table, old_table) AND relkind <> 'r' LIMIT 1;
  END IF;
  IF taken IS NULL AND view_oid IS NOT NULL AND NOT borg_slave.reads(view_oid, new_table)
     AND NOT borg_slave.reads(view_oid, old_table) THEN
    taken := format('the view %s exists and does not read this table', borg_slave.qualified_name(view_oid));
  END IF;
  -- A copy that a crash left behind has an entry, which is written before any restore.
  IF taken IS NULL AND view_oid IS NULL AND coalesce(new_table, old_table) IS NOT NULL
     AND NOT EXISTS (SELECT FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4) THEN
    taken := format('%s exists and was not published by this slave',
                    borg_slave.qualified_name(coalesce(new_table, old_table)));
  END IF;
  IF taken IS NOT NULL THEN
    RAISE EXCEPTION '%', taken USING ERRCODE = 'SS001';
  END IF;
END $$;

-- Drops a copy that nobody was ever shown, with the constraints that were prepared for its swap.
CREATE FUNCTION borg_slave.drop_staged(table_oid oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE c record;
BEGIN
  FOR c IN SELECT conrelid, conname FROM pg_constraint
            WHERE contype = 'f' AND confrelid = table_oid AND conrelid <> table_oid AND conname ~ '^borg_[0-9]+$' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', borg_slave.qualified_name(c.conrelid), c.conname);
  END LOOP;
  EXECUTE format('DROP TABLE %s', borg_slave.qualified_name(table_oid));
END $$;

-- Makes room for the restore. Returns 'restore', or 'swap' when this very dump is already restored and verified.
CREATE FUNCTION borg_slave.prepare(schema_name text, data_schema text, outdated_schema text, table_name text,
                                   md5 text, lock_ms int) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  view_oid  oid := borg_slave.relation($1, $4);
  new_table oid := borg_slave.relation($2, $4);
  set_aside oid := borg_slave.relation($3, $4);
  known     borg_slave.layer;
  live      boolean;
BEGIN
  PERFORM set_config('lock_timeout', lock_ms || 'ms', true);
  PERFORM borg_slave.refuse_collisions($1, $2, $3, $4);
  INSERT INTO borg_slave.layer AS l (data_schema, table_name) VALUES ($2, $4) ON CONFLICT DO NOTHING;
  -- When the server dies, losing this transaction is as good as never having begun it; but not the entry: a pg_restore
  -- that connects only after the server has come back would leave a table that nobody knows.
  IF NOT FOUND THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  SELECT * INTO known FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4;
  IF new_table IS NULL THEN RETURN 'restore'; END IF;
  live := CASE WHEN view_oid IS NOT NULL THEN borg_slave.reads(view_oid, new_table)
               ELSE set_aside IS NULL AND known.live_oid IS NOT DISTINCT FROM new_table END;
  IF live THEN
    IF set_aside IS NOT NULL THEN EXECUTE format('DROP TABLE %I.%I', $3, $4); END IF;
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', $2, $4, $3);
    RETURN 'restore';
  END IF;
  IF known.staged_oid = new_table AND known.staged_md5 = md5 THEN RETURN 'swap'; END IF;
  PERFORM borg_slave.drop_staged(new_table);
  RETURN 'restore';
END $$;

-- Verifies a restored table against its archive, collects statistics for the planner, and marks it as ready.
-- "foreign_keys" are the names of those in the archive; others are forgotten.
CREATE FUNCTION borg_slave.stage(data_schema text, table_name text, md5 text, indexes int, constraints int,
                                 foreign_keys text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_table oid := borg_slave.relation($1, $2);
  kind "char";
  found_indexes bigint;
  found_constraints bigint;
BEGIN
  -- A mark that survives a crash implies a table that survives it: the restore's commit is earlier in the log.
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT relkind INTO kind FROM pg_class WHERE oid = new_table;
  IF kind IS DISTINCT FROM 'r' THEN
    RAISE EXCEPTION 'the restore made no table %.%', $1, $2 USING ERRCODE = 'SS002';
  END IF;
  SELECT count(*) INTO found_indexes FROM pg_index WHERE indrelid = new_table;
  SELECT count(*) INTO found_constraints FROM pg_constraint WHERE conrelid = new_table AND contype IN ('p', 'u', 'x');
  IF found_indexes <> indexes + constraints OR found_constraints <> constraints THEN
    RAISE EXCEPTION 'the restored table has % indexes and % constraints, its dump % and %',
      found_indexes, found_constraints, indexes + constraints, constraints USING ERRCODE = 'SS002';
  END IF;
  EXECUTE format('ANALYZE %I.%I', $1, $2);
  DELETE FROM borg_slave.foreign_key f
   WHERE f.data_schema = $1 AND f.table_name = $2 AND f.name <> ALL (foreign_keys);
  UPDATE borg_slave.layer l SET staged_oid = new_table, staged_md5 = md5
   WHERE l.data_schema = $1 AND l.table_name = $2;
END $$;

-- After a restore that failed: the layout as it was, with the live table back in its data schema.
CREATE FUNCTION borg_slave.put_back(schema_name text, data_schema text, outdated_schema text, table_name text,
                                    lock_ms int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_table oid := borg_slave.relation($2, $4);
  set_aside oid := borg_slave.relation($3, $4);
  -- Where the access view was to move, it is still the former one that is read.
  view_oid  oid := coalesce(borg_slave.relation($1, $4), (
                     SELECT f.view_oid FROM borg_slave.former_views($1, $2, $4, set_aside) f LIMIT 1));
BEGIN
  PERFORM set_config('lock_timeout', lock_ms || 'ms', true);
  IF set_aside IS NULL OR view_oid IS NULL OR NOT borg_slave.reads(view_oid, set_aside)
     OR borg_slave.reads(view_oid, new_table) THEN RETURN; END IF;
  IF new_table IS NOT NULL THEN PERFORM borg_slave.drop_staged(new_table); END IF;
  EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', $3, $4, $2);
END $$;
`;
