import { InvalidArgumentError, type Command } from 'commander';
import { systemClock } from '../lib/clock.js';
import { createLogger } from '../lib/log.js';
import { Redactor } from '../lib/secret.js';
import type { FeatureOptions } from '../publish/feature.js';
import type { CommitOptions, Published, PublishDeps } from '../publish/options.js';
import { EXIT } from './exit-codes.js';
import { stopOnSignals } from './signals.js';

/** Turns work that answers an exit code into an action; see cli.ts. */
type Act = <A extends unknown[]>(work: (...args: A) => Promise<number>) => (...args: A) => Promise<void>;

interface CommitFlags {
  readonly repository: string;
  readonly channel: string;
  readonly push?: boolean;
  readonly ssh?: string;
  readonly message?: string;
  readonly json?: boolean;
}

interface WorkspaceFlags extends CommitFlags {
  readonly schema?: string;
  readonly authLevel?: number;
}

interface LayerFlags extends CommitFlags {
  readonly schema?: string;
}

interface FeatureFlags extends LayerFlags {
  readonly dataRoot: string;
  readonly remote: string;
  readonly title?: string;
  readonly abstract?: string;
  readonly keyword: string[];
  readonly style: string[];
  readonly authLevel?: number;
  readonly previewPath?: string;
  readonly postgres: boolean;
  readonly geoserver: boolean;
}

const GRACE_MS = 10_000;

/** `publish` and its subcommands: the master's side. The database comes from the usual PG* variables. */
export function addPublishCommands(publish: Command, act: Act): void {
  const feature = layerCommand(publish, 'feature', 'dump a table and publish it as a layer');
  withMetadata(feature)
    .option('--no-postgres', 'no table on slaves')
    .option('--no-geoserver', 'nothing in GeoServer on slaves')
    .action(
      act(async (workspace: string, name: string, flags: FeatureFlags) => {
        const { publishFeature } = await import('../publish/feature.js');
        const options = await featureOptions(workspace, name, flags);
        return perform(flags, (deps, signal) => publishFeature(options, deps, signal));
      }),
    );
  withMetadata(layerCommand(publish, 'meta', 'publish new metadata and styles of a feature')).action(
    act(async (workspace: string, name: string, flags: FeatureFlags) => {
      const { publishMeta } = await import('../publish/feature.js');
      const options = await featureOptions(workspace, name, { ...flags, postgres: true, geoserver: true });
      return perform(flags, (deps, signal) => publishMeta(options, deps, signal));
    }),
  );
  layerCommand(publish, 'remove', 'have slaves remove a feature, its layer and its table').action(
    act(async (workspace: string, name: string, flags: LayerFlags) => {
      const { publishRemove } = await import('../publish/feature.js');
      const options = { ...commitOptions(flags), workspace, name, schema: flags.schema };
      return perform(flags, (deps, signal) => publishRemove(options, deps, signal));
    }),
  );
  layerCommand(publish, 'empty-gwc', 'have slaves empty the tiles of a feature').action(
    act(async (workspace: string, name: string, flags: LayerFlags) => {
      const { publishEmptyTiles } = await import('../publish/feature.js');
      const options = { ...commitOptions(flags), workspace, name };
      return perform(flags, (deps, signal) => publishEmptyTiles(options, deps, signal));
    }),
  );
  withCommit(publish.command('workspace'))
    .description('publish a workspace: its schemas, its reader role, its namespace')
    .argument('<workspace>')
    .option('--schema <name>', 'schema of the tables on slaves (default: <workspace>_data)')
    .option('--auth-level <n>', '0 or 1: readable by all; 2: by the role named like the workspace', level)
    .action(
      act(async (workspace: string, flags: WorkspaceFlags) => {
        const { publishWorkspace } = await import('../publish/workspace.js');
        const { schema, authLevel } = flags;
        const options = { ...commitOptions(flags), workspace, schema, authLevel };
        return perform(flags, (deps, signal) => publishWorkspace(options, deps, signal));
      }),
    );
}

function layerCommand(publish: Command, name: string, description: string): Command {
  return withCommit(publish.command(name))
    .description(description)
    .argument('<workspace>')
    .argument('<name>', 'of the table and of the layer')
    .option('--schema <name>', "the table's schema, here and on slaves (default: <workspace>_data)");
}

function withCommit(command: Command): Command {
  return command
    .requiredOption('--channel <name>', 'the folder of the state repository that slaves listen to')
    .option('--repository <folder>', 'the working copy of the state repository', '.')
    .option('--push', 'push the commit')
    .option('--ssh <command>', 'ssh command for the push')
    .option('--message <text>', "the commit's message")
    .option('--json', 'the result as JSON');
}

function withMetadata(command: Command): Command {
  return command
    .requiredOption('--data-root <folder>', 'folder of dumps, styles and meta files, which slaves fetch from')
    .requiredOption('--remote <user@host:>', 'how slaves reach that folder; empty where it is mounted')
    .option('--title <text>')
    .option('--abstract <text>')
    .option('--keyword <word>', 'may be given several times', collect, [])
    .option(
      '--style <name=file[,default]>',
      'an SLD file; "builtin" is the layer\'s own; several',
      collect,
      [],
    )
    .option('--auth-level <n>', '0 or 1: readable by all; 2: by the role named like the workspace', level)
    .option('--preview-path <user@host:folder>', 'where slaves send previews');
}

async function perform(
  flags: CommitFlags,
  work: (deps: PublishDeps, signal: AbortSignal) => Promise<Published>,
): Promise<number> {
  const redactor = new Redactor();
  redactor.add(process.env['PGPASSWORD']);
  const log = createLogger({
    format: 'pretty',
    level: 'info',
    redactor,
    clock: systemClock,
    write: (line) => process.stderr.write(line),
  });
  const stop = stopOnSignals(GRACE_MS);
  const published = await work({ log, clock: systemClock }, stop.signal);
  const text = flags.json
    ? JSON.stringify(published, null, 2)
    : [
        `published ${published.taskFile} in ${published.revision.slice(0, 12)}`,
        ...published.notes.map((note) => `note: ${note}`),
      ].join('\n');
  process.stdout.write(`${text}\n`);
  return stop.exitCode() ?? EXIT.ok;
}

async function featureOptions(workspace: string, name: string, flags: FeatureFlags): Promise<FeatureOptions> {
  const { parseStyle } = await import('../publish/styles.js');
  const { dataRoot, remote, schema, title, abstract, authLevel, previewPath } = flags;
  return {
    ...commitOptions(flags),
    ...{ workspace, name, dataRoot, remote, schema, title, abstract, authLevel, previewPath },
    keywords: flags.keyword,
    styles: flags.style.map(parseStyle),
    syncPostgresData: flags.postgres,
    syncGeoserverData: flags.geoserver,
  };
}

function commitOptions({ repository, channel, push, ssh, message }: CommitFlags): CommitOptions {
  return { repository, channel, push, ssh, message, env: process.env };
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function level(value: string): number {
  const number = Number(value);
  if (!['0', '1', '2'].includes(value)) throw new InvalidArgumentError('0, 1 or 2');
  return number;
}
