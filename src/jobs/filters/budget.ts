/** The most steps one filter may take for one job: some ten milliseconds. */
export const MAX_STEPS = 100_000;
/** The deepest that values or expressions may be nested. */
export const MAX_DEPTH = 100;
/** The longest whole number, in bits: keeps arithmetic on it as cheap as a step. */
const MAX_BITS = 4_096;

const CHARACTERS_PER_STEP = 128;
/** Parts of a text one by one take more memory than the text. */
const ITEMS_PER_STEP = 16;

/** An expression or a value that asks for more work than a filter may take. */
export class BudgetError extends Error {}

/** Bounds the work of one evaluation. Work is paid before it is done. */
export class Budget {
  #left = MAX_STEPS;
  #depth = 0;

  get spent(): number {
    return MAX_STEPS - this.#left;
  }

  spend(steps: number): void {
    if (steps > this.#left) throw new BudgetError(`takes more than ${MAX_STEPS} steps`);
    this.#left -= steps;
  }

  /** Pays for one pass over each of the texts. */
  spendText(...texts: readonly string[]): void {
    for (const text of texts) this.spendCharacters(text.length);
  }

  spendCharacters(count: number): void {
    this.spend(1 + Math.ceil(count / CHARACTERS_PER_STEP));
  }

  /** The characters of a text one by one, paid for. */
  codePoints(text: string): string[] {
    this.spendItems(text.length);
    return Array.from(text);
  }

  /** Pays for a list of parts of a text. */
  spendItems(count: number): void {
    this.spend(1 + Math.ceil(count / ITEMS_PER_STEP));
  }

  nested<T>(work: () => T): T {
    if (this.#depth >= MAX_DEPTH) throw new BudgetError(`goes deeper than ${MAX_DEPTH} levels`);
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
    }
  }

  /** Refuses whole numbers that are too long; `bits` may be an estimate. */
  checkBits(bits: number): void {
    if (bits > MAX_BITS) throw new BudgetError(`makes a number of more than ${MAX_BITS} bits`);
  }
}
