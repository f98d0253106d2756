import { describe, expect, it } from 'vitest';
import { known } from '../../../../../operator/measure/signals.ts';
import type { SourceSignals } from '../../../../../operator/measure/signals.ts';
import { capacitySignal } from '../../../../builders/signals.ts';
import { decideFor, load, nowMs, pool, summary } from '../../../../builders/decisions.ts';
import { specAt80 } from '../../../../builders/spec.ts';

type Case = { readonly ackPending: number; readonly max: number | 'unlimited'; readonly pending?: number };

/** 16 jobs/s for replicas of 4 slots that complete 2/s each: 10 are needed. */
function limited({ ackPending, max, pending = 50 }: Case): SourceSignals {
  return {
    ...load({ arrivals: 16, running: ackPending }),
    capacity: capacitySignal({ jobsPerSecond: 2, slots: 4 }),
    pendingMessages: known(pending, nowMs),
    ackPendingMessages: known(ackPending, nowMs),
    maxAckPending: known(max, nowMs),
  };
}

describe('the ack-pending guard', () => {
  it.each([
    {
      title: 'asks for no more replicas than max_ack_pending can feed',
      current: 4,
      facts: { ackPending: 24, max: 24 },
      then: { kind: 'scale', from: 4, to: 6, reason: 'ArrivalsGrew' },
    },
    {
      title: 'holds what is there when even that cannot be fed',
      current: 8,
      facts: { ackPending: 23, max: 24 },
      then: { kind: 'hold', from: 8, to: 8, reason: 'AckPendingLimited' },
    },
    {
      title: 'lets grow as long as there is room',
      current: 4,
      facts: { ackPending: 22, max: 24 },
      then: { kind: 'scale', from: 4, to: 10, reason: 'ArrivalsGrew' },
    },
    {
      title: 'does not mistake a full limit with nothing waiting for a shortage',
      current: 4,
      facts: { ackPending: 24, max: 24, pending: 0 },
      then: { kind: 'scale', from: 4, to: 10, reason: 'ArrivalsGrew' },
    },
    {
      title: 'has nothing to say without a limit',
      current: 4,
      facts: { ackPending: 24, max: 'unlimited' as const },
      then: { kind: 'scale', from: 4, to: 10, reason: 'ArrivalsGrew' },
    },
    {
      title: 'has nothing to say when the limit feeds what is wanted',
      current: 4,
      facts: { ackPending: 40, max: 40 },
      then: { kind: 'scale', from: 4, to: 10, reason: 'ArrivalsGrew' },
    },
    {
      title: 'only reports in mode Observe',
      current: 4,
      facts: { ackPending: 24, max: 24 },
      policy: { guards: { ackPending: 'Observe' as const } },
      then: { kind: 'scale', from: 4, to: 10, reason: 'ArrivalsGrew' },
    },
  ])('$title', ({ current, facts, policy, then }) => {
    const { decision } = decideFor(pool(current, limited(facts)), specAt80(policy));
    expect(summary(decision)).toEqual(then);
  });

  it('limits only the source that is limited', () => {
    const sources = [
      { connection: 'nats', stream: 'JOBS', consumer: 'work' },
      { connection: 'nats', stream: 'JOBS', consumer: 'other' },
    ];
    const { decision } = decideFor(
      pool(4, limited({ ackPending: 8, max: 8 }), load({ arrivals: 4 })),
      specAt80({ sources }),
    );
    expect(decision.to).toBe(2 + 5);
  });

  it('says what would be needed', () => {
    const { decision } = decideFor(pool(8, limited({ ackPending: 24, max: 24 })));
    expect(decision.limitedBy[0]?.message).toBe(
      'consumer work of stream JOBS has 24 of max_ack_pending 24 in use, enough for 6 replicas; 10 need 40',
    );
  });
});
