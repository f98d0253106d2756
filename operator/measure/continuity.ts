import type { ConsumerFacts } from '../observe/observation.ts';

/** An accepted answer of the consumer's leader and the monotonic time of its arrival. */
export type Reading = { readonly atMs: number; readonly facts: ConsumerFacts };

/**
 * How a new reading relates to the one before it.
 * - `step`: the same counters, further on: their difference means something.
 * - `gap`: usable as a new baseline, but the difference to the old one means nothing.
 * - `recreated`: another consumer or stream; nothing measured before holds.
 * - `dropped`: tells nothing new; the old reading stays.
 */
export type Continuity =
  | { readonly kind: 'step'; readonly elapsedMs: number }
  | { readonly kind: 'gap' }
  | { readonly kind: 'recreated' }
  | { readonly kind: 'dropped'; readonly reason: string };

/** For so long a server clock that stands still or went back is taken for a late or repeated answer. */
const clockPatienceMs = 5_000;
/** Delay of an answer on its way, beyond which the server's clock and ours disagree about the time between two. */
const clockToleranceMs = 1_000;

/** Which differences may be trusted; docs/signals.md lists the cases. */
export function continuity(previous: Reading | undefined, next: Reading): Continuity {
  if (!isPlausible(next.facts)) {
    return { kind: 'dropped', reason: 'the consumer info holds impossible numbers' };
  }
  if (previous === undefined) return { kind: 'gap' };
  const [before, now] = [previous.facts, next.facts];
  if (isRecreated(before, now)) return { kind: 'recreated' };
  const ownMs = next.atMs - previous.atMs;
  if (ownMs <= 0) return { kind: 'dropped', reason: 'the answer is not newer than the last one' };
  if (before.leader !== now.leader || before.paused !== now.paused) return { kind: 'gap' };
  const serverMs = now.serverTimeMs - before.serverTimeMs;
  if (serverMs <= 0) {
    return ownMs > clockPatienceMs
      ? { kind: 'gap' }
      : { kind: 'dropped', reason: "the server's time has not advanced since the last answer" };
  }
  if (Math.abs(serverMs - ownMs) > Math.max(clockToleranceMs, ownMs / 2)) return { kind: 'gap' };
  if (hasFallen(before, now) || wasPurged(before, now)) return { kind: 'gap' };
  return { kind: 'step', elapsedMs: serverMs };
}

function isRecreated(before: ConsumerFacts, now: ConsumerFacts): boolean {
  if (before.createdMs !== now.createdMs) return true;
  return (
    before.stream !== undefined &&
    now.stream !== undefined &&
    before.stream.createdMs !== now.stream.createdMs
  );
}

function hasFallen(before: ConsumerFacts, now: ConsumerFacts): boolean {
  if (now.deliveredConsumerSeq < before.deliveredConsumerSeq) return true;
  return (
    before.stream !== undefined && now.stream !== undefined && now.stream.lastSeq < before.stream.lastSeq
  );
}

/**
 * Only what was delivered can be completed. If more has left the backlog, messages were removed unworked: a purge,
 * limits, or expiry. The slack covers stream and consumer being read a moment apart.
 */
function wasPurged(before: ConsumerFacts, now: ConsumerFacts): boolean {
  const deliveries = now.deliveredConsumerSeq - before.deliveredConsumerSeq;
  const arrived = arrivals(before, now, 1);
  const left = arrived + before.pending + before.ackPending - now.pending - now.ackPending;
  return left > before.ackPending + deliveries + Math.max(10, arrived / 10);
}

/**
 * Messages that arrived between two readings. A consumer that sees only some subjects is asked by its own counters:
 * what was added to pending, plus what was delivered for the first time.
 *
 * @param firstShare share of deliveries that are first deliveries, 0 to 1; 1 counts each retry as an arrival.
 */
export function arrivals(before: ConsumerFacts, now: ConsumerFacts, firstShare: number): number {
  if (!now.filtered && before.stream !== undefined && now.stream !== undefined) {
    return Math.max(0, now.stream.lastSeq - before.stream.lastSeq);
  }
  const firstDeliveries = firstShare * (now.deliveredConsumerSeq - before.deliveredConsumerSeq);
  return Math.max(0, now.pending - before.pending + firstDeliveries);
}

function isPlausible(facts: ConsumerFacts): boolean {
  const counts = [
    facts.pending,
    facts.ackPending,
    facts.waiting,
    facts.deliveredConsumerSeq,
    facts.serverTimeMs,
    facts.stream?.lastSeq ?? 0,
  ];
  return counts.every((count) => count >= 0 && count <= Number.MAX_SAFE_INTEGER);
}
