import { SETTLED } from '../reconcile.js';
import { StateStore } from '../state/store.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/**
 * Makes task files due again: all failed ones, or those named, whatever their state; what was done for a named one is done
 * again, for a database or a GeoServer that was lost. It changes the record only; the next run does the work.
 */
export function retryCommand({ config }: Session, paths: readonly string[]): number {
  const store = new StateStore(config.statePath);
  try {
    const files = store.files();
    const unknown = paths.filter((path) => !files.has(path));
    if (unknown.length > 0) {
      process.stderr.write(`slave-sync: no task files that this slave has seen: ${unknown.join(', ')}\n`);
      return EXIT.usage;
    }
    const chosen = [...files.values()].filter((file) =>
      paths.length === 0 ? file.state === 'failed' : paths.includes(file.path),
    );
    store.database.transaction(() => {
      for (const file of chosen) {
        store.saveFile({ ...file, state: 'pending', attempts: 0, nextAttemptAt: undefined });
        if (paths.length > 0) store.deleteTasks(file.path);
      }
      store.setSetting(SETTLED, '');
    });
    process.stdout.write(`${chosen.length} task files are due again; run \`slave-sync sync\` to do it now\n`);
    return EXIT.ok;
  } finally {
    store.close();
  }
}
