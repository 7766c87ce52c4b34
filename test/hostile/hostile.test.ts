import { expect } from 'chai';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { statusOf, type StatusRow } from '../e2e/master.js';
import { seeded } from '../pgdump/rig.js';
import type { CommandOutcome } from '../support/repository.js';
import type { HostileCase, Submission } from './case.js';
import { loadClasses } from './classes.js';
import { GOOD, makeLab, type Lab, type Observation } from './lab.js';

const SAMPLE = 15;
const MAX_MS = 240_000;

interface Trial {
  readonly name: string;
  readonly hostile: HostileCase;
  readonly id: string;
}

/**
 * Task files of somebody who means harm, through `hg pull` with real programs. Whatever becomes of one: nothing is executed,
 * nothing written outside, nothing of others touched, and a refused one says what is wrong.
 * SLAVE_SYNC_HOSTILE=all runs all cases, otherwise a sample; SEED=<n> draws another one.
 */
describe('hostile task files', function () {
  this.timeout(MAX_MS);
  const everything = process.env['SLAVE_SYNC_HOSTILE'] === 'all';
  const random = seeded(Number(process.env['SEED'] ?? 20_261_121));
  const score = new Map<string, { tried: number; escaped: number }>();
  let lab: Lab;
  let untouched: Observation;

  before(async function () {
    if (process.env['GEOSERVER_URL']) this.skip(); // it must not be shown to a server that others use
    lab = await makeLab();
    untouched = await lab.observe();
  });
  after(async () => {
    await lab.close();
    report(score);
  });

  let count = 0;
  const classes = loadClasses().map(({ name, cases }) => ({
    name,
    trials: cases.map((hostile): Trial => ({ name, hostile, id: `c${++count}` })),
  }));
  const all = classes.flatMap(({ trials }) => trials);
  const groups = everything
    ? classes
    : [
        {
          name: `a sample of ${SAMPLE}, without the other ${all.length - SAMPLE}`,
          trials: drawn(all, random),
        },
      ];

  it('are at least 120', () => expect(all.length).to.be.at.least(120));

  for (const { name, trials } of groups)
    describe(name, () => {
      const verdicts = new Map<string, string>();
      const harm: string[] = [];
      before(async () => {
        for (const batch of batches(await prepared(lab, trials))) {
          const tried = await tryBatch(lab, batch);
          for (const [id, problem] of tried.problems) verdicts.set(id, problem);
          harm.push(...tried.harm);
        }
      });
      it('touch nothing of others', () => {
        score.set('harm to others', {
          tried: 0,
          escaped: (score.get('harm to others')?.escaped ?? 0) + harm.length,
        });
        if (harm.length > 0) throw new Error([...new Set(harm)].join('\n'));
      });
      for (const { name: className, hostile, id } of trials)
        it(`${hostile.title} (${id})`, () => {
          const entry = score.get(className) ?? { tried: 0, escaped: 0 };
          score.set(className, entry);
          entry.tried++;
          const problem = verdicts.get(id);
          if (problem !== '') entry.escaped++;
          if (problem !== '') throw new Error(problem ?? 'it was not tried');
        });
    });

  it('leave everything as it was when they are gone', async () => {
    expect(differences(untouched, await lab.observe())).to.deep.equal([]);
  });
});

interface Prepared extends Trial {
  readonly submission: Submission;
}

async function prepared(lab: Lab, trials: readonly Trial[]): Promise<Prepared[]> {
  const made: Prepared[] = [];
  for (const trial of trials) made.push({ ...trial, submission: await trial.hostile.make(lab, trial.id) });
  return made;
}

/** As few pulls as can be: a path can have one content at a time. */
function batches(trials: readonly Prepared[]): Prepared[][] {
  const found: { paths: Set<string>; trials: Prepared[] }[] = [];
  for (const trial of trials) {
    const paths = [...Object.keys(trial.submission.files), ...Object.keys(trial.submission.links ?? {})];
    let batch = found.find((candidate) => paths.every((path) => !candidate.paths.has(path)));
    if (batch === undefined) found.push((batch = { paths: new Set(), trials: [] }));
    batch.trials.push(trial);
    for (const path of paths) batch.paths.add(path);
  }
  return found.map((batch) => batch.trials);
}

