import { expect } from 'chai';
import fc from 'fast-check';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnvFile } from '../../src/config/honcho.js';
import { parseAccessRules } from '../../src/geoserver/access-rules.js';
import { prepareSld } from '../../src/geoserver/sld.js';
import { box, keywords } from '../../src/jobs/fields.js';
import type { Kind } from '../../src/jobs/kind.js';
import { loadKinds } from '../../src/jobs/load-kinds.js';
import { locate } from '../../src/jobs/locate.js';
import { checkSpec, parseTaskFile } from '../../src/jobs/parse.js';
import { splitRoleScript } from '../../src/jobs/role-script.js';
import { AgentError } from '../../src/lib/errors.js';
import { inspectDump } from '../../src/pgdump/inspect.js';
import { splitStatements } from '../../src/pgdump/statements.js';
import { checkCacheName, checkRelativePath, parseLocation } from '../../src/transfer/source.js';
import { makeRig, type Rig } from '../pgdump/rig.js';
import { tempDir } from '../support/temp.js';

const MAX_MS = 1_000;
const everything = process.env['SLAVE_SYNC_HOSTILE'] === 'all';
const parameters = { seed: Number(process.env['SEED'] ?? 20_261_121), numRuns: everything ? 2_000 : 200 };

/** Runs a parser: it may refuse what it is given with an AgentError, and has to come to its end soon. */
function tame(parse: () => unknown): void {
  const start = performance.now();
  try {
    parse();
  } catch (error) {
    expect(error).to.be.instanceOf(AgentError);
  }
  expect(performance.now() - start).to.be.below(MAX_MS);
}

const anyText = fc.string({ unit: 'binary', maxLength: 200 });
/** Text that consists of what a parser looks for. */
const textOf = (...parts: readonly string[]): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...parts) }, anyText), { maxLength: 30 })
    .map((found) => found.join(''));

const holds = <T>(values: fc.Arbitrary<T>, parse: (value: T) => unknown): void =>
  fc.assert(
    fc.property(values, (value) => tame(() => parse(value))),
    parameters,
  );

