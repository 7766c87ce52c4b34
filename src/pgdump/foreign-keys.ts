import { AgentError } from '../lib/errors.js';
import type { Session } from './connections.js';
import type { DatabaseContext } from './context.js';
import { sqlState } from './errors.js';
import type { DumpInfo, ForeignKey } from './inspect.js';
import { withLockRetries, type LockRetryOptions } from './lock-retry.js';
import { quoteName, type TableAddress } from './names.js';

/** Adding a key blocks writers, never readers, so it may wait this long for them, or as long as a swap if that is less. */
const LONGEST_LOCK_WAIT_MS = 30_000;

const VIOLATED = '23503';
/** The target has no such column, no unique key, other types, or is gone. */
const UNSUITABLE = ['42830', '42703', '42804', '42P01', '42809'];

/** Throws a transient AgentError when a table that this dump refers to is being published just now. */
export async function checkParents(session: Session, address: TableAddress, info: DumpInfo): Promise<void> {
  for (const key of info.foreignKeys) {
    if (isOwn(address, key) || (await presence(session, key)) !== 'changing') continue;
    throw new AgentError(
      'not-published-yet',
      `The table ${key.referenced.schema}.${key.referenced.table}, to which the foreign key ${key.name} points, is being published.`,
      { retry: 'transient' },
    );
  }
}

/**
 * Adds the foreign keys of the dump to the restored table and records them. One whose target is not on this slave is left
 * out, and added when the target is published. Returns warnings. Throws like withLockRetries while others write to a target.
 */
export async function addOwnForeignKeys(
  context: DatabaseContext,
  session: Session,
  keys: readonly ForeignKey[],
  lock: LockRetryOptions,
): Promise<string[]> {
  const { address } = lock;
  const warnings: string[] = [];
  await record(session, address, keys);
  for (const key of keys) {
    const absent = !isOwn(address, key) && (await presence(session, key)) === 'absent';
    if (absent) warnings.push(leftOut(key.name));
    else {
      const attempt = (): Promise<string[]> => add(context, session, key.name, key.definition);
      warnings.push(...(await withLockRetries(session, lock, attempt)));
    }
  }
  return warnings;
}

/** Adds the foreign keys of tables published earlier that waited for this one. Returns warnings; never fails. */
export async function addAwaitedForeignKeys(
  context: DatabaseContext,
  session: Session,
  address: TableAddress,
): Promise<string[]> {
  const rows = await session.query<{
    child: string;
    name: string;
    definition: string;
    is_there: boolean;
  }>('SELECT * FROM borg_slave.awaited($1, $2)', [address.dataSchema, address.table]);
  const warnings: string[] = [];
  for (const row of rows) {
    try {
      // In two steps, so that writers of the child are held up only for a moment.
      const added = row.is_there ? [] : await add(context, session, row.name, unvalidated(row.definition));
      warnings.push(...added);
      if (added.length === 0) await validate(context, session, row.child, row.name);
    } catch (error) {
      if (!(error instanceof AgentError) || error.reason === 'cancelled') throw error;
      warnings.push(
        sqlState(error) === VIOLATED
          ? notValidated(row.name, row.child)
          : `The foreign key ${row.name} of ${row.child} could not be added: ${error.message}`,
      );
    }
  }
  return warnings;
}

interface KeyToMove {
  readonly child: string;
  readonly name: string;
  readonly temporary: string;
  readonly add_sql: string | null;
  readonly validate_sql: string | null;
}

/**
 * Gives the new table, under temporary names, the foreign keys of other tables that point to the old one; the swap renames
 * them. Returns warnings. Throws a remote AgentError 'conflict' when the new table can't be the target of one.
 */
