import { Waiter, type Arrival, type Wanted } from './arrival.js';
import { Batcher } from './batcher.js';
import { FetchBatch, type FetchDeps } from './fetch-batch.js';
import { Staging } from './staging.js';
import type { FetchedFile } from './types.js';

/** Long enough for requests that are made in one go, too short to be noticed. */
const WINDOW_MS = 15;
/** Fewer large files in one rsync call are not worth a call of their own. */
const MIN_LARGE_BATCH = 8;

/** Fetches the files of one host: few rsync calls, each file handed out as soon as it is complete and verified. */
export class FetchQueue {
  readonly staging: Staging;
  readonly #batcher: Batcher<Waiter>;
  readonly #arriving = new Map<string, Arrival>();

  constructor(host: string, slots: number, deps: FetchDeps) {
    this.staging = new Staging(deps.cache.root, host);
    this.#batcher = new Batcher<Waiter>({
      slots,
      windowMs: WINDOW_MS,
      take: (waiting) => takeBatch(waiting, slots),
      work: async (waiters) => {
        const late = await new FetchBatch(host, this.staging, this.#arriving, deps).run(waiters);
        for (const waiter of late) this.#batcher.add(waiter);
      },
    });
  }

  /** The verified file. Errors: see Transfer.fetch. */
  fetch(wanted: Wanted, signal: AbortSignal): Promise<FetchedFile> {
    const waiter = new Waiter(wanted, signal);
    const arrival = this.#arriving.get(wanted.path);
    if (arrival) arrival.join(waiter);
    else if (!waiter.settled) this.#batcher.add(waiter);
    return waiter.promise;
  }

  /** True while files are arriving in the staging folder. */
  get busy(): boolean {
    return this.#arriving.size > 0;
  }

  /** Waits for the end of all work and removes empty folders. */
  async close(): Promise<void> {
    await this.#batcher.idle();
    await this.staging.tidy();
  }
}

/**
 * All small files, since the work on a job begins with them; else large ones of the highest priority: a share that
 * keeps all slots at work to the end. Requests for one file go together; those that were given up go with the next batch.
 */
function takeBatch(waiting: readonly Waiter[], slots: number): Waiter[] {
  const live = waiting.filter((waiter) => !waiter.settled);
  const small = live.filter((waiter) => waiter.wanted.size === 'small');
  const chosen = small.length > 0 ? small : live;
  const share =
    small.length > 0 ? small.length : Math.max(MIN_LARGE_BATCH, Math.ceil(live.length / (2 * slots)));
  const first = chosen.toSorted((a, b) => b.wanted.priority - a.wanted.priority).slice(0, share);
  const paths = new Set(first.map((waiter) => waiter.wanted.path));
  return waiting.filter((waiter) => waiter.settled || paths.has(waiter.wanted.path));
}
