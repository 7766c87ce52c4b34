import { inspect } from 'node:util';

/** A value that must never be printed: string conversion, JSON and inspection all show `***`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for the one place that hands it to a server or a child's environment. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}

/**
 * Replaces known secrets in any text that leaves the program: logs, status, messages to the master.
 * Secrets shorter than four characters are not replaced, since that would only garble the text.
 */
export class Redactor {
  readonly #needles = new Set<string>();

  add(...secrets: readonly (Secret | string | undefined)[]): void {
    for (const secret of secrets) {
      const value = secret instanceof Secret ? secret.reveal() : secret;
      if (value === undefined || value.length < 4) continue;
      this.#needles.add(value);
      this.#needles.add(encodeURIComponent(value));
      this.#needles.add(JSON.stringify(value).slice(1, -1));
    }
  }

  redact(text: string): string {
    let result = text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi, '$1:***@');
    // The longest first: one secret may be a part of another.
    const needles = [...this.#needles].sort((a, b) => b.length - a.length);
    for (const needle of needles) result = result.replaceAll(needle, '***');
    return result;
  }
}
