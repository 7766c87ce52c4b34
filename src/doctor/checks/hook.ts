import { install } from '../../hooks/install.js';
import type { Check } from '../check.js';
import { oneLine } from '../check.js';

/** Whether a pull by hand calls slave-sync. The daemon needs no hook. */
export const hook: Check = {
  name: 'hook',
  run: async ({ config, location, env, command, signal }) => {
    const name = 'hook';
    const plan = await install({
      repository: location,
      command,
      branch: config.branch,
      env,
      signal,
      dryRun: true,
    });
    const [warning] = plan.warnings;
    if (plan.changes.length > 0) {
      const what = plan.changes.flatMap((change) => change.what.map((text) => `${change.file}: ${text}`));
      return {
        name,
        state: 'warning',
        message: `not installed for this program (${oneLine(what.join('; '))})`,
        hint: 'Run `slave-sync init`. Without it only `slave-sync poll` and `slave-sync sync` apply what comes.',
      };
    }
    if (warning !== undefined)
      return {
        name,
        state: warning.includes('refuses the hooks') ? 'failed' : 'warning',
        message: oneLine(plan.warnings.join('; ')),
        hint: 'As long as that is so, a pull by hand may apply nothing, or twice.',
      };
    return { name, state: 'ok', message: `installed in ${location.root}` };
  },
};
