import { readFile } from 'node:fs/promises';
import { prepareSld } from '../geoserver/sld.js';
import { nameProblem } from '../jobs/fields.js';
import { messageOf } from '../lib/errors.js';
import type { DataFolder } from './data-folder.js';
import { refused } from './options.js';

/** The style that GeoServer names like the layer itself. */
const BUILTIN = 'builtin';

/** A style of a layer: an SLD file on this machine. */
export interface StyleOption {
  readonly name: string;
  readonly path: string;
  readonly isDefault: boolean;
}

/** Reads `name=path` or `name=path,default`, as given with --style. */
export function parseStyle(text: string): StyleOption {
  const [, name = '', path = '', isDefault] = /^([^=]+)=(.+?)(,default)?$/s.exec(text) ?? [];
  if (name === '') throw refused(`the style ${JSON.stringify(text)} is not name=path or name=path,default`);
  return { name, path, isDefault: isDefault !== undefined };
}

export interface LoadedStyle extends StyleOption {
  readonly content: Buffer;
}

/** Reads the files and makes sure that each is an SLD; chooses a default (the builtin, else the first) when none is marked. */
export async function loadStyles(styles: readonly StyleOption[]): Promise<LoadedStyle[]> {
  const names = styles.map((style) => style.name);
  for (const name of names) {
    const problem = nameProblem(name);
    if (problem !== undefined) throw refused(`the style name ${JSON.stringify(name)} ${problem}`);
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw refused(`the style ${name} is given twice`);
  }
  const marked = styles.filter((style) => style.isDefault);
  if (marked.length > 1)
    throw refused(`several styles are marked as default: ${marked.map((style) => style.name).join(', ')}`);
  const byDefault = marked[0] ?? styles.find((style) => style.name === BUILTIN) ?? styles[0];
  return Promise.all(
    styles.map(async (style) => {
      const content = await readFile(style.path).catch((error: unknown) => {
        throw refused(`the style ${style.name} cannot be read: ${messageOf(error)}`);
      });
      prepareSld(content, style.name);
      return { ...style, content, isDefault: style === byDefault };
    }),
  );
}

/** Writes the styles as `<layer>.<style>.sld`; returns the keys of the meta file. */
export async function writeStyles(
  styles: readonly LoadedStyle[],
  layer: string,
  folder: DataFolder,
): Promise<Record<string, unknown>> {
  const entries = await Promise.all(
    styles.map(async ({ name, content, isDefault }) => {
      const reference = await folder.write(`${layer}.${name}.sld`, content);
      return [name, { ...reference, default: isDefault }] as const;
    }),
  );
  const byDefault = styles.find((style) => style.isDefault);
  return {
    styles: Object.fromEntries(entries),
    ...(byDefault ? { default_style: byDefault.name } : {}),
  };
}
