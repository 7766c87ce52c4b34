import { toAgentError, type AgentError } from '../lib/errors.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import type { Semaphore } from '../lib/semaphore.js';
import { Arrival, type Waiter } from './arrival.js';
import type { Cache } from './cache.js';
import type { SshConnections } from './connection.js';
import { checksumMismatch, fileError, missing } from './errors.js';
import { md5File } from './md5.js';
import { ProgressMeter } from './progress.js';
import { rsync, type RsyncOutcome } from './rsync.js';
import type { Staging } from './staging.js';
import type { TransferProgress } from './types.js';

/** rsync announces a file just before it puts it in its place. */
const IN_PLACE = { tries: 100, everyMs: 10 };

const OPTIONS = [
  // The MD5 is what counts: never skip a file because size and time are the same.
  '--ignore-times',
  // Links are sent as the files they point to; none is ever made here.
  '--copy-links',
  '--no-implied-dirs',
  // An interrupted file goes on where it stopped.
  '--partial',
  '--chmod=D700,F600',
];

export interface FetchDeps {
  readonly idleSeconds: number;
  readonly cache: Cache;
  readonly connections: SshConnections;
  readonly hashing: Semaphore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onProgress: ((progress: TransferProgress) => void) | undefined;
  /** Called after each batch; `diskFull` when it failed for want of space. */
  readonly makeRoom: (diskFull: boolean) => Promise<void>;
}

/** One rsync call for some files of one host. */
export class FetchBatch {
  readonly #host: string;
  readonly #staging: Staging;
  /** The files on their way from this host, of all its batches: later requests for one of them join it. */
  readonly #arriving: Map<string, Arrival>;
  readonly #deps: FetchDeps;
  readonly #arrivals = new Map<string, Arrival>();
  readonly #stop = new AbortController();

  constructor(host: string, staging: Staging, arriving: Map<string, Arrival>, deps: FetchDeps) {
    this.#host = host;
    this.#staging = staging;
    this.#arriving = arriving;
    this.#deps = deps;
  }

