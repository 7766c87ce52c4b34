import type { Check } from '../check.js';

/** The master's database and its three monitor tables. */
export const master: Check = {
  name: 'master',
  run: async ({ config, ...surroundings }) => {
    const name = 'master';
    const facts = await surroundings.master();
    if (facts === undefined || config.master === undefined)
      return { name, state: 'skipped', message: 'nothing is reported (MASTER_PGSQL_* is not set)' };
    const { host, port, database, schema, user } = config.master;
    if (facts.missing.length > 0)
      return {
        name,
        state: 'failed',
        message: `there is no ${facts.missing.join(', ')} in schema ${schema} of ${host}:${port}/${database}`,
        hint: 'Check MASTER_PGSQL_DATABASE and _SCHEMA; a team without borgcollector runs `slave-sync master init`.',
      };
    if (facts.denied.length > 0)
      return {
        name,
        state: 'failed',
        message: `${user} may not read, add, change and delete rows of ${facts.denied.join(', ')}`,
        hint: `Grant SELECT, INSERT, UPDATE, DELETE on them and USAGE on their sequences and on schema ${schema} to "${user}".`,
      };
    return { name, state: 'ok', message: `reports go to ${user} at ${host}:${port}/${database}` };
  },
};
