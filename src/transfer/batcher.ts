/**
 * Gathers what is asked for in the same moment into one piece of work, and what is asked for while all slots are taken
 * into the next ones.
 */
export class Batcher<Item> {
  readonly #slots: number;
  readonly #windowMs: number;
  readonly #take: (waiting: readonly Item[]) => Item[];
  readonly #work: (batch: readonly Item[]) => Promise<void>;
  readonly #running = new Set<Promise<void>>();
  #waiting: Item[] = [];
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param options.windowMs how long to wait for more after the first item
   * @param options.take picks the next batch, at least one item, out of those that wait
   * @param options.work does it; must not reject
   */
  constructor(options: {
    readonly slots: number;
    readonly windowMs: number;
    readonly take: (waiting: readonly Item[]) => Item[];
    readonly work: (batch: readonly Item[]) => Promise<void>;
  }) {
    this.#slots = options.slots;
    this.#windowMs = options.windowMs;
    this.#take = options.take;
    this.#work = options.work;
  }

  add(item: Item): void {
    this.#waiting.push(item);
    this.#timer ??= setTimeout(() => this.#start(), this.#windowMs);
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#waiting.length > 0 || this.#running.size > 0) {
      this.#start();
      await Promise.race(this.#running);
    }
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0 && this.#running.size < this.#slots) {
      const batch = this.#take(this.#waiting);
      const taken = new Set(batch);
      this.#waiting = this.#waiting.filter((item) => !taken.has(item));
      const work = this.#work(batch).finally(() => {
        this.#running.delete(work);
        this.#start();
      });
      this.#running.add(work);
    }
  }
}
