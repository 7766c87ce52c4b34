import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding, Surroundings } from '../../src/doctor/check.js';
import { client } from '../../src/doctor/checks/client.js';
import { clocks } from '../../src/doctor/checks/clocks.js';
import { geoservers } from '../../src/doctor/checks/geoservers.js';
import { postgis } from '../../src/doctor/checks/postgis.js';
import { programs } from '../../src/doctor/checks/programs.js';
import { systemClock } from '../../src/lib/clock.js';
import type { ServerFacts } from '../../src/pgdump/server-facts.js';
import { tempDir } from '../support/temp.js';

const FACTS: ServerFacts = {
  ...{
    version: '15.10',
    major: 15,
    readOnly: false,
    superuser: false,
    createsRoles: true,
    createsSchemas: true,
  },
  ...{ postgis: '3.3.2', postgisAvailable: '3.3.2', foreignSchemas: [], databases: [], clockAheadMs: 0 },
};

interface Fakes {
  readonly facts?: Partial<ServerFacts>;
  readonly masterAheadMs?: number;
  readonly geoserver?: { readonly version: string; readonly time: Date };
  readonly hg?: string;
}

/** Servers and programs of which there is only one kind here: other versions, other clocks. */
function surroundings({ facts, masterAheadMs, geoserver, hg = 'hg' }: Fakes): Surroundings {
  const server = {
    url: 'http://geoserver',
    version: () => Promise.resolve(geoserver?.version),
    serverTime: () => Promise.resolve(geoserver?.time),
    gridSetNames: () => Promise.resolve(['gda94']),
    findDefects: () => Promise.resolve([]),
  };
  const master = { missing: [], denied: [], clockAheadMs: masterAheadMs ?? 0 };
  return {
    config: { skip: {}, dataStoreName: '{}_ds', stateSsh: 'ssh', dataSsh: 'ssh' },
    location: { vcs: 'hg', root: '/' },
    env: { HG: hg },
    clock: systemClock,
    signal: new AbortController().signal,
    geoservers: geoserver === undefined ? [] : [server],
    publishedOn: () => [],
    database: () => Promise.resolve({ ...FACTS, ...facts }),
    master: () => Promise.resolve(masterAheadMs === undefined ? undefined : master),
  } as unknown as Surroundings;
}

const one = async (found: Promise<Finding | readonly Finding[]>): Promise<Finding> => {
  const finding = [await found].flat()[0];
  if (finding === undefined) throw new Error('nothing was found');
  return finding;
};

describe('doctor: what only other machines show', () => {
  it('a clock that is ahead, or behind', async () => {
    const ahead = await one(clocks.run(surroundings({ facts: { clockAheadMs: 61_000 } })));
    expect(ahead).to.include({ state: 'warning', message: 'the database is 61 s ahead of this machine' });
    const behind = await one(clocks.run(surroundings({ masterAheadMs: -3_600_000 })));
    expect(behind).to.include({ message: "the master's database is 3600 s behind this machine" });
    const time = new Date(Date.now() - 120_000);
    const slow = await one(clocks.run(surroundings({ geoserver: { version: '2.26.2', time } })));
    expect(slow).to.include({ state: 'warning', message: 'http://geoserver is 120 s behind this machine' });
  });

  it('a few seconds are no wrong clock: GeoServer tells whole ones', async () => {
    const found = await one(
      clocks.run(surroundings({ facts: { clockAheadMs: -9_000 }, masterAheadMs: 900 })),
    );
    expect(found).to.include({ state: 'ok', message: "agrees with the database, the master's database" });
  });

  it('a GeoServer that is older than any that was tried', async () => {
    const look = (version: string): Promise<Finding> =>
      one(geoservers.run(surroundings({ geoserver: { version, time: new Date() } })));
    expect(await look('2.25.9')).to.include({ state: 'warning', hint: 'Upgrade GeoServer.' });
    expect(await look('2.26.2')).to.include({
      state: 'ok',
      message: '2.26.2; the first tile layer makes the grid sets mercator',
    });
    expect(await look('3.0.0')).to.include({ state: 'ok' });
  });

  it('a database server without PostGIS', async () => {
    const found = await one(
      postgis.run(surroundings({ facts: { postgis: null, postgisAvailable: null, major: 16 } })),
    );
    expect(found).to.include({ state: 'failed' });
    expect(found.hint).to.contain('postgresql-16-postgis-3');
  });

  it('a server whose dumps pg_restore is too old for', async () => {
    const found = await one(client.run(surroundings({ facts: { major: 99 } })));
    // Up to 16 every version reads its own dumps only; which ones are installed here is not for the test to say.
    const tool = Number(/\((\d+)\)/.exec(found.message)?.[1]);
    expect(found.state).to.equal(tool < 16 ? 'warning' : 'ok');
  });

  it('programs that are too old, or not there', async () => {
    const hg = join(await tempDir('old'), 'hg');
    await writeFile(hg, '#!/bin/sh\necho "Mercurial Distributed SCM (version 4.8.2)"\n', { mode: 0o755 });
    const find = async (fakes: Fakes): Promise<Finding | undefined> =>
      [await programs.run(surroundings(fakes))].flat().find(({ name }) => name === 'hg');
    expect(await find({ hg })).to.include({ state: 'failed', hint: 'Install hg 5.7 or newer.' });
    expect(await find({ hg: '/nonexistent/hg' })).to.include({ state: 'failed' });
    expect(await find({})).to.include({ state: 'ok' });
  });
});
