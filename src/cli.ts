#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { addPublishCommands } from './cli/publish-command.js';
import { EXIT, exitCodeOf } from './cli/exit-codes.js';
import { AgentError, messageOf } from './lib/errors.js';
import type { HealthOptions } from './cli/health-command.js';
import type { PinOptions } from './cli/pin-host-command.js';
import type { GlobalOptions, Session } from './cli/session.js';
import { readVersion } from './cli/version.js';

// Whoever reads what is printed may go away (a log reader, a terminal): the work goes on without them.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

/**
 * The commands. Each loads what it needs when it runs, so that a hook with nothing to do stays cheap. The only place that
 * sets the exit code.
 */
const program = new Command('slave-sync')
  .description('Keeps this slave in step with its master: restores tables, publishes layers, reports back.')
  .version(readVersion())
  .option('--env-file <path>', 'settings; otherwise code/.env of the state repository, or .env here')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    `
Exit codes: 0 all is applied, 1 a job failed, 2 wrong usage or configuration, 3 stopped by the removal guard,
70 a bug, 75 another run holds the lock, 130 and 143 stopped by a signal.

First steps on a new slave:
  hg clone ssh://... state && cd state     the state repository
  slave-sync config                        the settings and where each comes from
  slave-sync sync                          everything that is published
  slave-sync init                          from now on every hg pull does it`,
  );

program
  .command('init')
  .description('make this clone of the state repository call slave-sync at every pull')
  .option('--dry-run', 'only say what would be changed')
  .action(
    act(async (options: { dryRun?: boolean }) => {
      const { initCommand } = await import('./cli/init-command.js');
      return initCommand(await session(), options);
    }),
  );

const hook = program.command('hook').description('what the repository calls; see `slave-sync init`');
hook
  .command('hg')
  .description("Mercurial's pretxnchangegroup: applies what is being pulled, or refuses the pull")
  .action(
    act(async () => {
      const { reconcileCommand } = await import('./cli/reconcile-command.js');
      return reconcileCommand(await session(), { command: 'hook hg', inTransaction: true });
    }),
  );
hook
  .command('git')
  .description("git's reference-transaction (with its state) or pre-receive")
  .argument('<phase>', 'prepared, committed, aborted, or pre-receive')
  .action(
    act(async (phase: string) => {
      const { gitHookCommand } = await import('./cli/git-hook-command.js');
      return gitHookCommand(phase, () => session());
    }),
  );
hook
  .command('deny')
  .description('refuses local commits: this clone only follows the master')
  .action(
    act(() => {
      process.stderr.write(
        'This clone of the state repository follows the master: commits are made there.\n',
      );
      return EXIT.failed;
    }),
  );

program
  .command('sync')
  .description('apply now what the state repository says, without a pull')
  .option('--prune', 'also remove what the settings no longer take')
  .option('--wait <seconds>', 'wait for another run to end instead of giving up', positiveNumber)
  .option('--json', 'the summary as JSON')
  .action(
    act(async (options: { prune?: boolean; wait?: number; json?: boolean }) => {
      const { reconcileCommand } = await import('./cli/reconcile-command.js');
      return reconcileCommand(await session(), {
        command: 'sync',
        inTransaction: false,
        prune: options.prune ?? false,
        json: options.json ?? false,
        waitMs: (options.wait ?? 0) * 1_000,
      });
    }),
  );

program
  .command('poll')
  .description('the daemon: pull, apply, sleep, again and again')
  .option('--once', 'pull and apply once, for cron')
  .addHelpText(
    'after',
    `
Pulls every POLL_INTERVAL seconds with slave-sync's own hook switched off, and applies what has come. After failures in
a row it waits longer, ten minutes at most; it is up earlier for a retry that is due, or at SIGUSR1. Settings are read at
the start only: restart it after a change.

TERM or INT ends it: 0, or 143 (130) when work had to be cut off after GRACE_SECONDS. All other exit codes are those of
a start that failed, and of --once.`,
  )
  .action(
    act(async (options: { once?: boolean }) => {
      const { pollCommand } = await import('./cli/poll-command.js');
      return pollCommand(await session(), { once: options.once ?? false });
    }),
  );

program
  .command('health')
  .description('one line and an exit code for monitoring: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN')
  .option('--json', 'as JSON')
  .option(
    '--max-age <seconds>',
    'CRITICAL when pull and run last worked longer ago than this (default: ten times POLL_INTERVAL and at least 900; ' +
      'not judged where neither the daemon nor poll --once has ever run)',
    positiveNumber,
  )
  .option(
    '--max-run <seconds>',
    'WARNING when that is so and a run takes longer than this',
    positiveNumber,
    14_400,
  )
  .option('--max-failed <count>', 'WARNING when more task files than this have failed', positiveNumber, 0)
  .option(
    '--min-free <MiB>',
    'WARNING with less free disk space than this for record or cache, CRITICAL with less than a tenth of it',
    positiveNumber,
    1_024,
  )
  .addHelpText(
    'after',
    `
Also a WARNING: failed polls, a last run that broke off, and a repository that is at another revision than the last run. Run
it as the daemon's user.`,
  )
  .action(
    act(async (options: HealthOptions) => {
      const { healthCommand } = await import('./cli/health-command.js');
      return healthCommand(() => session(), options);
    }),
  );

