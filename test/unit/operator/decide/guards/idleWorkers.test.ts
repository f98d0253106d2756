import { expect, it } from 'vitest';
import { known } from '../../../../../operator/measure/signals.ts';
import type { SourceSignals } from '../../../../../operator/measure/signals.ts';
import { decideFor, load, nowMs, pool } from '../../../../builders/decisions.ts';
import { spec } from '../../../../builders/spec.ts';

const waiting = load({ queued: 600 });
const stalled: SourceSignals = { ...waiting, stalledSinceMs: nowMs - 10_000 };
const fires = { kind: 'hold', reason: 'WorkersIdle' };
const grows = { kind: 'scale', reason: 'BacklogGrew' };

it.each<{ title: string; source: SourceSignals; then: object; says?: string }>([
  {
    title: 'a paused consumer',
    source: { ...waiting, paused: true },
    then: fires,
    says: 'the consumer is paused',
  },
  {
    title: 'workers that do not ask',
    source: { ...stalled, openPulls: known(0, nowMs) },
    then: fires,
    says: 'no worker has asked for any in 10 s',
  },
  { title: 'workers that ask in vain', source: stalled, then: fires, says: 'although workers ask' },
  {
    title: 'a stall that is still short',
    source: { ...stalled, stalledSinceMs: nowMs - 9_000 },
    then: grows,
  },
  { title: 'long jobs in all slots', source: { ...stalled, runningJobs: known(4, nowMs) }, then: grows },
  {
    title: 'max_ack_pending in full use, which has a guard of its own',
    source: { ...stalled, maxAckPending: known(100, nowMs), ackPendingMessages: known(100, nowMs) },
    then: grows,
  },
  { title: 'messages that are delivered', source: waiting, then: grows },
])('$title', ({ source, then, says }) => {
  const { decision } = decideFor(pool(4, source));
  expect(decision).toMatchObject(then);
  if (says !== undefined) expect(decision.message).toContain(says);
});

it('does not hold for the other sources', () => {
  const both = spec({
    sources: ['work', 'other'].map((consumer) => ({ connection: 'nats', stream: 'JOBS', consumer })),
  });
  const { decision } = decideFor(pool(4, { ...waiting, paused: true }, load({ queued: 300 })), both);
  expect(decision).toMatchObject({ kind: 'scale', to: 6 });
});

it('only reports in mode Observe', () => {
  const { decision } = decideFor(
    pool(4, { ...waiting, paused: true }),
    spec({ guards: { idleWorkers: 'Observe' } }),
  );
  expect(decision).toMatchObject(grows);
  expect(decision.diagnosis.map(({ type }) => type)).toContain('WorkersIdle');
});
