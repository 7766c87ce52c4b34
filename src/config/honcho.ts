/** One assignment of an environment file. */
export interface Assignment {
  readonly name: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

export interface EnvFile {
  readonly assignments: readonly Assignment[];
  /** Lines that honcho stops at: a quote without its end. */
  readonly errors: readonly { readonly line: number; readonly reason: string }[];
  readonly warnings: readonly string[];
}

/**
 * Reads an environment file as honcho does (honcho/environ.py: each line through Python's shlex in POSIX mode, then `\n` and
 * `\t` replaced), since that is what operators' files are written for. dotenv reads the same files differently: it keeps
 * `\"`, joins no quoted parts, cuts differently at `#`, keeps unquoted spaces and accepts `export` and several lines.
 * What honcho drops without a word (after an unquoted `#`, unquoted spaces, lines that assign nothing) gives a warning.
 */
export function parseEnvFile(content: string): EnvFile {
  const assignments: Assignment[] = [];
  const errors: { line: number; reason: string }[] = [];
  const warnings: string[] = [];
  // The line ends of Python's str.splitlines().
  const lines = content.replace(/^\ufeff/, '').split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
  lines.forEach((text, index) => {
    const line = index + 1;
    const { tokens, cut, spaces, reason } = splitLine(text);
    if (reason !== undefined) {
      errors.push({ line, reason });
      return;
    }
    const [name = '', operator, ...values] = tokens;
    if (tokens.length === 0) return;
    if (operator !== '=' || !/^[A-Za-z_]/.test(name)) {
      warnings.push(`line ${line} is ignored: it is not NAME=value`);
      return;
    }
    if (cut) warnings.push(`line ${line}: ${name} is cut at a # outside quotes`);
    if (values.length === 0) return;
    if (spaces) warnings.push(`line ${line}: ${name} loses its spaces outside quotes`);
    const value = values.join('').replaceAll('\\n', '\n').replaceAll('\\t', '\t');
    assignments.push({ name, value, line });
  });
  return { assignments, errors, warnings };
}

interface Line {
  readonly tokens: readonly string[];
  /** A comment directly follows a value: `a#b`, which was perhaps meant as one value. */
  readonly cut: boolean;
  /** Spaces between two parts of a value are dropped. */
  readonly spaces: boolean;
  readonly reason?: string;
}

/** What shlex takes for part of a word; any other character outside quotes is a token of its own. */
const WORD = /[A-Za-z0-9_ßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞ]/;

function splitLine(text: string): Line {
  const tokens: string[] = [];
  let word: string | undefined;
  let cut = false;
  let spaces = false;
  let spaceBefore = false;
  const finishWord = (): void => {
    if (word !== undefined) tokens.push(word);
    word = undefined;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '#') {
      cut = !spaceBefore && tokens.length >= 2;
      break;
    }
    if (character === ' ' || character === '\t') {
      finishWord();
      spaceBefore = true;
      continue;
    }
    // Spaces around the = are as good as none.
    if (spaceBefore && tokens.length > 2) spaces = true;
    spaceBefore = false;
    if (character === '"' || character === "'") {
      const quoted = readQuoted(text, at);
      if (quoted === undefined) return { tokens, cut, spaces, reason: 'a quote has no end' };
      word = (word ?? '') + quoted.value;
      at = quoted.end;
    } else if (character === '\\') {
      if (at + 1 === text.length) return { tokens, cut, spaces, reason: 'a backslash has nothing behind it' };
      word = (word ?? '') + text.charAt(++at);
    } else if (WORD.test(character)) word = (word ?? '') + character;
    else {
      finishWord();
      tokens.push(character);
    }
  }
  finishWord();
  return { tokens, cut, spaces };
}

/** Single quotes keep everything; in double quotes a backslash escapes a double quote and itself, and else stays. */
function readQuoted(
  text: string,
  start: number,
): { readonly value: string; readonly end: number } | undefined {
  const quote = text.charAt(start);
  let value = '';
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === quote) return { value, end: at };
    const escaped = character === '\\' && quote === '"' ? text.charAt(at + 1) : '';
    if (escaped === '"' || escaped === '\\') at++;
    value += escaped === '"' || escaped === '\\' ? escaped : character;
  }
  return undefined;
}
