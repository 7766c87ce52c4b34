import type { Tick } from '../poll.js';
import type { StateStore } from '../state/store.js';

/** What the record knows of the daemon, or of `poll --once` by cron. */
export interface Heartbeat {
  readonly at: Date;
  readonly outcome: Tick['outcome'];
  /** Failed ticks in a row. */
  readonly failures: number;
  /** Why the last tick failed, or what it had to wait for; without secrets. */
  readonly message: string | undefined;
  /** When a pull last worked, whatever it brought. */
  readonly pulledAt: Date | undefined;
  /** When a run last went to its end, and of which revision. */
  readonly ranAt: Date | undefined;
  readonly revision: string | undefined;
}

const KEY = 'heartbeat';

/** Notes a tick in the record; what this tick did not do keeps the time of the last one that did. */
export function saveHeartbeat(
  store: StateStore,
  { tick, failures, message, now }: Pick<Heartbeat, 'failures' | 'message'> & { tick: Tick; now: Date },
): void {
  const before = readHeartbeat(store);
  const hasRun = tick.report !== undefined && tick.outcome !== 'stopped';
  const heartbeat: Heartbeat = {
    at: now,
    outcome: tick.outcome,
    failures,
    message,
    pulledAt: tick.pulled === undefined ? before?.pulledAt : now,
    ranAt: hasRun ? now : before?.ranAt,
    revision: hasRun ? tick.report.revision : before?.revision,
  };
  store.setSetting(KEY, JSON.stringify(heartbeat));
}

export function readHeartbeat(store: StateStore): Heartbeat | undefined {
  const text = store.setting(KEY);
  if (text === undefined) return undefined;
  const stored = JSON.parse(text) as Stored;
  return {
    at: new Date(stored.at),
    outcome: stored.outcome,
    failures: stored.failures,
    message: stored.message,
    pulledAt: date(stored.pulledAt),
    ranAt: date(stored.ranAt),
    revision: stored.revision,
  };
}

interface Stored extends Pick<Heartbeat, 'outcome' | 'failures' | 'message' | 'revision'> {
  readonly at: string;
  readonly pulledAt?: string;
  readonly ranAt?: string;
}

function date(iso: string | undefined): Date | undefined {
  return iso === undefined ? undefined : new Date(iso);
}
