import type { FilterName, Kind } from '../jobs/kind.js';
import type { FileRecord } from '../state/records.js';

export interface FilterCount {
  readonly filter: FilterName;
  readonly taken: number;
  readonly seen: number;
}

/**
 * How many of the task files that each filter governs it takes, over the whole record. A filter that takes none is most
 * likely a mistake: a default that newer masters have outgrown, or a misspelt key.
 */
export function countFiltered(files: Iterable<FileRecord>, kinds: readonly Kind[]): FilterCount[] {
  const filters = new Map(kinds.map((kind) => [kind.name, kind.filter]));
  const counts = new Map<FilterName, { taken: number; seen: number }>();
  for (const file of files) {
    const filter = filters.get(file.kind);
    if (filter === undefined || file.action === 'remove' || file.action === 'empty_gwc') continue;
    const count = counts.get(filter) ?? { taken: 0, seen: 0 };
    counts.set(filter, count);
    count.seen += 1;
    if (file.state !== 'excluded' && file.state !== 'unmanaged') count.taken += 1;
  }
  return [...counts].map(([filter, count]) => ({ filter, ...count }));
}
