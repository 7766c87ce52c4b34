import { expect } from 'chai';
import type { GroupMember, LayerGroup } from '../../../src/geoserver/client.js';
import { at } from '../../../src/geoserver/json.js';
import { Secret } from '../../../src/lib/secret.js';
import { failure, makeContractWithStore, PARKS_BOX, uriOf, type Contract } from './rig.js';

const EAST = { minx: 120, miny: -34, maxx: 121, maxy: -33 };

describe('contract: layer groups', () => {
  let contract: Contract;
  beforeEach(async () => {
    contract = await makeContractWithStore();
    const { client, signal, parks } = contract;
    await client.ensureFeatureType(parks({ name: 'a' }), signal);
    await client.ensureFeatureType(parks({ name: 'b.1', nativeBox: EAST, latLonBox: EAST }), signal);
    await client.ensureFeatureType(parks({ name: 'c' }), signal);
  });
  afterEach(() => contract.close());

  const member = (name: string, type: GroupMember['type'] = 'layer'): GroupMember => {
    return { type, workspace: contract.workspace, name };
  };
  const group = (
    name: string,
    members: readonly GroupMember[],
    more: Partial<LayerGroup> = {},
  ): LayerGroup => {
    return { workspace: contract.workspace, name, title: 'Größe', abstract: '', members, ...more };
  };
  const ensure = (name: string, members: readonly GroupMember[], more: Partial<LayerGroup> = {}) =>
    contract.requestsOf(() => contract.client.ensureLayerGroup(group(name, members, more), contract.signal));
  const membersOf = async (name: string): Promise<readonly string[] | undefined> => {
    const prefix = `${contract.workspace}:`;
    return (await contract.members(name))?.map((one) => one.replace(prefix, ''));
  };

  it('makes a group with the bounds of its members, leaves it alone, changes and resizes it in place', async () => {
    const { client, workspace, signal } = contract;
    expect((await ensure('g', [member('a'), member('b.1')])).result).to.equal('created');
    expect(await ensure('g', [member('a'), member('b.1')])).to.deep.equal({
      result: 'unchanged',
      requests: ['GET 200'],
    });
    const bounds = { minx: 115, miny: -35, maxx: 121, maxy: -33 };
    expect(await client.groupBox({ workspace, name: 'g' }, signal)).to.deep.equal(bounds);
    expect((await ensure('g', [member('b.1'), member('a')], { title: 'T', abstract: 'x' })).result).to.equal(
      'updated',
    );
    expect(await membersOf('g')).to.deep.equal(['b.1', 'a']);
    for (const names of [['a'], ['c', 'a', 'b.1'], ['c', 'b.1']]) {
      const wanted = names.map((name) => member(name));
      expect((await ensure('g', wanted)).result, names.join()).to.equal('updated');
      expect((await ensure('g', wanted)).result, names.join()).to.equal('unchanged');
      expect(await membersOf('g')).to.deep.equal(names);
    }
  });

  it('computes bounds anew when it is told to', async () => {
    const { client, workspace, signal, parks } = contract;
    await ensure('g', [member('a')]);
    expect(await client.groupBox({ workspace, name: 'g' }, signal)).to.deep.equal(PARKS_BOX);
    await client.ensureFeatureType(parks({ name: 'a', nativeBox: EAST, latLonBox: EAST }), signal);
    expect((await ensure('g', [member('a')])).result).to.equal('unchanged');
    expect((await ensure('g', [member('a')], { recomputeBounds: true })).result).to.equal('updated');
    expect(await client.groupBox({ workspace, name: 'g' }, signal)).to.deep.equal(EAST);
    expect((await ensure('g', [member('a')], { recomputeBounds: true })).result).to.equal('unchanged');
  });

  it('releases a member from all groups that hold it; a group of it alone goes', async () => {
    const { client, workspace, signal } = contract;
    await ensure('inner', [member('a')]);
    await ensure('both', [member('a'), member('b.1'), member('inner', 'layerGroup')], { abstract: 'x' });
    await ensure('other', [member('c')]);
    await client.releaseFromGroups({ workspace, name: 'inner' }, signal);
    expect(await membersOf('both')).to.deep.equal(['a', 'b.1']);
    await client.releaseFromGroups({ workspace, name: 'a' }, signal);
    expect(await Promise.all(['inner', 'both', 'other'].map(membersOf))).to.deep.equal([
      undefined,
      ['b.1'],
      ['c'],
    ]);
    // What it says of itself stays, and it can be removed now.
    expect((await ensure('both', [member('b.1')], { abstract: 'x' })).result).to.equal('unchanged');
    const store = { workspace, store: contract.store, name: 'a' };
    expect(await client.removeFeatureType(store, signal)).to.equal('removed');
    await client.releaseFromGroups({ workspace: `${workspace}_none`, name: 'a' }, signal);
  });

  it('nests groups, and refuses a circle', async () => {
    await ensure('inner', [member('b.1')]);
    expect((await ensure('outer', [member('a'), member('inner', 'layerGroup')])).result).to.equal('created');
    expect((await ensure('outer', [member('a'), member('inner', 'layerGroup')])).result).to.equal(
      'unchanged',
    );
    const { client, workspace, signal } = contract;
    expect((await client.groupBox({ workspace, name: 'outer' }, signal))?.maxx).to.equal(121);
    const circle = await failure(ensure('inner', [member('outer', 'layerGroup')]));
    expect(circle).to.include({ reason: 'conflict', retry: 'final' });
    const inUse = await failure(client.removeLayerGroup({ workspace, name: 'inner' }, signal));
    expect(inUse).to.include({ reason: 'conflict', retry: 'transient' });
  });

  it('names members that do not exist, and changes nothing', async () => {
    const missing = await failure(ensure('g', [member('a'), member('nope')]));
    expect(missing).to.include({ reason: 'not-published-yet', retry: 'transient' });
    expect(missing.message).to.include(`layer ${contract.workspace}:nope`);
    expect(await membersOf('g')).to.equal(undefined);
    await ensure('g', [member('a')]);
    const again = await failure(ensure('g', [member('a'), member('nope', 'layerGroup')]));
    expect(again).to.include({ reason: 'not-published-yet' });
    expect(await membersOf('g')).to.deep.equal(['a']);
  });

  it('refuses the name of a layer', async () => {
    expect(await failure(ensure('a', [member('c')]))).to.include({ reason: 'conflict', retry: 'final' });
  });

  it('keeps members from being removed, and lets them go', async () => {
    const { client, workspace, store, signal } = contract;
    await ensure('g', [member('a'), member('b.1')]);
    const inUse = await failure(client.removeFeatureType({ workspace, store, name: 'a' }, signal));
    expect(inUse).to.include({ reason: 'conflict', retry: 'transient' });
    expect(inUse.message).to.include("layer group 'g'");
    expect((await ensure('g', [member('b.1')])).result).to.equal('updated');
    expect(await client.groupBox({ workspace, name: 'g' }, signal)).to.deep.equal(EAST);
    expect(await client.removeFeatureType({ workspace, store, name: 'a' }, signal)).to.equal('removed');
  });

  it('removes a group but not its members', async () => {
    const { client, server, workspace, signal } = contract;
    await ensure('g', [member('a')]);
    expect(await client.removeLayerGroup({ workspace, name: 'g' }, signal)).to.equal('removed');
    expect(await client.removeLayerGroup({ workspace, name: 'g' }, signal)).to.equal('unchanged');
    expect(at(await server.getJson(`/rest/layers/${workspace}:a.json`), 'layer', 'name')).to.equal('a');
  });

  it('mends a group that was stored without styles', async () => {
    const { server, workspace } = contract;
    await ensure('g', [member('a'), member('c')]);
    const headers = {
      Authorization: `Basic ${Buffer.from(`${server.username}:${server.password}`).toString('base64')}`,
      'Content-Type': 'application/json',
    };
    const published = ['a', 'c'].map((name) => ({ '@type': 'layer', name: `${workspace}:${name}` }));
    const body = JSON.stringify({ layerGroup: { publishables: { published }, styles: { style: [] } } });
    await fetch(`${server.url}/rest/workspaces/${workspace}/layergroups/g.json`, {
      method: 'PUT',
      headers,
      body,
    });
    expect((await ensure('g', [member('a'), member('c'), member('b.1')])).result).to.equal('updated');
    expect(await membersOf('g')).to.deep.equal(['a', 'c', 'b.1']);
  });

  describe('what GeoServer makes of members by itself', () => {
    /** A write of the group `raw` with these members, and with as many styles as said, if any. */
    const write = async (
      method: 'POST' | 'PUT',
      names: readonly string[],
      styles?: number,
      workspace = contract.workspace,
    ) => {
      const { server } = contract;
      const { username, password, url } = server;
      const published = names.map((name) => ({
        '@type': name.startsWith('group ') ? 'layerGroup' : 'layer',
        name: name.replace('group ', ''),
      }));
      const given = styles === undefined ? {} : { styles: { style: Array<string>(styles).fill('') } };
      const layerGroup = { name: 'raw', mode: 'SINGLE', publishables: { published }, ...given };
      const response = await fetch(
        `${url}/rest/workspaces/${workspace}/layergroups${method === 'PUT' ? '/raw.json' : ''}`,
        {
          method,
          headers: {
            Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
            'Content-Type': 'application/json',
          },
          body: JSON.stringify({ layerGroup }),
        },
      );
      return `${response.status} ${await response.text()}`.trim();
    };
    const own = (...names: readonly string[]): readonly string[] =>
      names.map((name) => `${contract.workspace}:${name}`);

    it('drops those that do not exist, each with the style in its place', async () => {
      const DIFFERENT = '500 Layer group has different number of styles than layers';
      const EMPTY = '500 Layer group must not be empty';
      expect(await write('POST', own('nope'), 1)).to.equal(EMPTY);
      expect(await write('POST', own('a', 'nope'), 1)).to.equal('500 Index 1 out of bounds for length 1');
      expect(await write('POST', own('nope', 'a', 'c'), 3)).to.equal('201 raw');
      expect(await membersOf('raw')).to.deep.equal(['a', 'c']);
      expect(await write('PUT', own('a', 'nope', 'c'))).to.equal(DIFFERENT);
      expect(await write('PUT', own('a', 'c', 'nope'))).to.equal('500 Index 2 out of bounds for length 2');
      expect(await write('PUT', own('nope', 'a', 'c'), 2)).to.equal(DIFFERENT);
      expect(await write('PUT', own('nope'))).to.equal(EMPTY);
      expect(await membersOf('raw')).to.deep.equal(['a', 'c']);
      expect(await write('PUT', own('nope', 'c'))).to.equal('200');
      expect(await membersOf('raw')).to.deep.equal(['c']);
      expect(await write('PUT', own('nope', 'a'))).to.equal('200');
      // All its styles went with the members in their places.
      const path = `/rest/workspaces/${contract.workspace}/layergroups/raw.json`;
      expect(at(await contract.server.getJson(path), 'layerGroup', 'styles')).to.equal(undefined);
      expect(await write('PUT', own('nope'))).to.equal('500 Index 0 out of bounds for length 0');
    });

    it('looks for the bare name of a layer everywhere, for that of a group in the default workspace only', async () => {
      const { client, server, parameters, database, signal } = contract;
      // Made when there is another one already, this is not the default workspace.
      const workspace = `${contract.workspace}_other`;
      const namespace = uriOf(workspace);
      const store = {
        ...{ workspace, name: 'ds', parameters: { ...parameters(), namespace } },
        password: new Secret(database.password),
      };
      try {
        await client.ensureWorkspace({ name: workspace, uri: namespace }, signal);
        await client.ensurePostgisStore(store, signal);
        const bare = `only_${workspace}`;
        await client.ensureFeatureType(contract.parks({ workspace, name: bare }), signal);
        const inner = { ...group('inner', [{ type: 'layer', workspace, name: bare }]), workspace };
        await client.ensureLayerGroup(inner, signal);
        expect(await contract.members('inner', workspace)).to.deep.equal([`${workspace}:${bare}`]);
        expect(await write('POST', ['group inner'], 1, workspace)).to.equal(
          '500 Layer group must not be empty',
        );
        expect(await write('POST', [bare], 1, workspace)).to.equal('201 raw');
        expect(await write('PUT', [bare, 'group inner', bare], undefined, workspace)).to.equal(
          '500 Index 1 out of bounds for length 1',
        );
      } finally {
        await server.request('DELETE', `/rest/workspaces/${workspace}.json?recurse=true`);
      }
    });
  });
});
