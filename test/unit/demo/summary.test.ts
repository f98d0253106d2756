import { expect, test } from 'vitest';
import type { JobsVerdict } from '../../../demo/checker.ts';
import { renderSummary, summarizeDemo } from '../../../demo/summary.ts';

const jobs: JobsVerdict = {
  published: 10,
  completed: 10,
  lost: 0,
  deadLettered: 0,
  redelivered: 1,
  runTwice: 1,
  overlapping: 0,
  waitingSeconds: { p50: 0.5, p95: 2, p99: 3.25 },
  busySlotSeconds: 40,
};
const usage = { replicaSeconds: 25, peakReplicas: 3, scaleActions: 4 };

test('a success is told with its cost', () => {
  const summary = summarizeDemo(jobs, usage, 4, undefined);
  expect(summary.fleet).toMatchObject({ busyReplicaSeconds: 10, costRatio: 2.5 });
  expect(summary).toMatchObject({ returnedToFloor: true, problems: [] });
  expect(renderSummary(summary)).toMatchInlineSnapshot(`
    "
      published             10
      completed             10
      redelivered            1
      run twice              1
      lost                   0
      dead-lettered          0
      waiting p50       0.50 s   from the arrival to the first start
      waiting p95       2.00 s
      waiting p99       3.25 s
      replica time     25.00 s   starting and ending included
      busy time        10.00 s   40.00 s of work in 4 slots per replica
      cost                2.50   replica time / busy time
      peak replicas          3
      scale actions          4

    Nothing was lost, and the replicas are back at their floor.
    "
  `);
});

test('lost jobs and replicas that stayed are both told', () => {
  const summary = summarizeDemo({ ...jobs, lost: 2 }, usage, 4, '3 replicas ran after an hour');
  expect(summary.returnedToFloor).toBe(false);
  expect(summary.problems).toEqual(['2 of 10 published jobs were lost', '3 replicas ran after an hour']);
  expect(renderSummary(summary)).toContain('FAILED: 2 of 10 published jobs were lost.');
});

test('without any run there is no waiting time and no cost, rather than zero', () => {
  const idle = { ...jobs, published: 0, completed: 0, waitingSeconds: null, busySlotSeconds: 0 };
  const summary = summarizeDemo(idle, usage, 4, undefined);
  expect(summary.fleet.costRatio).toBeNull();
  expect(renderSummary(summary)).toMatch(/waiting p99 +-\n/);
  expect(renderSummary(summary)).not.toMatch(/NaN|Infinity|undefined/);
});
