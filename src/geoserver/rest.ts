import type { Clock } from '../lib/clock.js';
import { AgentError, messageOf } from '../lib/errors.js';
import { HttpClient, type HttpRequest, type HttpResponse } from '../lib/http.js';
import type { Logger } from '../lib/log.js';
import type { Secret } from '../lib/secret.js';
import { Semaphore } from '../lib/semaphore.js';
import type { Box } from './boxes.js';
import { errorOf } from './errors.js';
import { KeyedMutex } from './keyed-mutex.js';
import { qualify, type Qualified } from './names.js';

export interface GeoServerSettings {
  /** For instance `http://localhost:8080/geoserver`, without user information. */
  readonly url: string;
  readonly username: string;
  readonly password: Secret;
  /** Writes at the same time; 2 by default. More gain nothing: GeoServer takes one lock for each write. */
  readonly writers?: number;
  /** Reads at the same time; 4 by default. */
  readonly readers?: number;
  /** Milliseconds; 60 000 and 120 000 by default: every request waits for the slowest one before it. */
  readonly readTimeoutMs?: number;
  readonly writeTimeoutMs?: number;
}

export interface GeoServerDeps {
  readonly log: Logger;
  readonly clock: Clock;
}

export interface Write {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** Below the server's URL, for instance `/rest/namespaces`, each name encoded (see `path`). */
  readonly path: string;
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
  readonly type?: string;
}

const DEFAULTS = { writers: 2, readers: 4, readTimeoutMs: 60_000, writeTimeoutMs: 120_000 };

/** The connection to one GeoServer: credentials, limits, timeouts, and errors in the program's terms. */
export class Rest {
  readonly url: string;
  readonly log: Logger;
  readonly clock: Clock;
  /**
   * The boxes in degrees of layers and groups (`workspace:name`) as they were last read or written: groups are made of those of
   * their members, which have most often just been looked at. One connection serves one run.
   */
  readonly boxes = new Map<string, Box | undefined>();
  readonly #http: HttpClient;
  readonly #settings: GeoServerSettings & typeof DEFAULTS;
  readonly #authorization: string;
  readonly #writes: Semaphore;
  readonly #reads: Semaphore;
  readonly #layers = new KeyedMutex();

  constructor(settings: GeoServerSettings, deps: GeoServerDeps) {
    this.url = settings.url.replace(/\/+$/, '');
    this.log = deps.log;
    this.clock = deps.clock;
    this.#settings = { ...DEFAULTS, ...settings };
    this.#http = new HttpClient({ maxConnections: this.#settings.writers + this.#settings.readers });
    this.#authorization = `Basic ${Buffer.from(`${settings.username}:${settings.password.reveal()}`).toString('base64')}`;
    this.#writes = new Semaphore(this.#settings.writers);
    this.#reads = new Semaphore(this.#settings.readers);
  }

  /** One caller at a time for each layer, group or store. */
  alone<T>(object: Qualified, task: () => Promise<T>): Promise<T> {
    return this.#layers.run(qualify(object), task);
  }

  /** The body of a GET, or undefined for 404. */
  async get(path: string, signal: AbortSignal, accept = 'application/json'): Promise<Buffer | undefined> {
    const response = await this.getAny(path, signal, accept);
    if (response.status === 200) return response.body;
    if (response.status === 404) return undefined;
    throw errorOf(response, `GET ${decode(path)}`);
  }

  /** The parsed JSON of a GET, or undefined for 404. */
  async getJson(path: string, signal: AbortSignal): Promise<unknown> {
    const body = await this.get(path, signal);
    return body === undefined ? undefined : parseJson(body, path);
  }

  /** A GET whose status the caller judges. A connection that breaks is tried once more: reading twice does no harm. */
  async getAny(path: string, signal: AbortSignal, accept: string): Promise<HttpResponse> {
    const request = {
      method: 'GET',
      path,
      headers: { Accept: accept },
      timeoutMs: this.#settings.readTimeoutMs,
    } as const;
    return this.#reads.run(async () => {
      try {
        return await this.#send(request, signal);
      } catch (error) {
        if (!isReset(error)) throw error;
        return this.#send(request, signal);
      }
    });
  }

  /** A write; returns for 200 and 201 and throws GeoServerError for everything else. */
  async write(write: Write, signal: AbortSignal): Promise<void> {
    const response = await this.writeAny(write, signal);
    if (response.status !== 200 && response.status !== 201)
      throw errorOf(response, `${write.method} ${decode(write.path)}`);
  }

  /** A DELETE; false when there was nothing to delete (404). */
  async delete(path: string, signal: AbortSignal): Promise<boolean> {
    const response = await this.writeAny({ method: 'DELETE', path }, signal);
    if (response.status === 404) return false;
    if (response.status !== 200) throw errorOf(response, `DELETE ${decode(path)}`);
    return true;
  }

  /** A write whose status the caller judges. Never sent twice. */
  async writeAny(write: Write, signal: AbortSignal): Promise<HttpResponse> {
    const body = write.json === undefined ? write.body : JSON.stringify(write.json);
    const type = write.json === undefined ? write.type : 'application/json';
    const headers = { Accept: 'application/json', ...(type === undefined ? {} : { 'Content-Type': type }) };
    const request = {
      ...{ method: write.method, path: write.path, headers },
      timeoutMs: this.#settings.writeTimeoutMs,
      ...(body === undefined ? {} : { body }),
    };
    return this.#writes.run(() => this.#send(request, signal));
  }

  close(): void {
    this.#http.close();
  }

  async #send(
    request: Omit<HttpRequest, 'url' | 'signal'> & { readonly path: string },
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { path, headers, ...rest } = request;
    const started = this.clock.now().getTime();
    const response = await this.#http.request({
      ...rest,
      url: `${this.url}${path}`,
      headers: { ...headers, Authorization: this.#authorization },
      signal,
    });
    this.log.debug('geoserver', {
      method: request.method,
      path,
      status: response.status,
      ms: this.clock.now().getTime() - started,
    });
    return response;
  }
}

export function parseJson(body: Buffer, path: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new AgentError('http-status', `GET ${decode(path)}: no JSON: ${messageOf(error)}`, {
      retry: 'transient',
      hint: 'Is the URL that of a GeoServer?',
    });
  }
}

function isReset(error: unknown): boolean {
  return (
    error instanceof AgentError &&
    error.reason === 'connection' &&
    /ECONNRESET|EPIPE|hang up/.test(error.message)
  );
}

/** A path as people read it, for messages. */
function decode(path: string): string {
  return decodeURIComponent(path.split('?')[0] ?? path);
}
