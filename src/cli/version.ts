import { readFileSync } from 'node:fs';

/** The version in package.json, which is two folders up from here, in the source as in the build. */
export function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
