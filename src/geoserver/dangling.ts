import { listNames, listFeatureTypes } from './data-stores.js';
import { errorOf, GeoServerError } from './errors.js';
import { at, list, listOfTexts, text } from './json.js';
import { isAddressable, path, qualify, type Qualified } from './names.js';
import { parseJson, type Rest } from './rest.js';

/** Something in the catalog that was left half made or broken, and how to mend it. */
export interface Defect {
  readonly what: string;
  readonly hint: string;
}

/** A layer or group that this slave has published. */
export interface Expected extends Qualified {
  /** Its task file. */
  readonly path: string;
}

const SHOWN = 5;
/** More than these are not looked at one by one: their number says enough. */
const MOST_SUSPECTS = 20;

/** The first five names, and how many more there are. */
export function some(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.toSorted().slice(0, SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/**
 * A store that cannot be opened, and feature types whose table or view is gone. GeoServer goes on listing them, with the
 * columns that it has read before; only the list of what the database has tells.
 */
export async function lookIntoStore(rest: Rest, store: Qualified, signal: AbortSignal): Promise<Defect[]> {
  const configured = await listFeatureTypes(rest, store, signal);
  if (configured === undefined) return [];
  const address = path`/rest/workspaces/${store.workspace}/datastores/${store.name}/featuretypes.json?list=all`;
  const response = await rest.getAny(address, signal, 'application/json');
  if (response.status !== 200)
    return [
      {
        what: `data store ${qualify(store)} cannot be opened (${errorOf(response, 'its tables').message})`,
        hint: 'Can GeoServer reach GEOSERVER_PGSQL_HOST, and log in with GEOSERVER_PGSQL_USERNAME and its password?',
      },
    ];
  const tables = new Set(listOfTexts(at(parseJson(response.body, address), 'list', 'string')));
  const suspects = configured.filter((name) => !tables.has(name) && isAddressable(name));
  const isLost = await Promise.all(
    suspects.slice(0, MOST_SUSPECTS).map((name) => lacksTable(rest, store, name, tables, signal)),
  );
  const lost = suspects.filter((_, index) => isLost[index]);
  if (lost.length === 0) return [];
  return [
    {
      what: `layers of data store ${qualify(store)} whose table or view is gone: ${some(lost)}`,
      hint: '`slave-sync retry` with their task files publishes them again; delete others in GeoServer.',
    },
  ];
}

/** Whether a feature type that is not named like a table has none. SQL views have their own text instead of one. */
async function lacksTable(
  rest: Rest,
  { workspace, name: store }: Qualified,
  name: string,
  tables: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<boolean> {
  const address = path`/rest/workspaces/${workspace}/datastores/${store}/featuretypes/${name}.json`;
  const response = await rest.getAny(`${address}?quietOnNotFound=true`, signal, 'application/json');
  if (response.status !== 200)
    return errorOf(response, 'its columns').says(/Could not get native attributes/);
  const featureType = at(parseJson(response.body, address), 'featureType');
  const isView = list(at(featureType, 'metadata', 'entry')).some(
    (entry) => at(entry, '@key') === 'JDBC_VIRTUAL_TABLE',
  );
  return !isView && !tables.has(text(at(featureType, 'nativeName')));
}

/** The layers and groups of a server, as far as they have been asked for. */
export interface Catalog {
  /** Of all workspaces, qualified. */
  readonly layers: ReadonlySet<string>;
  /** Of the workspaces that are looked at: their groups. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

export interface Groups {
  readonly workspace: string;
  /** Undefined when GeoServer cannot list them. */
  readonly names?: readonly string[];
  readonly defect?: Defect;
}

/**
 * The groups of a workspace. A group in a group whose members are not there when GeoServer starts is left out, and then
 * neither the outer group nor the list can be read (measured with 2.26.2).
 */
export async function listGroups(rest: Rest, workspace: string, signal: AbortSignal): Promise<Groups> {
  const address = path`/rest/workspaces/${workspace}/layergroups.json`;
  try {
    return {
      workspace,
      names: (await listNames(rest, address, ['layerGroups', 'layerGroup'], signal)) ?? [],
    };
  } catch (error) {
    if (!(error instanceof GeoServerError) || !error.says(/"layers" is null/)) throw error;
    const defect = {
      what: `the layer groups of workspace ${workspace} cannot be listed: one of them holds a group that is gone (${error.message})`,
      hint: `Delete its file below workspaces/${workspace}/layergroups in the data directory of GeoServer, reload its configuration, then \`slave-sync retry\` with the task files of both groups.`,
    };
    return { workspace, defect };
  }
}

/** Within one workspace: what is a layer without its resource, a resource without its layer, a group without a member. */
export async function lookIntoWorkspace(
  rest: Rest,
  workspace: string,
  catalog: Catalog,
  signal: AbortSignal,
): Promise<Defect[]> {
  const resources = await namesOfResources(rest, workspace, signal);
  const start = `${workspace}:`;
  const layers = [...catalog.layers].flatMap((name) =>
    name.startsWith(start) ? name.slice(start.length) : [],
  );
  const halves = resources.filter((name) => !catalog.layers.has(start + name)).map((name) => start + name);
  const empty = await layersWithout(rest, workspace, new Set(resources), layers, signal);
  const groups = catalog.groups.get(workspace) ?? [];
  const lacking = await Promise.all(
    groups.filter(isAddressable).map((name) => lackingMembers(rest, { workspace, name }, catalog, signal)),
  );
  const hint =
    'Reload the configuration of GeoServer, which forgets them; then `slave-sync retry` with their task files.';
  return [
    ...(halves.length === 0 ? [] : [{ what: `feature types without their layer: ${some(halves)}`, hint }]),
    ...(empty.length === 0 ? [] : [{ what: `layers without their resource: ${some(empty)}`, hint }]),
    ...lacking.flat(),
  ];
}

async function namesOfResources(rest: Rest, workspace: string, signal: AbortSignal): Promise<string[]> {
  const namesIn = (part: string, keys: readonly string[]) =>
    listNames(rest, `${path`/rest/workspaces/${workspace}`}/${part}.json`, keys, signal);
  const [featureTypes, wmsLayers] = await Promise.all([
    namesIn('featuretypes', ['featureTypes', 'featureType']),
    namesIn('wmslayers', ['wmsLayers', 'wmsLayer']),
  ]);
  return [...(featureTypes ?? []), ...(wmsLayers ?? [])];
}

/** Layers of other types (of files, of tile services) are somebody else's and have their resources elsewhere. */
async function layersWithout(
  rest: Rest,
  workspace: string,
  resources: ReadonlySet<string>,
  layers: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const suspects = layers.filter((name) => !resources.has(name) && isAddressable(name));
  const types = await Promise.all(
    suspects.slice(0, MOST_SUSPECTS).map(async (name) => {
      const address = path`/rest/workspaces/${workspace}/layers/${name}.json?quietOnNotFound=true`;
      const response = await rest.getAny(address, signal, 'application/json');
      return response.status === 200 ? text(at(parseJson(response.body, address), 'layer', 'type')) : '';
    }),
  );
  return suspects.flatMap((name, index) =>
    ['VECTOR', 'WMS', ''].includes(types[index] ?? 'not asked') ? `${workspace}:${name}` : [],
  );
}

async function lackingMembers(
  rest: Rest,
  group: Qualified,
  { layers, groups }: Catalog,
  signal: AbortSignal,
): Promise<Defect[]> {
  const address = path`/rest/workspaces/${group.workspace}/layergroups/${group.name}.json?quietOnNotFound=true`;
  const members = list(
    at(await rest.getJson(address, signal), 'layerGroup', 'publishables', 'published'),
  ).map((member) => ({ isGroup: at(member, '@type') === 'layerGroup', name: text(at(member, 'name')) }));
  // A group of a workspace has members of that workspace only.
  const inside = new Set(groups.get(group.workspace)?.map((name) => `${group.workspace}:${name}`));
  const lost = members
    .filter(({ isGroup, name }) => !(isGroup ? inside : layers).has(name))
    .map(({ name }) => (name === '' ? 'one without a name' : name));
  if (lost.length === 0) return [];
  return [
    {
      what: `layer group ${qualify(group)} lacks members: ${some(lost)}`,
      hint: '`slave-sync retry` with the task files of its members and its own makes it whole.',
    },
  ];
}

/** What the record says is here and the server does not have: a data directory that was restored or edited, for instance. */
export function goneOf(
  expected: readonly Expected[],
  { layers, groups }: Catalog,
  workspaces: readonly string[],
): Defect[] {
  const gone = expected.filter(({ workspace, name }) => {
    const known = groups.get(workspace) ?? (workspaces.includes(workspace) ? undefined : []);
    return known !== undefined && !layers.has(`${workspace}:${name}`) && !known.includes(name);
  });
  if (gone.length === 0) return [];
  const paths = gone.slice(0, SHOWN).map((one) => one.path);
  return [
    {
      what: `published by slave-sync and no longer there: ${some(gone.map(({ workspace, name }) => `${workspace}:${name}`))}`,
      hint: `slave-sync retry ${paths.join(' ')}${gone.length > SHOWN ? ' …' : ''}, then slave-sync sync.`,
    },
  ];
}
