import { wholeReplicas } from '../demand.ts';
import { sourceName } from '../freshness.ts';
import type { Situation } from '../situation.ts';
import { ok, useless } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';

/** From this share of max_ack_pending on, deliveries stall time and again. */
const fullShare = 0.95;

/**
 * The server delivers no more than max_ack_pending messages at once, over all replicas. When that is used up, more
 * replicas only share the same messages: useful are as many as it takes to hold them.
 */
export const ackPendingGuard: Guard = { name: 'ackPending', check };

function check(situation: Situation): Verdict {
  const { demand, signals } = situation;
  let useful = 0;
  let message: string | undefined;
  for (const [index, source] of signals.sources.entries()) {
    const needed = demand.sources[index];
    if (needed === undefined) continue;
    const wanted = needed.arrivals + needed.backlog;
    const { maxAckPending, ackPendingMessages, pendingMessages, capacity } = source;
    const isFull =
      maxAckPending.kind === 'known' &&
      maxAckPending.value !== 'unlimited' &&
      ackPendingMessages.kind === 'known' &&
      pendingMessages.kind === 'known' &&
      pendingMessages.value > 0 &&
      ackPendingMessages.value >= fullShare * maxAckPending.value;
    const fed = isFull ? maxAckPending.value / capacity.slots : Infinity;
    useful += Math.min(wanted, fed);
    if (isFull && fed < wanted) {
      message ??=
        `${sourceName(situation, index)} has ${ackPendingMessages.value} of max_ack_pending ` +
        `${maxAckPending.value} in use, enough for ${wholeReplicas(fed)} replicas; ` +
        `${wholeReplicas(wanted)} need ${Math.ceil(wholeReplicas(wanted) * capacity.slots)}`;
    }
  }
  if (message === undefined) return ok;
  return useless('AckPendingLimited', wholeReplicas(useful), message);
}
