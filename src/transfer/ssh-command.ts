import { AgentError } from '../lib/errors.js';

/**
 * Splits a command line such as `ssh -i '/etc/my key' -o KeepAlive=yes` into words as a POSIX shell would, quotes and
 * backslashes included, but without a shell: nothing is expanded. An open quote or an empty line is AgentError 'invalid-config'.
 */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s'"\\]+|'[^']*'|"(?:[^"\\]|\\.)*"|\\.)+)/gsy;
  let end = 0;
  for (const match of line.matchAll(pattern)) {
    end = match.index + match[0].length;
    words.push(unquote(match[1] ?? ''));
  }
  if (words.length === 0 || line.slice(end).trim() !== '')
    throw new AgentError('invalid-config', `the ssh command cannot be split into words: ${line}`, {
      retry: 'final',
      hint: 'Close every quote in BORG_SSH and BORGCOLLECTOR_SSH.',
    });
  return words;
}

/**
 * The words as one text for `rsync -e`, which splits it again without a shell: at blanks, with quotes, in which a
 * doubled quote stands for itself and a backslash is nothing special.
 */
export function forRsync(words: readonly string[]): string {
  return words
    .map((word) => (/[\s'"]/.test(word) || word === '' ? `'${word.replaceAll("'", "''")}'` : word))
    .join(' ');
}

function unquote(word: string): string {
  return word.replace(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gs,
    (_all, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replace(/\\([\\"$`])/g, '$1') ?? escaped ?? '',
  );
}

/** Where options of ssh itself may be put in: behind the program. A wrapper (`sudo -u borg ssh …`) stays in front. */
export function withOptions(words: readonly string[], options: readonly string[]): string[] {
  const program = words.findIndex((word) => word.split('/').at(-1) === 'ssh');
  const end = Math.max(program, 0) + 1;
  // ssh takes the first value it is given, so that these win.
  return [...words.slice(0, end), ...options.flatMap((option) => ['-o', option]), ...words.slice(end)];
}

/** The value that the command line gives an option such as StrictHostKeyChecking; undefined when it gives none. */
export function sshOption(words: readonly string[], name: string): string | undefined {
  return optionsOf(words).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

/** The key files that the command line names, by `-i` or IdentityFile. */
export function identityFiles(words: readonly string[]): string[] {
  const isKey = (word: string): boolean => word.startsWith('-i');
  const named = words.flatMap((word, index) =>
    isKey(word) ? (word.length > 2 ? [word.slice(2)] : (words[index + 1] ?? [])) : [],
  );
  const optional = optionsOf(words).filter(([key]) => key.toLowerCase() === 'identityfile');
  return [...named, ...optional.map(([, value]) => value)];
}

/** `-o Name=value`, `-oName=value` and `-o 'Name value'`. */
function optionsOf(words: readonly string[]): (readonly [string, string])[] {
  return words.flatMap((word, index) => {
    if (!word.startsWith('-o')) return [];
    const text = word.length > 2 ? word.slice(2) : (words[index + 1] ?? '');
    const [, key, value] = /^\s*(\w+)\s*[=\s]\s*(.*)$/s.exec(text) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
}
