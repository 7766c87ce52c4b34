import { readdir } from 'node:fs/promises';
import type { Kind } from './kind.js';

let loaded: Promise<readonly Kind[]> | undefined;

/** Every kind of src/jobs/kinds/: the folder is the registry. Read once per process, and only when there is work. */
export function loadKinds(): Promise<readonly Kind[]> {
  loaded ??= readKinds();
  return loaded;
}

async function readKinds(): Promise<readonly Kind[]> {
  const folder = new URL('kinds/', import.meta.url);
  const files = (await readdir(folder))
    .filter((file) => /\.[jt]s$/.test(file) && !file.endsWith('.d.ts'))
    .sort();
  return Promise.all(
    files.map(async (file) => ((await import(new URL(file, folder).href)) as { default: Kind }).default),
  );
}
