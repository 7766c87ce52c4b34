import { AgentError } from '../lib/errors.js';
import type { Session } from './connections.js';
import type { Change, DatabaseContext } from './context.js';
import { sqlState } from './errors.js';
import { checkSchemas, quoteName, type TableAddress } from './names.js';
import { useInstalled } from './sql/install.js';

export interface SchemasRequest extends Omit<TableAddress, 'table'> {
  /** 0 and 1: the role `sso_access` may read the schema; 2: a role named like the schema; left out: nobody is granted anything. */
  readonly authLevel?: number | undefined;
  /** Grants only in a schema that this call makes: what lies in others is not ours to give away. */
  readonly onlyWhenNew?: boolean;
}

/** Makes sure that PostGIS is there. Installing it takes a superuser (it is no trusted extension). */
export async function ensureExtension(context: DatabaseContext, signal: AbortSignal): Promise<Change> {
  return context.connections.use(signal, async (session) => {
    if (await hasPostgis(session)) return 'unchanged';
    const doing = 'Installing the extension postgis';
    try {
      // Several agents at once would collide in the catalog.
      await session.transaction('READ WRITE', async () => {
        await session.query(`SELECT pg_advisory_xact_lock(hashtextextended('borg postgis', 0))`);
        await session.query('CREATE EXTENSION IF NOT EXISTS postgis', [], { doing });
      });
    } catch (error) {
      if (!['42501', '58P01', '0A000'].includes(sqlState(error) ?? '')) throw error;
      throw new AgentError('database', `${doing}: ${error instanceof Error ? error.message : ''}`, {
        retry: 'remote',
        hint: `Install PostGIS on the server and run, as a superuser: CREATE EXTENSION postgis`,
        cause: error,
      });
    }
    return 'created';
  });
}

async function hasPostgis(session: Session): Promise<boolean> {
  const rows = await session.query(`SELECT FROM pg_extension WHERE extname = 'postgis'`);
  return rows.length > 0;
}

/**
 * Makes sure that the three schemas exist and that the right role, and only it of the two, may read the schema of the views.
 * Does nothing that is right already. Needs CREATE on the database and CREATEROLE, not SUPERUSER.
 */
export async function ensureSchemas(
  context: DatabaseContext,
  request: SchemasRequest,
  signal: AbortSignal,
): Promise<Change> {
  checkSchemas(request);
  const { authLevel } = request;
  if (authLevel !== undefined && ![0, 1, 2].includes(authLevel))
    throw new AgentError('invalid-task-file', `There is no auth_level ${authLevel}: 0, 1 or 2.`, {
      retry: 'final',
    });
  const wanted = [request.schema, request.dataSchema, request.outdatedSchema];
  return useInstalled(context, signal, async (session) => {
    return session.transaction('READ WRITE', async () => {
      const created = await createSchemas(session, wanted);
      const isLeft = request.onlyWhenNew === true && !created.includes(request.schema);
      if (authLevel === undefined || isLeft) return created.length > 0 ? 'created' : 'unchanged';
      const { changes } = await session.one<{ changes: number }>(
        'SELECT borg_slave.ensure_roles($1, $2) AS changes',
        [request.schema, authLevel],
        { doing: `Granting the right to read schema ${request.schema}` },
      );
      if (created.length > 0) return 'created';
      return changes > 0 ? 'updated' : 'unchanged';
    });
  });
}

async function createSchemas(session: Session, wanted: readonly string[]): Promise<string[]> {
  const missing = async (): Promise<string[]> => {
    const there = await session.query<{ nspname: string }>(
      'SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1)',
      [wanted],
    );
    return wanted.filter((name) => !there.some((row) => row.nspname === name));
  };
  if ((await missing()).length === 0) return [];
  await session.query(`SELECT pg_advisory_xact_lock(hashtextextended('borg schemas', 0))`);
  const names = await missing();
  for (const name of names)
    await session.query(`CREATE SCHEMA ${quoteName(name)}`, [], { doing: `Creating the schema ${name}` });
  return names;
}
