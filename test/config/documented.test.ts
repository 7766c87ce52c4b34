import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { loadConfig } from '../../src/config.js';
import { parseEnvFile } from '../../src/config/honcho.js';
import { machine } from './support/machine.js';

describe("config: the operators' documented .env, every variable set", () => {
  it('is read without a warning and gives every value', async () => {
    const content = await readFile(new URL('fixtures/documented.env', import.meta.url), 'utf8');
    const { assignments, errors, warnings } = parseEnvFile(content);
    expect({ errors, warnings }).to.deep.equal({ errors: [], warnings: [] });
    const env = Object.fromEntries(assignments.map(({ name, value }) => [name, value]));
    const result = await loadConfig(env, { machine, repositoryRoot: '/opt/dpaw-borg-state' });
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    const config = result.value;
    expect(config).to.deep.include({
      slaveName: 'portable_slave_rocky',
      syncServer: { host: 'borg@aws-borgslave-2a', path: '/opt/state/code/dumps' },
      codeBranch: 'uat',
      stateSsh: 'ssh -i /home/borg/key -o StrictHostKeyChecking=no',
      dataSsh: 'ssh -i /home/borg/key -o StrictHostKeyChecking=no',
      channels: ['kmi', 'dpaw'],
      skip: { auth: true, rules: true, db: true, gs: true },
      warnings: [],
    });
    expect(
      config.geoservers.map((one) => [one.url, one.dataDir, one.username, one.password.reveal()]),
    ).to.deep.equal([
      ['http://gs1:8080/geoserver', '/srv/gs1/data', 'admin', 'se#cret "1"'],
      ['http://gs2:8080/geoserver', '/srv/gs2/data', 'admin', 'se\\cret 2'],
    ]);
    const { password, ...database } = config.database;
    expect(database).to.deep.equal({
      host: 'db.example',
      port: 5433,
      database: 'maps',
      schema: 'served',
      user: 'borg',
    });
    expect(password.reveal()).to.equal('p$w"#x');
    expect(config.master).to.deep.include({
      host: 'master.example',
      port: 5434,
      database: 'borg',
      schema: 'monitor',
      user: 'slave',
    });
    expect(config.master?.password?.reveal()).to.equal('m@ster');
    const { feature, wms, layergroup } = config.filters;
    const job = { auth_level: 1, workspace: 'kmi', name: 'roads' };
    expect([feature, wms, layergroup].map(({ filter }) => filter.accepts(job))).to.deep.equal([
      true,
      true,
      false,
    ]);
  });
});
