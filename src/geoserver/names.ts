import { AgentError } from '../lib/errors.js';

export interface Qualified {
  readonly workspace: string;
  readonly name: string;
}

/**
 * What GeoServer's firewall refuses in an address, encoded or not: an object with such a name could be made, but not
 * be read or removed any more. The line separators count as control characters there.
 */
// prettier-ignore
const REFUSED = /[%/\\;\p{Cc}\u2028\u2029]/u;

/** True when an address can hold the name. */
export function isAddressable(name: string): boolean {
  return !REFUSED.test(name) && name !== '' && name !== '.' && name !== '..' && name.isWellFormed();
}

/** Throws AgentError('invalid-task-file', final) for a name that GeoServer cannot address. */
export function checkName(name: string): void {
  if (isAddressable(name)) return;
  const bad = REFUSED.exec(name)?.[0];
  const why =
    bad === undefined ? 'it is empty, a path, or no proper Unicode' : `it has a ${JSON.stringify(bad)}`;
  throw new AgentError(
    'invalid-task-file',
    `GeoServer cannot address the name ${JSON.stringify(name)}: ${why}`,
    {
      retry: 'final',
      hint: 'Rename it on the master.',
    },
  );
}

/** A name as one segment of a path. */
export function segment(name: string): string {
  checkName(name);
  return encodeURIComponent(name);
}

/** `workspace:name`, as GeoServer writes it. */
export function qualify({ workspace, name }: Qualified): string {
  checkName(workspace);
  checkName(name);
  return `${workspace}:${name}`;
}

/** A path of the REST interface: literal text as it is, each value as one encoded segment. */
export function path(parts: TemplateStringsArray, ...names: readonly string[]): string {
  return parts.reduce((text, part, index) => `${text}${segment(names[index - 1] ?? '')}${part}`);
}
