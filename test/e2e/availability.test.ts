import { expect } from 'chai';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { succeeds, taskFile } from './master.js';

const WORKSPACE = 'availability';
const READERS = 2;

interface Reads {
  total: number;
  readonly failures: string[];
}

/** GeoServer drops the connections of a store that is written: reads under way break, of each of its layers. */
const DISPOSED = /DataSource not available|connection|closed/i;

/** Only on a real GeoServer: the stand-in serves no features, and disposes of nothing while it is written. */
describe('readers of a real GeoServer, while pulls publish again what they read', function () {
  this.timeout(300_000);
  let rig: Rig;
  const figures: string[] = [];
  const removeWorkspace = (): Promise<unknown> =>
    rig.geoserver.request('DELETE', `/rest/workspaces/${WORKSPACE}.json?recurse=true`);

  before(async function () {
    if ((process.env['GEOSERVER_URL'] ?? '') === '') this.skip();
    rig = await makeRig();
    await removeWorkspace();
    succeeds(await rig.cli('init'));
    await rig.commit({
      ...workspaceFiles(WORKSPACE),
      ...(await roads({})),
      ...(await feature('trees', points(2), 'trees', {})),
      ...group('trees', 'roads'),
    });
    succeeds(await rig.pull());
  });
  after(async function () {
    if ((process.env['GEOSERVER_URL'] ?? '') === '') return;
    process.stdout.write(`\n  reads that failed, of all\n${figures.join('')}\n`);
    await removeWorkspace();
    await rig.close();
  });

  const points = (count: number, columns = 'id, id AS size'): string =>
    `SELECT ${columns}, ST_SetSRID(ST_Point(114 + id % 2, -32), 4326) AS wkb_geometry FROM generate_series(1, ${count}) id`;
  const feature = (name: string, rows: string, style: string, meta: object): Promise<TaskFiles> =>
    featureFiles(rig, {
      ...{ workspace: WORKSPACE, name, rows, styles: { builtin: pointStyle(style) } },
      meta: { ...meta },
    });
  const roads = ({ rows = points(4), style = 'first', meta = {} }): Promise<TaskFiles> =>
    feature('roads', rows, style, meta);
  const group = (...members: readonly string[]): TaskFiles => ({
    [`dpaw/layergroups/${WORKSPACE}.g.json`]: JSON.stringify({
      ...{ workspace: WORKSPACE, name: 'g', channel: 'dpaw', title: members.join(' ') },
      layers: members.map((name) => ({ type: 'publish', name, workspace: WORKSPACE })),
    }),
  });

  const map = async (layer: string): Promise<string | undefined> => {
    const query = `service=WMS&version=1.1.0&request=GetMap&layers=${WORKSPACE}:${layer}&styles=&srs=EPSG:4326`;
    const view = 'bbox=113,-33,116,-31&width=60&height=40&format=image/png&exceptions=application/json';
    const { status, body } = await rig.geoserver.request('GET', `/ows?${query}&${view}`);
    return status === 200 && body.includes('PNG')
      ? undefined
      : `map of ${layer}: ${status} ${body.slice(0, 400)}`;
  };
  const features = async (): Promise<string | undefined> => {
    const query = 'service=WFS&version=2.0.0&request=GetFeature&outputFormat=application/json';
    const { status, body } = await rig.geoserver.request('GET', `/ows?${query}&typeNames=${WORKSPACE}:roads`);
    return status === 200 && body.includes('"numberReturned"')
      ? undefined
      : `features of roads: ${status} ${textOf(body)}`;
  };

  /** Reads all the time while a commit is pulled. */
  async function readWhile(title: string, files: Readonly<Record<string, string | null>>): Promise<Reads> {
    const reads: Reads = { total: 0, failures: [] };
    await rig.commit(files);
    let isRunning = true;
    const reader = async (read: () => Promise<string | undefined>): Promise<void> => {
      while (isRunning) {
        const failure = await read();
        reads.total += 1;
        if (failure !== undefined) reads.failures.push(failure);
      }
    };
    const kinds = [() => map('roads'), () => map('g'), features];
    const readers = Array.from({ length: READERS }, () => kinds.map(reader)).flat();
    const pulled = await rig.pull();
    isRunning = false;
    await Promise.all(readers);
    succeeds(pulled);
    const kindsOf = (kind: string): number => reads.failures.filter((one) => one.startsWith(kind)).length;
    const [maps, rows] = [kindsOf('map'), kindsOf('features')];
    figures.push(`    ${title.padEnd(48)} maps ${maps}, features ${rows}, of ${reads.total}\n`);
    return reads;
  }

  const cases: readonly (readonly [string, () => Promise<TaskFiles>])[] = [
    ['new rows', () => roads({ rows: points(6) })],
    ['a new style', () => roads({ rows: points(6), style: 'second' })],
    [
      'another title and box',
      () => roads({ rows: points(7), meta: { title: 'Renamed', keywords: ['new'] } }),
    ],
    ['a new column', () => roads({ rows: points(7, 'id, id AS size, 1 AS area') })],
    ['a group that loses a member', () => Promise.resolve(group('roads'))],
    ['a group that gains one', () => Promise.resolve(group('roads', 'trees'))],
  ];
  for (const [title, change] of cases)
    it(`${title}: no read fails`, async () => {
      const reads = await readWhile(title, await change());
      expect(reads.total).to.be.greaterThan(10);
      expect(reads.failures, `of ${reads.total} reads`).to.deep.equal([]);
    });

  // Between the exchange of the tables and its own PUT, GeoServer asks for the columns that it knows.
  const unreadable: readonly (readonly [string, () => Promise<TaskFiles>])[] = [
    ['a column that changes its type', () => roads({ rows: points(7, "id, 'n' || id AS size, 1 AS area") })],
    ['a column that vanishes', () => roads({ rows: points(7, 'id') })],
  ];
  for (const [title, change] of unreadable)
    it(`${title}: maps never fail, features only until GeoServer has read the columns again`, async () => {
      const reads = await readWhile(title, await change());
      const other = reads.failures.filter(
        (failure) =>
          !/^features.*(column .* does not exist|Error occurred getting features|NullPointerException)/s.test(
            failure,
          ),
      );
      expect(other, `of ${reads.total} reads`).to.deep.equal([]);
      expect(reads.failures.length, `of ${reads.total} reads`).to.be.lessThan(reads.total / 5);
      expect(await features()).to.equal(undefined);
    });

  it('a layer that moves to another task file is never away', async () => {
    const roadsFile = taskFile('roads', WORKSPACE);
    const content = (await roads({ rows: points(5, 'id') }))[roadsFile] ?? '';
    const moved = { [taskFile('renamed', WORKSPACE)]: content, [roadsFile]: null };
    const reads = await readWhile('a layer that moves to another task file', moved);
    expect(reads.failures, `of ${reads.total} reads`).to.deep.equal([]);
  });

  it('a data store that changes: reads under way may fail, and all of them work afterwards', async () => {
    const { host } = rig.slaveDatabase;
    await rig.configure({ GEOSERVER_PGSQL_HOST: 'localhost' });
    const reads = await readWhile('a data store that changes', group('trees'));
    const other = reads.failures.filter((failure) => !DISPOSED.test(failure));
    expect(other, `of ${reads.total} reads`).to.deep.equal([]);
    expect(reads.failures.length, `of ${reads.total} reads`).to.be.lessThan(reads.total / 5);
    for (const read of [() => map('roads'), () => map('trees'), () => map('g'), features])
      expect(await read()).to.equal(undefined);
    const store = await rig.geoserver.getJson(
      `/rest/workspaces/${WORKSPACE}/datastores/${WORKSPACE}_ds.json`,
    );
    expect(JSON.stringify(store)).to.not.include(`"${host}"`);
  });
});

/** What an exception report says. */
function textOf(body: string): string {
  return (/<ows:ExceptionText>([\s\S]*?)<\/ows:ExceptionText>/.exec(body)?.[1] ?? body).slice(0, 300);
}
