import type { ScalingPolicy, ScalingRules, WorkerPoolSpec } from '#crds/worker-pool.ts';
import { secondsToMs } from '#common/units.ts';
import type { ScaleEvent } from './memory.ts';
import type { Windows } from './stabilization.ts';

/**
 * Speed limits with the meaning of a HorizontalPodAutoscaler's `behavior`: within any period, no more change than a
 * policy allows, counted from the replicas at the start of that period, whoever of both directions moved them since.
 */

/**
 * Below so many replicas the default does not limit growth: a pool that wakes must not crawl. This and the period of
 * 5 s come from replayed traces (docs/adr/0009-growth-tuned-on-traces.md): slower growth costs more waiting than it saves replicas.
 */
const freeGrowthReplicas = 20;
const defaultUpPolicies: readonly ScalingPolicy[] = [{ type: 'Percent', value: 100, periodSeconds: 5 }];
/** Gentle steps, which a burst that returns finds half done, do the work of a long window at a fraction of its cost. */
const defaultDownPolicies: readonly ScalingPolicy[] = [{ type: 'Percent', value: 75, periodSeconds: 5 }];
/** Two looks: a replica that starts as fast is soon had back (docs/adr/0049-planned-close-to-the-load.md). */
const shortestDownWindowMs = 2_000;
/** A replica that takes long to start is given up later. */
const downWindowPerStart = 1 / 4;

/** @param startMs time from a new replica to its first job. */
export function stabilizationWindows(behavior: WorkerPoolSpec['behavior'], startMs: number): Windows {
  const { scaleUp, scaleDown } = behavior;
  return {
    upMs: secondsToMs(scaleUp.stabilizationWindowSeconds ?? 0),
    downMs:
      scaleDown.stabilizationWindowSeconds === undefined
        ? Math.max(shortestDownWindowMs, startMs * downWindowPerStart)
        : secondsToMs(scaleDown.stabilizationWindowSeconds),
  };
}

/** The most replicas that the policies allow now; never below `current`. */
export function upperLimit(
  rules: ScalingRules,
  current: number,
  events: readonly ScaleEvent[],
  nowMs: number,
): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = (rules.policies ?? defaultUpPolicies).map((policy) => {
    const start = replicasAtStart(policy, current, events, nowMs);
    return policy.type === 'Pods' ? start + policy.value : Math.ceil(start * (1 + policy.value / 100));
  });
  const limit = rules.selectPolicy === 'Max' ? Math.max(...limits) : Math.min(...limits);
  return Math.max(current, limit, rules.policies === undefined ? freeGrowthReplicas : 0);
}

/** The fewest replicas that the policies allow now; never above `current`. */
export function lowerLimit(
  rules: ScalingRules,
  current: number,
  events: readonly ScaleEvent[],
  nowMs: number,
): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = (rules.policies ?? defaultDownPolicies).map((policy) => {
    const start = replicasAtStart(policy, current, events, nowMs);
    return policy.type === 'Pods' ? start - policy.value : Math.trunc(start * (1 - policy.value / 100));
  });
  const limit = rules.selectPolicy === 'Max' ? Math.min(...limits) : Math.max(...limits);
  return Math.min(current, limit);
}

/** When the next change leaves the period of a policy, which then allows more; undefined when none is within one. */
export function nextLeaveMs(
  rules: ScalingRules,
  events: readonly ScaleEvent[],
  nowMs: number,
): number | undefined {
  const defaults = [...defaultUpPolicies, ...defaultDownPolicies];
  const leaves = (rules.policies ?? defaults).flatMap(({ periodSeconds }) =>
    events.map(({ atMs }) => atMs + secondsToMs(periodSeconds)).filter((leaveMs) => leaveMs > nowMs),
  );
  return leaves.length === 0 ? undefined : Math.min(...leaves);
}

function replicasAtStart(
  { periodSeconds }: ScalingPolicy,
  current: number,
  events: readonly ScaleEvent[],
  nowMs: number,
): number {
  const sinceMs = nowMs - secondsToMs(periodSeconds);
  return events.reduce(
    (replicas, { atMs, change }) => (atMs > sinceMs ? replicas - change : replicas),
    current,
  );
}
