import { AgentError, toAgentError } from '../lib/errors.js';
import { Semaphore } from '../lib/semaphore.js';
import { cancelled } from './arrival.js';
import { Cache, type CachedFile } from './cache.js';
import { SshConnections } from './connection.js';
import type { FetchDeps } from './fetch-batch.js';
import { FetchQueue } from './fetch-queue.js';
import { LocalFiles } from './local-files.js';
import { SendQueue } from './send-queue.js';
import { checkCacheName, checkRelativePath, parseLocation, type Location } from './source.js';
import { splitCommand } from './ssh-command.js';
import type { FetchRequest, FetchedFile, TransferDeps, TransferSettings } from './types.js';

/** Files whose MD5 is computed at the same time. */
const HASHES_AT_ONCE = 8;
const MD5 = /^[0-9a-f]{32}$/;

/**
 * Fetches files from the master (or a peer) into the cache, verified, and sends previews. Made for one run: files that it
 * handed out stay as they are until `release` or `close`.
 */
export class Transfer {
  readonly #settings: TransferSettings;
  readonly #cache: Cache;
  readonly #connections: SshConnections;
  readonly #local: LocalFiles;
  readonly #sends: SendQueue;
  readonly #hashing = new Semaphore(HASHES_AT_ONCE);
  readonly #queues = new Map<string, FetchQueue>();
  readonly #fetchDeps: FetchDeps;
  readonly #closed = new AbortController();

