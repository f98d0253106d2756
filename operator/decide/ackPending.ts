import type { SourceSignals } from '../measure/signals.ts';
import { noAckPending, unmanaged } from './ackPendingState.ts';
import type { AckPendingMemory, Managed } from './ackPendingState.ts';
import type { AckPendingChange, Diagnosis } from './decision.ts';
import { sourceName } from './freshness.ts';
import type { Situation } from './situation.ts';

export type AckPendingDecided = {
  readonly changes: readonly AckPendingChange[];
  readonly diagnosis: readonly Diagnosis[];
  readonly memory: AckPendingMemory;
};
/** For each slot: the job that runs, and two that are prefetched at most (worker/consume/window.ts). */
const heldPerSlot = 3;
/** Messages on their way, and replicas that are just being replaced. */
const margin = 1.1;
/** A limit that is lower by less than this share, or has been for a shorter time, is not worth a write. */
const lowerShare = 0.7;
const lowerAfterMs = 300_000;
/** A reading that was under way while we wrote may still show the old limit. */
const settleMs = 2_000;

/**
 * The limit that each source's consumer should have with these replicas: raised at once, so that replicas that are about
 * to come find messages, lowered late.
 *
 * @param replicas what was decided.
 */
export function followAckPending(situation: Situation, replicas: number): AckPendingDecided {
  const { spec, signals, memory } = situation;
  if (!spec.ackPending.manage) return { changes: [], diagnosis: [], memory: noAckPending };
  const followed = signals.sources.map((source, index) =>
    follow(situation, source, memory.ackPending[index] ?? unmanaged, replicas),
  );
  const changes = followed.flatMap(({ from, to }, source) =>
    to === undefined || from === undefined || spec.mode === 'DryRun' ? [] : [{ source, from, to }],
  );
  return {
    changes,
    diagnosis: [diagnosisOf(situation, followed)],
    memory: followed.map(({ managed }) => managed),
  };
}

/** The limit that a source's consumer could be given; 0 when it is not managed, or cannot be. */
export function highestLimit({ spec, signals, memory, nowMs }: Situation, source: SourceSignals): number {
  const managed = memory.ackPending[signals.sources.indexOf(source)] ?? unmanaged;
  if (!spec.ackPending.manage || obstacleOf(source, managed, nowMs) !== undefined) return 0;
  return spec.ackPending.max / heldPerSlot / margin;
}

type Followed = {
  readonly managed: Managed;
  readonly from?: number;
  readonly to?: number;
  readonly obstacle: Obstacle | undefined;
};
type Obstacle = { readonly reason: string; readonly message: string };

function follow(situation: Situation, source: SourceSignals, before: Managed, replicas: number): Followed {
  const { nowMs } = situation;
  const { maxAckPending } = source;
  const obstacle = obstacleOf(source, before, nowMs);
  if (obstacle !== undefined || maxAckPending.kind === 'unknown' || maxAckPending.value === 'unlimited') {
    return { managed: { ...before, lowerSinceMs: undefined }, obstacle };
  }
  const from = maxAckPending.value;
  const wanted = wantedLimit(situation, source, replicas);
  if (wanted > from) return { managed: { ...before, lowerSinceMs: undefined }, from, to: wanted, obstacle };
  if (wanted > lowerShare * from) return { managed: { ...before, lowerSinceMs: undefined }, obstacle };
  const lowerSinceMs = before.lowerSinceMs ?? nowMs;
  const managed = { ...before, lowerSinceMs };
  return nowMs - lowerSinceMs < lowerAfterMs
    ? { managed, obstacle }
    : { managed, from, to: wanted, obstacle };
}

/** Replicas that leave still hold what they have. */
function wantedLimit(
  { spec, workload, current }: Situation,
  { capacity }: SourceSignals,
  replicas: number,
): number {
  const working = Math.max(replicas, current, workload.ready + workload.terminating);
  const limit = Math.ceil(working * capacity.slots * heldPerSlot * margin);
  return Math.min(spec.ackPending.max, Math.max(spec.ackPending.min, limit));
}

function obstacleOf(
  { maxAckPending, owner }: SourceSignals,
  { written, refusal }: Managed,
  nowMs: number,
): Obstacle | undefined {
  if (owner !== undefined) {
    const message = `its metadata "${owner}" says that somebody else manages it; add penstock.dev/ack-pending: managed to allow it`;
    return { reason: 'OwnedElsewhere', message };
  }
  if (maxAckPending.kind === 'known' && maxAckPending.value === 'unlimited') {
    return { reason: 'Unlimited', message: 'it has no limit that could follow' };
  }
  if (
    written !== undefined &&
    maxAckPending.kind === 'known' &&
    maxAckPending.atMs > written.atMs + settleMs
  ) {
    const isOurs = maxAckPending.value === written.limit;
    const message = `somebody has set max_ack_pending to ${maxAckPending.value} after ${written.limit} was written; it is left alone until it is ${written.limit} again`;
    if (!isOurs) return { reason: 'ChangedElsewhere', message };
  }
  return refusal !== undefined && nowMs < refusal.untilMs ? refusal : undefined;
}

function diagnosisOf(situation: Situation, followed: readonly Followed[]): Diagnosis {
  const type = 'AckPendingManaged';
  const index = followed.findIndex(({ obstacle }) => obstacle !== undefined);
  const obstacle = followed[index]?.obstacle;
  if (obstacle === undefined) {
    return {
      type,
      status: 'True',
      reason: 'FollowsReplicas',
      message: 'max_ack_pending follows the replicas',
    };
  }
  return {
    type,
    status: 'False',
    reason: obstacle.reason,
    message: `${sourceName(situation, index)}: ${obstacle.message}`,
  };
}
