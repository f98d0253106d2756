import { msToSeconds } from '#common/units.ts';

/**
 * Totals up to one reading. They grow only over trusted steps, and `measuredMs` grows along with them, so that a gap
 * shortens the time a rate is taken over instead of bending the rate.
 */
export type Sample = {
  readonly atMs: number;
  readonly measuredMs: number;
  readonly arrived: number;
  /** Over one step this may fall a little, when stream and consumer were read a moment apart. */
  readonly completed: number;
  /** Sum of the time that replicas were ready. */
  readonly readySeconds: number;
};

/** What happened within a window. */
export type Count = {
  readonly seconds: number;
  readonly arrived: number;
  readonly completed: number;
  readonly readySeconds: number;
};

export const shortWindowMs = 30_000;
export const longWindowMs = 300_000;
/** Closer readings replace each other within the short window, and beyond it: that bounds the list. */
const fineSpacingMs = 500;
const coarseSpacingMs = 10_000;
/** Below this a rate would be noise of the time measurement. */
const shortestSpanMs = 200;

/** Adds a sample; the list keeps the short window finely and the long window coarsely (below 100 samples). */
export function appendSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
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

/** Counts from the start of the window, or from the first sample, to the last one; undefined with too little time. */
export function countWithin(samples: readonly Sample[], windowMs: number): Count | undefined {
  const last = samples.at(-1);
  if (last === undefined) return undefined;
  const first = samples.findLast((sample) => sample.atMs <= last.atMs - windowMs) ?? samples[0] ?? last;
  const spanMs = last.measuredMs - first.measuredMs;
  if (spanMs < shortestSpanMs) return undefined;
  return {
    seconds: msToSeconds(spanMs),
    arrived: Math.max(0, last.arrived - first.arrived),
    completed: Math.max(0, last.completed - first.completed),
    readySeconds: last.readySeconds - first.readySeconds,
  };
}

/** Standard deviations of a count that chance is granted: one window in fifty goes beyond. */
const confidence = 2;
/** The end of a burst shows in this window before it leaves the short one. */
const fallWindowMs = 10_000;
/** The start of a burst shows in this window. */
const burstWindowMs = 5_000;

/**
 * The arrival rate to be ready for, jobs per second.
 *
 * For a count N within w seconds, (N ± z·√N) / w with z = 2 bounds the rate behind it (Poisson, normal approximation).
 * The upper bound over the short window gives small pools the square-root headroom they need, and large ones hardly
 * pay for it. Where the upper bound over a shorter window is lower, arrivals have fallen; where the lower bound over
 * the shortest is higher, a burst has begun.
 */
export function plannedRate(samples: readonly Sample[]): number {
  const steady = boundedRate(samples, shortWindowMs, confidence) ?? 0;
  const fallen = boundedRate(samples, fallWindowMs, confidence) ?? steady;
  const burst = boundedRate(samples, burstWindowMs, -confidence) ?? 0;
  return Math.max(Math.min(steady, fallen), burst);
}

function boundedRate(samples: readonly Sample[], windowMs: number, deviations: number): number | undefined {
  const count = countWithin(samples, windowMs);
  if (count === undefined) return undefined;
  return Math.max(0, count.arrived + deviations * Math.sqrt(count.arrived)) / Math.max(count.seconds, 1);
}
