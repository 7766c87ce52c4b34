import type pg from 'pg';
import { AgentError } from '../lib/errors.js';

/**
 * Makes sure that a dump of this one table is complete in itself: pg_dump -t takes only the table, and its restore fails
 * where types, functions or parents are missing. Returns notes on what will be different on a slave.
 */
export async function checkDumpable(client: pg.Client, schema: string, table: string): Promise<string[]> {
  const name = `${schema}.${table}`;
  const { rows } = await client.query<{
    oid: number;
    relkind: string;
    relispartition: boolean;
    parent: string;
  }>(
    `SELECT c.oid, c.relkind, c.relispartition,
            (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1) AS parent
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, table],
  );
  const relation = rows[0];
  if (!relation) throw refused(`There is no table ${name}.`);
  if (relation.relkind === 'p')
    throw refused(
      `${name} is a partitioned table: its dump would hold no rows.`,
      'Publish an ordinary table made from it.',
    );
  if (relation.relkind !== 'r')
    throw refused(`${name} is ${KINDS[relation.relkind] ?? 'no table'}, not a table.`);
  if (relation.parent)
    throw refused(`${name} inherits from ${relation.parent}, which its dump would not hold.`);

  const missing = await client.query<{ what: string }>(MISSING_FROM_DUMP, [relation.oid]);
  if (missing.rows.length > 0)
    throw refused(
      `A dump of ${name} alone could not be restored, since it needs ${missing.rows.map((row) => row.what).join(', ')}.`,
      'Use built-in types, drop the triggers, or publish a table made from it.',
    );
  const notes = await client.query<{ note: string }>(NOTES, [relation.oid]);
  return notes.rows.map((row) => row.note);
}

const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  i: 'an index',
  c: 'a composite type',
};

/** Types and functions that are neither built in nor part of an extension, and that the table refers to. */
const MISSING_FROM_DUMP = /* sql */ `
WITH parts (class, part) AS (
  SELECT 'pg_class'::regclass, $1::oid
  UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid = $1
  UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = $1 AND contype <> 'f'
  UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1
  UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal
  UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = $1
  UNION ALL SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite WHERE ev_class = $1),
needed AS (
  SELECT DISTINCT d.refclassid, d.refobjid
    FROM parts p JOIN pg_depend d ON d.classid = p.class AND d.objid = p.part
   WHERE d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_opclass'::regclass, 'pg_collation'::regclass)
     -- Its own row type, and what comes with the system (below 16384).
     AND d.refobjid >= 16384
     AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = d.refobjid AND t.typrelid = $1))
SELECT pg_describe_object(refclassid, refobjid, 0) AS what
  FROM needed n
 WHERE NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = n.refclassid AND e.objid = n.refobjid AND e.deptype = 'e')
   -- The array type of an extension's type.
   AND NOT EXISTS (SELECT FROM pg_type t JOIN pg_depend e ON e.objid = t.typelem AND e.deptype = 'e'
                    WHERE n.refclassid = 'pg_type'::regclass AND t.oid = n.refobjid)
 ORDER BY 1`;

const NOTES = /* sql */ `
SELECT format('The foreign key %s to %s is left out on a slave that lacks that table.', conname, confrelid::regclass) AS note
  FROM pg_constraint WHERE conrelid = $1 AND contype = 'f' AND confrelid <> $1
UNION ALL
SELECT format('The extended statistics %s are not part of the dump.', stxname) FROM pg_statistic_ext WHERE stxrelid = $1`;

function refused(message: string, hint?: string): AgentError {
  return new AgentError('invalid-data', message, { retry: 'final', ...(hint === undefined ? {} : { hint }) });
}
