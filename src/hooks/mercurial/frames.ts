const HEADER_BYTES = 5;

/**
 * Takes the command server's output apart: a channel letter, the length as four bytes, then that many bytes. Output is
 * handed on as it comes, a frame possibly in several parts (`last` marks the end); other channels' payloads come whole.
 * A request for input (capital letter) has no payload.
 */
export class FrameReader {
  readonly #onPart: (channel: string, part: Buffer, last: boolean) => void;
  #header = Buffer.alloc(0);
  #channel = '';
  #remaining = 0;
  #payload: Buffer[] = [];

  constructor(onPart: (channel: string, part: Buffer, last: boolean) => void) {
    this.#onPart = onPart;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#remaining > 0 ? this.#takePayload(rest) : this.#takeHeader(rest);
  }

  #takeHeader(chunk: Buffer): Buffer {
    const part = chunk.subarray(0, HEADER_BYTES - this.#header.length);
    this.#header = Buffer.concat([this.#header, part]);
    if (this.#header.length === HEADER_BYTES) {
      this.#channel = this.#header.toString('latin1', 0, 1);
      const length = this.#header.readUInt32BE(1);
      this.#header = Buffer.alloc(0);
      if (/[A-Z]/.test(this.#channel) || length === 0) this.#onPart(this.#channel, Buffer.alloc(0), true);
      else this.#remaining = length;
    }
    return chunk.subarray(part.length);
  }

  #takePayload(chunk: Buffer): Buffer {
    const part = chunk.subarray(0, this.#remaining);
    this.#remaining -= part.length;
    if (this.#channel === 'o') this.#onPart(this.#channel, part, this.#remaining === 0);
    else {
      this.#payload.push(part);
      if (this.#remaining === 0) this.#onPart(this.#channel, Buffer.concat(this.#payload.splice(0)), true);
    }
    return chunk.subarray(part.length);
  }
}
