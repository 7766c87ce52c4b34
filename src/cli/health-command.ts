import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../lib/errors.js';
import { timeLimit } from '../lib/time-limit.js';
import { isLocked, readHolder } from '../state/lock.js';
import { StateStore } from '../state/store.js';
import { findBrokenOff } from './broken-off.js';
import { HEALTH, healthLine, judgeHealth, type Health, type HealthFacts, type Thresholds } from './health.js';
import { readHeartbeat, type Heartbeat } from './heartbeat.js';
import type { Session } from './session.js';

export interface HealthOptions {
  readonly json?: boolean;
  /** Seconds. */
  readonly maxAge?: number;
  /** Seconds. */
  readonly maxRun: number;
  readonly maxFailed: number;
  /** MiB. */
  readonly minFree: number;
}

/** No default age is below this: back-off lets up to eleven minutes pass between two polls. */
const LEAST_MAX_AGE_MS = 15 * 60_000;
/** Monitoring gives a plugin ten seconds as a rule. */
const REPOSITORY_TIMEOUT_MS = 8_000;

/**
 * Prints how this slave is, as monitoring plugins do, and answers their exit code: 0 OK, 1 WARNING, 2 CRITICAL,
 * 3 UNKNOWN. Never throws: what cannot be found out is UNKNOWN. Changes nothing.
 */
export async function healthCommand(open: () => Promise<Session>, options: HealthOptions): Promise<number> {
  const { health, redact } = await examine(open, options);
  const { state, text, metrics } = health;
  const output = options.json
    ? JSON.stringify({ state, code: HEALTH[state], text, metrics }, null, 2)
    : healthLine(health);
  process.stdout.write(`${redact(output)}\n`);
  return HEALTH[state];
}

async function examine(
  open: () => Promise<Session>,
  options: HealthOptions,
): Promise<{ health: Health; redact: (text: string) => string }> {
  let redact = (text: string): string => text;
  try {
    const session = await open();
    redact = (text) => session.redactor.redact(text);
    const facts = await gather(session);
    if (facts === undefined) return { health: unknown('nothing has run here yet'), redact };
    return { health: judgeHealth(facts, thresholdsOf(session, facts.heartbeat, options)), redact };
  } catch (error) {
    return { health: unknown(messageOf(error)), redact };
  }
}

function unknown(text: string): Health {
  return { state: 'unknown', text, metrics: [] };
}

function thresholdsOf(
  { config }: Session,
  heartbeat: Heartbeat | undefined,
  { maxAge, maxRun, maxFailed, minFree }: HealthOptions,
): Thresholds {
  const usual = heartbeat && Math.max(LEAST_MAX_AGE_MS, 10 * config.pollIntervalSeconds * 1_000);
  return {
    maxAgeMs: maxAge === undefined ? usual : maxAge * 1_000,
    maxRunMs: maxRun * 1_000,
    maxFailed,
    minFreeBytes: minFree * 2 ** 20,
  };
}

/** Undefined when there is no record. */
async function gather(session: Session): Promise<HealthFacts | undefined> {
  const { config, clock } = session;
  if (!existsSync(join(config.statePath, 'record.db'))) return undefined;
  const target = await readTarget(session);
  const disks = await Promise.all([readDisk('state', config.statePath), readDisk('cache', config.cachePath)]);
  const store = new StateStore(config.statePath, 'read');
  try {
    const heartbeat = readHeartbeat(store);
    const files = [...store.files().values()];
    const last = lastRun(store, heartbeat);
    const before = store.lastRun();
    const isRunning = isLocked(config.statePath);
    const newest = store.lastRun();
    // Read before the look at the lock, it may have ended meanwhile; one that is read only after it may just have begun.
    const isUnderWay = isRunning || newest?.id !== before?.id;
    return {
      now: clock.now(),
      heartbeat,
      lastRun: last,
      brokenOff: findBrokenOff(newest, { isUnderWay, endedAt: last?.at }),
      running: isRunning ? readHolder(config.statePath) : undefined,
      files: files.length,
      failed: files.filter((file) => file.state === 'failed').map((file) => file.path),
      target,
      disks,
    };
  } finally {
    store.close();
  }
}

/** The last run that went to its end, jobs failed or not. One that broke off has no revision. */
function lastRun(store: StateStore, heartbeat: Heartbeat | undefined): HealthFacts['lastRun'] {
  const polled = { finishedAt: heartbeat?.ranAt, revision: heartbeat?.revision };
  let last: HealthFacts['lastRun'];
  for (const run of [polled, store.lastRun('done'), store.lastRun('failed')]) {
    if (run?.finishedAt === undefined || run.revision === undefined) continue;
    if (last === undefined || run.finishedAt > last.at) last = { at: run.finishedAt, revision: run.revision };
  }
  return last;
}

async function readTarget(session: Session): Promise<HealthFacts['target']> {
  const signal = timeLimit(session.stop.signal, REPOSITORY_TIMEOUT_MS);
  try {
    const repository = await session.open(signal);
    try {
      return { revision: await repository.target() };
    } finally {
      await repository.close();
    }
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function readDisk(name: string, path: string): Promise<HealthFacts['disks'][number]> {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  return { name, path, freeBytes: bavail * bsize };
}