describe('parsers refuse what they cannot read, and never hang', function () {
  this.timeout(60_000);
  let kinds: readonly Kind[];
  before(async () => (kinds = await loadKinds()));

  const KEYS = [
    'action',
    'name',
    'workspace',
    'schema',
    'data_schema',
    'outdated_schema',
    'data',
    'styles',
    'bbox',
  ];
  const MORE_KEYS = [
    'meta',
    'layers',
    'host',
    'database',
    'capability_url',
    'keywords',
    'auth_level',
    '__proto__',
  ];
  const folders = [
    'layers',
    'workspaces',
    'live_stores',
    'live_layers',
    'wms_stores',
    'wms_layers',
    'layergroups',
  ];
  const path = fc.constantFrom(...folders).map((folder) => `dpaw/${folder}/x.json`);

  it('task files of any value', () => {
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        ...[
          fc.constant(null),
          fc.boolean(),
          fc.double(),
          anyText,
          fc.constantFrom('publish', 'remove', 'meta'),
        ],
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...KEYS, ...MORE_KEYS), anyText), tie('value'), {
          maxKeys: 8,
        }),
      ),
    }));
    const spec = fc.dictionary(fc.constantFrom(...KEYS, ...MORE_KEYS), value, { maxKeys: 12 });
    holds(fc.tuple(path, spec), ([where, content]) => {
      const file = parseTaskFile(where, Buffer.from(JSON.stringify(content)), locate(where, kinds)!);
      const action = file.location.kind.actions[file.action]!;
      const checked = checkSpec(where, file.content, action);
      file.location.kind.identityOf(checked);
      file.location.kind.claimsOf?.(checked);
      file.location.kind.dependsOn?.(checked);
    });
  });

  it('task files of any bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      textOf('{', '}', '[', ']', '"', ':', ',', '\\', '\\u', '"name":', '1e999', 'null').map((text) =>
        Buffer.from(text),
      ),
    );
    holds(fc.tuple(path, bytes), ([where, content]) => parseTaskFile(where, content, locate(where, kinds)!));
  });

  it('depth, without an end of the stack', () => {
    for (const open of ['[', '{"a":', '"', '[{"a":'])
      for (const times of [1_000, 100_000, 1_000_000])
        tame(() =>
          parseTaskFile('x', Buffer.from(`{"x":${open.repeat(times)}`), locate('dpaw/layers/x.json', kinds)!),
        );
  });

  it('paths of the state repository', () =>
    holds(textOf('/', 'dpaw', 'layers', '.json', '.meta', '..', 'slave_roles.sql', '\n'), (text) => {
      const found = locate(text, kinds);
      if (found !== undefined) expect(found.channel).not.to.include('/');
    }));

  it('scripts of roles', () =>
    holds(textOf('\\connect ', '\\c ', 'a', '"', '\n', ';', '--', '/*', '*/', '$$', '\\'), (text) => {
      const parts = splitRoleScript(text, { defaultDatabase: 'a', allowed: new Set(['a']) });
      for (const { database } of parts) expect(database).to.equal('a');
    }));

  it('statements', () =>
    holds(textOf(';', "'", '"', '$$', '$a$', '/*', '*/', '--', '\n', "E'", '\\'), (text) => {
      for (const { start, end } of splitStatements(text)) expect(start).to.be.below(end);
    }));

  it('boxes and keywords', () => {
    const values = fc.oneof(fc.anything(), textOf('[', ']', ',', '1', 'e', '9', '-', '"', '{', ';'));
    holds(values, (value) => {
      const parsed = box.safeParse(value);
      if (parsed.success) expect(Object.values(parsed.data).every(Number.isFinite)).to.equal(true);
      keywords.safeParse(value);
    });
  });

  it('environment files', () =>
    holds(textOf('A=', '"', "'", '\\', '#', '\n', ' ', '$', '`', 'export '), (text) => parseEnvFile(text)));

  it('rules of access', () =>
    holds(textOf('*', '.', 'r', '=', '\n', '\\', '\\u00', '#', '!', ':', 'mode=HIDE'), (text) =>
      parseAccessRules(text),
    ));

  it('places of files', () => {
    const text = textOf(
      '/',
      ':',
      '@',
      '..',
      '-o',
      '-e',
      'host',
      '[',
      ']',
      '::',
      '\\',
      ' ',
      '.db',
      'meta/',
      '.json',
    );
    holds(text, (value) => {
      const { host, path: place } = parseLocation(value);
      expect(host ?? 'x').to.match(/^[^-\s][^\s;$`'"|&<>]*$/);
      expect(place)
        .to.match(/^\/[^\0-\x1f]*$/)
        .and.not.match(/(^|\/)\.\.(\/|$)/);
    });
    holds(text, (value) => expect(join('/cache', checkCacheName(value))).to.match(/^\/cache\/[^.]/));
    holds(text, (value) => expect(join('/cache', checkRelativePath(value))).to.match(/^\/cache\//));
  });

  it('styles', () => {
    const parts = [
      '<StyledLayerDescriptor xmlns="http://www.opengis.net/sld">',
      '</StyledLayerDescriptor>',
      '<a>',
      '</a>',
    ];
    const more = [
      '<!DOCTYPE x [',
      '<!ENTITY e "x">',
      ']>',
      '&e;',
      '&#0;',
      '<![CDATA[',
      '<?xml version="1.0" encoding="UTF-7"?>',
    ];
    const files = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      textOf(...parts, ...more).map((text) => Buffer.from(text)),
      textOf(...parts, ...more).map((text) => Buffer.from(`\ufeff${text}`, 'utf16le')),
    );
    holds(files, (bytes) => {
      const { bytes: prepared } = prepareSld(bytes, 'x');
      expect(prepared.toString('utf8')).not.to.match(/<!(DOCTYPE|ENTITY)/i);
    });
  });

  describe('dumps with some bytes changed', () => {
    let rig: Rig;
    before(async () => {
      rig = await makeRig();
      await rig.master.query(
        'CREATE TABLE d.fuzzed (id serial PRIMARY KEY, a text DEFAULT $$x;y$$ UNIQUE); INSERT INTO d.fuzzed (a) VALUES ($$z$$)',
      );
    });
    after(async () => rig.close());

    for (const format of ['custom', 'tar'] as const)
      it(format, async () => {
        const whole = await readFile(await rig.dump('fuzzed', format));
        const file = join(await tempDir('fuzz'), 'dump');
        const offset = fc.oneof(fc.nat(whole.length - 1), fc.nat(Math.min(whole.length - 1, 3_000)));
        const change = fc.record({ offset, bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) });
        await fc.assert(
          fc.asyncProperty(fc.array(change, { maxLength: 5 }), fc.option(offset), async (changes, cut) => {
            const bytes = Buffer.from(whole);
            for (const { offset: at, bytes: put } of changes)
              bytes.set(put.subarray(0, bytes.length - at), at);
            await writeFile(file, cut === null ? bytes : bytes.subarray(0, cut));
            const start = performance.now();
            const error: unknown = await inspectDump(file, { dataSchema: 'd', table: 'fuzzed' }).catch(
              (e: unknown) => e,
            );
            if (error instanceof Error) expect(error).to.be.instanceOf(AgentError);
            expect(performance.now() - start).to.be.below(MAX_MS);
          }),
          parameters,
        );
      });
  });
});
