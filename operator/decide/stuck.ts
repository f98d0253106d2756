import { msToSeconds } from '#common/units.ts';
import { briefWindowMs } from '../measure/rates.ts';
import type { Diagnosis, Evidence } from './decision.ts';
import { totalOf } from './evidence.ts';
import type { Situation } from './situation.ts';

/** Fewer arrivals than this share of the completions make a backlog shrink. */
const growingShare = 0.95;
/** Standard deviations by which a backlog must fall within the brief window to be shrinking, whatever was before. */
const turnConfidence = 2;

/**
 * Why the backlog of a pool is beyond its objective and does not shrink, although the pool has all the replicas that are
 * of use; undefined while that is not so, or not known.
 *
 * @param outlook whether the objective can be reached.
 */
export function stuckBy(
  situation: Situation,
  evidence: Evidence,
  outlook: Diagnosis | undefined,
): string | undefined {
  const { queuedMessages, arrivalsPerSecond, completionsPerSecond } = evidence;
  if (outlook?.status !== 'False') return undefined;
  if (queuedMessages === null || arrivalsPerSecond === null || completionsPerSecond === null)
    return undefined;
  const expected = expectedPerSecond(situation, evidence, outlook.reason);
  const completes = Math.max(completionsPerSecond, expected);
  const isBeyond = queuedMessages > completes * situation.spec.objective.drainSeconds;
  const isShrinking = arrivalsPerSecond < growingShare * completes || hasTurned(situation, expected);
  return isBeyond && !isShrinking ? outlook.reason : undefined;
}

/**
 * What the replicas will complete once those that were added lately show in the completions; 0 when none were, or when
 * a guard has found that more do not help.
 */
function expectedPerSecond(
  { workload, memory, startMs, current, nowMs }: Situation,
  { capacityPerReplica }: Evidence,
  reason: string,
): number {
  const isAtMaximum = reason === 'MaxReplicas' || reason === 'IntakeExceedsCapacity';
  const grownMs = memory.scaleEvents.findLast(({ change }) => change > 0)?.atMs ?? -Infinity;
  const isSettling = workload.starting > 0 || nowMs - grownMs < startMs + briefWindowMs;
  if (!isAtMaximum || !isSettling || capacityPerReplica === null) return 0;
  return capacityPerReplica * (current - workload.failing - workload.unschedulable);
}

/** Whether more is completed than arrives now, beyond chance: the short window still has the burst that is over. */
function hasTurned({ signals }: Situation, expectedPerSecond: number): boolean {
  const arrivals = totalOf(signals.sources, (source) => source.arrivalsBriefPerSecond);
  const completions = totalOf(signals.sources, (source) => source.completionsBriefPerSecond);
  if (arrivals === null || completions === null) return false;
  const seconds = msToSeconds(briefWindowMs);
  const completes = Math.max(completions, expectedPerSecond);
  return (completes - arrivals) * seconds > turnConfidence * Math.sqrt((completes + arrivals) * seconds);
}
