import { expect } from 'chai';
import { Secret } from '../../../src/lib/secret.js';
import { at } from '../../../src/geoserver/json.js';
import { failure, makeContract, makeContractWithStore, uriOf, type Contract } from './rig.js';

describe('contract: workspaces and data stores', () => {
  let contract: Contract;
  afterEach(() => contract.close());

  it('tells its version, and who is not let in', async () => {
    contract = await makeContract();
    const { client, server, signal } = contract;
    expect(await client.version(signal)).to.match(/^2\.\d+/);
    const { clientOf } = await import('./rig.js');
    const stranger = clientOf({ ...server, password: 'wrong' });
    const wrong = await failure(stranger.version(signal));
    expect(wrong).to.include({ reason: 'http-status', retry: 'transient', status: 401 });
    expect(wrong).to.have.property('hint').that.includes('GEOSERVER_PASSWORD');
    const write = await failure(stranger.ensureWorkspace({ name: 'x', uri: 'http://x' }, signal));
    expect(write).to.include({ reason: 'http-status', retry: 'transient', status: 401 });
    stranger.close();
  });

  it('makes a workspace with its URI, leaves it alone, changes its URI', async () => {
    contract = await makeContract();
    const { client, server, workspace, signal, requestsOf } = contract;
    const wanted = { name: workspace, uri: uriOf(workspace) };
    expect(await requestsOf(() => client.ensureWorkspace(wanted, signal))).to.deep.equal({
      result: 'created',
      requests: ['GET 404', 'POST 201'],
    });
    expect(await requestsOf(() => client.ensureWorkspace(wanted, signal))).to.deep.equal({
      result: 'unchanged',
      requests: ['GET 200'],
    });
    const other = { ...wanted, uri: `${wanted.uri}/2` };
    expect(await client.ensureWorkspace(other, signal)).to.equal('updated');
    const namespace = await server.getJson(`/rest/namespaces/${workspace}.json`);
    expect(at(namespace, 'namespace', 'uri')).to.equal(other.uri);
  });

  it('refuses a URI that another workspace has', async () => {
    contract = await makeContract();
    const { client, server, workspace, signal } = contract;
    await client.ensureWorkspace({ name: workspace, uri: uriOf(workspace) }, signal);
    const again = client.ensureWorkspace({ name: `${workspace}_2`, uri: uriOf(workspace) }, signal);
    expect(await failure(again)).to.include({ reason: 'conflict', retry: 'final' });
    await server.request('DELETE', `/rest/workspaces/${workspace}_2.json?recurse=true`);
  });

  it('writes a store only when parameters or password really differ', async () => {
    contract = await makeContract();
    const { client, database, workspace, store, signal, requestsOf } = contract;
    await client.ensureWorkspace({ name: workspace, uri: uriOf(workspace) }, signal);
    const password = new Secret(database.password);
    const wanted = { workspace, name: store, parameters: contract.parameters(), password };
    const ensure = (more: object) =>
      requestsOf(() => client.ensurePostgisStore({ ...wanted, ...more }, signal));
    expect(await ensure({})).to.deep.equal({ result: 'created', requests: ['GET 404', 'POST 201'] });
    expect(await ensure({})).to.deep.equal({ result: 'unchanged', requests: ['GET 200'] });
    expect(await ensure({ password: new Secret('other') })).to.deep.equal({
      result: 'updated',
      requests: ['GET 200', 'PUT 200'],
    });
    const parameters = { ...wanted.parameters, 'max connections': '5' };
    expect((await ensure({ parameters })).result).to.equal('updated');
    expect((await ensure({ parameters })).result).to.equal('unchanged');
    // The store works: parameters are replaced whole, and the password is among them.
    expect(await client.ensureFeatureType(contract.parks(), signal)).to.equal('created');
  });

  it('removes a store only when it is empty', async () => {
    contract = await makeContractWithStore();
    const { client, workspace, store, signal } = contract;
    await client.ensureFeatureType(contract.parks(), signal);
    const refused = await failure(client.removeDataStore({ workspace, name: store }, signal));
    expect(refused).to.include({ reason: 'conflict', retry: 'transient' });
    expect(refused.message).to.include('parks');
    await client.removeFeatureType({ workspace, store, name: 'parks' }, signal);
    expect(await client.removeDataStore({ workspace, name: store }, signal)).to.equal('removed');
    expect(await client.removeDataStore({ workspace, name: store }, signal)).to.equal('unchanged');
    expect(await client.removeDataStore({ workspace: `${workspace}_none`, name: store }, signal)).to.equal(
      'unchanged',
    );
  });
});
