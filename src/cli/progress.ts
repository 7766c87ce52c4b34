import type { Logger } from '../lib/log.js';
import type { StepEvent } from '../tasks/run.js';
import type { TransferProgress } from '../transfer/types.js';

export interface Progress {
  planned(jobs: number, steps: number): void;
  step(event: StepEvent): void;
  transfer(progress: TransferProgress): void;
  job(path: string, action: string, state: string, message: string | undefined): void;
  end(): void;
}

/** How far the run is: one line that is redrawn on a terminal, log lines elsewhere. */
export function showProgress(log: Logger, stream: NodeJS.WriteStream): Progress {
  let jobs = 0;
  let ended = 0;
  let failed = 0;
  let moving = '';
  const isTerminal = stream.isTTY;
  const redraw = (): void => {
    if (!isTerminal || jobs === 0) return;
    const line = `job ${ended} of ${jobs}${failed > 0 ? `, ${failed} failed` : ''}${moving}`;
    stream.write(`\r\u001b[K${line.slice(0, Math.max(20, stream.columns - 1))}`);
  };
  const clear = (): void => {
    if (isTerminal && jobs > 0) stream.write('\r\u001b[K');
  };
  return {
    planned: (count, steps) => {
      jobs = count;
      if (count > 0) log.info('planned', { jobs: count, steps });
      redraw();
    },
    step: ({ step, state, durationMs, failure }) => {
      const fields = { task: step.definition.type, object: step.object, target: step.target.id };
      clear();
      if (state === 'retry') log.warn('task failed, trying again', { ...fields, message: failure?.message });
      else if (state === 'failed')
        log.error('task failed', { ...fields, ms: Math.round(durationMs), reason: failure?.reason });
      else log.debug(`task ${state}`, { ...fields, ms: Math.round(durationMs) });
      redraw();
    },
    transfer: (progress) => {
      const size = progress.totalBytes === undefined ? '' : ` of ${bytes(progress.totalBytes)}`;
      const left = progress.secondsLeft === undefined ? '' : `, ${Math.ceil(progress.secondsLeft)} s left`;
      const text = `${bytes(progress.bytes)}${size}, ${bytes(progress.bytesPerSecond)}/s${left}`;
      moving = progress.done ? '' : ` · ${progress.host}: ${text}`;
      if (!isTerminal)
        log.info(progress.done ? 'transferred' : 'transferring', {
          host: progress.host,
          files: `${progress.files}/${progress.totalFiles}`,
          bytes: text,
        });
      redraw();
    },
    job: (path, action, state, message) => {
      ended += 1;
      if (state === 'failed') failed += 1;
      clear();
      const fields = {
        job: path,
        action,
        n: `${ended}/${jobs}`,
        ...(message === undefined ? {} : { message }),
      };
      if (state === 'failed') log.error('job failed', fields);
      else log.info(`job ${state}`, fields);
      redraw();
    },
    end: clear,
  };
}

/** Bytes for people, in binary units. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 1024 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? 'B'}`;
}
