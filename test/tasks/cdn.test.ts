import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpClient } from '../../src/lib/http.js';
import { Secret } from '../../src/lib/secret.js';
import type { PublicationRecord } from '../../src/state/records.js';
import purging from '../../src/tasks/nouns/cdn.js';
import type { TaskContext } from '../../src/tasks/task.js';
import { job, settings } from './fixtures.js';

describe('purge of the CDN', () => {
  const paths: string[] = [];
  let server: Server;
  const http = new HttpClient();
  before(async () => {
    server = createServer((request, response) => {
      paths.push(request.url ?? '');
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => void (paths.length = 0));
  after(() => {
    http.close();
    server.close();
  });

  const group = (name: string, ...members: readonly string[]): PublicationRecord => ({
    ...{ path: `dpaw/layergroups/ws.${name}.json`, generation: '', identity: `layer:ws:${name}` },
    ...{ kind: 'layergroup', channel: 'dpaw', name },
    spec: { workspace: 'ws', name, layers: members.map((of) => ({ workspace: 'ws', name: of })) },
  });
  const purge = async (name: string, surrogateKeys: readonly string[]): Promise<void> => {
    const { port } = server.address() as AddressInfo;
    const cdn = {
      ...{ purgeUrl: `http://127.0.0.1:${port}/{}/{{}}`, serviceId: 'maps', token: new Secret('t') },
      ...{ surrogateKeys, softPurge: false },
    };
    const context: Pick<TaskContext, 'settings' | 'http' | 'publications' | 'signal'> = {
      ...{ settings: { ...settings, cdn }, http, signal: new AbortController().signal },
      publications: () => [group('inner', 'roads'), group('outer', 'inner', 'parks'), group('else', 'parks')],
    };
    const [task] = purging;
    await task?.run(job(name, []), context as TaskContext);
  };

  it('concerns the layer and every group that shows it, directly or through another', async () => {
    await purge('roads', ['{}:{}']);
    expect(paths).to.deep.equal(['/maps/ws:roads', '/maps/ws:inner', '/maps/ws:outer']);
  });

  it('asks once for a key that several of them have', async () => {
    await purge('parks', ['all-{workspace}', '{name}']);
    expect(paths).to.deep.equal(['/maps/all-ws', '/maps/parks', '/maps/outer', '/maps/else']);
  });
});
