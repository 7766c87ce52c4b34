import { SETTLED } from '../reconcile.js';
import { StateStore } from '../state/store.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/** Makes failed task files due again. It changes the record only; the next run (or `sync`) does the work. */
export function retryCommand({ config }: Session, paths: readonly string[]): number {
  const store = new StateStore(config.statePath);
  try {
    const files = store.files();
    const unknown = paths.filter((path) => files.get(path)?.state !== 'failed');
    if (unknown.length > 0) {
      process.stderr.write(`slave-sync: not among the failed task files: ${unknown.join(', ')}\n`);
      return EXIT.usage;
    }
    const chosen = [...files.values()].filter(
      (file) => file.state === 'failed' && (paths.length === 0 || paths.includes(file.path)),
    );
    store.transaction(() => {
      for (const file of chosen)
        store.saveFile({ ...file, state: 'pending', attempts: 0, nextAttemptAt: undefined });
      store.setSetting(SETTLED, '');
    });
    process.stdout.write(
      `${chosen.length} task files will be tried again; run \`slave-sync sync\` to do it now\n`,
    );
    return EXIT.ok;
  } finally {
    store.close();
  }
}
