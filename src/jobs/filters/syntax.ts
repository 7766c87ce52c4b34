import type { ArithmeticOperator } from './arithmetic.js';
import type { OrderOperator } from './compare.js';
import type { Value } from './values.js';

export type CompareOperator = '==' | '!=' | OrderOperator | 'in' | 'not in' | 'is' | 'is not';

/** Where a part of the expression stands in its text: UTF-16 units, `to` exclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a filter may hold, checked: the evaluator meets nothing else. */
export type Expression = Span &
  (
    | { readonly type: 'constant'; readonly value: Value }
    | { readonly type: 'name'; readonly name: string }
    | { readonly type: 'list' | 'tuple' | 'set'; readonly items: readonly Expression[] }
    | { readonly type: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
    | { readonly type: 'and' | 'or'; readonly operands: readonly Expression[] }
    | { readonly type: 'not'; readonly operand: Expression }
    | { readonly type: 'sign'; readonly sign: '+' | '-'; readonly operand: Expression }
    | {
        readonly type: 'arithmetic';
        readonly operator: ArithmeticOperator;
        readonly left: Expression;
        readonly right: Expression;
      }
    | { readonly type: 'compare'; readonly first: Expression; readonly rest: readonly Comparison[] }
    | {
        readonly type: 'conditional';
        readonly test: Expression;
        readonly then: Expression;
        readonly otherwise: Expression;
      }
    | { readonly type: 'index'; readonly object: Expression; readonly index: Expression }
    | {
        readonly type: 'slice';
        readonly object: Expression;
        /** Start, stop and step. */
        readonly bounds: readonly [Expression | undefined, Expression | undefined, Expression | undefined];
      }
    | {
        readonly type: 'method';
        readonly object: Expression;
        readonly name: string;
        readonly args: readonly Expression[];
      }
    | { readonly type: 'len'; readonly arg: Expression }
    | { readonly type: 'any' | 'all'; readonly arg: Expression | Generator }
  );

/** One operator of a chain and what stands on its right. */
export interface Comparison {
  readonly operator: CompareOperator;
  readonly operand: Expression;
}

/** `element for targets in iterable if condition ...`, only as the argument of any and all. */
export interface Generator extends Span {
  readonly type: 'generator';
  readonly element: Expression;
  readonly clauses: readonly Clause[];
}

export interface Clause {
  /** One name; several take an item apart. */
  readonly targets: readonly string[];
  readonly unpack: boolean;
  readonly iterable: Expression;
  readonly conditions: readonly Expression[];
}

/** `lambda parameter: body`. */
export interface Lambda {
  readonly source: string;
  readonly parameter: string;
  readonly body: Expression;
}