export async function prepareForeignKeys(
  context: DatabaseContext,
  session: Session,
  address: TableAddress,
): Promise<string[]> {
  const keys = await session.query<KeyToMove>(
    `SELECT k.* FROM borg_slave.foreign_keys_to_move(borg_slave.old_table($1, $2, $3, $4),
                                                     borg_slave.relation($2, $4)) k`,
    [address.schema, address.dataSchema, address.outdatedSchema, address.table],
  );
  const warnings: string[] = [];
  for (const key of keys) {
    try {
      if (key.add_sql !== null) await execute(context, session, key.add_sql);
      if (key.validate_sql !== null) await execute(context, session, key.validate_sql);
    } catch (error) {
      if (sqlState(error) === VIOLATED && key.validate_sql !== null) {
        warnings.push(notValidated(key.name, key.child));
        continue;
      }
      if (![VIOLATED, ...UNSUITABLE].includes(sqlState(error) ?? '')) throw error;
      throw new AgentError(
        'conflict',
        `The foreign key ${key.name} of ${key.child} can't point to the new table: ${String(error)}`,
        {
          retry: 'remote',
          hint: 'Drop the foreign key, or publish a table that it can point to.',
          cause: error,
        },
      );
    }
  }
  return warnings;
}

/** The warning for a foreign key whose target is not there. */
export function leftOut(name: string): string {
  return `The foreign key ${name} is left out: the table it points to is not on this slave.`;
}

function notValidated(name: string, child: string): string {
  return `The foreign key ${name} of ${child} is not validated: rows point to nothing.`;
}

/** Adds one key; data that violate it leave it not validated, an unsuitable target leaves it out. Returns warnings. */
async function add(
  context: DatabaseContext,
  session: Session,
  name: string,
  definition: string,
): Promise<string[]> {
  try {
    await execute(context, session, definition);
    return [];
  } catch (error) {
    const state = sqlState(error) ?? '';
    if (UNSUITABLE.includes(state))
      return [`The foreign key ${name} is left out: its target does not fit (${state}).`];
    if (state !== VIOLATED) throw error;
    await execute(context, session, unvalidated(definition));
    return [`The foreign key ${name} is not validated: rows point to nothing on this slave.`];
  }
}

async function validate(
  context: DatabaseContext,
  session: Session,
  child: string,
  name: string,
): Promise<void> {
  await execute(context, session, `ALTER TABLE ${child} VALIDATE CONSTRAINT ${quoteName(name)}`);
}

async function execute(context: DatabaseContext, session: Session, sql: string): Promise<void> {
  const lockMs = Math.min(LONGEST_LOCK_WAIT_MS, context.lockWaitMs);
  await session.script(`SET LOCAL lock_timeout = ${lockMs}; ${sql}`, {
    timeoutMs: context.restoreTimeoutMs,
    doing: 'Adding a foreign key',
  });
}

async function record(session: Session, address: TableAddress, keys: readonly ForeignKey[]): Promise<void> {
  const { dataSchema, table } = address;
  const column = (value: (key: ForeignKey) => string) => keys.map(value);
  if (keys.length === 0) return;
  await session.query(
    `INSERT INTO borg_slave.foreign_key (data_schema, table_name, name, referenced_schema, referenced_table, definition)
     SELECT $1, $2, k.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) k
     ON CONFLICT (data_schema, table_name, name) DO UPDATE
       SET referenced_schema = excluded.referenced_schema, referenced_table = excluded.referenced_table,
           definition = excluded.definition`,
    [
      ...[dataSchema, table, column((key) => key.name), column((key) => key.referenced.schema)],
      ...[column((key) => key.referenced.table), column((key) => key.definition)],
    ],
  );
}

function isOwn(address: TableAddress, { referenced }: ForeignKey): boolean {
  return referenced.schema === address.dataSchema && referenced.table === address.table;
}

async function presence(session: Session, { referenced }: ForeignKey): Promise<string> {
  const row = await session.one<{ presence: string }>('SELECT borg_slave.presence($1, $2) AS presence', [
    referenced.schema,
    referenced.table,
  ]);
  return row.presence;
}

function unvalidated(definition: string): string {
  return definition.endsWith(' NOT VALID') ? definition : `${definition} NOT VALID`;
}
