import { open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findMarked, kill } from './processes.js';
import type { FaultyProxy, WireFault } from './proxy.js';
import type { Scenario } from './scenarios.js';
import { GRACE_SECONDS, type Expected, type Running, type World } from './world.js';
import type { Order, Wrapped } from './wrappers.js';

export interface FaultContext {
  readonly world: World;
  readonly scenario: Scenario;
  readonly expected: Expected;
  readonly mark: string;
  readonly random: () => number;
}

/** Something that goes wrong. Everything random is drawn in `arm`, before anything starts. */
export interface Fault {
  readonly name: string;
  /** False for scenarios in which it has no sense. */
  readonly applies?: (scenario: Scenario) => boolean;
  /** Fills this disk up: only where one may mount. */
  readonly needsDisk?: 'state' | 'cache';
  /** Makes ready before the run starts; answers what happens while it runs. */
  readonly arm: (context: FaultContext) => Promise<Disturbance> | Disturbance;
}

export interface Disturbance {
  /** For the report: what was drawn. */
  readonly detail: string;
  /** Works beside the run; has to end by itself soon after the run. */
  readonly during?: (running: Running) => Promise<void>;
  /** After the run: everything that does not heal by itself is mended. */
  readonly mend?: () => Promise<void>;
  /** The exit code of a run that was asked to stop, if it had not ended before. */
  readonly stoppedWith?: number;
}

const WIRES = ['ssh', 'database', 'geoserver'] as const;
type Wire = (typeof WIRES)[number];

export const FAULTS: readonly Fault[] = [
  ...WIRES.flatMap((wire) => [
    onWire(wire, 'cut'),
    onWire(wire, 'reset'),
    stallsFor(wire),
    slow(wire),
    refusesFor(wire),
  ]),
  // The other two have no checksum of their own: there only TLS could notice.
  onWire('ssh', 'corrupt'),
  ...GEOSERVER_FAULTS(),
  ...(['rsync', 'ssh', 'pg_restore', 'vcs'] as const).flatMap((program) => [
    fails(program),
    diesHalfway(program),
    hangsUntilStopped(program),
  ]),
  cannotWrite('rsync'),
  ...(['agent', 'vcs', 'rsync', 'pg_restore', 'ssh', 'everything'] as const).map((victim) => killed(victim)),
  ...(['agent', 'everything'] as const).map((victim) => killed(victim)),
  ...(['SIGTERM', 'SIGINT'] as const).map((signal) => stopped(signal)),
  ...(['SIGTERM', 'SIGINT'] as const).map((signal) => stopped(signal)),
  ...WIRES.map((wire) => stalledAndStopped(wire)),
  ...(['state', 'cache'] as const).map((disk) => full(disk)),
  ...(['missing', 'cut short', 'damaged'] as const).map((how) => atMaster(how)),
  sessionsEnded(),
  lockRemoved(),
  stateLost(),
];

function between(random: () => number, low: number, high: number): number {
  return Math.round(low + random() * (high - low));
}

function onWire(wire: Wire, kind: 'cut' | 'reset' | 'corrupt'): Fault {
  return {
    name: `${wire} connection ${kind}`,
    arm: ({ world, expected, random }) => {
      const afterBytes = between(random, 1, expected.bytes[wire]);
      world.proxies[wire].break({ kind, afterBytes });
      return { detail: `after ${afterBytes} bytes` };
    },
  };
}

function stallsFor(wire: Wire): Fault {
  return {
    name: `${wire} connection stalls`,
    arm: ({ world, expected, random }) => {
      const afterBytes = between(random, 1, expected.bytes[wire]);
      const ms = between(random, 500, 2_000);
      world.proxies[wire].break({ kind: 'stall', afterBytes });
      return {
        detail: `after ${afterBytes} bytes, ${ms} ms`,
        during: ({ ended }) => healAfter(world.proxies[wire], expected.ms + ms, ended),
      };
    },
  };
}

async function healAfter(proxy: FaultyProxy, ms: number, ended: Promise<unknown>): Promise<void> {
  await Promise.race([delay(ms), ended]);
  proxy.heal();
}

function slow(wire: Wire): Fault {
  return {
    name: `${wire} connection slow`,
    arm: ({ world, random }) => {
      const ms = between(random, 2, 20);
      const fault: WireFault = { kind: 'delay', ms };
      world.proxies[wire].break(fault);
      return { detail: `${ms} ms each way` };
    },
  };
}

