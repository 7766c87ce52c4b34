import { loadConfig, secretsOf, type Config } from '../config.js';
import { readEnvironment } from '../config/environment.js';
import { thisMachine } from '../config/machine.js';
import { findRepositoryRoot } from '../config/repository-root.js';
import {
  findRepository,
  openRepository,
  type ManifestEntry,
  type RepositoryLocation,
  type StateRepository,
} from '../hooks/repository.js';
import { systemClock, type Clock } from '../lib/clock.js';
import { AgentError } from '../lib/errors.js';
import { createLogger, type Logger } from '../lib/log.js';
import { Redactor } from '../lib/secret.js';
import { environmentGuard } from './environment-file.js';
import { stopOnSignals, type Stop } from './signals.js';

export interface GlobalOptions {
  /** Instead of `code/.env` of the state repository or `.env` of the working directory. */
  readonly envFile?: string;
}

/** What every command that works on this slave starts with. */
export interface Session {
  readonly config: Config;
  readonly location: RepositoryLocation;
  /** Refuses a revision that tracks the environment file. */
  readonly accept: (entries: readonly ManifestEntry[]) => void;
  /** The environment file that is in use. */
  readonly envFile: string | undefined;
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
    // See environmentGuard: the revision that is about to be applied decides.
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
  return {
    config,
    location: repository,
    accept: await environmentGuard(repository.root, environment.envFile, environment.forChildren),
    envFile: environment.envFile,
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
