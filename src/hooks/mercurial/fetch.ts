import type { PullOptions, RepositoryLocation } from '../repository.js';
export async function fetchMercurial(
  _repository: RepositoryLocation & { readonly branch: string },
  _hooks: readonly string[],
  _env: NodeJS.ProcessEnv,
  _options: PullOptions,
): Promise<void> {}
