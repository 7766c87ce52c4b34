import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { union, type Box, type GeoServer, type Qualified } from '../../geoserver/client.js';
import type { Job } from '../../jobs/job.js';
import { AgentError } from '../../lib/errors.js';
import { latLonBoxOf } from '../boxes.js';
import { hasGeoServerPart, layerName, layerOf } from '../layer.js';
import { pictureAddresses } from '../picture-addresses.js';
import type { TaskDefinition } from '../task.js';

const MAX_WIDTH = 480;
const MAX_HEIGHT = 278;
/** Shown of a layer whose extent nobody knows. */
const AUSTRALIA: Box = { minx: 108, miny: -45, maxx: 155, maxy: -10 };

/**
 * A small picture of the layer for the master's list: drawn by the first GeoServer, kept here, and sent to where the task
 * file says. Its relative path is what the master stores.
 */
const updatePreview: TaskDefinition = {
  type: 'update_preview',
  target: 'geoserver',
  leavesCatalog: true,
  once: true,
  // It waits for the sending of many previews together, which must not keep GeoServer's places taken.
  resource: 'transfer',
  sends: true,
  applies: (job, settings) => hasGeoServerPart(job, settings) && previewPath(job) !== undefined,
  object: layerName,
  async run(job, { geoserver, settings, transfer, signal, output }) {
    const published = output('update_feature_type') as { hasGeometry?: boolean } | undefined;
    if (published?.hasGeometry === false) return { output: 'no geometry to draw' };
    const { workspace, name } = layerOf(job);
    const { bytes, extension, oneColour } =
      (await linked(job, geoserver, signal)) ??
      (await drawn(job, output('update_layergroup') !== undefined, geoserver, signal));
    const relative = [settings.slaveName, job.channel, workspace, `${name}.${extension}`].join('/');
    await write(join(settings.previewPath, relative), bytes, settings.previewPath);
    const target = previewPath(job);
    if (!settings.sharePreviewData && target !== undefined)
      await transfer.send(settings.previewPath, relative, target, signal);
    return {
      output: { previewFile: relative },
      warnings: oneColour ? ['the preview has one colour only: most likely nothing was drawn'] : [],
    };
  },
};

interface Picture {
  readonly bytes: Buffer;
  readonly extension: string;
  readonly oneColour: boolean;
}

async function drawn(
  job: Job,
  isGroup: boolean,
  geoserver: GeoServer,
  signal: AbortSignal,
): Promise<Picture> {
  const { workspace, name } = layerOf(job);
  const known = latLonBoxOf(job) ?? (await boxOf({ workspace, name }, isGroup, geoserver, signal));
  // GeoServer's box of an empty table is no box.
  const box = union(known ? [known] : []) ?? AUSTRALIA;
  const map = { workspace, name, box, srs: 'EPSG:4326', ...sizeOf(box) };
  const { png, oneColour } = await geoserver.getMap(map, signal);
  return { bytes: png, extension: 'png', oneColour };
}

function boxOf(name: Qualified, isGroup: boolean, geoserver: GeoServer, signal: AbortSignal) {
  return isGroup ? geoserver.groupBox(name, signal) : geoserver.layerBox(name, signal);
}

/** The smallest picture that one of the task file's own addresses gives, if any does. */
async function linked(job: Job, geoserver: GeoServer, signal: AbortSignal): Promise<Picture | undefined> {
  for (const address of pictureAddresses(layerOf(job).ows_resource ?? [])) {
    const image = await geoserver.fetchImage(address, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return undefined;
    });
    const extension = image && EXTENSIONS[image.type];
    if (image && extension) return { bytes: image.bytes, extension, oneColour: false };
  }
  return undefined;
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};

async function write(file: string, bytes: Buffer, folder: string): Promise<void> {
  if (!file.startsWith(`${folder}${sep}`))
    throw new AgentError('invalid-task-file', `the preview ${file} lies outside its folder`, {
      retry: 'final',
    });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}

/** The proportions that operators' pages are made for: those of the box, measured in Australias. */
function sizeOf({ minx, miny, maxx, maxy }: Box): { width: number; height: number } {
  const across = (maxx - minx) / (AUSTRALIA.maxx - AUSTRALIA.minx);
  const up = (maxy - miny) / (AUSTRALIA.maxy - AUSTRALIA.miny);
  const largest = Math.max(across, up);
  // A point, or a line along an axis, has no proportions to keep.
  if (!(across > 0 && up > 0)) return { width: MAX_WIDTH, height: MAX_HEIGHT };
  return {
    width: Math.max(1, Math.floor(MAX_WIDTH * (across / largest))),
    height: Math.max(1, Math.floor(MAX_HEIGHT * (up / largest))),
  };
}

function previewPath(job: Job): string | undefined {
  return layerOf(job).preview_path;
}

export default [updatePreview];
