import { findRestoreTool } from '../../pgdump/tools.js';
import type { Check } from '../check.js';
import { factsOf } from '../facts.js';

/** What every pg_restore reads. */
const OLDEST_ARCHIVE = '1.14';

/** pg_restore: one must be there that this server understands. */
export const client: Check = {
  name: 'pg_restore',
  run: async (surroundings) => {
    const name = 'pg_restore';
    const facts = await factsOf(surroundings);
    if (facts === undefined)
      return { name, state: 'skipped', message: 'the database is not used, or cannot be asked' };
    const wanted = { archiveVersion: OLDEST_ARCHIVE, serverMajor: facts.major };
    const tool = await findRestoreTool(wanted, { pgBinDir: surroundings.config.pgBinDir });
    const message = `${tool.path} (${tool.major}) for server ${facts.major}`;
    if (tool.major >= Math.min(facts.major, 16)) return { name, state: 'ok', message };
    return {
      name,
      state: 'warning',
      message: `${message}: it reads dumps of PostgreSQL ${tool.major} and older only`,
      hint: `Install postgresql-client-${Math.min(facts.major, 16)}.`,
    };
  },
};
