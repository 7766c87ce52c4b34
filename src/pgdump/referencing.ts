import type { DatabaseContext } from './context.js';
import type { TableAddress } from './names.js';

/** Other tables with a foreign key to this one: they have to be removed, or republished without it, first. */
export async function referencingTables(
  context: DatabaseContext,
  { dataSchema, outdatedSchema, table }: TableAddress,
  signal: AbortSignal,
): Promise<{ readonly schema: string; readonly table: string }[]> {
  return context.connections.use(signal, (session) =>
    session.query<{ schema: string; table: string }>(
      `SELECT DISTINCT n.nspname AS schema, c.relname AS table
         FROM pg_constraint k
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
        WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND pn.nspname = ANY ($1) AND p.relname = $2`,
      [[dataSchema, outdatedSchema], table],
    ),
  );
}
