import { partsOf } from '../layer.js';
import type { TaskDefinition } from '../task.js';

/**
 * Makes a GeoServer that shares the first one's data directory read its catalog again. GeoServer has no gentler way, and
 * its readers fail for a moment: it is done once per run, after everything else, and only when the catalog was changed.
 */
const refreshReplicas: TaskDefinition = {
  type: 'refresh_replicas',
  target: 'replica',
  barrier: true,
  applies: (job, settings) => partsOf(job, settings).layers,
  object: () => 'catalog',
  async run(_job, { geoserver, isStale, catalogOutputs, signal }) {
    if (!isStale && !catalogOutputs().some(isChange)) return { output: 'unchanged' };
    await geoserver.reload(signal);
    return { output: 'updated' };
  },
};

/** True when an output says, wherever, that something was created, updated or removed. */
function isChange(output: unknown): boolean {
  if (output !== null && typeof output === 'object') return Object.values(output).some(isChange);
  return output === 'created' || output === 'updated' || output === 'removed';
}

export default [refreshReplicas];
