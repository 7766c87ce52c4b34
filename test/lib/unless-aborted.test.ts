import { expect } from 'chai';
import { unlessAborted } from '../../src/lib/unless-aborted.js';

describe('unlessAborted', () => {
  const why = (): Error => new Error('stopped');
  const message = (work: Promise<unknown>): Promise<string> =>
    work.then(
      (value) => `was ${String(value)}`,
      (error: unknown) => (error as Error).message,
    );

  it('is what comes of the work, and asks for no reason', async () => {
    const { signal } = new AbortController();
    const never = (): never => expect.fail('nobody stopped it');
    expect(await message(unlessAborted(Promise.resolve(1), signal, never))).to.equal('was 1');
    const failing = Promise.reject(new Error('failed'));
    expect(await message(unlessAborted(failing, signal, never))).to.equal('failed');
  });

  it('ends at once when the signal fires, or has fired; a failure of the work is then nobody’s', async () => {
    const controller = new AbortController();
    let fail = (): void => undefined;
    const work = new Promise((_resolve, reject) => {
      fail = () => reject(new Error('too late'));
    });
    const waiting = message(unlessAborted(work, controller.signal, why));
    controller.abort();
    expect(await waiting).to.equal('stopped');
    fail();
    expect(await message(unlessAborted(work, controller.signal, why))).to.match(/stopped|too late/);
    expect(await message(unlessAborted(new Promise(() => undefined), controller.signal, why))).to.equal(
      'stopped',
    );
  });
});
