import type { RepositoryLocation } from '../../hooks/repository.js';
import type { Finding } from '../check.js';
import type { Desired } from '../desired.js';

/** What the state repository holds for this slave. */
export function describeRepository(location: RepositoryLocation, desired: Desired): Finding {
  const name = 'repository';
  const { branch, revision, files, rejected, entries } = desired;
  const what = `${location.root} (${location.vcs}), branch ${branch} at ${revision.slice(0, 12)}`;
  const [bad] = rejected;
  if (bad !== undefined)
    return {
      name,
      state: 'warning',
      message: `${what}: ${rejected.length} task files cannot be understood, for instance ${bad.error.message}`,
      hint: 'They fail alone; they have to be mended where they are published.',
    };
  if (files.length === 0)
    return {
      name,
      state: 'warning',
      message: `${what}: none of its ${entries} files is a task file of the channels listened to`,
      hint: 'Check LISTEN_CHANNELS, STATE_BRANCH and INCLUDE.',
    };
  return { name, state: 'ok', message: `${what}, ${files.length} task files` };
}
