import { isOurHook } from '../ours.js';

export interface HgrcEdit {
  /** The new file. */
  readonly text: string;
  /** One sentence per change. */
  readonly what: readonly string[];
}

interface HookItem {
  readonly key: string;
  readonly value: string;
  /** The lines it takes, continuation lines included. */
  readonly first: number;
  end: number;
}

/** What operators had as `precommit` before there was `slave-sync hook deny`. */
const DENIED_SCRIPT = /(?:^|[\s/])\.hg\/denied\.sh$/;

/**
 * Writes the two hooks of slave-sync into the text of a .hg/hgrc. What runs slave-sync or the Python agent it replaces
 * is replaced where it stands; all other lines stay as they are. `precommit` gets a suffix only where someone else has
 * a hook by the plain name.
 * @param text the file, one character per byte (latin1), since nobody says which encoding it has
 * @param values the commands, in the same form
 */
export function editHgrc(
  text: string,
  values: { readonly incoming: string; readonly deny: string },
): HgrcEdit {
  const lines = text.split(/(?<=\n)/);
  const eol = lines[0]?.endsWith('\r\n') === true ? '\r\n' : '\n';
  const { items, endOfHooks } = findHooks(lines);
  const foreignPrecommit = items.some((item) => item.key === 'precommit' && !isReplaceable(item));
  const wanted = [
    { type: 'precommit', key: foreignPrecommit ? 'precommit.slave-sync' : 'precommit', value: values.deny },
    { type: 'pretxnchangegroup', key: 'pretxnchangegroup.slave-sync', value: values.incoming },
  ];
  const what: string[] = [];
  const added: string[] = [];
  for (const { type, key, value } of wanted) {
    const line = `${key} = ${value}${eol}`;
    const [present, ...others] = items.filter((item) => typeOf(item.key) === type && isReplaceable(item));
    if (present === undefined) {
      added.push(line);
      what.push(`add the hook ${key}`);
    } else if (present.key !== key || present.value !== value) {
      lines.fill('', present.first, present.end);
      lines[present.first] = line;
      what.push(`replace the hook ${present.key} = ${present.value}`);
    }
    for (const other of others) {
      lines.fill('', other.first, other.end);
      what.push(`remove the hook ${other.key} = ${other.value}`);
    }
  }
  if (added.length > 0) insert(lines, added, endOfHooks, eol);
  return { text: lines.join(''), what };
}

function insert(
  lines: string[],
  added: readonly string[],
  endOfHooks: number | undefined,
  eol: string,
): void {
  const at = endOfHooks ?? lines.length;
  const before = lines[at - 1];
  if (before !== undefined && before !== '' && !before.endsWith('\n')) lines[at - 1] = `${before}${eol}`;
  if (endOfHooks !== undefined) lines.splice(at, 0, ...added);
  else lines.push(...(lines.join('') === '' ? [] : [eol]), `[hooks]${eol}`, ...added);
}

/** Reads a file as Mercurial's own parser does (mercurial/config.py), as far as hooks are concerned. */
function findHooks(lines: readonly string[]): { items: HookItem[]; endOfHooks: number | undefined } {
  const items: HookItem[] = [];
  let section = '';
  let open: HookItem | undefined;
  let endOfHooks: number | undefined;
  for (const [index, raw] of lines.entries()) {
    const line = raw.trimEnd();
    if (open && /^[;#]/.test(line)) continue;
    const continuation = /^\s+(\S.*)$/.exec(line)?.[1];
    if (open && continuation !== undefined) {
      open = { ...open, value: `${open.value}\n${continuation}`, end: index + 1 };
      items[items.length - 1] = open;
      endOfHooks = index + 1;
      continue;
    }
    open = undefined;
    const heading = /^\[([^[]+)\]/.exec(line)?.[1];
    if (heading !== undefined) {
      section = heading;
      if (section === 'hooks') endOfHooks = index + 1;
      continue;
    }
    const [, key, value] = /^([^=\s;#%][^=]*?)\s*=\s*(.*)$/.exec(line) ?? [];
    if (section !== 'hooks' || key === undefined || value === undefined) continue;
    open = { key, value, first: index, end: index + 1 };
    items.push(open);
    endOfHooks = index + 1;
  }
  return { items, endOfHooks };
}

function isReplaceable({ key, value }: HookItem): boolean {
  return isOurHook(key, value) || (typeOf(key) === 'precommit' && DENIED_SCRIPT.test(value));
}

function typeOf(key: string): string {
  return key.split('.')[0] ?? '';
}
