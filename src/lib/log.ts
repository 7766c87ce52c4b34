import type { Redactor } from './secret.js';
import type { Clock } from './clock.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = 'json' | 'pretty';
export type Fields = Readonly<Record<string, unknown>>;

/** Structured log: a short message and fields, never a sentence with values inside it. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger that adds these fields to each line. */
  child(fields: Fields): Logger;
}

export interface LoggerOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly write: (line: string) => void;
}

/** A logger that writes one line per message, with every known secret replaced. */
export function createLogger(options: LoggerOptions, scope: Fields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const log = (level: LogLevel, message: string, fields: Fields = {}): void => {
    if (LOG_LEVELS.indexOf(level) < threshold) return;
    // The log's own text keeps its name; a field that is called the same becomes `detail`.
    const { message: detail, ...rest } = { ...scope, ...fields };
    const all = detail === undefined ? rest : { ...rest, detail };
    const time = options.clock.now().toISOString();
    const line =
      options.format === 'json'
        ? JSON.stringify({ time, level, message, ...all })
        : `${time} ${level.toUpperCase().padEnd(5)} ${message}${pretty(all)}`;
    options.write(`${options.redactor.redact(line)}\n`);
  };
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
    child: (fields) => createLogger(options, { ...scope, ...fields }),
  };
}

/** A logger that drops everything, for tests and library use. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function pretty(fields: Fields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${prettyValue(value)}`)
    .join('');
}

/** Bare when it reads well bare; otherwise JSON, so that a line stays a line whatever the value holds. */
function prettyValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(value);
}
