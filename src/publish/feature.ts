import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Spec } from '../jobs/kind.js';
import { dumpTable } from '../pgdump/dump.js';
import { parseLocation } from '../transfer/source.js';
import { DataFolder } from './data-folder.js';
import {
  checkNames,
  refused,
  type LayerName,
  type Published,
  type PublishDeps,
  type CommitOptions,
  type DataOptions,
} from './options.js';
import { loadStyles, writeStyles, type LoadedStyle, type StyleOption } from './styles.js';
import { tableFacts } from './table-facts.js';
import { publish } from './publish.js';
import { readTaskFile, timestamp } from './task-file.js';
import { openWorkingCopy, type WorkingCopy } from './working-copy.js';

/** What a meta file says of a feature. What is left out gets its default, also when the feature is published again. */
export interface FeatureOptions extends CommitOptions, DataOptions, LayerName {
  /** The table's schema in the master's database, and its `data_schema` on slaves; default `<workspace>_data`. */
  readonly schema?: string | undefined;
  readonly title?: string | undefined;
  readonly abstract?: string | undefined;
  readonly keywords?: readonly string[] | undefined;
  readonly styles?: readonly StyleOption[] | undefined;
  /** 0 or 1: readable by all, 2: by the role named like the workspace. Default: the workspace's, else 1. */
  readonly authLevel?: number | undefined;
  /** `user@host:/folder` that slaves send previews to. */
  readonly previewPath?: string | undefined;
  /** False: no table on slaves, or nothing in GeoServer. */
  readonly syncPostgresData?: boolean | undefined;
  readonly syncGeoserverData?: boolean | undefined;
  /** Replaces keys of `geoserver_setting`. */
  readonly geoserverSetting?: Spec | undefined;
}

const GEOSERVER_SETTING = { create_cache_layer: true, client_cache_expire: 0, server_cache_expire: 0 };

/**
 * `publish feature`: dumps the table, writes dump, styles and meta file into a folder of their own, commits the task file and
 * removes the feature's `.meta.json` and `.empty_gwc.json`, which the new one makes obsolete.
 * Throws AgentError: 'invalid-config' (options), 'invalid-data' (a table or style that cannot be published), 'database',
 * 'connection', 'conflict' (the working copy), 'command-failed'. Nothing is left of a publication that failed.
 */
