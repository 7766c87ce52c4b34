import { VARIABLE_GROUPS, type Variable } from './variables.js';

const HEADER = `# Settings of slave-sync. Copy this file to code/.env in the state repository, or to .env in the working directory, or name
# it with --env-file; chmod 600. Every line below is the default; remove the # to change one. The process environment wins.
#
# Values with spaces or a # need quotes. Between double quotes \\" is a quote and \\\\ a backslash; \\n and \\t are line end and tab.
# An empty value counts as not set. true, yes and on (in any case) switch on, everything else switches off.
# Each password can also be read from a file named by <VARIABLE>_FILE, or from a systemd credential named like the variable.
# Neither may be empty. Where a run by hand lacks one that the runs before had, it is refused before it does anything.
`;

/** The text of `.env.example`: every variable with its meaning and its default. */
export function envExample(): string {
  const groups = Object.entries(VARIABLE_GROUPS).map(
    ([title, variables]) => `# ---- ${title}\n\n${variables.map(describe).join('\n')}`,
  );
  return [HEADER, ...groups].join('\n');
}

function describe(variable: Variable): string {
  const rest = variable.default === undefined ? ` Default: ${variable.otherwise ?? 'none'}.` : '';
  return `# ${variable.summary}${rest}\n#${variable.name}=${quote(variable.default ?? '')}\n`;
}

/** Single quotes keep everything as it is; no default holds one. */
function quote(value: string): string {
  return /^[\w./:-]*$/.test(value) ? value : `'${value}'`;
}