/** From some moment on nobody can connect any more, for a while or until the run has ended. */
function refusesFor(wire: Wire): Fault {
  return {
    name: `${wire} refuses`,
    arm: ({ world, expected, random }) => {
      const from = random() < 0.4 ? 0 : between(random, 0, expected.ms);
      const ms = random() < 0.5 ? between(random, 300, 1_500) : 60_000;
      const proxy = world.proxies[wire];
      if (from === 0) proxy.refuse();
      return {
        detail: `from ${from} ms on for ${ms} ms`,
        during: async ({ ended }) => {
          await Promise.race([delay(from), ended]);
          proxy.refuse();
          await healAfter(proxy, ms, ended);
        },
      };
    },
  };
}

function GEOSERVER_FAULTS(): Fault[] {
  const kinds = [
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503 },
    { kind: 'reset' },
    { kind: 'reset-after' },
    { kind: 'slow', ms: 700 },
  ] as const;
  return kinds.map((fault) => ({
    name: `GeoServer: ${fault.kind}${fault.kind === 'status' ? ` ${fault.status}` : ''}`,
    arm: ({ world, random }) => {
      const skip = between(random, 0, 60);
      const times = random() < 0.3 ? 20 : between(random, 1, 3);
      let seen = 0;
      world.standIn.faults.push({ ...fault, times, applies: () => ++seen > skip });
      return { detail: `${times} times after ${skip} requests` };
    },
  }));
}

const FAILURES: Readonly<Record<Wrapped, Order & { kind: 'fail' }>> = {
  rsync: { kind: 'fail', code: 11, message: 'rsync: [receiver] write failed: Input/output error (5)' },
  ssh: { kind: 'fail', code: 255, message: 'ssh: connect to host master port 22: Connection timed out' },
  pg_restore: {
    kind: 'fail',
    code: 1,
    message: 'pg_restore: error: connection to server at "x" failed: timeout',
  },
  hg: { kind: 'fail', code: 255, message: 'abort: error: Input/output error' },
  git: { kind: 'fail', code: 128, message: 'fatal: unable to read: Input/output error' },
};

type Program = 'rsync' | 'ssh' | 'pg_restore' | 'vcs';

function programOf(program: Program, world: World): Wrapped {
  return program === 'vcs' ? world.rig.vcs : program;
}

function skipOf(program: Program, random: () => number): number {
  return program === 'ssh' || program === 'vcs' || program === 'pg_restore' ? between(random, 0, 2) : 0;
}

function fails(program: Program): Fault {
  return {
    name: `${program} fails`,
    arm: async ({ world, random }) => {
      const name = programOf(program, world);
      const skip = skipOf(program, random);
      await world.wrappers.order(name, FAILURES[name], skip);
      return { detail: `after ${skip} calls` };
    },
  };
}

function diesHalfway(program: Program): Fault {
  return {
    name: `${program} is killed by itself`,
    arm: async ({ world, random }) => {
      const afterMs = between(random, 5, 250);
      const skip = skipOf(program, random);
      await world.wrappers.order(programOf(program, world), { kind: 'die', afterMs }, skip);
      return { detail: `after ${skip} calls and ${afterMs} ms` };
    },
  };
}

/** It has to end when it is asked to, whatever it waits for. */
function hangsUntilStopped(program: Program): Fault {
  return {
    name: `${program} hangs`,
    arm: async (context) => {
      const { world, random, expected } = context;
      await world.wrappers.order(programOf(program, world), { kind: 'hang' }, skipOf(program, random));
      return stopAfter(context, 'SIGTERM', expected.ms + 500);
    },
  };
}

function stalledAndStopped(wire: Wire): Fault {
  return {
    name: `${wire} connection stalls until the run is stopped`,
    arm: (context) => {
      const { world, random, expected } = context;
      const afterBytes = between(random, 1, expected.bytes[wire]);
      world.proxies[wire].break({ kind: 'stall', afterBytes });
      const stop = stopAfter(context, 'SIGTERM', expected.ms + 500);
      return { ...stop, detail: `after ${afterBytes} bytes, ${stop.detail}` };
    },
  };
}

function stopped(signal: 'SIGTERM' | 'SIGINT'): Fault {
  return {
    name: `${signal} to the agent`,
    arm: (context) => stopAfter(context, signal, between(context.random, 100, context.expected.ms)),
  };
}

function stopAfter({ mark }: FaultContext, signal: 'SIGTERM' | 'SIGINT', ms: number): Disturbance {
  return {
    detail: `${signal} after ${Math.round(ms)} ms`,
    stoppedWith: signal === 'SIGTERM' ? 143 : 130,
    during: async ({ ended, child }) => {
      if (await isOver(ended, ms)) return;
      const agents = findMarked(mark).filter(({ name }) => name === 'cli.js');
      // Before the agent is there, and when it has gone, the one to stop is who calls it.
      kill(agents.length > 0 ? agents : [{ pid: child.pid ?? 0 }], signal);
      if (await isOver(ended, (GRACE_SECONDS + 5) * 1_000)) return;
      throw new Error(`still there ${GRACE_SECONDS + 5} s after ${signal}`);
    },
  };
}

