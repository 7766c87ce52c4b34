import { expect } from 'chai';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { featureFiles, workspaceFiles, type TaskFiles } from '../support/master.js';
import { must, type CommandOutcome } from '../support/repository.js';
import { makeRig, type Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

type Way = 'hook' | 'poll' | 'sync';

/** How the newest revision is applied, each time as an operator or cron does it. */
const WAYS: Readonly<Record<Way, (rig: Rig) => Promise<CommandOutcome>>> = {
  hook: (rig) => rig.pull(),
  poll: (rig) => rig.cli('poll', '--once'),
  sync: async (rig) => {
    // Pulled without a hook: sync works from the clone alone.
    const { code, stderr } = await rig.pull();
    expect(code, stderr).to.equal(0);
    return rig.cli('sync');
  },
};

interface Step {
  readonly title: string;
  readonly files: (rig: Rig) => Promise<Record<string, string | null>>;
  /** Of the summary. */
  readonly done: number;
  readonly failed: number;
  /** Views in the schema `town` at the end. */
  readonly views: readonly string[];
}

const layer = (rig: Rig, name: string, more: TaskFiles = {}): Promise<TaskFiles> =>
  featureFiles(rig, { workspace: 'town', name }).then((files) => ({ ...files, ...more }));

const STEPS: readonly Step[] = [
  {
    title: 'publishes',
    files: (rig) => layer(rig, 'trees', workspaceFiles('town')),
    ...{ done: 2, failed: 0, views: ['trees'] },
  },
  {
    title: 'applies all but a job that fails',
    files: (rig) => layer(rig, 'roads', { 'dpaw/layers/town.broken.json': '{' }),
    ...{ done: 1, failed: 1, views: ['roads', 'trees'] },
  },
  {
    title: 'does only the rest once the task file is mended',
    files: async (rig) => {
      const { ['dpaw/layers/town.broken.json']: file = '' } = await layer(rig, 'broken');
      return { 'dpaw/layers/town.broken.json': file };
    },
    ...{ done: 1, failed: 0, views: ['broken', 'roads', 'trees'] },
  },
  {
    title: 'removes',
    files: () =>
      Promise.resolve({ 'dpaw/layers/town.roads.json': null, 'dpaw/layers/town.broken.json': null }),
    ...{ done: 2, failed: 0, views: ['trees'] },
  },
];

async function viewsOf(rig: Rig): Promise<unknown[]> {
  const rows = await rig.slaveDatabase.query(
    `SELECT viewname FROM pg_views WHERE schemaname = 'town' ORDER BY viewname`,
  );
  return rows.map((row) => row['viewname']);
}

/** The revision that the clone has as the followed branch's head. */
async function headOf({ vcs, clone }: Rig): Promise<string> {
  return vcs === 'hg'
    ? must('hg', ['log', '-r', 'tip', '-T', '{node}'], clone)
    : must('git', ['rev-parse', 'refs/remotes/origin/main'], clone);
}

/** What the record says, without what differs from run to run. */
async function statusOf(rig: Rig): Promise<unknown> {
  const { stdout } = await rig.cli('status', '--json');
  const { jobs } = JSON.parse(stdout) as { jobs: Record<string, unknown>[] };
  return jobs.map(({ path, action, state, kind, name }) => ({ path, action, state, kind, name }));
}

/** What every way says alike: the summary's lines, without times, revision and folders. */
function summaryOf({ stdout, stderr }: CommandOutcome): string[] {
  const lines = (stdout + stderr).split('\n');
  const first = lines.findIndex((line) => line.startsWith('slave-sync: revision'));
  const last = lines.findIndex((line, index) => index > first && !/^\s/.test(line));
  return lines
    .slice(first, last)
    .map((line) => line.replace(/revision \w+/, 'revision R').replace(/[\d.]+ (ms|s)\b/g, 'T'))
    .map((line) => line.replaceAll(/\/[^\s]*?\/upstream|\/tmp\/[\w/-]+/g, 'PATH'));
}

describe('hg and git, each by hook, poll and sync: the same commits give the same', function () {
  this.timeout(300_000);
  /** Title of a step -> what the first of the six gave. */
  const expected = new Map<string, { status: unknown; summary: string[] }>();

  for (const vcs of ['hg', 'git'] as const)
    for (const way of ['hook', 'poll', 'sync'] as const)
      describe(`${vcs} by ${way}`, () => {
        let rig: Rig;

        before(async () => {
          rig = await makeRig({ vcs });
          if (way === 'hook') expect(await rig.cli('init')).to.include({ code: 0 });
        });
        after(() => rig.close());

        for (const step of STEPS)
          it(step.title, async () => {
            const before = await headOf(rig).catch(() => '');
            const revision = await rig.commit(await step.files(rig));
            const outcome = await WAYS[way](rig);
            const text = outcome.stdout + outcome.stderr;
            expect(outcome.code === 0, text).to.equal(step.failed === 0);
            expect(text).to.match(
              new RegExp(`slave-sync: revision \\w{12}: ${step.done} done, ${step.failed} failed`),
            );
            // A failure in a hook refuses the pull; there is nothing to refuse for the other two.
            const isRefused = way === 'hook' && step.failed > 0;
            expect(await headOf(rig)).to.equal(isRefused ? before : revision);
            expect(await viewsOf(rig)).to.deep.equal(step.views);
            expect(await rig.rows('town.trees')).to.have.length(3);

            expect(summaryOf(outcome)).to.have.length(1 + step.failed);
            const found = { status: await statusOf(rig), summary: summaryOf(outcome) };
            if (!expected.has(step.title)) expected.set(step.title, found);
            expect(found).to.deep.equal(expected.get(step.title));
          });
      });

  for (const vcs of ['hg', 'git'] as const)
    it(`${vcs}: with ON_FAILURE=accept a pull by hand is kept, and says what failed`, async () => {
      const rig = await makeRig({ vcs, env: { ON_FAILURE: 'accept' } });
      try {
        expect(await rig.cli('init')).to.include({ code: 0 });
        const files = { ...workspaceFiles('town'), 'dpaw/layers/town.broken.json': '{' };
        const revision = await rig.commit(files);
        const pulled = await rig.pull();
        expect(pulled.code, pulled.stderr).to.equal(0);
        expect(pulled.stdout + pulled.stderr).to.match(/1 done, 1 failed[^]*town\.broken\.json/);
        expect(await headOf(rig)).to.equal(revision);
      } finally {
        await rig.close();
      }
    });

  it('git: a push into a bare repository is applied, or refused, by pre-receive', async () => {
    const rig = await makeRig({ vcs: 'git' });
    try {
      const bare = join(await tempDir('bare'), 'state.git');
      await must('git', ['init', '-q', '--bare', '-b', 'main', bare], '/');
      await cp(join(rig.clone, 'code'), join(bare, 'code'), { recursive: true });
      const inBare = 'cd "$0" && exec "$@"';
      const init = await rig.exec('sh', '-c', inBare, bare, process.execPath, CLI, 'init');
      expect(init.code, init.stderr).to.equal(0);
      const push = async (files: Record<string, string | null>) => {
        const revision = await rig.commit(files);
        const pushed = await rig.exec('git', '-C', rig.upstream, 'push', bare, 'main');
        const head = await must('git', ['rev-parse', '-q', '--verify', 'main'], bare).catch(() => '');
        return { ...pushed, isTaken: head === revision };
      };
      const good = await push(await layer(rig, 'trees', workspaceFiles('town')));
      expect(good, good.stderr).to.include({ code: 0, isTaken: true });
      expect(good.stderr).to.match(/remote: slave-sync: revision \w{12}: 2 done, 0 failed/);
      const bad = await push(await layer(rig, 'roads', { 'dpaw/layers/town.broken.json': '{' }));
      expect(bad, bad.stderr).to.include({ code: 1, isTaken: false });
      expect(bad.stderr).to.match(/remote: slave-sync: revision \w{12}: 1 done, 1 failed/);
      const mended = await push({ 'dpaw/layers/town.broken.json': null });
      expect(mended, mended.stderr).to.include({ code: 0, isTaken: true });
      expect(await viewsOf(rig)).to.deep.equal(['roads', 'trees']);
    } finally {
      await rig.close();
    }
  });
});
