/** What the demo prints: numbered steps with their commands and times, and tables. */
export class Report {
  readonly timings: { readonly step: string; readonly seconds: number }[] = [];
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  line(text = ''): void {
    this.#write(`${text}\n`);
  }

  /** Says what comes, does it, and keeps how long it took. */
  async step<T>(title: string, action: () => Promise<T>): Promise<T> {
    this.line(`\n${this.timings.length + 1}. ${title}`);
    const start = performance.now();
    const result = await action();
    this.timings.push({ step: title, seconds: (performance.now() - start) / 1_000 });
    return result;
  }

  /** A command as one would type it, and what it said. */
  command(text: string, output: string): void {
    this.line(`   $ ${text}`);
    for (const line of output.trimEnd().split('\n').filter(Boolean)) this.line(`     ${line}`);
  }

  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = head.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    const format = (cells: readonly string[]): string =>
      `   ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
    this.line(format(head));
    this.line(format(widths.map((width) => '-'.repeat(width))));
    for (const row of rows) this.line(format(row));
  }
}
