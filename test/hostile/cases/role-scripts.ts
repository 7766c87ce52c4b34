import type { HostileCase, HostileClass, Outcome } from '../case.js';
import type { Lab } from '../lab.js';

const PATH = 'slave_roles.sql';

const script = (title: string, text: (lab: Lab) => string, outcome: Outcome): HostileCase => ({
  title,
  outcome,
  make: (lab) => ({ path: PATH, files: { [PATH]: text(lab) } }),
});

const PSQL = /psql command other than \\connect/;
const DATABASE = /not among those allowed/;

/** Scripts that would leave their database. Inside it they run with the rights that AUTH_USER has: see SECURITY.md. */
export default {
  name: 'scripts of roles',
  cases: [
    script(
      'another database',
      ({ otherDatabase }) => `\\connect ${otherDatabase.name}\nDROP TABLE public.canary;`,
      DATABASE,
    ),
    script(
      'another database, quoted',
      ({ otherDatabase }) => `\\c "${otherDatabase.name}"\nDROP TABLE public.canary;`,
      DATABASE,
    ),
    script(
      'another database, after a good part',
      ({ otherDatabase }) =>
        `CREATE TABLE public.pwned ();\n\\connect ${otherDatabase.name}\nDROP TABLE public.canary;`,
      DATABASE,
    ),
    script('another server', () => `\\connect "host=127.0.0.1 port=1 dbname=postgres"\nSELECT 1;`, DATABASE),
    script('another user', () => '\\connect postgres administrator\nSELECT 1;', PSQL),
    script('an address', () => '\\connect postgresql://h/x\nSELECT 1;', DATABASE),
    script('a command of the shell', ({ canary }) => `SELECT 1;\n\\! touch ${canary}/pwned\n`, PSQL),
    script(
      'a command of the shell behind a query',
      ({ canary }) => `SELECT 1 \\g |touch ${canary}/pwned\n`,
      /syntax error/,
    ),
    script('an inclusion', () => '  \\i /etc/passwd\n', PSQL),
    script('output to a file', ({ canary }) => `\\o ${canary}/pwned\nSELECT 1;`, PSQL),
    script('a copy from a file', ({ canary }) => `\\copy x from ${canary}/secret\n`, PSQL),
    script('COPY by psql', () => 'COPY public.canary FROM stdin;\nx\n\\.\n', PSQL),
    script(
      'a failing statement after others',
      () => 'DROP TABLE public.canary;\nSELECT 1/0;',
      /division by zero/,
    ),
    script('no SQL', () => 'rm -rf /', /syntax error/),
    script('a NUL', () => 'SELECT 1;\0DROP TABLE public.canary;', /NUL|0x00|control/),
    script('a file of a gigabyte', () => '\u0001'.repeat(11 * 1024 * 1024), /more than the|too large/),
    script('nothing but a comment', () => '-- DROP TABLE public.canary;\n/* \\connect other */', 'published'),
  ],
} satisfies HostileClass;
