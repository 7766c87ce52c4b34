import { toAgentError, type AgentError } from '../lib/errors.js';
import { cancelled } from './arrival.js';
import { Batcher } from './batcher.js';
import type { SshConnections } from './connection.js';
import { missing } from './errors.js';
import type { LocalFiles } from './local-files.js';
import { rsync, type RsyncOutcome } from './rsync.js';
import type { Location } from './source.js';

/** Files sent within this time go together. */
const WINDOW_MS = 500;
/** Where more are known to come: previews come one by one as layers get ready, and nobody waits for them. */
const LONG_WINDOW_MS = 5_000;

const OPTIONS = [
  // Also an image of the same size that was drawn within the same second.
  '--ignore-times',
  '--copy-links',
  '--no-implied-dirs',
  // A web server on the other side reads them.
  '--chmod=D755,F644',
  // The name of the remote folder does not pass through a shell there either.
  '--protect-args',
];

export interface Sending {
  readonly localRoot: string;
  readonly relative: string;
  readonly to: Location;
}

interface Item extends Sending {
  readonly signal: AbortSignal;
  readonly settle: (error?: AgentError) => void;
}

export interface SendDeps {
  readonly connections: SshConnections;
  readonly local: LocalFiles;
  readonly idleSeconds: number;
}

/** Sends files, many of one folder to one place in one rsync call. */
export class SendQueue {
  readonly #deps: SendDeps;
  readonly #batcher: Batcher<Item>;
  #expected: number | undefined;

  constructor(deps: SendDeps) {
    this.#deps = deps;
    this.#batcher = new Batcher<Item>({
      slots: 1,
      windowMs: () => (this.#expected === undefined ? WINDOW_MS : LONG_WINDOW_MS),
      take: (waiting) => waiting.filter((item) => placeOf(item) === waiting.map(placeOf)[0]),
      work: (batch) => this.#sendBatch(batch),
    });
  }

  async send(sending: Sending, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(cancelled());
      signal.addEventListener('abort', onAbort, { once: true });
      const settle = (error?: AgentError): void => {
        signal.removeEventListener('abort', onAbort);
        if (error) reject(error);
        else resolve();
      };
      this.#batcher.add({ ...sending, signal, settle });
      this.#startWhenAllAreHere();
    });
  }

  /** How many files there may be that are not sent yet: once all of them wait here, nothing more is waited for. */
  expect(count: number): void {
    this.#expected = count;
    this.#startWhenAllAreHere();
  }

  async close(): Promise<void> {
    await this.#batcher.idle();
  }

  #startWhenAllAreHere(): void {
    if (this.#expected !== undefined && this.#batcher.size >= this.#expected) this.#batcher.start();
  }

  async #sendBatch(batch: readonly Item[]): Promise<void> {
    const items = batch.filter((item) => !item.signal.aborted);
    const [first] = items;
    if (!first) return;
    const sent = new Set<string>();
    try {
      const outcome = await this.#rsync(first, items, sent);
      for (const item of items) item.settle(sendError(item, sent, outcome));
    } catch (error) {
      for (const item of items) item.settle(toAgentError(error));
    }
  }

  async #rsync(first: Item, items: readonly Item[], sent: Set<string>): Promise<RsyncOutcome> {
    const { host, path } = first.to;
    const ssh = host === undefined ? undefined : await this.#deps.connections.command(host);
    const to = host === undefined ? await this.#deps.local.folder(path) : `${host}:${path}`;
    const outcome = await rsync({
      host: host ?? 'this machine',
      ssh,
      from: `${first.localRoot}/`,
      to: `${to}/`,
      // A name that starts with `#` would be a comment in the list.
      paths: [...new Set(items.map((item) => `./${item.relative}`))],
      options: OPTIONS,
      idleSeconds: this.#deps.idleSeconds,
      signal: whenAllAbort(items.map((item) => item.signal)),
      onFile: (relative) => sent.add(relative),
    });
    if (outcome.failure?.reason === 'connection' && host !== undefined)
      await this.#deps.connections.drop(host);
    return outcome;
  }
}

function placeOf(item: Item): string {
  return JSON.stringify([item.localRoot, item.to]);
}

/** What rsync says about a file names it by its path, or by a temporary name made from its own. */
function sendError(item: Item, sent: ReadonlySet<string>, outcome: RsyncOutcome): AgentError | undefined {
  if (outcome.failure) return outcome.failure;
  const name = item.relative.split('/').at(-1) ?? item.relative;
  const said = outcome.partial ? outcome.stderr.split('\n').find((line) => line.includes(name)) : undefined;
  if (said === undefined && sent.has(item.relative)) return undefined;
  return missing(
    item.to.host ?? 'this machine',
    item.to.path,
    `did not take ${item.relative}: ${said ?? 'not sent'}`,
  );
}

function whenAllAbort(signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  const check = (): void => {
    if (signals.every((signal) => signal.aborted)) controller.abort();
  };
  for (const signal of signals) signal.addEventListener('abort', check, { once: true });
  check();
  return controller.signal;
}
