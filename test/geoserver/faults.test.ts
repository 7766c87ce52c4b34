import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { GeoServer, GeoServerSettings } from '../../src/geoserver/client.js';
import { silentLogger } from '../../src/lib/log.js';
import { startGeoServer, type GeoServerStandIn, type Recorded } from '../support/geoserver/index.js';
import { clientOf, failure, sld } from './contract/rig.js';

const WORKSPACE = { name: 'ws', uri: 'http://ws.example.org' };
const isWrite = ({ method }: Recorded): boolean => method !== 'GET';

describe('a GeoServer that fails', () => {
  let server: GeoServerStandIn;
  let client: GeoServer;
  const { signal } = new AbortController();
  const connect = (settings: Partial<GeoServerSettings> = {}): void => {
    client = clientOf(server, silentLogger, { readTimeoutMs: 400, writeTimeoutMs: 400, ...settings });
  };
  beforeEach(async () => {
    server = await startGeoServer({ tables: false });
    connect();
  });
  afterEach(async () => {
    client.close();
    await server.close();
  });

  const methods = (): readonly string[] => server.requests.map(({ method }) => method);
  const style = (likelyNew = false) =>
    client.ensureStyle({ workspace: 'ws', name: 's', sld: sld('#ff0000'), likelyNew }, signal);

  it('looks, and does not write again, when a write was applied but its answer was lost', async () => {
    server.faults.push({ kind: 'reset-after', applies: isWrite, times: 1 });
    expect(await client.ensureWorkspace(WORKSPACE, signal)).to.equal('updated');
    expect(methods()).to.deep.equal(['GET', 'POST', 'GET']);
  });

  it('looks and then writes when the write was not applied', async () => {
    server.faults.push({ kind: 'reset', applies: isWrite, times: 1 });
    expect(await client.ensureWorkspace(WORKSPACE, signal)).to.equal('created');
    expect(methods()).to.deep.equal(['GET', 'POST', 'GET', 'POST']);
    server.requests.length = 0;
    server.faults.push({ kind: 'hang', applies: isWrite, times: 1 });
    expect(await style(true)).to.equal('created');
    expect(methods()).to.deep.equal(['POST', 'GET', 'POST']);
  });

  it('takes what another one made in the meantime for what it is', async () => {
    server.faults.push({ kind: 'slow', ms: 100, applies: isWrite, times: 1 });
    const second = clientOf(server);
    const both = await Promise.all([
      client.ensureWorkspace(WORKSPACE, signal),
      delay(30).then(() => second.ensureWorkspace(WORKSPACE, signal)),
    ]);
    expect([...both].sort()).to.deep.equal(['created', 'updated']);
    second.close();
  });

  it('reads once more after a reset', async () => {
    server.faults.push({ kind: 'reset', times: 1 });
    expect(await client.version(signal)).to.equal('2.26.2');
    server.faults.push({ kind: 'reset' });
    expect(await failure(client.version(signal))).to.include({ reason: 'connection', retry: 'transient' });
  });

  it('gives up on a server that does not answer', async () => {
    server.faults.push({ kind: 'hang' });
    const started = Date.now();
    expect(await failure(client.ensureWorkspace(WORKSPACE, signal))).to.include({
      reason: 'timed-out',
      retry: 'transient',
    });
    expect(Date.now() - started).to.be.lessThan(3_000);
  });

  it('says that a server is down, and works again when it is back', async () => {
    await client.ensureWorkspace(WORKSPACE, signal);
    await server.down();
    expect(await failure(client.ensureWorkspace(WORKSPACE, signal))).to.include({
      reason: 'connection',
      retry: 'transient',
    });
    await server.up();
    expect(await client.ensureWorkspace(WORKSPACE, signal)).to.equal('unchanged');
  });

  it('tries an error of the server no second time by itself', async () => {
    server.faults.push({ kind: 'status', status: 500, applies: isWrite });
    const error = await failure(client.ensureWorkspace(WORKSPACE, signal));
    expect(error).to.include({ reason: 'http-status', retry: 'transient' });
    expect(error.message).to.equal('POST /rest/namespaces: GeoServer answered 500: injected');
    expect(methods()).to.deep.equal(['GET', 'POST']);
  });

  it('stops at once when it is told to', async () => {
    server.faults.push({ kind: 'hang' });
    connect({ readTimeoutMs: 30_000, readers: 1 });
    const controller = new AbortController();
    const calls = [1, 2, 3].map(() => failure(client.version(controller.signal)));
    setTimeout(() => controller.abort(), 50);
    for (const error of await Promise.all(calls)) expect(error).to.include({ reason: 'cancelled' });
  });

  it('has two writes and four reads at the same time, and one at each layer', async () => {
    await client.ensureWorkspace(WORKSPACE, signal);
    let running = { writes: 0, reads: 0 };
    const most = { writes: 0, reads: 0 };
    server.faults.push({ kind: 'slow', ms: 20 });
    const watch = setInterval(() => {
      const open = server.requests.filter(({ status }) => status === undefined);
      running = { writes: open.filter(isWrite).length, reads: open.length - open.filter(isWrite).length };
      most.writes = Math.max(most.writes, running.writes);
      most.reads = Math.max(most.reads, running.reads);
    }, 1);
    connect({ readTimeoutMs: 5_000, writeTimeoutMs: 5_000 });
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
    await Promise.all(
      names.map((name) => client.ensureStyle({ workspace: 'ws', name, sld: sld('#ff0000') }, signal)),
    );
    expect(most).to.deep.equal({ writes: 2, reads: 4 });
    server.requests.length = 0;
    const colours = ['#000001', '#000002', '#000003'];
    await Promise.all(
      colours.map((colour) => client.ensureStyle({ workspace: 'ws', name: 's0', sld: sld(colour) }, signal)),
    );
    clearInterval(watch);
    expect(methods()).to.deep.equal(['GET', 'PUT', 'GET', 'PUT', 'GET', 'PUT']);
  });

  it('shows no password in what it logs or throws', async () => {
    const lines: string[] = [];
    const keep = (message: string, fields?: object): void =>
      void lines.push(JSON.stringify([message, fields]));
    const log = { ...silentLogger, debug: keep, info: keep, warn: keep, error: keep };
    client = clientOf({ ...server, password: 'hunter2-secret' }, log);
    const error = await failure(client.ensureWorkspace(WORKSPACE, signal));
    const encoded = Buffer.from('admin:hunter2-secret').toString('base64');
    const shown = [error.message, error.stack ?? '', ...lines].join('\n');
    expect(lines).to.have.length(1);
    expect(shown).to.not.include('hunter2-secret');
    expect(shown).to.not.include(encoded);
  });

  it('refuses a name before it sends anything', async () => {
    const wrong = await failure(client.ensureWorkspace({ name: 'a/b', uri: 'http://x' }, signal));
    expect(wrong).to.include({ reason: 'invalid-task-file', retry: 'final' });
    expect(server.requests).to.deep.equal([]);
  });

  it('says that the address is no GeoServer', async () => {
    const elsewhere = clientOf({ ...server, url: server.url.replace('/geoserver', '/other') });
    expect(await failure(elsewhere.version(signal))).to.include({
      reason: 'http-status',
      retry: 'transient',
    });
    elsewhere.close();
  });

  it('reads a shared data directory again', async () => {
    await client.ensureWorkspace(WORKSPACE, signal);
    await style();
    const second = await startGeoServer({ tables: false, sharesDataOf: server });
    const other = clientOf(second);
    expect(await other.removeStyle({ workspace: 'ws', name: 's' }, signal)).to.equal('unchanged');
    await other.reload(signal);
    expect(await other.removeStyle({ workspace: 'ws', name: 's' }, signal)).to.equal('removed');
    expect(await style()).to.equal('unchanged');
    other.close();
    await second.close();
  });
});
