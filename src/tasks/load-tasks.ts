import { readdir } from 'node:fs/promises';
import type { TaskDefinition } from './task.js';

/** Every task of src/tasks/nouns/, by type: the folder is the registry. Read only when there is work. */
export async function loadTasks(): Promise<ReadonlyMap<string, TaskDefinition>> {
  const folder = new URL('nouns/', import.meta.url);
  const files = (await readdir(folder)).filter((file) => /\.[jt]s$/.test(file) && !file.endsWith('.d.ts'));
  const modules = await Promise.all(
    files.map(
      async (file) => (await import(new URL(file, folder).href)) as { default: readonly TaskDefinition[] },
    ),
  );
  return new Map(
    modules.flatMap((module) => module.default.map((definition) => [definition.type, definition])),
  );
}
