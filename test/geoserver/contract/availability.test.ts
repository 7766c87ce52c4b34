import { expect } from 'chai';
import { Secret } from '../../../src/lib/secret.js';
import { makeContractWithStore, PARKS_BOX, sld, type Contract } from './rig.js';

const READERS = 3;
const ROUNDS = 4;
const TURNS = 40;

describe('contract: readers while layers are published again', () => {
  let contract: Contract;
  beforeEach(async () => (contract = await makeContractWithStore()));
  afterEach(() => contract.close());

  it('always get their map', async () => {
    const { client, server, database, workspace, store, signal, parks } = contract;
    const second = { workspace, name: 'other', parameters: contract.parameters() };
    await client.ensurePostgisStore({ ...second, password: new Secret(database.password) }, signal);
    const style = (name: string, colour: string) =>
      client.ensureStyle({ workspace, name, sld: sld(colour) }, signal);
    await style('parks', '#000000');
    await client.ensureFeatureType(parks(), signal);
    await client.ensureFeatureType(parks({ name: 'fellow' }), signal);
    const member = (name: string) => ({ type: 'layer', workspace, name }) as const;
    const group = (members: readonly string[]) =>
      client.ensureLayerGroup(
        { workspace, name: 'g', title: '', abstract: '', members: members.map(member) },
        signal,
      );
    await group(['parks']);

    const failures: string[] = [];
    let reads = 0;
    let running = true;
    const read = async (turn: number): Promise<void> => {
      // A real server's features too; the stand-in has maps only.
      if (server.standIn === undefined && turn % 2 === 1) {
        const query = `service=wfs&version=2.0.0&request=GetFeature&outputFormat=application/json&typeNames=${workspace}:parks`;
        const { status, body } = await server.request('GET', `/ows?${query}`);
        if (status !== 200 || !body.includes('"numberReturned":2')) throw new Error(body.slice(0, 300));
        return;
      }
      const name = turn % 4 === 0 ? 'g' : 'parks';
      const size = { srs: 'EPSG:4326', width: 40, height: 40 };
      await client.getMap({ workspace, name, box: PARKS_BOX, ...size }, signal);
    };
    const reader = async (): Promise<void> => {
      for (let turn = 0; running; turn++) {
        reads += 1;
        await read(turn).catch((error: unknown) => failures.push(String(error)));
      }
    };
    const readers = Array.from({ length: READERS }, reader);
    const changes: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [from, to] = round % 2 === 0 ? [store, 'other'] : ['other', store];
      const box = { ...PARKS_BOX, maxx: PARKS_BOX.maxx + round };
      const wanted = { title: `Parks ${round}`, keywords: [`k${round}`], latLonBox: box, nativeBox: box };
      changes.push(
        await client.ensureFeatureType(parks({ ...wanted, store: to, previousStore: from }), signal),
        await client.ensureFeatureType(
          parks({ ...wanted, store: to, abstract: 'x', rereadColumns: true }),
          signal,
        ),
        await style('parks', `#0000${String(10 + round)}`),
        await style(`parks.${round}`, '#ff0000'),
        await client.setLayerStyles(
          { workspace, layer: 'parks', defaultStyle: `parks.${round}`, styles: ['parks'] },
          signal,
        ),
        await group(round % 2 === 0 ? ['parks', 'fellow'] : ['parks']),
      );
    }
    running = false;
    await Promise.all(readers);
    expect(changes).to.not.include('unchanged');
    expect(reads).to.be.greaterThan(READERS);
    expect(failures).to.deep.equal([]);
  });

  // A reader that is under way while GeoServer empties its caches may put the old columns back, for good.
  it('find columns that come and go, each time, once they have been read again', async () => {
    const { client, server, database, workspace, signal, parks } = contract;
    const ROWS = 'ogc_fid, name, wkb_geometry FROM publish.parks';
    const exchange = (more: string): Promise<unknown> =>
      database.query(
        `BEGIN; DROP VIEW IF EXISTS publish.turning; CREATE VIEW publish.turning AS SELECT ${more} ${ROWS};
         GRANT SELECT ON publish.turning TO public; COMMIT`,
      );
    const columns = ['ogc_fid', 'name', 'wkb_geometry'];
    const turning = (...more: readonly string[]) =>
      client.ensureFeatureType(
        parks({ name: 'turning', nativeName: 'turning', columns: [...more, ...columns] }),
        signal,
      );
    const query = `service=WFS&version=2.0.0&request=GetFeature&outputFormat=application/json&typeNames=${workspace}:turning`;
    const path = `/rest/workspaces/${workspace}/datastores/${contract.store}/featuretypes/turning.json`;
    // The stand-in has no features: there its catalog is read.
    const read = () => server.request('GET', server.standIn === undefined ? `/ows?${query}` : path);
    await exchange('');
    await turning();
    let running = true;
    const reader = async (): Promise<void> => {
      while (running) await read();
    };
    const readers = Array.from({ length: READERS }, reader);
    try {
      for (let turn = 0; turn < TURNS; turn++) {
        const more = turn % 2 === 0 ? ['size', 'area'] : [];
        await exchange(more.map((name) => `1 AS ${name}, `).join(''));
        expect(await turning(...more)).to.equal('updated');
        const { status, body } = await read();
        expect(status, body.slice(0, 300)).to.equal(200);
        expect(body.includes('"size"'), `turn ${turn}`).to.equal(more.length > 0);
      }
    } finally {
      running = false;
      await Promise.all(readers);
    }
  });
});
