import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault, Recorded } from '../support/geoserver/index.js';
import { featureFiles, pointStyle, workspaceFiles, type TaskFiles } from '../support/master.js';
import { makeRig, type Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';
import { rowsOf, statusOf, succeeds, taskFile } from './master.js';

/** Timeouts of a minute and more last a hundredth of it. */
const IMPATIENT = `const { setTimeout: real } = globalThis;
globalThis.setTimeout = (what, ms, ...rest) => real(what, ms >= 60_000 ? ms / 100 : ms, ...rest);`;

describe('a GeoServer that refuses, fails or is silent, in a pull', function () {
  this.timeout(240_000);
  let rig: Rig;
  let faults: Fault[];
  let requests: Recorded[];
  let rows = 3;

  before(async function () {
    rig = await makeRig({ env: { ON_FAILURE: 'accept' } });
    const { standIn } = rig.geoserver;
    if (standIn === undefined) this.skip();
    ({ faults, requests } = standIn);
    succeeds(await rig.cli('init'));
    await rig.commit({ ...workspaceFiles('ws1'), ...(await both()) });
    succeeds(await rig.pull());
  });
  afterEach(() => void (faults.length = 0));
  after(() => rig.close());

  const feature = (name: string, meta: object = {}): Promise<TaskFiles> =>
    featureFiles(rig, {
      ...{ workspace: 'ws1', name, styles: { builtin: pointStyle(name) } },
      rows: `SELECT id, ST_SetSRID(ST_Point(114 + id % 2, -32), 4326) AS wkb_geometry FROM generate_series(1, ${rows}) id`,
      meta: { title: `${name} of ${rows} rows`, ...meta },
    });
  /** New versions of two layers, with one row more than before. */
  const both = async (): Promise<TaskFiles> => {
    rows += 1;
    return { ...(await feature('good')), ...(await feature('bad')) };
  };
  const concerns =
    (name: string) =>
    ({ path }: Recorded): boolean =>
      path.includes(`/featuretypes/${name}.json`);
  const expectUnharmed = async (...names: readonly string[]): Promise<void> => {
    const status = await statusOf(rig);
    for (const name of names) {
      expect(status.get(taskFile(name))?.state, name).to.equal('done');
      expect(rig.geoserver.standIn?.catalog.layer(`ws1:${name}`)?.fields['title']).to.equal(
        `${name} of ${rows} rows`,
      );
    }
  };
  /** Whatever happens to a layer, its table has been exchanged. */
  const expectTables = async (): Promise<void> => {
    for (const name of ['good', 'bad']) expect(await rowsOf(rig, `ws1.${name}`)).to.equal(rows);
  };
  const failureOf = async (name: string) => (await statusOf(rig)).get(taskFile(name))?.failure;

  it('401: which settings to check, tables restored all the same, mended by the right password alone', async () => {
    await rig.configure({ GEOSERVER_PASSWORD: 'not-the-password' });
    await rig.commit({ ...(await both()), ...(await feature('plain', { sync_geoserver_data: false })) });
    const { stdout, stderr } = succeeds(await rig.pull());
    for (const name of ['good', 'bad']) {
      const failure = await failureOf(name);
      expect(failure).to.include({ reason: 'http-status', retry: 'transient' });
      expect(failure?.message).to.match(/answered 401.*Check GEOSERVER_USERNAME and GEOSERVER_PASSWORD/s);
    }
    expect((await statusOf(rig)).get(taskFile('plain'))?.state).to.equal('done');
    await expectTables();
    expect(stdout + stderr + JSON.stringify([...(await statusOf(rig))])).to.not.include('not-the-password');
    await rig.configure({ GEOSERVER_PASSWORD: rig.geoserver.password });
    succeeds(await rig.cli('sync'));
    await expectUnharmed('good', 'bad');
  });

  it('500 for one layer: its words, tried again later, the other layer is there', async () => {
    const text = 'Error occurred for a reason of its own';
    faults.push({
      ...{ kind: 'reply', applies: concerns('bad') },
      reply: { status: 500, type: 'text/plain', body: text },
    });
    await rig.commit(await both());
    succeeds(await rig.pull());
    expect(await failureOf('bad')).to.include({ reason: 'http-status', retry: 'transient' });
    expect((await failureOf('bad'))?.message).to.match(
      /bad.*answered 500: Error occurred for a reason of its own/s,
    );
    await expectUnharmed('good');
    await expectTables();
    faults.length = 0;
    requests.length = 0;
    succeeds(await rig.cli('sync'));
    await expectUnharmed('good', 'bad');
    expect(requests.filter(concerns('good')), 'done is done').to.deep.equal([]);
  });

  it('500 with a refusal that only the master can mend: final, and not tried again until its file changes', async () => {
    const refusal = 'Layer srs is unknown: this is unexpected, the layer srs seems to be mis-configured';
    faults.push({
      ...{ kind: 'reply', applies: (request) => request.method === 'PUT' && concerns('bad')(request) },
      reply: { status: 500, type: 'text/plain', body: refusal },
    });
    await rig.commit(await both());
    succeeds(await rig.pull());
    expect(await failureOf('bad')).to.include({ reason: 'invalid-task-file', retry: 'final' });
    expect((await failureOf('bad'))?.message).to.match(/mis-configured.*Check the coordinate system/s);
    await expectUnharmed('good');
    faults.length = 0;
    requests.length = 0;
    await rig.cli('sync');
    expect(requests).to.deep.equal([]);
    await rig.commit(await both());
    succeeds(await rig.pull());
    await expectUnharmed('good', 'bad');
  });

  it('silent for one layer: how long was waited for what, and the other layer is there', async () => {
    const preload = join(await tempDir('impatient'), 'impatient.cjs');
    await writeFile(preload, IMPATIENT);
    faults.push({ kind: 'hang', applies: concerns('bad') });
    await rig.commit(await both());
    succeeds(await rig.exec('env', `NODE_OPTIONS=--require=${preload}`, 'hg', 'pull'));
    expect(await failureOf('bad')).to.include({ reason: 'timed-out', retry: 'transient' });
    expect((await failureOf('bad'))?.message).to.match(
      /did not answer GET .*\/featuretypes\/bad\.json within 60000 ms/,
    );
    await expectUnharmed('good');
    await expectTables();
    faults.length = 0;
    succeeds(await rig.cli('sync'));
    await expectUnharmed('good', 'bad');
  });
});
