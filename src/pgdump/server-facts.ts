import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import { Connections, type ConnectionSettings, type Session } from './connections.js';

/** What a database says about itself, and about the rights of the user one connects as. */
export interface ServerFacts {
  /** For instance `15.10`. */
  readonly version: string;
  readonly major: number;
  /** A standby, or otherwise without writing. */
  readonly readOnly: boolean;
  readonly superuser: boolean;
  /** May make roles (or is a superuser). */
  readonly createsRoles: boolean;
  /** May make schemas in this database. */
  readonly createsSchemas: boolean;
  /** The version of PostGIS in this database, and the one that could be installed. */
  readonly postgis: string | null;
  readonly postgisAvailable: string | null;
  /** Those of the asked schemas that exist and belong to somebody else. */
  readonly foreignSchemas: readonly string[];
  /** The asked databases, and whether they exist and may be connected to. */
  readonly databases: readonly { readonly name: string; readonly open: boolean }[];
  /** How far the server's clock is ahead of this machine's, in milliseconds; behind: negative. */
  readonly clockAheadMs: number;
}

export interface FactsRequest {
  readonly schemas: readonly string[];
  readonly databases: readonly string[];
}

type Row = Omit<ServerFacts, 'databases' | 'clockAheadMs'> & { readonly now: Date };

const FACTS = /* sql */ `
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int / 10000 AS major,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS "readOnly",
       rolsuper AS superuser,
       rolsuper OR rolcreaterole AS "createsRoles",
       has_database_privilege(current_database(), 'CREATE') AS "createsSchemas",
       (SELECT extversion FROM pg_extension WHERE extname = 'postgis') AS postgis,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'postgis') AS "postgisAvailable",
       ARRAY(SELECT nspname::text FROM pg_namespace
              WHERE nspname = ANY ($1) AND NOT pg_has_role(nspowner, 'USAGE') ORDER BY nspname) AS "foreignSchemas",
       clock_timestamp() AS now
  FROM pg_roles WHERE rolname = current_user`;

const DATABASES = /* sql */ `
SELECT name, coalesce(has_database_privilege(oid, 'CONNECT') AND datallowconn, false) AS open
  FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, position)
  LEFT JOIN pg_database ON datname = name ORDER BY position`;

/** Asks one server, over one connection; changes nothing. Throws AgentError as all of this folder does. */
export async function readServerFacts(
  settings: ConnectionSettings,
  request: FactsRequest,
  deps: { readonly log: Logger; readonly clock: Clock },
  signal: AbortSignal,
): Promise<ServerFacts> {
  const connections = new Connections(settings, { max: 1, log: deps.log });
  try {
    return await connections.use(signal, (session) => ask(session, request, deps.clock));
  } finally {
    await connections.close();
  }
}

async function ask(
  session: Session,
  { schemas, databases }: FactsRequest,
  clock: Clock,
): Promise<ServerFacts> {
  const before = clock.now().getTime();
  const { now, ...facts } = await session.one<Row>(FACTS, [schemas]);
  // The middle of the question is when the server looked at its clock, as well as one can tell.
  const here = (before + clock.now().getTime()) / 2;
  const open = await session.query<{ name: string; open: boolean }>(DATABASES, [databases]);
  return { ...facts, databases: open, clockAheadMs: Math.round(now.getTime() - here) };
}
