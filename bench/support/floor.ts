import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { postgresBin } from '../../scripts/programs.mjs';
import { run } from '../../src/lib/process.js';
import { Semaphore } from '../../src/lib/semaphore.js';
import { pointStyle } from '../../test/support/master.js';
import type { Rig } from '../../test/support/rig.js';
import { tempDir } from '../../test/support/temp.js';
import { bareRest, type BareRest } from './rest.js';
import { succeeded } from './slave.js';
import { WMS_STORE, WORKSPACE, type Workload } from './workload.js';

const DATA_SCHEMA = `${WORKSPACE}_data`;
const STORE = `${WORKSPACE}_ds`;
const PREVIEW = 'service=WMS&version=1.1.0&request=GetMap&srs=EPSG:4326&format=image/png&styles=';

export interface FloorOptions {
  /** Restores at the same time, and connections to GeoServer; with 1 also nothing at the same time as something else. */
  readonly lanes: number;
  /** The command to reach the master with; without it, its files are read in place. */
  readonly ssh: string | undefined;
}

/**
 * The same work done by bare commands that know everything beforehand and check nothing: `hg pull`, one rsync, `pg_restore -1`
 * for each dump, the REST calls that cannot be left out, one rsync for the previews. No record, no exchange of tables, no views.
 */
export async function runFloor(
  slave: Rig,
  master: Rig,
  workload: Workload,
  options: FloorOptions,
): Promise<void> {
  const { lanes, ssh } = options;
  succeeded('hg pull', await slave.pull());
  const data = ssh === undefined ? master.dataRoot : await fetchAll(master, ssh);
  await slave.slaveDatabase.query(`CREATE SCHEMA "${DATA_SCHEMA}"`);
  const previews = await tempDir('floor-previews');
  const rest = bareRest(slave.geoserver, lanes);
  const steps = new FloorSteps(slave, rest, previews);
  const restores = new Semaphore(lanes);
  try {
    await steps.workspace();
    const layers = [
      ...workload.features.map((name) => async () => {
        const dump = join(data, 'full_data/dpaw', WORKSPACE, `${name}.db`);
        await restores.run(() => steps.restore(dump));
        await steps.feature(name);
      }),
      ...workload.wmsLayers.map((name) => () => steps.wmsLayer(name)),
    ];
    if (workload.wmsLayers.length > 0) await steps.wmsStore(workload.remoteWms.url);
    await all(layers, lanes > 1);
    const groups = Object.entries(workload.groups).map(
      ([name, members]) =>
        () =>
          steps.group(name, members),
    );
    await all(groups, lanes > 1);
  } finally {
    rest.close();
  }
  if (ssh !== undefined)
    await run('rsync', [
      '-a',
      '-e',
      ssh,
      `${previews}/`,
      `${master.remote}${master.dataRoot}/previews/floor/`,
    ]);
}

async function all(works: readonly (() => Promise<void>)[], together: boolean): Promise<void> {
  if (together) await Promise.all(works.map((work) => work()));
  else for (const work of works) await work();
}

async function fetchAll(master: Rig, ssh: string): Promise<string> {
  const folder = await tempDir('floor-data');
  await run('rsync', [
    '-a',
    '--exclude=/previews',
    '-e',
    ssh,
    `${master.remote}${master.dataRoot}/`,
    `${folder}/`,
  ]);
  return folder;
}

class FloorSteps {
  readonly #slave: Rig;
  readonly #rest: BareRest;
  readonly #previews: string;

  constructor(slave: Rig, rest: BareRest, previews: string) {
    this.#slave = slave;
    this.#rest = rest;
    this.#previews = previews;
  }

  async restore(dump: string): Promise<void> {
    const { host, port, name, user, password } = this.#slave.slaveDatabase;
    const env = { PGHOST: host, PGPORT: String(port), PGDATABASE: name, PGUSER: user, PGPASSWORD: password };
    const args = ['-1', '--no-owner', '--no-privileges', '--dbname', name, dump];
    await run(join(postgresBin() ?? '', 'pg_restore'), args, { env });
  }

