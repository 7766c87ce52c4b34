import { Waiter, type Arrival, type Wanted } from './arrival.js';
import { Batcher } from './batcher.js';
import { FetchBatch, type FetchDeps } from './fetch-batch.js';
import { Staging } from './staging.js';
import type { FetchedFile } from './types.js';

/** Long enough for requests that are made in one go, too short to be noticed. */
const WINDOW_MS = 15;
/** Fewer large files in one rsync call are not worth a call of their own. */
const MIN_LARGE_BATCH = 20;

/** Fetches the files of one host: few rsync calls, each file handed out as soon as it is complete and verified. */
export class FetchQueue {
  readonly staging: Staging;
  /** Small files have an rsync of their own, so that they never wait for gigabytes. */
  readonly #batchers: Readonly<Record<'small' | 'large', Batcher<Waiter>>>;
  readonly #arriving = new Map<string, Arrival>();

  constructor(host: string, slots: number, deps: FetchDeps) {
    this.staging = new Staging(deps.cache.root, host);
    const batcher = (slotsOfSize: number, take: (waiting: readonly Waiter[]) => Waiter[]) =>
      new Batcher<Waiter>({
        slots: slotsOfSize,
        windowMs: () => WINDOW_MS,
        take,
        work: async (waiters) => {
          const late = await new FetchBatch(host, this.staging, this.#arriving, deps).run(waiters);
          for (const waiter of late) this.#batchers[waiter.wanted.size].add(waiter);
        },
      });
    this.#batchers = {
      small: batcher(1, (waiting) => [...waiting]),
      large: batcher(slots, (waiting) => takeLarge(waiting, slots)),
    };
  }

  /** The verified file. Errors: see Transfer.fetch. */
  fetch(wanted: Wanted, signal: AbortSignal): Promise<FetchedFile> {
    const waiter = new Waiter(wanted, signal);
    const arrival = this.#arriving.get(wanted.path);
    if (arrival) arrival.join(waiter);
    else if (!waiter.settled) this.#batchers[wanted.size].add(waiter);
    return waiter.promise;
  }

  /** Looks something up, after which a file may be asked for: files that are asked for in one go stay together. */
  expecting<T>(size: Wanted['size'], lookUp: () => Promise<T>): Promise<T> {
    return this.#batchers[size].expecting(lookUp);
  }

  /** True while files are arriving in the staging folder. */
  get busy(): boolean {
    return this.#arriving.size > 0;
  }

  /** Waits for the end of all work and removes empty folders. */
  async close(): Promise<void> {
    await Promise.all([this.#batchers.small.idle(), this.#batchers.large.idle()]);
    await this.staging.tidy();
  }
}

/**
 * Those of the highest priority: a share that keeps all slots at work to the end. Requests for one file go together;
 * those that were given up go with the next batch.
 */
function takeLarge(waiting: readonly Waiter[], slots: number): Waiter[] {
  const live = waiting.filter((waiter) => !waiter.settled);
  const share = Math.max(MIN_LARGE_BATCH, Math.ceil(live.length / (2 * slots)));
  const first = live.toSorted((a, b) => b.wanted.priority - a.wanted.priority).slice(0, share);
  const paths = new Set(first.map((waiter) => waiter.wanted.path));
  return waiting.filter((waiter) => waiter.settled || paths.has(waiter.wanted.path));
}
