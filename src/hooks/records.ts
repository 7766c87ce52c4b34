/** How the records of a stream are framed: a header up to `delimiter`, then `size` bytes, then `trailer` bytes. */
export interface RecordFormat {
  readonly delimiter: number;
  readonly trailer: number;
  /** Reads a header (without its delimiter); `undefined` for a header that no content follows. */
  header(text: Buffer): { readonly key: string; readonly size: number } | undefined;
}

/**
 * Takes a stream of sized records apart as it comes. Contents above `maxBytes` are skipped without being kept, so that
 * one huge file costs no memory.
 */
export class RecordReader {
  readonly #format: RecordFormat;
  readonly #maxBytes: number;
  readonly #onRecord: (key: string, content: Buffer | 'too-large') => void;
  #header: Buffer[] = [];
  #record: PartialRecord | undefined;
  #skip = 0;
  #isBroken = false;

  constructor(
    format: RecordFormat,
    maxBytes: number,
    onRecord: (key: string, content: Buffer | 'too-large') => void,
  ) {
    this.#format = format;
    this.#maxBytes = maxBytes;
    this.#onRecord = onRecord;
  }

  /** True between records: a stream that ends elsewhere was cut, or something else wrote into it. */
  get complete(): boolean {
    return !this.#isBroken && this.#record === undefined && this.#header.length === 0 && this.#skip === 0;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#isBroken) rest = this.#take(rest);
  }

  #take(chunk: Buffer): Buffer {
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, chunk.length);
      this.#skip -= skipped;
      return chunk.subarray(skipped);
    }
    return this.#record === undefined ? this.#takeHeader(chunk) : this.#takeContent(this.#record, chunk);
  }

  #takeHeader(chunk: Buffer): Buffer {
    const end = chunk.indexOf(this.#format.delimiter);
    if (end === -1) {
      this.#header.push(chunk);
      return chunk.subarray(chunk.length);
    }
    const found = this.#format.header(Buffer.concat([...this.#header, chunk.subarray(0, end)]));
    this.#header = [];
    if (found !== undefined && !(Number.isSafeInteger(found.size) && found.size >= 0)) this.#isBroken = true;
    else if (found !== undefined) {
      const content = found.size > this.#maxBytes ? undefined : Buffer.allocUnsafe(found.size);
      this.#record = { ...found, content, filled: 0 };
      this.#finishWhenFull(this.#record);
    }
    return chunk.subarray(end + 1);
  }

  #takeContent(record: PartialRecord, chunk: Buffer): Buffer {
    const part = chunk.subarray(0, record.size - record.filled);
    if (record.content) part.copy(record.content, record.filled);
    record.filled += part.length;
    this.#finishWhenFull(record);
    return chunk.subarray(part.length);
  }

  #finishWhenFull(record: PartialRecord): void {
    if (record.filled < record.size) return;
    this.#record = undefined;
    this.#skip = this.#format.trailer;
    this.#onRecord(record.key, record.content ?? 'too-large');
  }
}

interface PartialRecord {
  readonly key: string;
  readonly size: number;
  /** Missing when the content is too large to keep. */
  readonly content: Buffer | undefined;
  filled: number;
}
