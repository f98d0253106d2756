import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendSample, countWithin, noGrowth, plannedRate } from '../../../../operator/measure/rates.ts';
import type { Sample } from '../../../../operator/measure/rates.ts';

/** Samples with the given spacing; `perSecond` says how many arrive at a time in seconds. */
function record(
  seconds: number,
  spacingMs: number,
  perSecond: (second: number) => number,
): readonly Sample[] {
  let samples: readonly Sample[] = [];
  for (let atMs = 0; atMs <= seconds * 1_000; atMs += spacingMs) {
    const measuredMs = atMs === 0 ? 0 : spacingMs;
    const arrived = perSecond(atMs / 1_000) * (measuredMs / 1_000);
    samples = appendSample(samples, atMs, { ...noGrowth, measuredMs, arrived });
  }
  return samples;
}

describe('the list of samples', () => {
  it.each([1, 50, 500, 1_000, 20_000])('is bounded with a sample every %i ms', (spacingMs) => {
    const seconds = spacingMs < 50 ? 40 : 900;
    expect(record(seconds, spacingMs, () => 1).length).toBeLessThan(130);
  });

  it.each([50, 1_000, 7_000])(
    'gives the exact mean of a steady rate with a sample every %i ms',
    (spacingMs) => {
      const samples = record(700, spacingMs, () => 8);
      for (const windowMs of [5_000, 30_000, 300_000]) {
        const count = countWithin(samples, windowMs);
        expect((count?.arrived ?? 0) / (count?.seconds ?? 1)).toBeCloseTo(8, 6);
      }
    },
  );

  it('covers at least the window it is asked for, and hardly more', () => {
    const samples = record(900, 1_000, () => 1);
    for (const [windowMs, slackSeconds] of [
      [30_000, 1],
      [300_000, 11],
    ] as const) {
      const seconds = countWithin(samples, windowMs)?.seconds ?? 0;
      expect(seconds).toBeGreaterThanOrEqual(windowMs / 1_000);
      expect(seconds).toBeLessThanOrEqual(windowMs / 1_000 + slackSeconds);
    }
  });

  it('knows no rate from a single sample', () => {
    expect(
      countWithin(
        record(0, 1_000, () => 1),
        30_000,
      ),
    ).toBeUndefined();
  });
});

describe('the planned rate', () => {
  it.each([
    {
      title: 'is above a steady rate by two standard deviations over all that is known',
      rate: () => 5,
      atLeast: 5.4,
      atMost: 5.5,
    },
    {
      title: 'is above a new rate by two standard deviations over half a minute',
      rate: (s: number) => (s <= 70 ? 2 : 5),
      atLeast: 5.8,
      atMost: 6,
    },
    {
      title: 'stays where the last half minute differs by chance only',
      rate: (s: number) => (s <= 70 ? 5 : 5.5),
      atLeast: 5.5,
      atMost: 5.7,
    },
    { title: 'is near a high steady rate', rate: () => 5_000, atLeast: 5_010, atMost: 5_020 },
    {
      title: 'is zero after half a minute of nothing',
      rate: (s: number) => (s < 60 ? 9 : 0),
      atLeast: 0,
      atMost: 0,
    },
    {
      title: 'falls within ten seconds after a burst',
      rate: (s: number) => (s <= 90 ? 50 : 0),
      atLeast: 0,
      atMost: 0.1,
    },
    {
      title: 'rises within five seconds of a burst',
      rate: (s: number) => (s <= 95 ? 1 : 100),
      atLeast: 85,
      atMost: 100,
    },
  ])('$title', ({ rate, atLeast, atMost }) => {
    const planned = plannedRate(record(100, 1_000, rate), 0);
    expect(planned).toBeGreaterThanOrEqual(atLeast);
    expect(planned).toBeLessThanOrEqual(atMost);
  });

  it('looks further back where replicas start slowly', () => {
    const burst = record(100, 1_000, (s) => (s <= 90 ? 10 : 40));
    const planned = [0, 6_000, 30_000].map((startMs) => plannedRate(burst, startMs));
    expect(planned[1]).toBe(planned[0]);
    expect((planned[2] ?? 0) / (planned[0] ?? 0)).toBeLessThan(0.7);
  });

  it('never falls because more arrives at the end', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { minLength: 2, maxLength: 90 }), fc.nat(500), (perSecond, more) => {
        const rate = (second: number): number => perSecond[Math.round(second)] ?? 0;
        const seconds = perSecond.length;
        const higher = (second: number): number => rate(second) + (second > seconds - 5 ? more : 0);
        expect(plannedRate(record(seconds, 1_000, higher), 0)).toBeGreaterThanOrEqual(
          plannedRate(record(seconds, 1_000, rate), 0) - 1e-9,
        );
      }),
    );
  });
});
