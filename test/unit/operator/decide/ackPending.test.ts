import { describe, expect, test } from 'vitest';
import { recordAckPending } from '../../../../operator/decide/ackPendingState.ts';
import type { AckPendingMemory } from '../../../../operator/decide/ackPendingState.ts';
import type { Decided } from '../../../../operator/decide/decide.ts';
import type { Memory } from '../../../../operator/decide/memory.ts';
import { known } from '../../../../operator/measure/signals.ts';
import type { SourceSignals } from '../../../../operator/measure/signals.ts';
import { atOnce, decideFor, load, nowMs, pool, settled } from '../../../builders/decisions.ts';
import { spec } from '../../../builders/spec.ts';

const managed = spec({ behavior: atOnce, ackPending: { manage: true, min: 4, max: 50 } });

/** One slot per replica: 3.3 messages each. */
const limited = (limit: number | 'unlimited', overrides: Partial<SourceSignals> = {}): SourceSignals => ({
  ...load({ arrivals: 4, running: 4 }),
  maxAckPending: known<number | 'unlimited'>(limit, nowMs),
  ...overrides,
});

const remembering = (current: number, source: SourceSignals, ackPending: AckPendingMemory): Memory => ({
  ...settled(pool(current, source)),
  ackPending,
});

function decideWith(current: number, source: SourceSignals, ackPending: AckPendingMemory = []): Decided {
  return decideFor(pool(current, source), managed, remembering(current, source, ackPending));
}

const condition = ({ decision }: Decided): string | undefined =>
  decision.diagnosis.find(({ type }) => type === 'AckPendingManaged')?.reason;

describe('max_ack_pending', () => {
  test('is raised together with the decision to add replicas, for those that will be there', () => {
    const decided = decideWith(1, limited(4));
    expect(decided.decision).toMatchObject({ kind: 'scale', to: 5 });
    expect(decided.decision.ackPending).toEqual([{ source: 0, from: 4, to: 17 }]);
    expect(condition(decided)).toBe('FollowsReplicas');
  });

  test('stays within its bounds', () => {
    const busy = { ...limited(4), ...load({ arrivals: 30, running: 30 }), maxAckPending: known(4, nowMs) };
    expect(decideWith(30, busy).decision.ackPending).toEqual([{ source: 0, from: 4, to: 50 }]);
    const idle = { ...load({ lastWorkSecondsAgo: 900 }), maxAckPending: known(2, nowMs) };
    expect(decideWith(0, idle).decision.ackPending).toEqual([{ source: 0, from: 2, to: 4 }]);
  });

  test('is lowered when a clearly lower one has sufficed for five minutes, and not before', () => {
    const first = decideWith(5, limited(40));
    expect(first.decision.ackPending).toEqual([]);
    const lowerSinceMs = nowMs - 300_000;
    const since = first.memory.ackPending.map((one) => ({ ...one, lowerSinceMs })) as AckPendingMemory;
    expect(decideWith(5, limited(40), since).decision.ackPending).toEqual([{ source: 0, from: 40, to: 17 }]);
    const barely = decideWith(5, limited(20), since);
    expect(barely.decision.ackPending).toEqual([]);
    expect(barely.memory.ackPending[0]?.lowerSinceMs).toBeUndefined();
  });

  test('is not touched unless the policy says so', () => {
    const decided = decideFor(pool(1, limited(4)), spec({ behavior: atOnce }));
    expect(decided.decision.ackPending).toEqual([]);
    expect(condition(decided)).toBeUndefined();
  });

  test('is not touched in mode DryRun', () => {
    const policy = { ...managed, mode: 'DryRun' as const };
    expect(decideFor(pool(1, limited(4)), policy).decision.ackPending).toEqual([]);
  });
});

const change = { source: 0, from: 4, to: 17 };
const obstacles: Record<string, { source: SourceSignals; memory?: AckPendingMemory; reason: string }> = {
  'a consumer that somebody else manages': {
    source: limited(4, { owner: 'nack.nats.io/uid' }),
    reason: 'OwnedElsewhere',
  },
  'a consumer without a limit': { source: limited('unlimited'), reason: 'Unlimited' },
  'a limit that somebody changed after us': {
    source: limited(9),
    memory: recordAckPending([], [{ ...change, kind: 'written' }], nowMs - 60_000),
    reason: 'ChangedElsewhere',
  },
  'a right that is missing': {
    source: limited(4),
    memory: recordAckPending(
      [],
      [{ ...change, kind: 'failed', reason: 'WriteForbidden', message: 'no' }],
      nowMs - 30_000,
    ),
    reason: 'WriteForbidden',
  },
};
test.each(Object.entries(obstacles))(
  '%s is left alone, with a condition',
  (_, { source, memory, reason }) => {
    const decided = decideWith(1, source, memory);
    expect(decided.decision.ackPending).toEqual([]);
    expect(condition(decided)).toBe(reason);
  },
);

test('a failed write is tried again after a minute', () => {
  const failed = recordAckPending(
    [],
    [{ ...change, kind: 'failed', reason: 'WriteFailed', message: 'no' }],
    nowMs - 61_000,
  );
  expect(decideWith(1, limited(4), failed).decision.ackPending).toEqual([change]);
});

test('a reading from before the write is no foreign change', () => {
  const written = recordAckPending([], [{ ...change, kind: 'written' }], nowMs - 1_000);
  expect(condition(decideWith(5, limited(4), written))).toBe('FollowsReplicas');
});

describe('the guard', () => {
  const full = (limit: number): SourceSignals => ({
    ...load({ arrivals: 20, queued: 400, running: limit }),
    maxAckPending: known(limit, nowMs),
  });
  test('counts with the highest limit that may be written', () => {
    expect(decideWith(4, full(4)).decision.to).toBe(16);
  });
  test("counts with the limit there is when that is somebody else's", () => {
    expect(decideWith(4, { ...full(4), owner: 'x' }).decision.to).toBe(4);
  });
});
