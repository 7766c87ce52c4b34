/** Ends the names of the hook keys that `slave-sync init` writes, as in `pretxnchangegroup.slave-sync`. */
const HOOK_SUFFIX = '.slave-sync';

/** As README.md has them: a package or checkout of that name, or one that is the repository's `code/` itself. */
const FOLDER = String.raw`(?:\b|borg)slave-sync(?:[-@]v?\d[\w.+-]*)?|(?<![\w.-])code`;
const PROGRAM = String.raw`(?:\bslave-sync|(?:${FOLDER})(?:/releases/[0-9a-f]{40})?/dist/cli\.js)['"]*`;
/** The only option that stands before the verb. */
const OPTION = String.raw`\s+(?:(?<quote>['"])--env-file=.*?\k<quote>|['"]?--env-file['"]?(?:=|\s+)(?:'[^']*'|"[^"]*"|[^\s'"]+))`;

/** The Python program that slave-sync replaces, or one of slave-sync's own hook commands, wherever it is installed. */
const RUNS_AN_AGENT = new RegExp(
  [
    String.raw`\bslave_sync\.py\b`,
    String.raw`${PROGRAM}(?:${OPTION})*\s+['"]?(?:hook|sync)\b(?![.-])`,
    String.raw`\s['"]?hook['"]?\s+['"]?(?:hg|deny)\b`,
  ].join('|'),
);

/** Whether a Mercurial hook is ours: by its key (without `hooks.`), or by what its value runs. */
export function isOurHook(key: string, value: string): boolean {
  return key.endsWith(HOOK_SUFFIX) || RUNS_AN_AGENT.test(value);
}
