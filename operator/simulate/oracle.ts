import type { Autoscaler } from './replay.ts';

/**
 * An autoscaler that knows every arrival and every run time in advance.
 *
 * Let C(t) be the work, in slot-seconds, that would be done by t if each job started when it arrives. If no job waits
 * longer than W, the work S(t) done by t lies between C(t − W) and C(t). Among all such S the taut string, the shortest
 * path between the two bounds, changes its slope the least and has the lowest peak (Zafer and Modiano, "A Calculus
 * Approach to Energy-Efficient Data Transmission With Quality-of-Service Constraints", 2009, use it in the same way).
 * Its slope is the number of busy slots; replicas for it are asked for one start time ahead, so that a replica that is
 * wanted back within a start time is never taken away.
 *
 * No peer can know as much, yet this is no proof of the least possible cost: jobs are no fluid, and where 5 % of them
 * may wait longer, a plan that lets the right ones wait may cost less. A limit on the peak is one way to let them.
 */
export type Foreknown = {
  /** When each job arrives, in order, milliseconds. */
  readonly arrivalsMs: Float64Array;
  readonly serviceMs: Float64Array;
};

export type OracleSettings = {
  /** No job waits longer, as long as the peak allows. */
  readonly waitSeconds: number;
  /** Busy slots at most, as a share of what that takes, above 0 to 1. */
  readonly peakShare: number;
  /** Slots per slot that the plan keeps busy, 1 or more: some jobs begin within the same second. */
  readonly headroom: number;
  readonly slots: number;
  readonly startSeconds: number;
  readonly maxReplicas: number;
};

export function oracle(known: Foreknown, settings: OracleSettings): Autoscaler {
  const plan = planReplicas(known, settings);
  return { name: 'oracle', kind: 'oracle', look: (_, second) => plan[second + 1] ?? 0 };
}

/** Replicas to ask for from the beginning of each second. */
export function planReplicas(known: Foreknown, settings: OracleSettings): readonly number[] {
  const { slots, startSeconds, maxReplicas, headroom } = settings;
  const busySlots = planBusySlots(cumulativeWork(known), settings);
  const needed = busySlots.map((busy) => Math.min(maxReplicas, Math.ceil((headroom * busy) / slots - 1e-6)));
  const ahead = Math.ceil(startSeconds) + 1;
  return needed.map((_, second) => {
    let most = 0;
    for (let later = second; later <= second + ahead; later += 1) most = Math.max(most, needed[later] ?? 0);
    return most;
  });
}

/** C(t) at the end of each second. */
function cumulativeWork({ arrivalsMs, serviceMs }: Foreknown): readonly number[] {
  const lastMs = arrivalsMs.reduce((last, atMs, job) => Math.max(last, atMs + (serviceMs[job] ?? 0)), 0);
  const seconds = Math.ceil(lastMs / 1_000) + 1;
  // Begun and ended jobs and the sums of those times: work done by t is Σ(t − begin) − Σ(t − end) over the past ones.
  const [count, sumMs] = [new Float64Array(seconds + 1), new Float64Array(seconds + 1)];
  const note = (atMs: number, sign: number): void => {
    const second = Math.min(seconds, Math.ceil(atMs / 1_000));
    count[second] = (count[second] ?? 0) + sign;
    sumMs[second] = (sumMs[second] ?? 0) + sign * atMs;
  };
  for (const [job, atMs] of arrivalsMs.entries()) {
    note(atMs, 1);
    note(atMs + (serviceMs[job] ?? 0), -1);
  }
  let [running, startedMs] = [0, 0];
  return Array.from(count, (change, second) => {
    running += change;
    startedMs += sumMs[second] ?? 0;
    return Math.max(0, running * second - startedMs / 1_000);
  });
}

function planBusySlots(
  work: readonly number[],
  { waitSeconds, peakShare }: OracleSettings,
): readonly number[] {
  const due = shifted(work, waitSeconds);
  const upper = [...work, ...new Array<number>(due.length - work.length).fill(work.at(-1) ?? 0)];
  const slopes = tautString(due, upper);
  if (peakShare >= 1) return slopes;
  const peak = peakShare * slopes.reduce((most, slope) => Math.max(most, slope), 0);
  const [lowered, extended] = limited(due, upper, peak);
  return tautString(lowered, extended);
}

/** C(t − W), between whole seconds in proportion, until all is due. */
function shifted(work: readonly number[], waitSeconds: number): readonly number[] {
  const at = (second: number): number => {
    if (second <= 0) return 0;
    const below = work[Math.floor(second)] ?? work.at(-1) ?? 0;
    const above = work[Math.ceil(second)] ?? work.at(-1) ?? 0;
    return below + (above - below) * (second - Math.floor(second));
  };
  const seconds = work.length + Math.ceil(waitSeconds);
  return Array.from({ length: seconds }, (_, second) => at(second - waitSeconds));
}

/** What can be due if so many slots are always busy while there is work; both bounds go on until all is done. */
function limited(
  due: readonly number[],
  upper: readonly number[],
  slots: number,
): readonly [readonly number[], readonly number[]] {
  const total = upper.at(-1) ?? 0;
  const [lowered, extended] = [[0], [0]];
  let done = 0;
  for (let second = 1; second < due.length || done < total - 1e-6; second += 1) {
    const arrived = upper[second] ?? total;
    done = Math.min(arrived, done + slots);
    lowered.push(Math.min(done, due[second] ?? total));
    extended.push(arrived);
  }
  return [lowered, extended];
}

/** Slopes of the shortest path from the first to the last value of `upper`, between the bounds at each second. */
export function tautString(lower: readonly number[], upper: readonly number[]): readonly number[] {
  const slopes = new Array<number>(Math.max(0, upper.length - 1)).fill(0);
  const end = upper.length - 1;
  let [knot, height] = [0, 0];
  while (knot < end) {
    const next = nextKnot(lower, upper, knot, height);
    slopes.fill((next.height - height) / (next.at - knot), knot, next.at);
    [knot, height] = [next.at, next.height];
  }
  return slopes;
}

/** Where a straight line from a knot must bend first, or the end. */
function nextKnot(
  lower: readonly number[],
  upper: readonly number[],
  knot: number,
  height: number,
): { readonly at: number; readonly height: number } {
  const end = upper.length - 1;
  let [steepest, below] = [Infinity, knot + 1];
  let [flattest, above] = [-Infinity, knot + 1];
  for (let at = knot + 1; at <= end; at += 1) {
    const ceiling = ((upper[at] ?? 0) - height) / (at - knot);
    const floor = (((at === end ? upper[at] : lower[at]) ?? 0) - height) / (at - knot);
    if (floor > steepest) return { at: below, height: upper[below] ?? 0 };
    if (ceiling < flattest) return { at: above, height: lower[above] ?? 0 };
    if (ceiling <= steepest) [steepest, below] = [ceiling, at];
    if (floor >= flattest) [flattest, above] = [floor, at];
  }
  return { at: end, height: upper[end] ?? 0 };
}
