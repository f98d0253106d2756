import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planReplicas, tautString } from '../../../../operator/simulate/oracle.ts';

/** Bounds that rise from 0 to the same end, the lower one nowhere above the upper one. */
const bounds = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { minLength: 1, maxLength: 40 }).map((steps) => {
  const [lower, upper] = [[0], [0]];
  for (const [a, b] of steps) {
    lower.push((lower.at(-1) ?? 0) + Math.min(a, b));
    upper.push((upper.at(-1) ?? 0) + Math.max(a, b));
  }
  return { lower, upper };
});

const lengthOf = (slopes: readonly number[]): number =>
  slopes.reduce((sum, slope) => sum + Math.sqrt(1 + slope ** 2), 0);

describe('the taut string', () => {
  it('is straight where the bounds allow it, and bends around them where not', () => {
    expect(tautString([0, 0, 0, 6], [0, 6, 6, 6])).toEqual([2, 2, 2]);
    expect(tautString([0, 5, 5, 6], [0, 6, 6, 6])).toEqual([5, 0.5, 0.5]);
    expect(tautString([0, 0, 0, 6], [0, 1, 1, 6])).toEqual([0.5, 0.5, 5]);
  });

  it('stays between its bounds and is no longer than either', () => {
    fc.assert(
      fc.property(bounds, ({ lower, upper }) => {
        const slopes = tautString(lower, upper);
        let height = 0;
        for (const [index, slope] of slopes.entries()) {
          height += slope;
          const isLast = index === slopes.length - 1;
          expect(height).toBeLessThanOrEqual((upper[index + 1] ?? 0) + 1e-9);
          expect(height).toBeGreaterThanOrEqual(((isLast ? upper : lower)[index + 1] ?? 0) - 1e-9);
        }
        const along = upper.slice(1).map((value, index) => value - (upper[index] ?? 0));
        expect(lengthOf(slopes)).toBeLessThanOrEqual(lengthOf(along) + 1e-9);
      }),
      { numRuns: 2_000 },
    );
  });
});

it('a plan asks for replicas a start time before they are needed, and keeps those that are wanted back soon', () => {
  const known = { arrivalsMs: Float64Array.of(20_000, 23_000), serviceMs: Float64Array.of(1_000, 1_000) };
  const settings = { waitSeconds: 0, peakShare: 1, headroom: 1, slots: 1, startSeconds: 5, maxReplicas: 10 };
  const plan = planReplicas(known, settings);
  expect(plan.indexOf(1)).toBe(14);
  expect(plan.slice(14, 24)).toEqual(new Array(10).fill(1));
  expect(plan.slice(24).every((replicas) => replicas === 0)).toBe(true);
});
