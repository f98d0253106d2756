import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { heartbeatSchema } from '#common/heartbeat.ts';
import { Window } from '../../../../worker/consume/window.ts';
import { Counters } from '../../../../worker/report/counters.ts';
import { buildHeartbeat } from '../../../../worker/report/heartbeat.ts';

const identity = { worker: 'w', replica: 'r', stream: 'S', consumer: 'c', startedAtMs: 1_700_000_000_000 };

function vitals() {
  const counters = new Counters();
  counters.busySlotMs = 1_000.4;
  counters.served(20);
  counters.served(30);
  const window = Object.assign(new Window(8, 4), { running: 3, buffered: 2, stuck: 1 });
  return {
    state: 'running' as const,
    breaker: 'half-open' as const,
    window,
    lanes: 0,
    limits: [],
    counters,
    runningMs: 50.4,
    oldestRunningMs: 40.2,
    slotMs: 9_000.7,
  };
}

test('a heartbeat fits its schema and counts running jobs as busy time', () => {
  const heartbeat = buildHeartbeat(identity, 7, vitals());
  expect(heartbeatSchema.parse(heartbeat)).toEqual(heartbeat);
  expect(heartbeat).toMatchObject({
    sequence: 7,
    breaker: 'half-open',
    slots: 7,
    busy: 3,
    buffered: 2,
    stuck: 1,
    oldestRunningMs: 40,
    totals: { busySlotMs: 1_051, slotMs: 9_001 },
    service: { count: 2, sumMs: 50, sumSquaresMs2: 1_300 },
  });
});

test('without a breaker, a heartbeat says nothing about one', () => {
  const heartbeat = buildHeartbeat(identity, 7, { ...vitals(), breaker: undefined });
  expect(heartbeat).not.toHaveProperty('breaker');
  expect(heartbeatSchema.parse(heartbeat)).toEqual(heartbeat);
});

const page = readFileSync(new URL('../../../../docs/heartbeats.md', import.meta.url), 'utf8');

test('the example in docs/heartbeats.md fits the schema', () => {
  const example: unknown = JSON.parse(/```json\n([^]*?)```/.exec(page)?.[1] ?? '');
  expect(heartbeatSchema.parse(example)).toEqual(example);
});

test('every field is described in docs/heartbeats.md', () => {
  const { totals, ...others } = heartbeatSchema.shape;
  const fields = [...Object.keys(others), ...Object.keys(totals.shape).map((name) => `totals.${name}`)];
  for (const field of fields) expect(page).toContain(`\`${field}\``);
});

test('a wait falls into the bucket that its time fits, and one of the future into the first', () => {
  const counters = new Counters();
  for (const ms of [-5, 100, 101, 86_400_000, 1e12]) counters.waited(ms);
  expect(counters.waitBuckets.at(0)).toBe(2);
  expect(counters.waitBuckets.at(1)).toBe(1);
  expect(counters.waitBuckets.at(-2)).toBe(1);
  expect(counters.waitBuckets.at(-1)).toBe(1);
});

test('a job falls into the bucket that its time fits', () => {
  const counters = new Counters();
  for (const ms of [0.5, 1, 1.1, 299_999, 1e9]) counters.served(ms);
  expect(counters.serviceBuckets.at(0)).toBe(2);
  expect(counters.serviceBuckets.at(1)).toBe(1);
  expect(counters.serviceBuckets.at(-2)).toBe(1);
  expect(counters.serviceBuckets.at(-1)).toBe(1);
});
