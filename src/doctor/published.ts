import type { Expected } from '../geoserver/client.js';
import { StateStore } from '../state/store.js';

/**
 * The layers and groups that the record says are done on a server, by its URL; none where there is no record. Throws
 * AgentError when it cannot be read.
 */
export function readPublished(statePath: string): (url: string) => readonly Expected[] {
  const store = new StateStore(statePath, 'read');
  try {
    const files = store.files();
    const tasks = store.tasks();
    const layers = store.publications().flatMap(({ path, spec, identity }) => {
      const { workspace, name, sync_geoserver_data: isSynced, spatial_data: isSpatial } = spec;
      // Identities of layers and groups are known by what they begin with, whatever the kind.
      if (!identity.startsWith('layer:') || isSynced === false || isSpatial === false) return [];
      if (files.get(path)?.state !== 'done' || typeof workspace !== 'string' || typeof name !== 'string')
        return [];
      return [{ path, workspace, name }];
    });
    return (url) =>
      layers.filter(({ path }) =>
        tasks.get(path)?.some((task) => task.target === url && task.state === 'done'),
      );
  } finally {
    store.close();
  }
}
