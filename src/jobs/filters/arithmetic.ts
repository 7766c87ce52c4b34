import type { Budget } from './budget.js';
import { asInteger, asNumber, PythonError, Sequence, typeName, type Value } from './values.js';

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

/**
 * Python 3's binary arithmetic on numbers (a float `**` may differ in its last bit: it is the platform's own), and `+` and `*` on str,
 * list and tuple.
 */
export function calculate(left: Value, operator: ArithmeticOperator, right: Value, budget: Budget): Value {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== undefined && b !== undefined) {
    if (typeof a === 'bigint' && typeof b === 'bigint') return calculateInt(a, operator, b, budget);
    return calculateFloat(toFloat(a), operator, toFloat(b));
  }
  if (operator === '+') {
    const sum = concatenate(left, right, budget);
    if (sum !== undefined) return sum;
  }
  if (operator === '*') {
    const product = repeat(left, right, budget) ?? repeat(right, left, budget);
    if (product !== undefined) return product;
  }
  if (operator === '%' && typeof left === 'string')
    throw new PythonError('TypeError', 'formatting with % is not supported in a filter');
  throw new PythonError(
    'TypeError',
    `unsupported operand types for ${operator}: ${typeName(left)} and ${typeName(right)}`,
  );
}

/** Unary `-` and `+`. */
export function applySign(sign: '+' | '-', operand: Value): Value {
  const number = asNumber(operand);
  if (number === undefined)
    throw new PythonError('TypeError', `bad operand type for unary ${sign}: ${typeName(operand)}`);
  return sign === '-' ? -number : number;
}

function calculateInt(a: bigint, operator: ArithmeticOperator, b: bigint, budget: Budget): Value {
  switch (operator) {
    case '+':
      return checked(a + b, budget);
    case '-':
      return checked(a - b, budget);
    case '*':
      return checked(a * b, budget);
    case '/':
      return divideInt(a, nonZero(b));
    case '//':
      return floorDivide(a, nonZero(b));
    case '%':
      return a - floorDivide(a, nonZero(b)) * b;
    case '**':
      if (b < 0n) return calculateFloat(toFloat(a), '**', toFloat(b));
      if (a >= -1n && a <= 1n) return a ** (b % 2n === 0n && b > 0n ? 2n : b > 0n ? 1n : 0n);
      budget.checkBits(Number(b) * (bits(a) - 1));
      return a ** b;
  }
}

function calculateFloat(a: number, operator: ArithmeticOperator, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / nonZero(b);
    case '//':
      return divmod(a, nonZero(b)).quotient;
    case '%':
      return divmod(a, nonZero(b)).remainder;
    case '**':
      return power(a, b);
  }
}

/** The float nearest to a / b, also where a or b has more digits than a float. */
function divideInt(a: bigint, b: bigint): number {
  const shift = Math.max(0, bits(b) - bits(a) + 66);
  const scaled = (abs(a) << BigInt(shift)) / abs(b);
  const rest = (abs(a) << BigInt(shift)) % abs(b);
  // The last bit says that something was cut off, so that a tie is not taken for one.
  const rounded = Number((scaled << 1n) | (rest === 0n ? 0n : 1n));
  const quotient = rounded * 2 ** -Math.min(shift + 1, 1_000) * 2 ** -Math.max(0, shift + 1 - 1_000);
  if (!Number.isFinite(quotient))
    throw new PythonError('ArithmeticError', 'the result is too large for a float');
  return a < 0n === b < 0n ? quotient : -quotient;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

/** As CPython's float_divmod: the remainder has the sign of the divisor. */
function divmod(a: number, b: number): { quotient: number; remainder: number } {
  let remainder = a % b;
  let quotient = (a - remainder) / b;
  if (remainder === 0) remainder = b < 0 ? -0 : 0;
  else if (b < 0 !== remainder < 0) {
    remainder += b;
    quotient -= 1;
  }
  if (quotient === 0) return { quotient: a / b < 0 || Object.is(a / b, -0) ? -0 : 0, remainder };
  const floor = Math.floor(quotient);
  return { quotient: quotient - floor > 0.5 ? floor + 1 : floor, remainder };
}

function power(a: number, b: number): number {
  if (a === 1 || b === 0) return 1;
  if (a === -1 && Math.abs(b) === Infinity) return 1;
  if (a === 0 && b < 0) throw new PythonError('ArithmeticError', 'zero cannot be raised to a negative power');
  if (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b))
    throw new PythonError('ArithmeticError', 'the result is a complex number');
  const result = a ** b;
  if (Math.abs(result) === Infinity && Number.isFinite(a) && Number.isFinite(b))
    throw new PythonError('ArithmeticError', 'the result is too large');
  return result;
}

function concatenate(left: Value, right: Value, budget: Budget): Value | undefined {
  if (typeof left === 'string' && typeof right === 'string') {
    budget.spendText(left, right);
    return left + right;
  }
  if (left instanceof Sequence && right instanceof Sequence && left.kind === right.kind) {
    budget.spend(left.items.length + right.items.length);
    return new Sequence(left.kind, [...left.items, ...right.items]);
  }
  return undefined;
}

function repeat(value: Value, times: Value, budget: Budget): Value | undefined {
  const count = asInteger(times);
  if (count === undefined) return undefined;
  if (abs(count) >= 2n ** 63n)
    throw new PythonError('ArithmeticError', 'the number is too large for a repetition');
  const factor = Math.max(0, Number(count));
  if (typeof value === 'string') {
    if (value === '') return '';
    budget.spendCharacters(value.length * factor);
    return value.repeat(factor);
  }
  if (!(value instanceof Sequence)) return undefined;
  if (value.items.length === 0) return value;
  budget.spend(value.items.length * factor);
  return new Sequence(value.kind, Array.from({ length: factor }, () => value.items).flat());
}

function checked(value: bigint, budget: Budget): bigint {
  budget.checkBits(bits(value));
  return value;
}

function bits(value: bigint): number {
  return abs(value).toString(2).length;
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function nonZero<T extends bigint | number>(divisor: T): T {
  if (divisor == 0) throw new PythonError('ArithmeticError', 'division by zero');
  return divisor;
}

function toFloat(value: bigint | number): number {
  const float = Number(value);
  if (typeof value === 'bigint' && !Number.isFinite(float))
    throw new PythonError('ArithmeticError', 'the number is too large for a float');
  return float;
}
