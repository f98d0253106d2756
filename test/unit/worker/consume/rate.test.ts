import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateLimit } from '../../../../worker/consume/rate.ts';

describe('a rate limit', () => {
  test('lets a burst through at once, and then one per interval', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 3 });
    expect(Array.from({ length: 5 }, () => limit.take('a', 0))).toEqual([0, 0, 0, 100, 200]);
  });

  test('is full again after a pause, and no fuller', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 3 });
    for (let n = 0; n < 3; n += 1) limit.take('a', 0);
    expect(Array.from({ length: 4 }, () => limit.take('a', 60_000))).toEqual([
      60_000, 60_000, 60_000, 60_100,
    ]);
  });

  test('takes no token of the future when nobody waits', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 1 });
    expect(limit.take('a', 0, false)).toBe(0);
    for (let n = 0; n < 10; n += 1) expect(limit.take('a', 50, false)).toBe(100);
    expect(limit.take('a', 100, false)).toBe(100);
  });

  test('keeps keys apart, and forgets those whose bucket is full', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 });
    for (let key = 0; key < 1_000; key += 1) expect(limit.take(`${key}`, 0)).toBe(0);
    expect(limit.size).toBe(1_000);
    for (let n = 0; n < 1_000; n += 1) limit.take('a', 1_000);
    expect(limit.size).toBe(1);
  });

  test('remembers a bounded number of keys, however many there are', () => {
    const limit = new RateLimit({ perSecond: 0.001, burst: 1 });
    for (let key = 0; key < 300_000; key += 1) limit.take(`${key}`, 0);
    expect(limit.size).toBeLessThanOrEqual(100_000);
    expect(limit.take('299999', 0)).toBe(1_000_000);
  });

  test('never lets more start than rate × time + burst', () => {
    const arrivals = fc.array(fc.nat(500), { maxLength: 200 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 20 }),
        arrivals,
        (perSecond, burst, gaps) => {
          const limit = new RateLimit({ perSecond, burst });
          let nowMs = 0;
          const starts = gaps.map((gap) => limit.take('a', (nowMs += gap)));
          for (const [index, startMs] of starts.entries()) {
            for (const [before, earlierMs] of starts.slice(0, index).entries()) {
              const allowed = (perSecond * (startMs - earlierMs)) / 1_000 + burst;
              expect(index - before + 1).toBeLessThanOrEqual(Math.floor(allowed + 1e-6) + 0);
            }
          }
        },
      ),
    );
  });
});
