import { setTimeout as delay } from 'node:timers/promises';

/** The only source of time, so that tests can replace it. */
export interface Clock {
  now(): Date;
  /** Waits `ms` milliseconds; rejects at once when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};
