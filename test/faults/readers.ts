import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/lib/errors.js';
import type { Rig } from '../support/rig.js';

/** Reads what is published throughout, again and again: no read may fail. */
export class Readers {
  readonly errors: string[] = [];
  reads = 0;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  /** @param counts how many rows the view may have: the old ones or the new ones */
  constructor(rig: Rig, { view, layer, counts }: { view: string; layer: string; counts: readonly number[] }) {
    this.#done = this.#read(rig, view, layer, counts);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #read(rig: Rig, view: string, layer: string, counts: readonly number[]): Promise<void> {
    const client = await rig.slaveDatabase.client();
    try {
      while (!this.#stop.signal.aborted) {
        const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${view}`);
        this.reads += 1;
        const n = rows[0]?.n ?? -1;
        if (!counts.includes(n)) this.errors.push(`${view} has ${n} rows`);
        if (rig.geoserver.standIn?.catalog.layer(layer) === undefined)
          this.errors.push(`${layer} is not published`);
        await delay(20, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    } catch (error) {
      this.errors.push(`${view}: ${messageOf(error)}`);
    } finally {
      await client.end();
    }
  }
}
