import { task, type HostileCase, type HostileClass } from '../case.js';
import type { Lab } from '../lab.js';

type Key = 'data' | 'meta' | 'style';

/** A file reference of a task file that should have become an option or a command. */
function at(key: Key, file: (lab: Lab) => string, outcome: RegExp): HostileCase {
  const md5 = '0'.repeat(32);
  return task(
    'layers',
    `${key} at ${file({ canary: '/canary', rig: { remote: 'user@host:', dataRoot: '/data' } } as Lab)}`.slice(
      0,
      150,
    ),
    (lab) => {
      const reference = { file: file(lab), md5 };
      return key === 'style'
        ? { sync_postgres_data: false, styles: { builtin: { ...reference, default: true } } }
        : { [key]: reference };
    },
    outcome,
  );
}

const HOST = /does not name a host|is neither/;
const CONTROL = /control character or a backslash/;
const MISSING = /is missing|not there|no such file|does not exist/i;

/** Options and shell words in the references to files of the master. */
export default {
  name: 'options and shell words in remote paths',
  cases: [
    at('data', (lab) => `-e touch ${lab.canary}/pwned:/x`, HOST),
    at('data', (lab) => `--rsh=touch ${lab.canary}/pwned:/x`, HOST),
    at('data', (lab) => `--rsync-path=touch ${lab.canary}/pwned;:/x`, HOST),
    at('data', (lab) => `user@-oProxyCommand=touch\${IFS}${lab.canary}/pwned:/x`, HOST),
    at('data', (lab) => `-oProxyCommand=touch ${lab.canary}/pwned:/x`, HOST),
    at('meta', (lab) => `-oProxyCommand=touch ${lab.canary}/pwned:/x.json`, HOST),
    at('style', (lab) => `-oProxyCommand=touch ${lab.canary}/pwned:/x.sld`, HOST),
    at('data', () => '-F/etc/passwd:/x', HOST),
    at('data', () => 'user@-F:/x', HOST),
    at('data', () => '@host:/x', HOST),
    at('data', () => 'a b@host:/x', HOST),
    at('data', (lab) => `$(touch ${lab.canary}/pwned)@host:/x`, HOST),
    at('data', (lab) => `host;touch ${lab.canary}/pwned;:/x`, HOST),
    at('data', () => 'host::module/x', HOST),
    at('data', () => 'rsync://host/module/x', HOST),
    at('data', () => 'file:///etc/passwd', HOST),
    at('data', () => 'https://host/x', HOST),
    at('data', () => 'host:x', HOST),
    at('data', () => ':/x', HOST),
    at('data', () => 'user@host', HOST),
    at('data', (lab) => `${lab.rig.remote}/x;touch ${lab.canary}/pwned`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x\`touch ${lab.canary}/pwned\``, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x$(touch ${lab.canary}/pwned).db`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x|touch ${lab.canary}/pwned`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x && touch ${lab.canary}/pwned`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x' touch '${lab.canary}/pwned`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x" touch "${lab.canary}/pwned`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x > ${lab.canary}/pwned`, MISSING),
    at('data', (lab) => `${lab.rig.remote}${lab.canary}/*`, MISSING),
    at('data', (lab) => `${lab.rig.remote}${lab.canary}/{secret,x}`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/--rsh=touch ${lab.canary}/pwned`, MISSING),
    at('style', (lab) => `${lab.rig.remote}/-e touch ${lab.canary}/pwned.sld`, MISSING),
    at('meta', (lab) => `${lab.rig.remote}/x$(touch ${lab.canary}/pwned).json`, MISSING),
    at('data', (lab) => `${lab.rig.remote}/x\ntouch ${lab.canary}/pwned`, CONTROL),
    at('data', (lab) => `${lab.rig.remote}/x\0/${lab.canary}/pwned`, CONTROL),
    at('data', (lab) => `${lab.rig.remote}/x\r\n/y`, CONTROL),
    at('data', (lab) => `${lab.rig.remote}${String.raw`/x\#012`}`, CONTROL),
    at('data', (lab) => `host\n${lab.rig.remote}/x`, HOST),
    at('data', (lab) => `${lab.rig.remote}/${'x/'.repeat(5_000)}y`, /too long/),
    at('data', (lab) => `${lab.rig.remote}/${'x'.repeat(300)}`, /too long/),
    at('data', (lab) => `${lab.rig.remote}/\ud800`, CONTROL),
  ],
} satisfies HostileClass;
