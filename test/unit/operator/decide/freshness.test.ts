import { describe, expect, it } from 'vitest';
import { known, unknown } from '../../../../operator/measure/signals.ts';
import type { Signals, SourceSignals } from '../../../../operator/measure/signals.ts';
import { atOnce, decideFor, idle, load, nowMs, pool, summary } from '../../../builders/decisions.ts';
import { specAt80 } from '../../../builders/spec.ts';

const lost = { ...load({ queued: 900 }), presence: { kind: 'unseen', message: 'timeout' } } as const;
const longLost: SourceSignals = { ...lost, backlogMessages: known(900, nowMs - 60_000) };
const missedOnce: SourceSignals = { ...lost, backlogMessages: known(900, nowMs - 1_000) };
const absent: SourceSignals = { ...lost, presence: { kind: 'absent', message: 'consumer not found' } };
const notMeasured: SourceSignals = { ...load({}), plannedArrivalsPerSecond: unknown('one sample') };

const twoSources = {
  sources: [
    { connection: 'nats', stream: 'JOBS', consumer: 'work' },
    { connection: 'nats', stream: 'JOBS', consumer: 'other' },
  ],
};

describe('what is not seen', () => {
  const both = (first: SourceSignals, second: SourceSignals, current = 5): Signals =>
    pool(current, first, second);

  it.each<{ title: string; given: Signals; policy?: Parameters<typeof specAt80>[0]; then: object }>([
    {
      title: 'a lost source holds',
      given: pool(5, longLost),
      then: { kind: 'hold', from: 5, to: 5, reason: 'SourceUnavailable' },
    },
    {
      title: 'a missing consumer holds: neither maximum nor zero',
      given: pool(5, absent),
      then: { kind: 'hold', from: 5, to: 5, reason: 'ConsumerMissing' },
    },
    {
      title: 'a missing consumer is no reason to call zero replicas right',
      given: pool(0, absent),
      then: { kind: 'hold', from: 0, to: 0, reason: 'ConsumerMissing' },
    },
    {
      title: 'nor is one that was never seen',
      given: pool(0, { ...longLost, backlogMessages: unknown('never seen') }),
      then: { kind: 'hold', from: 0, to: 0, reason: 'SourceUnavailable' },
    },
    {
      title: 'one missed look does not lose the demand',
      given: pool(16, missedOnce),
      then: { kind: 'hold', from: 16, to: 16, reason: 'Balanced' },
    },
    {
      title: 'one missed look forbids shrinking',
      given: pool(30, missedOnce),
      then: { kind: 'hold', from: 30, to: 30, reason: 'SourceUnavailable' },
    },
    {
      title: 'a first look without rates forbids shrinking',
      given: pool(5, notMeasured),
      then: { kind: 'hold', from: 5, to: 5, reason: 'Measuring' },
    },
    {
      title: 'a surviving source may raise',
      given: both(load({ arrivals: 8 }), longLost),
      policy: twoSources,
      then: { kind: 'scale', from: 5, to: 10, reason: 'ArrivalsGrew' },
    },
    {
      title: 'a surviving source may not lower',
      given: both(load({ arrivals: 1 }), longLost),
      policy: twoSources,
      then: { kind: 'hold', from: 5, to: 5, reason: 'SourceUnavailable' },
    },
    {
      title: 'an idle source does not take to zero while another is lost',
      given: both(idle, absent, 1),
      policy: twoSources,
      then: { kind: 'hold', from: 1, to: 1, reason: 'ConsumerMissing' },
    },
    {
      title: 'the fallback raises after its time',
      given: pool(2, longLost),
      policy: { fallback: { afterSeconds: 60, replicas: 7 } },
      then: { kind: 'scale', from: 2, to: 7, reason: 'Fallback' },
    },
    {
      title: 'the fallback raises from zero too',
      given: pool(0, longLost),
      policy: { fallback: { afterSeconds: 60, replicas: 7 } },
      then: { kind: 'scale', from: 0, to: 7, reason: 'Fallback' },
    },
    {
      title: 'the fallback does not lower',
      given: pool(9, longLost),
      policy: { fallback: { afterSeconds: 60, replicas: 7 } },
      then: { kind: 'hold', from: 9, to: 9, reason: 'SourceUnavailable' },
    },
    {
      title: 'the fallback waits for its time',
      given: pool(2, longLost),
      policy: { fallback: { afterSeconds: 61, replicas: 7 } },
      then: { kind: 'hold', from: 2, to: 2, reason: 'SourceUnavailable' },
    },
    {
      title: 'the fallback does not help a missing consumer',
      given: pool(2, absent),
      policy: { fallback: { afterSeconds: 1, replicas: 7 } },
      then: { kind: 'hold', from: 2, to: 2, reason: 'ConsumerMissing' },
    },
    {
      title: 'an absent workload holds',
      given: {
        ...pool(5, load({ arrivals: 80 })),
        workload: { kind: 'absent', message: 'no such Deployment' },
      },
      then: { kind: 'hold', from: undefined, to: undefined, reason: 'TargetMissing' },
    },
    {
      title: 'a workload that cannot be seen holds',
      given: { ...pool(5, load({ arrivals: 80 })), workload: { kind: 'unseen', message: 'timeout' } },
      then: { kind: 'hold', from: undefined, to: undefined, reason: 'TargetUnavailable' },
    },
  ])('$title', ({ given, policy, then }) => {
    const { decision } = decideFor(given, specAt80({ behavior: atOnce, ...policy }));
    expect(summary(decision)).toEqual(then);
  });

  it('is what the sentence is about, and leaves the recommendation unknown', () => {
    const { decision } = decideFor(pool(0, absent));
    expect(decision.recommended).toBeUndefined();
    expect(decision.message).toBe('consumer work of stream JOBS does not exist: what it needs is not known');
  });

  it('does not hide what the other sources ask for', () => {
    const { decision } = decideFor(
      pool(20, load({ queued: 600 }), absent),
      specAt80({ behavior: atOnce, ...twoSources }),
    );
    expect(decision.recommended).toBeUndefined();
    expect(decision.message).toBe(
      'consumer other of stream JOBS does not exist: what is known asks for at least 11 replicas to drain it within 60 s',
    );
  });
});
