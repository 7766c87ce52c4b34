/**
 * The swap: one call, one transaction, one round trip while readers wait. Either all of it is done or nothing.
 */
export const SWAP = /* sql */ `
-- Re-points what reads the old table or the access view. Returns how many views were made anew.
-- A plain view is re-pointed by CREATE OR REPLACE, which keeps its identity; a materialized view, a view whose column
-- types change, and whatever reads such a one must be dropped and made anew, in order of depth.
-- Former access views go, but for those that others built on ("kept" are their schemas): these follow the table's columns.
CREATE FUNCTION borg_slave.exchange_view(schema_name text, data_schema text, table_name text, old_table oid,
                                         OUT change text, OUT columns_changed boolean, OUT rebuilt int, OUT kept text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  view_oid   oid := borg_slave.relation($1, $3);
  new_table  oid := borg_slave.relation($2, $3);
  query      text := format('SELECT * FROM %I.%I', $2, $3);
  columns    text[] := ARRAY(SELECT name::text FROM borg_slave.column_list(new_table));
  keep       boolean := view_oid IS NOT NULL AND borg_slave.replaceable(view_oid, new_table);
  old_schema text := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = old_table);
  detour     text := format('borg_swap_%s', pg_backend_pid());
  former     oid[];
  direct     oid[];
  anew       oid[];
  parts      jsonb; -- oid of a reader: the statements that make it
  remade     jsonb; -- readers that are dropped and made anew, in the order of making
  own        text[];
  item       record;
  statement  text;
BEGIN
  columns_changed := view_oid IS NOT NULL AND NOT (keep AND borg_slave.replaceable(new_table, view_oid));
  kept := borg_slave.drop_former_views($1, $2, $3, old_table);
  former := ARRAY(SELECT borg_slave.relation(k, $3) FROM unnest(kept) k);
  direct := ARRAY(SELECT x.reader FROM borg_slave.readers(ARRAY[old_table]) x
                   WHERE borg_slave.reads(x.reader, old_table) AND x.reader IS DISTINCT FROM view_oid);
  anew := ARRAY(SELECT oid FROM pg_class WHERE oid = ANY (direct) AND relkind = 'm');
  anew := anew || ARRAY(SELECT x.reader FROM borg_slave.readers(anew) x);
  IF NOT keep THEN
    anew := anew || ARRAY(SELECT x.reader FROM borg_slave.readers(ARRAY[view_oid]) x);
  END IF;

  -- The server prints the definitions of direct readers with the place of the old table. So the old table goes to its
  -- final place for as long as they are read; this touches the catalog only, and nobody else ever sees it.
  IF direct <> '{}' THEN
    EXECUTE format('CREATE SCHEMA %I', detour);
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', $2, $3, detour);
    EXECUTE format('ALTER TABLE %s.%I SET SCHEMA %I', old_schema, $3, $2);
  END IF;
  IF direct <> '{}' OR NOT keep THEN
    SELECT jsonb_object_agg(x.reader, to_jsonb(
             CASE WHEN x.reader = ANY (former) THEN borg_slave.rebuild_sql(x.reader, query, columns)
                  ELSE borg_slave.rebuild_sql(x.reader) END)) INTO parts
      FROM borg_slave.readers(array_remove(ARRAY[old_table, view_oid], NULL)) x;
  END IF;
  IF direct <> '{}' THEN
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %s', $2, $3, old_schema);
    EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', detour, $3, $2);
    EXECUTE format('DROP SCHEMA %I', detour);
  END IF;

  FOR item IN SELECT x.reader FROM borg_slave.readers(ARRAY[old_table]) x WHERE x.reader = ANY (direct)
               ORDER BY x.depth, x.reader LOOP
    CONTINUE WHEN item.reader = ANY (anew);
    BEGIN
      PERFORM borg_slave.run_for('view ' || borg_slave.qualified_name(item.reader), parts -> item.reader::text ->> 0);
    EXCEPTION WHEN invalid_table_definition THEN
      anew := anew || item.reader || ARRAY(SELECT x.reader FROM borg_slave.readers(ARRAY[item.reader]) x);
    END;
  END LOOP;

  SELECT coalesce(jsonb_agg(jsonb_build_object(
           'name', borg_slave.qualified_name(x.reader), 'statements', parts -> x.reader::text,
           'kind', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END) ORDER BY x.depth, x.reader), '[]')
    INTO remade
    FROM borg_slave.readers(array_remove(ARRAY[old_table, view_oid], NULL)) x JOIN pg_class c ON c.oid = x.reader
   WHERE x.reader = ANY (anew);
  rebuilt := jsonb_array_length(remade);
  FOR item IN SELECT v FROM jsonb_array_elements(remade) WITH ORDINALITY e (v, place) ORDER BY place DESC LOOP
    EXECUTE format('DROP %s %s', item.v ->> 'kind', item.v ->> 'name'); -- no CASCADE: a reader of another kind stops it
  END LOOP;

  IF view_oid IS NULL THEN
    EXECUTE format('CREATE VIEW %I.%I AS %s', $1, $3, query);
    change := 'created';
  ELSE
    own := borg_slave.rebuild_sql(view_oid, query, columns);
    IF keep THEN
      EXECUTE own[1];
      change := 'replaced';
    ELSE
      EXECUTE format('DROP VIEW %I.%I', $1, $3);
      FOREACH statement IN ARRAY own LOOP
        PERFORM borg_slave.run_for(format('what belongs to the view %I.%I', $1, $3), statement);
      END LOOP;
      change := 'recreated';
    END IF;
  END IF;

  FOR item IN SELECT v FROM jsonb_array_elements(remade) WITH ORDINALITY e (v, place) ORDER BY place LOOP
    FOR statement IN SELECT jsonb_array_elements_text(item.v -> 'statements') LOOP
      PERFORM borg_slave.run_for(lower(item.v ->> 'kind') || ' ' || (item.v ->> 'name'), statement);
    END LOOP;
  END LOOP;
END $$;

CREATE FUNCTION borg_slave.swap(schema_name text, data_schema text, outdated_schema text, table_name text,
                                md5 text, content_key text, size bigint, job text, lock_ms int,
                                OUT change text, OUT columns_changed boolean, OUT rebuilt int, OUT is_awaited boolean,
                                OUT kept text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  view_oid  oid := borg_slave.relation($1, $4);
  new_table oid := borg_slave.relation($2, $4);
  old_table oid := borg_slave.old_table($1, $2, $3, $4);
  kept_in   text[];
BEGIN
  PERFORM set_config('lock_timeout', lock_ms || 'ms', true);
  IF NOT EXISTS (SELECT FROM borg_slave.layer l WHERE l.data_schema = $2 AND l.table_name = $4
                    AND l.staged_oid = new_table AND l.staged_md5 = md5) THEN
    RAISE EXCEPTION 'no verified copy of %.% is ready', $2, $4 USING ERRCODE = '40001';
  END IF;
  PERFORM borg_slave.refuse_collisions($1, $2, $3, $4);
  PERFORM borg_slave.lock_for_swap(view_oid, old_table, new_table);
  IF view_oid IS DISTINCT FROM borg_slave.relation($1, $4)
     OR old_table IS DISTINCT FROM borg_slave.old_table($1, $2, $3, $4) THEN
    RAISE EXCEPTION 'somebody exchanged %.% at the same time', $1, $4 USING ERRCODE = '40001';
  END IF;
  IF old_table IS NOT NULL THEN
    PERFORM borg_slave.move_foreign_keys(old_table, new_table);
    PERFORM borg_slave.copy_grants(old_table, new_table);
  END IF;
  SELECT x.change, x.columns_changed, x.rebuilt, x.kept INTO change, columns_changed, rebuilt, kept_in
    FROM borg_slave.exchange_view($1, $2, $4, old_table) x;
  IF old_table IS NOT NULL THEN
    DELETE FROM borg_slave.layer l WHERE l.live_oid = old_table AND l.data_schema <> $2;
    EXECUTE format('DROP TABLE %s', borg_slave.qualified_name(old_table)); -- no CASCADE
  END IF;
  UPDATE borg_slave.layer l
     SET live_oid = new_table, live_md5 = md5, live_key = content_key, live_size = size, live_job = job,
         live_at = now(), staged_oid = NULL, staged_md5 = NULL, view_schemas = $1 || kept_in
   WHERE l.data_schema = $2 AND l.table_name = $4;
  is_awaited := EXISTS (SELECT FROM borg_slave.awaited($2, $4));
  kept := borg_slave.kept_views($1, $2, $4, new_table);
END $$;
`;
