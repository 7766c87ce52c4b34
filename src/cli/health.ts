import type { LockHolder } from '../state/lock.js';
import type { BrokenOff } from './broken-off.js';
import { bytes } from './progress.js';
import type { Heartbeat } from './heartbeat.js';

/** Exit codes of monitoring plugins (Nagios, Icinga and what follows them). */
export const HEALTH = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;
export type HealthState = keyof typeof HEALTH;

export interface Thresholds {
  /** How old the last success may be; undefined where only a hook runs, which is silent while nothing is published. */
  readonly maxAgeMs: number | undefined;
  readonly maxRunMs: number;
  readonly maxFailed: number;
  /** A warning below it; critical below a tenth of it. */
  readonly minFreeBytes: number;
}

export interface HealthFacts {
  readonly now: Date;
  readonly heartbeat: Heartbeat | undefined;
  /** The last run that went to its end, by whichever command. */
  readonly lastRun: { readonly at: Date; readonly revision: string } | undefined;
  /** The newest run, when it is not that one but broke off. */
  readonly brokenOff: BrokenOff | undefined;
  readonly running: LockHolder | undefined;
  readonly files: number;
  /** Paths of the task files that failed. */
  readonly failed: readonly string[];
  /** What the repository is at, or why that cannot be said. */
  readonly target: { readonly revision: string } | { readonly error: string };
  readonly disks: readonly { readonly name: string; readonly path: string; readonly freeBytes: number }[];
}

export interface Health {
  readonly state: HealthState;
  /** One line for people: what is wrong, the worst first; without it, what was found. */
  readonly text: string;
  readonly metrics: readonly Metric[];
}

export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly unit: 's' | 'B' | '';
  /** Ranges as the plugin guidelines write them: `10` up to ten, `10:` at least ten. */
  readonly warning?: string;
  readonly critical?: string;
}

interface Finding {
  readonly state: HealthState;
  readonly text: string;
}

/** From the best to the worst: not to know is worse than a warning, and better than to know of a failure. */
const ORDER: readonly HealthState[] = ['ok', 'warning', 'unknown', 'critical'];

/** Judges what was found. Pure. */
export function judgeHealth(facts: HealthFacts, thresholds: Thresholds): Health {
  const findings = [
    judgeAge(facts, thresholds),
    ...judgePolls(facts),
    ...judgeBrokenOff(facts),
    judgeLag(facts),
    judgeFailed(facts, thresholds),
    ...facts.disks.map((disk) => judgeDisk(disk, thresholds)),
  ];
  const worstFirst = findings.toSorted((a, b) => ORDER.indexOf(b.state) - ORDER.indexOf(a.state));
  const bad = worstFirst.filter((finding) => finding.state !== 'ok');
  return {
    state: worstFirst[0]?.state ?? 'ok',
    text: (bad.length > 0 ? bad : findings).map((finding) => finding.text).join('; '),
    metrics: metricsOf(facts, thresholds),
  };
}

/** `SLAVE-SYNC OK - text | perfdata`, whatever characters the text has. */
export function healthLine({ state, text, metrics }: Health): string {
  const oneLine = text.replace(/\s+/g, ' ').replaceAll('|', '/');
  const data = metrics.map(({ name, value, unit, warning = '', critical = '' }) =>
    `${name}=${value}${unit};${warning};${critical}`.replace(/;+$/, ''),
  );
  const perfdata = data.length === 0 ? '' : ` | ${data.join(' ')}`;
  return `SLAVE-SYNC ${state.toUpperCase()} - ${oneLine}${perfdata}`;
}

/** When pull and run both last had worked: a run alone proves nothing while the master cannot be reached. */
function lastSuccess({ heartbeat, lastRun }: HealthFacts): Date | undefined {
  if (heartbeat === undefined || lastRun === undefined) return lastRun?.at;
  const { pulledAt } = heartbeat;
  return pulledAt !== undefined && lastRun.at < pulledAt ? lastRun.at : pulledAt;
}

