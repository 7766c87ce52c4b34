import { askUpstream } from '../../hooks/reach.js';
import { tryHost } from '../../transfer/probe.js';
import { splitCommand } from '../../transfer/ssh-command.js';
import type { Check } from '../check.js';
import { judgeHostKey } from '../host-key.js';

/** The repository that this one pulls from: host key, key, address, branch. */
export const upstream: Check = {
  name: 'upstream',
  run: async ({ config, location, env, desired, signal }) => {
    const name = 'upstream';
    const { result, hostKey } = await tryHost(splitCommand(config.stateSsh), (ssh) =>
      askUpstream(location, { branch: config.branch, ssh, env, signal }),
    );
    if (result === undefined)
      return { name, state: 'ok', message: 'this repository is pushed to and pulls from nowhere' };
    const short = result.slice(0, 12);
    const isNew = desired !== undefined && !desired.revision.startsWith(short);
    return judgeHostKey(
      { name, message: isNew ? `there is a newer revision ${short} to pull` : `nothing new to pull` },
      hostKey,
    );
  },
};
