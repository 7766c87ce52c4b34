import { expect } from 'chai';
import { copyFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { featureFiles, pointStyle, workspaceFiles } from '../support/master.js';
import { must } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';
import { layerExists, md5, rowsOf, statusOf, succeeds, taskFile } from './master.js';

/** Where nobody answers: what is fetched from there says so at once. */
const OUT_OF_REACH = 'borg@127.0.0.254:';
const TAKE_ALL = 'lambda job: True';

/** A slave of its own, whose data come from the given folder of this machine, over ssh. */
async function portalOf(path: string, env: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const { user, host } = await sshd();
  return makeRig({
    env: { SYNC_SERVER: `${user}@${host}`, SYNC_PATH: path, FEATURE_FILTER: TAKE_ALL, ...env },
  });
}

async function style(rig: Rig, name: string): Promise<string> {
  return (await rig.geoserver.request('GET', `/rest/workspaces/ws1/styles/${name}.sld`)).body;
}

describe('a chain: master, slave, portal slave', function () {
  this.timeout(180_000);
  let slave: Rig;
  let portal: Rig;
  const cache = (): string => join(slave.clone, 'code/dumps');
  before(async () => {
    slave = await makeRig({ reach: 'ssh' });
    succeeds(await slave.cli('init'));
    portal = await portalOf(cache());
    // Both follow one state repository.
    await writeFile(join(portal.clone, '.hg/hgrc'), `[paths]\ndefault = ${slave.upstream}\n`);
    succeeds(await portal.cli('init'));
    await slave.commit({
      ...workspaceFiles('ws1'),
      ...(await featureFiles(slave, {
        workspace: 'ws1',
        name: 'roads',
        styles: { builtin: pointStyle('Day'), night: pointStyle('Night') },
      })),
    });
  });
  after(async () => {
    await portal.close();
    await slave.close();
  });

  it('a file that the slave does not have yet is no error of the task file: it is tried again', async () => {
    const pull = await portal.pull();
    expect(pull.code).to.equal(255);
    expect(pull.stdout)
      .to.match(/the peer \S+ does not have it yet/)
      .and.to.include('the peer has to sync first');
    const failure = (await statusOf(portal)).get(taskFile('roads'))?.failure;
    expect(failure).to.include({ reason: 'missing-at-source', retry: 'remote' });
    succeeds(await slave.pull());
    succeeds(await portal.pull());
    expect(await rowsOf(portal, 'ws1.roads')).to.equal(3);
  });

  it('metas, styles and dumps come from the slave, by the layout of its cache', async () => {
    await rm(slave.dataRoot, { recursive: true });
    await rm(join(portal.clone, 'code'), { recursive: true });
    await portal.slaveDatabase.query('DROP SCHEMA IF EXISTS ws1, ws1_data, ws1_outdated CASCADE');
    await portal.configure({});
    succeeds(await portal.cli('sync'));
    expect(await rowsOf(portal, 'ws1.roads')).to.equal(3);
    expect(await layerExists(portal, 'roads')).to.equal(true);
    expect(await style(portal, 'roads.night')).to.include('Night');
    const files = async (folder: string): Promise<string[]> =>
      (await readdir(folder, { recursive: true })).filter((name) => /\.\w+$/.test(basename(name))).sort();
    const fetched = await files(join(portal.clone, 'code/dumps'));
    expect(fetched).to.deep.equal(await files(cache()));
    expect(fetched).to.include.members(['ws1.roads.db', 'ws1.roads.sld', 'ws1.roads.night.sld']);
  });

  it('a third one may take it from the portal slave', async () => {
    const third = await portalOf(join(portal.clone, 'code/dumps'));
    try {
      await writeFile(join(third.clone, '.hg/hgrc'), `[paths]\ndefault = ${slave.upstream}\n`);
      succeeds(await third.cli('init'));
      succeeds(await third.pull());
      expect(await rowsOf(third, 'ws1.roads')).to.equal(3);
    } finally {
      await third.close();
    }
  });
});

describe('a portal slave of a peer that runs the original program', function () {
  this.timeout(180_000);
  let peer: string;
  let portal: Rig;
  before(async () => {
    peer = await tempDir('peer');
    portal = await portalOf(peer);
    succeeds(await portal.cli('init'));
  });
  after(async () => portal.close());

  it('finds dumps and styles by the names it gives them, and metas at the master, which the peer never has', async () => {
    const files = await featureFiles(portal, {
      workspace: 'ws1',
      name: 'roads',
      styles: { builtin: pointStyle('Day'), night: pointStyle('Night') },
    });
    const data = join(portal.dataRoot, 'full_data/dpaw/ws1');
    await copyFile(join(data, 'roads.db'), join(peer, 'roads.tar'));
    await copyFile(join(data, 'roads.builtin.sld'), join(peer, 'roads.sld'));
    await copyFile(join(data, 'roads.night.sld'), join(peer, 'roads.night.sld'));
    for (const name of ['roads.db', 'roads.builtin.sld', 'roads.night.sld']) await rm(join(data, name));
    await portal.commit({ ...workspaceFiles('ws1'), ...files });
    succeeds(await portal.pull());
    expect(await rowsOf(portal, 'ws1.roads')).to.equal(3);
    expect(await style(portal, 'roads')).to.include('Day');
    expect(await style(portal, 'roads.night')).to.include('Night');
  });

  it('a master out of reach is not to blame for what the peer does not have yet', async () => {
    const meta = JSON.stringify({ workspace: 'ws1', name: 'lakes' });
    const task = { action: 'publish', meta: { file: `${OUT_OF_REACH}/opt/lakes.meta.json`, md5: md5(meta) } };
    await portal.commit({ [taskFile('lakes')]: JSON.stringify(task) });
    const { code, stdout } = await portal.pull();
    expect(code).to.equal(255);
    expect(stdout)
      .to.match(/the peer \S+ does not have it yet/)
      .and.to.include('127.0.0.254');
    expect((await statusOf(portal)).get(taskFile('lakes'))?.failure).to.include({ retry: 'remote' });
    await portal.commit({ [taskFile('lakes')]: null });
    succeeds(await portal.pull());
  });

  it('an older dump on the peer is one that it does not have yet', async () => {
    await portal.commit(
      await featureFiles(portal, { workspace: 'ws1', name: 'roads', rows: 'SELECT 1 AS id' }),
    );
    const { stdout } = await portal.pull();
    expect(stdout).to.match(/the peer \S+ does not have it yet: .*roads\.tar on .* has the MD5/);
    expect(await rowsOf(portal, 'ws1.roads')).to.equal(3);
    await copyFile(join(portal.dataRoot, 'full_data/dpaw/ws1/roads.db'), join(peer, 'roads.tar'));
    succeeds(await portal.pull());
    expect(await rowsOf(portal, 'ws1.roads')).to.equal(1);
  });
});

describe('a portal slave with the documented default filters', function () {
  this.timeout(120_000);
  let portal: Rig;
  before(async () => {
    // An empty value counts as not set.
    portal = await portalOf(await tempDir('peer'), { FEATURE_FILTER: '' });
  });
  after(async () => portal.close());

  it('takes nothing of a newer master, and warns of it', async () => {
    await portal.commit({
      ...workspaceFiles('ws1'),
      ...workspaceFiles('ws2'),
      'dpaw/wms_stores/ws1.other.json': JSON.stringify({
        ...{ action: 'publish', workspace: 'ws1', name: 'other' },
        capability_url: 'http://127.0.0.1:9/wms?service=WMS',
      }),
    });
    await must('hg', ['pull', '-q'], portal.clone);
    const { stdout, stderr } = succeeds(await portal.cli('sync'));
    expect(stdout).to.match(/0 done, 0 failed, 3 not taken/);
    expect(stderr)
      .to.match(/FEATURE_FILTER took 0 of 2 task files.*allow_authenticated/)
      .and.to.match(/WMS_FILTER took 0 of 1 task files/);
  });

  it('takes what an older master allows', async () => {
    await portal.commit(workspaceFiles('ws3', { allow_authenticated: true }));
    await must('hg', ['pull', '-q'], portal.clone);
    const { stdout, stderr } = succeeds(await portal.cli('sync'));
    expect(stdout).to.match(/1 done, 0 failed/);
    expect(stderr).not.to.include('FEATURE_FILTER took');
  });
});
