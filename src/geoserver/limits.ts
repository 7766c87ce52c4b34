import { AgentError } from '../lib/errors.js';

/** At most `width` callers inside at the same time; the others wait in the order they came. */
export class Limit {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw stopped();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', give);
        resolve();
      };
      const give = (): void => {
        const index = this.#waiting.indexOf(enter);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(stopped());
      };
      this.#waiting.push(enter);
      signal.addEventListener('abort', give, { once: true });
    });
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** One caller at a time for each key: writes to one layer never overtake each other. */
export class KeyedLimit {
  readonly #limits = new Map<string, { limit: Limit; users: number }>();

  async run<T>(key: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const entry = this.#limits.get(key) ?? { limit: new Limit(1), users: 0 };
    this.#limits.set(key, entry);
    entry.users += 1;
    try {
      return await entry.limit.run(signal, task);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#limits.delete(key);
    }
  }
}

function stopped(): AgentError {
  return new AgentError('cancelled', 'waiting for GeoServer was stopped', { retry: 'transient' });
}
