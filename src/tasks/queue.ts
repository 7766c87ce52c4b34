import type { Step } from './plan.js';

/** How many tasks of each resource run at the same time; a GeoServer's limit counts for each server. */
export interface Limits {
  readonly transfer: number;
  readonly restore: number;
  readonly database: number;
  readonly geoserver: number;
  readonly cdn: number;
}

/** Steps that could start and wait for a place at their resource: the most urgent first, then as they came. */
export class StepQueue {
  readonly #size: number;
  readonly #urgency: ReadonlyMap<Step, number>;
  readonly #ready: Step[] = [];
  #used = 0;

  constructor(size: number, urgency: ReadonlyMap<Step, number>) {
    this.#size = size;
    this.#urgency = urgency;
  }

  add(step: Step): void {
    const urgency = this.#urgencyOf(step);
    let low = 0;
    let high = this.#ready.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#ready[middle];
      // The most urgent stand at the end, where they are taken from at no cost.
      if (other !== undefined && this.#urgencyOf(other) < urgency) low = middle + 1;
      else high = middle;
    }
    this.#ready.splice(low, 0, step);
  }

  /** The next step if there is a place for it. */
  take(): Step | undefined {
    if (this.#used >= this.#size) return undefined;
    const step = this.#ready.pop();
    if (step !== undefined) this.#used += 1;
    return step;
  }

  give(): void {
    this.#used -= 1;
  }

  #urgencyOf(step: Step): number {
    return this.#urgency.get(step) ?? 0;
  }
}
