import { converge, type Change } from './change.js';
import { at } from './json.js';
import { path } from './names.js';
import type { Rest } from './rest.js';

export interface Workspace {
  readonly name: string;
  /** Of the namespace. GeoServer takes no two workspaces with one URI. */
  readonly uri: string;
}

/**
 * Makes the workspace, or gives it the wanted URI. It goes by the namespace, since a namespace brings its workspace
 * along while a new workspace cannot be given a URI. A change of URI makes readers of its stores fail for a moment.
 */
export function ensureWorkspace(rest: Rest, wanted: Workspace, signal: AbortSignal): Promise<Change> {
  const json = { namespace: { prefix: wanted.name, uri: wanted.uri } };
  const address = path`/rest/namespaces/${wanted.name}.json`;
  return converge(async () => {
    const current = await rest.getJson(`${address}?quietOnNotFound=true`, signal);
    if (at(current, 'namespace', 'uri') === wanted.uri) return 'unchanged';
    if (current === undefined) {
      await rest.write({ method: 'POST', path: '/rest/namespaces', json }, signal);
      return 'created';
    }
    await rest.write({ method: 'PUT', path: address, json }, signal);
    return 'updated';
  }, signal);
}
