import { expect } from 'chai';
import fc from 'fast-check';
import { RecordReader, type RecordFormat } from '../../src/hooks/records.js';

const LIMIT = 8;

/** `<key> <size>LF<bytes>;` and, for a missing file, `<key>LF`. */
const format: RecordFormat = {
  delimiter: '\n'.charCodeAt(0),
  trailer: 1,
  header: (text) => {
    const [key = '', size] = text.toString('latin1').split(' ');
    return size === undefined ? undefined : { key, size: Number(size) };
  },
};

function write(key: string, content: Uint8Array | undefined): Buffer {
  if (content === undefined) return Buffer.from(`${key}\n`);
  return Buffer.concat([Buffer.from(`${key} ${content.length}\n`), content, Buffer.from(';')]);
}

describe('records of a stream', () => {
  it('come out as they went in, wherever the stream is cut, without those that are too large', () => {
    const contents = fc.array(fc.option(fc.uint8Array({ maxLength: LIMIT + 4 }), { nil: undefined }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(contents, fc.integer({ min: 1, max: 20 }), (files, chunkSize) => {
        const found: [string, unknown][] = [];
        const reader = new RecordReader(format, LIMIT, (key, content) =>
          found.push([key, typeof content === 'string' ? content : [...content]]),
        );
        const stream = Buffer.concat(files.map((content, i) => write(`f${i}`, content)));
        for (let at = 0; at < stream.length; at += chunkSize)
          reader.push(stream.subarray(at, at + chunkSize));
        const expected = files.flatMap((content, i) =>
          content === undefined ? [] : [[`f${i}`, content.length > LIMIT ? 'too-large' : [...content]]],
        );
        expect(found).to.deep.equal(expected);
        expect(reader.complete).to.equal(true);
      }),
    );
  });

  it('are known to be incomplete when something else writes into the stream', () => {
    for (const size of [NaN, -1, 1.5, Infinity]) {
      const reader = new RecordReader(
        { ...format, header: () => ({ key: 'file', size }) },
        LIMIT,
        () => undefined,
      );
      reader.push(write('file', Buffer.from('content')));
      expect([size, reader.complete]).to.deep.equal([size, false]);
    }
  });

  it('are known to be incomplete when the stream ends early', () => {
    const stream = write('file', Buffer.from('content'));
    for (let length = 1; length < stream.length; length += 1) {
      const reader = new RecordReader(format, LIMIT, () => undefined);
      reader.push(stream.subarray(0, length));
      expect([length, reader.complete]).to.deep.equal([length, false]);
    }
  });
});
