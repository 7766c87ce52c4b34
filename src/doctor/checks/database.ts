import type { ServerFacts } from '../../pgdump/server-facts.js';
import type { Check, Finding, Surroundings } from '../check.js';

const NAME = 'database';

/** The slave's PostgreSQL: reachable, writable, and with the rights that a run needs (a superuser's are not among them). */
export const database: Check = {
  name: NAME,
  run: async (surroundings) => {
    const { config } = surroundings;
    if (config.skip.db) return { name: NAME, state: 'skipped', message: 'SKIP_DB is on' };
    const facts = await surroundings.database();
    const { user, host, port, database: db } = config.database;
    const problems = [...lacking(facts, surroundings), ...closed(facts, surroundings)];
    const message = `PostgreSQL ${facts.version}, ${user} at ${host}:${port}/${db}`;
    return problems.length > 0 ? problems : { name: NAME, state: 'ok', message };
  },
};

function lacking(facts: ServerFacts, { config }: Surroundings): Finding[] {
  const { user, database: db } = config.database;
  const failed = (message: string, hint: string): Finding => ({ name: NAME, state: 'failed', message, hint });
  const schemas = facts.foreignSchemas.join(', ');
  return [
    ...(facts.readOnly
      ? [failed('the server takes no changes (a standby?)', 'Name the primary in GEOSERVER_PGSQL_HOST.')]
      : []),
    ...(facts.createsSchemas
      ? []
      : [failed(`${user} may not make schemas in ${db}`, `GRANT CREATE ON DATABASE "${db}" TO "${user}";`)]),
    ...(facts.createsRoles
      ? []
      : [failed(`${user} may not make the roles of readers`, `ALTER ROLE "${user}" CREATEROLE;`)]),
    ...(facts.foreignSchemas.length === 0
      ? []
      : [
          failed(
            `schemas belong to somebody else: ${schemas}`,
            `For each, and for its tables and views: ALTER … OWNER TO "${user}";`,
          ),
        ]),
  ];
}

/** Databases that slave_roles.sql may want to change. */
function closed(facts: ServerFacts, { config }: Surroundings): Finding[] {
  if (config.skip.auth) return [];
  const names = facts.databases.filter(({ open }) => !open).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      name: NAME,
      state: 'warning',
      message: `slave_roles.sql could not be run in ${names.join(', ')}: missing, or no right to connect`,
      hint: 'Create them or grant CONNECT, correct AUTH_DATABASES, or set SKIP_AUTH.',
    },
  ];
}