  async workspace(): Promise<void> {
    const { host, port, name, user, password } = this.#slave.slaveDatabase;
    const uri = `http://${WORKSPACE}.example.org`;
    const parameters = {
      dbtype: 'postgis',
      host,
      port,
      database: name,
      schema: DATA_SCHEMA,
      user,
      passwd: password,
      namespace: uri,
    };
    const entry = Object.entries(parameters).map(([key, value]) => ({ '@key': key, $: String(value) }));
    await this.#post('/rest/namespaces', { namespace: { prefix: WORKSPACE, uri } });
    const dataStore = { name: STORE, enabled: true, connectionParameters: { entry } };
    await this.#post(`/rest/workspaces/${WORKSPACE}/datastores`, { dataStore });
  }

  async feature(name: string): Promise<void> {
    const box = { minx: 114, maxx: 128, miny: -35, maxy: -16, crs: 'EPSG:4326' };
    const boxes = { srs: 'EPSG:4326', nativeBoundingBox: box, latLonBoundingBox: box };
    const style = `/rest/workspaces/${WORKSPACE}/styles?name=${name}&raw=true`;
    await this.#rest.send('POST', style, pointStyle(name), 'application/vnd.ogc.sld+xml');
    const featureType = { name, nativeName: name, title: name, enabled: true, ...boxes };
    await this.#post(`/rest/workspaces/${WORKSPACE}/datastores/${STORE}/featuretypes`, { featureType });
    const layer = { defaultStyle: { name: `${WORKSPACE}:${name}` } };
    await this.#rest.send('PUT', `/rest/layers/${WORKSPACE}:${name}.json`, JSON.stringify({ layer }));
    await this.#tilesAndPreview(name);
  }

  async wmsStore(capabilitiesURL: string): Promise<void> {
    const wmsStore = { name: WMS_STORE, type: 'WMS', enabled: true, capabilitiesURL };
    await this.#post(`/rest/workspaces/${WORKSPACE}/wmsstores`, { wmsStore });
  }

  async wmsLayer(name: string): Promise<void> {
    const wmsLayer = { name, nativeName: name, title: name, enabled: true };
    await this.#post(`/rest/workspaces/${WORKSPACE}/wmsstores/${WMS_STORE}/wmslayers`, { wmsLayer });
    await this.#tilesAndPreview(name);
  }

  async group(name: string, members: readonly string[]): Promise<void> {
    const published = members.map((member) => ({ '@type': 'layer', name: `${WORKSPACE}:${member}` }));
    const bounds = { minx: -180, maxx: 180, miny: -90, maxy: 90, crs: 'EPSG:4326' };
    const styles = { style: members.map(() => '') };
    const layerGroup = {
      name,
      mode: 'SINGLE',
      title: name,
      workspace: { name: WORKSPACE },
      publishables: { published },
      styles,
      bounds,
    };
    await this.#post(`/rest/workspaces/${WORKSPACE}/layergroups`, { layerGroup });
    await this.#tilesAndPreview(name);
  }

  async #tilesAndPreview(name: string): Promise<void> {
    const xml = `<GeoServerLayer><enabled>true</enabled><name>${WORKSPACE}:${name}</name><mimeFormats><string>image/png</string>
      <string>image/jpeg</string></mimeFormats><gridSubsets><gridSubset><gridSetName>EPSG:4326</gridSetName></gridSubset></gridSubsets>
      <metaWidthHeight><int>1</int><int>1</int></metaWidthHeight><gutter>100</gutter></GeoServerLayer>`;
    await this.#rest.send('PUT', `/gwc/rest/layers/${WORKSPACE}:${name}.xml`, xml, 'text/xml');
    const size = 'bbox=114,-35,128,-16&width=204&height=278';
    const png = await this.#rest.send('GET', `/ows?${PREVIEW}&layers=${WORKSPACE}:${name}&${size}`);
    await writeFile(join(this.#previews, `${name}.png`), png);
  }

  async #post(path: string, body: object): Promise<void> {
    await this.#rest.send('POST', path, JSON.stringify(body));
  }
}
