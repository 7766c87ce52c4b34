import { converge, type Change } from './change.js';
import { errorOf } from './errors.js';
import { path, type Qualified } from './names.js';
import type { Rest } from './rest.js';
import { prepareSld, type Sld } from './sld.js';

export interface Style extends Qualified {
  /** The bytes of an SLD file in any encoding. */
  readonly sld: Uint8Array;
  /** The caller knows of no such style: it is created without looking first, which saves a request. */
  readonly likelyNew?: boolean;
}

const TYPES = {
  '1.0.0': 'application/vnd.ogc.sld+xml',
  '1.1.0': 'application/vnd.ogc.se+xml',
} as const;

/**
 * Makes the style or replaces its SLD, byte for byte. Maps show it at once, and GeoServer empties the tiles of the
 * layers that use it. The SLD is checked here, since GeoServer stores any bytes and fails later, when it draws.
 * Throws AgentError('invalid-data', final) for an SLD that is none.
 */
export async function ensureStyle(rest: Rest, wanted: Style, signal: AbortSignal): Promise<Change> {
  const sld = prepareSld(wanted.sld, wanted.name);
  let likelyNew = wanted.likelyNew === true;
  return rest.alone(styleKey(wanted), () =>
    converge(async () => {
      const current = likelyNew ? undefined : await read(rest, wanted, sld, signal);
      likelyNew = false;
      if (current !== undefined && sld.bytes.equals(current)) return 'unchanged';
      await (current === undefined ? create(rest, wanted, sld, signal) : replace(rest, wanted, sld, signal));
      return current === undefined ? 'created' : 'updated';
    }, signal),
  );
}

/** Removes a style. A layer that still uses it falls back to the default of its geometry. */
export function removeStyle(rest: Rest, style: Qualified, signal: AbortSignal): Promise<Change> {
  const address = path`/rest/workspaces/${style.workspace}/styles/${style.name}.json`;
  return rest.alone(styleKey(style), () =>
    converge(
      async () =>
        (await rest.delete(`${address}?purge=true&recurse=true`, signal)) ? 'removed' : 'unchanged',
      signal,
    ),
  );
}

/**
 * The stored bytes, or undefined when the catalog has no such style. An extension that GeoServer does not know is cut
 * off the name and leaves the choice of the format to `Accept`: the only way to get an SLD 1.1 as it was sent
 * (`.sld` converts it to 1.0). A style that is registered with the other version comes back converted, hence differs.
 */
async function read(
  rest: Rest,
  style: Qualified,
  sld: Sld,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const address = path`/rest/workspaces/${style.workspace}/styles/${style.name}.stored`;
  const response = await rest.getAny(`${address}?quietOnNotFound=true`, signal, TYPES[sld.version]);
  if (response.status === 404) return undefined;
  // A style whose stored file is broken cannot be converted (500): it exists, and is replaced.
  if (response.status === 200 || response.status === 500) return response.body;
  throw errorOf(response, `GET style ${style.workspace}:${style.name}`);
}

function create(rest: Rest, style: Qualified, sld: Sld, signal: AbortSignal): Promise<void> {
  const query = new URLSearchParams({ name: style.name, raw: 'true' }).toString();
  const address = `${path`/rest/workspaces/${style.workspace}/styles`}?${query}`;
  return rest.write({ method: 'POST', path: address, body: sld.bytes, type: TYPES[sld.version] }, signal);
}

function replace(rest: Rest, style: Qualified, sld: Sld, signal: AbortSignal): Promise<void> {
  const address = path`/rest/workspaces/${style.workspace}/styles/${style.name}.sld`;
  const write = {
    method: 'PUT',
    path: `${address}?raw=true`,
    body: sld.bytes,
    type: TYPES[sld.version],
  } as const;
  return rest.write(write, signal);
}

/** A style of a layer's name must not wait for that layer, only for itself. */
function styleKey({ workspace, name }: Qualified): Qualified {
  return { workspace, name: `${name}.sld` };
}