function judgeAge(facts: HealthFacts, { maxAgeMs, maxRunMs }: Thresholds): Finding {
  const { now, running, heartbeat } = facts;
  const last = lastSuccess(facts);
  const age = last === undefined ? undefined : now.getTime() - last.getTime();
  const never = facts.lastRun === undefined ? 'no run has ended yet' : 'no pull has worked yet';
  const text = age === undefined ? never : `last success ${duration(age)} ago`;
  if (age !== undefined && (maxAgeMs === undefined || age <= maxAgeMs)) return { state: 'ok', text };
  if (running !== undefined) {
    const runningMs = now.getTime() - new Date(running.since).getTime();
    const what = `${running.command} (process ${running.pid}) has been running for ${duration(runningMs)}`;
    return { state: runningMs > maxRunMs ? 'warning' : 'ok', text: `${what}, ${text}` };
  }
  return { state: age === undefined ? 'unknown' : 'critical', text: `${text}${lastPoll(heartbeat, now)}` };
}

/** With what it had to wait for; what it failed for, `judgePolls` says. */
function lastPoll(heartbeat: Heartbeat | undefined, now: Date): string {
  if (heartbeat === undefined) return '';
  const { at, failures, message } = heartbeat;
  const why = failures > 0 || message === undefined ? '' : `: ${message}`;
  return `, last poll ${duration(now.getTime() - at.getTime())} ago${why}`;
}

function judgePolls({ heartbeat }: HealthFacts): Finding[] {
  if (heartbeat === undefined || heartbeat.failures === 0) return [];
  const { failures, message = 'no message' } = heartbeat;
  return [{ state: 'warning', text: `${plural(failures, 'poll')} failed in a row: ${message}` }];
}

function judgeBrokenOff({ brokenOff, now }: HealthFacts): Finding[] {
  if (brokenOff === undefined) return [];
  const { command, at, isInterrupted } = brokenOff;
  const how = isInterrupted ? 'was interrupted' : 'broke off';
  const when = `${duration(now.getTime() - at.getTime())} ago`;
  const text = `the last run (${command}) ${how} ${when}: see its log, or run slave-sync sync`;
  return [{ state: 'warning', text }];
}

function judgeLag({ target, lastRun, running }: HealthFacts): Finding {
  if ('error' in target)
    return { state: 'critical', text: `the state repository cannot be followed: ${target.error}` };
  const at = target.revision.slice(0, 12);
  if (lastRun === undefined || lastRun.revision === target.revision || running !== undefined)
    return { state: 'ok', text: `revision ${at}` };
  const ran = lastRun.revision.slice(0, 12);
  return { state: 'warning', text: `the repository is at ${at}, the last run was of ${ran}` };
}

function judgeFailed({ failed, files }: HealthFacts, { maxFailed }: Thresholds): Finding {
  const text = `${failed.length} of ${plural(files, 'task file')} failed`;
  if (failed.length <= maxFailed) return { state: 'ok', text };
  const more = failed.length > SHOWN ? ', …' : '';
  return { state: 'warning', text: `${text} (${failed.slice(0, SHOWN).join(', ')}${more})` };
}

function judgeDisk(
  { name, path, freeBytes }: HealthFacts['disks'][number],
  { minFreeBytes }: Thresholds,
): Finding {
  const state = freeBytes < minFreeBytes / 10 ? 'critical' : freeBytes < minFreeBytes ? 'warning' : 'ok';
  return { state, text: `${bytes(freeBytes)} free for the ${name}${state === 'ok' ? '' : ` in ${path}`}` };
}

const SHOWN = 3;

function metricsOf(facts: HealthFacts, thresholds: Thresholds): Metric[] {
  const { maxAgeMs, maxFailed, minFreeBytes } = thresholds;
  const last = lastSuccess(facts);
  const age: Metric[] =
    last === undefined
      ? []
      : [
          {
            name: 'age',
            value: Math.round((facts.now.getTime() - last.getTime()) / 1_000),
            unit: 's',
            ...(maxAgeMs === undefined ? {} : { critical: String(Math.round(maxAgeMs / 1_000)) }),
          },
        ];
  return [
    ...age,
    { name: 'failed', value: facts.failed.length, unit: '', warning: String(maxFailed) },
    { name: 'files', value: facts.files, unit: '' },
    { name: 'failed_polls', value: facts.heartbeat?.failures ?? 0, unit: '', warning: '0' },
    ...facts.disks.map(({ name, freeBytes }): Metric => ({
      name: `free_${name}`,
      value: freeBytes,
      unit: 'B',
      warning: `${minFreeBytes}:`,
      critical: `${Math.ceil(minFreeBytes / 10)}:`,
    })),
  ];
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3_600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
