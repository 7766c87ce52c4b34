import { AgentError } from '../lib/errors.js';
import { listNames, listFeatureTypes } from './data-stores.js';
import { errorOf } from './errors.js';
import { at, list, listOfTexts, text } from './json.js';
import { isAddressable, path, qualify, type Qualified } from './names.js';
import type { Rest } from './rest.js';

/** Something in the catalog that was left half made or broken, and how to mend it. */
export interface Defect {
  readonly what: string;
  readonly hint: string;
}

/** The names of all grid sets. */
export async function gridSetNames(rest: Rest, signal: AbortSignal): Promise<readonly string[]> {
  return listOfTexts(await rest.getJson('/gwc/rest/gridsets.json', signal));
}

/** The server's time, to the second; undefined when it does not say. Waits for no lock of the server. */
export async function serverTime(rest: Rest, signal: AbortSignal): Promise<Date | undefined> {
  const { headers } = await rest.getAny('/rest/about/version.json', signal, 'application/json');
  const time = new Date(headers.get('date') ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/**
 * What GeoServer accepts silently and then stumbles over: a workspace without its namespace, a store that cannot be
 * opened, a layer that no address can name, a tile service that one wrong tile layer has broken. Reads only; of the
 * stores only those given, since GeoServer connects to the database for each.
 */
export async function findDefects(
  rest: Rest,
  stores: readonly Qualified[],
  signal: AbortSignal,
): Promise<readonly Defect[]> {
  const workspaces =
    (await listNames(rest, '/rest/workspaces.json', ['workspaces', 'workspace'], signal)) ?? [];
  const there = stores.filter((store) => workspaces.includes(store.workspace));
  const found = await Promise.all([
    ...there.map((store) => halfMadeWorkspace(rest, store.workspace, signal)),
    ...there.map((store) => brokenStore(rest, store, signal)),
    unreachableLayers(rest, signal),
    brokenTileService(rest, signal),
  ]);
  return found.flat();
}

async function halfMadeWorkspace(rest: Rest, workspace: string, signal: AbortSignal): Promise<Defect[]> {
  const address = path`/rest/namespaces/${workspace}.json?quietOnNotFound=true`;
  if ((await rest.get(address, signal)) !== undefined) return [];
  return [
    {
      what: `workspace ${workspace} is half made: it has no namespace`,
      hint: `Delete it in GeoServer, then \`slave-sync retry\`.`,
    },
  ];
}

async function brokenStore(rest: Rest, store: Qualified, signal: AbortSignal): Promise<Defect[]> {
  if ((await listFeatureTypes(rest, store, signal)) === undefined) return [];
  const address = path`/rest/workspaces/${store.workspace}/datastores/${store.name}/featuretypes.json?list=available`;
  const response = await rest.getAny(address, signal, 'application/json');
  if (response.status === 200) return [];
  return [
    {
      what: `data store ${qualify(store)} cannot be opened (${errorOf(response, 'its tables').message})`,
      hint: 'Can GeoServer reach GEOSERVER_PGSQL_HOST, and log in with GEOSERVER_PGSQL_USERNAME and its password?',
    },
  ];
}

/** GeoServer takes such names, and then refuses every address with them; its tile service stumbles over a slash. */
async function unreachableLayers(rest: Rest, signal: AbortSignal): Promise<Defect[]> {
  const names = list(at(await rest.getJson('/rest/layers.json', signal), 'layers', 'layer')).map((layer) =>
    text(at(layer, 'name')),
  );
  const bad = names.filter((name) => !isAddressable(name));
  if (bad.length === 0) return [];
  return [
    {
      what: `layers that no address can name: ${bad.slice(0, 5).join(', ')}${bad.length > 5 ? ' …' : ''}`,
      hint: "Rename or delete them in GeoServer's own pages; they can break the tile service.",
    },
  ];
}

async function brokenTileService(rest: Rest, signal: AbortSignal): Promise<Defect[]> {
  const address = '/gwc/service/wmts?service=WMTS&version=1.0.0&request=GetCapabilities';
  try {
    const response = await rest.getAny(address, signal, '*/*');
    if (response.status === 200 || response.status === 404) return [];
    const { message } = errorOf(response, 'GetCapabilities');
    return [
      {
        what: `the tile service (WMTS) of the whole server is broken (${message})`,
        hint: 'A tile layer names a grid set that is gone: create the grid set again, or delete that tile layer.',
      },
    ];
  } catch (error) {
    // Longer than what is worth reading here: it works.
    if (error instanceof AgentError && error.reason === 'invalid-data') return [];
    throw error;
  }
}
