import { expect } from 'chai';
import dotenv from 'dotenv';
import { readFile } from 'node:fs/promises';
import { loadConfig, type Config } from '../../src/config.js';
import { envExample } from '../../src/config/example.js';
import { parseEnvFile } from '../../src/config/honcho.js';
import { VARIABLES } from '../../src/config/variables.js';
import { machine } from './support/machine.js';

async function load(env: Record<string, string>): Promise<Config> {
  const result = await loadConfig(env, { machine, repositoryRoot: '/srv/state' });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.value;
}

describe('config: .env.example', () => {
  it('is what the table of variables says', async () => {
    const file = await readFile(new URL('../../.env.example', import.meta.url), 'utf8');
    expect(file).to.equal(envExample());
  });

  it('lists each variable once, after a sentence that ends', () => {
    const lines = envExample().split('\n');
    const listed = lines.flatMap((line, index) => {
      const name = /^#([A-Z_]+)=/.exec(line)?.[1];
      if (name === undefined) return [];
      expect(lines[index - 1], name).to.match(/^# [A-Z'a-z].*\.$/);
      return [name];
    });
    expect(listed).to.deep.equal(VARIABLES.map(({ name }) => name));
    expect(new Set(listed).size).to.equal(listed.length);
  });

  it('changes nothing when every line is switched on, and is read without a warning', async () => {
    const { assignments, errors, warnings } = parseEnvFile(switchedOn());
    expect({ errors, warnings }).to.deep.equal({ errors: [], warnings: [] });
    const written = await load(Object.fromEntries(assignments.map(({ name, value }) => [name, value])));
    const defaults = await load({});
    expect(assignments.length).to.be.greaterThan(30);
    expect(plain(written)).to.deep.equal(plain(defaults));
  });

  it('means the same to dotenv, by which other programs read such a file', () => {
    const { assignments } = parseEnvFile(switchedOn());
    // An empty value: dotenv has '', honcho and its reader here have none.
    const values = Object.entries(dotenv.parse(switchedOn())).filter(([, value]) => value !== '');
    expect(Object.fromEntries(values)).to.deep.equal(
      Object.fromEntries(assignments.map(({ name, value }) => [name, value])),
    );
  });
});

/** With every line made a setting. */
function switchedOn(): string {
  return envExample().replaceAll(/^#(?=[A-Z_]+=)/gm, '');
}

/** Without the sources, which differ on purpose; secrets as their values. */
function plain({ settings, ...config }: Config): unknown {
  const values = [...settings].map(([name, { value }]) => [name, value]);
  return { ...(JSON.parse(JSON.stringify(config)) as object), values };
}
