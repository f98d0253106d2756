import { describe, expect, it } from 'vitest';
import { emptyRecommendations, remember, stabilize } from '../../../../operator/decide/stabilization.ts';
import type { Recommendations, Windows } from '../../../../operator/decide/stabilization.ts';

const minuteMs = 60_000;
const nowMs = 100 * minuteMs;

/** Recommendations as [replicas, minutes ago]. */
function recommended(list: readonly (readonly [number, number])[], windows: Windows): Recommendations {
  return list
    .toSorted((a, b) => b[1] - a[1])
    .reduce(
      (all, [replicas, minutesAgo]) =>
        remember(all, { replicas, atMs: nowMs - minutesAgo * minuteMs }, windows),
      emptyRecommendations,
    );
}

describe('stabilize has the reference values of HorizontalPodAutoscaler', () => {
  it.each([
    { title: 'no windows take the wanted at once', current: 100, wanted: 5, past: [], up: 0, down: 0, to: 5 },
    {
      title: 'the lowest of the up window bounds growth',
      current: 1,
      wanted: 7,
      past: [[4, 2] as const, [5, 1] as const],
      up: 300,
      down: 0,
      to: 4,
    },
    {
      title: 'the down window does not bound growth',
      current: 1,
      wanted: 3,
      past: [[4, 2] as const, [5, 1] as const],
      up: 0,
      down: 300,
      to: 3,
    },
    {
      title: 'recommendations outside of the windows do not count',
      current: 1,
      wanted: 100,
      past: [[10, 10] as const, [9, 9] as const],
      up: 0,
      down: 0,
      to: 100,
    },
    {
      title: 'one old recommendation is forgotten, the lowest of the others counts',
      current: 1,
      wanted: 9,
      past: [[10, 100] as const, [6, 1] as const, [5, 2] as const, [9, 3] as const],
      up: 300,
      down: 0,
      to: 5,
    },
    {
      title: 'between both windows the current replicas stay',
      current: 2,
      wanted: 3,
      past: [[2, 100] as const, [1, 3] as const],
      up: 300,
      down: 300,
      to: 2,
    },
  ])('$title', ({ current, wanted, past, up, down, to }) => {
    const windows = { upMs: up * 1_000, downMs: down * 1_000 };
    const memory = recommended(past, windows);
    expect(stabilize(memory, current, { replicas: wanted, atMs: nowMs }, windows)).toBe(to);
  });

  it('a high recommendation holds the replicas until it has left the down window', () => {
    const windows = { upMs: 0, downMs: 600_000 };
    let memory = emptyRecommendations;
    const answers = [10, 9, 8, 9, 9, 8, 9, 8, 9, 8, 7].map((replicas, minute) => {
      const wanted = { replicas, atMs: minute * minuteMs };
      const answer = stabilize(memory, 10, wanted, windows);
      memory = remember(memory, wanted, windows);
      return answer;
    });
    expect(answers).toEqual([10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9]);
  });
});

it('remembers only what can still be the extreme of a window', () => {
  const windows = { upMs: 3_600_000, downMs: 3_600_000 };
  let memory = emptyRecommendations;
  for (let second = 0; second < 3_600; second += 1) {
    memory = remember(memory, { replicas: 5 + (second % 7), atMs: second * 1_000 }, windows);
  }
  expect(memory.highs.length + memory.lows.length).toBeLessThanOrEqual(14);
});
