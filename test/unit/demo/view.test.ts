import { expect, test } from 'vitest';
import { openView, renderFrame, renderLogLine } from '../../../demo/view.ts';
import type { Snapshot } from '../../../demo/progress.ts';

const snapshot: Snapshot = {
  phase: 'replaying',
  elapsedSeconds: 12.4,
  published: 40,
  completed: 30,
  arrivalsPerSecond: 9,
  completionsPerSecond: 7,
  backlogHistory: [null, 0, 5, 10],
  replicaHistory: [null, 0, 1, 2],
  report: {
    time: '2026-01-01T00:00:00.000Z',
    replicas: { desired: 3, ready: 2, starting: 1, terminating: 0, failing: 0 },
    signals: {
      backlogMessages: 10,
      utilization: 0.874,
    },
    decision: {
      reason: 'Enough',
      message: '3 replicas carry it \u001B[31mall\u001B[0m',
    },
    outcome: null,
  },
};

test('the frame tells the story without color', () => {
  expect(renderFrame('of 90 s', snapshot, 60, false)).toMatchInlineSnapshot(`
    [
      "replaying   12 s   of 90 s",
      "jobs        40 published   30 completed   backlog 10",
      "per second  9 arrive   7 complete",
      "replicas    3 wanted   2 ready   utilization 87%",
      "decision    Enough: 3 replicas carry it all",
      "backlog      ▁▅█                              peak 10",
      "replicas     ▁▅█                              peak 2",
    ]
  `);
});

test('no line is wider than the terminal, and nothing from outside moves the cursor', () => {
  for (const width of [20, 40, 79, 200]) {
    const lines = renderFrame('of 90 s', snapshot, width, false);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    expect(lines.join('')).not.toContain('\u001B');
  }
});

test('before the first report the operator is unknown, not zero', () => {
  const line = renderLogLine({ ...snapshot, report: undefined });
  expect(line).toBe(
    't=12s replaying arrivals=9/s completions=7/s backlog=- replicas=-/- utilization=- reason=-',
  );
});

test('a terminal is redrawn in place and gets its cursor back', () => {
  let written = '';
  const screen = { isTTY: true, columns: 60, write: (text: string) => (written += text) };
  {
    using view = openView(screen, { title: 'of 90 s', plain: false, color: false });
    view.show(snapshot);
    view.show(snapshot);
  }
  expect(written.startsWith('\u001B[?25l')).toBe(true);
  expect(written).toContain('\u001B[7F\u001B[0J');
  expect(written.endsWith('\u001B[?25h')).toBe(true);
});

test('what is no terminal gets plain lines', () => {
  let written = '';
  const screen = { write: (text: string) => (written += text) };
  using view = openView(screen, { title: 'of 90 s', plain: false, color: true });
  view.say('started');
  view.show(snapshot);
  expect(written).toBe(
    'started\nt=12s replaying arrivals=9/s completions=7/s backlog=10 replicas=2/3 utilization=87% reason=Enough\n',
  );
});
