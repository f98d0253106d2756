import { arrivalsOf } from './load.ts';
import type { Load } from './load.ts';
import { oracle } from './oracle.ts';
import type { Foreknown } from './oracle.ts';
import { QueueModel } from './queueModel.ts';
import type { ModelOptions } from './queueModel.ts';
import { seededRandom } from './random.ts';
import { replay } from './replay.ts';
import type { Autoscaler, AutoscalerKind, Timeline } from './replay.ts';
import type { Service } from './service.ts';

/** A load in front of replicas of one kind. */
export type Simulation = {
  readonly load: Load;
  readonly service: Service;
  readonly model: Omit<ModelOptions, 'random' | 'serviceMs' | 'startMs'> & { readonly start: StartTime };
  readonly maxReplicas: number;
  /** Jobs that wait longer count as late. */
  readonly objectiveSeconds: number;
  readonly seed: number;
};

/** From a new replica to its first job: evenly between mean − jitter and mean + jitter, seconds. */
type StartTime = { readonly seconds: number; readonly jitterSeconds: number };

/** What one autoscaler made of the load. */
export type Outcome = {
  readonly name: string;
  readonly kind: AutoscalerKind;
  readonly jobs: number;
  /** Jobs that had not ended when the simulation did. */
  readonly unfinished: number;
  /** From arrival to start, seconds, for jobs that never started up to the end; null without jobs. */
  readonly waitP50Seconds: number | null;
  readonly waitP95Seconds: number | null;
  readonly waitP99Seconds: number | null;
  /** Share of the jobs that waited longer than the objective, 0 to 1. */
  readonly beyondObjective: number;
  /** Starting replicas included, until all jobs are done. */
  readonly replicaSeconds: number;
  /** Slot-seconds paid for per slot-second of work; null without jobs. */
  readonly cost: number | null;
  /** Replica-seconds over the least of an oracle that waits no longer at the 95th percentile; null without one. */
  readonly oracleRatio: number | null;
  readonly peakReplicas: number;
  readonly actions: number;
  /** Times the direction of scaling changed. */
  readonly reversals: number;
};

export type Run = {
  readonly outcome: Outcome;
  readonly timeline: Timeline;
  /** In the order of the starts. */
  readonly waitsMs: Float64Array;
};

/** After the last arrival the queue gets this long to empty; a run ends as soon as it is. */
const afterSeconds = 600;

/** Arrivals and run times are the same for each autoscaler, as long as no attempt fails. */
export function run(
  simulation: Simulation,
  autoscaler: Autoscaler,
  hooks: {
    /** Told how much is done, 0 to 1. */
    readonly onProgress?: (share: number) => void;
    /** Told the time of each job that is done, in no strict order. */
    readonly onDone?: (atMs: number) => void;
  } = {},
): Run {
  const { load, service, model: options, seed, objectiveSeconds } = simulation;
  const { start, ...rest } = options;
  const model = new QueueModel({
    ...rest,
    random: seededRandom(seed),
    chance: seededRandom(seed + 2),
    serviceMs: service.draw,
    startMs:
      start.jitterSeconds === 0
        ? start.seconds * 1_000
        : ({ uniform }) => 1_000 * (start.seconds + start.jitterSeconds * (2 * uniform() - 1)),
    ...(hooks.onDone === undefined ? {} : { onDone: hooks.onDone }),
  });
  const seconds = load.seconds + afterSeconds;
  const timeline = replay(model, autoscaler, {
    seconds,
    arrivals: arrivalsOf(load, seededRandom(seed + 1)),
    isOver: (second) => second >= load.seconds && model.pending + model.ackPending === 0,
    onSecond: (second) => hooks.onProgress?.((second + 1) / seconds),
  });
  return {
    outcome: conclude(autoscaler, model, timeline, objectiveSeconds),
    timeline,
    waitsMs: model.waitsMs,
  };
}

/** What an oracle knows of a simulation: what `run` will draw. */
export function foreknow({ load, service, seed }: Simulation): Foreknown {
  const arrivalsMs = Float64Array.from(arrivalsOf(load, seededRandom(seed + 1))(Infinity));
  const random = seededRandom(seed);
  return { arrivalsMs, serviceMs: Float64Array.from(arrivalsMs, () => service.draw(random)) };
}

