import { expect } from 'chai';
import { PNG } from 'pngjs';
import { failure, makeContractWithStore, PARKS_BOX, type Contract } from './rig.js';

describe('contract: maps', () => {
  let contract: Contract;
  beforeEach(async () => (contract = await makeContractWithStore()));
  afterEach(() => contract.close());

  const draw = (name: string, box = PARKS_BOX) => {
    const { client, workspace, signal } = contract;
    return client.getMap({ workspace, name, box, srs: 'EPSG:4326', width: 60, height: 40 }, signal);
  };

  it('draws a layer', async () => {
    await contract.client.ensureFeatureType(contract.parks({ name: 'Größe 1.x' }), contract.signal);
    const { png, oneColour } = await draw('Größe 1.x');
    expect(PNG.sync.read(png)).to.include({ width: 60, height: 40 });
    expect(oneColour).to.equal(false);
  });

  it('draws a box without area, of one point or one line', async () => {
    await contract.client.ensureFeatureType(contract.parks(), contract.signal);
    const point = { minx: 115, miny: -35, maxx: 115, maxy: -35 };
    expect((await draw('parks', point)).png.length).to.be.greaterThan(60);
    expect((await draw('parks', { ...point, maxx: 117 })).png.length).to.be.greaterThan(60);
  });

  it('takes an error that comes with status 200 for an error', async () => {
    const missing = await failure(draw('nope'));
    expect(missing).to.include({ reason: 'not-published-yet', retry: 'transient' });
    expect(missing.message).to.include('Could not find layer');
    const { client, signal } = contract;
    const { workspace, store } = contract;
    const plain = {
      workspace,
      store,
      name: 'plain',
      nativeName: 'plain',
      title: '',
      abstract: '',
      keywords: [],
    };
    await client.ensureFeatureType(plain, signal);
    expect(await failure(draw('plain'))).to.include({ reason: 'http-status', retry: 'transient' });
  });

  it('refuses the box of an empty layer', async () => {
    const empty = { minx: 0, miny: 0, maxx: -1, maxy: -1 };
    expect(await failure(draw('parks', empty))).to.include({ reason: 'invalid-data' });
  });
});
