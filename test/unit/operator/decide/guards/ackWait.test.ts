import { expect, it } from 'vitest';
import { known, unknown } from '../../../../../operator/measure/signals.ts';
import type { SourceSignals } from '../../../../../operator/measure/signals.ts';
import { decideFor, load, nowMs, pool } from '../../../../builders/decisions.ts';

/** 20 replicas for all deliveries, 12 for the first ones. */
const outlasting: SourceSignals = {
  ...load({ arrivals: 16, running: 12 }),
  ackWaitMs: known(30_000, nowMs),
  serviceP95Ms: known(45_000, nowMs),
  repeatedShare: known(0.4, nowMs),
};
const fires = { kind: 'hold', reason: 'AckWaitTooShort' };
const grows = { kind: 'scale', to: 20 };

it.each<{ title: string; source: SourceSignals; then: object }>([
  { title: 'jobs that outlast ack_wait', source: outlasting, then: fires },
  {
    title: 'jobs that end in time',
    source: { ...outlasting, serviceP95Ms: known(29_000, nowMs) },
    then: grows,
  },
  {
    title: 'long jobs whose leases are kept',
    source: { ...outlasting, repeatedShare: known(0.04, nowMs) },
    then: grows,
  },
  {
    title: 'workers that report no run times',
    source: { ...outlasting, serviceP95Ms: unknown('not reported') },
    then: grows,
  },
])('$title', ({ source, then }) => {
  expect(decideFor(pool(12, source)).decision).toMatchObject(then);
});

it('names the value that is needed', () => {
  expect(decideFor(pool(12, outlasting)).decision.message).toContain(
    'redelivers after 30.0 s what runs up to 45.0 s, so 40 % of the deliveries are repeats: set ack_wait to 90 s',
  );
});
