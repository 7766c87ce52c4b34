import { expect } from 'chai';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../support/repository.js';
import { tempDir } from '../support/temp.js';

const SCRIPT = fileURLToPath(new URL('../../.ci/run', import.meta.url));

describe('.ci/run', () => {
  const cases = [
    { says: ['12 passed, 0 failed'], exits: 0, last: '12 passed, 0 failed', code: 0 },
    { says: ['1 passed, 2 failed'], exits: 1, last: '1 passed, 2 failed', code: 1 },
    { says: ['3 passed, 0 failed', 'npm notice'], exits: 0, last: '3 passed, 0 failed', code: 0 },
    { says: ['no such command'], exits: 127, last: '0 passed, 1 failed', code: 1 },
    { says: ['all is well'], exits: 0, last: '0 passed, 1 failed', code: 1 },
  ];
  for (const { says, exits, last, code } of cases)
    it(`ends with "${last}" and ${code} when npm test says "${says.join(', ')}" and exits with ${exits}`, async () => {
      const clone = await tempDir('clone');
      await mkdir(join(clone, '.ci'));
      await cp(SCRIPT, join(clone, '.ci/run'));
      const test = [...says.map((line) => `echo '${line}'`), `exit ${exits}`].join('; ');
      await writeFile(join(clone, 'package.json'), JSON.stringify({ scripts: { test } }));

      const result = await command(join(clone, '.ci/run'), [], '/');

      expect(result.stdout.trimEnd().split('\n').at(-1)).to.equal(last);
      expect(result.code).to.equal(code);
    });
});
