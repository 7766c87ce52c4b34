import type { Secret } from '../lib/secret.js';
import { converge, type Change } from './change.js';
import { listNames, refuseWhenUsed } from './data-stores.js';
import { at, entries, text, toEntries } from './json.js';
import { fitsMarker, makeMarker, MARKER } from './marker.js';
import { path, qualify, type Qualified } from './names.js';
import type { Rest } from './rest.js';

export interface WmsStore extends Qualified {
  /** The remote server's GetCapabilities. */
  readonly capabilitiesUrl: string;
  readonly username?: string;
  readonly password?: Secret;
  readonly maxConnections: number;
  /** Seconds. */
  readonly readTimeout: number;
  readonly connectTimeout: number;
}

/** Makes the store or brings it into this state. GeoServer does not ask the remote server before the first layer. */
export function ensureWmsStore(rest: Rest, wanted: WmsStore, signal: AbortSignal): Promise<Change> {
  const password = wanted.password?.reveal() ?? '';
  // The marker is bound to address and user, so that a password is never taken to fit another server.
  const secret = JSON.stringify([wanted.capabilitiesUrl, wanted.username ?? '', password]);
  const fields = {
    enabled: true,
    capabilitiesURL: wanted.capabilitiesUrl,
    // An empty text clears, leaving it out keeps.
    user: wanted.username ?? '',
    maxConnections: wanted.maxConnections,
    readTimeout: wanted.readTimeout,
    connectTimeout: wanted.connectTimeout,
  };
  return rest.alone(wanted, () =>
    converge(async () => {
      const current = at(await rest.getJson(`${storePath(wanted)}?quietOnNotFound=true`, signal), 'wmsStore');
      const metadata = entries(at(current, 'metadata'));
      const same = Object.entries(fields).every(([key, value]) => text(at(current, key)) === text(value));
      if (current !== undefined && same && (await fitsMarker(metadata.get(MARKER), secret)))
        return 'unchanged';
      const marked = toEntries([...new Map([...metadata, [MARKER, await makeMarker(secret)]])]);
      const json = { wmsStore: { name: wanted.name, type: 'WMS', ...fields, password, metadata: marked } };
      if (current === undefined) {
        const parent = path`/rest/workspaces/${wanted.workspace}/wmsstores`;
        await rest.write({ method: 'POST', path: parent, json }, signal);
        return 'created';
      }
      await rest.write({ method: 'PUT', path: storePath(wanted), json }, signal);
      return 'updated';
    }, signal),
  );
}

/** Removes an empty store; one that has layers is refused ('conflict'). */
export function removeWmsStore(rest: Rest, store: Qualified, signal: AbortSignal): Promise<Change> {
  return rest.alone(store, () =>
    converge(async () => {
      const layers = await listWmsLayers(rest, store, signal);
      if (layers === undefined) return 'unchanged';
      refuseWhenUsed(`WMS store ${qualify(store)}`, layers);
      return (await rest.delete(storePath(store), signal)) ? 'removed' : 'unchanged';
    }, signal),
  );
}

/** The names of the store's layers, or undefined when there is no such store. */
export function listWmsLayers(
  rest: Rest,
  { workspace, name }: Qualified,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const address = path`/rest/workspaces/${workspace}/wmsstores/${name}/wmslayers.json`;
  return listNames(rest, address, ['wmsLayers', 'wmsLayer'], signal);
}

/** Makes GeoServer ask the remote server for its layers again: it keeps its first answer until the store is written. */
export function refreshCapabilities(rest: Rest, store: Qualified, signal: AbortSignal): Promise<void> {
  const json = { wmsStore: { name: store.name } };
  return rest.write({ method: 'PUT', path: storePath(store), json }, signal);
}

function storePath({ workspace, name }: Qualified): string {
  return path`/rest/workspaces/${workspace}/wmsstores/${name}.json`;
}
