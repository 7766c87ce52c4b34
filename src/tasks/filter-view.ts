import type { Spec } from '../jobs/kind.js';
import type { TaskFile } from '../jobs/parse.js';

/**
 * The job as a filter sees it: the task file merged with its meta file, plus `action`, `channel`, `job_file`, and what
 * its kind adds. Undefined for what no filter governs: removals (what was applied has to go, whatever the settings say
 * today), and the emptying of tiles, whose files hold no metadata and which concerns only what is published here.
 */
export function filterView(file: TaskFile, merged: Spec): Spec | undefined {
  const { kind, channel } = file.location;
  if (kind.filter === undefined || file.action === 'remove' || file.action === 'empty_gwc') return undefined;
  return {
    ...kind.forFilters?.(merged),
    ...merged,
    action: file.action,
    channel,
    job_file: file.path,
  };
}