  /** Settles every waiter; returns those that came too late for this batch. Never rejects. */
  async run(waiters: readonly Waiter[]): Promise<readonly Waiter[]> {
    for (const waiter of waiters) if (!waiter.settled) this.#arrivalOf(waiter.wanted.path).join(waiter);
    if (this.#arrivals.size === 0) return [];
    const meter = new ProgressMeter(this.#host, this.#arrivals.size, this.#deps);
    const failure = await this.#transfer(meter).catch(toAgentError);
    meter.end();
    // Before anyone hears of a failure, so that trying again finds things in order.
    await this.#cleanUp(failure).catch((error: unknown) =>
      this.#deps.log.warn('the cache could not be tidied', { cause: String(error) }),
    );
    for (const arrival of this.#arrivals.values()) {
      if (failure) arrival.reject(failure);
      if (this.#arriving.get(arrival.path) === arrival) this.#arriving.delete(arrival.path);
    }
    return this.#waitedFor().flatMap((arrival) => arrival.waiting());
  }

  /** A file that another batch is fetching already is left to that one. */
  #arrivalOf(path: string): Arrival {
    const known = this.#arriving.get(path);
    if (known) return known;
    const arrival = new Arrival(path, () => this.#stopWhenNobodyWaits());
    this.#arrivals.set(path, arrival);
    this.#arriving.set(path, arrival);
    return arrival;
  }

  #stopWhenNobodyWaits(): void {
    if (this.#waitedFor().length === 0) this.#stop.abort();
  }

  #waitedFor(): Arrival[] {
    return [...this.#arrivals.values()].filter((arrival) => arrival.waiting().length > 0);
  }

  /** Settles all but the victims of a failure of the call as a whole, and returns that failure. */
  async #transfer(meter: ProgressMeter): Promise<AgentError | undefined> {
    const ssh = await this.#deps.connections.command(this.#host);
    await this.#staging.open();
    await Promise.all([...this.#arrivals.values()].map((arrival) => this.#prepare(arrival)));
    const paths = this.#waitedFor().map((arrival) => arrival.path);
    if (paths.length === 0) return undefined;
    const deliveries: Promise<void>[] = [];
    const outcome = await rsync({
      host: this.#host,
      ssh,
      from: `${this.#host}:/`,
      to: `${this.#staging.root}/`,
      paths,
      options: OPTIONS,
      idleSeconds: this.#deps.idleSeconds,
      signal: this.#stop.signal,
      onFile: (path) => {
        const arrival = this.#arrivals.get(`/${path}`);
        if (!arrival) return;
        arrival.announced = true;
        meter.file();
        deliveries.push(
          this.#deliverSoon(arrival).catch((error: unknown) => arrival.reject(toAgentError(error))),
        );
      },
      onBytes: (bytes, percent) => meter.bytes(bytes, percent),
    });
    await Promise.all(deliveries);
    for (const arrival of this.#waitedFor()) await this.#conclude(arrival, outcome);
    return outcome.failure;
  }

  /** After rsync's end. A file that broke off because of the failure of the call is announced, and put in its place, too. */
  async #conclude(arrival: Arrival, outcome: RsyncOutcome): Promise<void> {
    // Read once more: rsync sends a file again that was damaged on its way.
    if (arrival.announced && !arrival.delivered && !outcome.failure) await this.#deliver(arrival);
    const { md5 } = arrival;
    if (md5 !== undefined && (arrival.delivered || !outcome.failure)) {
      for (const waiter of arrival.waiting())
        // Who came while the file was moved into the cache is too late, not wrong.
        if (waiter.wanted.md5 !== undefined && waiter.wanted.md5 !== md5)
          waiter.reject(checksumMismatch(this.#host, arrival.path, waiter.wanted.md5, md5));
    } else {
      const error = fileError(this.#host, arrival.path, outcome);
      if (error) arrival.reject(error);
    }
  }

  async #prepare(arrival: Arrival): Promise<void> {
    const waiter = arrival.waiting()[0];
    if (!waiter) return;
    if (this.#leadsThroughFile(arrival.path)) {
      arrival.reject(missing(this.#host, arrival.path, 'is missing: its folder is a file'));
      return;
    }
    try {
      arrival.inodeBefore = await this.#staging.prepare(
        arrival.path,
        this.#deps.cache.basis(waiter.wanted.cacheName),
      );
    } catch (error) {
      arrival.reject(toAgentError(error));
    }
  }

  /** A hostile path, below another file on its way, would put a folder in that one's place. */
  #leadsThroughFile(path: string): boolean {
    const names = path.split('/');
    return names.some((_name, i) => this.#arrivals.has(names.slice(0, i).join('/')));
  }

  async #deliverSoon(arrival: Arrival): Promise<void> {
    for (let i = 0; i < IN_PLACE.tries && !(await this.#isThere(arrival)); i++)
      await this.#deps.clock.sleep(IN_PLACE.everyMs);
    await this.#deliver(arrival);
  }

  /** Hands the file to all who want its MD5: copies of it, and itself to the last. */
  async #deliver(arrival: Arrival): Promise<void> {
    if (!(await this.#isThere(arrival))) return;
    const path = this.#staging.path(arrival.path);
    const file = await this.#deps.hashing.run(() => md5File(path));
    arrival.md5 = file.md5;
    while (!arrival.delivered) {
      const takers = arrival
        .waiting()
        .filter(({ wanted }) => wanted.md5 === undefined || wanted.md5 === file.md5);
      const [waiter] = takers;
      if (!waiter) return;
      arrival.delivered = takers.length === 1;
      const stored = await this.#deps.cache.store(path, waiter.wanted.cacheName, file, !arrival.delivered);
      if (waiter.settled) this.#deps.cache.release(stored.path);
      else waiter.resolve({ ...stored, transferred: true });
    }
    // Who asks from now on asks anew.
    this.#arriving.delete(arrival.path);
  }

  async #isThere(arrival: Arrival): Promise<boolean> {
    const inode = await this.#staging.inode(arrival.path);
    return inode !== undefined && inode !== arrival.inodeBefore;
  }

  async #cleanUp(failure: AgentError | undefined): Promise<void> {
    const diskFull = failure?.reason === 'disk-full';
    const interrupted = failure !== undefined && !diskFull;
    for (const arrival of this.#arrivals.values()) {
      // Another batch may fetch it again already.
      if ((this.#arriving.get(arrival.path) ?? arrival) !== arrival) continue;
      if (arrival.delivered) continue;
      if (!interrupted) await this.#staging.remove(arrival.path);
      else await this.#staging.removeBasis(arrival.path);
    }
    if (failure?.reason === 'connection' || failure?.reason === 'timed-out')
      await this.#deps.connections.drop(this.#host);
    await this.#deps.makeRoom(diskFull);
  }
}
