import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../decide/decide.ts';
import type { Decision } from '../decide/decision.ts';
import { initialMemory, recordScale } from '../decide/memory.ts';
import { emptyHistory, measure } from '../measure/measure.ts';
import type { Observation } from '../observe/observation.ts';
import type { QueueModel } from './queueModel.ts';
import type { Autoscaler } from './replay.ts';

/** The policy, by the same measure and decide that the operator runs. */
export function penstock(
  spec: WorkerPoolSpec,
  hooks: {
    /** Changes what is seen. */
    readonly disturb?: (observation: Observation, second: number) => Observation;
    readonly onDecision?: (decision: Decision) => void;
    /** The operator forgets everything before the look of this second. */
    readonly restartAt?: number;
  } = {},
): Autoscaler {
  let history = emptyHistory;
  let memory = initialMemory(0);
  const look = (model: QueueModel, second: number): number | undefined => {
    const atMs = model.nowMs;
    if (second === hooks.restartAt) [history, memory] = [emptyHistory, initialMemory(atMs)];
    const facts = model.observe();
    const measured = measure(history, hooks.disturb?.(facts, second) ?? facts, spec);
    history = measured.history;
    const decided = decide({ spec, signals: measured.signals, memory, nowMs: atMs });
    memory = decided.memory;
    const { decision } = decided;
    hooks.onDecision?.(decision);
    if (decision.kind === 'hold') return undefined;
    memory = recordScale(memory, { from: decision.from, to: decision.to, atMs });
    return decision.to;
  };
  return { name: 'Penstock', look };
}

export const fixed = (replicas: number): Autoscaler => ({
  name: `fixed ${replicas}`,
  look: () => replicas,
});

type Bounds = Pick<WorkerPoolSpec, 'minReplicas' | 'maxReplicas'>;

/** HorizontalPodAutoscaler: look every 15 s, leave differences of 10 % alone, fall only to the highest of 5 min. */
const syncSeconds = 15;
const tolerance = 0.1;
const downWindowSeconds = 300;

/** A HorizontalPodAutoscaler (autoscaling/v2) with its default behaviour, given what the metric asks for. */
function horizontal(bounds: Bounds): (wanted: number, current: number, second: number) => number {
  let recommendations: { readonly second: number; readonly replicas: number }[] = [];
  return (wanted, current, second) => {
    const raw = Math.abs(wanted / current - 1) <= tolerance ? current : wanted;
    recommendations = recommendations.filter((past) => past.second > second - downWindowSeconds);
    recommendations.push({ second, replicas: raw });
    const highest = Math.max(...recommendations.map(({ replicas }) => replicas));
    const stable = raw < current ? Math.min(current, highest) : raw;
    const fastest = Math.max(current * 2, current + 4);
    return clamp(Math.min(stable, fastest), Math.max(1, bounds.minReplicas), bounds.maxReplicas);
  };
}

/** KEDA's defaults: the queue is polled every 30 s while at zero, and 300 s without messages lead back there. */
const pollSeconds = 30;
const cooldownSeconds = 300;

/**
 * A KEDA NATS JetStream scaler with its defaults: pending and unacknowledged messages over a threshold per replica.
 *
 * @param messagesPerReplica `lagThreshold`; as many as a replica has slots keeps every message in a slot.
 */
export function keda(bounds: Bounds, messagesPerReplica: number): Autoscaler {
  const scale = horizontal(bounds);
  let activeSecond = -Infinity;
  const look = (model: QueueModel, second: number): number | undefined => {
    const messages = model.pending + model.ackPending;
    const current = model.desired;
    if (second % pollSeconds === 0 && messages > 0) activeSecond = second;
    if (current === 0) return activeSecond === second ? Math.max(1, bounds.minReplicas) : bounds.minReplicas;
    if (messages === 0 && second - activeSecond >= cooldownSeconds) return bounds.minReplicas;
    if (second % syncSeconds !== 0) return undefined;
    return scale(Math.ceil(messages / messagesPerReplica), current, second);
  };
  return { name: 'KEDA + HPA', look };
}

/** A HorizontalPodAutoscaler on the share of busy slots, which knows no zero. */
export function hpaOnUtilization(bounds: Bounds, slots: number, targetPercent: number): Autoscaler {
  const scale = horizontal(bounds);
  let workedMs = 0;
  const look = (model: QueueModel, second: number): number | undefined => {
    const current = model.desired;
    const least = Math.max(1, bounds.minReplicas);
    if (current < least) return least;
    if (second % syncSeconds !== 0 || model.ready === 0) return undefined;
    const busySlots = (model.workedMs - workedMs) / (syncSeconds * 1_000);
    workedMs = model.workedMs;
    const busyShare = Math.min(1, busySlots / (model.ready * slots));
    return scale(Math.ceil((model.ready * busyShare) / (targetPercent / 100)), current, second);
  };
  return { name: `HPA at ${targetPercent} %`, look };
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
