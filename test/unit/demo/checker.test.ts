import { expect, test } from 'vitest';
import { checkJobs } from '../../../demo/checker.ts';
import type { JobsVerdict } from '../../../demo/checker.ts';
import type { JobRecord } from '../../../demo/jobLog.ts';

const start = (id: string, atMs: number, worker = 'a', attempt = 1): JobRecord => ({
  event: 'start',
  id,
  worker,
  attempt,
  atMs,
});
const end = (id: string, atMs: number, worker = 'a', attempt = 1): JobRecord => ({
  event: 'end',
  id,
  worker,
  attempt,
  atMs,
});
const published = [{ id: 'a', dueAtMs: 1_000 }];

const clean: JobsVerdict = {
  published: 1,
  completed: 1,
  lost: 0,
  deadLettered: 0,
  redelivered: 0,
  runTwice: 0,
  overlapping: 0,
  waitingSeconds: { p50: 1, p95: 1, p99: 1 },
  busySlotSeconds: 3,
};

type Case = {
  readonly records: readonly JobRecord[];
  readonly deadLettered?: readonly string[];
  readonly differs: Partial<JobsVerdict>;
};
const cases: Readonly<Record<string, Case>> = {
  'one run from start to end is clean': {
    records: [start('a', 2_000), end('a', 5_000)],
    differs: {},
  },
  'a job that nobody started is lost': {
    records: [],
    differs: { completed: 0, lost: 1, waitingSeconds: null, busySlotSeconds: 0 },
  },
  'a job that was started and never ended is lost': {
    records: [start('a', 2_000)],
    differs: { completed: 0, lost: 1, busySlotSeconds: 0 },
  },
  'a job that was given up is not lost': {
    records: [start('a', 2_000)],
    deadLettered: ['a'],
    differs: { completed: 0, deadLettered: 1, busySlotSeconds: 0 },
  },
  'a second run after the first one broke off is a redelivery': {
    records: [start('a', 2_000), start('a', 4_000, 'b', 2), end('a', 7_000, 'b', 2)],
    differs: { redelivered: 1, runTwice: 1 },
  },
  'a second run beside the first one overlaps, also when the records come in another order': {
    records: [start('a', 3_000, 'b', 2), end('a', 4_000, 'b', 2), start('a', 2_000), end('a', 5_000)],
    differs: { redelivered: 1, runTwice: 1, overlapping: 1, busySlotSeconds: 4 },
  },
  'a second run after the end of the first one does not overlap': {
    records: [start('a', 2_000), end('a', 3_000), start('a', 3_000, 'a', 2), end('a', 5_000, 'a', 2)],
    differs: { redelivered: 1, runTwice: 1 },
  },
  'an end without a start changes nothing': {
    records: [end('a', 1_500, 'c'), start('a', 2_000), end('a', 5_000)],
    differs: {},
  },
};

test.each(Object.entries(cases))('%s', (_, { records, deadLettered = [], differs }) => {
  expect(checkJobs(published, records, new Set(deadLettered))).toEqual({ ...clean, ...differs });
});

test('waiting counts from the time the trace wanted the job to arrive', () => {
  const jobs = Array.from({ length: 101 }, (_, index) => ({ id: `${index}`, dueAtMs: 0 }));
  const records = jobs.flatMap(({ id }) => [start(id, Number(id) * 100), end(id, 20_000)]);
  expect(checkJobs(jobs, records, new Set()).waitingSeconds).toEqual({ p50: 5, p95: 9.5, p99: 9.9 });
});
