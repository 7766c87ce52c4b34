import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { makeContractWithStore, sld, type Contract } from './rig.js';

/**
 * A request and what GeoServer 2.26.2 was recorded to answer; `{ws}` and `{ds}` stand for workspace and store. Members of
 * groups are qualified here, as they were not then: what a bare name means depends on the server's default workspace (see
 * layer-groups.test.ts).
 */
interface Exchange {
  readonly note: string;
  readonly method: string;
  readonly path: string;
  readonly type?: string;
  readonly accept?: string;
  readonly body?: string;
  readonly status: number;
  readonly replyType?: string;
  /** The whole text, or its beginning before `…`; of an HTML page the title. */
  readonly reply: string;
}

const exchanges = JSON.parse(
  readFileSync(new URL('exchanges.json', import.meta.url), 'utf8'),
) as readonly Exchange[];

describe('contract: recorded refusals', () => {
  let contract: Contract;
  before(async () => {
    contract = await makeContractWithStore();
    const { client, workspace, signal, parks } = contract;
    await client.ensureStyle({ workspace, name: 'parks', sld: sld('#ff0000') }, signal);
    for (const name of ['parks', 'roads', 'pts', 'evolve'])
      await client.ensureFeatureType(parks({ name }), signal);
    const members = ['parks', 'roads'].map((name) => ({ type: 'layer', workspace, name }) as const);
    const texts = { workspace, title: '', abstract: '' };
    await client.ensureLayerGroup({ ...texts, name: 'gj', members }, signal);
    const nested = [{ type: 'layerGroup', workspace, name: 'gj' }] as const;
    await client.ensureLayerGroup({ ...texts, name: 'nested', members: nested }, signal);
  });
  after(() => contract.close());

  const fill = (text: string): string =>
    text.replaceAll('{ws}', contract.workspace).replaceAll('{ds}', contract.store);

  for (const exchange of exchanges)
    it(`${exchange.method} ${exchange.path} (${exchange.note})`, async () => {
      const { url, username, password } = contract.server;
      const response = await fetch(`${url}${fill(exchange.path)}`, {
        method: exchange.method,
        headers: {
          Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
          ...(exchange.type === undefined ? {} : { 'Content-Type': exchange.type }),
          ...(exchange.accept === undefined ? {} : { Accept: exchange.accept }),
        },
        ...(exchange.body === undefined ? {} : { body: fill(exchange.body) }),
      });
      const text = await response.text();
      const title = /<title>[\s\S]*?<\/title>/.exec(text)?.[0] ?? text;
      const [wanted = '', cut] = fill(exchange.reply).split('…');
      const shown = cut === undefined ? title : title.slice(0, wanted.length);
      const type = response.headers.get('content-type');
      expect({ status: response.status, type, text: shown }).to.deep.equal({
        status: exchange.status,
        type: exchange.replyType ?? null,
        text: wanted,
      });
    });
});
