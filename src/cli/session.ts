import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { loadConfig, secretsOf, type Config } from '../config.js';
import { readEnvironment } from '../config/environment.js';
import { thisMachine } from '../config/machine.js';
import { findRepositoryRoot } from '../config/repository-root.js';
import {
  findRepository,
  openRepository,
  type RepositoryLocation,
  type StateRepository,
} from '../hooks/repository.js';
import { systemClock, type Clock } from '../lib/clock.js';
import { AgentError } from '../lib/errors.js';
import { createLogger, type Logger } from '../lib/log.js';
import { Redactor } from '../lib/secret.js';
import { stopOnSignals, type Stop } from './signals.js';

export interface GlobalOptions {
  /** Instead of `code/.env` of the state repository or `.env` of the working directory. */
  readonly envFile?: string;
}

/** What every command that works on this slave starts with. */
export interface Session {
  readonly config: Config;
  readonly location: RepositoryLocation;
  /** The environment file's path in the state repository, when it lies inside. */
  readonly environmentFile: string | undefined;
  readonly log: Logger;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly stop: Stop;
  /** Opens the state repository; `revision` is the one a git hook has to judge. */
  open(signal: AbortSignal, revision?: string): Promise<StateRepository>;
}

/**
 * Reads environment file and configuration. Throws AgentError 'invalid-config' that lists everything that is wrong at
 * once: nothing was touched then.
 */
export async function openSession(options: GlobalOptions): Promise<Session> {
  const root = findRepositoryRoot(process.cwd());
  const environment = await readEnvironment({
    env: process.env,
    envFile: options.envFile,
    repositoryRoot: root,
    cwd: process.cwd(),
    // The revision that is applied decides; see `environmentFile`. Asking the VCS now would cost a process each time.
    isTracked: () => Promise.resolve(false),
  });
  const result = await loadConfig(environment.env, { ...environment, machine: thisMachine() });
  if (!result.ok) {
    const lines = result.errors.map(({ variable, reason }) => `  ${variable}: ${reason}`);
    throw new AgentError('invalid-config', `the configuration is not usable:\n${lines.join('\n')}`, {
      retry: 'final',
    });
  }
  const config = result.value;
  const redactor = new Redactor();
  redactor.add(...secretsOf(config));
  const log = createLogger({
    format: config.logFormat,
    level: config.logLevel,
    redactor,
    clock: systemClock,
    write: (line) => process.stderr.write(line),
  });
  for (const warning of config.warnings) log.warn(warning);
  const repository = await findRepository(config.repositoryRoot);
  if (repository === undefined)
    throw new AgentError(
      'invalid-config',
      `${config.repositoryRoot} is not inside a Mercurial or git repository`,
      {
        retry: 'final',
        hint: 'Run this in the clone of the state repository, or set STATE_REPOSITORY_ROOT.',
      },
    );
  Object.assign(process.env, environment.forChildren);
  return {
    config,
    location: repository,
    environmentFile: await pathInside(repository.root, environment.envFile),
    log,
    redactor,
    clock: systemClock,
    stop: stopOnSignals(config.graceSeconds * 1_000),
    open: (signal, revision) =>
      openRepository({
        root: repository.root,
        branch: config.branch,
        env: process.env,
        log,
        signal,
        revision,
      }),
  };
}

/** The path of a file relative to a folder, links resolved; undefined when it lies elsewhere. */
async function pathInside(folder: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const path = relative(folder, join(await realpath(dirname(file)), basename(file)));
  return path.startsWith('..') ? undefined : path;
}
