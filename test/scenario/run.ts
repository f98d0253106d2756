import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { DecideInput } from '../../operator/decide/decide.ts';
import type { Decision } from '../../operator/decide/decision.ts';
import type { Observation } from '../../operator/observe/observation.ts';
import { arrivalsBySecond } from '../../operator/simulate/load.ts';
import { penstock } from '../../operator/simulate/policy.ts';
import { QueueModel } from '../../operator/simulate/queueModel.ts';
import type { ModelOptions } from '../../operator/simulate/queueModel.ts';
import { replay } from '../../operator/simulate/replay.ts';

export type Story = {
  readonly spec: WorkerPoolSpec;
  /** A number for the run time is the mean of exponentially distributed ones. */
  readonly model: Omit<ModelOptions, 'serviceMs'> & {
    readonly serviceMs: number | ((atMs: number) => number);
  };
  readonly seconds: number;
  /** Jobs that arrive within the given second; they are spread evenly at random. */
  readonly arrivals: (second: number) => number;
  /** Replicas at the start. */
  readonly replicas?: number;
  /** What goes wrong with seeing: changes the observation of a pass. */
  readonly disturb?: (observation: Observation, second: number) => Observation;
  /** What the operator knows at that time beside the pool itself. */
  readonly surroundings?: (nowMs: number) => Pick<DecideInput, 'schedule' | 'stages'>;
  /** The operator forgets everything before the pass of this second. */
  readonly restartAt?: number;
};

export type Told = {
  readonly model: QueueModel;
  readonly decisions: readonly Decision[];
  /** Replicas asked for after each pass. */
  readonly replicas: readonly number[];
  /** Unresolved messages at each pass. */
  readonly backlog: readonly number[];
  readonly waitP95Seconds: number;
  /** Replica time, starting included, per busy time. */
  readonly cost: number;
  readonly scaleActions: number;
  /** Times the direction of scaling changed. */
  readonly reversals: number;
};

/** Runs a story by passes of one second through the same measure and decide that the operator runs. */
export function tell({ spec, model: options, seconds, arrivals, replicas, ...hooks }: Story): Told {
  const { serviceMs } = options;
  const model = new QueueModel({
    ...options,
    serviceMs: (random, atMs) =>
      random.exponential(typeof serviceMs === 'number' ? serviceMs : serviceMs(atMs)),
  });
  if (replicas !== undefined) model.scale(replicas);
  const decisions: Decision[] = [];
  const autoscaler = penstock(spec, { ...hooks, onDecision: (decision) => decisions.push(decision) });
  const timeline = replay(model, autoscaler, {
    seconds,
    arrivals: arrivalsBySecond(arrivals, options.random),
  });
  const changes = decisions.flatMap((d) => (d.kind === 'scale' ? [Math.sign(d.to - d.from)] : []));
  const waits = model.waitsMs.toSorted();
  return {
    model,
    decisions,
    replicas: [...timeline.desired],
    backlog: [...timeline.backlog],
    waitP95Seconds: (waits[Math.floor(0.95 * waits.length)] ?? 0) / 1_000,
    cost: (model.replicaMs * options.slots) / model.busyMs,
    scaleActions: changes.length,
    reversals: changes.filter((change, index) => index > 0 && change !== changes[index - 1]).length,
  };
}
