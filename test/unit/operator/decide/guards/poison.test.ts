import { expect, it } from 'vitest';
import { known, unknown } from '../../../../../operator/measure/signals.ts';
import type { SourceSignals } from '../../../../../operator/measure/signals.ts';
import { decideFor, load, nowMs, pool } from '../../../../builders/decisions.ts';

const oldest = { streamSeq: 17, sinceMs: nowMs - 300_000, completedSince: 5_000 };
const poisoned: SourceSignals = {
  ...load({ queued: 600 }),
  redeliveredMessages: known(1, nowMs),
  oldest,
};

it.each<{ title: string; source: SourceSignals; isReported: boolean }>([
  { title: 'a message that stays while others pass', source: poisoned, isReported: true },
  {
    title: 'a job that just runs long',
    source: { ...poisoned, redeliveredMessages: known(0, nowMs) },
    isReported: false,
  },
  {
    title: 'a job that runs long while others fail now and then',
    source: { ...poisoned, oldestRunningMs: known(290_000, nowMs) },
    isReported: false,
  },
  {
    title: 'a message that stays while no worker tells how long its jobs run',
    source: { ...poisoned, oldestRunningMs: unknown('no worker tells') },
    isReported: true,
  },
  {
    title: 'a retry storm',
    source: { ...poisoned, redeliveredMessages: known(50, nowMs) },
    isReported: false,
  },
  {
    title: 'a queue that does not move at all',
    source: { ...poisoned, oldest: { ...oldest, completedSince: 99 } },
    isReported: false,
  },
  {
    title: 'a message that has only waited for its redelivery',
    source: { ...poisoned, ackWaitMs: known(120_000, nowMs) },
    isReported: false,
  },
])('$title', ({ source, isReported }) => {
  const { decision } = decideFor(pool(4, source));
  const found = decision.diagnosis.find(({ type }) => type === 'PoisonMessages');
  expect(found !== undefined).toBe(isReported);
  if (isReported) expect(found?.message).toContain('message 17 of consumer work of stream JOBS');
  expect(decision).toMatchObject({ kind: 'scale', from: 4, to: 11 });
});
