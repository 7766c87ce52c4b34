import { expect } from 'chai';
import { at, text } from '../../../src/geoserver/json.js';
import { failure, makeContract, type Contract } from './rig.js';

const BASE = 'mode=HIDE\n*.*.r=*\n*.*.w=GROUP_ADMIN,ADMIN\n';

describe('contract: layer access rules', () => {
  let contract: Contract;
  beforeEach(async () => (contract = await makeContract()));
  afterEach(async () => {
    await contract.client.putAccessRules(BASE, contract.signal);
    await contract.close();
  });

  it('puts the whole file in force without a reload, and only when it differs', async () => {
    const { client, server, workspace, signal, requestsOf } = contract;
    const file = `# rules\n${BASE}${workspace}.*.r=ROLE_B, ROLE_A\n${workspace}.a\\ b.w=ROLE_C\n`;
    expect(await client.putAccessRules(file, signal)).to.equal('updated');
    const rules = await server.getJson('/rest/security/acl/layers.json');
    expect(rules).to.have.property(`${workspace}.*.r`);
    expect(text(at(rules, `${workspace}.*.r`)).split(',')).to.have.members(['ROLE_A', 'ROLE_B']);
    const again = await requestsOf(() => client.putAccessRules(file, signal));
    expect(again).to.deep.equal({ result: 'unchanged', requests: ['GET 200', 'GET 200'] });
    expect(await client.putAccessRules(BASE, signal)).to.equal('updated');
    expect(await server.getJson('/rest/security/acl/layers.json')).to.not.have.property(`${workspace}.*.r`);
  });

  it('refuses a file that GeoServer would not understand, before it is sent', async () => {
    const { client, signal, requestsOf } = contract;
    for (const line of ['a.b.c.r=X', 'a.r', 'a.b.q=X', 'mode=OPEN']) {
      const { result, requests } = await requestsOf(() =>
        failure(client.putAccessRules(`${BASE}${line}\n`, signal)),
      );
      expect(result, line).to.include({ reason: 'invalid-data', retry: 'final' });
      expect(requests, line).to.deep.equal([]);
    }
  });
});
