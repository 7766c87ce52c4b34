import type { ConnectionSettings, Session } from './connections.js';
import type { DatabaseContext } from './context.js';

const LOCAL = new Set(['localhost', '127.0.0.1', '::1']);

/** What a restore has to know about the server. */
export interface Server {
  /** 15 for 15.20. */
  readonly major: number;
  /** Where its data are, on its machine; told to superusers and members of pg_read_all_settings only. */
  readonly dataDirectory: string | undefined;
  /** How many processes may help a session to build an index. */
  readonly indexWorkers: number;
}

/** Is the server on this machine, as far as its name tells? */
export function isLocal({ host }: Pick<ConnectionSettings, 'host'>): boolean {
  return LOCAL.has(host) || host.startsWith('/');
}

/** Asked once in a run. */
export async function serverOf({ seen }: Pick<DatabaseContext, 'seen'>, session: Session): Promise<Server> {
  seen.server ??= await readServer(session);
  return seen.server;
}

async function readServer(session: Session): Promise<Server> {
  const row = await session.one<{ number: string; path: string | null; workers: number }>(
    `SELECT current_setting('server_version_num') AS number,
            CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS path,
            current_setting('max_parallel_maintenance_workers')::int AS workers`,
  );
  return {
    major: Math.floor(Number(row.number) / 10_000),
    dataDirectory: row.path ?? undefined,
    indexWorkers: row.workers,
  };
}
