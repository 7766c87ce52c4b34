import { AgentError } from '../lib/errors.js';
import {
  goneOf,
  listGroups,
  lookIntoStore,
  lookIntoWorkspace,
  some,
  type Catalog,
  type Defect,
  type Expected,
} from './dangling.js';
import { listNames } from './data-stores.js';
import { errorOf } from './errors.js';
import { listOfTexts } from './json.js';
import { isAddressable, path, type Qualified } from './names.js';
import type { Rest } from './rest.js';

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

/** What should be in the catalog. */
export interface Wanted {
  /** The stores of features: GeoServer connects to the database for each. Their workspaces are looked into. */
  readonly stores: readonly Qualified[];
  /** What this slave has published there. */
  readonly published: readonly Expected[];
}

/**
 * What GeoServer accepts silently and then stumbles over: a workspace without its namespace, a store that cannot be
 * opened, what refers to something that is gone, a layer that no address can name, a tile service that one wrong tile
 * layer has broken. Reads only: four lists for each workspace and store, and each group.
 */
export async function findDefects(
  rest: Rest,
  { stores, published }: Wanted,
  signal: AbortSignal,
): Promise<readonly Defect[]> {
  const [workspaces, layers] = await Promise.all([
    listNames(rest, '/rest/workspaces.json', ['workspaces', 'workspace'], signal),
    listNames(rest, '/rest/layers.json', ['layers', 'layer'], signal),
  ]);
  const there = stores.filter((store) => workspaces?.includes(store.workspace));
  const groups = await Promise.all(there.map(({ workspace }) => listGroups(rest, workspace, signal)));
  const catalog: Catalog = {
    layers: new Set(layers),
    groups: new Map(groups.flatMap(({ workspace, names }) => (names ? [[workspace, names]] : []))),
  };
  const found = await Promise.all([
    ...there.map((store) => halfMadeWorkspace(rest, store.workspace, signal)),
    ...there.map((store) => lookIntoStore(rest, store, signal)),
    ...there.map((store) => lookIntoWorkspace(rest, store.workspace, catalog, signal)),
    brokenTileService(rest, signal),
  ]);
  const gone = goneOf(published, catalog, workspaces ?? []);
  return [
    ...found.flat(),
    ...groups.flatMap(({ defect }) => defect ?? []),
    ...gone,
    ...unreachableLayers(layers ?? []),
  ];
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

/** GeoServer takes such names, and then refuses every address with them; its tile service stumbles over a slash. */
function unreachableLayers(names: readonly string[]): Defect[] {
  const bad = names.filter((name) => !isAddressable(name));
  if (bad.length === 0) return [];
  return [
    {
      what: `layers that no address can name: ${some(bad)}`,
      hint: "Rename or delete them in GeoServer's own pages; they can break the tile service.",
    },
  ];
}

async function brokenTileService(rest: Rest, signal: AbortSignal): Promise<Defect[]> {
  const address = '/gwc/service/wmts?service=WMTS&version=1.0.0&request=GetCapabilities';
  try {
    const response = await rest.getAny(address, signal, '*/*');
    if (response.status === 200 || response.status === 404) return [];
    const error = errorOf(response, 'GetCapabilities');
    return [
      {
        what: `the tile service (WMTS) of the whole server is broken (${error.message})`,
        hint: error.says(/Could not locate a layer/)
          ? 'A tile layer is left of a layer that is gone: delete the file with that id below gwc-layers in the data directory of GeoServer, and reload its configuration.'
          : 'Mend first what else is named here. Otherwise a tile layer names a grid set that is gone: create the grid set again, or delete that tile layer.',
      },
    ];
  } catch (error) {
    // Longer than what is worth reading here: it works.
    if (error instanceof AgentError && error.reason === 'invalid-data') return [];
    throw error;
  }
}