  constructor(settings: TransferSettings, deps: TransferDeps) {
    this.#settings = settings;
    this.#cache = new Cache(settings.cachePath, settings.cacheMaxBytes);
    this.#connections = new SshConnections(splitCommand(settings.ssh), {
      connectSeconds: settings.timeouts.connectSeconds,
      log: deps.log,
      signal: this.#closed.signal,
    });
    this.#local = new LocalFiles(settings, this.#hashing);
    this.#sends = new SendQueue({
      connections: this.#connections,
      local: this.#local,
      idleSeconds: settings.timeouts.idleSeconds,
    });
    this.#fetchDeps = {
      idleSeconds: settings.timeouts.idleSeconds,
      cache: this.#cache,
      connections: this.#connections,
      hashing: this.#hashing,
      clock: deps.clock,
      log: deps.log,
      onProgress: deps.onProgress,
      makeRoom: (diskFull) => this.#evict(diskFull ? 0 : undefined),
    };
  }

  /**
   * The file, verified, in the cache (or in place, when it is a local one). Requests made in the same moment for one host go
   * into one rsync call, and each is settled as soon as its own file is complete. A file that is in the cache with the
   * right MD5 is not fetched.
   *
   * Throws AgentError: 'invalid-task-file' (final: a path that is refused), 'missing-at-source' and 'checksum-mismatch'
   * (remote), 'connection', 'timed-out', 'disk-full', 'cancelled' (transient).
   */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchedFile> {
    const stop = this.#until(signal);
    const cacheName = checkCacheName(request.cacheName);
    const md5 = checkMd5(request.md5);
    const sources = this.#sources(request);
    try {
      const cached = await this.#findCached(sources, { ...request, cacheName, md5 }, stop);
      if (cached) return { ...cached, transferred: false };
      return await this.#fetchFromFirst(sources, { ...request, cacheName, md5 }, stop);
    } catch (error) {
      throw isAborted(stop) ? cancelled() : toAgentError(error);
    }
  }

  /**
   * Sends `localRoot`/`relative` to `remote` (`user@host:/folder`, from a task file: not trusted), where it gets the same
   * relative path; folders are made. Files sent within half a second to the same place go in one rsync call; see `expectSends`.
   */
  async send(localRoot: string, relative: string, remote: string, signal: AbortSignal): Promise<void> {
    const stop = this.#until(signal);
    await this.#sends.send(
      { localRoot, relative: checkRelativePath(relative), to: parseLocation(remote) },
      stop,
    );
  }

  /**
   * How many calls of `send` are yet to be settled, made or not. Once this is known, files wait some seconds for each other,
   * and not at all when all of them are there.
   */
  expectSends(count: number): void {
    this.#sends.expect(count);
  }

  /** Says that one user of a fetched file is done with it; without any it may be deleted to make room. */
  release(file: Pick<FetchedFile, 'path'>): void {
    this.#cache.release(file.path);
  }

  /** Stops what is under way, brings the cache within its limit, ends the ssh connections. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...[...this.#queues.values()].map((queue) => queue.close()), this.#sends.close()]);
    await this.#connections.close();
    this.#cache.releaseAll();
    // Without a transfer there is nothing new to make room for.
    if (this.#queues.size > 0) await this.#evict();
  }

  #until(signal: AbortSignal): AbortSignal {
    const stop = AbortSignal.any([signal, this.#closed.signal]);
    if (stop.aborted) throw cancelled();
    return stop;
  }

  /** Where to look, in this order. */
  #sources(request: FetchRequest): Location[] {
    const { peer, shareLayerData } = this.#settings;
    const named = parseLocation(request.source);
    const source = shareLayerData ? { host: undefined, path: named.path } : named;
    if (!peer) return [source];
    const names = request.peerNames ?? [request.cacheName];
    return [
      ...names.map((name) => parseLocation(`${peer.host}:${peer.path}/${checkCacheName(name)}`)),
      ...(request.fallbackToSource ? [source] : []),
    ];
  }

  async #findCached(
    [source]: readonly Location[],
    { cacheName, md5, size = 'small' }: FetchRequest,
    stop: AbortSignal,
  ): Promise<CachedFile | undefined> {
    const host = source?.host;
    if (md5 === undefined || host === undefined) return undefined;
    return this.#queue(host).expecting(size, () =>
      this.#hashing.run(() => this.#cache.find(cacheName, md5, stop)),
    );
  }

  async #fetchFromFirst(
    sources: readonly Location[],
    request: FetchRequest,
    stop: AbortSignal,
  ): Promise<FetchedFile> {
    const failures: AgentError[] = [];
    for (const source of sources) {
      try {
        return await this.#fetchFrom(source, request, stop);
      } catch (error) {
        if (!(error instanceof AgentError) || stop.aborted) throw error;
        // A portal slave need not reach the master: that the peer lacks the file is what counts then.
        const isSpare = failures.length > 0 && source.host !== this.#settings.peer?.host;
        if (error.retry !== 'remote' && !isSpare) throw error;
        failures.push(error);
      }
    }
    // A file that differs says more than names that are not there.
    const worst = failures.find((error) => error.reason === 'checksum-mismatch') ?? failures[0];
    if (!worst) throw new Error(`no source for ${request.cacheName}`);
    throw this.#settings.peer ? fromPeer(worst, failures, this.#settings.peer.host) : worst;
  }

  #fetchFrom(source: Location, request: FetchRequest, stop: AbortSignal): Promise<FetchedFile> {
    if (source.host === undefined) return this.#local.read(source.path, request.md5, stop);
    const { cacheName, md5, size = 'small', priority = 0 } = request;
    return this.#queue(source.host).fetch({ path: source.path, cacheName, md5, size, priority }, stop);
  }

  #queue(host: string): FetchQueue {
    let queue = this.#queues.get(host);
    if (!queue) {
      queue = new FetchQueue(host, this.#settings.transfersPerHost, this.#fetchDeps);
      this.#queues.set(host, queue);
    }
    return queue;
  }

  #evict(limit?: number): Promise<void> {
    const busy = [...this.#queues.values()].filter((queue) => queue.busy).map((queue) => queue.staging.root);
    return this.#cache.evict(busy, limit);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function checkMd5(md5: string | undefined): string | undefined {
  const lower = md5?.trim().toLowerCase();
  if (lower !== undefined && !MD5.test(lower))
    throw new AgentError('invalid-task-file', `${JSON.stringify(md5?.slice(0, 100))} is no MD5`, {
      retry: 'final',
    });
  return lower;
}

/** The peer is a slave itself: what it lacks it will have after its own next run. */
function fromPeer(worst: AgentError, failures: readonly AgentError[], host: string): AgentError {
  const why = [worst, ...failures.filter((failure) => failure !== worst)].map(({ message }) => message);
  return new AgentError(worst.reason, `the peer ${host} does not have it yet: ${why.join('; ')}`, {
    retry: 'remote',
    cause: worst,
    hint: 'It is tried again: the peer has to sync first.',
  });
}
