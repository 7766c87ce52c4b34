import type { Check } from '../check.js';
import { factsOf } from '../facts.js';

/** PostGIS in the slave's database; installing it takes a superuser. */
export const postgis: Check = {
  name: 'postgis',
  run: async (surroundings) => {
    const name = 'postgis';
    const facts = await factsOf(surroundings);
    if (facts === undefined)
      return { name, state: 'skipped', message: 'the database is not used, or cannot be asked' };
    if (facts.postgis !== null) return { name, state: 'ok', message: facts.postgis };
    if (facts.postgisAvailable === null)
      return {
        name,
        state: 'failed',
        message: 'PostGIS is not installed on the database server',
        hint: `Install the package postgresql-${facts.major}-postgis-3, then as a superuser: CREATE EXTENSION postgis;`,
      };
    if (facts.superuser)
      return { name, state: 'ok', message: `${facts.postgisAvailable} will be installed by the first run` };
    return {
      name,
      state: 'failed',
      message: 'PostGIS is not in this database, and only a superuser can put it there',
      hint: 'In this database, as a superuser: CREATE EXTENSION postgis;',
    };
  },
};