program
  .command('doctor')
  .description('check everything a run needs, and say how to mend what is wrong; changes nothing')
  .option('--json', 'as JSON')
  .action(
    act(async (options: { json?: boolean }) => {
      const { doctorCommand } = await import('./cli/doctor-command.js');
      return doctorCommand(() => session(), options);
    }),
  );

program
  .command('pin-host')
  .description("keep a host's ssh keys in a known_hosts file, for StrictHostKeyChecking=yes")
  .argument('<host>', 'user@host or user@host:port')
  .option('--file <path>', 'the known_hosts file (default: beside the record)')
  .option('--fingerprint <SHA256:...>', 'take only the key with this fingerprint')
  .option('--replace', 'even when the file has another key of that host')
  .action(
    act(async (host: string, options: PinOptions) => {
      const { pinHostCommand } = await import('./cli/pin-host-command.js');
      return pinHostCommand(() => session(), host, options);
    }),
  );

program
  .command('plan')
  .description(
    'say what a run would do, in order, and whether the removal guard would stop it; fetches meta files into the cache ' +
      'where they are missing, and changes nothing else',
  )
  .option('--prune', 'as with sync')
  .option('--json', 'as JSON')
  .action(
    act(async (options: { prune?: boolean; json?: boolean }) => {
      const { planCommand } = await import('./cli/plan-command.js');
      return planCommand(await session(), options);
    }),
  );

program
  .command('status')
  .description('list the task files with their state, and why one failed')
  .option('--all', 'also those that are done')
  .option('--json', 'as JSON, all of them')
  .action(
    act(async (options: { json?: boolean; all?: boolean }) => {
      const { statusCommand } = await import('./cli/status-command.js');
      return statusCommand(await session(), options);
    }),
  );

program
  .command('retry')
  .description(
    'make task files due again: the failed ones, also for good, or those named, whatever their state',
  )
  .argument('[path...]', 'paths in the state repository; all failed ones when none is given')
  .action(
    act(async (paths: string[]) => {
      const { retryCommand } = await import('./cli/retry-command.js');
      return retryCommand(await session(), paths);
    }),
  );

program
  .command('approve')
  .description('allow exactly the removals that the guard stopped in a run')
  .argument('<run>', "the run's number, as it said")
  .action(
    act(async (run: string) => {
      const { approveCommand } = await import('./cli/approve-command.js');
      return approveCommand(await session(), run);
    }),
  );

program
  .command('config')
  .description('print the effective settings and where each comes from; secrets are hidden')
  .option('--json', 'as JSON')
  .action(
    act(async (options: { json?: boolean }) => {
      const { configCommand } = await import('./cli/config-command.js');
      return configCommand(await session(), options);
    }),
  );

program
  .command('filter')
  .description('try filters')
  .command('test')
  .description('show which task files each filter takes, and why')
  .argument('[name...]', 'only task files of these names')
  .option('--expression <lambda>', 'this expression instead of the configured filters')
  .option('--json', 'as JSON')
  .action(
    act(async (names: string[], options: { expression?: string; json?: boolean }) => {
      const { filterTestCommand } = await import('./cli/filter-command.js');
      return filterTestCommand(await session(), names, options);
    }),
  );

addPublishCommands(
  program.command('publish').description("the master's side: put something into the state repository"),
  act,
);

program
  .command('master')
  .description("the master's database, which this slave reports to")
  .command('init')
  .description('make the tables that slaves report to, where there is no borgcollector to make them')
  .action(
    act(async () => {
      const { masterInitCommand } = await import('./cli/master-command.js');
      return masterInitCommand(await session());
    }),
  );

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = complain(error);
}

/** An action that answers the exit code. */
function act<A extends unknown[]>(
  work: (...args: A) => Promise<number> | number,
): (...args: A) => Promise<void> {
  return async (...args) => {
    process.exitCode = await work(...args);
  };
}

function positiveNumber(value: string): number {
  const number = Number(value);
  if (!(number >= 0)) throw new InvalidArgumentError('not a number');
  return number;
}

async function session(): Promise<Session> {
  const { openSession } = await import('./cli/session.js');
  return openSession(program.opts<GlobalOptions>());
}

function complain(error: unknown): number {
  // commander has printed its own message already; help and version end with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const hint = error instanceof AgentError && error.hint !== undefined ? `\n${error.hint}` : '';
  const code = exitCodeOf(error);
  const isBug = code === EXIT.internal && error instanceof Error;
  process.stderr.write(`slave-sync: ${isBug ? (error.stack ?? error.message) : messageOf(error)}${hint}\n`);
  return code;
}
