import { expect } from 'chai';
import fc from 'fast-check';
import { parseEnvFile } from '../../src/config/honcho.js';
import { run } from '../../src/lib/process.js';

/** honcho's own reading of an environment file (`honcho.environ.parse`, 2.0), over NUL-separated files. */
const HONCHO = `
import json, re, shlex, sys

def parse(content):
    values = {}
    for line in content.splitlines():
        tokens = list(shlex.shlex(line, posix=True))
        if len(tokens) < 3: continue
        name, op = tokens[:2]
        value = ''.join(tokens[2:])
        if op != '=': continue
        if not re.match(r'[A-Za-z_][A-Za-z_0-9]*', name): continue
        values[name] = value.replace(r'\\n', '\\n').replace(r'\\t', '\\t')
    return values

for content in sys.stdin.buffer.read().decode('utf8').split('\\0'):
    try: print(json.dumps(parse(content)))
    except ValueError: print('null')
`;

async function readInPython(contents: readonly string[]): Promise<unknown[]> {
  const { stdout } = await run('python3', ['-X', 'utf8', '-c', HONCHO], { input: contents.join('\0') });
  return stdout
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
}

function read(content: string): unknown {
  const { assignments, errors } = parseEnvFile(content);
  return errors.length > 0 ? null : Object.fromEntries(assignments.map(({ name, value }) => [name, value]));
}

describe('config: environment files as honcho reads them', () => {
  const lines = [
    'A=a#b',
    'A=a # b',
    'A= a',
    'A = a',
    'A="x"y',
    'A="x" "y"',
    "A='it''s'",
    'A=a b c',
    'A=',
    'A=""',
    "A=''",
    'export A=b',
    'A==b',
    'A="a\\\\nb"',
    'A="a\\nb\\tc"',
    "A='a\\nb'",
    'A=a\\nb',
    'A="a \\"b\\" c"',
    "A='a \\'",
    "A='a \\' b'",
    'A="a # b"',
    'A="a" # b',
    'A=#b',
    'A=x"#"y',
    'A=a\\#b',
    'A=a\\ b',
    'A.B=c',
    '9A=b',
    '_A=b',
    'Aä=b',
    '"A"=b',
    'A"B"=c',
    'A=$HOME/${X}',
    'A=user@host:/path-1,2',
    'A=~pun|u@|0n$=',
    'A=⋃ñᴉ—☪ó∂ǝ',
    'A="unfinished',
    'A=b\\',
    '# only a comment',
    'A: b',
    'A',
    'A="x\u00a0y"',
    'A=x\u00a0y',
    `FEATURE_FILTER="lambda job:job.get('allow_authenticated',False)"`,
    'WMS_FILTER=\'lambda job: job["a"] # no comment\'',
    'BORG_SSH="ssh -i /etc/id_rsa_borg -o StrictHostKeyChecking=no"',
    'A=one\nA=two\r\nB=three\rC=four\u2028D=five\x85E=six',
  ];

  it('gives what honcho gives for quotes, escapes, # and spaces', async () => {
    const expected = await readInPython(lines);
    lines.forEach((line, index) => expect(read(line), line).to.deep.equal(expected[index]));
  });

  it('gives what honcho gives for any line', async () => {
    const part = fc.constantFrom(
      'A',
      'b',
      '9',
      '=',
      ' ',
      '\t',
      '"',
      "'",
      '\\',
      '#',
      '$',
      ',',
      '\\n',
      'é',
      '€',
      ':',
      '\n',
      '_',
    );
    const contents = fc.sample(
      fc.array(part, { maxLength: 14 }).map((parts) => `A=${parts.join('')}`),
      {
        numRuns: 3_000,
        seed: 7,
      },
    );
    const expected = await readInPython(contents);
    expect(expected.filter((value) => value !== null).length).to.be.greaterThan(1_000);
    contents.forEach((content, index) =>
      expect(read(content), JSON.stringify(content)).to.deep.equal(expected[index]),
    );
  });

  it('warns about what honcho drops', () => {
    const { warnings, errors } = parseEnvFile(
      ['PASSWORD=ab#cd', 'BORG_SSH=ssh -i key', 'export A=b', 'C=#d', "E='open"].join('\n'),
    );
    expect(warnings).to.deep.equal([
      'line 1: PASSWORD is cut at a # outside quotes',
      'line 2: BORG_SSH loses its spaces outside quotes',
      'line 3 is ignored: it is not NAME=value',
      'line 4: C is cut at a # outside quotes',
    ]);
    expect(errors).to.deep.equal([{ line: 5, reason: 'a quote has no end' }]);
  });

  it('is silent about comments, empty values, and quoted values with comments behind them', () => {
    const content = '# a\n\nA=\nB="x y#z" # why\nC = d\nD=\'a\'"b"\nE=a,b # c\n';
    expect(parseEnvFile(content).warnings).to.deep.equal([]);
  });
});
