import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from '../lib/errors.js';
import { run } from '../lib/process.js';

/** A client program of PostgreSQL and its major version. */
export interface Tool {
  readonly path: string;
  readonly major: number;
}

export interface ToolPlaces {
  /** Looked into first, and then nowhere else; from PG_BIN_DIR. */
  readonly pgBinDir?: string | undefined;
  /** Folder with one folder per major version, as Debian's packages have it. */
  readonly versionsDir?: string;
}

const DEBIAN_VERSIONS = '/usr/lib/postgresql';

/** The oldest pg_restore that reads an archive of this version: 1.15 came with PostgreSQL 16, 1.16 with 17. */
const OLDEST_READER: Readonly<Record<string, number>> = { '1.15': 16, '1.16': 17 };

/**
 * The pg_restore for an archive and a server: the newest that reads the archive and that the server understands. From
 * version 17 on pg_restore sends `SET transaction_timeout`, which servers up to 16 refuse.
 * Throws a remote AgentError that names archive, server and the tools there are.
 */
export async function findRestoreTool(
  wanted: { readonly archiveVersion: string; readonly serverMajor: number },
  places: ToolPlaces,
): Promise<Tool> {
  const tools = await findTools('pg_restore', places);
  const oldest = OLDEST_READER[wanted.archiveVersion] ?? 0;
  const fitting = tools.filter(
    (tool) => tool.major >= oldest && (tool.major < 17 || wanted.serverMajor >= 17),
  );
  const best = fitting.sort((a, b) => b.major - a.major)[0];
  if (best) return best;
  throw new AgentError(
    'invalid-config',
    `No pg_restore fits: the archive has version ${wanted.archiveVersion}, the server is PostgreSQL ${wanted.serverMajor}, ${list(tools)}.`,
    {
      retry: 'remote',
      hint:
        oldest >= 17
          ? 'Upgrade the slave’s server to 17, or dump with pg_dump 16 or older on the master.'
          : `Install postgresql-client-${Math.max(oldest, Math.min(wanted.serverMajor, 16))}, or set PG_BIN_DIR.`,
    },
  );
}

/** The pg_dump for a server: the oldest that can dump it, so that the slaves' tools can read the archive. */
export async function findDumpTool(serverMajor: number, places: ToolPlaces = {}): Promise<Tool> {
  const tools = await findTools('pg_dump', places);
  const best = tools.filter((tool) => tool.major >= serverMajor).sort((a, b) => a.major - b.major)[0];
  if (best) return best;
  throw new AgentError(
    'invalid-config',
    `No pg_dump fits: the server is PostgreSQL ${serverMajor}, ${list(tools)}.`,
    {
      retry: 'final',
      hint: `Install postgresql-client-${serverMajor}.`,
    },
  );
}

async function findTools(program: string, places: ToolPlaces): Promise<Tool[]> {
  const paths: string[] = [];
  if (places.pgBinDir !== undefined) paths.push(join(places.pgBinDir, program));
  else {
    const root = places.versionsDir ?? DEBIAN_VERSIONS;
    const versions = await readdir(root).catch(() => []);
    paths.push(...versions.map((version) => join(root, version, 'bin', program)));
  }
  const there = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => path,
        () => undefined,
      ),
    ),
  );
  const found = there.filter((path) => path !== undefined);
  // Other systems have it on the PATH; Debian's there is a wrapper that would only choose among those found above.
  if (found.length === 0 && places.pgBinDir === undefined) found.push(program);
  const tools = await Promise.all(found.map((path) => versionOf(path)));
  return tools.filter((tool) => tool !== undefined);
}

const known = new Map<string, Promise<Tool | undefined>>();

/** Asks each program once per process. */
function versionOf(path: string): Promise<Tool | undefined> {
  const ask = async (): Promise<Tool | undefined> => {
    try {
      const { stdout } = await run(path, ['--version'], { timeoutMs: 10_000 });
      const [, major] = /(\d+)(?:\.|devel|beta|rc|\s|$)/.exec(stdout.toString('utf8')) ?? [];
      return major === undefined ? undefined : { path, major: Number(major) };
    } catch {
      known.delete(path);
      return undefined;
    }
  };
  const answer = known.get(path) ?? ask();
  known.set(path, answer);
  return answer;
}

function list(tools: readonly Tool[]): string {
  return tools.length === 0
    ? 'and there is no such program'
    : `and there are ${tools.map((tool) => `${tool.path} (${tool.major})`).join(', ')}`;
}
