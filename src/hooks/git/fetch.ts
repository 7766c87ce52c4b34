import type { PullOptions } from '../repository.js';
import type { FollowedBranch } from './followed.js';
export async function fetchGit(
  _followed: FollowedBranch,
  _env: NodeJS.ProcessEnv,
  _options: PullOptions,
): Promise<void> {}
