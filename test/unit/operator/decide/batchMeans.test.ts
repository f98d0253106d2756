import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { growsWithSlots, isSaturated, levelOf } from '../../../../operator/decide/batchMeans.ts';
import type { Level } from '../../../../operator/decide/batchMeans.ts';
import type { Batch } from '../../../../operator/measure/batches.ts';

const batch = (busySlots: number, serviceMs: number, fromMs = 0): Batch => ({
  fromMs,
  busySlots,
  serviceMs,
  completed: 20,
  seconds: (20 * serviceMs) / 1_000 / busySlots,
});
const level = (busySlots: number, serviceMs: number, error = 0.05): Level => ({
  busySlots,
  serviceMs,
  completedPerSecond: busySlots / serviceMs,
  error,
});
const many = (count: number, of: (index: number) => Batch): Batch[] =>
  Array.from({ length: count }, (_, index) => of(index));

describe('a level', () => {
  it('needs six batches', () => {
    expect(levelOf(many(5, () => batch(10, 1_000)))).toBeUndefined();
    const { busySlots, serviceMs, completedPerSecond, error } =
      levelOf(many(6, () => batch(10, 1_000))) ?? level(0, 0);
    expect([busySlots, Math.round(serviceMs), Math.round(completedPerSecond), error]).toEqual([
      10, 1_000, 10, 0,
    ]);
  });

  it('needs more when they differ, but not for ever', () => {
    const varied = (index: number): Batch => batch(10, index % 2 === 0 ? 300 : 3_000);
    expect(levelOf(many(12, varied))).toBeUndefined();
    expect(levelOf(many(24, varied))?.error).toBeGreaterThan(0.1);
  });
});

describe('a step', () => {
  it.each([
    { title: 'run times that fall along', higher: level(30, 1_500), lower: level(20, 1_000), then: true },
    { title: 'run times that stay', higher: level(30, 1_000), lower: level(20, 1_000), then: false },
    {
      title: 'a fall within the error',
      higher: level(30, 1_500, 0.2),
      lower: level(20, 1_000, 0.2),
      then: false,
    },
    { title: 'a small part of a fall', higher: level(30, 1_150), lower: level(20, 1_000), then: false },
  ])('with $title: saturated is $then', ({ higher, lower, then }) => {
    expect(isSaturated(higher, lower)).toBe(then);
  });
});

describe('the suspicion', () => {
  const growing = many(10, (index) => batch(10 + 4 * index, 500 * (1 + 0.4 * index)));

  it('is raised by run times that grow with the slots', () => {
    expect(growsWithSlots(growing)).toBe(true);
  });

  it.each([
    { title: 'constant run times', batches: many(10, (index) => batch(10 + 4 * index, 500)) },
    { title: 'too few batches', batches: growing.slice(0, 7) },
    { title: 'always the same slots', batches: many(10, (index) => batch(20, 500 + 100 * index)) },
    { title: 'far fewer slots by now', batches: [...growing, batch(10, 500)] },
  ])('is not raised by $title', ({ batches }) => {
    expect(growsWithSlots(batches)).toBe(false);
  });

  it('does not depend on the unit of time', () => {
    const figures = fc.array(
      fc.record({ slots: fc.integer({ min: 1, max: 500 }), ms: fc.integer({ min: 1, max: 100_000 }) }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(figures, (list) => {
        const batches = list.map(({ slots, ms }) => batch(slots, ms));
        const slower = list.map(({ slots, ms }) => batch(slots, 1_024 * ms));
        expect(growsWithSlots(slower)).toBe(growsWithSlots(batches));
      }),
    );
  });
});
