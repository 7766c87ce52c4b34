import pg from 'pg';
import { AgentError } from '../lib/errors.js';

/** PostgreSQL cuts longer names silently, so that a later look-up by the full name finds nothing. */
const MAX_NAME_BYTES = 63;

/** Where a table lives: the table in `dataSchema`, while it is replaced in `outdatedSchema`, its access view in `schema`. */
export interface TableAddress {
  readonly schema: string;
  readonly dataSchema: string;
  readonly outdatedSchema: string;
  readonly table: string;
}

/** Quotes a name for SQL text: `a"b` becomes `"a""b"`. */
export function quoteName(name: string): string {
  return pg.escapeIdentifier(name);
}

/** `"schema"."name"` for SQL text. */
export function qualified(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/**
 * Refuses what can't be the name of a schema, table, column or role: nothing, more than 63 bytes, or control characters.
 * Quotes, dots, spaces, upper case and any script are fine, since names are always quoted. Throws a final AgentError.
 */
export function checkName(name: string, what: string): void {
  if (name === '') throw refused(`The ${what} is empty.`);
  if (/\p{Cc}/u.test(name)) throw refused(`The ${what} ${JSON.stringify(name)} holds control characters.`);
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES)
    throw refused(`The ${what} "${name}" is ${bytes} bytes long; PostgreSQL allows ${MAX_NAME_BYTES}.`);
}

/** The system's, this program's own, and the one that everybody's tables lie in: no workspace is made of these. */
const RESERVED_SCHEMAS = new Set(['information_schema', 'borg_slave', 'public']);

/** True for a schema that nothing is ever published into. */
export function isReservedSchema(name: string): boolean {
  return name.startsWith('pg_') || RESERVED_SCHEMAS.has(name);
}

/** Checks a schema's name: also refuses PostgreSQL's own schemas and that of this program's bookkeeping. */
function checkSchemaName(name: string, what: string): void {
  checkName(name, what);
  if (isReservedSchema(name)) throw refused(`The ${what} "${name}" is reserved.`);
}

/** Checks the three schemas of a table; they must differ, or view, table and old table would collide. */
export function checkSchemas(address: Omit<TableAddress, 'table'>): void {
  const { schema, dataSchema, outdatedSchema } = address;
  checkSchemaName(schema, 'schema');
  checkSchemaName(dataSchema, 'data schema');
  checkSchemaName(outdatedSchema, 'outdated schema');
  if (new Set([schema, dataSchema, outdatedSchema]).size < 3)
    throw refused(
      `The schemas "${schema}", "${dataSchema}" and "${outdatedSchema}" of a table must be three different ones.`,
    );
}

/** Checks every part of a table's address. */
export function checkAddress(address: TableAddress): void {
  checkSchemas(address);
  checkName(address.table, 'table name');
}

function refused(message: string): AgentError {
  return new AgentError('invalid-task-file', message, { retry: 'final' });
}
