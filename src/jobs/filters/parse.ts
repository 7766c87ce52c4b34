import { parser } from '@lezer/python';
import { MAX_DEPTH } from './budget.js';
import { Checker } from './check.js';
import { FilterError } from './filter.js';
import type { Lambda } from './syntax.js';
import { children, refusal, unwrap } from './tree.js';

const MAX_LENGTH = 10_000;

/**
 * Reads `lambda job: expression` and checks it against what a filter may hold:
 *
 * - literals of None, True, False, int, float, str, list, tuple, dict and set
 * - the lambda's one parameter, and the names that a generator expression binds
 * - indexing, slices, `.get` of a dict, and the methods of str in `strings.ts`, with positional arguments
 * - `and`, `or`, `not`, `x if c else y`; chained comparisons with `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`, and `is`
 *   with None, True or False
 * - `+`, `-`, `*`, `/`, `//`, `%`, `**`
 * - `len(x)`, and `any(...)` and `all(...)` of a value or of a generator expression
 *
 * Nothing else: no other attribute, no other call, no assignment, no comprehension, no formatting with `%`; a float needs a
 * digit after its point. Throws FilterError with the place and reason.
 */
export function parseLambda(source: string): Lambda {
  if (source.length > MAX_LENGTH) throw new FilterError(`is longer than ${MAX_LENGTH} characters`, 0);
  checkBrackets(source);
  const tree = parser.parse(source);
  // The parser gives up in a chain such as `a or b or c ...` that is longer than 300 operators and 2,000 characters.
  const hint = source.length > 2_000 ? '; put parts of very long chains of operators into parentheses' : '';
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) throw refusal(source, node.from, `this cannot be read${hint}`);
    },
  });
  const statements = children(tree.topNode);
  const expressions = statements.length === 1 && statements[0] !== undefined ? children(statements[0]) : [];
  const [only] = expressions;
  const lambda = expressions.length === 1 && only !== undefined ? unwrap(only) : undefined;
  if (statements[0]?.name !== 'ExpressionStatement' || lambda?.name !== 'LambdaExpression')
    throw refusal(source, 0, 'a filter is one expression: lambda job: ...');
  const [, parameters, , body, ...others] = children(lambda);
  const names = parameters?.name === 'ParamList' ? children(parameters) : [];
  if (names.length !== 1 || names[0]?.name !== 'VariableName')
    throw refusal(source, lambda.from, 'the lambda must have one parameter');
  if (body === undefined || others.length > 0) throw refusal(source, lambda.from, 'the lambda has no body');
  const parameter = source.slice(names[0].from, names[0].to);
  return { source, parameter, body: new Checker(source).expression(body, new Set([parameter])) };
}

/** The parser's tree of deep brackets takes more stack than there is. Brackets inside strings count too, which harms nobody. */
function checkBrackets(source: string): void {
  let depth = 0;
  for (const { 0: bracket, index } of source.matchAll(/[()[\]{}]/g)) {
    depth += '([{'.includes(bracket) ? 1 : -1;
    if (depth > MAX_DEPTH) throw refusal(source, index, `goes deeper than ${MAX_DEPTH} levels`);
  }
}
