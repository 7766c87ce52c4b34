import { expect } from 'chai';
import { Budget, MAX_STEPS } from '../../../src/jobs/filters/budget.js';
import { Evaluator, scopeOf } from '../../../src/jobs/filters/evaluate.js';
import { FilterError } from '../../../src/jobs/filters/filter.js';
import { parseLambda } from '../../../src/jobs/filters/parse.js';

function refusal(source: string): FilterError {
  try {
    parseLambda(source);
  } catch (error) {
    if (error instanceof FilterError) return error;
    throw error;
  }
  throw new Error(`not refused: ${source.slice(0, 100)}`);
}

/** Expressions that have no business in a filter; each is refused when it is read, before any job is looked at. */
const REFUSED_BODIES = [
  // Reaching out of the expression.
  "__import__('os').system('id')",
  '().__class__.__bases__[0].__subclasses__()',
  'job.__class__',
  'job.get.__globals__',
  "job['a'].__class__.__mro__",
  "''.join(['a'])",
  "'{0.__class__}'.format(job)",
  "f'{job.__class__}'",
  "getattr(job, 'get')",
  "eval('1')",
  "exec('1')",
  "open('/etc/passwd')",
  'globals()',
  'vars()',
  'print(job)',
  "type('X', (), {})",
  'str(1)',
  'sorted(job)',
  'constructor',
  'process',
  'globalThis',
  "job.constructor('return 1')()",
  'job.__proto__',
  "job.get.constructor('x')",
  'len.constructor',
  'any.__call__([1])',
  'toString()',
  "job.hasOwnProperty('a')",
  'job.valueOf()',
  // Calls of what is no function, and functions bound to names.
  'job(1)',
  "job['get']('a')",
  "(job.get)('a')",
  'len',
  'any(len for len in [1])(2)',
  'len()',
  'len(1, 2)',
  "job.get(*['a'])",
  'job.get(**{})',
  "job.get(key='a')",
  'any(x for x in [1], 2)',
  // Statements, assignments, nested functions.
  'x',
  '(x := 1)',
  '(lambda: 1)()',
  'lambda x: x',
  '(yield)',
  '(yield from [])',
  'await job',
  '1; 2',
  '1\nimport os',
  '1, 2',
  '*job',
  'job.x = 1',
  // Comprehensions and generators elsewhere than in any and all.
  '[x for x in job]',
  '{x for x in job}',
  '{x: 1 for x in job}',
  'len(x for x in job)',
  '(x for x in job)',
  'any([x for x in job])',
  'any(x async for x in job)',
  'any(y for x in job)',
  'any(x for x in [1] if y for y in [2])',
  "any(x['a'] for x['a'] in job)",
  'any(x for (x, (y, z)) in job)',
  // Operators that are not in the list.
  '1 | 2',
  '1 & 2',
  '1 ^ 2',
  '~1',
  '1 << 100',
  '1 >> 1',
  '[1] @ [2]',
  '1 <> 2',
  "job is 'a'",
  '1 is 1',
  // Literals that are not in the list, and malformed ones.
  "b'a'",
  "rb'a'",
  '1j',
  '0777',
  '1__0',
  '1_',
  '0b2',
  "'\\N{DIGIT ONE}'",
  "'\\xg0'",
  "'\\U00110000'",
  "'abc",
  "'a\nb'",
  "'a' b'b'",
  '...',
  '`1`',
  '{**job}',
  '[*job]',
  'job[1, 2]',
  'job[...]',
  'job[]',
  'job[1:2:3:4]',
  '1.strip()',
  '1 +',
  '1 2',
  '(1',
  '1)',
  'not',
  '1 not 2',
  '1 < not 2',
  '1 if 2',
  '{1: }',
  '[,]',
  '(,)',
  '[1,,2]',
  '1 and',
  '',
];

