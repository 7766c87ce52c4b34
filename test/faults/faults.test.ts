import { expect } from 'chai';
import { describeCase, drawCase, runCase } from './case.js';
import { World } from './world.js';

const { FAULT_SEED, FAULT_CASES, FAULT_VCS } = process.env;
const SAMPLE = 4;
const isSample = FAULT_CASES === undefined;
/** Case n of a seed is case 0 of seed + n: the number in a test's name is what replays it. */
const seed = Number(FAULT_SEED ?? (isSample ? 20_261_121 : Date.now() % 1_000_000_000));
const count = Number(FAULT_CASES ?? SAMPLE);
const VCSS = (['hg', 'git'] as const).filter((vcs) => vcs === (FAULT_VCS ?? (isSample ? 'hg' : vcs)));

/**
 * Full scenarios in which something goes wrong at random, each followed by a normal run: that has to reach exactly what an
 * undisturbed run reaches, and whoever reads what is published sees no error. `npm run test:faults` runs 300 of them;
 * with the variables that a failure prints, one again (the same fault at the same moment, as far as the machine keeps time).
 */
describe(`faults, seed ${seed}${isSample ? `: a sample of ${SAMPLE}; npm run test:faults runs 300` : ''}`, function () {
  this.timeout(240_000);
  const worlds = new Map<string, World>();
  before(async () => {
    for (const vcs of VCSS) worlds.set(vcs, await World.make(vcs));
  });
  after(async () => {
    for (const world of worlds.values()) await world.close();
  });

  for (let n = 0; n < count; n++) {
    const drawn = drawCase(seed + n, VCSS);
    it(describeCase(drawn), async function () {
      const world = worlds.get(drawn.vcs)!;
      const { needsDisk } = drawn.fault;
      if (needsDisk !== undefined && world.disks[needsDisk] === undefined) this.skip();
      const problems = await runCase(world, drawn);
      const replay = `FAULT_SEED=${drawn.seed} FAULT_VCS=${drawn.vcs} FAULT_CASES=1 npm run test:faults`;
      const report = `${problems.join('\n')}\n${replay}`;
      // At once: all of them take long.
      if (problems.length > 0) process.stderr.write(`${report}\n`);
      expect(problems, report).to.deep.equal([]);
    });
  }
});
