import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Delays } from '../../../../worker/consume/delays.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const clock = { monotonicMs: () => Date.now(), wallMs: () => Date.now() };

function delays() {
  const due: { item: string; atMs: number }[] = [];
  return { due, delays: new Delays<string>(clock, (item, nowMs) => void due.push({ item, atMs: nowMs })) };
}

describe('delays', () => {
  test('every item comes at its moment, in order, whatever the order in which they were added', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { maxLength: 100 }), (waits) => {
        const startMs = Date.now();
        const seen: { wait: number; atMs: number; order: number }[] = [];
        const all = new Delays<{ wait: number; order: number }>(clock, (item, atMs) => {
          seen.push({ ...item, atMs });
        });
        for (const [order, wait] of waits.entries()) all.add({ wait, order }, startMs + wait);
        vi.runAllTimers();
        expect(seen.map(({ order }) => order)).toEqual(
          [...waits.keys()].toSorted((a, b) => (waits[a] ?? 0) - (waits[b] ?? 0) || a - b),
        );
        for (const { wait, atMs } of seen) expect(atMs).toBeGreaterThanOrEqual(startMs + wait);
        expect(all.size).toBe(0);
      }),
    );
  });

  test('what is added while others come due is not forgotten', () => {
    const seen: number[] = [];
    const all = new Delays<number>(clock, (item, nowMs) => {
      seen.push(item);
      if (item > 0) all.add(item - 1, nowMs + 10);
    });
    all.add(3, Date.now() + 5);
    vi.runAllTimers();
    expect(seen).toEqual([3, 2, 1, 0]);
  });

  test('what is taken out does not come', () => {
    const { due, delays: all } = delays();
    const startMs = Date.now();
    for (const item of ['a', 'b', 'c']) all.add(item, startMs + item.charCodeAt(0));
    expect(all.remove((item) => item === 'b')).toEqual(['b']);
    vi.runAllTimers();
    expect(due.map(({ item }) => item)).toEqual(['a', 'c']);
  });

  test('after clear nothing comes, and what waited is returned, soonest first', () => {
    const { due, delays: all } = delays();
    const startMs = Date.now();
    all.add('late', startMs + 20);
    all.add('soon', startMs + 10);
    expect(all.clear().map(({ item }) => item)).toEqual(['soon', 'late']);
    vi.runAllTimers();
    expect(due).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