describe('filters: reading the expression', () => {
  for (const body of REFUSED_BODIES)
    it(`refuses ${JSON.stringify(body)}`, () => {
      expect(refusal(`lambda job: ${body}`).message).to.match(/^(at character \d+, near "|at its end: )/);
    });

  for (const source of [
    '',
    'True',
    'job',
    'lambda: True',
    'lambda a, b: True',
    'lambda job=1: True',
    'lambda *job: True',
    'lambda **job: True',
    'lambda (job): True',
    'lambda job: True, 1',
    'lambda job: True; 1',
    '[lambda job: True]',
    '(lambda job: True)(1)',
    'def f(job): return True',
    'import os',
    'lambda job True',
    'lambda',
  ])
    it(`refuses ${JSON.stringify(source)} as a whole`, () => {
      expect(refusal(source).message).to.not.equal('');
    });

  it('says where and why', () => {
    const error = refusal("lambda job: job['a'] in [1, 2] and job.keys()");
    expect(error.offset).to.equal(39);
    expect(error.message).to.equal(
      'at character 40, near "keys()": the method keys is not supported; ' +
        'there are get, startswith, endswith, lower, upper, strip, lstrip, rstrip, split, replace, find, count',
    );
    expect(refusal("lambda job: job.has_key('a')").message).to.contain('write key in job');
    expect(refusal('lambda job: 1 <> 2').message).to.contain('write !=');
    expect(refusal('lambda job: jab').message).to.equal(
      'at character 13, near "jab": the name jab is not defined',
    );
  });

  it('takes comments, parentheses around the whole and any name of the parameter', () => {
    for (const source of [
      '(lambda job: (True))',
      'lambda j: j["a"] is None # why',
      'lambda len: len["a"]',
      'lambda größe: größe',
    ])
      expect(parseLambda(source).source).to.equal(source);
  });

  it('takes three hundred alternatives, which are long but not deep, and more with parentheses', () => {
    const some = (from: number) => Array.from({ length: 300 }, (_, n) => `n==${from + n}`).join(' or ');
    const body = `(${some(0)}) or (${some(300)})`;
    const lambda = parseLambda(`lambda n: ${body}`);
    expect(new Evaluator(lambda).evaluate(lambda.body, new Map([['n', 599n]]))).to.equal(true);
  });
});

/** Expressions that are well formed but ask for too much: refused by count, whether when they are read or when they run. */
const BOMBS: Record<string, string> = {
  'a huge power': '9 ** 9 ** 9 ** 9',
  'a power of powers': '((((99 ** 99) ** 99) ** 99) ** 99) > 0',
  'a power of a negative number': '(-7) ** 10000000000',
  'a huge product': `1${' * (10 ** 999)'.repeat(30)}`,
  'a repeated text': "'a' * 10000000000",
  'a repeated list': '[0] * 10 ** 12 == 0',
  'a text that doubles': `${'('.repeat(60)}'ab'${' * 2)'.repeat(60)}`,
  'a text that grows by replace': `'${'a'.repeat(50)}'${".replace('a', 'aaaaaaaaaaaaaaaaaaaa')".repeat(12)}`,
  'nested loops': `any(a and 0 ${'abcdefgh'
    .split('')
    .map((name) => `for ${name} in [0] * 100`)
    .join(' ')})`,
  'nested loops with conditions': `all(1 ${'abcdefgh'
    .split('')
    .map((name) => `for ${name} in '0123456789' * 9 if ${name}`)
    .join(' ')})`,
  'loops inside loops': `any(${'any('.repeat(20)}0${" for x in 'aaaaaaaaaa')".repeat(20)} for x in 'aaaaaaaaaa')`,
  'deep parentheses': `${'('.repeat(4_000)}1${')'.repeat(4_000)}${' + ('.repeat(300)}1${')'.repeat(300)}`,
  'deep lists': `${'['.repeat(4_000)}${']'.repeat(4_000)}`,
  'deep negations': `${'not '.repeat(2_400)}1`,
  'deep signs': `${'-'.repeat(9_000)}1`,
  'deep conditions': `${'1 if 0 else '.repeat(800)}1`,
  'deep powers': `${'1 ** '.repeat(1_900)}1`,
  'deep sums': `${'1 + '.repeat(2_400)}1`,
  'deep sums inside sums': `${'('.repeat(90)}1${' + 1'.repeat(20)}${`${' + 1'.repeat(20)})`.repeat(90)}`,
  'deep indexes': `job${"['a']".repeat(1_900)}`,
  'deep calls': `job${".get('a')".repeat(1_000)}`,
  'a key of nested tuples': `any(job.get(t) for t in [${'('.repeat(40)}1${',)'.repeat(40)}] for x in 'a' * 100000)`,
  'a key of a long tuple': "any(job.get(t) for t in [(1,) * 50000] for x in 'a' * 100000)",
  'a key of a long text': "any(job.get(t) for t in ['a' * 1000000] for x in 'a' * 100000)",
  'a long list looked at again and again': "any(any(t) for t in [[0] * 50000] for x in 'a' * 100000)",
  'a long list sought again and again': "any(1 in t for t in [[0] * 50000] for x in 'a' * 100000)",
  'a split of a long text': "len(('a,' * 5000000).split(',')) < 0",
  'many names bound again and again': `any(0 for ${Array.from({ length: 500 }, (_, n) => `n${n}`).join()} in [[0] * 500] * 1000000)`,
  'a long number': '9'.repeat(5_000),
  'a long expression': `'${'a'.repeat(20_000)}'`,
};

describe('filters: what asks for too much', () => {
  for (const [name, body] of Object.entries(BOMBS))
    it(`refuses ${name}`, () => {
      const budget = new Budget();
      const evaluate = () => {
        const lambda = parseLambda(`lambda job: ${body}`);
        new Evaluator(lambda, budget).evaluate(lambda.body, scopeOf(lambda, { a: 1 }));
      };
      expect(evaluate).to.throw(
        FilterError,
        /takes more than \d+ steps|more than 4096 bits|goes deeper than|nested too deep|more than 1000 digits|longer than 10000|cannot be read|not subscriptable|no attribute/,
      );
      expect(budget.spent).to.be.at.most(MAX_STEPS);
    });

  it('compares values that are nested as deep as JSON can be', () => {
    const deep = (): unknown => JSON.parse('['.repeat(5_000) + ']'.repeat(5_000));
    const lambda = parseLambda("lambda job: job['a'] == job['b']");
    expect(() =>
      new Evaluator(lambda).evaluate(lambda.body, scopeOf(lambda, { a: deep(), b: deep() })),
    ).to.throw(FilterError, 'goes deeper than 100 levels');
  });

  it('takes a text of some megabytes, as a large abstract may be', () => {
    const lambda = parseLambda(
      "lambda job: 'needle' in job['abstract'] and job['abstract'].lower().strip().count('a') > 1",
    );
    const job = { abstract: `${'a'.repeat(3_000_000)}needle` };
    expect(new Evaluator(lambda).evaluate(lambda.body, scopeOf(lambda, job))).to.equal(true);
  });
});
