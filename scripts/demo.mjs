// `npm run demo`: the main job on real parts, on a machine that has only Node and git. See demo/demo.ts.
import { main, runs, Stop } from './common.mjs';
import { prepare } from './prepare.mjs';
import { provision } from './provision.mjs';

function demo() {
  provision();
  prepare();
  if (!runs(process.execPath, ['--import', 'tsx', 'demo/demo.ts'])) throw new Stop('The demo failed.');
}

await main(import.meta.url, demo);
