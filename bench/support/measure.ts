/** One of several ways to do the same, to be compared in one run. */
export interface Contender {
  readonly name: string;
  /** Makes everything ready, untimed, and answers what is timed and what clears up afterwards. */
  readonly prepare: () => Promise<{
    readonly run: () => Promise<unknown>;
    readonly clear?: () => Promise<unknown>;
  }>;
}

/** Milliseconds of each round, by the contender's name. */
export type Samples = ReadonlyMap<string, readonly number[]>;

/**
 * Runs all contenders once in each round, each round beginning with another one: what the machine does beside, and what
 * the one before has left in its caches, meets all of them alike.
 */
export async function interleave(contenders: readonly Contender[], rounds: number): Promise<Samples> {
  const samples = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < contenders.length; i++) {
      const { name, prepare } = contenders[(round + i) % contenders.length]!;
      const { run, clear } = await prepare();
      const begin = performance.now();
      await run();
      samples.get(name)!.push(performance.now() - begin);
      await clear?.();
    }
  return samples;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the ratios of each round: the rounds of a noisy machine differ more than the contenders of one. */
export function ratio(samples: Samples, name: string, base: string): number {
  const below = samples.get(base)!;
  return median(samples.get(name)!.map((value, round) => value / below[round]!));
}

/** The median of the differences of each round. */
export function difference(samples: Samples, name: string, base: string): number {
  const below = samples.get(base)!;
  return median(samples.get(name)!.map((value, round) => value - below[round]!));
}
