import type { SyntaxNode } from '@lezer/common';
import type { ArithmeticOperator } from './arithmetic.js';
import type { Checker, Names } from './check.js';
import type { CompareOperator, Comparison, Expression } from './syntax.js';
import { children } from './tree.js';

/** An operator's word or sign, or an operand. */
interface Token {
  readonly node: SyntaxNode;
  readonly operator: string | undefined;
}

const OPERATOR_NODES: ReadonlySet<string> = new Set([
  'UnaryExpression',
  'BinaryExpression',
  'ConditionalExpression',
]);
const OPERATOR_TOKENS: ReadonlySet<string> = new Set([
  'ArithOp',
  'CompareOp',
  'BitOp',
  'and',
  'or',
  'not',
  'in',
  'is',
  'if',
  'else',
]);
const COMPARE: readonly CompareOperator[] = ['==', '!=', '<', '<=', '>', '>=', 'in', 'is'];
const SUPPORTED: ReadonlySet<string> = new Set([
  ...['if', 'else', 'or', 'and', 'not', '+', '-', '*', '/', '//', '%', '**'],
  ...COMPARE,
]);

export function isOperatorNode(node: SyntaxNode): boolean {
  return OPERATOR_NODES.has(node.name);
}

/**
 * Groups operators and operands by Python's precedence, from `x if c else y` down to `**`. The parser's own grouping is not
 * used: it takes `not a and b` for `not (a and b)`.
 */
export class Operators {
  readonly #checker: Checker;
  readonly #names: Names;
  readonly #root: SyntaxNode;
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(node: SyntaxNode, names: Names, checker: Checker) {
    this.#checker = checker;
    this.#names = names;
    this.#root = node;
    this.#tokens = flatten(node, checker);
    const wrong = this.#tokens.find(({ operator }) => operator !== undefined && !SUPPORTED.has(operator));
    if (wrong !== undefined) {
      const hint = wrong.operator === '<>' ? ': write !=' : '';
      checker.refuse(wrong.node, `the operator ${wrong.operator ?? ''} is not supported${hint}`);
    }
  }

  parse(): Expression {
    const expression = this.#conditional();
    return this.#next === this.#tokens.length ? expression : this.#refuse();
  }

  #conditional(): Expression {
    const start = this.#next;
    const then = this.#logical('or');
    if (!this.#take('if')) return then;
    const test = this.#logical('or');
    if (!this.#take('else')) return this.#refuse();
    const otherwise = this.#nested(() => this.#conditional());
    return { ...this.#span(start), type: 'conditional', test, then, otherwise };
  }

  #logical(type: 'and' | 'or'): Expression {
    const start = this.#next;
    const operand = (): Expression => (type === 'or' ? this.#logical('and') : this.#not());
    const operands = [operand()];
    while (this.#take(type)) operands.push(operand());
    const [only, ...others] = operands;
    return only !== undefined && others.length === 0 ? only : { ...this.#span(start), type, operands };
  }

  #not(): Expression {
    const start = this.#next;
    if (!this.#take('not')) return this.#comparison();
    const operand = this.#nested(() => this.#not());
    return { ...this.#span(start), type: 'not', operand };
  }

  #comparison(): Expression {
    const start = this.#next;
    const first = this.#sum();
    const rest: Comparison[] = [];
    let left = first;
    for (;;) {
      const at = this.#next;
      const operator = this.#compareOperator();
      if (operator === undefined) break;
      const operand = this.#sum();
      if (operator.startsWith('is') && !isSingleton(left) && !isSingleton(operand))
        this.#refuse('the operator is only works with None, True and False: write ==', at);
      rest.push({ operator, operand });
      left = operand;
    }
    return rest.length === 0 ? first : { ...this.#span(start), type: 'compare', first, rest };
  }

  #compareOperator(): CompareOperator | undefined {
    if (this.#take('not')) return this.#take('in') ? 'not in' : this.#refuse();
    const operator = COMPARE.find((candidate) => this.#take(candidate));
    return operator === 'is' && this.#take('not') ? 'is not' : operator;
  }

  #sum(): Expression {
    return this.#leftToRight(['+', '-'], () => this.#leftToRight(['*', '/', '//', '%'], () => this.#sign()));
  }

  #leftToRight(operators: readonly ArithmeticOperator[], operand: () => Expression): Expression {
    const start = this.#next;
    let left = operand();
    for (;;) {
      const operator = operators.find((candidate) => this.#take(candidate));
      if (operator === undefined) return left;
      const right = operand();
      left = { ...this.#span(start), type: 'arithmetic', operator, left, right };
    }
  }

  #sign(): Expression {
    const start = this.#next;
    const sign = (['+', '-'] as const).find((candidate) => this.#take(candidate));
    if (sign === undefined) return this.#power();
    const operand = this.#nested(() => this.#sign());
    return { ...this.#span(start), type: 'sign', sign, operand };
  }

  /** `**` binds more than a sign on its left and less than one on its right. */
  #power(): Expression {
    const start = this.#next;
    const left = this.#operand();
    if (!this.#take('**')) return left;
    const right = this.#nested(() => this.#sign());
    return { ...this.#span(start), type: 'arithmetic', operator: '**', left, right };
  }

  #operand(): Expression {
    const token = this.#tokens[this.#next];
    if (token === undefined || token.operator !== undefined) return this.#refuse();
    this.#next++;
    return this.#checker.expression(token.node, this.#names);
  }

  #take(operator: string): boolean {
    const found = this.#tokens[this.#next]?.operator === operator;
    if (found) this.#next++;
    return found;
  }

  /** From the token with this number to the last one taken, with their parentheses. */
  #span(start: number): { readonly from: number; readonly to: number } {
    const [first, last] = [this.#tokens[start], this.#tokens[this.#next - 1]];
    return { from: first?.node.from ?? 0, to: last?.node.to ?? 0 };
  }

  #nested(work: () => Expression): Expression {
    return this.#checker.nested(this.#nodeAt(this.#next - 1), work);
  }

  #refuse(reason = 'this cannot be read', at = this.#next): never {
    return this.#checker.refuse(this.#nodeAt(at), reason);
  }

  #nodeAt(index: number): SyntaxNode {
    return (this.#tokens[index] ?? this.#tokens.at(-1))?.node ?? this.#root;
  }
}

/** None, True or False: there is one of each, so that `is` can be told from `==`. */
function isSingleton(expression: Expression): boolean {
  return (
    expression.type === 'constant' && (expression.value === null || typeof expression.value === 'boolean')
  );
}

function flatten(node: SyntaxNode, checker: Checker): Token[] {
  const tokens: Token[] = [];
  const pending = [node];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (isOperatorNode(next)) pending.push(...children(next).reverse());
    else
      tokens.push({ node: next, operator: OPERATOR_TOKENS.has(next.name) ? checker.text(next) : undefined });
  }
  return tokens;
}
