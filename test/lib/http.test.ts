import { createServer, type Server, type ServerResponse, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { AgentError } from '../../src/lib/errors.js';
import { HttpClient, type HttpRequest } from '../../src/lib/http.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

describe('http', () => {
  let server: Server;
  let listener: Listener;
  let connections: number;
  let url: string;
  const client = new HttpClient({ maxConnections: 2 });

  before(async () => {
    server = createServer((request, response) => listener(request, response));
    server.on('connection', () => (connections += 1));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/path`;
  });
  beforeEach(() => (connections = 0));
  after(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });

  const failing = async (request: Partial<HttpRequest>): Promise<AgentError> => {
    try {
      await client.request({ method: 'GET', url, ...request });
    } catch (error) {
      if (error instanceof AgentError) return error;
      throw error;
    }
    throw new Error('expected a failure');
  };

  it('sends method, headers and body, and returns any status with headers and bytes', async () => {
    listener = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.writeHead(409, { 'X-Seen': request.headers['x-mine'] ?? '' });
        response.end(Buffer.concat([Buffer.from(`${request.method ?? ''} `), ...chunks]));
      });
    };
    const body = Uint8Array.of(0xff, 0x00);
    const answer = await client.request({ method: 'PUT', url, headers: { 'X-Mine': 'yes' }, body });
    expect(answer.status).to.equal(409);
    expect(answer.headers.get('x-seen')).to.equal('yes');
    expect(answer.body).to.deep.equal(Buffer.concat([Buffer.from('PUT '), body]));
  });

  it('keeps a connection open between requests', async () => {
    listener = (_request, response) => response.end('x');
    const fresh = new HttpClient();
    for (let turn = 0; turn < 5; turn++) await fresh.request({ method: 'GET', url });
    expect(connections).to.equal(1);
    fresh.close();
  });

  it('does not follow redirects, which would carry credentials elsewhere', async () => {
    listener = (_request, response) => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end();
    expect((await client.request({ method: 'GET', url })).status).to.equal(302);
  });

  it('gives up after its time, also in the middle of an answer', async () => {
    listener = () => undefined;
    expect(await failing({ timeoutMs: 30 })).to.include({ reason: 'timed-out', retry: 'transient' });
    listener = (_request, response) => {
      response.writeHead(200, { 'Content-Length': '10' });
      response.write('half');
    };
    const late = await failing({ timeoutMs: 30 });
    expect(late).to.include({ reason: 'timed-out' });
    expect(late.message).to.include('GET /path within 30 ms');
  });

  it('stops when it is told to', async () => {
    listener = () => undefined;
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    expect(await failing({ signal: controller.signal })).to.include({
      reason: 'cancelled',
      retry: 'transient',
    });
    expect(await failing({ signal: AbortSignal.abort() })).to.include({ reason: 'cancelled' });
    // With a body, whose stream must not end the process.
    const put = { method: 'PUT', body: 'x', signal: AbortSignal.abort() } as const;
    expect(await failing(put)).to.include({ reason: 'cancelled' });
  });

  it('refuses an answer that is too long', async () => {
    listener = (_request, response) => response.end('x'.repeat(1_000));
    expect(await failing({ maxBytes: 999 })).to.include({ reason: 'invalid-data' });
    expect((await client.request({ method: 'GET', url, maxBytes: 1_000 })).body.length).to.equal(1_000);
  });

  it('tells a connection that is refused, reset or cut from an answer', async () => {
    const refused = await failing({ url: 'http://127.0.0.1:1/secret?key=hidden' });
    expect(refused).to.include({ reason: 'connection', retry: 'transient' });
    expect(refused.message).to.equal('no answer from http://127.0.0.1:1: ECONNREFUSED');
    listener = (request) => void request.socket.resetAndDestroy();
    expect(await failing({})).to.include({ reason: 'connection', retry: 'transient' });
    listener = (request, response) => {
      response.writeHead(200, { 'Content-Length': '10' });
      response.write('half', () => request.socket.destroy());
    };
    expect(await failing({})).to.include({ reason: 'connection', retry: 'transient' });
  });
});
