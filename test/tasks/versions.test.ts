import { expect } from 'chai';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import type { FileRecord, PublicationRecord } from '../../src/state/records.js';
import { versionsOf } from '../../src/tasks/versions.js';

const pathOf = (name: string): string => `dpaw/layergroups/ws.${name}.json`;

/** What is made of groups (name -> members), each file with this content. */
async function versions(
  groups: Readonly<Record<string, readonly string[]>>,
  contents: Readonly<Record<string, string>> = {},
): Promise<(name: string) => string> {
  const publications = Object.entries(groups).map(
    ([name, members]) =>
      ({
        ...{
          path: pathOf(name),
          generation: '',
          identity: `layer:ws:${name}`,
          kind: 'layergroup',
          channel: 'dpaw',
          name,
        },
        spec: {
          workspace: 'ws',
          name,
          layers: members.map((member) => ({ type: 'layergroup', workspace: 'ws', name: member })),
        },
      }) satisfies PublicationRecord,
  );
  const files = publications.map(({ path, identity, name }): [string, FileRecord] => [
    path,
    { path, identity, contentHash: contents[name] ?? '', state: 'done' } as FileRecord,
  ]);
  const version = versionsOf([], new Map(files), publications, await loadKinds());
  return (name) => version(`layer:ws:${name}`);
}

describe('versions', () => {
  it('change with anything that a group is made of, however deep, and with nothing else', async () => {
    const groups = { outer: ['inner'], inner: ['core'], core: [], other: [] };
    const before = await versions(groups);
    const after = await versions(groups, { core: 'new' });
    for (const name of ['outer', 'inner', 'core']) expect(after(name), name).not.to.equal(before(name));
    expect(after('other')).to.equal(before('other'));
  });

  it('take no time to speak of where groups name each other again and again', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `g${i}`);
    const version = await versions(Object.fromEntries(names.map((name) => [name, [...names, ...names]])));
    expect(names.map((name) => version(name)).every((one) => one === version('g0'))).to.equal(true);
  });
});
