import { expect, test } from 'vitest';
import { createProgress } from '../../../demo/progress.ts';

test('rates are counted over the time that really passed', () => {
  let nowMs = 5_000;
  const toSnapshot = createProgress({ monotonicMs: () => nowMs, wallMs: () => 0 });
  nowMs += 1_000;
  const first = toSnapshot({ phase: 'replaying', published: 10, completed: 4, report: undefined });
  expect(first).toMatchObject({ elapsedSeconds: 1, arrivalsPerSecond: 10, completionsPerSecond: 4 });
  nowMs += 2_000;
  const second = toSnapshot({ phase: 'draining', published: 16, completed: 14, report: undefined });
  expect(second).toMatchObject({ elapsedSeconds: 3, arrivalsPerSecond: 3, completionsPerSecond: 5 });
  expect(second.backlogHistory).toEqual([null, null]);
});
