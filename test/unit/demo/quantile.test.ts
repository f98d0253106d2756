import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantile } from '../../../demo/quantile.ts';

test.each([
  { case: 'nothing has no quantile', values: [], share: 0.5, expected: undefined },
  { case: 'one value is every quantile', values: [7], share: 0.99, expected: 7 },
  {
    case: 'the median of an even number lies between the two middle ones',
    values: [4, 1, 3, 2],
    share: 0.5,
    expected: 2.5,
  },
  { case: 'the ends are the extremes', values: [3, 1, 2], share: 1, expected: 3 },
  { case: 'numbers are ordered as numbers', values: [10, 9, 100], share: 0, expected: 9 },
])('$case', ({ values, share, expected }) => {
  expect(quantile(values, share)).toBe(expected);
});

test('a quantile lies within the values and grows with its share', () => {
  const values = fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(values, share, share, (list, a, b) => {
      const low = quantile(list, Math.min(a, b)) ?? Number.NaN;
      const high = quantile(list, Math.max(a, b)) ?? Number.NaN;
      expect(low).toBeGreaterThanOrEqual(Math.min(...list));
      expect(high).toBeLessThanOrEqual(Math.max(...list));
      // Interpolation may round by the last bit.
      expect(low).toBeLessThanOrEqual(high + 1e-6);
    }),
  );
});
