import { AgentError } from '../lib/errors.js';
import { listOfTexts } from './json.js';
import { path } from './names.js';
import type { Rest } from './rest.js';
import { buildXml } from './xml.js';

interface GridSet {
  readonly name: string;
  readonly description: string;
  readonly srs: number;
  readonly extent: readonly [number, number, number, number];
  /** Units of the coordinate system per pixel at level 0; each level halves it. */
  readonly resolution: number;
  readonly metersPerUnit: number;
}

const LEVELS = 18;
const TILE_PIXELS = 1024;
const MERCATOR_EDGE = 20037508.34;

/** The grid sets that tile layers of a slave use. GeoServer brings neither along. */
const KNOWN: readonly GridSet[] = [
  {
    name: 'gda94',
    description: 'GPS and GDA94 compatible WGS84 coordinates (lon/lat in degrees)',
    srs: 4326,
    extent: [-180, -90, 180, 90],
    resolution: 0.17578125,
    metersPerUnit: 111319.49079327358,
  },
  {
    name: 'mercator',
    description: 'Spherical Mercator (EPSG:3857, EPSG:900913)',
    srs: 3857,
    extent: [-MERCATOR_EDGE, -MERCATOR_EDGE, MERCATOR_EDGE, MERCATOR_EDGE],
    resolution: 39135.7584765625,
    metersPerUnit: 1,
  },
];

/** How long the server's list is trusted: it might be restarted with other data meanwhile. */
const TRUST_MS = 60_000;

/** Knows which grid sets the server has, so that not every tile layer costs a request for them. */
export class GridSets {
  readonly #rest: Rest;
  #known: { readonly names: ReadonlySet<string>; readonly until: number } | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /**
   * Makes sure that the server has these grid sets: `gda94` and `mercator` are created when missing. Any other that it
   * lacks is AgentError('invalid-config', final): a tile layer with an unknown grid set breaks the tile service
   * (WMTS) of the whole server.
   */
  async ensure(names: readonly string[], signal: AbortSignal): Promise<void> {
    // One after the other: the first of many tile layers creates, the others find it done.
    const run = this.#running.then(() => this.#ensure(names, signal));
    this.#running = run.catch(() => undefined);
    await run;
  }

  async #ensure(names: readonly string[], signal: AbortSignal): Promise<void> {
    const now = this.#rest.clock.now().getTime();
    if (this.#known === undefined || this.#known.until < now || names.some((name) => !this.#has(name)))
      await this.#load(now, signal);
    for (const name of names.filter((wanted) => !this.#has(wanted))) await this.#create(name, signal);
  }

  #has(name: string): boolean {
    return this.#known?.names.has(name) === true;
  }

  async #load(now: number, signal: AbortSignal): Promise<void> {
    const names = listOfTexts(await this.#rest.getJson('/gwc/rest/gridsets.json', signal));
    this.#known = { names: new Set(names), until: now + TRUST_MS };
  }

  async #create(name: string, signal: AbortSignal): Promise<void> {
    const definition = KNOWN.find((gridSet) => gridSet.name === name);
    if (definition === undefined)
      throw new AgentError('invalid-config', `GeoServer has no grid set ${name}`, {
        retry: 'final',
        hint: 'Create the grid set in GeoServer first.',
      });
    const address = path`/gwc/rest/gridsets/${name}.xml`;
    const body = buildXml(xmlOf(definition));
    await this.#rest.write({ method: 'PUT', path: address, body, type: 'application/xml' }, signal);
    this.#known = { names: new Set([...(this.#known?.names ?? []), name]), until: this.#known?.until ?? 0 };
  }
}

function xmlOf(gridSet: GridSet): object {
  const levels = Array.from({ length: LEVELS }, (_, level) => level);
  return {
    gridSet: {
      name: gridSet.name,
      description: gridSet.description,
      srs: { number: gridSet.srs },
      extent: { coords: { double: gridSet.extent } },
      alignTopLeft: false,
      resolutions: { double: levels.map((level) => gridSet.resolution / 2 ** level) },
      metersPerUnit: gridSet.metersPerUnit,
      pixelSize: 0.00028,
      scaleNames: { string: levels.map((level) => `${gridSet.name}:${level}`) },
      tileHeight: TILE_PIXELS,
      tileWidth: TILE_PIXELS,
      yCoordinateFirst: false,
    },
  };
}
