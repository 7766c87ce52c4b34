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
