import { randomBytes } from 'node:crypto';
import { GeoServer, type FeatureType, type GeoServerSettings } from '../../../src/geoserver/client.js';
import { at, list, text } from '../../../src/geoserver/json.js';
import { systemClock } from '../../../src/lib/clock.js';
import { silentLogger, type Fields, type Logger } from '../../../src/lib/log.js';
import { Secret } from '../../../src/lib/secret.js';
import { geoserver, type TestGeoServer } from '../../support/geoserver/index.js';
import { postgres, type TestDatabase } from '../../support/postgres.js';

export interface Contract {
  readonly server: TestGeoServer;
  readonly client: GeoServer;
  readonly database: TestDatabase;
  /** A workspace of this test's own. */
  readonly workspace: string;
  readonly store: string;
  readonly signal: AbortSignal;
  /** The requests that the client made meanwhile, for instance `GET 200`. */
  readonly requestsOf: <T>(action: () => Promise<T>) => Promise<Outcome<T>>;
  /** The parameters of a store on the test database. */
  readonly parameters: () => Readonly<Record<string, string>>;
  /** A feature type of the table `parks`, with all that is asked for. */
  readonly parks: (more?: Partial<FeatureType>) => FeatureType;
  /** What GeoServer says of a layer of the workspace; undefined when it has none of that name. */
  readonly layer: (name: string) => Promise<LayerFacts | undefined>;
  /** The members of a group of the workspace (or of this one), undefined when there is no such group. */
  readonly members: (group: string, workspace?: string) => Promise<readonly string[] | undefined>;
  readonly close: () => Promise<void>;
}

export interface LayerFacts {
  readonly defaultStyle: string;
  readonly styles: readonly string[];
}

export interface Outcome<T> {
  readonly result: T;
  readonly requests: readonly string[];
}

export const PARKS_BOX = { minx: 115, miny: -35, maxx: 117, maxy: -33 };
const TABLES = `
  CREATE SCHEMA publish;
  CREATE TABLE publish.parks (ogc_fid int PRIMARY KEY, name text, wkb_geometry geometry(Polygon, 4326));
  INSERT INTO publish.parks VALUES (1, 'a', ST_MakeEnvelope(115, -35, 116, -34, 4326)), (2, 'b', ST_MakeEnvelope(116, -34, 117, -33, 4326));
  CREATE TABLE publish.towns (ogc_fid int PRIMARY KEY, wkb_geometry geometry(Point, 28350));
  INSERT INTO publish.towns VALUES (1, 'SRID=28350;POINT(400000 6400000)'), (2, 'SRID=28350;POINT(410000 6410000)');
  CREATE TABLE publish.plain (id int PRIMARY KEY, t text);
  INSERT INTO publish.plain VALUES (1, 'x');
  GRANT USAGE ON SCHEMA publish TO public;
  GRANT SELECT ON ALL TABLES IN SCHEMA publish TO public`;

/** A GeoServer, real or not, with an empty workspace of its own, a database with a few tables, and the client. */
export async function makeContract(settings: Partial<GeoServerSettings> = {}): Promise<Contract> {
  const [server, cluster] = await Promise.all([geoserver(), postgres()]);
  const database = await cluster.createDatabase();
  await database.query(TABLES);
  const calls: string[] = [];
  const client = clientOf(server, recording(calls), settings);
  const workspace = `contract_${randomBytes(4).toString('hex')}`;
  const { signal } = new AbortController();
  const store = 'ds';
  return {
    ...{ server, client, database, workspace, store, signal },
    requestsOf: async (action) => {
      calls.length = 0;
      const result = await action();
      return { result, requests: [...calls] };
    },
    parameters: () => ({
      ...{ host: database.host, port: String(database.port), database: database.name, schema: 'publish' },
      ...{
        user: database.user,
        dbtype: 'postgis',
        'Expose primary keys': 'true',
        namespace: uriOf(workspace),
      },
    }),
    parks: (more) => ({
      ...{
        workspace,
        store,
        name: 'parks',
        nativeName: 'parks',
        title: 'Parks',
        abstract: '',
        keywords: ['k 1', 'ü'],
      },
      ...{ srs: 'EPSG:4326', nativeBox: PARKS_BOX, latLonBox: PARKS_BOX },
      columns: ['ogc_fid', 'name', 'wkb_geometry'],
      ...more,
    }),
    layer: async (name) => {
      const layer = at(await server.getJson(`/rest/layers/${workspace}:${name}.json`), 'layer');
      if (layer === undefined) return undefined;
      const styles = list(at(layer, 'styles', 'style')).map((style) => text(at(style, 'name')));
      return { defaultStyle: text(at(layer, 'defaultStyle', 'name')), styles };
    },
    members: async (group, from = workspace) => {
      const found = await server.getJson(`/rest/workspaces/${from}/layergroups/${group}.json`);
      const published = list(at(found, 'layerGroup', 'publishables', 'published'));
      return found === undefined ? undefined : published.map((item) => text(at(item, 'name')));
    },
    close: async () => {
      await server.request('DELETE', `/rest/workspaces/${workspace}.json?recurse=true`);
      client.close();
      await server.close();
      await database.drop();
    },
  };
}

/** The same, with the workspace and its PostGIS store already there. */
export async function makeContractWithStore(settings: Partial<GeoServerSettings> = {}): Promise<Contract> {
  const contract = await makeContract(settings);
  const { client, workspace, store, database, signal } = contract;
  await client.ensureWorkspace({ name: workspace, uri: uriOf(workspace) }, signal);
  const password = new Secret(database.password);
  await client.ensurePostgisStore(
    { workspace, name: store, parameters: contract.parameters(), password },
    signal,
  );
  return contract;
}

export function clientOf(
  server: Pick<TestGeoServer, 'url' | 'username' | 'password'>,
  log: Logger = silentLogger,
  settings: Partial<GeoServerSettings> = {},
): GeoServer {
  const { url, username } = server;
  const password = new Secret(server.password);
  return new GeoServer({ url, username, password, ...settings }, { log, clock: systemClock });
}

export function uriOf(workspace: string): string {
  return `http://${workspace}.example.org`;
}

/** An SLD 1.0 or 1.1 for polygons in this colour. */
export function sld(colour: string, version: '1.0.0' | '1.1.0' = '1.0.0'): Buffer {
  const old = version === '1.0.0';
  const [se, parameter] = old ? ['', 'CssParameter'] : ['se:', 'se:SvgParameter'];
  const fill = `<${se}Fill><${parameter} name="fill">${colour}</${parameter}></${se}Fill>`;
  const rule = `<${se}Rule><${se}PolygonSymbolizer>${fill}</${se}PolygonSymbolizer></${se}Rule>`;
  const style = `<UserStyle><${se}FeatureTypeStyle>${rule}</${se}FeatureTypeStyle></UserStyle>`;
  const root = `xmlns="http://www.opengis.net/sld" xmlns:se="http://www.opengis.net/se" version="${version}"`;
  const layer = `<NamedLayer><${se}Name>Größe</${se}Name>${style}</NamedLayer>`;
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><StyledLayerDescriptor ${root}>${layer}</StyledLayerDescriptor>`,
  );
}

/** Rejects with what the promise rejects with; fails when it does not. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

function recording(calls: string[]): Logger {
  return {
    ...silentLogger,
    debug: (_message, fields: Fields = {}) =>
      void calls.push(`${String(fields['method'])} ${String(fields['status'])}`),
  };
}
