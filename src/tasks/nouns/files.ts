import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { FileReference, Job } from '../../jobs/job.js';
import { inspectDump } from '../../pgdump/inspect.js';
import { featureOf, hasTable, hasGeoServerPart, tableToken } from '../layer.js';
import { ownStyles, styledOf } from '../layer-styles.js';
import type { TaskContext, TaskDefinition } from '../task.js';

/**
 * The dump of a feature, in the cache and verified. Its foreign keys say which tables have to be restored first, which
 * nothing else tells.
 */
const fetchDump: TaskDefinition = {
  type: 'fetch_dump',
  target: 'local',
  resource: 'transfer',
  ephemeral: true,
  needs: [],
  applies: hasTable,
  // Two features may share a name in the cache: a.b of c, and b of a.c. They are two dumps all the same.
  object: (job) => [featureOf(job).workspace, featureOf(job).name, featureOf(job).data?.md5].join(' '),
  async run(job, { transfer, signal }) {
    const { workspace, name, data } = featureOf(job);
    if (data === undefined) return undefined;
    const cacheName = dumpName(job);
    const dump = await transfer.fetch(
      {
        source: data.file,
        md5: data.md5,
        cacheName,
        peerNames: [cacheName, `${workspace}.${name}.tar`, `${name}.tar`],
        size: 'large',
      },
      signal,
    );
    const info = await inspectDump(dump.path);
    const parents = info.foreignKeys.map((key) => tableToken(key.referenced.schema, key.referenced.table));
    return { output: { path: dump.path, md5: dump.md5, bytes: dump.bytes }, waitsFor: [...new Set(parents)] };
  },
};

/** All styles of a layer, in the cache and verified. */
const fetchStyles: TaskDefinition = {
  type: 'fetch_styles',
  target: 'local',
  resource: 'transfer',
  ephemeral: true,
  needs: [],
  applies: (job, settings) => hasGeoServerPart(job, settings) && ownStyles(job).length > 0,
  object: (job) => `${styledOf(job).workspace}:${styledOf(job).name}`,
  async run(job, context) {
    const paths = await Promise.all(
      ownStyles(job).map(async (style) => [
        style.name,
        await fetchStyle(job, style.key, style.reference, context),
      ]),
    );
    return { output: Object.fromEntries(paths) as Record<string, string> };
  },
};

async function fetchStyle(
  job: Job,
  key: string,
  reference: FileReference,
  context: TaskContext,
): Promise<string> {
  const { workspace, name } = styledOf(job);
  const suffix = key === 'builtin' ? '' : `.${key}`;
  const fetched = await context.transfer.fetch(
    {
      source: reference.file,
      md5: reference.md5,
      cacheName: `${workspace}.${name}${suffix}.sld`,
      peerNames: [`${workspace}.${name}${suffix}.sld`, `${name}${suffix}.sld`],
      size: 'small',
    },
    context.signal,
  );
  return fetched.path;
}

/** Bytes of the fetched style files by style name, as `fetch_styles` left them. */
export async function readStyles(context: TaskContext): Promise<Map<string, Buffer>> {
  const paths = (context.output('fetch_styles') ?? {}) as Record<string, string>;
  return new Map(
    await Promise.all(
      Object.entries(paths).map(async ([name, path]) => [name, await readFile(path)] as const),
    ),
  );
}

/** What the master calls the file decides its ending; the name before it is the same on every slave. */
function dumpName(job: Job): string {
  const { workspace, name, data } = featureOf(job);
  return `${workspace}.${name}${extname(data?.file ?? '') === '.tar' ? '.tar' : '.db'}`;
}

export default [fetchDump, fetchStyles];
