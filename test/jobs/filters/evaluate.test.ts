import { expect } from 'chai';
import { evaluateFor } from '../../../src/jobs/filters/explain.js';
import { FilterError } from '../../../src/jobs/filters/filter.js';
import { parseLambda } from '../../../src/jobs/filters/parse.js';
import { generateCases, generateNoise, type Case } from './support/generator.js';
import { evaluateInPython, tagged } from './support/python.js';

/** What a filter refuses although Python does it: formatting, and numbers that are too long. */
const REFUSED = /formatting with % is not supported|makes a number of more than/;

function evaluateHere({ source, job }: Case): string {
  try {
    return JSON.stringify(tagged(evaluateFor(parseLambda(source), job)));
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return REFUSED.test(error.message) ? 'refused' : 'fails';
  }
}

async function compare(cases: readonly Case[]): Promise<{ values: number; refused: number }> {
  const expected = await evaluateInPython(cases);
  expect(expected).to.have.length(cases.length);
  const count = { values: 0, refused: 0 };
  cases.forEach((one, index) => {
    const here = evaluateHere(one);
    const there = expected[index] === 'fails' ? 'fails' : JSON.stringify(JSON.parse(expected[index]!));
    if (there !== 'fails') count.values++;
    if (here === 'refused') count.refused++;
    else expect(here, `${one.source}\nof ${JSON.stringify(one.job)}`).to.equal(there);
  });
  return count;
}

describe('filters: the evaluator against Python 3', () => {
  for (const seed of [1, 20_260_101]) {
    it(`gives the same value, or fails where Python fails (seed ${seed}, 2,000 cases)`, async () => {
      const { values, refused } = await compare(generateCases(seed, 2_000));
      expect(values, 'cases with a value').to.be.greaterThan(1_000);
      expect(refused, 'cases that a filter refuses on purpose').to.be.lessThan(20);
    });
  }

  it('reads nothing that Python does not read, in 5,000 sequences of random words', async () => {
    const cases = generateNoise(3, 5_000);
    const expected = await evaluateInPython(cases);
    let values = 0;
    cases.forEach((one, index) => {
      const here = evaluateHere(one);
      if (here === 'fails' || here === 'refused') return;
      values++;
      expect(here, one.source).to.equal(JSON.stringify(JSON.parse(expected[index]!)));
    });
    expect(values).to.be.greaterThan(100);
  });

  it('agrees at the corners of arithmetic, slices, strings and precedence', async () => {
    const job = { s: 'aXbXc', u: 'a🗺b', n: -7, f: 2.5, l: [1, 2, 3, 4, 5], d: { k: [null] }, none: null };
    const bodies = [
      'not True and False, not 1 == 2 or 3, -2 ** 2, 2 ** -1, -7 // 2, -7 % 3, 7 % -3, -7.5 // 2, -7.5 % 2, 0 / -5, 1e308 * 10',
      '2 ** 3 ** 2, 1 - 2 - 3, 8 / 4 / 2, 1 if 0 else 2 if 0 else 3, 1 < 2 < 3, 1 < 2 > 3, 1 == 1.0 == True, 3 > 2 == True',
      "2 ** 70 == 2.0 ** 70, 2 ** 53 + 1 == 2.0 ** 53, 10 ** 30 / 3, (2 ** 70 + 1) / 3, True + True, -True, 1 in [True], 'a' < 'b' <= 'b'",
      "job['l'][::-1], job['l'][-1:0:-2], job['l'][10:], job['l'][:-10:-1], job['u'][::-1], job['u'][1], len(job['u']), job['u'].find('b')",
      "'ß'.upper(), 'İ'.lower(), 'ΑΣ'.lower(), '\\x1c a \\u3000'.strip(), '\\ufeff'.strip(), 'xxaxx'.strip('x'), 'abc'.lstrip('ba'), ''.split()",
      "' a  b '.split(), ' a  b '.split(None, 1), ' a  b '.split(' '), 'a,b,c'.split(',', 1), 'a'.split('a'), '1 2 3 '.split(None, 1)",
      "'aaa'.replace('a', 'b', 2), 'ab'.replace('', '-'), 'ab'.replace('', '-', 2), 'aaa'.count('aa'), 'abc'.count(''), 'abc'.count('', 9)",
      "''.find(''), ''.find('', 1), 'abc'.find('c', -1), 'abc'.startswith('', 4), 'abc'.startswith(()), 'abc'.endswith(('x', 'c')), 'abc'.endswith('b', 0, 2)",
      "[] and 1, [0] or 1, {} or None, () or '', 0.0 or -0.0, not '', any([]), all([]), any(x > 4 for x in job['l']), all(c != 'X' for c in job['s'])",
      "any(x == y for x in job['l'] for y in 'abc'), any(a == 2 and b for a, b in [(1, 0), (2, 'x')]), all(x for x in job), [1, 2] < [1, 3], (1,) < (1, 0)",
      "[1] == (1,), {'a': 1} == {'a': 1.0}, {1: 'a', True: 'b', 1.0: 'c'}, 'k' in job['d'], None in job['d']['k'], job.get('x', job['n']), u'\\x41\\101\\u0041'",
      "'\\d\\'' \"it's\" r'\\n' '''a\nb''', 0x1F, 0o17, 0b11, 1_000.5e-1_0, .5, 00, 'é' == 'e\\u0301', '\\ud83d' < '\\uffff', '🗺' > '\\uffff'",
    ];
    const failing = [
      "job['missing']",
      "job['l'][9]",
      "job['s'][::0]",
      '1 / 0',
      '1 % 0',
      '1.0 // 0',
      '0 ** -1',
      "1 + 'a'",
      "'a' * 1.5",
      "'a' in 1",
      '1 in 1',
      "1 in 'a'",
      'len(1)',
      "'a'.split('')",
      "'a'.strip(1)",
      "'a'.find(1)",
      "'a'.get('a')",
      'job.lower()',
      '{}[[]]',
      '{[]: 1}',
      '[] in {}',
      '{} in {1}',
      'None < 1',
      "1 < 'a'",
      '[] < ()',
      'None <= None',
      '{} < {}',
      '[1, None] < [1, 2]',
      'any(1)',
      'any(a for a, b in [1])',
      'any(a for a, b in [(1, 2, 3)])',
      "job['s'][1.0]",
      "job['s']['a']",
      "job['l'][None]",
      "'a' - 'b'",
      "-'a'",
      '+None',
      "'abc'.startswith(['a'])",
      "'a'.replace('a')",
      "'a'.lower(1)",
      '1e308 ** 2',
      'job.get()',
      "job.get('a', 1, 2)",
      '2 ** 2000 * 1.0 * 2 ** 1999 / 1',
      "'a'.upper.lower()",
      'job[1:2]',
      '1[0]',
      "''.split(None, None)",
    ];
    const cases = [...bodies.map((body) => `(${body},)`), ...failing].map((body) => ({
      source: `lambda job: ${body}`,
      job,
    }));
    const { values, refused } = await compare(cases);
    expect({ values, refused }).to.deep.equal({ values: bodies.length, refused: 0 });
  });
});
