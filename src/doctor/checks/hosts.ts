import { access, constants, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.js';
import { askForFile, tryHost } from '../../transfer/probe.js';
import { identityFiles, splitCommand } from '../../transfer/ssh-command.js';
import { failure, type Check, type Finding, type Surroundings } from '../check.js';
import { judgeHostKey } from '../host-key.js';
import { hostsOf } from '../task-files.js';

/** The hosts that data come from: key files, host key, login, rsync there, one of the files. */
export const hosts: Check = {
  name: 'hosts',
  run: async (surroundings) => {
    const { config } = surroundings;
    const ssh = splitCommand(config.dataSsh);
    const keys = await Promise.all(identityFiles(ssh).map((file) => lookAtKey(file)));
    if (config.shareLayerData)
      return {
        name: 'hosts',
        state: 'skipped',
        message: "the master's files are mounted (SHARE_LAYER_DATA)",
      };
    const peer = config.syncServer;
    const wanted = peer === undefined ? hostsOf(surroundings.desired) : new Map([[peer.host, peer.path]]);
    if (wanted.size === 0)
      return [...keys, { name: 'hosts', state: 'skipped', message: 'no task file names a host' }];
    const asked = [...wanted].map(([host, path]) => ask(host, path, ssh, surroundings));
    return [...keys, ...(await Promise.all(asked))];
  },
};

async function ask(
  host: string,
  path: string,
  ssh: readonly string[],
  { signal }: Surroundings,
): Promise<Finding> {
  const name = `host ${host}`;
  try {
    const { result, hostKey } = await tryHost(ssh, (words) => askForFile(host, path, words, signal));
    const finding = judgeHostKey(
      { name, message: `logged in; ${path} is ${result === 'there' ? 'there' : 'missing or not readable'}` },
      hostKey,
    );
    if (result === 'there' || finding.state === 'failed') return finding;
    return { ...finding, state: 'warning', hint: finding.hint ?? 'Publish that layer again on the master.' };
  } catch (error) {
    return failure(name, error);
  }
}

/** ssh passes over a key that it cannot read, and refuses one that others can. */
async function lookAtKey(file: string): Promise<Finding> {
  const name = `key ${file}`;
  const path = file.startsWith('~/') ? join(homedir(), file.slice(2)) : file;
  try {
    const { mode, uid } = await stat(path);
    await access(path, constants.R_OK);
    if ((mode & 0o077) !== 0 && uid === process.getuid?.())
      return {
        name,
        state: 'failed',
        message: `has mode ${(mode & 0o777).toString(8)}: ssh refuses a key that others can read`,
        hint: `chmod 600 ${path}`,
      };
    return { name, state: 'ok', message: 'readable by its owner only' };
  } catch (error) {
    return {
      name,
      state: 'failed',
      message: messageOf(error),
      hint: 'Put the key there, owned by the user that runs slave-sync, or change BORG_SSH.',
    };
  }
}
