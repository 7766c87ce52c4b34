import pg from 'pg';
import { AgentError, isErrno, messageOf, type AgentErrorOptions, type FailureReason } from '../lib/errors.js';

/** SQLSTATEs that the functions of schema borg_slave raise. */
const RAISED = {
  /** Something else has the name: the task file itself makes it impossible. */
  collision: 'SS001',
  /** What was restored is not what the archive says. */
  incomplete: 'SS002',
  /** Something of others stands in the way. */
  obstacle: 'SS003',
  /** A foreign key appeared after the others were prepared: prepare again. */
  unprepared: 'SS004',
} as const;

/** What to do when the server's disk is full. */
export const MAKE_ROOM = 'Make room on the disk of the database.';

const CONNECTION_ERRNOS = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['EPIPE', 'ENOENT'],
];

/** True when a lock could not be had in time, or two sessions waited for each other: the same call may work now. */
export function isLockFailure(error: unknown): boolean {
  return ['55P03', '40P01', '40001', RAISED.unprepared].includes(sqlState(error) ?? '');
}

/** The SQLSTATE of an error that PostgreSQL sent, also when it is wrapped in an AgentError. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError) return error.code;
  return error instanceof AgentError ? sqlState(error.cause) : undefined;
}

/** Turns what `pg` throws into an AgentError with the server's own words; AgentErrors pass. `doing` names the step. */
export function toDatabaseError(error: unknown, doing: string): AgentError {
  if (error instanceof AgentError) return error;
  if (error instanceof pg.DatabaseError) return fromServer(error, doing);
  const broken =
    /connection (terminated|ended)|timeout exceeded|connection error|not queryable|closed the connection/i;
  if (CONNECTION_ERRNOS.some((code) => isErrno(error, code)) || broken.test(messageOf(error)))
    return new AgentError('connection', `${doing}: ${describeNetworkError(error)}`, {
      retry: 'transient',
      cause: error,
    });
  return new AgentError('bug', `${doing}: ${messageOf(error)}`, { retry: 'transient', cause: error });
}

/** Node reports several failed addresses of one host as an AggregateError without a message. */
function describeNetworkError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return messageOf(error);
}

function fromServer(error: pg.DatabaseError, doing: string): AgentError {
  const code = error.code ?? '';
  const [reason, options] = classify(code);
  const detail = error.detail === undefined ? '' : ` (${error.detail.slice(0, 1_000)})`;
  return new AgentError(reason, `${doing}: ${error.message}${detail} [${code}]`, {
    ...options,
    cause: error,
  });
}

function classify(code: string): [FailureReason, AgentErrorOptions] {
  if (code === RAISED.collision) return ['conflict', { retry: 'final' }];
  if (code === RAISED.incomplete) return ['invalid-data', { retry: 'remote' }];
  // Others may clear the way at any time, so it is tried again at every pull, not only when the task file changes.
  if (code === RAISED.obstacle || code === '2BP01') return ['conflict', { retry: 'remote' }];
  if (code.startsWith('08') || ['57P01', '57P02', '57P03', '53300'].includes(code))
    return ['connection', { retry: 'transient' }];
  if (code === '53100') return ['disk-full', { retry: 'transient', hint: MAKE_ROOM }];
  if (['28', '3D'].includes(code.slice(0, 2)))
    return [
      'connection',
      { retry: 'remote', hint: 'Check host, database, user and password of GEOSERVER_PGSQL_*.' },
    ];
  if (code === '42501')
    return [
      'database',
      { retry: 'remote', hint: 'Give the database user the missing right, or make it the owner.' },
    ];
  if (['22', '23', '42', '0A', '3F'].includes(code.slice(0, 2))) return ['database', { retry: 'final' }];
  return ['database', { retry: 'transient' }];
}
