import { Agent, request } from 'node:http';
import type { TestGeoServer } from '../../test/support/geoserver/index.js';

export interface BareRest {
  readonly send: (method: string, path: string, body?: string, type?: string) => Promise<Buffer>;
  readonly close: () => void;
}

/** Requests without any thought, on this many connections that are kept. Rejects for every answer that is no success. */
export function bareRest(server: TestGeoServer, connections: number): BareRest {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const auth = `${server.username}:${server.password}`;
  return {
    send: (method, path, body = '', type = 'application/json') =>
      new Promise((resolve, reject) => {
        const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
        const sent = request(`${server.url}${path}`, { method, agent, auth, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const { statusCode = 0 } = response;
            if (statusCode < 300) resolve(Buffer.concat(chunks));
            else reject(new Error(`${method} ${path}: ${statusCode} ${Buffer.concat(chunks).toString()}`));
          });
        });
        sent.on('error', reject).end(body);
      }),
    close: () => agent.destroy(),
  };
}
