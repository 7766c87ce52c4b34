import { expect } from 'chai';
import { featureFiles, pointStyle, workspaceFiles } from './master.js';
import { makeRig, type Rig } from './rig.js';

for (const vcs of ['hg', 'git'] as const)
  describe(`the rig with ${vcs} over ssh`, () => {
    let rig: Rig;

    before(async function () {
      this.timeout(120_000);
      rig = await makeRig({ vcs, reach: 'ssh' });
    });
    after(() => rig.close());

    it('brings a table from the master to a view of the slave and a layer of GeoServer', async () => {
      expect(await rig.cli('init')).to.include({ code: 0, stderr: '' });
      await rig.commit({
        ...workspaceFiles('town'),
        ...(await featureFiles(rig, {
          workspace: 'town',
          name: 'trees',
          styles: { builtin: pointStyle('Trees') },
        })),
      });

      const pulled = await rig.pull();

      expect(pulled.code, pulled.stdout + pulled.stderr).to.equal(0);
      expect(await rig.rows('town.trees')).to.have.length(3);
      expect(await rig.geoserver.getJson('/rest/layers/town:trees.json')).to.have.nested.property(
        'layer.defaultStyle.name',
        'town:trees',
      );
      expect(await rig.cli('status')).to.include({ code: 0 });
    });
  });
