import { headers } from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { heartbeatSchema, heartbeatSubject } from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import { Queue, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test('a rate holds for the starts of a worker, and waiting costs neither slots nor leases', async () => {
  await using queue = await Queue.create(server.url, { consumer: { ack_wait: 300 * 1e6 } });
  await queue.publish(30);
  const starts: number[] = [];
  const startMs = performance.now();
  await using worker = await startWorker(
    queue.options({ slots: 4, prefetch: 20, rate: { perSecond: 20, burst: 5 } }),
    () => void starts.push(performance.now() - startMs),
  );
  await until(() => worker.stats().buffered > 10);
  expect(worker.stats().busy).toBe(0);
  await until(() => queue.isDone());
  for (const [index, atMs] of starts.entries()) {
    const started = starts.slice(0, index).filter((earlier) => earlier > atMs - 500).length + 1;
    expect(started).toBeLessThanOrEqual(20 * 0.5 + 5 + 1);
  }
  const { counters } = worker.stats();
  expect(counters).toMatchObject({ succeeded: 30, deliveries: 30, leaseLost: 0, rateWaits: 25 });
  expect(counters.rateWaitMs).toBeGreaterThan(0);
});

test('a rate per key slows its key down and no other', async () => {
  await using queue = await Queue.create(server.url);
  for (let n = 0; n < 12; n += 1) await queue.js.publish(`${queue.stream}.slow`, '');
  for (let n = 0; n < 50; n += 1) await queue.js.publish(`${queue.stream}.key${n}`, '');
  const ran: string[] = [];
  await using worker = await startWorker(
    queue.options({ slots: 4, prefetch: 0, key: 'subject:2', keyRate: { perSecond: 10 } }),
    (job) => void ran.push(job.subject.split('.')[1] ?? ''),
  );
  await until(() => ran.filter((key) => key !== 'slow').length === 50);
  expect(ran.filter((key) => key === 'slow').length).toBeLessThan(12);
  await until(() => queue.isDone());
  expect(worker.stats().counters.rateWaits).toBe(11);
});

test('order holds while a rate makes jobs wait', async () => {
  await using queue = await Queue.create(server.url);
  for (let n = 0; n < 10; n += 1) {
    for (const key of ['a', 'b']) await queue.js.publish(`${queue.stream}.${key}`, `${n}`);
  }
  const ran: Record<string, number[]> = { a: [], b: [] };
  await using _ = await startWorker(
    queue.options({ slots: 8, key: 'subject:2', ordered: true, keyRate: { perSecond: 50, burst: 3 } }),
    async (job) => {
      await delay(Math.random() * 10);
      ran[job.subject.split('.')[1] ?? '']?.push(Number(job.json()));
    },
  );
  await until(() => queue.isDone());
  const numbers = Array.from({ length: 10 }, (__, n) => n);
  expect(ran).toEqual({ a: numbers, b: numbers });
});

test('reject gives what is over the rate of its key back, and no rejection is an attempt', async () => {
  await using queue = await Queue.create(server.url);
  for (let n = 0; n < 8; n += 1) await queue.js.publish(`${queue.stream}.one`, '');
  let ran = 0;
  await using worker = await startWorker(
    queue.options({
      slots: 4,
      key: 'subject:2',
      keyRate: { perSecond: 10 },
      overload: 'reject',
      rejectDelayMs: 50,
      maxAttempts: 1,
      forgivenStream: `FORGIVEN_${queue.stream}`,
    }),
    () => {
      ran += 1;
    },
  );
  await until(() => queue.isDone());
  expect(ran).toBe(8);
  expect(worker.stats().counters).toMatchObject({ succeeded: 8, deadLettered: 0, rateWaits: 0 });
  expect(worker.stats().counters.rejected).toBeGreaterThan(7);
});

test('shed gives up what is too old or past its deadline instead of running it', async () => {
  await using queue = await Queue.create(server.url);
  const dead = `DEAD_${queue.stream}`;
  await queue.publish(3);
  await delay(300);
  const late = headers();
  late.set('Penstock-Deadline', new Date(Date.now() - 1_000).toISOString());
  await queue.js.publish(`${queue.stream}.job`, 'late', { headers: late });
  await queue.js.publish(`${queue.stream}.job`, 'fresh');
  const ran: string[] = [];
  await using worker = await startWorker(
    queue.options({
      overload: 'shed',
      maxAgeMs: 250,
      deadLetter: { stream: dead, subject: `dead.${queue.stream}` },
    }),
    (job) => void ran.push(new TextDecoder().decode(job.data)),
  );
  await until(() => queue.isDone());
  expect(ran).toEqual(['fresh']);
  expect(worker.stats().counters).toMatchObject({ expired: 4, deadLettered: 4 });
  const letter = await queue.jsm.streams.getMessage(dead, { seq: 4 });
  expect(letter?.header.get('Penstock-Reason')).toBe('Expired');
  expect(letter?.header.get('Penstock-Error')).toMatch(/its deadline was/);
});

test('heavy jobs take several slots, and one heavier than all runs alone', async () => {
  await using queue = await Queue.create(server.url);
  for (let n = 0; n < 40; n += 1) {
    const weighed = headers();
    weighed.set('Cost', `${[1, 2, 3, 99][n % 4]}`);
    await queue.js.publish(`${queue.stream}.job`, '', { headers: weighed });
  }
  let load = 0;
  let most = 0;
  let jobsBesideHeaviest = 0;
  const running = new Set<number>();
  await using worker = await startWorker(
    queue.options({ slots: 4, prefetch: 8, weight: 'header:Cost' }),
    async (job) => {
      const weight = Number(job.headers.get('cost'));
      running.add(weight);
      if (weight === 99) jobsBesideHeaviest += load;
      else load += weight;
      most = Math.max(most, load);
      await delay(5);
      if (weight !== 99) load -= weight;
    },
  );
  await until(() => queue.isDone());
  expect(most).toBeGreaterThan(2);
  expect(most).toBeLessThanOrEqual(4);
  expect(jobsBesideHeaviest).toBe(0);
  expect(worker.stats()).toMatchObject({ busy: 0, counters: { succeeded: 40 } });
});

/** What the worker of this queue says from now on, each as the operator would take it. */
async function hear(queue: Queue): Promise<{ readonly heard: Heartbeat[]; readonly refused: string[] }> {
  const heard: Heartbeat[] = [];
  const refused: string[] = [];
  queue.connection.subscribe(heartbeatSubject(queue.stream, queue.consumer), {
    callback: (_, message) => {
      const parsed = heartbeatSchema.safeParse(message.json());
      if (parsed.success) heard.push(parsed.data);
      else refused.push(parsed.error.message);
    },
  });
  await queue.connection.flush();
  return { heard, refused };
}

test('weights of whatever size leave heartbeats that are taken, and a worker that stops', async () => {
  await using queue = await Queue.create(server.url);
  const { heard, refused } = await hear(queue);
  const weights = ['1.1', '2.2', '1e300', '0.1', 'heavy', '-3', 'Infinity', '1.7'];
  for (const weight of weights) {
    const weighed = headers();
    weighed.set('Cost', weight);
    await queue.js.publish(`${queue.stream}.job`, '', { headers: weighed });
  }
  const gate = Promise.withResolvers<undefined>();
  await using worker = await startWorker(
    queue.options({ slots: 6, prefetch: 8, weight: 'header:Cost' }),
    () => gate.promise,
  );
  await until(() => heard.some(({ busy }) => busy > 0));
  expect(worker.stats().busy).toBe(2 + 3);
  gate.resolve(undefined);
  await until(() => queue.isDone());
  expect(worker.stats()).toMatchObject({ busy: 0, counters: { succeeded: weights.length } });
  worker.stop();
  expect(await worker.done).toMatchObject({ clean: true });
  await until(() => heard.at(-1)?.state === 'stopped');
  expect(refused).toEqual([]);
});

test('the last heartbeat tells what the features have done', async () => {
  await using queue = await Queue.create(server.url);
  const { heard, refused } = await hear(queue);
  await queue.publish(12);
  const target = `next.${queue.stream}`;
  await queue.jsm.streams.add({ name: `NEXT_${queue.stream}`, subjects: [target] });
  await using worker = await startWorker(
    queue.options({
      slots: 4,
      rate: { perSecond: 100, burst: 4 },
      limits: { database: 1 },
      retryBudget: { ratio: 0, minPerSecond: 0.1, delayMs: 40 },
      backoff: { baseMs: 1, maxMs: 2 },
      slotState: { build: () => 'a connection' },
    }),
    async (job, context) => {
      await context.limit('database');
      await context.slotState();
      await context.singleFlight(`${job.sequence}`, () => delay(1));
      if (job.attempt === 1 && job.sequence % 4 === 0) throw new Error('once more');
      await context.publish({ subject: target, data: job.data });
    },
  );
  await until(() => queue.isDone());
  worker.stop();
  await worker.done;
  await until(() => heard.at(-1)?.state === 'stopped');
  expect(refused).toEqual([]);
  const { counters } = worker.stats();
  expect(heard.at(-1)?.features).toMatchObject({
    rates: { waits: counters.rateWaits, waitMs: Math.round(counters.rateWaitMs) },
    // One retry in the first ten seconds is free.
    retryBudget: { left: 0, delayed: 2 },
    limits: [{ name: 'database', size: 1, used: 0, waiting: 0 }],
    singleFlights: { led: 15, shared: 0, unguarded: 0 },
    published: { inFlight: 0, waiting: 0, stored: 12, failed: 0 },
  });
  expect(counters.rateWaits).toBeGreaterThan(0);
  expect(heard.at(-1)?.features?.limits?.[0]?.waits).toBeGreaterThan(0);
});
