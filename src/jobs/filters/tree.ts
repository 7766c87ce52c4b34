import type { SyntaxNode } from '@lezer/common';
import { FilterError } from './filter.js';

/** A FilterError that says where: the offset as a character number from 1, and the text there. */
export function refusal(source: string, offset: number, reason: string): FilterError {
  const rest = source.slice(offset).trimEnd();
  const near = rest === '' ? 'at its end' : `at character ${offset + 1}, near "${rest.slice(0, 20)}"`;
  return new FilterError(`${near}: ${reason}`, offset);
}

/** The node's children, without comments. */
export function children(node: SyntaxNode): SyntaxNode[] {
  const result: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling)
    if (child.name !== 'Comment') result.push(child);
  return result;
}

/** What stands inside parentheses. */
export function unwrap(node: SyntaxNode): SyntaxNode {
  let inner = node;
  while (inner.name === 'ParenthesizedExpression') {
    const [, content, end, ...others] = children(inner);
    if (content === undefined || end === undefined || others.length > 0) return inner;
    inner = content;
  }
  return inner;
}
