import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/lib/errors.js';
import { seeded } from '../pgdump/rig.js';
import type { CommandOutcome } from '../support/repository.js';
import { FAULTS, type Disturbance, type Fault } from './faults.js';
import { findMarked, kill } from './processes.js';
import { Readers } from './readers.js';
import { KEPT, SCENARIOS, type Scenario } from './scenarios.js';
import { differences, type Snapshot } from './snapshot.js';
import { ENTRIES, type Entry, type Running, type World } from './world.js';

export interface Case {
  readonly seed: number;
  readonly vcs: 'hg' | 'git';
  readonly scenario: Scenario;
  readonly entry: Entry;
  readonly fault: Fault;
  readonly random: () => number;
}

/** How long a run that nobody stops may take at most, faults included. */
const LIMIT_MS = 90_000;
/** A process that was told to end is given this long. */
const ENDING_MS = 6_000;

/** What a seed stands for. */
export function drawCase(seed: number, vcss: readonly ('hg' | 'git')[]): Case {
  const random = seeded(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const scenario = pick(SCENARIOS);
  const fault = pick(FAULTS.filter(({ applies }) => applies?.(scenario) ?? true));
  return { seed, fault, scenario, entry: pick(ENTRIES), vcs: pick(vcss), random };
}

export function describeCase({ seed, vcs, scenario, entry, fault }: Case): string {
  return `${seed}: ${scenario}, ${vcs} ${entry}: ${fault.name}`;
}

/** One disturbed run, then a normal one. Answers everything that is not as an undisturbed run leaves it. */
export async function runCase(world: World, drawn: Case): Promise<string[]> {
  const { scenario, fault, random, entry } = drawn;
  const expected = await world.expected(scenario);
  await world.reset(scenario);
  const mark = `case-${drawn.seed}-${process.pid}`;
  const problems: string[] = [];
  const readers = scenario === 'first' ? undefined : new Readers(world.rig, KEPT);
  const disturbance = await fault.arm({ world, scenario, expected, mark, random });
  try {
    const running = world.start(entry, mark);
    const outcome = await disturbed(running, disturbance, mark, problems);
    problems.push(...complaints(outcome, disturbance, entry));
    await disturbance.mend?.();
    world.heal();
    await world.wrappers.clear();
    await world.ageLocks();
    const mayEvict = fault.needsDisk === 'cache';
    problems.push(...(await recover(world, mark, expected.snapshot, mayEvict)));
  } finally {
    await readers?.stop();
    kill(findMarked(mark), 'SIGKILL');
  }
  for (const error of new Set(readers?.errors)) problems.push(`a reader: ${error}`);
  if (problems.length > 0) problems.push(`(${disturbance.detail})`);
  return problems;
}

async function disturbed(
  running: Running,
  disturbance: Disturbance,
  mark: string,
  problems: string[],
): Promise<CommandOutcome> {
  const limit = setTimeout(() => {
    problems.push(`the run did not end within ${LIMIT_MS} ms`);
    kill(findMarked(mark), 'SIGKILL');
  }, LIMIT_MS);
  try {
    const [outcome] = await Promise.all([
      running.ended,
      disturbance.during?.(running).catch((error: unknown) => {
        problems.push(messageOf(error));
        kill(findMarked(mark), 'SIGKILL');
      }),
    ]);
    return outcome;
  } finally {
    clearTimeout(limit);
  }
}

/** A fault is never taken for a bug, and who was stopped says so. */
function complaints(outcome: CommandOutcome, disturbance: Disturbance, entry: Entry): string[] {
  const said = outcome.stdout + outcome.stderr;
  const isBug =
    outcome.code === 70 ||
    /exited with status 70|unexpected failure|reason=bug|^\s+at .*\.js:\d+/m.test(said);
  if (isBug) return [`taken for a bug: ${said.slice(-3_000)}`];
  const { stoppedWith } = disturbance;
  if (stoppedWith !== undefined && entry === 'poll' && ![0, 1, stoppedWith].includes(outcome.code))
    return [`stopped, it ended with ${outcome.code}: ${said.slice(-2_000)}`];
  return [];
}

/**
 * What the daemon does at its next poll; then what an operator does who does not wait until retries are due.
 * `mayEvict`: what lay in the cache may have had to make room.
 */
async function recover(world: World, mark: string, expected: Snapshot, mayEvict: boolean): Promise<string[]> {
  const compared = async (): Promise<string[]> => {
    const actual = await world.snapshot();
    const kept = mayEvict ? expected.cache.filter((file) => actual.cache.includes(file)) : expected.cache;
    return differences({ ...expected, cache: kept }, actual);
  };
  const polled = await world.start('poll', mark).ended;
  const left = await leftovers(mark);
  if (polled.code === 0 && (await compared()).length === 0) return left;
  const synced = await world.start('sync', mark).ended;
  const said = `${polled.stdout}${polled.stderr}\n---\n${synced.stdout}${synced.stderr}`;
  const failure = `the next run ended with ${polled.code} and ${synced.code}: ${said.slice(-4_000)}`;
  return [
    ...(synced.code === 0 ? [] : [failure]),
    ...left,
    ...(await leftovers(mark)),
    ...(await compared()).slice(0, 12),
  ];
}

async function leftovers(mark: string): Promise<string[]> {
  const end = Date.now() + ENDING_MS;
  let left = findMarked(mark);
  while (left.length > 0 && Date.now() < end) {
    await delay(50);
    left = findMarked(mark);
  }
  return left.map(({ pid, name }) => `process ${pid} is left: ${name}`);
}
