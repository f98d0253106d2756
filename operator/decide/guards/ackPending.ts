import { wholeReplicas } from '../demand.ts';
import { highestLimit } from '../ackPending.ts';
import type { Situation } from '../situation.ts';
import type { Guard, Verdict } from './guard.ts';
import { judgeSources } from './perSource.ts';

/** From this share of max_ack_pending on, deliveries stall time and again. */
const fullShare = 0.95;

/**
 * The server delivers no more than max_ack_pending messages at once, over all replicas. When that is used up, more
 * replicas only share the same messages: useful are as many as it takes to hold them.
 */
export const ackPendingGuard: Guard = { name: 'ackPending', check };

function check(situation: Situation): Verdict {
  return judgeSources(situation, 'AckPendingLimited', (source, wanted) => {
    const { maxAckPending, ackPendingMessages, pendingMessages, capacity } = source;
    const isFull =
      maxAckPending.kind === 'known' &&
      maxAckPending.value !== 'unlimited' &&
      ackPendingMessages.kind === 'known' &&
      pendingMessages.kind === 'known' &&
      pendingMessages.value > 0 &&
      ackPendingMessages.value >= fullShare * maxAckPending.value;
    // A limit that follows the replicas is raised before they come, as far as it may be.
    const highest = isFull ? Math.max(maxAckPending.value, highestLimit(situation, source)) : Infinity;
    const fed = highest / capacity.slots;
    if (!isFull || fed >= wanted) return { useful: wanted };
    const needed = Math.ceil(wholeReplicas(wanted) * capacity.slots);
    return {
      useful: fed,
      message: (name) =>
        `${name} has ${ackPendingMessages.value} of max_ack_pending ` +
        `${maxAckPending.value} in use, enough for ${wholeReplicas(fed)} replicas; ` +
        `${wholeReplicas(wanted)} need ${needed}`,
      remedy: { change: 'maxAckPending', to: needed },
    };
  });
}
