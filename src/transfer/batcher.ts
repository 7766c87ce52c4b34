/** An item that is expected is waited for no longer than this many windows. */
const MAX_WINDOWS = 40;

/**
 * Gathers what is asked for in the same moment into one piece of work, and what is asked for while all slots are taken
 * into the next ones.
 */
export class Batcher<Item> {
  readonly #slots: number;
  readonly #windowMs: () => number;
  readonly #take: (waiting: readonly Item[]) => Item[];
  readonly #work: (batch: readonly Item[]) => Promise<void>;
  readonly #running = new Set<Promise<void>>();
  #waiting: Item[] = [];
  #expected = 0;
  #atWork = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param options.windowMs how long to wait for more after the first item
   * @param options.take picks the next batch, at least one item, out of those that wait
   * @param options.work does it; must not reject
   */
  constructor(options: {
    readonly slots: number;
    readonly windowMs: () => number;
    readonly take: (waiting: readonly Item[]) => Item[];
    readonly work: (batch: readonly Item[]) => Promise<void>;
  }) {
    this.#slots = options.slots;
    this.#windowMs = options.windowMs;
    this.#take = options.take;
    this.#work = options.work;
  }

  /** Items that wait or are being worked on. */
  get size(): number {
    return this.#waiting.length + this.#atWork;
  }

  add(item: Item): void {
    this.#waiting.push(item);
    this.#timer ??= this.#openWindow(MAX_WINDOWS);
  }

  /** Work after which an item may be added: the window stays open for it, though not for ever. */
  async expecting<T>(work: () => Promise<T>): Promise<T> {
    this.#expected++;
    try {
      return await work();
    } finally {
      this.#expected--;
    }
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#waiting.length > 0 || this.#running.size > 0) {
      this.start();
      await Promise.race(this.#running);
    }
  }

  /** Waits no longer for more. */
  start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0 && this.#running.size < this.#slots) {
      const batch = this.#take(this.#waiting);
      const taken = new Set(batch);
      this.#waiting = this.#waiting.filter((item) => !taken.has(item));
      this.#atWork += batch.length;
      const work = this.#work(batch).finally(() => {
        this.#running.delete(work);
        this.#atWork -= batch.length;
        this.start();
      });
      this.#running.add(work);
    }
  }

  #openWindow(windows: number): NodeJS.Timeout {
    return setTimeout(() => {
      if (this.#expected > 0 && windows > 1) this.#timer = this.#openWindow(windows - 1);
      else this.start();
    }, this.#windowMs());
  }
}
