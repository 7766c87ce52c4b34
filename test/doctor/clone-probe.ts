/** Tells what doctor's check of the clone finds, as a process with other rights: `clone-probe.ts hg|git <root>`. */
import { clone } from '../../src/doctor/checks/clone.js';
import type { Surroundings } from '../../src/doctor/check.js';

const [vcs, root] = process.argv.slice(2);
const surroundings = {
  config: {},
  location: { vcs, root },
  env: process.env,
  signal: new AbortController().signal,
} as unknown as Surroundings;
process.stdout.write(JSON.stringify(await clone.run(surroundings)));
