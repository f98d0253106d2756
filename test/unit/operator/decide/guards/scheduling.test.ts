import { describe, expect, it } from 'vitest';
import { workloadSignals } from '../../../../builders/signals.ts';
import { atOnce, decideFor, load, nowMs, pool, summary } from '../../../../builders/decisions.ts';
import { specAt80 } from '../../../../builders/spec.ts';

const troubleMessage = 'exit code 1';
const long = nowMs - 60_000;
const behavior = {
  ...atOnce,
  scaleUp: { policies: [{ type: 'Pods' as const, value: 100, periodSeconds: 1 }] },
};

/** A pool of 10 that needs 20. */
const starved = (workload: Parameters<typeof workloadSignals>[0]): ReturnType<typeof pool> => ({
  ...pool(10, load({ arrivals: 16, running: 3 })),
  workload: workloadSignals({ desired: 10, ...workload }),
});

describe('the scheduling guard', () => {
  it.each([
    {
      title: 'asks for no more while replicas fail to start',
      given: starved({ ready: 3, failing: 7, troubleSinceMs: long, troubleMessage }),
      then: { kind: 'hold', from: 10, to: 10, reason: 'ReplicasFailing' },
    },
    {
      title: 'asks for no more while there is no room',
      given: starved({ ready: 3, unschedulable: 7, troubleSinceMs: long, troubleMessage }),
      then: { kind: 'hold', from: 10, to: 10, reason: 'Unschedulable' },
    },
    {
      title: 'asks for one more than run, to see when it works again',
      given: starved({ ready: 9, starting: 1, failing: 1, troubleSinceMs: long, troubleMessage }),
      then: { kind: 'scale', from: 10, to: 11, reason: 'ArrivalsGrew' },
    },
    {
      title: 'gives failing replicas time to recover',
      given: starved({ ready: 3, failing: 7, troubleSinceMs: nowMs - 14_000, troubleMessage }),
      then: { kind: 'scale', from: 10, to: 20, reason: 'ArrivalsGrew' },
    },
    {
      title: 'does not mistake slow starts for failures',
      given: starved({ ready: 1, starting: 9 }),
      then: { kind: 'scale', from: 10, to: 20, reason: 'ArrivalsGrew' },
    },
    {
      title: 'lets a pool shrink',
      given: {
        ...starved({ ready: 3, failing: 7, troubleSinceMs: long, troubleMessage }),
        sources: [load({ arrivals: 1, running: 1 })],
      },
      then: { kind: 'scale', from: 10, to: 2, reason: 'DemandFell' },
    },
    {
      title: 'lets a pool wake from zero',
      given: {
        ...pool(0, load({ queued: 600 })),
        workload: workloadSignals({ desired: 0, failing: 1, troubleSinceMs: long, troubleMessage }),
      },
      then: { kind: 'scale', from: 0, to: 11, reason: 'WokeFromZero' },
    },
    {
      title: 'does not stand below minReplicas',
      given: starved({ ready: 3, failing: 7, troubleSinceMs: long, troubleMessage }),
      policy: { minReplicas: 12 },
      then: { kind: 'scale', from: 10, to: 12, reason: 'BelowMinimum' },
    },
    {
      title: 'only reports in mode Observe',
      given: starved({ ready: 3, failing: 7, troubleSinceMs: long, troubleMessage }),
      policy: { guards: { scheduling: 'Observe' as const } },
      then: { kind: 'scale', from: 10, to: 20, reason: 'ArrivalsGrew' },
    },
  ])('$title', ({ given, policy, then }) => {
    expect(summary(decideFor(given, specAt80({ behavior, ...policy })).decision)).toEqual(then);
  });

  it.each([
    { mode: 'Enforce' as const, reported: true },
    { mode: 'Observe' as const, reported: true },
    { mode: 'Disabled' as const, reported: false },
  ])('in mode $mode it is reported: $reported', ({ mode, reported }) => {
    const given = starved({ ready: 3, failing: 7, troubleSinceMs: long, troubleMessage });
    const { diagnosis } = decideFor(given, specAt80({ guards: { scheduling: mode } })).decision;
    expect(diagnosis.find(({ type }) => type === 'ReplicasFailing')?.message).toBe(
      reported ? 'of the replicas asked for, 7 fail since 60 s (exit code 1)' : undefined,
    );
  });
});
