import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addToBatches, emptyBatches } from '../../../../operator/measure/batches.ts';
import type { Batches, Step } from '../../../../operator/measure/batches.ts';

/** A second in which 10 busy slots completed 10 jobs of a second each. */
const second: Step = { seconds: 1, completed: 10, busySlotSeconds: 10, reportedJobs: 10, reportedMs: 10_000 };

function play(steps: readonly (Step | undefined)[]): Batches {
  return steps.reduce<Batches>(
    (batches, step, index) => addToBatches(batches, 1_000 * (index + 1), step),
    emptyBatches,
  );
}

it('closes a batch at 20 jobs', () => {
  expect(play([second, second, second]).full).toEqual([
    { fromMs: 0, busySlots: 10, serviceMs: 1_000, completed: 20, seconds: 2 },
  ]);
});

it('begins anew after a step without a backlog', () => {
  expect(play([second, undefined, second]).full).toEqual([]);
  expect(play([second, undefined, second, second]).full).toMatchObject([{ fromMs: 2_000 }]);
});

it("takes Little's law where nothing is reported", () => {
  const silent = { ...second, busySlotSeconds: 25, reportedJobs: 0, reportedMs: 0 };
  expect(play([silent, silent]).full).toMatchObject([{ busySlots: 25, serviceMs: 2_500 }]);
});

it.each([
  { claimedMs: 1e9, then: 3_000 },
  { claimedMs: 0, then: 1_000 / 3 },
])('holds a claim of $claimedMs ms to three times what the consumer shows', ({ claimedMs, then }) => {
  const lie = { ...second, reportedMs: claimedMs };
  expect(play([lie, lie]).full[0]?.serviceMs).toBeCloseTo(then, 5);
});

it('forgets after five minutes', () => {
  const { full } = play(Array.from({ length: 900 }, () => second));
  expect(full.length).toBeLessThanOrEqual(151);
  expect(full[0]?.fromMs).toBeGreaterThanOrEqual(600_000);
});

it('stays bounded and finite whatever is reported', () => {
  const count = fc.double({ min: 0, max: 1e9, noNaN: true });
  const step: fc.Arbitrary<Step> = fc.record({
    seconds: fc.double({ min: 0.2, max: 5, noNaN: true }),
    completed: fc.double({ min: -5, max: 1e6, noNaN: true }),
    busySlotSeconds: count,
    reportedJobs: fc.nat(1_000_000),
    reportedMs: count,
  });
  fc.assert(
    fc.property(fc.array(fc.option(step, { nil: undefined }), { maxLength: 100 }), (steps) => {
      for (const batch of play(steps).full) {
        expect(Object.values(batch).every(Number.isFinite)).toBe(true);
        expect(batch.serviceMs).toBeGreaterThan(0);
      }
    }),
  );
});
