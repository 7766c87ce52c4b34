/** Ends the names of the hook keys that `slave-sync init` writes, as in `pretxnchangegroup.slave-sync`. */
const HOOK_SUFFIX = '.slave-sync';

/** The Python program that slave-sync replaces, or one of slave-sync's own hook commands, wherever it is installed. */
const RUNS_AN_AGENT =
  /\bslave_sync\.py\b|\bslave-sync['"]*\s+(?:hook|sync)\b|\s['"]?hook['"]?\s+['"]?(?:hg|deny)\b/;

/** Whether a Mercurial hook is ours: by its key (without `hooks.`), or by what its value runs. */
export function isOurHook(key: string, value: string): boolean {
  return key.endsWith(HOOK_SUFFIX) || RUNS_AN_AGENT.test(value);
}
