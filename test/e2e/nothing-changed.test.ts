import { expect } from 'chai';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at } from '../../src/geoserver/json.js';
import { commitAll } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { vcsOf } from '../support/vcs.js';
import { makeTable, publish, statusOf, styleFile, succeeds, taskFile } from './master.js';

const ROADS = taskFile('roads');
const OVERLAY = 'dpaw/layers/ws1.roads.meta.json';

/** Revisions that name a task file among their changes although nothing is to be done for it. */
for (const { vcs, note } of vcsOf('e2e/nothing-changed'))
  describe(`nothing to do, by ${vcs}${note}`, () => {
    let rig: Rig;
    before(async () => {
      rig = await makeRig({ vcs });
      await makeTable(rig, 'roads', 10);
      await publish(rig, 'workspace', 'ws1');
      await publishRoads('Roads');
      succeeds(await rig.cli('init'));
      succeeds(await rig.pull());
    });
    after(async () => rig.close());

    const publishRoads = async (title: string): Promise<void> =>
      publish(
        rig,
        ...['feature', 'ws1', 'roads', '--title', title],
        ...['--style', `builtin=${await styleFile('#ff0000')}`],
      );
    const featureType = async (): Promise<unknown> =>
      at(
        await rig.geoserver.getJson('/rest/workspaces/ws1/datastores/ws1_ds/featuretypes/roads.json'),
        'featureType',
      );
    const oid = async (): Promise<unknown> =>
      (await rig.slaveDatabase.query("SELECT 'ws1_data.roads'::regclass::oid AS oid"))[0]!['oid'];

    /** Pulls what was committed: nothing may be written anywhere, and a further run must know of nothing, either. */
    const pullsNothing = async (): Promise<void> => {
      const before = [await oid(), await featureType()];
      rig.geoserver.standIn?.requests.splice(0);
      succeeds(await rig.pull());
      expect(await tipOf(rig.clone), 'the pull was accepted').to.equal(await tipOf(rig.upstream));
      const writes = (rig.geoserver.standIn?.requests ?? []).filter(({ method }) => method !== 'GET');
      expect(writes.map(({ method, path }) => `${method} ${path}`)).to.deep.equal([]);
      expect([await oid(), await featureType()]).to.deep.equal(before);
      expect((await statusOf(rig)).get(ROADS)?.state).to.equal('done');
      const { stdout } = succeeds(await rig.cli('sync', '--json'));
      expect((JSON.parse(stdout) as { jobs: unknown[] }).jobs).to.deep.equal([]);
    };
    const TIP = {
      hg: ['hg', 'log', '-r', 'tip', '-T', '{node}'],
      git: ['git', 'rev-parse', 'HEAD'],
    } as const;
    const tipOf = async (folder: string): Promise<string> =>
      (await rig.exec('env', '-C', folder, ...TIP[vcs])).stdout;

    it('a change of a task file’s mode alone', async () => {
      await chmod(join(rig.upstream, ROADS), 0o755);
      await commitAll(vcs, rig.upstream, 'executable');
      const files =
        vcs === 'hg'
          ? ['hg', 'log', '-r', 'tip', '-T', '{files}']
          : ['git', 'show', '--name-only', '--format=', 'HEAD'];
      const changed = await rig.exec('env', '-C', rig.upstream, ...files);
      expect(changed.stdout.trim(), 'the revision names the file').to.equal(ROADS);
      await pullsNothing();
    });

    it('a task file that was changed and changed back between two pulls', async () => {
      const content = await readFile(join(rig.upstream, ROADS), 'utf8');
      await rig.commit({ [ROADS]: content.replace('{', '{"note": "x",') });
      await rig.commit({ [ROADS]: content });
      await pullsNothing();
    });

    it('a meta file’s task file that goes: what it brought stays until the layer is published again', async () => {
      await publish(
        rig,
        ...['meta', 'ws1', 'roads', '--title', 'Roads, renamed'],
        ...['--style', `builtin=${await styleFile('#00ff00')}`],
      );
      succeeds(await rig.pull());
      expect(at(await featureType(), 'title')).to.equal('Roads, renamed');
      await rig.commit({ [OVERLAY]: null });
      await pullsNothing();
      expect(at(await featureType(), 'title')).to.equal('Roads, renamed');
      expect((await statusOf(rig)).has(OVERLAY)).to.equal(false);
      await publishRoads('Roads again');
      succeeds(await rig.pull());
      expect(at(await featureType(), 'title')).to.equal('Roads again');
    });
  });
