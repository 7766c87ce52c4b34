import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { AgentError } from '../lib/errors.js';
import { CommandFailed, run } from '../lib/process.js';
import { makeTemporaryFolder } from '../lib/temporary.js';
import type { ConnectionSettings } from './connections.js';
import { MAKE_ROOM } from './errors.js';
import type { DumpInfo } from './inspect.js';
import { isLocal, type Server } from './server.js';

export interface RestoreOptions {
  readonly tool: string;
  readonly settings: ConnectionSettings;
  readonly server: Pick<Server, 'indexWorkers'>;
  readonly dumpPath: string;
  readonly info: DumpInfo;
  /** Marks the server process, see `restoreMark`. */
  readonly applicationName: string;
  readonly timeoutMs: number;
}

/**
 * The application name of the server process that restores this table. The next run finds one that a killed agent left
 * behind by it. A digest, since application names are cut at 63 bytes.
 */
export function restoreMark(dataSchema: string, table: string): string {
  const digest = createHash('sha256').update(JSON.stringify([dataSchema, table]));
  return `slave-sync restore ${digest.digest('hex').slice(0, 24)}`;
}

/**
 * Restores a dump in one transaction: afterwards the table is there completely or not at all. Foreign keys are left to
 * the caller. Throws AgentError: 'connection' transient, 'invalid-data' remote (damaged archive or rows), 'database' final
 * (what the server refuses), 'disk-full' transient, 'timed-out', 'cancelled'.
 */
export async function restore(options: RestoreOptions, signal: AbortSignal): Promise<void> {
  const { settings, info } = options;
  const args = [
    // One transaction; -e is implied. No password prompt; no owners, grants, tablespaces of the master.
    ...['--single-transaction', '--exit-on-error', '--no-password', '--no-owner', '--no-privileges'],
    ...['--no-tablespaces', '--no-publications', '--no-subscriptions', '--no-security-labels'],
    `--format=${info.format}`,
    `--dbname=${databaseArgument(settings)}`,
  ];
  const env = {
    ...withoutPgVariables(process.env),
    PGHOST: settings.host,
    PGPORT: String(settings.port),
    PGUSER: settings.user,
    PGPASSWORD: settings.password?.reveal(),
    PGAPPNAME: options.applicationName,
    PGCONNECT_TIMEOUT: '15',
    PGOPTIONS: sessionOptions(options),
    LC_ALL: 'C',
  };
  const start = async (list: readonly string[]): Promise<void> => {
    try {
      await run(options.tool, [...args, ...list, options.dumpPath], {
        env,
        signal,
        timeoutMs: options.timeoutMs,
      });
    } catch (error) {
      throw error instanceof CommandFailed ? explain(error) : error;
    }
  };
  if (info.foreignKeys.length === 0) return start([]);

  const folder = await makeTemporaryFolder();
  try {
    const list = join(folder, 'entries');
    const wanted = info.entries.filter((entry) => entry.kind !== 'FK CONSTRAINT');
    await writeFile(list, wanted.map((entry) => `${entry.dumpId};\n`).join(''));
    await start([`--use-list=${list}`]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The swap's commit makes it durable, so this one need not wait. Timeouts would be of no use here: the archive resets them.
 * One process builds an index beside its helpers: with more of them than there are cores left, it takes longer than alone
 * with fewer (2 cores, one million points: 0.98 of the time with one helper instead of two).
 */
export function sessionOptions({ settings, server }: Pick<RestoreOptions, 'settings' | 'server'>): string {
  const workers = isLocal(settings)
    ? Math.min(server.indexWorkers, availableParallelism() - 1)
    : server.indexWorkers;
  return [
    ...['-c synchronous_commit=off', '-c maintenance_work_mem=256MB'],
    `-c max_parallel_maintenance_workers=${workers}`,
  ].join(' ');
}

/** As a connection string, since a bare name with "=" or "://" in it would be taken for one. */
function databaseArgument(settings: ConnectionSettings): string {
  return `dbname='${settings.database.replace(/[\\']/g, '\\$&')}'`;
}

/** An environment for libpq that says nothing by itself; PGSSL* stays, since it says how to connect, not to what. */
function withoutPgVariables(env: NodeJS.ProcessEnv): Record<string, undefined> {
  const names = Object.keys(env).filter((name) => name.startsWith('PG') && !name.startsWith('PGSSL'));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** The messages of pg_restore itself are English because of LC_ALL; those of the server are in its own language. */
function explain(error: CommandFailed): AgentError {
  const say = (
    reason: ConstructorParameters<typeof AgentError>[0],
    retry: ConstructorParameters<typeof AgentError>[2]['retry'],
    hint?: string,
  ) =>
    new AgentError(reason, error.message, { retry, cause: error, ...(hint === undefined ? {} : { hint }) });
  const text = error.stderr;
  if (/no space left on device|disk full/i.test(text)) return say('disk-full', 'transient', MAKE_ROOM);
  if (
    /connection to server .* failed|server closed the connection|connection not open|terminating connection|could not connect|SSL connection has been closed|no connection to the server|lost synchronization/i.test(
      text,
    )
  )
    return say('connection', 'transient');
  if (/already exists/i.test(text)) return say('conflict', 'transient');
  const refusedBySql = text.includes('could not execute query');
  // A missing right or type, a full server that says so in another language: the operator or the master can mend it.
  if (refusedBySql) return say('database', 'remote');
  // A bad row, a bad block, or a crash while decompressing.
  return say('invalid-data', 'remote');
}
