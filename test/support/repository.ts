import { spawn } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { constants, devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { tempDir } from './temp.js';

export interface CommandOutcome {
  /** The exit code; 128 + n for a process that signal n ended, as a shell has it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestRepository {
  readonly vcs: 'hg' | 'git';
  /** Where the master commits; has a working copy, and may be pushed to. */
  readonly upstream: string;
  /** The slave's clone of it. */
  readonly clone: string;
  /** Writes (or, for null, deletes) files upstream and commits them; answers the new revision's id. */
  commit(files: Readonly<Record<string, string | Buffer | null>>, message?: string): Promise<string>;
  /** What an operator types in the clone: `hg pull` or `git pull`. */
  pull(env?: Readonly<Record<string, string>>): Promise<CommandOutcome>;
}

/** Nothing of the user's or the machine's own settings; the names that a commit needs. */
export const vcsEnvironment = {
  HGRCPATH: devNull,
  HGPLAIN: '1',
  HGENCODING: 'UTF-8',
  HGUSER: 'Master <master@example.org>',
  GIT_CONFIG_GLOBAL: devNull,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Master',
  GIT_AUTHOR_EMAIL: 'master@example.org',
  GIT_COMMITTER_NAME: 'Master',
  GIT_COMMITTER_EMAIL: 'master@example.org',
} as const;

/** An upstream state repository without commits and a clone of it, both in a temporary folder. */
export async function makeRepository(vcs: 'hg' | 'git'): Promise<TestRepository> {
  const folder = await tempDir(`${vcs}-repository`);
  const upstream = join(folder, 'upstream');
  const clone = join(folder, 'clone');
  if (vcs === 'hg') {
    for (const root of [upstream, clone]) await cp(await emptyHg(), root, { recursive: true });
    await writeFile(join(clone, '.hg/hgrc'), `[paths]\ndefault = ${upstream}\n`);
  } else {
    await must('git', ['init', '-q', '-b', 'main', upstream], folder);
    await must('git', ['config', 'receive.denyCurrentBranch', 'updateInstead'], upstream);
    await must('git', ['clone', '-q', upstream, clone], folder);
    await must('git', ['symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/main'], clone);
  }
  return {
    vcs,
    upstream,
    clone,
    commit: async (files, message = 'publish') => {
      const folders = new Set(Object.keys(files).map((path) => dirname(join(upstream, path))));
      for (const parent of folders) await mkdir(parent, { recursive: true });
      await Promise.all(
        Object.entries(files).map(async ([path, content]) => {
          const file = join(upstream, path);
          return content === null ? rm(file) : writeFile(file, content);
        }),
      );
      return commitAll(vcs, upstream, message);
    },
    pull: async (env = {}) =>
      vcs === 'hg'
        ? command('hg', ['pull'], clone, env)
        : command('git', ['pull', '--ff-only', '--no-tags', 'origin'], clone, env),
  };
}

let empty: Promise<string> | undefined;

/** A Mercurial repository without commits, to be copied: to start Mercurial for each costs more than some tests. */
function emptyHg(): Promise<string> {
  empty ??= tempDir('hg-empty').then(async (root) => {
    await must('hg', ['init', root], root);
    return root;
  });
  return empty;
}

/** Commits everything in a working copy and answers the new revision's id. */
export async function commitAll(vcs: 'hg' | 'git', folder: string, message = 'publish'): Promise<string> {
  if (vcs === 'hg') {
    // The hook says the id without another start of Mercurial.
    const tellId = ['--config', 'hooks.commit.slave-sync-tests=echo $HG_NODE'];
    return must('hg', ['commit', '-A', '-q', '-m', message, ...tellId], folder);
  }
  await must('git', ['add', '-A'], folder);
  await must('git', ['commit', '-q', '--allow-empty', '-m', message], folder);
  return must('git', ['rev-parse', 'HEAD'], folder);
}

/** Runs a program to its end, whatever its exit code. */
export async function command(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<CommandOutcome> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...vcsEnvironment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode, signal) =>
      resolve(exitCode ?? 128 + (signal ? constants.signals[signal] : 0)),
    );
  });
  return {
    code,
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8'),
  };
}

/** Runs a program that has to succeed and answers its output without the final newline. */
export async function must(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await command(program, args, cwd);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}: ${stderr}`);
  return stdout.trimEnd();
}
