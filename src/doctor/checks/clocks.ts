import type { Check, Finding, Surroundings } from '../check.js';
import { factsOf } from '../facts.js';

/** GeoServer tells whole seconds, and a busy server answers late. */
const TOLERANCE_MS = 10_000;

interface Reading {
  readonly of: string;
  readonly aheadMs: number;
}

/** This machine's clock against those of the servers it works with. */
export const clocks: Check = {
  name: 'clock',
  run: async (surroundings) => {
    const readings = (await Promise.all(sources(surroundings))).flat();
    if (readings.length === 0)
      return { name: 'clock', state: 'skipped', message: 'no server could be asked for its time' };
    const wrong = readings.filter(({ aheadMs }) => Math.abs(aheadMs) > TOLERANCE_MS);
    if (wrong.length > 0) return wrong.map(describe);
    return { name: 'clock', state: 'ok', message: `agrees with ${readings.map(({ of }) => of).join(', ')}` };
  },
};

function sources(surroundings: Surroundings): Promise<Reading[]>[] {
  const { clock, signal, geoservers } = surroundings;
  // Who cannot be asked is told by its own check.
  const database = factsOf(surroundings);
  const master = surroundings.master().catch(() => undefined);
  return [
    database.then((facts) => (facts ? [{ of: 'the database', aheadMs: facts.clockAheadMs }] : [])),
    master.then((facts) => (facts ? [{ of: "the master's database", aheadMs: facts.clockAheadMs }] : [])),
    ...geoservers.map(async (server) => {
      const time = await server.serverTime(signal).catch(() => undefined);
      return time ? [{ of: server.url, aheadMs: time.getTime() - clock.now().getTime() }] : [];
    }),
  ];
}

function describe({ of, aheadMs }: Reading): Finding {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  return {
    name: 'clock',
    state: 'warning',
    message: `${of} is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine`,
    hint: 'Set both by NTP (timedatectl set-ntp true): times in reports and logs cannot be compared otherwise.',
  };
}
