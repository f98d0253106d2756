import { describe, expect, test } from 'vitest';
import { RetryBudget } from '../../../../worker/outcome/budget.ts';
import { Counters } from '../../../../worker/report/counters.ts';

const policy = { ratio: 0.2, minPerSecond: 1, delayMs: 60_000 };

function budgetWith(totals: Partial<Pick<Counters, 'succeeded' | 'retried'>> = {}) {
  const counters = new Counters();
  const budget = new RetryBudget(policy, counters);
  budget.remaining(0);
  return { budget, counters: Object.assign(counters, totals) };
}

describe('a retry budget', () => {
  const cases: Record<string, { totals: object; atMs: number; remaining: number }> = {
    'grants its floor to a worker that has done nothing': { totals: {}, atMs: 1, remaining: 10 },
    'grants a share of the successes besides': { totals: { succeeded: 100 }, atMs: 1, remaining: 30 },
    'is spent by retries': { totals: { succeeded: 100, retried: 25 }, atMs: 1, remaining: 5 },
    'is never below nothing': { totals: { retried: 1_000 }, atMs: 1, remaining: 0 },
  };
  test.each(Object.entries(cases))('%s', (_, { totals, atMs, remaining }) => {
    expect(budgetWith(totals).budget.remaining(atMs)).toBe(remaining);
  });

  test('forgets successes and retries after ten seconds', () => {
    const { budget } = budgetWith({ succeeded: 100, retried: 25 });
    for (let atMs = 500; atMs <= 9_500; atMs += 500) expect(budget.remaining(atMs)).toBe(5);
    for (let atMs = 10_000; atMs < 12_000; atMs += 500) budget.remaining(atMs);
    expect(budget.remaining(12_000)).toBe(10);
  });

  test('keeps delays while it lasts, and delays the rest without being spent by it', () => {
    const { budget, counters } = budgetWith();
    const delays = Array.from({ length: 20 }, (_, n) => {
      const delay = budget.delayMs(n, 100, 0.5);
      counters.retried += 1;
      return delay;
    });
    expect(delays).toEqual([...Array<number>(10).fill(100), ...Array<number>(10).fill(45_000)]);
    expect(counters.retriesDelayed).toBe(10);
  });

  test('never shortens a delay that the handler asked for', () => {
    const { budget } = budgetWith({ retried: 1_000 });
    expect(budget.delayMs(1, 3_600_000, 0)).toBe(3_600_000);
  });
});
