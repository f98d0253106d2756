import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../../../worker/outcome/backoff.ts';

const policy = { baseMs: 1_000, maxMs: 60_000 };
const almostOne = 1 - Number.EPSILON;

describe('the backoff', () => {
  const ceilings: readonly [attempt: number, ceilingMs: number][] = [
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [6, 32_000],
    [7, 60_000],
    [1_000, 60_000],
  ];
  for (const [attempt, ceilingMs] of ceilings) {
    test(`after attempt ${attempt} is at most ${ceilingMs} ms`, () => {
      expect(backoffMs(policy, attempt, 0)).toBe(0);
      expect(backoffMs(policy, attempt, 0.5)).toBe(ceilingMs / 2);
      expect(backoffMs(policy, attempt, almostOne)).toBe(ceilingMs - 1);
    });
  }

  test('is a whole number of milliseconds between 0 and the maximum', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.nat(1e9),
        fc.integer({ min: 0, max: 1e6 }),
        random,
        (baseMs, maxMs, attempt, r) => {
          const delayMs = backoffMs({ baseMs, maxMs }, attempt, r);
          expect(Number.isSafeInteger(delayMs)).toBe(true);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(maxMs);
        },
      ),
    );
  });
});
