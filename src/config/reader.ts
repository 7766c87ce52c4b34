import { Secret } from '../lib/secret.js';
import { defaultOf, type VariableName } from './variables.js';

/** Where a value came from: the process, the file, a file named by `*_FILE` or a systemd credential, or the default. */
export type Source = 'environment' | 'file' | 'credential' | 'default';

export interface ConfigProblem {
  /** The variable, or the file and line where there is none. */
  readonly variable: string;
  readonly reason: string;
}

export interface EffectiveSetting {
  readonly value: string | Secret | undefined;
  readonly source: Source;
}

/** Says what is wrong with a value, or nothing when it is right. */
export type Check = (value: string) => string | undefined;

const SIZE_UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/**
 * Reads variables by their declared kind. Nothing throws: problems are collected so that all are told at once, and the
 * caller goes on with the default. An empty value counts as not set.
 */
export class Reader {
  readonly problems: ConfigProblem[] = [];
  readonly warnings: string[] = [];
  readonly settings = new Map<VariableName, EffectiveSetting>();
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #sources: Readonly<Record<string, Source>>;

  constructor(env: Readonly<Record<string, string | undefined>>, sources: Readonly<Record<string, Source>>) {
    this.#env = env;
    this.#sources = sources;
  }

  problem(variable: VariableName, reason: string): void {
    this.problems.push({ variable, reason });
  }

  /** True when the operator set the variable. */
  isSet(name: VariableName): boolean {
    return (this.#env[name] ?? '').trim() !== '';
  }

  /** The value as set, trimmed; otherwise the fallback or the documented default. */
  raw(name: VariableName, fallback = defaultOf(name)): string | undefined {
    return this.#record(name, this.isSet(name) ? this.#env[name]?.trim() : fallback);
  }

  optional(name: VariableName<'text'>, check: Check = noCheck, fallback?: string): string | undefined {
    const value = this.raw(name, fallback ?? defaultOf(name));
    if (value === undefined) return undefined;
    const reason = CONTROL.test(value) ? 'holds a control character' : check(value);
    if (reason === undefined) return value;
    this.problem(name, reason);
    return undefined;
  }

  /** A text that always has a value; '' stands for one that is wrong, and the problem is noted. */
  text(name: VariableName<'text'>, check: Check = noCheck, fallback?: string): string {
    return this.optional(name, check, fallback) ?? '';
  }

  choice<T extends string>(name: VariableName<'text'>, choices: readonly [T, ...T[]], fallback?: T): T {
    const value = this.raw(name, fallback ?? defaultOf(name))?.toLowerCase();
    const found = choices.find((choice) => choice === value);
    if (found === undefined)
      this.problem(name, `must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1) ?? ''}`);
    return found ?? choices[0];
  }

  /** `true`, `yes`, `on` in any case are true and all else is false, as the files of operators have always been read. */
  flag(name: VariableName<'flag'>): boolean {
    const value = this.raw(name)?.toLowerCase() ?? '';
    if (['true', 'yes', 'on'].includes(value)) return true;
    if (!['false', 'no', 'off', '0', ''].includes(value))
      this.warnings.push(`${name}=${value} is read as false: only true, yes and on mean true`);
    return false;
  }

  integer(name: VariableName<'integer'>, range: { min: number; max?: number }, fallback?: number): number {
    return this.optionalInteger(name, range, fallback) ?? range.min;
  }

  optionalInteger(
    name: VariableName<'integer'>,
    range: { min: number; max?: number },
    fallback?: number,
  ): number | undefined {
    const value = this.raw(name, fallback?.toString() ?? defaultOf(name));
    if (value === undefined) return undefined;
    const max = range.max ?? 2 ** 31 - 1;
    const number = /^\d{1,10}$/.test(value) ? Number(value) : NaN;
    if (number >= range.min && number <= max) return number;
    this.problem(name, `must be a whole number from ${range.min} to ${max}`);
    return undefined;
  }

  /** Bytes: `500M`, `20G`, `1.5 GiB`; units are powers of 1024. */
  size(name: VariableName<'size'>): number {
    const value = this.raw(name) ?? '';
    const match = /^(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?$/i.exec(value);
    const unit = (match?.[2] ?? '').toUpperCase() as keyof typeof SIZE_UNITS;
    const bytes = match === null ? NaN : Math.floor(Number(match[1]) * SIZE_UNITS[unit]);
    if (Number.isSafeInteger(bytes)) return bytes;
    this.problem(name, 'must be a number of bytes such as 500M or 20G');
    return 0;
  }

  /** Items separated by commas, trimmed, empty ones left out. */
  list(name: VariableName<'list'>, check: Check = noCheck): readonly string[] {
    const value = this.raw(name);
    if (value === undefined) return [];
    const items = splitList(value);
    if (items.length === 0) this.problem(name, 'is a list without items');
    for (const item of items) {
      const reason = CONTROL.test(item) ? 'holds a control character' : check(item);
      if (reason !== undefined) this.problem(name, reason);
    }
    return items;
  }

  /** As `list`, but undefined when the variable is not set. */
  optionalList(name: VariableName<'list'>): readonly string[] | undefined {
    const items = this.list(name);
    return this.isSet(name) ? items : undefined;
  }

  /** Not trimmed: a password may begin or end with a space. */
  secret(name: VariableName<'secret'>): Secret | undefined {
    const value = this.isSet(name) ? this.#env[name] : defaultOf(name);
    return this.#record(name, value === undefined ? undefined : new Secret(value));
  }

  #record<V extends EffectiveSetting['value']>(name: VariableName, value: V): V {
    const source = this.isSet(name) ? (this.#sources[name] ?? 'environment') : 'default';
    this.settings.set(name, { value, source });
    return value;
  }
}

export function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

const CONTROL = /\p{Cc}/u;

const noCheck: Check = () => undefined;
