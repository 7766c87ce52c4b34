import type { Stats } from 'node:fs';
import type { Finding } from './check.js';

/** A warning when this runs as root and the file is not root's. */
export function ownedByAnother(name: string, path: string, { uid }: Stats): Finding | undefined {
  if (process.getuid?.() !== 0 || uid === 0) return undefined;
  return {
    name,
    state: 'warning',
    message: `${path} belongs to user ${uid}, and this runs as root: what root makes there, that user cannot write`,
    hint: 'Run slave-sync as that user, always.',
  };
}
