import { APPROVED, GUARDED, type StoppedRun } from '../reconcile.js';
import { StateStore } from '../state/store.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** Allows the removals that the guard stopped in one run, and what is left of them; anything more is stopped again. */
export function approveCommand({ config }: Session, run: string): number {
  const store = new StateStore(config.statePath);
  try {
    const stopped = JSON.parse(store.setting(GUARDED) ?? '{}') as Partial<StoppedRun>;
    if (stopped.removals === undefined || String(stopped.run) !== run) {
      process.stderr.write(`slave-sync: the guard stopped no run ${run}\n`);
      return EXIT.usage;
    }
    store.setSetting(APPROVED, JSON.stringify(stopped.removals));
    process.stdout.write('approved: the next pull, or `slave-sync sync`, removes exactly that list\n');
    return EXIT.ok;
  } finally {
    store.close();
  }
}