async function isOver(ended: Promise<unknown>, ms: number): Promise<boolean> {
  const stop = new AbortController();
  const over = ended.then(() => true);
  const timer = delay(ms, false, { signal: stop.signal }).catch(() => false);
  return Promise.race([over, timer]).finally(() => stop.abort());
}

function cannotWrite(program: 'rsync'): Fault {
  return {
    name: `${program} cannot write`,
    arm: async ({ world, random }) => {
      const blocks = between(random, 0, 600);
      await world.wrappers.order(program, { kind: 'short', blocks });
      return { detail: `files of more than ${blocks} blocks` };
    },
  };
}

type Victim = 'agent' | 'vcs' | 'rsync' | 'pg_restore' | 'ssh' | 'everything';

/** kill -9 at a random moment; of a program that comes and goes as soon as it is seen then. */
function killed(victim: Victim): Fault {
  return {
    name: `kill -9 of ${victim}`,
    arm: ({ world, expected, mark, random }) => {
      const comesAndGoes = victim === 'rsync' || victim === 'pg_restore' || victim === 'ssh';
      const ms = comesAndGoes ? between(random, 0, expected.ms / 2) : between(random, 50, expected.ms);
      const name = victim === 'agent' ? 'cli.js' : victim === 'vcs' ? world.rig.vcs : victim;
      return {
        detail: `${ms} ms after the start`,
        during: async ({ ended }) => {
          if (await isOver(ended, ms)) return;
          const end = Date.now() + 3_000;
          do {
            const found = findMarked(mark).filter((one) => victim === 'everything' || one.name === name);
            kill(found, 'SIGKILL');
            if (found.length > 0) return;
          } while (Date.now() < end && !(await isOver(ended, 20)));
        },
      };
    },
  };
}

function full(name: 'state' | 'cache'): Fault {
  return {
    name: `disk of the ${name} is full`,
    needsDisk: name,
    arm: ({ world, expected, random }) => {
      const disk = world.disks[name];
      const left = between(random, 0, name === 'state' ? 150_000 : 1_500_000);
      const ms = random() < 0.5 ? 0 : between(random, 0, expected.ms);
      return {
        detail: `${left} bytes left after ${ms} ms`,
        during: async ({ ended }) => {
          if (ms > 0 && (await isOver(ended, ms))) return;
          await disk?.fill(left);
        },
        mend: async () => disk?.empty(),
      };
    },
  };
}

/** The master is in the middle of publishing. */
function atMaster(how: 'missing' | 'cut short' | 'damaged'): Fault {
  return {
    name: `file at the master ${how}`,
    arm: async ({ world, random }) => {
      const { dataRoot } = world.rig;
      const names = await readdir(dataRoot, { recursive: true, withFileTypes: true });
      const files = names
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
      const file = files[between(random, 0, files.length - 1)] ?? '';
      const content = await readFile(file);
      const at = between(random, 0, content.length - 1);
      if (how === 'missing') await rm(file);
      else if (how === 'cut short') await truncate(file, at);
      else {
        const handle = await open(file, 'r+');
        await handle.write(Buffer.from([content[at]! ^ 0xff]), 0, 1, at).finally(() => handle.close());
      }
      return { detail: `${file} at ${at}`, mend: () => writeFile(file, content) };
    },
  };
}

function sessionsEnded(): Fault {
  return {
    name: 'the server ends the sessions',
    arm: ({ world, expected, random }) => {
      const ms = between(random, expected.ms / 5, expected.ms);
      return {
        detail: `after ${ms} ms`,
        during: async ({ ended }) => {
          if (await isOver(ended, ms)) return;
          await world.rig.slaveDatabase.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'slave-sync%'`,
          );
        },
      };
    },
  };
}

function lockRemoved(): Fault {
  return {
    name: 'the lock is removed',
    arm: ({ world, expected, random }) => {
      const ms = between(random, expected.ms / 5, expected.ms);
      return {
        detail: `after ${ms} ms`,
        during: async ({ ended }) => {
          if (await isOver(ended, ms)) return;
          await rm(join(world.state, 'lock.db'), { force: true });
        },
      };
    },
  };
}

function stateLost(): Fault {
  return {
    name: 'the state directory is removed',
    // What only the record remembers, and has to be removed, is then nobody's any more.
    applies: (scenario) => scenario === 'first' || scenario === 'update',
    arm: ({ world, expected, random }) => {
      const ms = between(random, expected.ms / 5, expected.ms);
      return {
        detail: `after ${ms} ms`,
        during: async ({ ended }) => {
          if (await isOver(ended, ms)) return;
          await rm(world.state, { recursive: true, force: true });
        },
      };
    },
  };
}