/** The waits that oracles plan for, seconds; the shares of the peak they are given; and headroom for the hasty. */
const oracleWaits = [0.5, 1, 2, 4, 8, 16, 32, 64];
const oraclePeaks = [1, 0.6];
const oracleHeadrooms = [1, 1.1, 1.25, 1.5];
const oraclePlans = [
  ...oracleHeadrooms.map((headroom) => ({ waitSeconds: 0, peakShare: 1, headroom })),
  ...oraclePeaks.flatMap((peakShare) =>
    oracleWaits.map((waitSeconds) => ({ waitSeconds, peakShare, headroom: 1 })),
  ),
];

/** Oracles from patient to hasty. */
export function oracles(simulation: Simulation, onProgress?: (share: number) => void): readonly Run[] {
  const known = foreknow(simulation);
  const { slots, start } = simulation.model;
  const startSeconds = start.seconds + start.jitterSeconds;
  const { maxReplicas } = simulation;
  return oraclePlans.map((plan, index) => {
    onProgress?.(index / oraclePlans.length);
    return run(simulation, oracle(known, { ...plan, slots, startSeconds, maxReplicas }));
  });
}

/** Percentiles are compared to this, seconds. */
const waitResolutionSeconds = 0.05;

/** The cheapest of some runs that waits no longer at the 95th percentile than another; undefined if none does. */
export function cheapestAsFast(runs: readonly Run[], than: Outcome): Run | undefined {
  const limit = (than.waitP95Seconds ?? 0) + waitResolutionSeconds;
  return runs
    .filter(({ outcome }) => outcome.unfinished === 0 && (outcome.waitP95Seconds ?? 0) <= limit)
    .reduce<Run | undefined>(
      (best, each) =>
        best === undefined || each.outcome.replicaSeconds < best.outcome.replicaSeconds ? each : best,
      undefined,
    );
}

/** The outcome beside the oracles that wait no longer. */
export function besideOracles(outcome: Outcome, known: readonly Run[]): Outcome {
  const best = cheapestAsFast(known, outcome);
  if (best === undefined || best.outcome.replicaSeconds === 0) return outcome;
  return { ...outcome, oracleRatio: outcome.replicaSeconds / best.outcome.replicaSeconds };
}

function conclude(
  { name, kind }: Autoscaler,
  model: QueueModel,
  timeline: Timeline,
  objectiveSeconds: number,
): Outcome {
  const { pending, nowMs, waitsMs } = model;
  const waits = new Float64Array(waitsMs.length + pending);
  waits.set(waitsMs);
  waits.set(
    model.waitingSinceMs.map((sinceMs) => nowMs - sinceMs),
    waitsMs.length,
  );
  waits.sort();
  const changes = directions(timeline.desired);
  return {
    name,
    kind,
    jobs: model.arrived,
    unfinished: pending + model.ackPending,
    waitP50Seconds: quantileSeconds(waits, 0.5),
    waitP95Seconds: quantileSeconds(waits, 0.95),
    waitP99Seconds: quantileSeconds(waits, 0.99),
    beyondObjective: shareAbove(waits, objectiveSeconds * 1_000),
    replicaSeconds: model.replicaMs / 1_000,
    cost: model.busyMs === 0 ? null : (model.replicaMs * model.options.slots) / model.busyMs,
    oracleRatio: null,
    peakReplicas: timeline.desired.reduce((peak, desired) => Math.max(peak, desired), 0),
    actions: changes.length,
    reversals: changes.filter((change, index) => index > 0 && change !== changes[index - 1]).length,
  };
}

/** Of each change: 1 up, -1 down. */
function directions(desired: Float64Array): readonly number[] {
  const found: number[] = [];
  let before = 0;
  for (const replicas of desired) {
    if (replicas !== before) found.push(Math.sign(replicas - before));
    before = replicas;
  }
  return found;
}

function quantileSeconds(sortedMs: Float64Array, share: number): number | null {
  const waitMs = sortedMs[Math.min(sortedMs.length - 1, Math.floor(share * sortedMs.length))];
  return waitMs === undefined ? null : waitMs / 1_000;
}

function shareAbove(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) > limit) high = middle;
    else low = middle + 1;
  }
  return sorted.length === 0 ? 0 : (sorted.length - low) / sorted.length;
}
