import type { Kind } from '../jobs/kind.js';
import type { FileRecord } from '../state/records.js';

/** When a file whose job is done is due again by time; undefined for kinds that go by change only. */
export function dueAgainAt(file: FileRecord, kind: Kind): Date | undefined {
  return file.state === 'done' && file.action !== 'remove' && file.spec !== undefined
    ? kind.dueAt?.(file.spec, file.updatedAt)
    : undefined;
}

/** The earliest time at which any of the files is due again. Reads them only where a kind goes by time. */
export function nextDueAt(files: () => Iterable<FileRecord>, kinds: readonly Kind[]): Date | undefined {
  const byTime = new Map(kinds.flatMap((kind) => (kind.dueAt ? [[kind.name, kind]] : [])));
  if (byTime.size === 0) return undefined;
  let next: Date | undefined;
  for (const file of files()) {
    const kind = byTime.get(file.kind);
    const at = kind && dueAgainAt(file, kind);
    if (at && (next === undefined || at < next)) next = at;
  }
  return next;
}
