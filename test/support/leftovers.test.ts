import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from './daemon.js';
import { processesOf } from './processes.js';

describe('the rig', () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    it(`leaves no process and no file behind after ${signal}`, async () => {
      const fixture = fileURLToPath(new URL('fixtures/hold.ts', import.meta.url));
      const child = spawn(process.execPath, ['--import', 'tsx', fixture], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const folder = await new Promise<string>((resolve) =>
        child.stdout.once('data', (line: Buffer) => resolve(line.toString('utf8').trim())),
      );
      expect(processesOf(folder)).to.have.length.at.least(2);

      child.kill(signal);

      const gone = (): boolean => processesOf(folder).length === 0 && !existsSync(folder);
      expect(await until(gone, 10_000), processesOf(folder).join('\n')).to.be.true;
    });
});
