/** Random jobs and random expressions over them, the same for the same seed. */

export interface Case {
  readonly source: string;
  readonly job: Record<string, unknown>;
}

type Type = 'int' | 'float' | 'str' | 'bool' | 'list' | 'tuple' | 'dict' | 'none';

const WORDS = [
  '',
  'a',
  'b',
  'tmp_',
  'tmp_roads',
  'Straße',
  'ROADS',
  ' a b ',
  'ﬁx',
  '🗺x🗺',
  'ΣΑΣ',
  '\u00a0x\u2003',
  'a,b,,c',
];

/** `count` cases of the seed. Most give a value; in the rest Python raises, which must be met as well. */
export function generateCases(seed: number, count: number): Case[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const job = makeJob(random);
    const expression = new Expressions(random).any(random.int(1, 5));
    return { source: `lambda job: ${expression}`, job };
  });
}

const TOKENS = [
  ...[
    "job['a']",
    "job.get('a')",
    "'a'",
    '"b"',
    '1',
    '0',
    '2.5',
    '0x1',
    '1_0',
    'None',
    'True',
    'False',
    'x',
    'job',
    'u',
    'r',
    'é',
  ],
  ...[
    '(',
    ')',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '.get(',
    '.find(',
    '.count(',
    'any(',
    'all(',
    'len(',
    "['a']",
    '[0]',
    '[1:]',
  ],
  ...[
    'and',
    'or',
    'not',
    'in',
    'not in',
    'is',
    'is not None',
    'if',
    'else',
    'for x in',
    'lambda',
    '+',
    '-',
    '*',
    '/',
    '//',
    '%',
    '**',
  ],
  ...['<', '<=', '==', '!=', '>', '#', '\n', "'", '"""', '\\', '=', ';', '...'],
];

/** Words of the language in any order: few are expressions, and none may be read as something that it is not. */
export function generateNoise(seed: number, count: number): Case[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const words = Array.from({ length: random.int(1, 7) }, () => random.pick(TOKENS));
    return {
      source: `lambda job: ${words.join(random.chance(0.8) ? ' ' : '')}`,
      job: { a: 1, b: ['a', null] },
    };
  });
}

