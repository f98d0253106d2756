import { describe, expect, it } from 'vitest';
import { sourceDemand, sumDemand } from '../../../../operator/decide/demand.ts';
import type { SourceSignals } from '../../../../operator/measure/signals.ts';
import { known, unknown } from '../../../../operator/measure/signals.ts';
import { capacitySignal, sourceSignals } from '../../../builders/signals.ts';

type Load = {
  /** Jobs per second, arriving and completing. */
  readonly arrivals?: number;
  readonly queued?: number;
  /** Jobs per second of one replica. */
  readonly capacity?: number;
  readonly slots?: number;
  readonly utilization?: number;
  readonly drainSeconds?: number;
  readonly startSeconds?: number;
};

function load(given: Load): SourceSignals {
  const { arrivals = 0, queued = 0, capacity = 1, slots = 1 } = given;
  return sourceSignals({
    arrivalsPerSecond: known(arrivals, 0),
    plannedArrivalsPerSecond: known(arrivals, 0),
    completionsPerSecond: known(arrivals, 0),
    queuedMessages: known(queued, 0),
    capacity: capacitySignal({ jobsPerSecond: capacity, slots }),
  });
}

function demandOf(given: Load, source: SourceSignals = load(given)): number {
  const { utilization = 100, drainSeconds = 60, startSeconds = 0 } = given;
  const objective = { utilizationPercent: utilization, drainSeconds };
  return sumDemand([sourceDemand(source, objective, startSeconds * 1_000)]).replicas;
}

describe("n* = ceil( max( λ/(c·u) + B/(T·c), B/(T'·c) ) )", () => {
  it.each([
    {
      title: 'the utilization applies to arrivals, not to the backlog',
      given: { arrivals: 100, queued: 6_000, drainSeconds: 60, capacity: 10, utilization: 70 },
      replicas: 25,
    },
    { title: '5,000/s of 80 ms need 400 slots', given: { arrivals: 5_000, capacity: 12.5 }, replicas: 400 },
    {
      title: '5,000/s of 80 ms at 70 % need 572 slots',
      given: { arrivals: 5_000, capacity: 12.5, utilization: 70 },
      replicas: 572,
    },
    {
      title: '4 replicas of 100 slots carry 5,000/s of 80 ms',
      given: { arrivals: 5_000, capacity: 1_250, slots: 100 },
      replicas: 4,
    },
    { title: '50/s at 10/s each', given: { arrivals: 50, capacity: 10 }, replicas: 5 },
    {
      title: '60/s at 10/s each and 80 %',
      given: { arrivals: 60, capacity: 10, utilization: 80 },
      replicas: 8,
    },
    {
      title: '100/s at 20/s each and 50 %',
      given: { arrivals: 100, capacity: 20, utilization: 50 },
      replicas: 10,
    },
    {
      title: 'a backlog of 300 within 2 s beside 150/s',
      given: { arrivals: 150, queued: 300, drainSeconds: 2, capacity: 10 },
      replicas: 30,
    },
    { title: 'nothing needs nobody', given: {}, replicas: 0 },
    { title: 'one waiting job needs one replica', given: { queued: 1 }, replicas: 1 },
    {
      title: 'the time to start is missing from the time to drain',
      given: { queued: 600, drainSeconds: 60, startSeconds: 30 },
      replicas: 20,
    },
    {
      title: 'a start time beyond the objective leaves a quarter of it',
      given: { queued: 600, drainSeconds: 60, startSeconds: 600 },
      replicas: 40,
    },
  ])('$title', ({ given, replicas }) => {
    expect(demandOf(given)).toBe(replicas);
  });

  it('counts no arrivals in advance', () => {
    const growing = { ...load({ arrivals: 10, queued: 120 }), completionsPerSecond: known(4, 0) };
    expect(demandOf({ startSeconds: 10 }, growing)).toBe(10 + 120 / 60);
  });

  it.each([
    { arrivals: 0, replicas: 20 },
    { arrivals: 5, replicas: 20 },
    { arrivals: 10, replicas: 20 },
    { arrivals: 12, replicas: 22 },
  ])(
    'has $replicas replicas for a backlog that would take 20 after the start, beside $arrivals jobs/s',
    ({ arrivals, replicas }) => {
      expect(demandOf({ arrivals, queued: 600, drainSeconds: 60, startSeconds: 30 })).toBe(replicas);
    },
  );

  it('adds sources before rounding', () => {
    const half = sourceDemand(load({ arrivals: 0.5 }), { utilizationPercent: 100, drainSeconds: 60 }, 0);
    expect(sumDemand([half, half]).replicas).toBe(1);
    expect(sumDemand([half, undefined]).replicas).toBe(1);
  });

  it('a rate that is not known adds nothing', () => {
    const blind = { ...load({ queued: 120 }), plannedArrivalsPerSecond: unknown('first look') };
    expect(demandOf({}, blind)).toBe(2);
  });

  it('stays finite whatever was measured', () => {
    expect(demandOf({ arrivals: Number.MAX_SAFE_INTEGER, capacity: 1e-9 })).toBeLessThanOrEqual(1_000_000);
  });
});
