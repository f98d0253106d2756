import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../decide/decide.ts';
import type { DecideInput } from '../decide/decide.ts';
import type { Decision } from '../decide/decision.ts';
import { initialMemory, recordScale } from '../decide/memory.ts';
import { emptyHistory, measure } from '../measure/measure.ts';
import type { Observation } from '../observe/observation.ts';
import { delayBy } from './delay.ts';
import type { QueueModel } from './queueModel.ts';
import type { Autoscaler } from './replay.ts';

type Hooks = {
  /** Changes what is seen. */
  readonly disturb?: (observation: Observation, second: number) => Observation;
  /** What the operator knows at that time beside the pool itself. */
  readonly surroundings?: (nowMs: number) => Pick<DecideInput, 'schedule' | 'stages'>;
  readonly onDecision?: (decision: Decision) => void;
  /** The operator forgets everything before the look of this second. */
  readonly restartAt?: number;
  /** Time from what is seen to the decision that follows from it, whole seconds. */
  readonly delaySeconds?: number;
};

/** The policy, by the same measure and decide that the operator runs. */
export function penstock(spec: WorkerPoolSpec, hooks: Hooks = {}, name = 'Penstock'): Autoscaler {
  let history = emptyHistory;
  let memory = initialMemory(0);
  const delayed = delayBy<Observation>(hooks.delaySeconds ?? 0);
  const look = (model: QueueModel, second: number): number | undefined => {
    const nowMs = model.nowMs;
    if (second === hooks.restartAt) [history, memory] = [emptyHistory, initialMemory(nowMs)];
    const facts = delayed(model.observe());
    if (facts === undefined) return undefined;
    const measured = measure(history, hooks.disturb?.(facts, second) ?? facts, spec);
    history = measured.history;
    const decided = decide({
      spec,
      signals: measured.signals,
      memory,
      nowMs,
      ...hooks.surroundings?.(nowMs),
    });
    memory = decided.memory;
    const { decision } = decided;
    hooks.onDecision?.(decision);
    if (decision.kind === 'hold') return undefined;
    memory = recordScale(memory, { from: decision.from, to: decision.to, atMs: nowMs });
    return decision.to;
  };
  return { name, kind: 'policy', look };
}
