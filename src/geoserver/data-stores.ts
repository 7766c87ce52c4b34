import { AgentError } from '../lib/errors.js';
import type { Secret } from '../lib/secret.js';
import { converge, type Change } from './change.js';
import { errorOf } from './errors.js';
import { at, entries, list, text, toEntries } from './json.js';
import { fitsMarker, makeMarker, MARKER } from './marker.js';
import { path, qualify, type Qualified } from './names.js';
import { parseJson, type Rest } from './rest.js';

export interface PostgisStore extends Qualified {
  /** Connection parameters but for the password, for instance host, port, database, schema, user, dbtype. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly password: Secret;
}

/**
 * Makes the store or gives it exactly these parameters. It is written only on a real difference: any PUT, even of
 * what it has, makes readers of all its layers fail for a moment. GeoServer checks nothing: a wrong host or password
 * shows at the first feature type.
 */
export function ensurePostgisStore(rest: Rest, wanted: PostgisStore, signal: AbortSignal): Promise<Change> {
  const address = path`/rest/workspaces/${wanted.workspace}/datastores/${wanted.name}.json`;
  const secret = JSON.stringify([sorted(wanted.parameters), wanted.password.reveal()]);
  return rest.alone(wanted, () =>
    converge(async () => {
      const current = at(await rest.getJson(`${address}?quietOnNotFound=true`, signal), 'dataStore');
      if (current !== undefined && (await isSame(current, wanted, secret))) return 'unchanged';
      const json = { dataStore: await bodyOf(current, wanted, secret) };
      if (current !== undefined) {
        await rest.write({ method: 'PUT', path: address, json }, signal);
        return 'updated';
      }
      const parent = path`/rest/workspaces/${wanted.workspace}/datastores`;
      await rest.write({ method: 'POST', path: parent, json }, signal);
      return 'created';
    }, signal),
  );
}

/** The names of the store's feature types, or undefined when there is no such store. */
export function listFeatureTypes(
  rest: Rest,
  { workspace, name }: Qualified,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const address = path`/rest/workspaces/${workspace}/datastores/${name}/featuretypes.json`;
  return listNames(rest, address, ['featureTypes', 'featureType'], signal);
}

/**
 * The names in a list of layers of a store, or undefined when there is no such workspace (404) or store, which GeoServer
 * tells by a NullPointerException.
 */
export async function listNames(
  rest: Rest,
  address: string,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const response = await rest.getAny(address, signal, 'application/json');
  if (response.status === 404) return undefined;
  if (response.status === 200)
    return list(at(parseJson(response.body, address), ...keys)).map((item) => text(at(item, 'name')));
  const error = errorOf(response, `GET ${address}`);
  if (error.says(/"store" is null/)) return undefined;
  throw error;
}

/** Removes an empty store. One that has layers is refused: they would vanish from maps and groups without a word. */
export function removeDataStore(rest: Rest, store: Qualified, signal: AbortSignal): Promise<Change> {
  const address = path`/rest/workspaces/${store.workspace}/datastores/${store.name}.json`;
  return rest.alone(store, () =>
    converge(async () => {
      const layers = await listFeatureTypes(rest, store, signal);
      if (layers === undefined) return 'unchanged';
      refuseWhenUsed(`data store ${qualify(store)}`, layers);
      return (await rest.delete(address, signal)) ? 'removed' : 'unchanged';
    }, signal),
  );
}

/** Throws AgentError('conflict', transient) that names the layers still in a store. */
export function refuseWhenUsed(what: string, layers: readonly string[]): void {
  if (layers.length === 0) return;
  const names = layers.length > 5 ? `${layers.slice(0, 5).join(', ')} …` : layers.join(', ');
  throw new AgentError('conflict', `${what} still has ${layers.length} layers: ${names}`, {
    retry: 'transient',
    hint: 'Remove these layers first.',
  });
}

async function isSame(current: unknown, wanted: PostgisStore, secret: string): Promise<boolean> {
  const actual = entries(at(current, 'connectionParameters'));
  return (
    at(current, 'enabled') === true &&
    Object.entries(wanted.parameters).every(([key, value]) => actual.get(key) === value) &&
    (await fitsMarker(entries(at(current, 'metadata')).get(MARKER), secret))
  );
}

/** Connection parameters and metadata are each replaced whole, so both are complete; other people's metadata stay. */
async function bodyOf(current: unknown, wanted: PostgisStore, secret: string): Promise<object> {
  const metadata = new Map([
    ...entries(at(current, 'metadata')),
    [MARKER, await makeMarker(secret)] as const,
  ]);
  const parameters = { ...wanted.parameters, passwd: `plain:${wanted.password.reveal()}` };
  return {
    name: wanted.name,
    enabled: true,
    connectionParameters: toEntries(Object.entries(parameters)),
    metadata: toEntries(metadata),
  };
}

function sorted(parameters: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
}
