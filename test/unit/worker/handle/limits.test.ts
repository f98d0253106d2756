import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { Limit, Limits } from '../../../../worker/handle/limits.ts';
import type { Permit } from '../../../../worker/handle/limits.ts';

const { signal: never } = new AbortController();

/** Lets what is due go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a limit', () => {
  test('admits in the order of asking, a heavy one before later light ones', async () => {
    const limit = new Limit('database', 3, systemClock);
    const order: string[] = [];
    const permits = new Map<string, Permit>();
    const ask = (name: string, weight: number): void =>
      void limit.acquire(weight, never).then((permit) => {
        order.push(name);
        permits.set(name, permit);
      });
    for (const [name, weight] of Object.entries({ a: 2, heavy: 3, light: 1 })) ask(name, weight);
    await turn();
    expect(order).toEqual(['a']);
    permits.get('a')?.[Symbol.dispose]();
    await turn();
    expect(order).toEqual(['a', 'heavy']);
    permits.get('heavy')?.[Symbol.dispose]();
    await turn();
    expect(order).toEqual(['a', 'heavy', 'light']);
    expect(limit.view).toMatchObject({ used: 1, waiting: 0, waits: 2 });
  });

  test('a permit that is disposed of twice frees once', async () => {
    const limit = new Limit('database', 1, systemClock);
    const permit = await limit.acquire(1, never);
    permit[Symbol.dispose]();
    permit[Symbol.dispose]();
    expect(limit.view.used).toBe(0);
  });

  test('fractions that are given back leave all of it free', async () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(weights, async (parts) => {
        const limit = new Limit(
          'database',
          parts.reduce((sum, part) => sum + part, 0),
          systemClock,
        );
        const permits = await Promise.all(parts.map((part) => limit.acquire(part, never)));
        for (const permit of permits) permit[Symbol.dispose]();
        expect(limit.view).toMatchObject({ used: 0, waits: 0 });
      }),
    );
  });

  test('who stops waiting gets its reason, and does not block those behind', async () => {
    const limit = new Limit('database', 2, systemClock);
    await limit.acquire(1, never);
    const abort = new AbortController();
    const heavy = limit.acquire(2, abort.signal);
    const light = limit.acquire(1, never);
    abort.abort(new Error('shutdown'));
    await expect(heavy).rejects.toThrow('shutdown');
    await light;
    expect(limit.view).toMatchObject({ used: 2, waiting: 0 });
    await expect(limit.acquire(1, abort.signal)).rejects.toThrow('shutdown');
  });

  test('is never exceeded and never left unused, whatever is asked, given back or given up', async () => {
    const step = fc.record({
      weight: fc.integer({ min: 1, max: 7 }),
      act: fc.constantFrom('ask', 'free', 'abort'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const limit = new Limit('database', 5, systemClock);
        const held: Permit[] = [];
        const waiting: AbortController[] = [];
        for (const { weight, act } of steps) {
          if (act === 'free') held.shift()?.[Symbol.dispose]();
          else if (act === 'abort') waiting.shift()?.abort();
          else {
            const abort = new AbortController();
            waiting.push(abort);
            limit.acquire(weight, abort.signal).then(
              (permit) => void held.push(permit),
              () => undefined,
            );
          }
          await Promise.resolve();
          expect(limit.view.used).toBeLessThanOrEqual(5);
        }
        await turn();
        for (let permit = held.shift(); permit !== undefined; permit = held.shift()) {
          permit[Symbol.dispose]();
          await turn();
        }
        expect(limit.view).toMatchObject({ used: 0, waiting: 0 });
      }),
      { numRuns: 50 },
    );
  });

  test('that does not exist is named, with those that do', async () => {
    const limits = new Limits(new Map([['database', 1]]), systemClock);
    await expect(limits.acquire('databse', 1, never)).rejects.toThrow('no limit "databse"; set: database');
    await expect(limits.acquire('database', 0, never)).rejects.toThrow('must be above 0');
  });
});
