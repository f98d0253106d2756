import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { delayBy } from './delay.ts';
import type { QueueModel } from './queueModel.ts';
import type { Autoscaler } from './replay.ts';

/**
 * Models of what else sets replicas: KEDA with a HorizontalPodAutoscaler, one on the utilization alone, a fixed size.
 * They are told exact figures, and replicas that start are counted as the API server counts them.
 */
type Bounds = Pick<WorkerPoolSpec, 'minReplicas' | 'maxReplicas'>;

export type HpaSettings = {
  readonly bounds: Bounds;
  /** Time between two looks, 15 s by default. */
  readonly syncSeconds: number;
  /** Differences smaller than this share are left alone, 0.1 by default. */
  readonly tolerance: number;
  /** Down stabilization window, 300 s by default. */
  readonly windowSeconds: number;
  /** Time from what is seen to what is done about it. */
  readonly delaySeconds: number;
};

export type KedaSettings = HpaSettings & {
  /** `lagThreshold`: messages per replica, pending and unacknowledged ones. */
  readonly messagesPerReplica: number;
  /** Time between two looks while at zero, 30 s by default. */
  readonly pollSeconds: number;
  /** Time without messages that leads back to zero, 300 s by default. */
  readonly cooldownSeconds: number;
};

const horizontalDefaults = { syncSeconds: 15, tolerance: 0.1, windowSeconds: 300, delaySeconds: 0 } as const;
/** 80 % is what a HorizontalPodAutoscaler without metrics aims at. */
export const hpaDefaults = { ...horizontalDefaults, targetPercent: 80 } as const;
export const kedaDefaults = { ...horizontalDefaults, pollSeconds: 30, cooldownSeconds: 300 } as const;

/** The up policies of a HorizontalPodAutoscaler: double, or 4 more, whichever is more, per 15 s. */
const growthPeriodSeconds = 15;
const fastestGrowth = (replicas: number): number => Math.max(2 * replicas, replicas + 4);

/** A HorizontalPodAutoscaler (autoscaling/v2) with its default policies, given what the metric asks for. */
function horizontal({ bounds, tolerance, windowSeconds }: HpaSettings) {
  let recommendations: { readonly second: number; readonly replicas: number }[] = [];
  let history: { readonly second: number; readonly replicas: number }[] = [];
  return (wanted: number, current: number, second: number): number => {
    const raw = Math.abs(wanted / current - 1) <= tolerance ? current : wanted;
    recommendations = recommendations.filter((past) => past.second > second - windowSeconds);
    recommendations.push({ second, replicas: raw });
    history = history.filter((past) => past.second > second - growthPeriodSeconds);
    history.push({ second, replicas: current });
    const highest = recommendations.reduce((most, { replicas }) => Math.max(most, replicas), 0);
    const stable = raw < current ? Math.min(current, highest) : raw;
    const periodStart = history.reduce((least, { replicas }) => Math.min(least, replicas), current);
    const grown = Math.min(stable, Math.max(current, fastestGrowth(periodStart)));
    return clamp(grown, Math.max(1, bounds.minReplicas), bounds.maxReplicas);
  };
}

/**
 * KEDA's NATS JetStream scaler: it wakes the workload from zero and puts it back there, and gives the
 * HorizontalPodAutoscaler in between pending and unacknowledged messages over a threshold per replica.
 */
export function keda(settings: KedaSettings, name = 'KEDA + HPA'): Autoscaler {
  const { bounds, messagesPerReplica, pollSeconds, cooldownSeconds, syncSeconds } = settings;
  const scale = horizontal(settings);
  const delayed = delayBy<number>(settings.delaySeconds);
  let activeSecond = -Infinity;
  const look = (model: QueueModel, second: number): number | undefined => {
    const messages = delayed(model.pending + model.ackPending);
    const current = model.desired;
    if (messages === undefined) return bounds.minReplicas;
    if (second % pollSeconds === 0 && messages > 0) activeSecond = second;
    if (current === 0) return activeSecond === second ? Math.max(1, bounds.minReplicas) : bounds.minReplicas;
    if (messages === 0 && second - activeSecond >= cooldownSeconds) return bounds.minReplicas;
    if (second % syncSeconds !== 0) return undefined;
    return scale(Math.ceil(messages / messagesPerReplica), current, second);
  };
  return { name, kind: 'peer', look };
}

/** A HorizontalPodAutoscaler on the share of busy slots, which knows no zero. */
export function hpaOnUtilization(
  settings: HpaSettings & { readonly slots: number; readonly targetPercent: number },
  name = `HPA at ${settings.targetPercent} %`,
): Autoscaler {
  const { bounds, slots, targetPercent, syncSeconds, delaySeconds } = settings;
  const scale = horizontal(settings);
  const delayed = delayBy<{ readonly workedMs: number; readonly ready: number }>(delaySeconds);
  let workedMs = 0;
  const look = (model: QueueModel, second: number): number | undefined => {
    const current = model.desired;
    const least = Math.max(1, bounds.minReplicas);
    const seen = delayed({ workedMs: model.workedMs, ready: model.ready });
    if (current < least) return least;
    if (second % syncSeconds !== 0 || seen === undefined || seen.ready === 0) return undefined;
    const busySlots = (seen.workedMs - workedMs) / (syncSeconds * 1_000);
    workedMs = seen.workedMs;
    const busyShare = Math.min(1, busySlots / (seen.ready * slots));
    return scale(Math.ceil((seen.ready * busyShare) / (targetPercent / 100)), current, second);
  };
  return { name, kind: 'peer', look };
}

export const fixed = (replicas: number, name = `fixed ${replicas}`): Autoscaler => ({
  name,
  kind: 'peer',
  look: () => replicas,
});

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
