import type { FileResult, JobReport, RunSummary, TaskReport } from './types.js';

type Redact = (text: string) => string;

const MAX_MESSAGE = 1_000;
const MAX_JOB_TEXT = 8_000;
const MAX_RUN_TEXT = 32_000;

const STACK_LINE = /^\s*(at\s.*(\(.*\)|:\d+)|File ".*", line \d+.*|\.\.\. \d+ more|Traceback \(.*\):)\s*$/;

/** A job's status as operators know it: a head, then one block for each task, and in it one for each of several servers. */
export function jobText(report: JobReport, redact: Redact): string {
  const message = report.failure ?? report.remark;
  const head = [
    `Sync File : ${inline(report.path, redact)}`,
    `    Last Process Time : ${time(report.finishedAt)}`,
    `    Succeed : ${flag(report.state === 'done')}`,
    ...(message === undefined ? [] : [`    Message : ${inline(message, redact)}`]),
  ].join('\n');
  const types = [...new Set(report.tasks.map((task) => task.type))];
  const blocks = types.map((type, index) =>
    taskBlock(
      index + 1,
      report.tasks.filter((task) => task.type === type),
      redact,
    ),
  );
  return clip([head, ...blocks].join('\n\n'), MAX_JOB_TEXT);
}

/** A whole run, what failed first. */
export function runText(summary: RunSummary, redact: Redact): string {
  const files = [...summary.files].sort((a, b) => Number(a.succeeded) - Number(b.succeeded));
  let text = `Synchronize file from repository\n    Succeed : ${flag(summary.succeeded)}`;
  if (summary.message !== undefined) text += `\n    Message : ${inline(summary.message, redact)}`;
  for (const [index, file] of files.entries()) {
    const block = fileBlock(index + 1, file, summary.endedAt, redact);
    if (text.length + block.length > MAX_RUN_TEXT)
      return `${text}\n\n    ... and ${files.length - index} more`;
    text += `\n\n${block}`;
  }
  return text;
}

/**
 * Any text as one that may stand on the master: no secrets, no stack traces, no control characters, of bounded length.
 * Angle brackets are replaced, since the master's pages show messages as HTML without escaping them.
 */
export function plain(text: string, redact: Redact, max = MAX_MESSAGE): string {
  const lines = redact(text)
    .replace(/[<]/g, '‹')
    .replace(/[>]/g, '›')
    .split(/\r\n|\r|\n/)
    .filter((line) => !STACK_LINE.test(line))
    .map((line) =>
      line
        .replace(/\t/g, ' ')
        .replace(/\p{Cc}/gu, '')
        .trimEnd(),
    );
  return clip(lines.join('\n').trim(), max);
}

/** Cuts a text that is too long, and says how much is missing. */
export function clip(text: string, max: number): string {
  const whole = text.toWellFormed();
  if (whole.length <= max) return whole;
  const end = max - 32;
  return `${whole.slice(0, end).toWellFormed()} ... (${whole.length - end} more)`;
}

function taskBlock(number: number, tasks: readonly TaskReport[], redact: Redact): string {
  const type = tasks[0]?.type ?? '';
  const targets = new Set(tasks.map((task) => task.target));
  const head = `    Task ${number} : ${inline(type, redact)}`;
  if (targets.size <= 1)
    return [head, ...tasks.slice(-1).flatMap((task) => outcome(task, '        ', redact))].join('\n');
  const finished = tasks.flatMap((task) => task.finishedAt ?? []).sort((a, b) => b.getTime() - a.getTime());
  const whole = [
    head,
    `        Succeed : ${flag(tasks.every((task) => task.state === 'done'))}`,
    ...(finished[0] === undefined ? [] : [`        Process Time : ${time(finished[0])}`]),
  ].join('\n');
  const stages = tasks.map((task) =>
    [`        Stage : ${inline(task.target, redact)}`, ...outcome(task, '            ', redact)].join('\n'),
  );
  return [whole, ...stages].join('\n\n');
}

function outcome(task: TaskReport, indent: string, redact: Redact): string[] {
  const message = task.state === 'blocked' ? `not tried: ${task.message ?? ''}` : task.message;
  return [
    `${indent}Succeed : ${flag(task.state === 'done')}`,
    ...(task.finishedAt === undefined ? [] : [`${indent}Process Time : ${time(task.finishedAt)}`]),
    ...(message === undefined ? [] : [`${indent}Message : ${inline(message, redact)}`]),
  ];
}

function fileBlock(number: number, file: FileResult, endedAt: Date, redact: Redact): string {
  return [
    `    Task ${number} : ${inline(file.path, redact)}`,
    `        Succeed : ${flag(file.succeeded)}`,
    `        Process Time : ${time(endedAt)}`,
    `        Action : ${inline(file.action, redact)}`,
    ...(file.message === undefined ? [] : [`        Message : ${inline(file.message, redact)}`]),
  ].join('\n');
}

/** On one line, so that a message cannot look like a block of the text. */
function inline(text: string, redact: Redact): string {
  return plain(text, redact).replace(/\s*\n\s*/g, ' | ');
}

function time(date: Date): string {
  return date.toISOString();
}

/** As the program before this one wrote it. */
function flag(value: boolean): string {
  return value ? 'True' : 'False';
}
