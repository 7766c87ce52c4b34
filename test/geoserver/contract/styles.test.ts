import { expect } from 'chai';
import { failure, makeContractWithStore, sld, type Contract } from './rig.js';

describe('contract: styles', () => {
  let contract: Contract;
  beforeEach(async () => (contract = await makeContractWithStore()));
  afterEach(() => contract.close());

  const style = (name: string, bytes: Buffer, likelyNew = false) => {
    const { client, workspace, signal, requestsOf } = contract;
    return requestsOf(() => client.ensureStyle({ workspace, name, sld: bytes, likelyNew }, signal));
  };

  for (const version of ['1.0.0', '1.1.0'] as const)
    it(`stores an SLD ${version} byte for byte, and writes it only when it differs`, async () => {
      // A dotted name: each request has to hit this one and not `parks`.
      const name = 'parks.day';
      await style('parks', sld('#111111'));
      expect(await style(name, sld('#ff0000', version))).to.deep.equal({
        result: 'created',
        requests: ['GET 404', 'POST 201'],
      });
      const same = { result: 'unchanged', requests: ['GET 200'] };
      expect(await style(name, sld('#ff0000', version))).to.deep.equal(same);
      expect(await style(name, sld('#00ff00', version))).to.deep.equal({
        result: 'updated',
        requests: ['GET 200', 'PUT 200'],
      });
      expect(await style(name, sld('#00ff00', version))).to.deep.equal(same);
      expect(await style('parks', sld('#111111'))).to.deep.equal(same);
    });

  it('changes the version of an SLD both ways', async () => {
    await style('s', sld('#ff0000'));
    for (const version of ['1.1.0', '1.0.0'] as const) {
      expect((await style('s', sld('#ff0000', version))).result).to.equal('updated');
      expect((await style('s', sld('#ff0000', version))).result).to.equal('unchanged');
    }
  });

  it('stores files with byte order marks and in other encodings as UTF-8', async () => {
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), sld('#ff0000')]);
    expect((await style('marked', marked)).result).to.equal('created');
    expect((await style('marked', sld('#ff0000'))).result).to.equal('unchanged');
    const latin = Buffer.from(sld('#ff0000').toString('utf8').replace('UTF-8', 'ISO-8859-1'), 'latin1');
    expect((await style('latin', latin)).result).to.equal('created');
    expect((await style('latin', sld('#ff0000'))).result).to.equal('unchanged');
  });

  it('finds out that a style which was thought new exists', async () => {
    await style('s', sld('#ff0000'));
    const again = await style('s', sld('#ff0000'), true);
    expect(again.requests).to.deep.equal(['POST 403', 'GET 200']);
    const other = await style('s', sld('#00ff00'), true);
    expect(other).to.deep.equal({ result: 'updated', requests: ['POST 403', 'GET 200', 'PUT 200'] });
  });

  it('gives a layer its styles, and writes them only when they differ', async () => {
    const { client, workspace, signal, requestsOf } = contract;
    for (const name of ['parks', 'parks.day', 'parks.night']) await style(name, sld('#ff0000'));
    await client.ensureFeatureType(contract.parks(), signal);
    const set = (defaultStyle: string | undefined, ...styles: readonly string[]) => {
      const chosen = defaultStyle === undefined ? {} : { defaultStyle };
      return requestsOf(() =>
        client.setLayerStyles({ workspace, layer: 'parks', styles, ...chosen }, signal),
      );
    };
    const changed = { result: 'updated', requests: ['GET 200', 'PUT 200', 'GET 200'] };
    const same = { result: 'unchanged', requests: ['GET 200'] };
    expect(await set('parks', 'parks.night', 'parks.day')).to.deep.equal(changed);
    expect(await set('parks', 'parks.day', 'parks.night')).to.deep.equal(same);
    expect(await set('parks.day', 'parks.day', 'parks')).to.deep.equal(changed);
    expect(await set(undefined, 'parks')).to.deep.equal(same);
    const qualified = { defaultStyle: `${workspace}:parks.day`, styles: [`${workspace}:parks`] };
    expect(await contract.layer('parks')).to.deep.equal(qualified);
    expect(await set('parks')).to.deep.equal(changed);
    expect((await contract.layer('parks'))?.styles).to.deep.equal([]);
  });

  it('names the styles that GeoServer has dropped without a word', async () => {
    const { client, workspace, signal } = contract;
    await style('parks', sld('#ff0000'));
    await client.ensureFeatureType(contract.parks(), signal);
    const names = { defaultStyle: 'nope', styles: ['parks', 'neither'] };
    const dropped = await failure(client.setLayerStyles({ workspace, layer: 'parks', ...names }, signal));
    expect(dropped).to.include({ reason: 'not-published-yet', retry: 'transient' });
    expect(dropped.message).to.include('nope, neither');
  });

  it('says that there is no such layer', async () => {
    const { client, workspace, signal } = contract;
    const missing = await failure(client.setLayerStyles({ workspace, layer: 'nope', styles: [] }, signal));
    expect(missing).to.include({ reason: 'not-published-yet', retry: 'transient' });
    const blind = client.setLayerStyles({ workspace, layer: 'nope', styles: [], likelyNew: true }, signal);
    expect(await failure(blind)).to.include({ retry: 'transient' });
  });

  it('removes exactly the style of that name, and takes a missing one as removed', async () => {
    const { client, workspace, signal } = contract;
    await style('parks', sld('#ff0000'));
    await style('parks.se', sld('#ff0000'));
    await client.ensureFeatureType(contract.parks(), signal);
    await client.setLayerStyles(
      { workspace, layer: 'parks', defaultStyle: 'parks.se', styles: ['parks'] },
      signal,
    );
    expect(await client.removeStyle({ workspace, name: 'parks.se' }, signal)).to.equal('removed');
    expect(await client.removeStyle({ workspace, name: 'parks.se' }, signal)).to.equal('unchanged');
    expect((await style('parks', sld('#ff0000'))).result).to.equal('unchanged');
    expect(await contract.layer('parks')).to.include({ defaultStyle: `${workspace}:parks` });
    expect((await style('parks.se', sld('#ff0000'))).result).to.equal('created');
  });
});
