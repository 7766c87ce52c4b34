import { AgentError, messageOf } from '../../lib/errors.js';
import { sha256 } from '../../lib/hash.js';
import type { Session } from '../connections.js';
import type { DatabaseContext } from '../context.js';
import { sqlState } from '../errors.js';
import { BOOKKEEPING } from './bookkeeping.sql.js';
import { CATALOG } from './catalog.sql.js';
import { FOREIGN_KEYS } from './foreign-keys.sql.js';
import { FORMER_VIEWS, NOTE_VIEWS } from './former-views.sql.js';
import { LOCKS } from './locks.sql.js';
import { PREPARE } from './prepare.sql.js';
import { REBUILD } from './rebuild.sql.js';
import { REMOVE } from './remove.sql.js';
import { ROLES } from './roles.sql.js';
import { SWAP } from './swap.sql.js';

const FUNCTIONS = [FORMER_VIEWS, CATALOG, REBUILD, FOREIGN_KEYS, PREPARE, LOCKS, SWAP, REMOVE, ROLES].join(
  '\n',
);
/** The text itself is the version, so that it can't be forgotten to raise it. */
const VERSION = `slave-sync ${sha256(BOOKKEEPING + FUNCTIONS + NOTE_VIEWS).slice(0, 16)}`;

const DROP_FUNCTIONS = /* sql */ `
DO $$
DECLARE f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'borg_slave'::regnamespace LOOP
    EXECUTE pg_catalog.format('DROP FUNCTION %s', f);
  END LOOP;
END $$;
`;

/**
 * Lends a connection to a database whose schema borg_slave holds the bookkeeping and the functions of this version: one
 * query in a run when it does. Needs CREATE on the database the first time. When somebody takes them away during the
 * run, what fails for that is transient, and finds them made again when it is tried again.
 */
export async function useInstalled<T>(
  { connections, seen }: Pick<DatabaseContext, 'connections' | 'seen'>,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  try {
    return await connections.use(signal, async (session) => {
      if (!seen.isInstalled) await install(session);
      seen.isInstalled = true;
      return work(session);
    });
  } catch (error) {
    if (!isGone(error)) throw error;
    seen.isInstalled = false;
    throw new AgentError(
      'conflict',
      `Somebody has changed the schema borg_slave meanwhile: ${messageOf(error)}`,
      {
        retry: 'transient',
        cause: error,
      },
    );
  }
}

/** No such schema, function or table, of ours. */
function isGone(error: unknown): boolean {
  return (
    ['3F000', '42883', '42P01'].includes(sqlState(error) ?? '') && /\bborg_slave\b/.test(messageOf(error))
  );
}

async function install(session: Session): Promise<void> {
  const installed = async (): Promise<boolean> => {
    // By reading the catalog's tables: to_regnamespace may answer from a cache that is older than a lock waited for.
    const [row] = await session.query<{ version: string | null }>(
      `SELECT obj_description(oid, 'pg_namespace') AS version FROM pg_namespace WHERE nspname = 'borg_slave'`,
    );
    return row?.version === VERSION;
  };
  if (await installed()) return;
  await session.transaction('READ WRITE', async () => {
    await session.query(`SELECT pg_advisory_xact_lock(hashtextextended('borg install', 0))`);
    if (await installed()) return;
    const doing = 'Installing the schema borg_slave';
    await session.script(`${BOOKKEEPING}\n${DROP_FUNCTIONS}\n${FUNCTIONS}\n${NOTE_VIEWS}`, { doing });
    await session.query(`COMMENT ON SCHEMA borg_slave IS '${VERSION}'`);
  });
}
