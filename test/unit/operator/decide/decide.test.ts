import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../../operator/decide/decision.ts';
import { unknown } from '../../../../operator/measure/signals.ts';
import type { Signals, SourceSignals } from '../../../../operator/measure/signals.ts';
import { atOnce, decideFor, load, pool, summary } from '../../../builders/decisions.ts';
import { specAt80 } from '../../../builders/spec.ts';

const neverSeen: SourceSignals = {
  ...load({}),
  presence: { kind: 'unseen', message: 'timeout' },
  backlogMessages: unknown('the consumer has not been seen yet'),
};
const absent: SourceSignals = { ...load({}), presence: { kind: 'absent', message: 'consumer not found' } };

describe('decide', () => {
  it.each<{ title: string; given: Signals; policy?: Parameters<typeof specAt80>[0]; then: object }>([
    {
      title: 'holds when the replicas are what the demand asks for',
      given: pool(10, load({ arrivals: 8, running: 8 })),
      then: { kind: 'hold', from: 10, to: 10, reason: 'Balanced' },
    },
    {
      title: 'grows with the arrivals',
      given: pool(5, load({ arrivals: 8, running: 5 })),
      then: { kind: 'scale', from: 5, to: 10, reason: 'ArrivalsGrew' },
    },
    {
      title: 'grows with the backlog',
      given: pool(5, load({ queued: 590, running: 5 })),
      then: { kind: 'scale', from: 5, to: 10, reason: 'BacklogGrew' },
    },
    {
      title: 'shrinks with the demand, to where it does not soon grow again',
      given: pool(20, load({ arrivals: 6.5, running: 6 })),
      then: { kind: 'scale', from: 20, to: 10, reason: 'DemandFell' },
    },
    {
      title: 'does not shrink for a difference that would soon be wanted back',
      given: pool(10, load({ arrivals: 6.5, running: 6 })),
      then: { kind: 'hold', from: 10, to: 10, reason: 'WithinTolerance' },
    },
    {
      title: 'does not shrink while every replica has a job to run',
      given: pool(10, load({ arrivals: 1, queued: 30, running: 10 })),
      then: { kind: 'hold', from: 10, to: 10, reason: 'DrainingBacklog' },
    },
    {
      title: 'shrinks to the replicas that have a job to run',
      given: pool(10, load({ running: 6 })),
      then: { kind: 'scale', from: 10, to: 6, reason: 'DemandFell' },
    },
    {
      title: 'goes no higher than maxReplicas',
      given: pool(5, load({ arrivals: 80 })),
      policy: { maxReplicas: 12 },
      then: { kind: 'scale', from: 5, to: 12, reason: 'ArrivalsGrew' },
    },
    {
      title: 'says so at maxReplicas',
      given: pool(12, load({ arrivals: 80 })),
      policy: { maxReplicas: 12 },
      then: { kind: 'hold', from: 12, to: 12, reason: 'MaxReplicas' },
    },
    {
      title: 'takes a wish within the bounds as it is',
      given: pool(5, load({ arrivals: 5.6 })),
      policy: { minReplicas: 3, maxReplicas: 8 },
      then: { kind: 'scale', from: 5, to: 7, reason: 'ArrivalsGrew' },
    },
    {
      title: 'goes no lower than minReplicas',
      given: pool(3, load({ arrivals: 0.1 })),
      policy: { minReplicas: 2, maxReplicas: 8 },
      then: { kind: 'scale', from: 3, to: 2, reason: 'DemandFell' },
    },
    {
      title: 'may take all above minReplicas in one step',
      given: pool(10, load({ arrivals: 1 })),
      policy: { minReplicas: 5 },
      then: { kind: 'scale', from: 10, to: 5, reason: 'DemandFell' },
    },
    {
      title: 'corrects a size below minReplicas, even without any sight of the sources',
      given: pool(1, neverSeen),
      policy: { minReplicas: 3 },
      then: { kind: 'scale', from: 1, to: 3, reason: 'BelowMinimum' },
    },
    {
      title: 'corrects a size above maxReplicas, even without any sight of the sources',
      given: pool(50, neverSeen),
      then: { kind: 'scale', from: 50, to: 40, reason: 'AboveMaximum' },
    },
  ])('$title', ({ given, policy, then }) => {
    const { decision } = decideFor(given, specAt80({ behavior: atOnce, ...policy }));
    expect(summary(decision)).toEqual(then);
  });

  it('tells a person in one sentence with figures', () => {
    const source = load({ arrivals: 12, queued: 340, running: 4 });
    const { decision } = decideFor(
      pool(4, { ...source, capacity: { ...source.capacity, jobsPerSecond: 2.1 } }),
    );
    expect(decision.message).toBe(
      '12 jobs/s arrive, one replica completes 2.1/s, 340 wait: 10 replicas to drain them within 60 s',
    );
  });

  it('gives every limit with what it allowed, and the wish before all limits', () => {
    const { decision } = decideFor(pool(30, load({ arrivals: 320 })), specAt80({ maxReplicas: 50 }));
    expect(decision.recommended).toBe(400);
    expect(decision.limitedBy.map(({ reason, replicas }) => [reason, replicas])).toEqual([
      ['RateLimited', 60],
      ['MaxReplicas', 50],
    ]);
  });
});

describe('the diagnosis', () => {
  const typesOf = (decision: Decision): object =>
    Object.fromEntries(decision.diagnosis.map(({ type, status, reason }) => [type, `${status} ${reason}`]));

  it('says that all is well', () => {
    expect(typesOf(decideFor(pool(10, load({ arrivals: 8, running: 8 }))).decision)).toEqual({
      TargetAvailable: 'True TargetSeen',
      SourceAvailable: 'True SourcesSeen',
      Active: 'True ReplicasWanted',
      ScalingLimited: 'False AsDemanded',
      ObjectiveReachable: 'True OnTrack',
    });
  });

  it('names what is missing', () => {
    expect(typesOf(decideFor(pool(0, absent)).decision)).toEqual({
      TargetAvailable: 'True TargetSeen',
      SourceAvailable: 'False ConsumerMissing',
      Active: 'False AtZero',
      ScalingLimited: 'False AsDemanded',
      ObjectiveReachable: 'Unknown ConsumerMissing',
    });
  });

  it('has the figures, and null for what is not known', () => {
    const { evidence } = decideFor(
      pool(2, { ...load({ queued: 3, running: 2 }), completionsPerSecond: unknown('') }),
    ).decision;
    expect(evidence).toMatchObject({
      backlogMessages: 5,
      queuedMessages: 3,
      completionsPerSecond: null,
      capacityPerReplica: 1,
      readyReplicas: 2,
    });
  });
});
