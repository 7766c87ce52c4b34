import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { openRepository, type StateRepository } from '../../src/hooks/repository.js';
import { AgentError, isErrno } from '../../src/lib/errors.js';
import { silentLogger } from '../../src/lib/log.js';
import { vcsEnvironment } from '../support/repository.js';

export const env: NodeJS.ProcessEnv = { ...process.env, ...vcsEnvironment };

export async function open(root: string, branch?: string): Promise<StateRepository> {
  return openRepository({ root, branch, env, log: silentLogger });
}

/** The AgentError that this promise has to end with. */
export async function failureOf(promise: Promise<unknown>): Promise<AgentError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error('did not fail');
}

/** Waits until this is true; gives up after ten seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    if (await condition()) return;
    await delay(50);
  }
  throw new Error('waited ten seconds in vain');
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return false;
    throw error;
  }
}
