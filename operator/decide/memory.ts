import type { WorkloadSignals } from '../measure/signals.ts';
import { noExperiment } from './experimentState.ts';
import type { Experiment } from './experimentState.ts';
import { noAckPending } from './ackPendingState.ts';
import type { AckPendingMemory } from './ackPendingState.ts';
import { emptyRecommendations } from './stabilization.ts';
import type { Recommendations } from './stabilization.ts';

/** What decisions depend on beside the present. Plain data of bounded size. */
export type Memory = {
  /** Since when this operator has been looking at the pool, monotonic milliseconds. */
  readonly sinceMs: number;
  readonly recommendations: Recommendations;
  /** Scale writes that succeeded, oldest first. */
  readonly scaleEvents: readonly ScaleEvent[];
  /** What the workload must be asking for, as far as we know; undefined until it was seen. */
  readonly expected: Expected | undefined;
  /** Somebody else has scaled the workload: no change by us until then. */
  readonly contestedUntilMs: number | undefined;
  /** How often in a row that happened; it doubles the time we stay away. */
  readonly contests: number;
  readonly isTurnedOff: boolean;
  /** Of the workers, as it was told last. */
  readonly revision: string | undefined;
  /** How far it is known whether more replicas help. */
  readonly experiment: Experiment;
  /** What is known of max_ack_pending, by the place of the source. */
  readonly ackPending: AckPendingMemory;
};

export type ScaleEvent = { readonly atMs: number; readonly change: number };

type Expected = {
  readonly replicas: number;
  /** Sizes that writes of ours have replaced, oldest first, which a late observation may still show. */
  readonly replaced: readonly { readonly replicas: number; readonly atMs: number }[];
};

/** An observation made so soon after our write may be older than the write. */
const observationLagMs = 5_000;
const firstContestMs = 30_000;
const longestContestMs = 480_000;
/** Longest period of a scaling policy. */
const longestPeriodMs = 1_800_000;
const mostScaleEvents = 2_000;

/** What an earlier run has left. Anybody may have written it, so it is a hint and nothing is taken away for it. */
export type Earlier = {
  /** Replicas that were written last: tells a foreign 0 from our own. */
  readonly writtenReplicas?: number;
  /** Jobs per second that a dependency was found to let through: growth begins with a test. */
  readonly foundLimitPerSecond?: number;
};

/** The memory of an operator that has just started. */
export function initialMemory(nowMs: number, earlier: Earlier = {}): Memory {
  const { writtenReplicas: written, foundLimitPerSecond: perSecond } = earlier;
  return {
    sinceMs: nowMs,
    recommendations: emptyRecommendations,
    scaleEvents: [],
    expected: written === undefined ? undefined : notWritten(written),
    contestedUntilMs: undefined,
    contests: 0,
    isTurnedOff: false,
    revision: undefined,
    experiment: perSecond === undefined ? noExperiment : { phase: 'recalled', perSecond },
    ackPending: noAckPending,
  };
}

/** Notes a scale write that succeeded. Only such writes count towards the speed limits. */
export function recordScale(
  memory: Memory,
  write: { readonly from: number; readonly to: number; readonly atMs: number },
): Memory {
  const recent = memory.scaleEvents.filter(({ atMs }) => atMs > write.atMs - longestPeriodMs);
  const replaced =
    memory.expected?.replaced.filter(({ atMs }) => atMs >= write.atMs - observationLagMs) ?? [];
  return {
    ...memory,
    scaleEvents: [...recent, { atMs: write.atMs, change: write.to - write.from }].slice(-mostScaleEvents),
    expected: { replicas: write.to, replaced: [...replaced, { replicas: write.from, atMs: write.atMs }] },
  };
}

/**
 * Compares what the workload asks for with what we wrote last, and adopts what is there.
 *
 * | workload asks for | means |
 * |---|---|
 * | what we expect | nothing happened |
 * | what was there before a write of ours, a moment ago | a late observation: our last write stands |
 * | 0, which we did not write | turned off, until somebody raises it |
 * | anything else | contested: we stay away for a while, longer each time |
 *
 * @returns the memory, and the replicas to decide from.
 */
export function adopt(
  memory: Memory,
  workload: Extract<WorkloadSignals, { kind: 'seen' }>,
  nowMs: number,
): { readonly memory: Memory; readonly current: number } {
  const { expected } = memory;
  const { desired } = workload;
  const isFirstLook = memory.recommendations.isEmpty;
  if (expected === undefined || desired === expected.replicas) {
    const settled = { ...memory, expected: expected ?? notWritten(desired) };
    return {
      memory: isContestOver(settled, nowMs) ? { ...settled, contests: 0 } : settled,
      current: desired,
    };
  }
  const isLate = expected.replaced.some(
    ({ replicas, atMs }) => replicas === desired && nowMs - atMs <= observationLagMs,
  );
  if (isLate) return { memory, current: expected.replicas };
  const adopted = { ...memory, expected: notWritten(desired) };
  if (desired === 0) return { memory: { ...adopted, isTurnedOff: true }, current: 0 };
  // A raise from 0 switches the pool on again, and after a restart the status may simply be old: both are no contest.
  if (memory.isTurnedOff || isFirstLook)
    return { memory: { ...adopted, isTurnedOff: false }, current: desired };
  const backOffMs = Math.min(firstContestMs * 2 ** memory.contests, longestContestMs);
  return {
    memory: { ...adopted, contests: memory.contests + 1, contestedUntilMs: nowMs + backOffMs },
    current: desired,
  };
}

const notWritten = (replicas: number): Expected => ({ replicas, replaced: [] });

/** Peace has lasted as long again as the longest back-off. */
const isContestOver = ({ contests, contestedUntilMs }: Memory, nowMs: number): boolean =>
  contests > 0 && contestedUntilMs !== undefined && nowMs > contestedUntilMs + longestContestMs;
