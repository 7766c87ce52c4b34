import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { feature, type HostileCase, type HostileClass } from '../case.js';
import type { Lab } from '../lab.js';

/** A symbolic link of the repository where a task file should be. */
const linked = (
  title: string,
  path: (id: string) => string,
  target: (lab: Lab) => string,
  outcome: RegExp | 'ignored',
): HostileCase => ({
  title: `a link in the repository: ${title}`,
  outcome,
  make: (lab, id) => ({ path: path(id), files: {}, links: { [path(id)]: target(lab) } }),
});

/** A link in the cache where a fetched file is about to be put: replaced, never followed. */
const inCache = (
  title: string,
  place: (id: string) => string,
  target: (lab: Lab) => string,
): HostileCase => ({
  title: `a link in the cache: ${title}`,
  outcome: 'published',
  make: async (lab, id) => {
    const link = join(lab.rig.clone, 'code/dumps', place(id));
    await mkdir(dirname(link), { recursive: true });
    await symlink(target(lab), link);
    const made = await feature('', {}, 'published').make(lab, id);
    const check = async (): Promise<void> => {
      await made.check?.();
      expect((await lstat(link)).isFile(), 'a regular file now').to.equal(true);
      expect(await readFile(join(lab.canary, 'secret'), 'utf8')).to.equal('SECRET-OF-SOMEBODY-ELSE\n');
    };
    return { ...made, check };
  },
});

const NO_FILE = /has to be a regular file/;

export default {
  name: 'symbolic links',
  cases: [
    linked(
      'to a file of the system',
      (id) => `dpaw/layers/${id}.json`,
      () => '/etc/passwd',
      NO_FILE,
    ),
    linked(
      'to a secret',
      (id) => `dpaw/layers/${id}.json`,
      (lab) => `${lab.canary}/secret`,
      NO_FILE,
    ),
    linked(
      'to another task file',
      (id) => `dpaw/layers/${id}.json`,
      () => 'ws1.good.json',
      NO_FILE,
    ),
    linked(
      'to the settings',
      (id) => `dpaw/workspaces/${id}.json`,
      () => '../../code/.env',
      NO_FILE,
    ),
    linked(
      'to nothing',
      (id) => `dpaw/wms_stores/${id}.json`,
      () => 'nowhere',
      NO_FILE,
    ),
    linked(
      'to itself',
      (id) => `dpaw/layers/${id}.json`,
      () => 'x.json',
      NO_FILE,
    ),
    linked(
      'in place of the script of roles',
      () => 'slave_roles.sql',
      (lab) => `${lab.canary}/secret`,
      NO_FILE,
    ),
    linked(
      'in place of a channel',
      () => 'kmi',
      () => 'dpaw',
      'ignored',
    ),
    inCache(
      'to a secret',
      (id) => `evil.${id}.db`,
      (lab) => `${lab.canary}/secret`,
    ),
    inCache(
      'to a file that is not there',
      (id) => `evil.${id}.db`,
      (lab) => `${lab.canary}/pwned`,
    ),
    {
      title: 'a dump that is a link on the master',
      outcome: /dump is damaged|it was cut|no regular file/,
      make: async (lab, id) => {
        const { file } = await lab.store('x', 'txt');
        const path = join(dirname(file.slice(file.indexOf(':') + 1)), `${id}.db`);
        await symlink(join(lab.canary, 'secret'), path);
        const md5 = createHash('md5').update('SECRET-OF-SOMEBODY-ELSE\n').digest('hex');
        return feature('', { data: { file: `${lab.rig.remote}${path}`, md5 } }, /x/).make(lab, id);
      },
    },
  ],
} satisfies HostileClass;
