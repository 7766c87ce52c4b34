import { run } from '../../../../src/lib/process.js';
import { Dict, PySet, Sequence, type Value } from '../../../../src/jobs/filters/values.js';
import type { Case } from './generator.js';

/** Evaluates each case and writes one line: the value with its types, or `fails`. */
const PROGRAM = `
import json, struct, sys, warnings
warnings.simplefilter('ignore')

def tagged(value):
    if value is None or isinstance(value, bool): return value
    if isinstance(value, int): return ['int', str(value)]
    if isinstance(value, float): return ['float', struct.pack('>d', value).hex()]
    if isinstance(value, str): return ['str', [ord(c) for c in value]]
    if isinstance(value, dict): return ['dict', [[tagged(k), tagged(v)] for k, v in value.items()]]
    return [type(value).__name__, [tagged(item) for item in value]]

for line in sys.stdin:
    case = json.loads(line)
    try:
        print(json.dumps(tagged(eval(case['source'])(case['job']))))
    except Exception:
        print('fails')
`;

/** What Python 3 makes of the cases, in one process. */
export async function evaluateInPython(cases: readonly Case[]): Promise<string[]> {
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join('');
  const { stdout } = await run('python3', ['-X', 'utf8', '-c', PROGRAM], { input });
  return stdout.toString('utf8').trimEnd().split('\n');
}

/** The same form for a value of ours. */
export function tagged(value: Value): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return ['int', value.toString()];
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return ['float', bytes.toString('hex')];
  }
  if (typeof value === 'string') return ['str', Array.from(value, (character) => character.codePointAt(0))];
  if (value instanceof Dict)
    return ['dict', Array.from(value.entries.values(), (entry) => [tagged(entry.key), tagged(entry.value)])];
  if (value instanceof PySet) return ['set', Array.from(value.items.values(), tagged)];
  if (value instanceof Sequence) return [value.kind, value.items.map(tagged)];
  return value satisfies never;
}
