import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import { timeLimit } from '../../src/lib/time-limit.js';

describe('time limit', () => {
  it('fires when the time is over', async () => {
    const signal = timeLimit(new AbortController().signal, 20);
    expect(signal.aborted).to.equal(false);
    await delay(60);
    expect(signal.reason).to.include({ name: 'TimeoutError' });
  });

  it('fires with the other signal and its reason, at once when that has fired already', () => {
    const outer = new AbortController();
    const signal = timeLimit(outer.signal, 60_000);
    outer.abort(new Error('stopped'));
    expect(signal.reason).to.include({ message: 'stopped' });
    expect(timeLimit(outer.signal, 60_000).reason).to.include({ message: 'stopped' });
  });
});
