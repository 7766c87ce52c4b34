import { jobText, clip, plain } from './text.js';
import type { JobReport } from './types.js';

/** Which row of the master's tables a report belongs to. */
export type RowKey =
  | { readonly table: 'slave'; readonly event: 'poll' | 'sync' }
  | { readonly table: 'layer'; readonly publish: string }
  | { readonly table: 'task'; readonly type: string; readonly name: string; readonly action: string };

/** What is kept of one slave's poll or sync. */
export interface SlaveEntry {
  readonly time: string;
  readonly message: string | undefined;
}

interface Outcome {
  readonly time: string;
  readonly text: string;
  readonly jobId: number | undefined;
  readonly jobBatchId: string | undefined;
}

/**
 * What is kept of one task file that publishes a layer: what is deployed, and the failure since then. With both, a row
 * is right whichever of them the master has missed.
 */
export interface LayerEntry {
  readonly workspace: string;
  readonly spatialType: string | undefined;
  readonly deployed?: (Outcome & { readonly previewFile: string | undefined }) | undefined;
  readonly failed?: Outcome | undefined;
}

/** What is kept of any other job. */
export interface TaskEntry {
  readonly succeeded: boolean;
  readonly time: string;
  readonly text: string;
  readonly previewFile: string | undefined;
}

/** Columns of the master's, with their widths (in characters) where they are bounded. */
export const WIDTHS = {
  name: 64,
  listenChannels: 255,
  codeVersion: 32,
  jobBatchId: 64,
  spatialType: 255,
  previewFile: 100,
} as const;

const MAX_LAYER_TEXT = 16_000;
const MAX_SLAVE_TEXT = 40_000;

export function encodeKey(key: RowKey): string {
  switch (key.table) {
    case 'slave':
      return JSON.stringify([key.table, key.event]);
    case 'layer':
      return JSON.stringify([key.table, key.publish]);
    case 'task':
      return JSON.stringify([key.table, key.type, key.name, key.action]);
  }
}

export function decodeKey(key: string): RowKey {
  const [table = '', first = '', name = '', action = ''] = JSON.parse(key) as string[];
  if (table === 'slave') return { table, event: first === 'poll' ? 'poll' : 'sync' };
  return table === 'layer' ? { table, publish: first } : { table: 'task', type: first, name, action };
}

/** The row of a job: a layer's for its publishing and removal, where people know it by its bare name. */
export function rowOf({ kind, hasLayerRow, action, name, workspace }: JobReport): RowKey {
  if (hasLayerRow && (action === 'publish' || action === 'remove')) return { table: 'layer', publish: name };
  return {
    table: 'task',
    type: kind,
    name: workspace === undefined ? name : `${workspace}:${name}`,
    action,
  };
}

/**
 * What is to be kept of a layer after this job; undefined when it is gone. A removal that failed shows as a failure, and
 * the layer as deployed as it was.
 */
export function layerEntry(
  report: JobReport,
  before: LayerEntry | undefined,
  redact: (text: string) => string,
): LayerEntry | undefined {
  if (report.state === 'done' && report.action === 'remove') return undefined;
  const outcome: Outcome = {
    time: report.finishedAt.toISOString(),
    text: jobText(report, redact),
    // The master shows a failure only when it has a job's number.
    jobId: report.jobId ?? (report.state === 'failed' ? before?.deployed?.jobId : undefined),
    jobBatchId: clipped(report.jobBatchId, WIDTHS.jobBatchId),
  };
  const base = {
    workspace: report.workspace ?? before?.workspace ?? '',
    spatialType: clipped(report.spatialType, WIDTHS.spatialType) ?? before?.spatialType,
  };
  if (report.state === 'failed') return { ...base, deployed: before?.deployed, failed: outcome };
  return { ...base, deployed: { ...outcome, previewFile: fitting(report.previewFile) } };
}

export function taskEntry(report: JobReport, redact: (text: string) => string): TaskEntry {
  return {
    succeeded: report.state === 'done',
    time: report.finishedAt.toISOString(),
    text: jobText(report, redact),
    previewFile: fitting(report.previewFile),
  };
}

/**
 * One row from the reports of all task files that publish a layer of this bare name. When several workspaces do, the row
 * names them all, and a failure of any of them shows.
 */
export function mergeLayers(publish: string, reports: readonly LayerEntry[]): LayerEntry {
  const deployed = newestFirst(reports.flatMap((report) => report.deployed ?? []));
  const failed = newestFirst(reports.flatMap((report) => report.failed ?? []));
  const workspaces = new Set(reports.map((report) => report.workspace));
  const notice = workspaces.size > 1 ? `${clashNotice(publish, reports)}\n\n` : '';
  const [lastDeployed, lastFailed] = [deployed[0], failed[0]];
  return {
    workspace: reports[0]?.workspace ?? '',
    spatialType: reports.find((report) => report.spatialType !== undefined)?.spatialType,
    deployed: lastDeployed && { ...lastDeployed, text: clip(notice + lastDeployed.text, MAX_LAYER_TEXT) },
    failed: lastFailed && {
      ...lastFailed,
      text: clip(notice + failed.map((outcome) => outcome.text).join('\n\n'), MAX_LAYER_TEXT),
    },
  };
}

export function slaveEntry(
  time: Date,
  message: string | undefined,
  redact: (text: string) => string,
): SlaveEntry {
  return {
    time: time.toISOString(),
    message: message === undefined ? undefined : plain(message, redact, MAX_SLAVE_TEXT),
  };
}

function clashNotice(publish: string, reports: readonly LayerEntry[]): string {
  const each = [...reports]
    .sort((a, b) => (a.workspace < b.workspace ? -1 : 1))
    .map((report) => `${report.workspace}:${publish} (${report.failed ? 'failed' : 'deployed'})`);
  return `This row stands for several layers of one name: ${each.join(', ')}`;
}

function newestFirst<T extends Outcome>(outcomes: readonly T[]): T[] {
  return [...outcomes].sort((a, b) => (a.time < b.time ? 1 : -1));
}

function clipped(text: string | undefined, width: number): string | undefined {
  return text === undefined ? undefined : cut(text, width);
}

/** As much of a text as a bounded column holds. */
export function cut(text: string, width: number): string {
  return plain(text, (same) => same, Infinity)
    .slice(0, width)
    .toWellFormed();
}

/** Half a path shows nothing. */
function fitting(previewFile: string | undefined): string | undefined {
  return previewFile !== undefined && previewFile.length <= WIDTHS.previewFile ? previewFile : undefined;
}
