import type { StateStore } from '../state/store.js';

const KEY = 'stale-replicas';

/**
 * The GeoServers that may not have read again what was written to the catalog they share. What a run has changed is known to
 * its tasks' outputs alone, which a kill between GeoServer's answer and the record takes away: the next run finds everything as
 * wanted. So each is noted before the first write.
 */
export class StaleReplicas {
  readonly #store: StateStore;
  readonly #ids: readonly string[];
  readonly #before: ReadonlySet<string>;
  #isNoted = false;

  /** `ids`: all replicas of this slave, as targets. */
  constructor(store: StateStore, ids: readonly string[]) {
    this.#store = store;
    this.#ids = ids;
    this.#before = new Set(this.#read());
  }

  /** Whether an earlier run has left it unread. */
  isStale(id: string): boolean {
    return this.#before.has(id);
  }

  /** The catalog is about to be written. Resolves when that is known after the death of this process. */
  async note(): Promise<void> {
    if (this.#isNoted || this.#ids.length === 0) return;
    this.#isNoted = true;
    this.#write([...new Set([...this.#before, ...this.#ids])]);
    await this.#store.database.written();
  }

  /** It has read the catalog, or need not. */
  refreshed(id: string): void {
    this.#write(this.#read().filter((stale) => stale !== id));
  }

  #read(): string[] {
    return JSON.parse(this.#store.setting(KEY) ?? '[]') as string[];
  }

  #write(ids: readonly string[]): void {
    this.#store.setSetting(KEY, JSON.stringify(ids));
  }
}
