import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CountingProxy {
  /** Stands for the server's URL. */
  readonly url: string;
  /** Every request that has come through. */
  readonly requests: readonly { readonly method: string }[];
  readonly close: () => void;
}

/** Counts what is asked of a real server, which it passes on as it is. Not for runs whose time is taken. */
export async function startCountingProxy(url: string): Promise<CountingProxy> {
  const target = new URL(url);
  const agent = new Agent({ keepAlive: true });
  const requests: { method: string }[] = [];
  const server = createServer((incoming, answer) => {
    const { method = '', headers, url: path } = incoming;
    requests.push({ method });
    const { hostname, port } = target;
    const passed = request({ hostname, port, path, method, headers, agent }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${target.pathname}`,
    requests,
    close: () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
