// Mocha's spec reporter, which also leaves the counts in the file named by MOCHA_COUNTS_FILE, for test.mjs.
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

export default class CountingSpec extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures } = this.stats;
      writeFileSync(process.env.MOCHA_COUNTS_FILE, JSON.stringify({ passed: passes, failed: failures }));
    });
  }
}
