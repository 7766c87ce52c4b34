import { AgentError } from '../lib/errors.js';
import type { FetchedFile } from './types.js';

export interface Wanted {
  /** Absolute path on the host. */
  readonly path: string;
  readonly cacheName: string;
  readonly md5: string | undefined;
  readonly size: 'small' | 'large';
  readonly priority: number;
}

/** Someone who waits for a file; settled once, by the file, an error, or the abort of its own signal. */
export class Waiter {
  readonly wanted: Wanted;
  readonly promise: Promise<FetchedFile>;
  settled = false;
  readonly #settle: { resolve: (file: FetchedFile) => void; reject: (error: unknown) => void };
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#cancel();
  /** Called when its signal is aborted before it is settled. */
  onCancel: () => void = () => undefined;

  constructor(wanted: Wanted, signal: AbortSignal) {
    this.wanted = wanted;
    const { promise, ...settle } = withResolvers<FetchedFile>();
    this.promise = promise;
    this.#settle = settle;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  resolve(file: FetchedFile): void {
    if (this.#settled()) this.#settle.resolve(file);
  }

  reject(error: unknown): void {
    if (this.#settled()) this.#settle.reject(error);
  }

  #settled(): boolean {
    if (this.settled) return false;
    this.settled = true;
    this.#signal.removeEventListener('abort', this.#onAbort);
    return true;
  }

  #cancel(): void {
    this.reject(cancelled());
    this.onCancel();
  }
}

/** One file of a batch on its way, with all who wait for it. */
export class Arrival {
  readonly path: string;
  /** rsync has said that it came over. */
  announced = false;
  /** Moved into the cache. */
  delivered = false;
  /** Of the file that came, once it has been read. */
  md5: string | undefined;
  /** The inode that stood in its place before; the file is there when it differs. */
  inodeBefore: number | undefined;
  readonly #waiters: Waiter[] = [];
  readonly #onCancel: () => void;

  /** @param onCancel called when one who waits gives up */
  constructor(path: string, onCancel: () => void) {
    this.path = path;
    this.#onCancel = onCancel;
  }

  join(waiter: Waiter): void {
    waiter.onCancel = this.#onCancel;
    this.#waiters.push(waiter);
  }

  waiting(): Waiter[] {
    return this.#waiters.filter((waiter) => !waiter.settled);
  }

  reject(error: unknown): void {
    for (const waiter of this.waiting()) waiter.reject(error);
  }
}

export function cancelled(): AgentError {
  return new AgentError('cancelled', 'the transfer was stopped', { retry: 'transient' });
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
