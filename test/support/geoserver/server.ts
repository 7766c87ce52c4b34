import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Catalog } from './catalog.js';
import { dataStores } from './data-stores.js';
import { featureTypes } from './feature-types.js';
import { layerGroups } from './layer-groups.js';
import { layers } from './layers.js';
import { ReadWriteLock } from './lock.js';
import { maps } from './maps.js';
import { BareStatus, json, ok, page, plain, RestException, SendError, type Reply } from './replies.js';
import { Router } from './router.js';
import { security } from './security.js';
import { styles } from './styles.js';
import { NoTables, PostgresTables } from './tables.js';
import { tiles } from './tiles.js';
import { wms } from './wms.js';
import { workspaces } from './workspaces.js';

export interface GeoServerOptions {
  /** Read the tables behind PostGIS stores; true by default. Without, every table is there and has no columns. */
  readonly tables?: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Another server whose data directory this one shares: a reload takes over what that one has. */
  readonly sharesDataOf?: GeoServerStandIn;
}

export interface Recorded {
  readonly method: string;
  /** With the query, without `/geoserver`. */
  readonly path: string;
  readonly body: string;
  status: number | undefined;
}

/**
 * What goes wrong with a request that `applies`: an answer with this status, or this answer, no answer at all, a connection reset
 * before or after the work is done, or an answer that comes late.
 */
export type Fault = {
  readonly applies?: (request: Recorded) => boolean;
  /** How often; for ever when left out. */
  times?: number;
} & (
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'hang' | 'reset' | 'reset-after' }
  | { readonly kind: 'slow'; readonly ms: number }
);

export interface GeoServerStandIn {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly catalog: Catalog;
  /** Every request, in the order of arrival; may be emptied. */
  readonly requests: Recorded[];
  /** Faults in force; push to add one, empty to end them. */
  readonly faults: Fault[];
  /** Nothing listens any more, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

const BASE = '/geoserver';
const VERSION = { '@name': 'GeoServer', Version: '2.26.2' };

/**
 * A stand-in for GeoServer 2.26.2 that behaves as that was measured to, as far as slave-sync can tell: global lock,
 * merge rules, silent acceptance, and the several ways to say no.
 */
export async function startGeoServer(options: GeoServerOptions = {}): Promise<GeoServerStandIn> {
  const { username = 'admin', password = 'geoserver' } = options;
  const tables = options.tables === false ? new NoTables() : new PostgresTables();
  const catalog = new Catalog();
  const router = new Router();
  router.on('GET', '/rest/about/version', () => json({ about: { resource: [VERSION] } }));
  router.on('POST', '/rest/reload', () => {
    if (options.sharesDataOf !== undefined) catalog.copyFrom(options.sharesDataOf.catalog);
    return ok();
  });
  for (const resource of [workspaces, styles, layers, wms, layerGroups, tiles, security, maps])
    resource(router, catalog);
  for (const resource of [dataStores, featureTypes]) resource(router, catalog, tables);

  const requests: Recorded[] = [];
  const faults: Fault[] = [];
  const lock = new ReadWriteLock();
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const method = request.method ?? '';
    const path = (request.url ?? '').replace(BASE, '');
    const recorded: Recorded = { method, path, body: body.toString('utf8'), status: undefined };
    requests.push(recorded);
    const fault = takeFault(faults, recorded);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'reset') return void request.socket.resetAndDestroy();
    if (fault?.kind === 'slow') await delay(fault.ms);
    const reply =
      fault?.kind === 'status'
        ? plain(fault.status, 'injected')
        : fault?.kind === 'reply'
          ? fault.reply
          : await answer(router, lock, request, path, body, authorization);
    if (fault?.kind === 'reset-after') return void request.socket.resetAndDestroy();
    recorded.status = reply.status;
    send(response, reply);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  };

  let server = await listen(listener, 0);
  const { port } = server.address() as AddressInfo;
  const down = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    ...{ url: `http://127.0.0.1:${port}${BASE}`, username, password, catalog, requests, faults, down },
    up: async () => void (server = await listen(listener, port)),
    close: async () => {
      await down();
      await tables.close();
    },
  };
}

function listen(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  port: number,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ keepAliveTimeout: 29_500 }, listener);
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function takeFault(faults: Fault[], request: Recorded): Fault | undefined {
  const fault = faults.find((one) => one.applies?.(request) ?? true);
  if (fault?.times === undefined) return fault;
  fault.times -= 1;
  if (fault.times === 0) faults.splice(faults.indexOf(fault), 1);
  return fault;
}

async function answer(
  router: Router,
  lock: ReadWriteLock,
  request: IncomingMessage,
  path: string,
  body: Buffer,
  authorization: string,
): Promise<Reply> {
  const { method = '', headers } = request;
  const url = new URL(path, 'http://stand-in');
  const accept = headers.accept ?? '';
  try {
    refuseHostile(url.pathname);
    if (headers.authorization !== authorization)
      throw new SendError(401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="GeoServer Realm"' });
    if (method === 'HEAD' || method === 'OPTIONS') throw new BareStatus(403);
    const found = router.find(method, url.pathname);
    if (found === undefined) throw new SendError(404, 'Not Found');
    const { handler, names, extension } = found;
    const call = { method, names, extension, query: url.searchParams, body };
    const plainHeaders = { accept, 'content-type': headers['content-type'] };
    const work = async (): Promise<Reply> => handler({ ...call, headers: plainHeaders });
    // Versions, tiles and maps wait for nobody.
    const locked = url.pathname.startsWith('/rest/') && !url.pathname.startsWith('/rest/about/');
    return await (locked ? lock.run(method !== 'GET', work) : work());
  } catch (error) {
    if (error instanceof SendError) return page(error, method, `${BASE}${url.pathname}`, accept);
    if (error instanceof BareStatus) return { status: error.status };
    if (!(error instanceof RestException))
      return plain(500, error instanceof Error ? error.message : String(error));
    const quiet = error.status === 404 && url.searchParams.get('quietOnNotFound') === 'true';
    // Missing objects are told to PUT and DELETE in the first family too, but without text.
    return plain(error.status, quiet ? '' : error.message);
  }
}

/** What the firewall in front of GeoServer takes for an attack. */
function refuseHostile(path: string): void {
  const bad = /%25|%2f|%5c|%3b|%00|\/\//i.exec(path)?.[0] ?? /%E2%80%A[89]/.exec(path)?.[0];
  if (bad === undefined) return;
  const exception = 'org.springframework.security.web.firewall.RequestRejectedException';
  throw new SendError(
    500,
    `${exception}: The request was rejected because the URL contained a potentially malicious String "${bad}"`,
  );
}

function send(response: ServerResponse, reply: Reply): void {
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body, 'latin1') : reply.body;
  const type = reply.type === undefined ? {} : { 'Content-Type': reply.type };
  response.writeHead(reply.status, { ...type, ...reply.headers, 'Content-Length': body?.length ?? 0 });
  response.end(body);
}
