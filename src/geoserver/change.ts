import { AgentError } from '../lib/errors.js';
import { GeoServerError } from './errors.js';

/** What a call did to the server. */
export type Change = 'created' | 'updated' | 'removed' | 'unchanged';

/**
 * Runs a step that looks first and then writes what differs. When its write may have been applied although no answer
 * came (a timeout, a reset: GeoServer finishes what it has begun), or when somebody else was faster ("already
 * exists"), the step runs once more: it then looks at what is there instead of writing blindly again.
 */
export async function converge(step: () => Promise<Change>, signal: AbortSignal): Promise<Change> {
  try {
    return await step();
  } catch (error) {
    if (signal.aborted || !mayBeApplied(error)) throw error;
    const again = await step();
    return again === 'unchanged' ? 'updated' : again;
  }
}

function mayBeApplied(error: unknown): boolean {
  if (error instanceof GeoServerError) return error.says(/already exists/);
  if (!(error instanceof AgentError) || error.cause instanceof GeoServerError) return false;
  return (
    error.reason === 'timed-out' || (error.reason === 'connection' && !error.message.includes('ECONNREFUSED'))
  );
}
