import { expect, it } from 'vitest';
import { known, unknown } from '../../../../../operator/measure/signals.ts';
import type { SourceSignals } from '../../../../../operator/measure/signals.ts';
import { atOnce, decideFor, load, nowMs, pool, summary } from '../../../../builders/decisions.ts';
import { specAt80 } from '../../../../builders/spec.ts';

/** Three attempts per success, which make a job of 1 s take 1.8 s of a slot: 16 replicas for first attempts alone. */
const failing: SourceSignals = {
  ...load({ arrivals: 12.8, running: 10 }),
  capacity: { jobsPerSecond: 1 / 1.8, slots: 1, serviceMs: known(1_800, nowMs), basis: 'heartbeats' },
  successMs: known(1_000, nowMs),
  attemptsPerSuccess: known(3, nowMs),
};

it.each<{ title: string; current?: number; source: SourceSignals; then: object }>([
  {
    title: 'grows no further than jobs need that succeed',
    source: failing,
    then: { kind: 'scale', from: 10, to: 16, reason: 'ArrivalsGrew' },
  },
  {
    title: 'holds when there are as many',
    current: 16,
    source: failing,
    then: { kind: 'hold', from: 16, to: 16, reason: 'RetryAmplified' },
  },
  {
    title: 'lets the pool grow when few attempts fail',
    source: { ...failing, attemptsPerSuccess: known(1.2, nowMs) },
    then: { kind: 'scale', from: 10, to: 20, reason: 'ArrivalsGrew' },
  },
  {
    title: 'lets the pool grow when failures cost no time',
    source: { ...failing, successMs: known(1_800, nowMs) },
    then: { kind: 'scale', from: 10, to: 20, reason: 'ArrivalsGrew' },
  },
  {
    title: 'lets the pool grow while nothing is known about attempts',
    source: { ...failing, attemptsPerSuccess: unknown('no heartbeats') },
    then: { kind: 'scale', from: 10, to: 20, reason: 'ArrivalsGrew' },
  },
  {
    title: 'never takes replicas away',
    current: 20,
    source: failing,
    then: { kind: 'hold', from: 20, to: 20, reason: 'RetryAmplified' },
  },
  {
    title: 'never blocks the way out of zero',
    current: 0,
    source: { ...failing, ...load({ queued: 60 }), attemptsPerSuccess: known(3, nowMs) },
    then: { kind: 'scale', from: 0, to: 2, reason: 'WokeFromZero' },
  },
])('$title', ({ current = 10, source, then }) => {
  const { decision } = decideFor(pool(current, source), specAt80({ behavior: atOnce }));
  expect(summary(decision)).toEqual(then);
});

it('tells the attempts and what would do', () => {
  const { decision } = decideFor(pool(16, failing));
  expect(decision.diagnosis.find(({ type }) => type === 'RetryAmplified')?.message).toBe(
    'consumer work of stream JOBS takes 3.0 attempts per job that succeeds; without the failures 16 replicas would do: look at the errors of the jobs',
  );
});
