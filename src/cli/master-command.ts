import { AgentError } from '../lib/errors.js';
import { initMaster } from '../report/init.js';
import { TABLES } from '../report/tables.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** Makes the tables that this slave reports to; says which were made. Doing it again changes nothing. */
export async function masterInitCommand({ config, stop }: Session): Promise<number> {
  if (config.master === undefined)
    throw new AgentError('invalid-config', 'there is no master to report to', {
      retry: 'final',
      hint: 'Set MASTER_PGSQL_HOST, MASTER_PGSQL_DATABASE and MASTER_PGSQL_USERNAME.',
    });
  const made = await initMaster(config.master, stop.signal);
  for (const table of TABLES)
    process.stdout.write(
      `${made.includes(table) ? 'made   ' : 'exists '} ${config.master.schema}.${table}\n`,
    );
  return EXIT.ok;
}