export async function publishFeature(
  options: FeatureOptions,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<Published> {
  const { copy, styles, now } = await begin(options, deps, signal);
  const { channel, workspace, name } = options;
  const folder = await DataFolder.create(options, ['full_data', channel, workspace], now);
  const dumpFile = `${name}.db`;
  return publish(copy, options, deps, signal, folder, async () => {
    const table = { schema: schemaOf(options), table: name };
    const { notes } = await dumpTable(
      { ...table, file: join(folder.path, dumpFile), env: options.env },
      signal,
    );
    const meta = await writeMeta(options, { copy, styles, folder, now }, deps, signal);
    const content = {
      data: await folder.reference(dumpFile),
      meta: meta.reference,
      job_id: jobId(now),
      job_batch_id: folder.batch,
      action: 'publish',
      publish_time: timestamp(now),
    };
    return {
      path: taskPath(options),
      content,
      meta: meta.content,
      removes: companions(options),
      message: `publish ${workspace}:${name}`,
      notes,
    };
  });
}

/** `publish meta`: new metadata and styles for a feature whose table stays as it is. */
export async function publishMeta(
  options: FeatureOptions,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<Published> {
  const { copy, styles, now } = await begin(options, deps, signal);
  const { channel, workspace, name } = options;
  await mustBePublished(copy, options);
  const folder = await DataFolder.create(options, ['style_file', channel, workspace], now);
  return publish(copy, options, deps, signal, folder, async () => {
    const meta = await writeMeta(options, { copy, styles, folder, now }, deps, signal);
    return {
      path: taskPath(options, 'meta'),
      content: { action: 'meta', publish_time: timestamp(now), meta: meta.reference },
      meta: meta.content,
      message: `publish metadata of ${workspace}:${name}`,
    };
  });
}

/** `publish empty-gwc`: has slaves empty the tiles of a feature. */
export async function publishEmptyTiles(
  options: CommitOptions & LayerName,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<Published> {
  checkNames(options);
  const { workspace, name } = options;
  const copy = await openWorkingCopy(options, deps, signal);
  await mustBePublished(copy, options);
  const content = { name, workspace, action: 'empty_gwc', publish_time: timestamp(deps.clock.now()) };
  return publish(copy, options, deps, signal, undefined, () => ({
    path: taskPath(options, 'empty_gwc'),
    content,
    message: `empty the tiles of ${workspace}:${name}`,
  }));
}

/** `publish remove`: has slaves remove a feature, its layer and its table. `schema` as it was published with. */
export async function publishRemove(
  options: CommitOptions & LayerName & { readonly schema?: string | undefined },
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<Published> {
  checkNames(options);
  const { channel, workspace, name } = options;
  const copy = await openWorkingCopy(options, deps, signal);
  const task = await mustBePublished(copy, options);
  const content = {
    ...{ name, workspace, channel, spatial_data: true, sync_postgres_data: true, sync_geoserver_data: true },
    ...{ styles: {}, action: 'remove', remove_time: timestamp(deps.clock.now()) },
    ...schemas({ workspace, schema: options.schema ?? (await publishedSchema(task)) }),
  };
  return publish(copy, options, deps, signal, undefined, () => ({
    path: taskPath(options),
    content,
    removes: companions(options),
    message: `remove ${workspace}:${name}`,
  }));
}

async function begin(options: FeatureOptions, deps: PublishDeps, signal: AbortSignal) {
  checkNames(options);
  const styles = await loadStyles(options.styles ?? []);
  const copy = await openWorkingCopy(options, deps, signal);
  // Now, too: a dump may take hours.
  await copy.prepare();
  return { copy, styles, now: deps.clock.now() };
}

async function writeMeta(
  options: FeatureOptions,
  parts: { copy: WorkingCopy; styles: readonly LoadedStyle[]; folder: DataFolder; now: Date },
  deps: PublishDeps,
  signal: AbortSignal,
) {
  const { workspace, name, channel } = options;
  const table = { schema: schemaOf(options), name };
  const content: Spec = {
    ...{ title: options.title ?? name, abstract: options.abstract ?? '', keywords: options.keywords ?? [] },
    ...{ workspace, name, channel, identifier: `${workspace}:${name}`, id: jobId(parts.now) },
    ...(await writeStyles(parts.styles, name, parts.folder)),
    ...schemas(options),
    auth_level: options.authLevel ?? (await workspaceLevel(parts.copy, options)),
    sync_postgres_data: options.syncPostgresData ?? true,
    sync_geoserver_data: options.syncGeoserverData ?? true,
    ...(options.previewPath === undefined ? {} : { preview_path: options.previewPath }),
    publication_date: timestamp(parts.now),
    ...(await tableFacts(table, options.env, deps, signal)),
    override_bbox: false,
    geoserver_setting: { ...GEOSERVER_SETTING, ...options.geoserverSetting },
  };
  const reference = await parts.folder.write(`${name}.meta.json`, `${JSON.stringify(content, null, 4)}\n`);
  return { content, reference };
}

async function workspaceLevel(copy: WorkingCopy, options: FeatureOptions): Promise<unknown> {
  const workspace = await readTaskFile(copy, `${options.channel}/workspaces/${options.workspace}.json`);
  return workspace?.['auth_level'] ?? 1;
}

/** The task file of a feature that is published. */
async function mustBePublished(copy: WorkingCopy, options: CommitOptions & LayerName): Promise<Spec> {
  const task = await readTaskFile(copy, taskPath(options));
  if (task === undefined || task['action'] === 'remove')
    throw refused(`${options.workspace}:${options.name} is not published in the channel ${options.channel}`);
  return task;
}

/** The schema that the table was published with, from the meta file if that is still there. */
async function publishedSchema(task: Spec): Promise<string | undefined> {
  const { meta, data_schema: inline } = task;
  let schema = inline;
  if (meta !== null && typeof meta === 'object' && 'file' in meta && typeof meta.file === 'string') {
    const text = await readFile(parseLocation(meta.file).path, 'utf8').catch(() => '{}');
    schema = (JSON.parse(text) as Spec)['data_schema'];
  }
  return typeof schema === 'string' ? schema : undefined;
}

/** The task file, or a companion: `<name>.meta.json`, `<name>.empty_gwc.json`. */
function taskPath(
  { channel, workspace, name }: CommitOptions & LayerName,
  companion?: 'meta' | 'empty_gwc',
): string {
  return `${channel}/layers/${workspace}.${name}${companion ? `.${companion}` : ''}.json`;
}

function companions(options: CommitOptions & LayerName): string[] {
  return [taskPath(options, 'meta'), taskPath(options, 'empty_gwc')];
}

function schemaOf(options: { readonly workspace: string; readonly schema?: string | undefined }): string {
  return options.schema ?? `${options.workspace}_data`;
}

function schemas(options: { readonly workspace: string; readonly schema?: string | undefined }) {
  const { workspace } = options;
  return { schema: workspace, data_schema: schemaOf(options), outdated_schema: `${workspace}_outdated` };
}

/** Whole seconds: the master's tables have four bytes for it. */
function jobId(now: Date): number {
  return Math.floor(now.getTime() / 1000);
}
