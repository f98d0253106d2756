import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Growth } from '../../../../worker/outcome/growth.ts';

test('counts what came within the window, and forgets what is older', () => {
  const growth = new Growth(1_000);
  expect(growth.by(0, 50)).toBe(0);
  expect(growth.by(500, 60)).toBe(10);
  expect(growth.by(1_000, 60)).toBe(10);
  expect(growth.by(1_500, 60)).toBe(0);
  expect(growth.by(1_600, 65)).toBe(5);
});

test('starts over when told so', () => {
  const growth = new Growth(1_000);
  growth.by(0, 0);
  expect(growth.by(100, 7)).toBe(7);
  growth.restart();
  expect(growth.by(200, 9)).toBe(0);
  expect(growth.by(300, 10)).toBe(1);
});

test('is never negative nor more than the whole, and at least what the window saw', () => {
  const steps = fc.array(fc.record({ ms: fc.integer({ min: 1, max: 100 }), more: fc.nat(5) }), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, (given) => {
      const growth = new Growth(1_000);
      const seen: { atMs: number; total: number }[] = [];
      let [atMs, total] = [0, 0];
      for (const { ms, more } of given) {
        atMs += ms;
        total += more;
        seen.push({ atMs, total });
        const oldest = seen.find((mark) => mark.atMs >= atMs - 1_000) ?? seen[0];
        const by = growth.by(atMs, total);
        expect(by).toBeLessThanOrEqual(total - (seen[0]?.total ?? 0));
        expect(by).toBeGreaterThanOrEqual(total - (oldest?.total ?? 0));
      }
    }),
  );
});
