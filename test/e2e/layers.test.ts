import { expect } from 'chai';
import { at, list, text } from '../../src/geoserver/json.js';
import { startRemoteWms, type RemoteWms } from '../support/geoserver/remote-wms.js';
import {
  featureFiles,
  pointStyle,
  workspaceFiles,
  type FeatureOptions,
  type TaskFiles,
} from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { layerExists, statusOf, succeeds, taskFile } from './master.js';

const WORKSPACE = 'layers';

describe('layers of every form', function () {
  this.timeout(240_000);
  let rig: Rig;
  let remote: RemoteWms;
  const removeWorkspace = (): Promise<unknown> =>
    rig.geoserver.request('DELETE', `/rest/workspaces/${WORKSPACE}.json?recurse=true`);
  before(async () => {
    [rig, remote] = await Promise.all([makeRig({ env: { ON_FAILURE: 'accept' } }), startRemoteWms('src')]);
    await removeWorkspace();
    succeeds(await rig.cli('init'));
    await rig.commit(workspaceFiles(WORKSPACE));
    await rig.masterDatabase.query(
      `CREATE SCHEMA live; CREATE TABLE live.t AS SELECT 1 AS id, ST_SetSRID(ST_Point(115, -32), 4326) AS wkb_geometry`,
    );
  });
  after(async () => {
    await removeWorkspace();
    await remote.close();
    await rig.close();
  });

  const feature = (name: string, more: Partial<FeatureOptions> = {}): Promise<TaskFiles> =>
    featureFiles(rig, { workspace: WORKSPACE, name, ...more });
  const pathOf = (name: string): string => taskFile(name, WORKSPACE);
  const points = (srid: number, x = 400_000, y = 6_400_000): string =>
    `SELECT id, ST_SetSRID(ST_Point(${x} + id, ${y}), ${srid}) AS wkb_geometry FROM generate_series(1, 3) id`;
  const featureType = async (name: string, store = `${WORKSPACE}_ds`): Promise<unknown> => {
    const path = ['workspaces', WORKSPACE, 'datastores', store, 'featuretypes', name]
      .map(encodeURIComponent)
      .join('/');
    return at(await rig.geoserver.getJson(`/rest/${path}.json`), 'featureType');
  };
  const defaultStyle = async (layer: string): Promise<string> =>
    text(
      at(
        await rig.geoserver.getJson(`/rest/layers/${encodeURIComponent(`${WORKSPACE}:${layer}`)}.json`),
        ...['layer', 'defaultStyle', 'name'],
      ),
    );
  const styleExists = async (name: string): Promise<boolean> =>
    (await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/styles/${encodeURIComponent(name)}.json`)) !==
    undefined;
  const state = async (path: string) => (await statusOf(rig)).get(path);

  it('coordinate systems, boxes, keywords, names and encodings', async () => {
    const box = { minx: 110, miny: -36, maxx: 120, maxy: -30 };
    const se = pointStyle('x')
      .replace('<Title>x</Title>', '')
      .replace('version="1.0.0"', 'version="1.1.0" xmlns:se="http://www.opengis.net/se"')
      .replaceAll(/<(\/?)(FeatureTypeStyle|Rule|PointSymbolizer|Graphic|Mark)/g, '<$1se:$2')
      .replace('<Name>', '<se:Name>')
      .replace('</Name>', '</se:Name>');
    const latin = Buffer.from(pointStyle('Größe').replace('UTF-8', 'ISO-8859-1'), 'latin1');
    const odd = 'a.b c ü é';
    await rig.commit({
      ...(await feature('own', { rows: points(28350), meta: { crs: null } })),
      ...(await feature('strange', { rows: points(900_913), meta: { crs: null } })),
      ...(await feature('boxed', { meta: { bbox: Object.values(box), override_bbox: true } })),
      ...(await feature('unboxed', { meta: { override_bbox: true } })),
      ...(await feature('tagged', { meta: { keywords: 'one, two;one', applications: ['sss', 'two'] } })),
      ...(await feature('plain', { rows: 'SELECT 1 AS id', meta: { crs: null } })),
      ...(await feature(odd, { styles: { 'b é': `\ufeff${pointStyle('bom')}`, builtin: se } })),
      ...(await feature('parks', { styles: { builtin: pointStyle('own') } })),
      ...(await feature('parks2', { styles: { builtin: pointStyle('other') } })),
      // The name of a style that every GeoServer has.
      ...(await feature('point', { styles: { builtin: latin } })),
    });
    succeeds(await rig.pull());
    for (const [path, row] of await statusOf(rig))
      expect(row.state, `${path} ${row.failure?.message}`).to.equal('done');
    expect(at(await featureType('own'), 'srs')).to.equal('EPSG:28350');
    expect(at(await featureType('own'), 'nativeBoundingBox', 'minx')).to.equal(400_001);
    expect(at(await featureType('own'), 'latLonBoundingBox', 'minx')).to.be.within(115, 117);
    expect(at(await featureType('strange'), 'srs')).to.equal('EPSG:4326');
    expect((await state(pathOf('strange')))?.remark).to.include('900913');
    expect(at(await featureType('boxed'), 'latLonBoundingBox')).to.include(box);
    expect(at(await featureType('boxed'), 'nativeBoundingBox')).to.include(box);
    expect(at(await featureType('unboxed'), 'latLonBoundingBox')).to.include({ minx: 115, maxx: 117 });
    expect(at(await featureType('tagged'), 'keywords', 'string')).to.deep.equal(['one', 'two', 'sss']);
    expect(await featureType('plain')).to.not.equal(undefined);
    expect(await featureType(odd)).to.not.equal(undefined);
    expect(await defaultStyle(odd)).to.equal(`${WORKSPACE}:${odd}.b é`);
    expect(
      at(
        await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/styles/${encodeURIComponent(odd)}.json`),
        'style',
        'languageVersion',
        'version',
      ),
    ).to.equal('1.1.0');
    const { body } = await rig.geoserver.request('GET', `/rest/workspaces/${WORKSPACE}/styles/point.sld`);
    expect(body).to.include('Größe');
  });

  it('table, SQL view, table; and a layer is removed without its neighbours’ styles', async () => {
    const view = {
      viewsql: `SELECT id, wkb_geometry FROM ${WORKSPACE}.tagged WHERE id < 2;`,
      spatial_type: 'Point',
    };
    const kinds = async (): Promise<unknown> => at(await featureType('tagged'), 'metadata', 'entry');
    expect(await kinds()).to.equal(undefined);
    await rig.commit({
      ...(await feature('tagged', { meta: view })),
      [pathOf('parks')]: null,
      [pathOf('point')]: null,
    });
    succeeds(await rig.pull());
    expect(JSON.stringify(await kinds())).to.include('WHERE id < 2');
    expect(at(await featureType('tagged'), 'latLonBoundingBox', 'maxx')).to.equal(115);
    expect(await layerExists(rig, 'parks', WORKSPACE)).to.equal(false);
    expect(await defaultStyle('parks2')).to.equal(`${WORKSPACE}:parks2`);
    for (const name of ['parks', 'point']) expect(await styleExists(name), name).to.equal(false);
    expect((await rig.geoserver.request('GET', '/rest/styles/point.json')).status).to.be.oneOf([200, 404]);
    await rig.commit(await feature('tagged'));
    succeeds(await rig.pull());
    expect(JSON.stringify((await kinds()) ?? '')).to.not.include('WHERE');
    expect(at(await featureType('tagged'), 'latLonBoundingBox', 'maxx')).to.equal(117);
  });

  it('two that want one style name: both are named; the one that has it keeps it, or else none gets it', async () => {
    const [a, b] = [pathOf('s'), pathOf('s.x')];
    const first = await feature('s', { styles: { builtin: pointStyle('s'), x: pointStyle('s.x') } });
    const second = await feature('s.x', { styles: { builtin: pointStyle('s.x') } });
    await rig.commit({ ...first, ...second });
    succeeds(await rig.pull());
    for (const path of [a, b]) {
      const failure = (await state(path))?.failure;
      expect(failure).to.include({ reason: 'conflict', retry: 'remote' });
      expect(failure?.message).to.include(a).and.to.include(b).and.to.include(`style:${WORKSPACE}:s.x`);
    }
    expect(await styleExists('s.x')).to.equal(false);
    // The first gives the name up and the second takes it, in one pull.
    await rig.commit(await feature('s', { styles: { builtin: pointStyle('s') } }));
    succeeds(await rig.pull());
    for (const path of [a, b]) expect((await state(path))?.state).to.equal('done');
    expect(await defaultStyle('s.x')).to.equal(`${WORKSPACE}:s.x`);
    // Now the second has it: the first is refused, and loses nothing.
    await rig.commit(first);
    succeeds(await rig.pull());
    expect((await state(a))?.failure?.message)
      .to.include(a)
      .and.to.include(b);
    expect((await state(b))?.state).to.equal('done');
    expect(await layerExists(rig, 's', WORKSPACE)).to.equal(true);
  });

  it('live and WMS layers move to other stores, in their groups, and the old stores go', async () => {
    const { host, port, name: database, user, password } = rig.masterDatabase;
    const common = { workspace: WORKSPACE, channel: 'dpaw', crs: 'EPSG:4326', bbox: [114, -33, 116, -31] };
    const stores = (...names: readonly string[]): TaskFiles =>
      Object.fromEntries(
        names.flatMap((name) => [
          [
            `dpaw/live_stores/${name}.json`,
            JSON.stringify({ ...common, name, host, port, database, user, passwd: password, schema: 'live' }),
          ],
          [
            `dpaw/wms_stores/w${name}.json`,
            JSON.stringify({ ...common, name: `w${name}`, capability_url: remote.url }),
          ],
        ]),
      );
    const layers = (store: string): TaskFiles => ({
      'dpaw/live_layers/l.json': JSON.stringify({ ...common, name: 'l', store, table: 't' }),
      'dpaw/wms_layers/w.json': JSON.stringify({
        ...common,
        name: 'w',
        store: `w${store}`,
        native_name: 'src',
      }),
    });
    const members = [
      { type: 'live_layer', name: 'l', workspace: WORKSPACE },
      { type: 'wms_layer', name: 'w', workspace: WORKSPACE },
    ];
    await rig.commit({
      ...stores('one'),
      ...layers('one'),
      'dpaw/layergroups/moving.json': JSON.stringify({ ...common, name: 'moving', layers: members }),
    });
    succeeds(await rig.pull());
    expect(await featureType('l', 'one')).to.not.equal(undefined);
    await rig.commit({
      ...stores('two'),
      ...layers('two'),
      'dpaw/live_stores/one.json': null,
      'dpaw/wms_stores/wone.json': null,
    });
    succeeds(await rig.pull());
    for (const [path, row] of await statusOf(rig))
      if (!path.includes('/layers/')) expect(row.state, `${path} ${row.failure?.message}`).to.equal('done');
    expect(await featureType('l', 'two')).to.not.equal(undefined);
    const wms = await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/wmslayers/w.json`);
    expect(at(wms, 'wmsLayer', 'store', 'name')).to.equal(`${WORKSPACE}:wtwo`);
    const group = await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/layergroups/moving.json`);
    expect(list(at(group, 'layerGroup', 'publishables', 'published'))).to.have.length(2);
    for (const path of ['datastores/one', 'wmsstores/wone'])
      expect(await rig.geoserver.getJson(`/rest/workspaces/${WORKSPACE}/${path}.json`), path).to.equal(
        undefined,
      );
  });
});
