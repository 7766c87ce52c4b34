/**
 * An error of the master in its own words, with its SQLSTATE where it has one; Node reports several failed addresses of one
 * host without any.
 */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describe).join('; ');
  if (!(error instanceof Error)) return String(error);
  const isFromServer = 'severity' in error && 'code' in error && typeof error.code === 'string';
  return isFromServer ? `${error.message} [${String(error.code)}]` : error.message;
}
