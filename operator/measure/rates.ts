import { msToSeconds } from '#common/units.ts';

/** What happened between two readings that can be compared. */
export type Growth = {
  readonly measuredMs: number;
  readonly arrived: number;
  /** Over a single step this may be a little below 0, when stream and consumer were read a moment apart. */
  readonly completed: number;
  /** Sum of the time that replicas may have worked. */
  readonly replicaSeconds: number;
  /** Sum of the time that messages were delivered and unresolved. */
  readonly heldSeconds: number;
};

/** Over a gap nothing grows. */
export const noGrowth: Growth = {
  measuredMs: 0,
  arrived: 0,
  completed: 0,
  replicaSeconds: 0,
  heldSeconds: 0,
};

/**
 * Totals up to one reading. They grow only over trusted steps, and `measuredMs` grows along with them, so that a gap
 * shortens the time a rate is taken over instead of bending the rate.
 */
export type Sample = Growth & { readonly atMs: number };

/** What happened within a window; nothing in it is negative. */
export type Count = Omit<Growth, 'measuredMs'> & { readonly seconds: number };

/** Also shows the end of a burst before that leaves the short window. */
export const briefWindowMs = 10_000;
export const shortWindowMs = 30_000;
export const longWindowMs = 300_000;
/** Closer readings replace each other within the short window, and beyond it: that bounds the list. */
const fineSpacingMs = 500;
const coarseSpacingMs = 10_000;
/** Below this a rate would be noise of the time measurement. */
const shortestSpanMs = 200;

/** Adds a sample; the list keeps the short window finely and the long window coarsely (below 130 samples). */
export function appendSample(samples: readonly Sample[], atMs: number, growth: Growth): readonly Sample[] {
  const sample = grown(samples.at(-1) ?? noGrowth, atMs, growth);
  const kept: Sample[] = [];
  const oldestMs = sample.atMs - longWindowMs - coarseSpacingMs;
  const fineSinceMs = sample.atMs - shortWindowMs - fineSpacingMs;
  for (const [index, current] of samples.entries()) {
    if (current.atMs < oldestMs) continue;
    const before = kept.at(-1);
    const spacingMs = current.atMs < fineSinceMs ? coarseSpacingMs : fineSpacingMs;
    // A sample gives way to its successor when the one kept before it is already near enough.
    const next = samples[index + 1] ?? sample;
    if (before !== undefined && next.atMs - before.atMs <= spacingMs) continue;
    kept.push(current);
  }
  kept.push(sample);
  return kept;
}

function grown(last: Growth, atMs: number, growth: Growth): Sample {
  return {
    atMs,
    measuredMs: last.measuredMs + growth.measuredMs,
    arrived: last.arrived + growth.arrived,
    completed: last.completed + growth.completed,
    replicaSeconds: last.replicaSeconds + growth.replicaSeconds,
    heldSeconds: last.heldSeconds + growth.heldSeconds,
  };
}

/**
 * Counts from the start of the window, or from the first sample, to the last one; undefined with too little time. Between
 * two samples growth counts as even, so that a pool that was looked at seldom while nothing happened has the same rates as
 * one that was looked at all the time.
 */
export function countWithin(samples: readonly Sample[], windowMs: number): Count | undefined {
  const last = samples.at(-1);
  if (last === undefined) return undefined;
  const first = totalsAt(samples, last.atMs - windowMs) ?? samples[0] ?? last;
  const spanMs = last.measuredMs - first.measuredMs;
  if (spanMs < shortestSpanMs) return undefined;
  return {
    seconds: msToSeconds(spanMs),
    arrived: Math.max(0, last.arrived - first.arrived),
    completed: Math.max(0, last.completed - first.completed),
    replicaSeconds: last.replicaSeconds - first.replicaSeconds,
    heldSeconds: last.heldSeconds - first.heldSeconds,
  };
}

/** Undefined before the first sample. */
function totalsAt(samples: readonly Sample[], atMs: number): Growth | undefined {
  const index = samples.findLastIndex((sample) => sample.atMs <= atMs);
  const [before, after] = [samples[index], samples[index + 1]];
  if (before === undefined || after === undefined) return before;
  const share = (atMs - before.atMs) / (after.atMs - before.atMs);
  const between = (from: number, to: number): number => from + (to - from) * share;
  return {
    measuredMs: between(before.measuredMs, after.measuredMs),
    arrived: between(before.arrived, after.arrived),
    completed: between(before.completed, after.completed),
    replicaSeconds: between(before.replicaSeconds, after.replicaSeconds),
    heldSeconds: between(before.heldSeconds, after.heldSeconds),
  };
}

/** Standard deviations of a count that chance is granted: one window in fifty goes beyond. */
const confidence = 2;
/** A burst must be surer than that: one window in seven hundred looks like one by chance. */
const burstConfidence = 3;
/** The start of a burst shows in this window. */
const burstWindowMs = 5_000;
/** A short window so many standard deviations off the long one shows that arrivals have changed. */
const changeConfidence = 3;
/** Replicas that take longer to start than this are planned by windows that are longer in proportion. */
const nimbleStartMs = 6_000;

/**
 * The arrival rate to be ready for, jobs per second.
 *
 * For a count N within w seconds, (N ± z·√N) / w bounds the rate behind it (Poisson, normal approximation), here with
 * z = 2, and 3 for bursts. The upper bound over the short window gives small pools the square-root headroom they need,
 * and large ones hardly pay for it; while nothing speaks against the long window, it bounds the rate more closely. Where
 * the upper bound over a shorter window is lower, arrivals have fallen; where the lower bound over the shortest is higher,
 * a burst has begun. A replica that is ready after a burst has ended has come for nothing, so slow starts make the
 * windows longer. docs/adr/0009-growth-tuned-on-traces.md, docs/adr/0025-slow-starts-plan-by-longer-windows.md and
 * docs/adr/0049-planned-close-to-the-load.md have what each is worth.
 *
 * @param startMs time from a new replica to its first job.
 */
export function plannedRate(samples: readonly Sample[], startMs: number): number {
  const stretch = Math.max(1, startMs / nimbleStartMs);
  const within = (windowMs: number): Count | undefined =>
    countWithin(samples, Math.min(longWindowMs, stretch * windowMs));
  const steady = boundedRate(unchangedCount(within(shortWindowMs), within(longWindowMs)), confidence);
  const fallen = boundedRate(within(briefWindowMs), confidence);
  const burst = boundedRate(within(burstWindowMs), -burstConfidence);
  return Math.max(Math.min(steady, fallen), burst);
}

/** The count of the long window, unless the short one shows that it tells of the past. */
function unchangedCount(short: Count | undefined, long: Count | undefined): Count | undefined {
  if (short === undefined || long === undefined) return short;
  const expected = (long.arrived * short.seconds) / long.seconds;
  const deviations = (short.arrived - expected) / Math.sqrt(Math.max(1, expected));
  return Math.abs(deviations) > changeConfidence ? short : long;
}

function boundedRate(count: Count | undefined, deviations: number): number {
  if (count === undefined) return 0;
  return Math.max(0, count.arrived + deviations * Math.sqrt(count.arrived)) / Math.max(count.seconds, 1);
}
