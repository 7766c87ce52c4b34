import { expect } from 'chai';
import { at, list, text } from '../../../src/geoserver/json.js';
import { Secret } from '../../../src/lib/secret.js';
import { failure, makeContractWithStore, sld, PARKS_BOX, type Contract } from './rig.js';

const BOX = { minx: 114.5, miny: -36, maxx: 118, maxy: -32.25 };

describe('contract: feature types', () => {
  let contract: Contract;
  beforeEach(async () => (contract = await makeContractWithStore()));
  afterEach(() => contract.close());

  const stored = async (name = 'parks'): Promise<unknown> => {
    const { server, workspace, store } = contract;
    const path = `/rest/workspaces/${workspace}/datastores/${store}/featuretypes/${encodeURIComponent(name)}.json`;
    return at(await server.getJson(path), 'featureType');
  };

  it('publishes, leaves alone, and updates in place', async () => {
    const { client, signal, requestsOf, parks } = contract;
    const ensure = (more = {}) => requestsOf(() => client.ensureFeatureType(parks(more), signal));
    expect(await ensure({ likelyNew: true })).to.deep.equal({ result: 'created', requests: ['POST 201'] });
    expect(await ensure()).to.deep.equal({ result: 'unchanged', requests: ['GET 200'] });
    const changed = { title: 'Other', abstract: 'A', keywords: ['b'], latLonBox: BOX, nativeBox: BOX };
    expect(await ensure(changed)).to.deep.equal({ result: 'updated', requests: ['GET 200', 'PUT 200'] });
    const after = await stored();
    expect(at(after, 'title')).to.equal('Other');
    expect(at(after, 'keywords', 'string')).to.equal('b');
    expect(at(after, 'latLonBoundingBox')).to.deep.equal({ ...BOX, crs: 'EPSG:4326' });
    expect((await ensure(changed)).result).to.equal('unchanged');
    const cleared = { ...changed, abstract: '', keywords: [] };
    expect((await ensure(cleared)).result).to.equal('updated');
    expect(at(await stored(), 'keywords', 'string')).to.deep.equal(['features', 'parks']);
    expect((await ensure(cleared)).result).to.equal('unchanged');
  });

  it('a layer without keywords has the two that GeoServer gives it, however it came to be so', async () => {
    const { client, signal, parks } = contract;
    expect(await client.ensureFeatureType(parks({ keywords: [] }), signal)).to.equal('created');
    expect(await client.ensureFeatureType(parks({ keywords: [] }), signal)).to.equal('unchanged');
    expect(at(await stored(), 'keywords', 'string')).to.deep.equal(['features', 'parks']);
  });

  it('looks at what is there when a layer that was thought new is not', async () => {
    const { client, signal, requestsOf, parks } = contract;
    await client.ensureFeatureType(parks(), signal);
    const again = await requestsOf(() => client.ensureFeatureType(parks({ likelyNew: true }), signal));
    expect(again.requests).to.deep.equal(['POST 500', 'GET 200']);
  });

  it('keeps names with dots, blanks, quotes and letters of all kinds apart', async () => {
    const { client, workspace, store, signal, parks } = contract;
    const names = ['parks.json', 'parks.se', 'parks', 'Größe ß 字', "o'neil & sons+1", 'a,b', 'q?#[x]'];
    for (const name of names)
      expect(await client.ensureFeatureType(parks({ name, title: name }), signal), name).to.equal('created');
    for (const name of names) {
      expect(await client.ensureFeatureType(parks({ name, title: name }), signal), name).to.equal(
        'unchanged',
      );
      expect(await client.setLayerStyles({ workspace, layer: name, styles: [] }, signal)).to.equal(
        'unchanged',
      );
    }
    for (const name of names)
      expect(await client.removeFeatureType({ workspace, store, name }, signal), name).to.equal('removed');
    expect(await client.listFeatureTypes({ workspace, name: store }, signal)).to.deep.equal([]);
  });

  it('keeps both boxes as they are given, in a projected system too', async () => {
    const { client, signal, parks } = contract;
    const native = { minx: 399_999.5, miny: 6_399_999, maxx: 410_001, maxy: 6_410_001.123456789 };
    const towns = {
      name: 'towns',
      nativeName: 'towns',
      srs: 'EPSG:28350',
      columns: ['ogc_fid', 'wkb_geometry'],
    };
    const wanted = parks({ ...towns, nativeBox: native, latLonBox: BOX });
    expect(await client.ensureFeatureType(wanted, signal)).to.equal('created');
    expect(await client.ensureFeatureType(wanted, signal)).to.equal('unchanged');
    // GeoServer would derive the box in degrees from a native one that changes alone.
    const moved = { ...wanted, nativeBox: { ...native, minx: 390_000 } };
    expect(await client.ensureFeatureType(moved, signal)).to.equal('updated');
    expect(await client.ensureFeatureType(moved, signal)).to.equal('unchanged');
    const reprojected = { ...moved, srs: 'EPSG:32750', nativeBox: native };
    expect(await client.ensureFeatureType(reprojected, signal)).to.equal('updated');
    expect(await client.ensureFeatureType(reprojected, signal)).to.equal('unchanged');
  });

  it('lets GeoServer compute the boxes that are not given', async () => {
    const { client, workspace, store, signal } = contract;
    const base = { workspace, store, title: 'T', abstract: '', keywords: [] };
    const wanted = { ...base, name: 'towns', nativeName: 'towns', srs: 'EPSG:28350' };
    expect(await client.ensureFeatureType(wanted, signal)).to.equal('created');
    expect(await client.ensureFeatureType(wanted, signal)).to.equal('unchanged');
    const box = await client.layerBox({ workspace, name: 'towns' }, signal);
    expect(box?.minx).to.be.within(115.8, 116.1);
    expect(box?.maxy).to.be.within(-32.6, -32.3);
    const other = { ...wanted, nativeName: 'parks', srs: 'EPSG:4326' };
    expect(await client.ensureFeatureType(other, signal)).to.equal('updated');
    expect((await client.layerBox({ workspace, name: 'towns' }, signal))?.minx).to.be.within(114.9, 115.1);
  });

  it('publishes a table without geometry', async () => {
    const { client, workspace, store, signal } = contract;
    const names = { workspace, store, name: 'plain', nativeName: 'plain' };
    const wanted = { ...names, title: 'Plain', abstract: 'x', keywords: ['k'], columns: ['id', 't'] };
    expect(await client.ensureFeatureType(wanted, signal)).to.equal('created');
    expect(await client.ensureFeatureType(wanted, signal)).to.equal('unchanged');
  });

  it('has the columns read again when they have changed, and only then', async () => {
    const { client, database, signal, requestsOf, parks } = contract;
    await client.ensureFeatureType(parks(), signal);
    await database.query('ALTER TABLE publish.parks ADD COLUMN area float8, DROP COLUMN name');
    const columns = ['ogc_fid', 'wkb_geometry', 'area'];
    const ensure = (more: object) => requestsOf(() => client.ensureFeatureType(parks(more), signal));
    const requests = ['GET 200', 'PUT 200', 'GET 200'];
    expect(await ensure({ columns })).to.deep.equal({ result: 'updated', requests });
    const names = list(at(await stored(), 'attributes', 'attribute')).map((one) => text(at(one, 'name')));
    expect(names).to.have.members(columns);
    expect((await ensure({ columns })).requests).to.deep.equal(['GET 200']);
    // The same columns as before may be old ones, so they are read once more.
    expect(await ensure({ columns, rereadColumns: true })).to.deep.equal({
      result: 'updated',
      requests: [...requests, 'PUT 200', 'GET 200'],
    });
    await database.query('ALTER TABLE publish.parks ALTER COLUMN area TYPE text');
    expect((await ensure({ columns, rereadColumns: true })).requests).to.deep.equal(requests);
  });

  it('switches to another table or SQL view and back, in place', async () => {
    const { client, database, signal, parks } = contract;
    await database.query('CREATE TABLE publish.parks2 AS SELECT * FROM publish.parks');
    await database.query('GRANT SELECT ON publish.parks2 TO public');
    await client.ensureFeatureType(parks(), signal);
    expect(await client.ensureFeatureType(parks({ nativeName: 'parks2' }), signal)).to.equal('updated');
    const sqlView = {
      sql: "select ogc_fid, wkb_geometry from publish.parks where name <> '<x> & ü' ;\n",
      geometry: { name: 'wkb_geometry', type: 'Polygon', srid: 4326 },
    };
    const view = parks({ nativeName: 'parks_view', sqlView, columns: ['ogc_fid', 'wkb_geometry'] });
    expect(await client.ensureFeatureType(view, signal)).to.equal('updated');
    expect(await client.ensureFeatureType(view, signal)).to.equal('unchanged');
    const other = { ...view, sqlView: { ...sqlView, sql: 'select * from publish.parks' } };
    expect(
      await client.ensureFeatureType({ ...other, columns: ['ogc_fid', 'name', 'wkb_geometry'] }, signal),
    ).to.equal('updated');
    expect(await client.ensureFeatureType(parks(), signal)).to.equal('updated');
    expect(await client.ensureFeatureType(parks(), signal)).to.equal('unchanged');
    expect(at(await stored(), 'metadata', 'entry')).to.equal(undefined);
  });

  it('publishes an SQL view at once, and says when its SQL is wrong', async () => {
    const { client, signal, parks } = contract;
    const geometry = { name: 'wkb_geometry', type: 'Polygon', srid: 4326 };
    const view = parks({
      name: 'v',
      nativeName: 'v',
      sqlView: { sql: 'select * from publish.parks', geometry },
    });
    expect(await client.ensureFeatureType(view, signal)).to.equal('created');
    expect(await client.ensureFeatureType(view, signal)).to.equal('unchanged');
    const wrong = parks({
      name: 'w',
      nativeName: 'w',
      sqlView: { sql: 'select nothing from nowhere', geometry },
    });
    expect(await failure(client.ensureFeatureType(wrong, signal))).to.include({
      reason: 'invalid-task-file',
      retry: 'transient',
    });
  });

  it('says that GeoServer cannot open the store', async () => {
    const { client, workspace, signal, parks } = contract;
    const parameters = { ...contract.parameters(), port: '9' };
    const closed = { workspace, name: 'closed', parameters, password: new Secret('x') };
    await client.ensurePostgisStore(closed, signal);
    const broken = await failure(client.ensureFeatureType(parks({ store: 'closed' }), signal));
    expect(broken).to.include({ reason: 'connection', retry: 'transient' });
    expect(broken).to.have.property('hint').that.includes(`${workspace}:closed`);
  });

  it('mends a feature type whose table was taken away', async () => {
    const { client, signal, parks } = contract;
    await client.ensureFeatureType(parks(), signal);
    expect(await client.ensureFeatureType(parks({ nativeName: 'gone' }), signal)).to.equal('updated');
    expect(await client.ensureFeatureType(parks(), signal)).to.equal('updated');
    expect(await client.ensureFeatureType(parks(), signal)).to.equal('unchanged');
  });

  it('says that the table is missing, and leaves nothing behind', async () => {
    const { client, signal, parks } = contract;
    const missing = await failure(client.ensureFeatureType(parks({ name: 'x', nativeName: 'x' }), signal));
    expect(missing).to.include({ reason: 'not-published-yet', retry: 'transient', status: 400 });
    expect(missing.message).to.include('no attributes were specified');
    expect(await contract.layer('x')).to.equal(undefined);
  });

  it('refuses an unknown coordinate system', async () => {
    const { client, signal, parks } = contract;
    const wrong = await failure(client.ensureFeatureType(parks({ srs: 'EPSG:999999' }), signal));
    expect(wrong).to.include({ reason: 'invalid-task-file', retry: 'final' });
  });

  it('refuses a layer name that another store of the workspace has', async () => {
    const { client, database, workspace, signal, parks } = contract;
    const password = new Secret(database.password);
    const second = { workspace, name: 'other', parameters: contract.parameters(), password };
    await client.ensurePostgisStore(second, signal);
    await client.ensureFeatureType(parks(), signal);
    const clash = await failure(client.ensureFeatureType(parks({ store: 'other' }), signal));
    expect(clash).to.include({ reason: 'conflict', retry: 'final' });
    expect(clash.message).to.include('already exists in namespace');
    const stranger = await failure(
      client.ensureFeatureType(parks({ store: 'other', previousStore: 'third' }), signal),
    );
    expect(stranger).to.include({ reason: 'conflict', retry: 'final' });
  });

  it('moves a layer from its previous store, with its styles and its groups', async () => {
    const { client, server, database, workspace, store, signal, parks } = contract;
    const parameters = { ...contract.parameters(), 'max connections': '3' };
    const second = { workspace, name: 'other', parameters, password: new Secret(database.password) };
    await client.ensurePostgisStore(second, signal);
    await client.ensureFeatureType(parks(), signal);
    await client.ensureStyle({ workspace, name: 'parks', sld: sld('#ff0000') }, signal);
    await client.setLayerStyles({ workspace, layer: 'parks', defaultStyle: 'parks', styles: [] }, signal);
    const members = [{ type: 'layer', workspace, name: 'parks' }] as const;
    await client.ensureLayerGroup({ workspace, name: 'g', title: '', abstract: '', members }, signal);
    const moved = parks({ store: 'other', previousStore: store, title: 'Moved' });
    expect(await client.ensureFeatureType(moved, signal)).to.equal('updated');
    expect(await client.ensureFeatureType(moved, signal)).to.equal('unchanged');
    expect(await client.listFeatureTypes({ workspace, name: store }, signal)).to.deep.equal([]);
    expect(await client.listFeatureTypes({ workspace, name: 'other' }, signal)).to.deep.equal(['parks']);
    expect((await contract.layer('parks'))?.defaultStyle).to.equal(`${workspace}:parks`);
    expect(await contract.members('g')).to.deep.equal([`${workspace}:parks`]);
    expect(await client.removeDataStore({ workspace, name: store }, signal)).to.equal('removed');
    // As after a restart.
    await server.request('POST', '/rest/reload');
    expect(await client.listFeatureTypes({ workspace, name: 'other' }, signal)).to.deep.equal(['parks']);
    expect(await contract.members('g')).to.deep.equal([`${workspace}:parks`]);
    const fresh = parks({ store: 'other', previousStore: 'none', name: 'new' });
    expect(await client.ensureFeatureType(fresh, signal)).to.equal('created');
  });

  it('removes a layer, and takes a missing one as removed', async () => {
    const { client, workspace, store, signal, parks } = contract;
    await client.ensureFeatureType(parks(), signal);
    const name = { workspace, store, name: 'parks' };
    expect(await contract.layer('parks')).not.to.equal(undefined);
    expect(await client.removeFeatureType(name, signal)).to.equal('removed');
    expect(await client.removeFeatureType(name, signal)).to.equal('unchanged');
    expect(await contract.layer('parks')).to.equal(undefined);
    expect(await client.layerBox({ workspace, name: 'parks' }, signal)).to.equal(undefined);
  });

  it('gives the box of a layer', async () => {
    const { client, workspace, signal, parks } = contract;
    await client.ensureFeatureType(parks(), signal);
    expect(await client.layerBox({ workspace, name: 'parks' }, signal)).to.deep.equal(PARKS_BOX);
  });
});
