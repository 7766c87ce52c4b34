import { expect } from 'chai';
import type { TileLayer } from '../../../src/geoserver/client.js';
import { failure, makeContractWithStore, sld, type Contract } from './rig.js';

describe('contract: tiles', () => {
  let contract: Contract;
  beforeEach(async () => {
    contract = await makeContractWithStore();
    await contract.client.ensureFeatureType(contract.parks(), contract.signal);
  });
  afterEach(() => contract.close());

  const wanted = (more: Partial<TileLayer> = {}): TileLayer => ({
    ...{ workspace: contract.workspace, name: 'parks', formats: ['image/png', 'image/jpeg'] },
    ...{ gridSets: ['gda94', 'mercator'], gutter: 100, meta: [1, 1], expireCache: 0, expireClients: 0 },
    ...more,
  });
  const ensure = (more: Partial<TileLayer> = {}) =>
    contract.requestsOf(() => contract.client.ensureTileLayer(wanted(more), contract.signal));
  const wmtsWorks = async (): Promise<boolean> => {
    const { status } = await contract.server.request(
      'GET',
      '/gwc/service/wmts?REQUEST=GetCapabilities&SERVICE=WMTS',
    );
    return status === 200;
  };

  it('makes the grid sets, changes the tile layer, leaves it alone', async () => {
    const first = await ensure();
    expect(first.result).to.equal('updated');
    expect(await ensure()).to.deep.equal({ result: 'unchanged', requests: ['GET 200'] });
    const formats = ['image/png', 'image/jpeg', 'application/json;type=geojson'];
    const more = { formats, gutter: 50, expireCache: 600, expireClients: 60 };
    // The grid sets are known by now.
    expect(await ensure(more)).to.deep.equal({ result: 'updated', requests: ['GET 200', 'PUT 200'] });
    expect((await ensure(more)).result).to.equal('unchanged');
    expect(await wmtsWorks()).to.equal(true);
    const gridSets = await contract.server.getJson('/gwc/rest/gridsets.json');
    expect(gridSets).to.include.members(['gda94', 'mercator']);
  });

  it('costs one request for a layer that was just made', async () => {
    const { client, signal } = contract;
    await client.ensureGridSets(['gda94', 'mercator'], signal);
    expect((await ensure({ likelyNew: true })).requests).to.deep.equal(['PUT 200']);
    expect((await ensure()).result).to.equal('unchanged');
  });

  it('refuses a grid set that the server lacks, before it breaks the tile service', async () => {
    const refused = await failure(ensure({ gridSets: ['EPSG:3857'] }));
    expect(refused).to.include({ reason: 'invalid-config', retry: 'final' });
    expect(await wmtsWorks()).to.equal(true);
  });

  it('takes a tile layer away and gives it back', async () => {
    const { client, workspace, signal, requestsOf } = contract;
    const remove = () => requestsOf(() => client.removeTileLayer({ workspace, name: 'parks' }, signal));
    expect((await remove()).result).to.equal('removed');
    expect(await remove()).to.deep.equal({ result: 'unchanged', requests: ['GET 404'] });
    expect((await ensure()).result).to.equal('created');
  });

  it('empties the tiles at once', async () => {
    const { client, server, workspace, signal } = contract;
    await ensure();
    const bbox = '90,-45,135,0';
    const query = `service=WMS&version=1.1.1&request=GetMap&srs=EPSG:4326&format=image/png&styles=&width=1024&height=1024`;
    const tile = async (): Promise<string | null> => {
      const credentials = Buffer.from(`${server.username}:${server.password}`).toString('base64');
      const url = `${server.url}/gwc/service/wms?${query}&bbox=${bbox}&layers=${workspace}:parks`;
      const response = await fetch(url, { headers: { Authorization: `Basic ${credentials}` } });
      await response.arrayBuffer();
      return response.headers.get('geowebcache-cache-result');
    };
    expect(await tile()).to.equal('MISS');
    expect(await tile()).to.equal('HIT');
    expect(await client.truncateTiles({ workspace, name: 'parks' }, signal)).to.equal('updated');
    expect(await tile()).to.equal('MISS');
    expect(await tile()).to.equal('HIT');
    await client.ensureStyle({ workspace, name: 'parks', sld: sld('#ff0000') }, signal);
    await client.setLayerStyles({ workspace, layer: 'parks', defaultStyle: 'parks', styles: [] }, signal);
    expect(await tile()).to.equal('MISS');
  });

  it('takes tiles of a layer without tile layer as emptied', async () => {
    const { client, workspace, signal } = contract;
    await client.removeTileLayer({ workspace, name: 'parks' }, signal);
    expect(await client.truncateTiles({ workspace, name: 'parks' }, signal)).to.equal('unchanged');
    expect(await client.truncateTiles({ workspace, name: 'nope' }, signal)).to.equal('unchanged');
  });

  it('says that there is no such layer', async () => {
    expect(await failure(ensure({ name: 'nope' }))).to.include({ status: 404, retry: 'transient' });
  });
});
