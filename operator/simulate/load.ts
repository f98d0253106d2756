import { PenstockError } from '#common/errors.ts';
import { NumberList } from './numberList.ts';
import type { Random } from './random.ts';

/** How many jobs arrive when: bins in the order of time, within each of which jobs arrive evenly at random. */
export type Load = {
  readonly seconds: number;
  readonly jobs: number;
  readonly bins: readonly Bin[];
};

/** A bin without length is one moment. */
type Bin = { readonly fromMs: number; readonly toMs: number; readonly jobs: number };

/** Gives the times of the jobs that arrive before `endMs` and were not given yet, in order, milliseconds. */
export type Arrivals = (endMs: number) => Float64Array;

/** Longer and larger loads are refused: they would take hours and all memory. */
export const longestSeconds = 31 * 86_400;
export const mostJobs = 100_000_000;

/** Scaled times may end a little after the second they mean. */
const roundingSeconds = 1e-6;

/** @throws PenstockError `InvalidTrace` for a load that is too long or too large; the bins are in order. */
export function load(bins: readonly Bin[], name: string): Load {
  const endMs = bins.reduce((last, { toMs }) => Math.max(last, toMs), 0);
  const lastMs = bins.at(-1)?.fromMs ?? 0;
  const seconds = Math.max(Math.ceil(endMs / 1_000 - roundingSeconds), Math.floor(lastMs / 1_000) + 1);
  if (seconds > longestSeconds) {
    throw new PenstockError(
      'InvalidTrace',
      `${name}: it spans ${seconds} s; give no more than ${longestSeconds} s, or let time run faster (--time-scale)`,
    );
  }
  const jobs = bins.reduce((sum, bin) => sum + bin.jobs, 0);
  if (jobs > mostJobs) {
    throw new PenstockError('InvalidTrace', `${name}: ${jobs} jobs arrive; give no more than ${mostJobs}`);
  }
  return { seconds, jobs, bins };
}

/** The bins that begin before a time, and the others, counted from then. */
export function splitLoad({ bins, seconds }: Load, atSeconds: number): readonly [Load, Load] {
  const atMs = atSeconds * 1_000;
  const part = (some: readonly Bin[], length: number): Load => ({
    bins: some,
    seconds: length,
    jobs: some.reduce((sum, { jobs }) => sum + jobs, 0),
  });
  const later = bins.filter(({ fromMs }) => fromMs >= atMs);
  return [
    part(
      bins.filter(({ fromMs }) => fromMs < atMs),
      atSeconds,
    ),
    part(
      later.map(({ fromMs, toMs, jobs }) => ({ fromMs: fromMs - atMs, toMs: toMs - atMs, jobs })),
      seconds - atSeconds,
    ),
  ];
}

/** Jobs at given times, in any order, as the load of what follows. */
export function loadOfTimes(timesMs: readonly number[], name: string): Load {
  const sorted = Float64Array.from(timesMs).sort();
  return load(
    Array.from(sorted, (atMs) => ({ fromMs: atMs, toMs: atMs, jobs: 1 })),
    name,
  );
}

/** The jobs of a load at times drawn within their bins. */
export function arrivalsOf({ bins }: Load, random: Random): Arrivals {
  const drawn = new NumberList();
  let next = 0;
  return (endMs) => {
    for (let bin = bins[next]; bin !== undefined && bin.fromMs < endMs; bin = bins[next]) {
      for (const atMs of evenly(bin, random)) drawn.push(atMs);
      next += 1;
    }
    return drawn.takeBelow(endMs);
  };
}

/** So many jobs as a function tells for each second. */
export function arrivalsBySecond(jobs: (second: number) => number, random: Random): Arrivals {
  let second = 0;
  return (endMs) => {
    const fromMs = second * 1_000;
    const times = evenly({ fromMs, toMs: endMs, jobs: jobs(second) }, random);
    second += 1;
    return times;
  };
}

function evenly({ fromMs, toMs, jobs }: Bin, random: Random): Float64Array {
  const times = new Float64Array(jobs);
  for (let index = 0; index < jobs; index += 1) times[index] = fromMs + (toMs - fromMs) * random.uniform();
  return times.sort();
}
