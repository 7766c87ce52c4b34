import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Spec } from '../jobs/kind.js';
import { loadKinds } from '../jobs/load-kinds.js';
import { locate } from '../jobs/locate.js';
import { checkSpec } from '../jobs/parse.js';
import { isErrno } from '../lib/errors.js';
import type { WorkingCopy } from './working-copy.js';

/** What one publication changes in the state repository. */
export interface Change {
  /** The task file. */
  readonly path: string;
  readonly content: Spec;
  /** Of its meta file, for the check that a slave would take it. */
  readonly meta?: Spec;
  /** Task files that it makes obsolete; need not be there. */
  readonly removes: readonly string[];
  readonly message: string;
}

/** Refuses what a slave would refuse, before anything is published. */
async function checkChange({ path, content, meta = {} }: Change): Promise<void> {
  const location = locate(path, await loadKinds());
  const { action: name } = content;
  const action = typeof name === 'string' ? location?.kind.actions[name] : undefined;
  if (!action) throw new Error(`no slave would know what to do with ${path}`);
  checkSpec(path, { ...meta, ...content }, action);
}

/**
 * Writes the task file, removes the obsolete ones, commits just these; returns the commit's id. When that fails, the
 * working copy is as it was.
 */
export async function commitChange(
  copy: WorkingCopy,
  change: Change,
  message: string | undefined,
): Promise<string> {
  await checkChange(change);
  await copy.prepare();
  const paths = [change.path, ...change.removes];
  const before = await Promise.all(paths.map((path) => readIfThere(join(copy.root, path))));
  const touched = paths.filter((path, i) => path === change.path || before[i] !== undefined);
  try {
    await writeWhole(join(copy.root, change.path), `${JSON.stringify(change.content, null, 4)}\n`);
    for (const path of change.removes) await rm(join(copy.root, path), { force: true });
    return await copy.commit(touched, message ?? change.message);
  } catch (error) {
    await copy.forget(touched).catch(() => undefined);
    await Promise.all(paths.map((path, i) => restore(join(copy.root, path), before[i])));
    throw error;
  }
}

/** A task file as it is in the working copy; undefined when there is none. */
export async function readTaskFile(copy: WorkingCopy, path: string): Promise<Spec | undefined> {
  const bytes = await readIfThere(join(copy.root, path));
  if (bytes === undefined) return undefined;
  const value: unknown = JSON.parse(bytes.toString());
  return value !== null && typeof value === 'object' ? (value as Spec) : undefined;
}

/** `2026-11-20 22:06:38.245000`, local time: how task files write it. */
export function timestamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}000`;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Whoever reads or commits it meanwhile sees the old file or the new one, never half of it. */
async function writeWhole(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function restore(path: string, content: Buffer | undefined): Promise<void> {
  if (content === undefined) await rm(path, { force: true });
  else await writeWhole(path, content);
}