/** One pull that brings these task files, and one that takes them away again. What is wrong, by id ('' when nothing is), and what others suffered from one of them or all. */
async function tryBatch(lab: Lab, trials: readonly Prepared[]) {
  const { rig } = lab;
  const before = await lab.observe();
  const files = Object.assign({}, ...trials.map(({ submission }) => submission.files)) as Submission['files'];
  const links = trials.flatMap(({ submission }) => Object.entries(submission.links ?? {}));
  for (const [path, target] of links) {
    await mkdir(dirname(join(rig.upstream, path)), { recursive: true });
    await symlink(target, join(rig.upstream, path));
  }
  await rig.commit(files, 'hostile');
  const pull = await rig.pull();
  const status = await statusOf(rig);
  const harm = differences(before, await lab.observe());
  const problems = new Map<string, string>();
  for (const trial of trials) problems.set(trial.id, await problemOf(trial, status, pull));

  for (const [path] of links) await rm(join(rig.upstream, path), { force: true });
  await rig.commit(Object.fromEntries(Object.keys(files).map((path) => [path, null])), 'withdrawn');
  const withdrawal = await rig.pull();
  if (withdrawal.code !== 0) harm.push(`the withdrawal failed: ${withdrawal.stdout}${withdrawal.stderr}`);
  const left = [...(await statusOf(rig))].filter(([path, row]) => path !== GOOD || row.state !== 'done');
  if (left.length > 0) harm.push(`left in the record: ${JSON.stringify(left)}`);
  harm.push(...differences(before, await lab.observe()).map((text) => `after the withdrawal: ${text}`));
  return { problems, harm };
}

async function problemOf(
  { hostile, submission }: Prepared,
  status: ReadonlyMap<string, StatusRow>,
  pull: CommandOutcome,
): Promise<string> {
  const row = status.get(submission.path);
  if (hostile.outcome === 'ignored')
    return row === undefined ? '' : `it was not ignored: ${JSON.stringify(row)}`;
  if (row === undefined)
    return `nothing is known of it: ${pull.stdout.slice(0, 2_000)}${pull.stderr.slice(0, 2_000)}`;
  if (hostile.outcome === 'published') {
    if (row.state !== 'done') return `it is not published: ${JSON.stringify(row)}`;
    return (
      (await submission.check?.().then(
        () => '',
        (error: unknown) => String(error),
      )) ?? ''
    );
  }
  if (row.state !== 'failed') return `it was not refused: ${JSON.stringify(row)}`;
  if (row.failure?.reason === 'bug') return `it is taken for a defect of the program: ${row.failure.message}`;
  const message = row.failure?.message ?? '';
  if (!hostile.outcome.test(message)) return `its message is unclear: ${message.slice(0, 2_000)}`;
  if (message.length > 4_000) return `its message has ${message.length} characters`;
  if (!pull.stdout.includes(submission.path)) return 'the output of the pull does not name it';
  return (
    (await submission.check?.().then(
      () => '',
      (error: unknown) => String(error),
    )) ?? ''
  );
}

function differences(before: Observation, after: Observation): string[] {
  const found: string[] = [];
  for (const [key, value] of [...before.same, ...before.kept]) {
    const now = after.same.get(key) ?? after.kept.get(key);
    if (now !== value) {
      const from = Math.max(0, Array.from(value).findIndex((character, at) => now?.[at] !== character) - 100);
      found.push(
        `${key}: …${value.slice(from, from + 300)} became …${now?.slice(from, from + 300) ?? 'nothing'}`,
      );
    }
  }
  for (const [key, value] of after.same) if (!before.same.has(key)) found.push(`${key} is new: ${value}`);
  return found;
}

function drawn(all: readonly Trial[], random: () => number): Trial[] {
  const left = [...all];
  return Array.from({ length: SAMPLE }, () => left.splice(Math.floor(random() * left.length), 1)).flat();
}

function report(score: ReadonlyMap<string, { readonly tried: number; readonly escaped: number }>): void {
  const lines = [...score].map(
    ([name, { tried, escaped }]) =>
      `  ${name.padEnd(44)} ${String(tried).padStart(5)} ${String(escaped).padStart(7)}`,
  );
  const sum = (of: 'tried' | 'escaped'): number =>
    [...score.values()].reduce((total, entry) => total + entry[of], 0);
  const total = `  ${'all'.padEnd(44)} ${String(sum('tried')).padStart(5)} ${String(sum('escaped')).padStart(7)}`;
  process.stdout.write(`\n  ${'class'.padEnd(44)} tried escaped\n${[...lines, total].join('\n')}\n`);
}
