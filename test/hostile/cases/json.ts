import { defaults, feature, raw, task, type HostileClass } from '../case.js';

const MEGABYTE = 1024 * 1024;

const NOT_JSON = /no valid JSON/;
const TWICE = /twice/;

/** Files that are no JSON, or JSON that readers differ about. */
export default {
  name: 'JSON, bytes, sizes',
  cases: [
    raw('layers', 'nothing', () => '', NOT_JSON),
    raw('layers', 'white space', () => ' \n', NOT_JSON),
    raw('layers', 'half of it', () => '{"action": "publish", "name": "x', NOT_JSON),
    raw('layers', 'a list', () => '[]', /no JSON object/),
    raw('layers', 'null', () => 'null', /no JSON object/),
    raw('layers', 'a number', () => '1e999', /no JSON object/),
    raw('layers', 'JavaScript', () => '({name: require("fs")})', NOT_JSON),
    raw('layers', 'two documents', () => '{}{}', NOT_JSON),
    raw('layers', 'a comma too many', () => '{"name": "x",}', NOT_JSON),
    raw('layers', 'NaN', () => '{"bbox": [NaN, 0, 0, 0]}', NOT_JSON),
    raw('layers', 'a NUL after it', () => '{}\0', NOT_JSON),
    raw(
      'layers',
      'a NUL in a name',
      (lab, id) => JSON.stringify({ ...defaults('layers', lab, id), name: 'x\0y' }),
      /control character/,
    ),
    raw('layers', 'nothing but zeros', () => Buffer.alloc(1_000), NOT_JSON),
    raw(
      'layers',
      'invalid UTF-8',
      () => Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      /no valid UTF-8/,
    ),
    raw(
      'layers',
      'an overlong slash',
      () => Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
      /no valid UTF-8/,
    ),
    raw(
      'layers',
      'a surrogate in UTF-8',
      () => Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
      /no valid UTF-8/,
    ),
    raw('layers', 'UTF-16', () => Buffer.from('\ufeff{"action":"publish"}', 'utf16le'), /no valid UTF-8/),
    raw('layers', 'gzip', () => Buffer.from('1f8b0800000000000003', 'hex'), /no valid UTF-8/),
    raw('layers', 'a pickle of Python', () => "cos\nsystem\n(S'touch /tmp/pwned'\ntR.", NOT_JSON),
    raw(
      'layers',
      '10 MB and one byte',
      () => `{"x":"${'x'.repeat(10 * MEGABYTE)}"}`,
      /more than the 10485760 allowed|too large/,
    ),
    raw(
      'layers',
      'nearly 10 MB of title',
      (lab, id) =>
        JSON.stringify({ ...defaults('layers', lab, id), name: '', title: 'x'.repeat(9 * MEGABYTE) }),
      /name: "" is empty/,
    ),
    raw('layers', '100,000 open brackets', () => '['.repeat(100_000), NOT_JSON),
    raw(
      'layers',
      '100,000 objects in each other',
      () => '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000),
      /deeper/,
    ),
    raw(
      'layers',
      '5,000 lists in each other',
      () => `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
      /deeper/,
    ),
    raw(
      'layers',
      'a key twice',
      (lab, id) => JSON.stringify(defaults('layers', lab, id)).replace('{', '{"name":"good",'),
      TWICE,
    ),
    raw(
      'layers',
      'a key twice, once with an escape',
      (lab, id) => JSON.stringify(defaults('layers', lab, id)).replace('{', String.raw`{"n\u0061me":"good",`),
      TWICE,
    ),
    raw(
      'layers',
      'a key twice, deep inside',
      () => '{"data":{"file":"a:/b","md5":"x","file":"c:/d"}}',
      TWICE,
    ),
    raw('layers', 'an action twice', () => '{"action":"publish","action":"remove"}', TWICE),
    raw(
      'layers',
      '100,000 keys',
      (lab, id) =>
        JSON.stringify({
          ...Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i])),
          ...defaults('layers', lab, id),
          name: '..',
        }),
      /is or has/,
    ),
    raw(
      'layers',
      '__proto__',
      (lab, id) =>
        JSON.stringify({ ...defaults('layers', lab, id), data: undefined }).replace(
          '{',
          '{"__proto__":{"data":{"file":"h:/x","md5":"00000000000000000000000000000000"}},',
        ),
      /data: is missing/,
    ),
    raw(
      'layers',
      'constructor.prototype',
      (lab, id) =>
        JSON.stringify({
          ...defaults('layers', lab, id),
          sync_postgres_data: false,
          constructor: { prototype: { polluted: true } },
        }),
      /table or view/,
    ),
    raw(
      'layers',
      'an action of every object',
      () => '{"action":"constructor"}',
      /unknown action "constructor"/,
    ),
    raw('layers', '__proto__ as its action', () => '{"action":"__proto__"}', /unknown action "__proto__"/),
    raw('layers', 'an action that is no text', () => '{"action":["publish"]}', /unknown action/),
    raw(
      'layers',
      'an action of 1 MB',
      () => JSON.stringify({ action: 'x'.repeat(MEGABYTE) }),
      /unknown action/,
    ),
    raw(
      'layers',
      'toString as a style',
      (lab, id) =>
        JSON.stringify({
          ...defaults('layers', lab, id),
          sync_postgres_data: false,
          styles: { toString: {}, hasOwnProperty: {} },
          default_style: 'valueOf',
        }),
      /table or view/,
    ),
    raw(
      'layers',
      'another type for each key',
      () =>
        JSON.stringify({
          workspace: 1,
          name: [],
          schema: {},
          data_schema: true,
          outdated_schema: 0,
          styles: 'x',
          data: 'x',
          keywords: 7,
        }),
      /workspace: .*name: /,
    ),
    feature('keywords of 1 MB', { keywords: 'x,'.repeat(MEGABYTE / 2) }, 'published'),
    feature('1,000 keywords', { keywords: Array.from({ length: 1_000 }, (_, i) => `k${i}`) }, 'published'),
    feature('a title with a lone surrogate', { title: 'x\ud800y' }, /title: is no valid Unicode/),
    feature(
      'a name with a lone surrogate',
      (lab) => ({ name: 'x\udc00', data: lab.goodDump }),
      /no valid Unicode/,
    ),
    feature('an SQL view with a lone surrogate', { viewsql: 'SELECT \ud800' }, /Unicode/),
    feature('an SQL view with a NUL', { viewsql: 'SELECT 1\0' }, /control character|NUL|0x00/),
    feature('a byte order mark in its name', { name: '\ufeffx' }, /space|"/),
    feature('line ends in its name', (lab) => ({ name: 'x\ny', data: lab.goodDump }), /control character/),
    feature(
      'line ends in its title',
      { title: 'x\r\nFAILED dpaw/layers/ws1.good.json: forged\u001b[2J' },
      'published',
    ),
    task(
      'layers',
      'escape sequences of a terminal in its name',
      { name: '\u001b[2J\u001b]0;x\u0007' },
      /control character/,
    ),
    task('workspaces', 'a line separator in its name', { schema: 'x\u2028y' }, /address|"/),
  ],
} satisfies HostileClass;
