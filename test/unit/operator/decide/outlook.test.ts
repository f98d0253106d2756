import { expect, it } from 'vitest';
import type { Signals } from '../../../../operator/measure/signals.ts';
import { known, unknown } from '../../../../operator/measure/signals.ts';
import { decideFor, load, nowMs, pool } from '../../../builders/decisions.ts';
import { specAt80 } from '../../../builders/spec.ts';

it.each<{ title: string; given: Signals; maxReplicas?: number; then: object; says?: string }>([
  {
    title: 'enough replicas',
    given: pool(10, load({ arrivals: 8, running: 8 })),
    then: { status: 'True', reason: 'OnTrack' },
  },
  {
    title: 'too few replicas',
    given: pool(5, load({ arrivals: 8 })),
    then: { status: 'True', reason: 'CatchingUp' },
    says: '10 replicas are needed; there are 5',
  },
  {
    title: 'a maximum that cannot complete what arrives',
    given: pool(10, load({ arrivals: 12, queued: 300 })),
    maxReplicas: 10,
    then: { status: 'False', reason: 'IntakeExceedsCapacity' },
    says: '12.0 jobs/s arrive, 10 replicas complete at most 10.0/s, so the backlog grows by 2.0/s and the objective will be missed in 150 s: raise maxReplicas to 15, or take in no more than 10.0/s',
  },
  {
    title: 'a backlog that is beyond the objective already',
    given: pool(10, load({ arrivals: 12, queued: 900 })),
    maxReplicas: 10,
    then: { status: 'False', reason: 'IntakeExceedsCapacity' },
    says: 'the objective is missed already',
  },
  {
    title: 'a maximum that takes longer than the objective',
    given: pool(10, load({ arrivals: 5, queued: 900 })),
    maxReplicas: 10,
    then: { status: 'False', reason: 'MaxReplicas' },
    says: 'maxReplicas is 10; the objective needs 22',
  },
  {
    title: 'a guard that finds more replicas useless',
    given: pool(5, { ...load({ arrivals: 8, queued: 100 }), paused: true }),
    then: { status: 'False', reason: 'WorkersIdle' },
    says: 'the consumer is paused',
  },
  {
    title: 'several things in the way, the first of them as the cause,',
    given: pool(10, {
      ...load({ arrivals: 12, queued: 300, running: 10 }),
      attemptsPerSuccess: known(3, nowMs),
      ackPendingMessages: known(10, nowMs),
      maxAckPending: known<number | 'unlimited'>(10, nowMs),
    }),
    maxReplicas: 10,
    then: {
      status: 'False',
      reason: 'RetryAmplified',
      contributing: ['AckPendingLimited', 'IntakeExceedsCapacity'],
      remedies: [{ change: 'attemptsPerSuccess', to: 1.5 }],
    },
  },
  {
    title: 'an intake beyond the maximum and a stream without limits',
    given: pool(10, { ...load({ arrivals: 12 }), overflow: known('unbounded', nowMs) }),
    maxReplicas: 10,
    then: {
      reason: 'IntakeExceedsCapacity',
      remedies: [
        { change: 'maxReplicas', to: 15 },
        { change: 'intakePerSecond', to: 10 },
      ],
    },
    says: 'stream JOBS has no limit and will fill the disk: set max_msgs and discard new',
  },
  {
    title: 'an intake beyond the maximum and a stream that drops the oldest',
    given: pool(10, { ...load({ arrivals: 12 }), overflow: known('dropsOldest', nowMs) }),
    maxReplicas: 10,
    then: { reason: 'IntakeExceedsCapacity' },
    says: 'stream JOBS drops the oldest jobs unworked: set discard new',
  },
  {
    title: 'arrivals that are not known yet',
    given: pool(5, { ...load({}), plannedArrivalsPerSecond: unknown('one sample') }),
    then: { status: 'Unknown', reason: 'Measuring' },
  },
])('with $title the outlook is $then', ({ given, maxReplicas = 40, then, says = '' }) => {
  const { diagnosis } = decideFor(given, specAt80({ maxReplicas })).decision;
  const outlook = diagnosis.find(({ type }) => type === 'ObjectiveReachable');
  expect(outlook).toMatchObject(then);
  expect(outlook?.message).toContain(says);
});
