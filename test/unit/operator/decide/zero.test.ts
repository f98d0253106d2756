import { describe, expect, it } from 'vitest';
import { decide } from '../../../../operator/decide/decide.ts';
import { recordScale } from '../../../../operator/decide/memory.ts';
import { known, unknown } from '../../../../operator/measure/signals.ts';
import type { Signals } from '../../../../operator/measure/signals.ts';
import { atOnce, decideFor, idle, load, nowMs, pool, settled, summary } from '../../../builders/decisions.ts';
import { specAt80 } from '../../../builders/spec.ts';

describe('zero', () => {
  it.each<{ title: string; given: Signals; policy?: Parameters<typeof specAt80>[0]; then: object }>([
    {
      title: 'is reached after idleSeconds without work',
      given: pool(1, idle),
      then: { kind: 'scale', from: 1, to: 0, reason: 'IdleToZero' },
    },
    {
      title: 'is not reached before',
      given: pool(1, load({ lastWorkSecondsAgo: 29 })),
      then: { kind: 'hold', from: 1, to: 1, reason: 'NotIdle' },
    },
    {
      title: 'is not reached with an unresolved message that nobody runs',
      given: pool(1, { ...idle, backlogMessages: known(1, nowMs) }),
      then: { kind: 'hold', from: 1, to: 1, reason: 'NotIdle' },
    },
    {
      title: 'is not reached with minReplicas 1',
      given: pool(1, idle),
      policy: { minReplicas: 1 },
      then: { kind: 'hold', from: 1, to: 1, reason: 'MinReplicas' },
    },
    {
      title: 'is kept with nothing to do',
      given: pool(0, idle),
      then: { kind: 'hold', from: 0, to: 0, reason: 'Balanced' },
    },
    {
      title: 'is left for the first message',
      given: pool(0, load({ queued: 1 })),
      then: { kind: 'scale', from: 0, to: 1, reason: 'WokeFromZero' },
    },
    {
      title: 'is left for a message that only waits for its redelivery',
      given: pool(0, {
        ...load({ queued: 1 }),
        ackPendingMessages: known(1, nowMs),
        pendingMessages: known(0, nowMs),
      }),
      then: { kind: 'scale', from: 0, to: 1, reason: 'WokeFromZero' },
    },
    {
      title: 'is left for a message that a worker which is gone still claims to run',
      given: pool(0, load({ running: 1 })),
      then: { kind: 'scale', from: 0, to: 1, reason: 'WokeFromZero' },
    },
    {
      title: 'is left straight to what the demand asks for, without steps and windows',
      given: pool(0, load({ queued: 1_800 })),
      policy: {
        behavior: {
          scaleUp: {
            stabilizationWindowSeconds: 300,
            policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }],
          },
        },
      },
      then: { kind: 'scale', from: 0, to: 31, reason: 'WokeFromZero' },
    },
    {
      title: 'is left at the first look, before any rate is known',
      given: pool(0, {
        ...load({ queued: 60 }),
        plannedArrivalsPerSecond: unknown('one sample'),
        arrivalsPerSecond: unknown('one sample'),
        completionsPerSecond: unknown('one sample'),
      }),
      then: { kind: 'scale', from: 0, to: 2, reason: 'WokeFromZero' },
    },
    {
      title: 'is kept for as many as activationMessages',
      given: pool(0, load({ queued: 10 })),
      policy: { zero: { activationMessages: 10 } },
      then: { kind: 'hold', from: 0, to: 0, reason: 'BelowActivation' },
    },
    {
      title: 'is left for more than activationMessages',
      given: pool(0, load({ queued: 11 })),
      policy: { zero: { activationMessages: 10 } },
      then: { kind: 'scale', from: 0, to: 1, reason: 'WokeFromZero' },
    },
    {
      title: 'is left for anything that has waited maxWaitSeconds',
      given: pool(0, { ...load({ queued: 1 }), unresolvedSinceMs: nowMs - 30_000 }),
      policy: { zero: { activationMessages: 10, maxWaitSeconds: 30 } },
      then: { kind: 'scale', from: 0, to: 1, reason: 'WokeFromZero' },
    },
    {
      title: 'is kept until then',
      given: pool(0, { ...load({ queued: 1 }), unresolvedSinceMs: nowMs - 29_000 }),
      policy: { zero: { activationMessages: 10, maxWaitSeconds: 30 } },
      then: { kind: 'hold', from: 0, to: 0, reason: 'BelowActivation' },
    },
    {
      title: 'is kept while scaleUp is disabled',
      given: pool(0, load({ queued: 100 })),
      policy: { behavior: { scaleUp: { selectPolicy: 'Disabled' } } },
      then: { kind: 'hold', from: 0, to: 0, reason: 'RateLimited' },
    },
    {
      title: 'is left for minReplicas even then',
      given: pool(0, load({ queued: 100 })),
      policy: { minReplicas: 2, behavior: { scaleUp: { selectPolicy: 'Disabled' } } },
      then: { kind: 'scale', from: 0, to: 2, reason: 'BelowMinimum' },
    },
  ])('$title', ({ given, policy, then }) => {
    const { decision } = decideFor(given, specAt80({ behavior: atOnce, ...policy }));
    expect(summary(decision)).toEqual(then);
  });

  it('comes in steps, the last one included', () => {
    let memory = settled(pool(12, idle));
    const sizes = [];
    for (let [current, atMs] = [12, nowMs]; current > 0; atMs += 1_000) {
      const given = pool(current, { ...idle, backlogMessages: known(0, atMs) });
      const decided = decide({ spec: specAt80(), signals: given, memory, nowMs: atMs });
      memory = decided.memory;
      if (decided.decision.kind === 'hold') continue;
      memory = recordScale(memory, { from: current, to: decided.decision.to, atMs });
      current = decided.decision.to;
      sizes.push(current);
    }
    expect(sizes).toEqual([3, 0]);
  });
});
