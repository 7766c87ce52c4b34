import { expect } from 'chai';
import type { WmsLayer, WmsStore } from '../../../src/geoserver/client.js';
import { at } from '../../../src/geoserver/json.js';
import { Secret } from '../../../src/lib/secret.js';
import { startRemoteWms, type RemoteWms } from '../../support/geoserver/remote-wms.js';
import { failure, makeContract, uriOf, type Contract } from './rig.js';

describe('contract: cascaded WMS', () => {
  let contract: Contract;
  let remote: RemoteWms;
  beforeEach(async () => {
    [contract, remote] = await Promise.all([makeContract(), startRemoteWms('src_a', 'src_b')]);
    const { client, workspace, signal } = contract;
    await client.ensureWorkspace({ name: workspace, uri: uriOf(workspace) }, signal);
  });
  afterEach(async () => {
    await contract.close();
    await remote.close();
  });

  const store = (more: Partial<WmsStore> = {}): WmsStore => ({
    ...{ workspace: contract.workspace, name: 'remote', capabilitiesUrl: remote.url, username: 'u' },
    ...{ password: new Secret('secret'), maxConnections: 6, readTimeout: 20, connectTimeout: 5, ...more },
  });
  const layer = (more: Partial<WmsLayer> = {}): WmsLayer => ({
    ...{ workspace: contract.workspace, store: 'remote', name: 'wms.a', nativeName: 'src_a' },
    ...{ title: 'Á', abstract: 'abs', keywords: ['k1', 'k2'], ...more },
  });
  const ensureStore = (more: Partial<WmsStore> = {}) =>
    contract.requestsOf(() => contract.client.ensureWmsStore(store(more), contract.signal));
  const ensureLayer = (more: Partial<WmsLayer> = {}) =>
    contract.requestsOf(() => contract.client.ensureWmsLayer(layer(more), contract.signal));
  const stored = async (name = 'wms.a'): Promise<unknown> => {
    const path = `/rest/workspaces/${contract.workspace}/wmslayers/${name}.json`;
    return at(await contract.server.getJson(path), 'wmsLayer');
  };

  it('writes a store only when something differs, the password included', async () => {
    expect(await ensureStore()).to.deep.equal({ result: 'created', requests: ['GET 404', 'POST 201'] });
    expect(await ensureStore()).to.deep.equal({ result: 'unchanged', requests: ['GET 200'] });
    const other = { password: new Secret('other') };
    expect(await ensureStore(other)).to.deep.equal({ result: 'updated', requests: ['GET 200', 'PUT 200'] });
    expect((await ensureStore(other)).result).to.equal('unchanged');
    const { client, signal, workspace } = contract;
    const limits = { maxConnections: 6, readTimeout: 21, connectTimeout: 5 };
    const open = { workspace, name: 'remote', capabilitiesUrl: remote.url, ...limits };
    expect(await client.ensureWmsStore(open, signal)).to.equal('updated');
    expect(await client.ensureWmsStore(open, signal)).to.equal('unchanged');
  });

  it('publishes a layer, leaves it alone, updates it in place', async () => {
    await ensureStore();
    expect(await ensureLayer()).to.deep.equal({ result: 'created', requests: ['GET 404', 'POST 201'] });
    expect(await ensureLayer()).to.deep.equal({ result: 'unchanged', requests: ['GET 200'] });
    const box = { minx: 115, miny: -32, maxx: 118, maxy: -30.25 };
    const changed = {
      title: 'B',
      abstract: '',
      keywords: ['k3'],
      nativeBox: box,
      latLonBox: box,
      srs: 'EPSG:4326',
    };
    expect(await ensureLayer(changed)).to.deep.equal({ result: 'updated', requests: ['GET 200', 'PUT 200'] });
    expect((await ensureLayer(changed)).result).to.equal('unchanged');
    expect(await stored()).to.include({ title: 'B', enabled: true });
    expect(at(await stored(), 'keywords', 'string')).to.equal('k3');
    expect(
      await contract.client.layerBox({ workspace: contract.workspace, name: 'wms.a' }, contract.signal),
    ).to.deep.equal(box);
    expect((await ensureLayer({ ...changed, keywords: [] })).result).to.equal('updated');
    expect((await ensureLayer({ ...changed, keywords: [] })).result).to.equal('unchanged');
  });

  it('does not write again because of keywords that it got from the remote server', async () => {
    await ensureStore();
    await ensureLayer({ keywords: [] });
    expect(await ensureLayer({ keywords: [] })).to.deep.equal({ result: 'unchanged', requests: ['GET 200'] });
  });

  it('asks the remote server once more for a layer that is new there', async () => {
    await ensureStore();
    await ensureLayer();
    remote.layers.add('fresh');
    const fresh = await ensureLayer({ name: 'fresh', nativeName: 'fresh' });
    expect(fresh).to.deep.equal({
      result: 'created',
      requests: ['GET 404', 'POST 500', 'PUT 200', 'POST 201'],
    });
  });

  it('says that the remote server does not offer a layer', async () => {
    await ensureStore();
    expect(await failure(ensureLayer({ nativeName: 'nope' }))).to.include({
      reason: 'missing-at-source',
      retry: 'remote',
    });
    await ensureLayer();
    const changed = await failure(ensureLayer({ nativeName: 'nope' }));
    expect(changed).to.include({ reason: 'missing-at-source', retry: 'remote' });
    expect(at(await stored(), 'nativeName')).to.equal('src_a');
    expect((await ensureLayer({ nativeName: 'src_b' })).result).to.equal('updated');
    expect((await ensureLayer({ nativeName: 'src_b' })).result).to.equal('unchanged');
  });

  it('says that the remote server is not there, and leaves its layer alone', async () => {
    await ensureStore();
    await ensureLayer();
    await ensureStore({ capabilitiesUrl: 'http://127.0.0.1:9/wms?request=GetCapabilities&service=WMS' });
    expect(await failure(ensureLayer({ name: 'x' }))).to.include({
      reason: 'connection',
      retry: 'transient',
    });
    expect(await failure(ensureLayer({ title: 'Other', nativeName: 'src_b' }))).to.include({
      retry: 'transient',
    });
    expect(at(await stored(), 'title')).to.equal('Á');
    await ensureStore();
    expect((await ensureLayer({ title: 'Other' })).result).to.equal('updated');
  });

  it('moves a layer to another store', async () => {
    await ensureStore();
    await ensureStore({ name: 'second' });
    await ensureLayer();
    expect((await ensureLayer({ store: 'second' })).result).to.equal('updated');
    expect((await ensureLayer({ store: 'second' })).result).to.equal('unchanged');
    expect(at(await stored(), 'store', 'name')).to.equal(`${contract.workspace}:second`);
    const lost = await failure(ensureLayer({ nativeName: 'nope' }));
    expect(lost).to.include({ reason: 'missing-at-source' });
    expect(at(await stored(), 'store', 'name')).to.equal(`${contract.workspace}:second`);
    const { client, server, workspace, signal } = contract;
    expect(await client.removeWmsStore({ workspace, name: 'remote' }, signal)).to.equal('removed');
    // As after a restart.
    await server.request('POST', '/rest/reload');
    expect(at(await stored(), 'store', 'name')).to.equal(`${workspace}:second`);
  });

  it('moves a member of a layer group to another store', async () => {
    await ensureStore();
    await ensureStore({ name: 'second' });
    await ensureLayer();
    const { client, workspace, signal } = contract;
    const members = [{ type: 'layer', workspace, name: 'wms.a' }] as const;
    await client.ensureLayerGroup({ workspace, name: 'g', title: '', abstract: '', members }, signal);
    expect((await ensureLayer({ store: 'second' })).result).to.equal('updated');
    expect(at(await stored(), 'store', 'name')).to.equal(`${workspace}:second`);
    expect(await contract.members('g')).to.deep.equal([`${workspace}:wms.a`]);
  });

  it('removes layers and then their store', async () => {
    const { client, workspace, signal } = contract;
    await ensureStore();
    await ensureLayer();
    const name = { workspace, name: 'remote' };
    expect(await client.listWmsLayers(name, signal)).to.deep.equal(['wms.a']);
    expect(await failure(client.removeWmsStore(name, signal))).to.include({
      reason: 'conflict',
      retry: 'transient',
    });
    expect(await client.removeWmsLayer({ workspace, name: 'wms.a' }, signal)).to.equal('removed');
    expect(await client.removeWmsLayer({ workspace, name: 'wms.a' }, signal)).to.equal('unchanged');
    expect(await client.removeWmsStore(name, signal)).to.equal('removed');
    expect(await client.removeWmsStore(name, signal)).to.equal('unchanged');
  });
});
