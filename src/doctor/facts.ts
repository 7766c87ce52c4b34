import type { ServerFacts } from '../pgdump/server-facts.js';
import type { Surroundings } from './check.js';

/** The database's facts; undefined when it is not used or cannot be asked, which the check `database` tells. */
export async function factsOf({ config, database }: Surroundings): Promise<ServerFacts | undefined> {
  if (config.skip.db) return undefined;
  return database().catch(() => undefined);
}
