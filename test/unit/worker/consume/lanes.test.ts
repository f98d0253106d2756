import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Lanes } from '../../../../worker/consume/lanes.ts';
import { delivery } from '../../../builders/deliveries.ts';

describe('lanes', () => {
  test('let one of a key go on, and the next when it has left', () => {
    const lanes = new Lanes();
    const [first, second, third] = [1, 2, 3].map((sequence) => delivery({ key: 'a', sequence }));
    if (first === undefined || second === undefined || third === undefined) throw new Error('three');
    expect([lanes.enter(first), lanes.enter(second), lanes.enter(third)]).toEqual([true, false, false]);
    expect(lanes.leave(first)).toBe(second);
    expect(lanes.leave(first)).toBeUndefined();
    expect(lanes.leave(second)).toBe(third);
    expect(lanes.leave(third)).toBeUndefined();
    expect(lanes.size).toBe(0);
  });

  test('do not hold up jobs without a key', () => {
    const lanes = new Lanes();
    expect([lanes.enter(delivery()), lanes.enter(delivery())]).toEqual([true, true]);
    expect(lanes.size).toBe(0);
  });

  test('a waiting job that is given up frees nobody', () => {
    const lanes = new Lanes();
    const [holder, behind] = [delivery({ key: 'a' }), delivery({ key: 'a' })];
    lanes.enter(holder);
    lanes.enter(behind);
    expect(lanes.clear()).toEqual([behind]);
    expect(lanes.leave(behind)).toBeUndefined();
    expect(lanes.enter(delivery({ key: 'a' }))).toBe(false);
  });

  test('exist only while they have work, keep order, and run one of a key at a time', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), enters: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const lanes = new Lanes();
        const running = new Map<string, ReturnType<typeof delivery>>();
        const started: Record<string, number[]> = { a: [], b: [], c: [] };
        const begin = (job: ReturnType<typeof delivery>): void => {
          expect(running.has(job.key ?? '')).toBe(false);
          running.set(job.key ?? '', job);
          started[job.key ?? '']?.push(Number(job.message.subject));
        };
        for (const [index, { key, enters }] of steps.entries()) {
          if (enters) {
            const job = delivery({ key, subject: `${index}` });
            if (lanes.enter(job)) begin(job);
            continue;
          }
          const ended = running.get(key);
          if (ended === undefined) continue;
          running.delete(key);
          const next = lanes.leave(ended);
          if (next !== undefined) begin(next);
        }
        for (const order of Object.values(started)) expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(lanes.size).toBe(running.size);
      }),
    );
  });
});
