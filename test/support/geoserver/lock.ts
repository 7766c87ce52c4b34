/** The one lock of GeoServer's configuration: many readers or one writer, in the order they come. */
export class ReadWriteLock {
  #readers = 0;
  #writing = false;
  readonly #waiting: { readonly write: boolean; readonly start: () => void }[] = [];

  async run<T>(write: boolean, task: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ write, start });
      this.#next();
    });
    try {
      return await task();
    } finally {
      if (write) this.#writing = false;
      else this.#readers -= 1;
      this.#next();
    }
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#writing || (first.write && this.#readers > 0)) return;
      this.#waiting.shift();
      if (first.write) this.#writing = true;
      else this.#readers += 1;
      first.start();
    }
  }
}
