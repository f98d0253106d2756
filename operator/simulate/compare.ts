import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { fixed, hpaOnUtilization, keda, penstock } from './autoscalers.ts';
import { QueueModel } from './queueModel.ts';
import { seededRandom } from './random.ts';
import { replay } from './replay.ts';
import type { Autoscaler, Row } from './replay.ts';
import type { Service } from './service.ts';

export type Simulation = {
  readonly spec: WorkerPoolSpec;
  /** Jobs that arrive in each second. */
  readonly trace: readonly number[];
  readonly service: Service;
  readonly slots: number;
  readonly startSeconds: number;
  readonly seed: number;
  /** Told after each simulated second, over all runs: 0 to 1. */
  readonly onProgress?: (share: number) => void;
};

/** What one autoscaler made of the load. */
export type Outcome = {
  readonly name: string;
  readonly jobs: number;
  /** Jobs that had not ended when the simulation did. */
  readonly unfinished: number;
  /** From arrival to start, seconds; null without jobs. */
  readonly waitP50Seconds: number | null;
  readonly waitP95Seconds: number | null;
  readonly waitP99Seconds: number | null;
  /** Share of the jobs that waited longer than `objective.drainSeconds`, 0 to 1. */
  readonly beyondObjective: number;
  /** Starting replicas included. */
  readonly replicaSeconds: number;
  /** Slot-seconds paid for per slot-second of work; null without jobs. */
  readonly cost: number | null;
  readonly peakReplicas: number;
  readonly actions: number;
  /** Times the direction of scaling changed. */
  readonly reversals: number;
};

export type Run = {
  readonly outcome: Outcome;
  readonly rows: readonly Row[];
  readonly waitsMs: readonly number[];
};

/** After the last arrival the queue gets this long to empty, and the pool to shrink. */
const afterSeconds = 600;

/**
 * Runs a policy and its peers over the same load: KEDA with an HPA at their defaults, an HPA on utilization, and as many
 * fixed replicas as the policy used on average. Arrivals are the same in all runs; run times are drawn anew.
 */
export function compare(simulation: Simulation): readonly Run[] {
  const { spec, slots } = simulation;
  const policy = run(simulation, penstock(spec), 0);
  const meanReplicas = policy.outcome.replicaSeconds / policy.rows.length;
  const peers = [
    keda(spec, slots),
    hpaOnUtilization(spec, slots, spec.objective.utilizationPercent),
    fixed(Math.max(1, Math.ceil(meanReplicas))),
  ];
  return [policy, ...peers.map((peer, index) => run(simulation, peer, index + 1))];
}

const runs = 4;

function run(simulation: Simulation, autoscaler: Autoscaler, index: number): Run {
  const { spec, trace, service, slots, startSeconds, seed, onProgress } = simulation;
  const seconds = trace.length + afterSeconds;
  const model = new QueueModel({
    random: seededRandom(seed),
    serviceMs: service.draw,
    slots,
    startMs: startSeconds * 1_000,
    hasHeartbeats: true,
  });
  const rows = replay(model, autoscaler, {
    random: seededRandom(seed + 1),
    seconds,
    arrivals: (second) => trace[second] ?? 0,
    onSecond: (second) => onProgress?.((index + (second + 1) / seconds) / runs),
  });
  return { outcome: conclude(autoscaler.name, model, rows, spec, slots), rows, waitsMs: model.waitsMs };
}

function conclude(
  name: string,
  model: QueueModel,
  rows: readonly Row[],
  { objective }: WorkerPoolSpec,
  slots: number,
): Outcome {
  const waits = Float64Array.from(model.waitsMs).sort();
  const changes = rows.flatMap(({ desired }, index) => {
    const change = Math.sign(desired - (rows[index - 1]?.desired ?? 0));
    return change === 0 ? [] : [change];
  });
  const late = waits.filter((ms) => ms > objective.drainSeconds * 1_000).length + model.pending;
  return {
    name,
    jobs: model.arrived,
    unfinished: model.pending + model.ackPending,
    waitP50Seconds: quantileSeconds(waits, 0.5),
    waitP95Seconds: quantileSeconds(waits, 0.95),
    waitP99Seconds: quantileSeconds(waits, 0.99),
    beyondObjective: model.arrived === 0 ? 0 : late / model.arrived,
    replicaSeconds: model.replicaMs / 1_000,
    cost: model.busyMs === 0 ? null : (model.replicaMs * slots) / model.busyMs,
    peakReplicas: rows.reduce((peak, { desired }) => Math.max(peak, desired), 0),
    actions: changes.length,
    reversals: changes.filter((change, index) => index > 0 && change !== changes[index - 1]).length,
  };
}

function quantileSeconds(sortedMs: Float64Array, share: number): number | null {
  const waitMs = sortedMs[Math.min(sortedMs.length - 1, Math.floor(share * sortedMs.length))];
  return waitMs === undefined ? null : waitMs / 1_000;
}