/** mulberry32: small, and good enough to vary tests. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }
}

function makeJob(random: Random): Record<string, unknown> {
  const words = () => Array.from({ length: random.int(0, 4) }, () => random.pick(WORDS));
  const job: Record<string, unknown> = {
    name: random.pick(WORDS),
    workspace: random.pick(['a', 'b', 'kmi']),
    auth_level: random.int(-1, 3),
    ratio: random.int(-20, 20) + 0.25,
    tags: words(),
    meta: {
      rows: [
        [1, 'x'],
        [2, 'y'],
        [random.int(-5, 5), random.pick(WORDS)],
      ],
      title: random.pick(WORDS),
      deep: { n: null },
    },
    enabled: random.chance(0.5),
    nothing: null,
    größe: random.int(-1000, 1000),
    '🗺': random.pick([1, 'x', null, [], 0.5]),
  };
  if (random.chance(0.3)) delete job['auth_level'];
  return job;
}

class Expressions {
  readonly #random: Random;
  #names = 0;
  #bound: string[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  any(depth: number): string {
    return this.of(
      this.#random.pick<Type>([
        'int',
        'float',
        'str',
        'bool',
        'bool',
        'bool',
        'list',
        'tuple',
        'dict',
        'none',
      ]),
      depth,
    );
  }

  /** Mostly of the type, now and then of another; parentheses are left out at random, so that precedence is tested. */
  of(wanted: Type, depth: number): string {
    const type = this.#random.chance(0.04)
      ? this.#random.pick<Type>(['int', 'str', 'list', 'none', 'float'])
      : wanted;
    const text = depth <= 0 ? this.#leaf(type) : this.#grow(type, depth - 1);
    return this.#random.chance(0.5) ? `(${text})` : text;
  }

  #leaf(type: Type): string {
    const random = this.#random;
    if (this.#bound.length > 0 && random.chance(0.3)) return random.pick(this.#bound);
    switch (type) {
      case 'int':
        return random.pick([
          "job['größe']",
          "job.get('auth_level',-1)",
          '0',
          '1',
          '-3',
          '7',
          '0x1f',
          '1_000',
          '12345678901234567890',
          "len(job['tags'])",
        ]);
      case 'float':
        return random.pick(["job['ratio']", '1.5', '-0.5', '.25', '2.0', '1e3', '1e-3', '0.1', '3.0']);
      case 'str':
        return random.pick([
          "job['name']",
          "job['workspace']",
          "job['meta']['title']",
          ...WORDS.map((word) => this.#quote(word)),
          "job.get('missing', 'x')",
        ]);
      case 'bool':
        return random.pick([
          "job['enabled']",
          'True',
          'False',
          "'auth_level' in job",
          "job.get('auth_level',-1) in [0,1]",
        ]);
      case 'list':
        return random.pick([
          "job['tags']",
          "job['meta']['rows']",
          "['a', 'b']",
          '[]',
          '[1, 2.0, True]',
          "'a,b'.split(',')",
        ]);
      case 'tuple':
        return random.pick(['()', '(1,)', "('a', 'b')", '(1, 2, None)']);
      case 'dict':
        return random.pick(["job['meta']", 'job', "{'a': 1, 'b': [2]}", '{}', '{1: 2, True: 3}']);
      case 'none':
        return random.pick([
          "job['nothing']",
          'None',
          "job.get('missing')",
          "job.get('nothing', 1)",
          "job['auth_level']",
        ]);
    }
  }

  #grow(type: Type, depth: number): string {
    const random = this.#random;
    if (random.chance(0.12))
      return `${this.of(type, depth)} if ${this.of('bool', depth)} else ${this.of(type, depth)}`;
    if (random.chance(0.12))
      return `${this.of(type, depth)} ${random.pick(['and', 'or'])} ${this.of(type, depth)}`;
    switch (type) {
      case 'int':
        return random.pick([
          () => this.#arithmetic('int', ['+', '-', '*', '//', '%'], depth),
          () => `${this.of('int', depth)} ** ${random.pick(['2', '3', '0', 'True'])}`,
          () => `${random.pick(['-', '+', '-+'])}${this.of('int', depth)}`,
          () => `len(${this.of(random.pick(['str', 'list', 'tuple', 'dict']), depth)})`,
          () =>
            `${this.of('str', depth)}.${random.pick(['find', 'count'])}(${this.of('str', depth)}${this.#range()})`,
        ])();
      case 'float':
        return random.pick([
          () => this.#arithmetic(random.pick(['int', 'float']), ['/'], depth),
          () => this.#arithmetic('float', ['+', '-', '*', '//', '%'], depth),
          () => random.pick(['(1.5 ** 2)', '(-0.5 ** 3)', '(2.0 ** -2)', '(-1.5) ** -1', '(0.25 ** 2.0)']),
        ])();
      case 'str':
        return random.pick([
          () => `${this.of('str', depth)}.${random.pick(['lower', 'upper', 'strip', 'lstrip', 'rstrip'])}()`,
          () =>
            `${this.of('str', depth)}.${random.pick(['strip', 'lstrip', 'rstrip'])}(${this.of('str', depth)})`,
          () =>
            `${this.of('str', depth)}.replace(${this.of('str', depth)}, ${this.of('str', depth)}${random.pick(['', ', 1', ', -1', ', 0'])})`,
          () => `${this.of('str', depth)} + ${this.of('str', depth)}`,
          () => `${this.of('str', depth)} * ${random.pick(['2', '0', '-1', 'True'])}`,
          () => `${this.of('str', depth)}[${this.#slice()}]`,
          () => `${this.of('str', depth)}[${random.int(-3, 3)}]`,
          () => `${this.#quote(random.pick(WORDS))} ${this.#quote(random.pick(WORDS))}`,
        ])();
      case 'bool':
        return this.#boolean(depth);
      case 'list':
        return random.pick([
          () => `[${this.any(depth)}, ${this.any(depth)}]`,
          () => `${this.of('list', depth)} + ${this.of('list', depth)}`,
          () => `${random.int(-1, 2)} * ${this.of('list', depth)}`,
          () => `${this.of('list', depth)}[${this.#slice()}]`,
          () =>
            `${this.of('str', depth)}.split(${random.pick(['', "','", "'a'", 'None', 'None, 1', "',', 1", "'', 1", "',', -1"])})`,
        ])();
      case 'tuple':
        return random.pick([
          () => `(${this.any(depth)}, ${this.any(depth)})`,
          () => `${this.of('tuple', depth)} + ${this.of('tuple', depth)}`,
          () => `${this.of('tuple', depth)}[${this.#slice()}]`,
        ])();
      case 'dict':
        return `{${this.of(random.pick(['str', 'int', 'tuple']), depth)}: ${this.any(depth)}, ${this.of('float', depth)}: 1}`;
      case 'none':
        return random.pick([
          () => `${this.of('dict', depth)}.get(${this.of('str', depth)})`,
          () => `${this.of('dict', depth)}.get(${this.of('str', depth)}, ${this.any(depth)})`,
          () => `${this.of('list', depth)}[${this.of('int', 0)}]`,
          () => `${this.of('dict', depth)}[${this.of('str', 0)}]`,
        ])();
    }
  }

  #boolean(depth: number): string {
    const random = this.#random;
    const comparable = random.pick<Type>(['int', 'float', 'str', 'list', 'tuple']);
    const other = comparable === 'int' ? 'float' : comparable;
    const order = () => random.pick(['<', '<=', '>', '>=', '==', '!=']);
    return random.pick([
      () => `not ${this.of('bool', depth)}`,
      () => `${this.of(comparable, depth)} ${order()} ${this.of(other, depth)}`,
      () =>
        `${this.of(comparable, depth)} ${order()} ${this.of(other, depth)} ${order()} ${this.of(comparable, depth)}`,
      () => `${this.any(depth)} ${random.pick(['==', '!='])} ${this.any(depth)}`,
      () =>
        `${this.of('str', depth)} ${random.pick(['in', 'not in'])} ${this.of(random.pick(['str', 'list', 'dict', 'tuple']), depth)}`,
      () =>
        `${this.any(depth)} ${random.pick(['in', 'not in'])} ${this.of(random.pick(['list', 'tuple']), depth)}`,
      () => `${this.any(depth)} ${random.pick(['is', 'is not'])} None`,
      () => `${this.of('str', depth)} in {${this.of('str', depth)}, ${this.of('int', depth)}}`,
      () =>
        `${this.of('str', depth)}.${random.pick(['startswith', 'endswith'])}(${this.of('str', depth)}${this.#range()})`,
      () => `${this.of('str', depth)}.startswith((${this.of('str', depth)}, 'tmp_'))`,
      () =>
        `${random.pick(['any', 'all'])}(${this.of(random.pick(['list', 'tuple', 'dict', 'str']), depth)})`,
      () => this.#quantifier(depth),
    ])();
  }

  #quantifier(depth: number): string {
    const random = this.#random;
    const outer = this.#bound;
    const source = this.of(random.pick(['list', 'tuple', 'str', 'dict']), depth);
    const name = `x${this.#names++}`;
    this.#bound = [...outer, name];
    const condition = random.chance(0.4) ? ` if ${this.of('bool', depth)}` : '';
    const second = random.chance(0.2) ? ` for y in ${this.of('list', depth)}` : '';
    const element = random.chance(0.5)
      ? this.any(depth)
      : `${name} ${random.pick(['==', '!=', 'in', '<'])} ${this.any(depth)}`;
    this.#bound = outer;
    const pairs = random.chance(0.15);
    return pairs
      ? `${random.pick(['any', 'all'])}(k < ${random.int(0, 3)} or v == ${this.of('str', depth)} for k, v in job['meta']['rows'])`
      : `${random.pick(['any', 'all'])}(${element} for ${name} in ${source}${condition}${second})`;
  }

  #arithmetic(type: Type, operators: readonly string[], depth: number): string {
    return `${this.of(type, depth)} ${this.#random.pick(operators)} ${this.of(type, depth)}`;
  }

  #slice(): string {
    const bound = () => this.#random.pick(['', '', '0', '1', '2', '-1', '-2', '100', '-100', 'None']);
    const step = this.#random.pick(['', '', ':', ':1', ':2', ':-1', ':-2', ':0', ':None']);
    return `${bound()}:${bound()}${step}`;
  }

  #range(): string {
    return this.#random.pick(['', '', '', ', 1', ', -2', ', 0, 2', ', None, -1', ', 3, 1', ', 100']);
  }

  #quote(word: string): string {
    const escaped = word.replace(
      /[\u00a0\u2003]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    return this.#random
      .pick(["'", '"', "'''", "u'"])
      .replace(/^(u?)(.+)$/, (_, u: string, q: string) => `${u}${q}${escaped}${q}`);
  }
}
