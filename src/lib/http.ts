import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import fetch, { FetchError, type Response } from 'node-fetch';
import { AgentError, messageOf } from './errors.js';

/**
 * Idle connections are dropped before the server drops them: Jetty, below GeoServer, closes them after 30 s, and a
 * request that crosses that close on the wire fails with a reset.
 */
const IDLE_MS = 20_000;
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PURGE';
  /** Without user information: credentials belong into a header. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** From the start to the last byte of the answer, in milliseconds; 60 000 unless said otherwise. */
  readonly timeoutMs?: number;
  /** A longer answer is refused; 32 MiB unless said otherwise. */
  readonly maxBytes?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface HttpClientOptions {
  /** Connections to one server at the same time; further requests wait for one of them. */
  readonly maxConnections?: number;
}

/**
 * HTTP with connections that are kept open between requests, every request bounded in time and size. Any status is an
 * answer, redirects too; only a request without one throws: AgentError 'connection' (refused, reset, unknown host),
 * 'timed-out', 'cancelled' (all transient), 'invalid-data' (answer too long, or no proper HTTP).
 */
export class HttpClient {
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(options: HttpClientOptions = {}) {
    // The agent's timeout ends sockets that lie idle in its pool; a running request has its own.
    const pool = { keepAlive: true, timeout: IDLE_MS, maxSockets: options.maxConnections ?? 8 };
    this.#http = new HttpAgent(pool);
    this.#https = new HttpsAgent(pool);
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const deadline = withDeadline(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, request.signal);
    try {
      // node-fetch destroys the body of a request that is aborted already, and its error would be nobody's.
      deadline.signal.throwIfAborted();
      const response = await fetch(request.url, {
        method: request.method,
        headers: { ...request.headers },
        body: request.body === undefined ? null : Buffer.from(request.body),
        signal: deadline.signal,
        redirect: 'manual',
        size: request.maxBytes ?? DEFAULT_MAX_BYTES,
        agent: (url) => (url.protocol === 'https:' ? this.#https : this.#http),
      });
      const body = Buffer.from(await response.arrayBuffer());
      return { status: response.status, headers: headersOf(response), body };
    } catch (error) {
      throw understand(error, request, deadline.why());
    } finally {
      deadline.stop();
    }
  }

  /** Closes the idle connections; running requests end by their signal. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

type Ending = 'timeout' | 'cancelled' | undefined;

function withDeadline(timeoutMs: number, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  let why: Ending;
  const end = (reason: Ending): void => {
    why ??= reason;
    controller.abort();
  };
  const onAbort = (): void => end('cancelled');
  if (outer?.aborted === true) onAbort();
  outer?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  return {
    signal: controller.signal,
    why: () => why,
    stop: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}

function understand(error: unknown, request: HttpRequest, ending: Ending): AgentError {
  const { origin, pathname } = new URL(request.url);
  if (ending === 'cancelled')
    return new AgentError('cancelled', `${request.method} ${pathname} was stopped`, { retry: 'transient' });
  if (ending === 'timeout')
    return new AgentError(
      'timed-out',
      `${origin} did not answer ${request.method} ${pathname} within ${request.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`,
      { retry: 'transient', cause: error },
    );
  if (error instanceof FetchError && error.type === 'max-size')
    return new AgentError(
      'invalid-data',
      `${origin}: the answer to ${request.method} ${pathname} is too long`,
      {
        retry: 'transient',
        cause: error,
      },
    );
  return new AgentError('connection', `no answer from ${origin}: ${causeOf(error)}`, {
    retry: 'transient',
    cause: error,
  });
}

/** The system's code says more than node-fetch's sentence, which repeats the whole address. */
function causeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return messageOf(error);
}

function headersOf(response: Response): ReadonlyMap<string, string> {
  return new Map(response.headers.entries());
}
