import { expect } from 'chai';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** What each part may import besides itself. Arrows only point down this list. */
const ADAPTERS = ['transfer', 'pgdump', 'geoserver'];
const BELOW = ['hooks', 'tasks', 'jobs', ...ADAPTERS, 'report', 'state', 'lib'];
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'cli.ts': [
    'cli',
    'config',
    'config.ts',
    'poll.ts',
    'reconcile.ts',
    'doctor',
    'publish',
    'update.ts',
    ...BELOW,
  ],
  cli: ['config', 'config.ts', 'poll.ts', 'reconcile.ts', 'doctor', 'publish', 'update.ts', ...BELOW],
  'poll.ts': ['reconcile.ts', ...BELOW],
  'reconcile.ts': BELOW,
  doctor: ['config', 'config.ts', ...BELOW],
  publish: BELOW,
  'update.ts': BELOW,
  'config.ts': ['config', 'jobs/filters', 'lib'],
  config: ['config.ts', 'jobs/filters', 'lib'],
  hooks: ['lib'],
  tasks: ['jobs', 'state', ...ADAPTERS, 'lib'],
  jobs: ['lib'],
  transfer: ['lib'],
  pgdump: ['lib'],
  geoserver: ['lib'],
  report: ['state', 'lib'],
  state: ['lib'],
  lib: [],
};

/** The one file that may import each of these: the doors to the outside. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  execa: ['lib/process.ts'],
  'node-fetch': ['lib/http.ts'],
  'node:child_process': ['lib/process.ts'],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

async function imports(): Promise<Import[]> {
  const files = (await readdir(SRC, { recursive: true })).filter((file) => file.endsWith('.ts'));
  const found = await Promise.all(
    files.map(async (from) => {
      const source = await readFile(join(SRC, from), 'utf8');
      const specifiers = [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
        (match) => match[1] ?? '',
      );
      return specifiers.map((specifier) => ({
        from,
        to: specifier.startsWith('.')
          ? relative(SRC, resolve(SRC, dirname(from), specifier)).replace(/\.js$/, '.ts')
          : specifier,
      }));
    }),
  );
  return found.flat();
}

const partOf = (file: string): string => file.split('/')[0] ?? file;

describe('architecture', () => {
  it('imports only point down', async () => {
    const wrong = (await imports()).filter(({ from, to }) => {
      if (!to.endsWith('.ts')) return false;
      const allowed = ALLOWED[partOf(from)];
      if (allowed === undefined) return true;
      return partOf(from) !== partOf(to) && !allowed.some((part) => to === part || to.startsWith(`${part}/`));
    });
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).to.deep.equal([]);
  });

  it('external programs and HTTP have one door each', async () => {
    const wrong = (await imports()).filter(({ from, to }) => DOORS[to]?.includes(from) === false);
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).to.deep.equal([]);
  });

  it('no kind is known by name outside jobs/kinds, tasks and the adapters', async () => {
    const kinds = await readdir(join(SRC, 'jobs/kinds'));
    const names = kinds
      .map((file) => file.replace(/\.ts$/, '').replaceAll('-', '_'))
      .filter((name) => name !== 'auth');
    const files = (await readdir(SRC, { recursive: true })).filter((file) => file.endsWith('.ts'));
    const known = ['jobs/kinds/', 'tasks/', 'transfer/', 'pgdump/', 'geoserver/'];
    const wrong: string[] = [];
    for (const file of files.filter((path) => !known.some((folder) => path.startsWith(folder)))) {
      const source = await readFile(join(SRC, file), 'utf8');
      const kind = names.find((name) => new RegExp(`(?:===|const \\w+ =|\\bcase) '${name}'`).test(source));
      if (kind !== undefined) wrong.push(`${file} knows ${kind}`);
    }
    expect(wrong).to.deep.equal([]);
  });
});
