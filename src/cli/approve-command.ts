import { APPROVED, GUARDED, type StoppedRun } from '../reconcile.js';
import { StateStore } from '../state/store.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** Allows the removals that the guard stopped in one run; another list is stopped again. */
export function approveCommand({ config }: Session, run: string): number {
  const store = new StateStore(config.statePath);
  try {
    const stopped = JSON.parse(store.setting(GUARDED) ?? '{}') as Partial<StoppedRun>;
    if (stopped.digest === undefined || String(stopped.run) !== run) {
      process.stderr.write(`slave-sync: the guard stopped no run ${run}\n`);
      return EXIT.usage;
    }
    store.setSetting(APPROVED, stopped.digest);
    process.stdout.write('approved: the next pull, or `slave-sync sync`, removes exactly that list\n');
    return EXIT.ok;
  } finally {
    store.close();
  }
}
