import { Semaphore } from '../lib/semaphore.js';

/** One caller at a time for each key, in the order of arrival: writes to one layer never overtake each other. */
export class KeyedMutex {
  readonly #keys = new Map<string, { readonly semaphore: Semaphore; users: number }>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const entry = this.#keys.get(key) ?? { semaphore: new Semaphore(1), users: 0 };
    this.#keys.set(key, entry);
    entry.users += 1;
    try {
      return await entry.semaphore.run(task);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#keys.delete(key);
    }
  }
}
