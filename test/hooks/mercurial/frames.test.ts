import { expect } from 'chai';
import fc from 'fast-check';
import { FrameReader } from '../../../src/hooks/mercurial/frames.js';

function frame(channel: string, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.write(channel, 'latin1');
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

describe("the command server's frames", () => {
  it('are put together again, wherever the stream is cut', () => {
    const frames = fc.array(fc.tuple(fc.constantFrom('o', 'e', 'r'), fc.uint8Array({ maxLength: 12 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 20 }), (sent, chunkSize) => {
        const found: [string, number[]][] = [];
        const current: number[] = [];
        const reader = new FrameReader((channel, part, last) => {
          current.push(...part);
          if (last) found.push([channel, current.splice(0)]);
          else expect(channel).to.equal('o');
        });
        const stream = Buffer.concat(sent.map(([channel, payload]) => frame(channel, payload)));
        for (let at = 0; at < stream.length; at += chunkSize)
          reader.push(stream.subarray(at, at + chunkSize));
        expect(found).to.deep.equal(sent.map(([channel, payload]) => [channel, [...payload]]));
      }),
    );
  });

  it('may ask for input, with the number of bytes in place of a length', () => {
    const found: [string, number][] = [];
    const reader = new FrameReader((channel, part) => found.push([channel, part.length]));
    const question = Buffer.concat([Buffer.from('L'), Buffer.from([0, 0, 16, 0])]);
    reader.push(Buffer.concat([question, frame('o', Buffer.from('x'))]));
    expect(found).to.deep.equal([
      ['L', 0],
      ['o', 1],
    ]);
  });
});
