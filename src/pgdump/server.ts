import type { Session } from './connections.js';
import type { DatabaseContext } from './context.js';

/** What a restore has to know about the server. */
export interface Server {
  /** 15 for 15.20. */
  readonly major: number;
  /** Where its data are, on its machine; told to superusers and members of pg_read_all_settings only. */
  readonly dataDirectory: string | undefined;
}

/** Asked once in a run. */
export async function serverOf({ seen }: Pick<DatabaseContext, 'seen'>, session: Session): Promise<Server> {
  seen.server ??= await readServer(session);
  return seen.server;
}

async function readServer(session: Session): Promise<Server> {
  const row = await session.one<{ number: string; path: string | null }>(
    `SELECT current_setting('server_version_num') AS number,
            CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS path`,
  );
  return { major: Math.floor(Number(row.number) / 10_000), dataDirectory: row.path ?? undefined };
}
