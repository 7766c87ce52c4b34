import { expect } from 'chai';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../src/config/variables.js';
import { featureFiles, workspaceFiles, type FeatureOptions } from '../support/master.js';
import { must } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { layerExists, rowsOf, statusOf, succeeds, taskFile } from './master.js';

const ROADS = taskFile('roads');
const RIVERS = taskFile('rivers');
const TRAILS = 'kmi/layers/ws1.trails.json';
const NOT_ROADS = "lambda job: job.get('name') != 'roads'";
const ALL = 'lambda job: True';

const feature = (rig: Rig, name: string, options: Partial<FeatureOptions> = {}) =>
  featureFiles(rig, { workspace: 'ws1', name, ...options });

const points = (count: number): string =>
  `SELECT id, ST_SetSRID(ST_Point(114 + id, -32), 4326) AS wkb_geometry FROM generate_series(1, ${count}) AS id`;

/** What is there of a feature: rows of its table, and whether it is a layer. */
async function applied(rig: Rig, name: string): Promise<readonly [rows: number | undefined, layer: boolean]> {
  return [await rowsOf(rig, `ws1.${name}`), await layerExists(rig, name)];
}

const GONE = [undefined, false] as const;

describe('settings that change without a commit', function () {
  this.timeout(120_000);
  let rig: Rig;
  before(async () => {
    rig = await makeRig({ env: { LISTEN_CHANNELS: 'dpaw,kmi' } });
    succeeds(await rig.cli('init'));
    await rig.commit({
      ...workspaceFiles('ws1'),
      ...(await feature(rig, 'roads')),
      ...(await feature(rig, 'rivers')),
      ...(await feature(rig, 'trails', { channel: 'kmi' })),
    });
    succeeds(await rig.pull());
  });
  after(async () => rig.close());

  const state = async (path: string): Promise<string | undefined> => (await statusOf(rig)).get(path)?.state;
  async function set(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<void> {
    await rig.configure(env);
    succeeds(await rig.cli('sync', ...args));
  }

  /** What takes everything away the guard stops first. */
  async function pruneAll(): Promise<void> {
    const stopped = await rig.cli('sync', '--prune');
    expect(stopped.code, stopped.stdout).to.equal(3);
    const run = /slave-sync approve (\d+)/.exec(stopped.stderr)?.[1] ?? '';
    succeeds(await rig.cli('approve', run));
    succeeds(await rig.cli('sync', '--prune'));
  }

  describe('a filter', () => {
    it('narrowed, leaves what it no longer takes and says so', async () => {
      await set({ FEATURE_FILTER: NOT_ROADS });
      expect(await applied(rig, 'roads')).to.deep.equal([3, true]);
      const { stdout } = succeeds(await rig.cli('status'));
      expect(stdout).to.match(
        /^unmanaged .* dpaw\/layers\/ws1\.roads\.json \(publish\)\n +not taken by FEATURE_FILTER$/m,
      );
      expect(await state(RIVERS)).to.equal('done');
    });

    it('keeps the next version away, and takes it once it is wide again', async () => {
      await rig.commit(await feature(rig, 'roads', { rows: points(7) }));
      succeeds(await rig.pull());
      expect(await applied(rig, 'roads')).to.deep.equal([3, true]);
      expect(await state(ROADS)).to.equal('unmanaged');
      await set({ FEATURE_FILTER: ALL });
      expect(await applied(rig, 'roads')).to.deep.equal([7, true]);
      expect(await state(ROADS)).to.equal('done');
    });

    it('narrowed, is acted on by `sync --prune`; wide again, it publishes what was pruned', async () => {
      await set({ FEATURE_FILTER: NOT_ROADS });
      succeeds(await rig.cli('sync', '--prune'));
      expect(await applied(rig, 'roads')).to.deep.equal(GONE);
      expect(await state(ROADS)).to.equal('excluded');
      await set({ FEATURE_FILTER: ALL });
      expect(await applied(rig, 'roads')).to.deep.equal([7, true]);
      await set({ FEATURE_FILTER: NOT_ROADS }, '--prune');
      expect(await applied(rig, 'roads')).to.deep.equal(GONE);
      expect(await state(ROADS)).to.equal('excluded');
      await set({ FEATURE_FILTER: ALL });
      expect(await applied(rig, 'roads')).to.deep.equal([7, true]);
    });

    it('is asked anew by the next hook and the next poll, too', async () => {
      await rig.configure({ FEATURE_FILTER: NOT_ROADS });
      await rig.commit(await feature(rig, 'rivers', { rows: points(5) }));
      succeeds(await rig.pull());
      expect(await state(ROADS)).to.equal('unmanaged');
      expect(await applied(rig, 'rivers')).to.deep.equal([5, true]);
      await rig.configure({ FEATURE_FILTER: ALL });
      succeeds(await rig.cli('poll', '--once'));
      expect(await state(ROADS)).to.equal('done');
    });

    it('has no say in the removal of what was applied', async () => {
      await rig.commit(await feature(rig, 'lakes'));
      succeeds(await rig.pull());
      await rig.configure({ FEATURE_FILTER: 'lambda job: False' });
      await rig.commit({ [ROADS]: null });
      succeeds(await rig.pull());
      expect(await applied(rig, 'roads')).to.deep.equal(GONE);
      // The other way to say it: a task file whose action is remove.
      const remove = { action: 'remove', workspace: 'ws1', name: 'lakes' };
      await rig.commit({ [taskFile('lakes')]: JSON.stringify(remove) });
      succeeds(await rig.pull());
      expect(await applied(rig, 'lakes')).to.deep.equal(GONE);
      await rig.commit({ [taskFile('lakes')]: null, ...(await feature(rig, 'roads')) });
      await rig.configure({ FEATURE_FILTER: ALL });
      succeeds(await rig.pull());
    });

    it('that takes nothing is warned of, with what it took of how many', async () => {
      await rig.configure({ FEATURE_FILTER: "lambda job: job['name'] == 'parks'" });
      const { stderr } = succeeds(await rig.cli('sync'));
      expect(stderr).to.match(/FEATURE_FILTER took 0 of \d+ task files/);
      await set({ FEATURE_FILTER: ALL });
    });
  });

  describe('a channel', () => {
    it('that is no longer listened to leaves what it brought; listened to again, it is as before', async () => {
      await set({ LISTEN_CHANNELS: 'dpaw' });
      expect(await applied(rig, 'trails')).to.deep.equal([3, true]);
      expect(await state(TRAILS)).to.equal('unmanaged');
      await rig.commit(await feature(rig, 'trails', { channel: 'kmi', rows: points(6) }));
      succeeds(await rig.pull());
      expect(await applied(rig, 'trails')).to.deep.equal([3, true]);
      await set({ LISTEN_CHANNELS: 'dpaw,kmi' });
      expect(await applied(rig, 'trails')).to.deep.equal([6, true]);
      expect(await state(TRAILS)).to.equal('done');
      await set({ LISTEN_CHANNELS: 'dpaw' });
      await set({ LISTEN_CHANNELS: 'dpaw,kmi' });
      expect(await state(TRAILS), 'without a new version').to.equal('done');
    });

    for (const [how, first] of [
      ['after a run that left it', []],
      ['at once', ['--prune']],
    ] as const)
      it(`is pruned ${how}, and published anew when it is listened to again`, async () => {
        await set({ LISTEN_CHANNELS: 'dpaw' }, ...first);
        if (first.length === 0) succeeds(await rig.cli('sync', '--prune'));
        expect(await applied(rig, 'trails')).to.deep.equal(GONE);
        expect(await state(TRAILS)).to.be.oneOf([undefined, 'excluded']);
        await set({ LISTEN_CHANNELS: 'dpaw,kmi' });
        expect(await applied(rig, 'trails')).to.deep.equal([6, true]);
        expect(await state(TRAILS)).to.equal('done');
      });

    it('takes its failures along', async () => {
      await rig.configure({ LISTEN_CHANNELS: 'dpaw,kmi' });
      await rig.commit({ 'kmi/layers/ws1.bad.json': '{' });
      expect((await rig.pull()).code).to.equal(255);
      await rig.configure({ LISTEN_CHANNELS: 'dpaw' });
      succeeds(await rig.pull());
      expect(await state('kmi/layers/ws1.bad.json')).to.equal(undefined);
      await rig.commit({ 'kmi/layers/ws1.bad.json': null });
      await rig.configure({ LISTEN_CHANNELS: 'dpaw,kmi' });
      succeeds(await rig.pull());
      expect(await state(TRAILS)).to.equal('done');
    });

    it('that is no longer listened to may still take back what it brought', async () => {
      await set({ LISTEN_CHANNELS: 'dpaw' });
      await rig.commit({ [TRAILS]: null });
      succeeds(await rig.pull());
      expect(await applied(rig, 'trails')).to.deep.equal(GONE);
      expect(await state(TRAILS)).to.equal(undefined);
    });
  });

  describe('SKIP_GS', () => {
    it('switched on, leaves the layers and says so, while tables go on', async () => {
      await set({ SKIP_GS: 'true' });
      await rig.commit(await feature(rig, 'roads', { rows: points(8) }));
      succeeds(await rig.pull());
      expect(await applied(rig, 'roads')).to.deep.equal([8, true]);
      const { stdout } = succeeds(await rig.cli('status'));
      expect(stdout).to.match(/^unmanaged .*ws1\.roads\.json \(publish\)\n +.*SKIP_GS/m);
    });

    it('lets `sync --prune` take the layers away, not the tables; switched off, they come again', async () => {
      await pruneAll();
      expect(await applied(rig, 'roads')).to.deep.equal([8, false]);
      expect(await state(ROADS)).to.equal('done');
      await set({ SKIP_GS: 'false' });
      expect(await applied(rig, 'roads')).to.deep.equal([8, true]);
      expect(await layerExists(rig, 'rivers')).to.equal(true);
    });
  });

  describe('SKIP_DB', () => {
    it('switched on, leaves the tables and says so, while layers go on', async () => {
      await rig.configure({ SKIP_DB: 'true' });
      await rig.commit(await feature(rig, 'roads', { rows: points(9), meta: { title: 'Ways' } }));
      succeeds(await rig.pull());
      expect(await applied(rig, 'roads')).to.deep.equal([8, true]);
      expect(
        (await rig.geoserver.request('GET', '/rest/workspaces/ws1/datastores/ws1_ds/featuretypes/roads.json'))
          .body,
      ).to.include('Ways');
      const { stdout } = succeeds(await rig.cli('status'));
      expect(stdout).to.match(/^unmanaged .*ws1\.roads\.json \(publish\)\n +.*SKIP_DB/m);
    });

    it('keeps tables from `sync --prune` that layers of this slave are made of', async () => {
      succeeds(await rig.cli('sync', '--prune'));
      expect(await applied(rig, 'roads')).to.deep.equal([8, true]);
    });

    it('switched off, the table catches up', async () => {
      await set({ SKIP_DB: 'false' });
      expect(await applied(rig, 'roads')).to.deep.equal([9, true]);
      expect(await state(ROADS)).to.equal('done');
    });

    it('with SKIP_GS, too, nothing is managed: `sync --prune` takes all away', async () => {
      await set({ SKIP_DB: 'true', SKIP_GS: 'true', MAX_REMOVALS: '100' });
      expect(await applied(rig, 'roads')).to.deep.equal([9, true]);
      await pruneAll();
      expect(await applied(rig, 'roads')).to.deep.equal(GONE);
      await set({ SKIP_DB: 'false', SKIP_GS: 'false' });
      expect(await applied(rig, 'roads')).to.deep.equal([9, true]);
    });
  });
});

describe('filters, tried and in force', function () {
  this.timeout(120_000);
  const CLOSED = taskFile('closed');
  const STORE = 'dpaw/wms_stores/ws1.other.json';
  let rig: Rig;
  before(async () => {
    rig = await makeRig({
      env: {
        FEATURE_FILTER: "lambda job: job.get('auth_level',-1) in [0,1]",
        WMS_FILTER: "lambda job: job['owner'] == 'us'",
      },
    });
    await rig.commit({
      ...workspaceFiles('ws1'),
      ...(await feature(rig, 'roads')),
      ...(await feature(rig, 'closed', { meta: { auth_level: 2 } })),
      [STORE]: JSON.stringify({
        ...{ action: 'publish', workspace: 'ws1', name: 'other' },
        capability_url: 'http://127.0.0.1:9/wms?service=WMS',
      }),
      'dpaw/layers/ws1.roads.empty_gwc.json': JSON.stringify({
        ...{ action: 'empty_gwc', workspace: 'ws1', name: 'roads' },
      }),
      [taskFile('old')]: JSON.stringify({ action: 'remove', workspace: 'ws1', name: 'old' }),
    });
    await must('hg', ['pull', '-q'], rig.clone);
  });
  after(async () => rig.close());

  const lines = (stdout: string): string[] => stdout.trimEnd().split('\n').sort();
  async function tried(...args: readonly string[]): Promise<unknown> {
    return JSON.parse((await rig.cli('filter', 'test', '--json', ...args)).stdout);
  }

  it('`filter test` shows what each filter takes of what it governs, and why', async () => {
    const { code, stdout } = await rig.cli('filter', 'test');
    expect(code, 'one of them fails').to.equal(1);
    const part = "job.get('auth_level',-1)";
    expect(lines(stdout)).to.deep.equal(
      [
        `taken      dpaw/workspaces/ws1.json  FEATURE_FILTER: ${part} in [0,1] is True, ${part} is 1`,
        `taken      ${ROADS}  FEATURE_FILTER: ${part} in [0,1] is True, ${part} is 1`,
        `not taken  ${CLOSED}  FEATURE_FILTER: ${part} in [0,1] is False, ${part} is 2`,
        `failed     ${STORE}  WMS_FILTER: KeyError: 'owner', at character 13, in job['owner']`,
        '2 of 4 taken',
      ].sort(),
    );
  });

  it('`filter test <name>` goes by name or path, and tells of one that nothing has', async () => {
    const { code, stdout } = await rig.cli('filter', 'test', 'roads', CLOSED);
    expect([code, lines(stdout).at(0)]).to.deep.equal([0, '1 of 2 taken']);
    const unknown = await rig.cli('filter', 'test', 'roads', 'raods');
    expect([unknown.code, unknown.stderr]).to.deep.equal([
      1,
      'slave-sync: no task file that a filter governs is named raods\n',
    ]);
  });

  it('`filter test --expression` evaluates one that is in no file', async () => {
    const expression = "lambda job: job['workspace'] in ('ws1','b') and not job['name'].startswith('clo')";
    const rows = (await tried('--expression', expression)) as { path: string; taken: boolean }[];
    expect(Object.fromEntries(rows.map(({ path, taken }) => [path, taken]))).to.deep.equal({
      'dpaw/workspaces/ws1.json': true,
      [ROADS]: true,
      [CLOSED]: false,
      [STORE]: true,
    });
    const whole = "lambda job: [job['action'], job['channel'], job['job_file'], len(job['title'])]";
    expect(await tried('roads', '--expression', whole)).to.deep.equal([
      {
        path: ROADS,
        filter: '--expression',
        taken: true,
        value: `['publish', 'dpaw', '${ROADS}', 14]`,
        why: `${whole.slice(12)} is ['publish', 'dpaw', '${ROADS}', 14]`,
      },
    ]);
  });

  for (const [expression, where] of [
    ["lambda job: job['name'", 'at its end'],
    ['lambda job: __import__("os")', 'at character 13'],
    ["lambda job: job.pop('name')", 'at character'],
    ['lambda: True', 'one parameter'],
    ['import os', 'a filter is one expression'],
    ['', 'a filter is one expression'],
  ] as const)
    it(`\`filter test --expression '${expression}'\` says where and why, with exit code 2`, async () => {
      const { code, stdout, stderr } = await rig.cli('filter', 'test', '--expression', expression);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.include('slave-sync: the expression cannot be used: ').and.include(where);
    });

  it('says that Python 2 accepted it where an expression orders None', async () => {
    const [row] = (await tried('roads', '--expression', "lambda job: job.get('level') <= 1")) as {
      why: string;
    }[];
    expect(row?.why).to.match(/None.*Python 2/);
  });

  it('one that fails for a job fails that job alone, and is named', async () => {
    const { code, stdout } = await rig.cli('sync');
    expect(code).to.equal(1);
    expect(stdout)
      .to.match(/1 failed/)
      .and.to.include(`FAILED ${STORE} (publish): WMS_FILTER`);
    expect(await applied(rig, 'roads')).to.deep.equal([3, true]);
    const failure = (await statusOf(rig)).get(STORE)?.failure;
    expect(failure).to.include({ reason: 'filter-failed', retry: 'final' });
    expect(failure?.message)
      .to.include('WMS_FILTER failed for dpaw/wms_stores/ws1.other.json: ')
      .and.include('owner');
    await rig.configure({ WMS_FILTER: "lambda job: job.get('owner') == 'us'" });
    succeeds(await rig.cli('sync'));
  });

  it('one that does not parse stops the start, with its place and the reason', async () => {
    await rig.configure({ FEATURE_FILTER: "lambda job: job['name'] =! 'roads'", WMS_FILTER: 'True' });
    for (const args of [['sync'], ['hook', 'hg'], ['poll', '--once'], ['config'], ['filter', 'test']]) {
      const { code, stdout, stderr } = await rig.cli(...args);
      expect([code, stdout], args.join(' ')).to.deep.equal([2, '']);
      expect(stderr)
        .to.match(/^ {2}FEATURE_FILTER: at character \d+, near /m)
        .and.to.match(/^ {2}WMS_FILTER: .*a filter is one expression/m);
    }
    expect(await applied(rig, 'roads')).to.deep.equal([3, true]);
    await rig.configure({ FEATURE_FILTER: ALL, WMS_FILTER: ALL });
  });

  it('`config` prints every setting with its source, and no password', async () => {
    const { stdout } = succeeds(await rig.exec('env', 'SLAVE_NAME=from outside', ...slaveSync('config')));
    expect(stdout).to.match(/^SLAVE_NAME +environment +from outside$/m);
    expect(stdout).to.match(/^FEATURE_FILTER +file +lambda job: True$/m);
    expect(stdout).to.match(/^LAYERGROUP_FILTER +default +lambda job: True$/m);
    expect(stdout).to.match(/^GEOSERVER_PGSQL_PASSWORD +file +\*\*\*$/m);
    const json = JSON.parse(succeeds(await rig.cli('config', '--json')).stdout) as {
      settings: { variable: string; value: string; source: string }[];
      warnings: string[];
    };
    expect(json.settings.map(({ variable }) => variable)).to.deep.equal(VARIABLES.map(({ name }) => name));
    expect(json.settings.find(({ variable }) => variable === 'GEOSERVER_PASSWORD')?.value).to.equal('***');
    expect(json.warnings).to.deep.equal([]);
    const { slaveDatabase } = rig;
    expect(stdout + JSON.stringify(json)).not.to.include(slaveDatabase.password);
  });
});

/** The command line of `slave-sync …`, to be put behind another program. */
function slaveSync(...args: readonly string[]): string[] {
  return [process.execPath, fileURLToPath(new URL('../../dist/cli.js', import.meta.url)), ...args];
}
