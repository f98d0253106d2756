import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { heartbeatMaxBytes, heartbeatSchema } from '#common/heartbeat.ts';
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
    retryBudgetLeft: undefined,
    slotStates: 0,
    published: undefined,
    threads: undefined,
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

test('features that have nothing to tell are left out', () => {
  expect(buildHeartbeat(identity, 7, vitals())).not.toHaveProperty('features');
});

test('features tell what they have done', () => {
  const { counters, ...others } = vitals();
  Object.assign(counters, {
    rateWaits: 3,
    rateWaitMs: 70.4,
    rejected: 2,
    retriesDelayed: 4,
    flightsShared: 9,
  });
  const limit = { name: 'database', capacity: 10, used: 2.5, waiting: 1, waits: 7, waitMs: 80.2 };
  const published = { inFlight: 1, waiting: 0, stored: 5, failed: 2, dropped: 0 };
  const heartbeat = buildHeartbeat(identity, 7, {
    ...others,
    ...{ counters, limits: [limit], retryBudgetLeft: 0, slotStates: 2, published },
  });
  expect(heartbeat.features).toEqual({
    rates: { waits: 3, waitMs: 70 },
    overload: { rejected: 2, expired: 0 },
    retryBudget: { left: 0, delayed: 4 },
    limits: [{ name: 'database', size: 10, used: 2.5, waiting: 1, waits: 7, waitMs: 80 }],
    singleFlights: { led: 0, shared: 9, unguarded: 0 },
    published: { inFlight: 1, waiting: 0, stored: 5, failed: 2 },
    slotStates: 2,
  });
  expect(heartbeatSchema.parse(heartbeat)).toEqual(heartbeat);
});

test('a heartbeat fits whatever a worker counts, and its limits are called', () => {
  const { counters, ...others } = vitals();
  const most = Number.MAX_SAFE_INTEGER;
  for (const [name, value] of Object.entries(counters)) {
    if (typeof value === 'number') Object.assign(counters, { [name]: most });
    else counters.waitBuckets.fill(most);
  }
  // 100,000 jobs of five minutes.
  counters.serviceSumSquaresMs2 = 1e5 * 300_000 ** 2;
  const name = '\u0001'.repeat(500);
  const limit = { name, capacity: 0.3, used: 0.3 - 0.1 - 0.2, waiting: most, waits: most, waitMs: most };
  const published = { inFlight: most, waiting: most, stored: most, failed: most, dropped: most };
  const long = 'n'.repeat(253);
  const heartbeat = buildHeartbeat(
    { worker: long, replica: long, stream: long, consumer: long, startedAtMs: most },
    most,
    {
      ...others,
      // Made smaller while jobs were stuck.
      window: Object.assign(new Window(1, 4), { running: most, stuck: 3 }),
      runningMs: 0,
      lanes: most,
      ...{
        counters,
        limits: Array<typeof limit>(500).fill(limit),
        retryBudgetLeft: most,
        slotStates: most,
        published,
        threads: { running: most, lost: most },
      },
    },
  );
  expect(heartbeatSchema.parse(heartbeat)).toEqual(heartbeat);
  expect(heartbeat.features?.limits?.[0]).toMatchObject({ used: 0 });
  expect(heartbeat.slots).toBe(0);
  expect(JSON.stringify(heartbeat).length).toBeLessThanOrEqual(heartbeatMaxBytes);
});

const page = readFileSync(new URL('../../../../docs/heartbeats.md', import.meta.url), 'utf8');

test('the example in docs/heartbeats.md fits the schema', () => {
  const example: unknown = JSON.parse(/```json\n([^]*?)```/.exec(page)?.[1] ?? '');
  expect(heartbeatSchema.parse(example)).toEqual(example);
});

test('every field is described in docs/heartbeats.md', () => {
  const { totals, features, ...others } = heartbeatSchema.shape;
  const fields = [
    ...Object.keys(others),
    ...Object.keys(totals.shape).map((name) => `totals.${name}`),
    ...Object.keys(features.unwrap().shape).map((name) => `features.${name}`),
  ];
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
