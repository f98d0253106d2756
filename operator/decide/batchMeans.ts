import type { Batch } from '../measure/batches.ts';

/** What a pool does at one number of replicas: the mean over several batches of jobs. */
export type Level = {
  readonly busySlots: number;
  readonly serviceMs: number;
  readonly completedPerSecond: number;
  /** Standard error of the logarithm of `serviceMs`. */
  readonly error: number;
};

const fewestBatches = 6;
/** After so many the answer is taken as uncertain as it is. */
const mostBatches = 24;
/** Precise enough to see half of a step by a third. */
const smallError = 0.1;

/** Mean over batches of one number of replicas; undefined while they are too few for how much they differ. */
export function levelOf(batches: readonly Batch[]): Level | undefined {
  if (batches.length < fewestBatches) return undefined;
  const logs = batches.map(({ serviceMs }) => Math.log(serviceMs));
  const error = Math.sqrt(variance(logs) / logs.length);
  if (error > smallError && batches.length < mostBatches) return undefined;
  return {
    busySlots: mean(batches.map(({ busySlots }) => busySlots)),
    serviceMs: Math.exp(mean(logs)),
    completedPerSecond:
      sum(batches.map(({ completed }) => completed)) / sum(batches.map(({ seconds }) => seconds)),
    error,
  };
}

/** Standard errors beyond which a difference counts: one wrong answer in ten when the truth lies on the line. */
const confidence = 1.3;

/**
 * Whether jobs run slower at the higher of two levels because more of them run: their run time then grows with the
 * busy slots, else it stays. Half of that growth is the line between the two.
 */
export function isSaturated(higher: Level, lower: Level): boolean {
  const growth = Math.log(higher.serviceMs / lower.serviceMs);
  const expected = Math.log(higher.busySlots / lower.busySlots);
  return growth - expected / 2 > confidence * Math.hypot(higher.error, lower.error);
}

const fewestForSlope = 8;
/** Busy slots must differ by this factor, or a slope would be noise. */
const smallestSpread = 1.25;
/** A dependency at its limit gives a slope of 1, enough replicas 0. */
const suspiciousSlope = 0.4;
/** Standard errors to the lower 95 % bound. */
const slopeConfidence = 2;

/**
 * Whether run times have grown along with the busy slots: least squares of log(service time) on log(busy slots), and
 * the slope's lower bound beyond 0.4. Heavier jobs look the same, so this is a suspicion and no verdict.
 */
export function growsWithSlots(batches: readonly Batch[]): boolean {
  const count = batches.length;
  if (count < fewestForSlope) return false;
  const x = batches.map(({ busySlots }) => Math.log(Math.max(busySlots, 0.01)));
  const y = batches.map(({ serviceMs }) => Math.log(serviceMs));
  const most = Math.max(...x);
  if (most - Math.min(...x) < Math.log(smallestSpread)) return false;
  if ((x.at(-1) ?? most) < most - Math.log(smallestSpread)) return false;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, xy, yy] = [0, 0, 0];
  for (let index = 0; index < count; index += 1) {
    const [dx, dy] = [(x[index] ?? 0) - meanX, (y[index] ?? 0) - meanY];
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  const slope = xy / xx;
  const residual = Math.max(0, yy - slope * xy) / (count - 2);
  return slope - slopeConfidence * Math.sqrt(residual / xx) > suspiciousSlope;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}
