import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { feature, task, type Folder, type HostileCase, type HostileClass, type Outcome } from '../case.js';
import type { Lab } from '../lab.js';

const md5 = createHash('md5').update('SECRET-OF-SOMEBODY-ELSE\n').digest('hex');

const dumpAt = (title: string, file: (lab: Lab) => string, outcome: Outcome): HostileCase =>
  task('layers', `a dump at ${title}`, (lab) => ({ data: { file: file(lab), md5 } }), outcome);

/** A file of the repository that is no task file, though it looks like one. */
const elsewhere = (path: string): HostileCase => ({
  title: `a file at ${path}`,
  outcome: 'ignored',
  make: () => ({ path, files: { [path]: '{"action":"publish"' } }),
});

const previewAt = (title: string, target: (lab: Lab) => string, outcome: Outcome): HostileCase => ({
  title: `a preview sent to ${title}`,
  outcome,
  make: async (lab, id) => {
    const made = await feature('', { preview_path: target(lab) }, outcome).make(lab, id);
    const check = async (): Promise<void> => {
      expect(await readdir(lab.canary)).to.deep.equal(['secret']);
    };
    return { ...made, check };
  },
});

const named = (folder: Folder, spec: Record<string, unknown>, outcome: Outcome): HostileCase =>
  task(folder, JSON.stringify(spec), spec, outcome);

const DOTS = /is or has "\.\."/;
const SLASH = /which no address of GeoServer can hold/;

/** Names and paths that would leave their folder. */
export default {
  name: 'path traversal',
  cases: [
    named('layers', { name: '..' }, DOTS),
    named('layers', { name: '.' }, DOTS),
    named('layers', { name: '../../../../tmp/x' }, SLASH),
    named('layers', { name: 'a/b' }, SLASH),
    named('layers', { name: String.raw`..\x` }, SLASH),
    named('layers', { workspace: '..' }, DOTS),
    named('layers', { workspace: '../ws1' }, SLASH),
    named('layers', { workspace: '.partial/x' }, SLASH),
    named('layers', { data_schema: '../x' }, SLASH),
    named('layers', { styles: { '../../x': {} } }, SLASH),
    named('layers', { styles: { '..': {} } }, DOTS),
    named('layers', { default_style: '../x' }, SLASH),
    named('layergroups', { name: '../x' }, SLASH),
    named('layergroups', { layers: [{ type: 'publish', name: '../x' }] }, SLASH),
    named('wms_stores', { name: '..' }, DOTS),
    named('live_stores', { workspace: 'a/../b' }, SLASH),
    feature('a workspace that is hidden', { workspace: '.hidden' }, /cache|dot/),
    dumpAt(
      'a path with ..',
      (lab) => `${lab.rig.remote}${lab.rig.dataRoot}/../../etc/passwd`,
      /holds `\.\.`/,
    ),
    dumpAt('a local path', (lab) => `${lab.canary}/secret`, /local path .* is not allowed/),
    dumpAt('a local path of the system', () => '/etc/passwd', /is not allowed/),
    dumpAt('a device', () => '/dev/zero', /is not allowed/),
    dumpAt('a folder', (lab) => `${lab.rig.remote}${lab.canary}/`, /names a folder/),
    dumpAt('a relative path', () => '../../etc/passwd', /is neither/),
    dumpAt('home', (lab) => `${lab.rig.remote}~/.ssh/id_rsa`, /is neither/),
    dumpAt(
      'a secret of the master that is no dump',
      (lab) => `${lab.rig.remote}${lab.canary}/secret`,
      /dump is damaged|it was cut/,
    ),
    dumpAt(
      'a device of the master',
      (lab) => `${lab.rig.remote}/dev/zero`,
      /no regular file|is missing|not there/,
    ),
    previewAt('a local folder', (lab) => lab.canary + '/', /names a folder|is not allowed/),
    previewAt('a local file', (lab) => `${lab.canary}/x`, /is not allowed/),
    previewAt('a path with ..', (lab) => `${lab.rig.remote}${lab.rig.dataRoot}/../x`, /holds `\.\.`/),
    previewAt('an option', (lab) => `-oProxyCommand=touch ${lab.canary}/pwned:/x`, /does not name a host/),
    elsewhere('dpaw/deeper/layers/x.json'),
    elsewhere('layers/x.json'),
    elsewhere('dpaw/layers/sub/x.json'),
    elsewhere('dpaw/LAYERS/x.json'),
    elsewhere('dpaw/layers/x.json.bak'),
    elsewhere('dpaw /layers/x.json'),
    elsewhere('-dpaw/layers/x.json'),
    elsewhere('sub/slave_roles.sql'),
  ],
} satisfies HostileClass;
