import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { heartbeatSchema, heartbeatSubject } from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const breaker = { minJobs: 10, openMs: 1_000, probes: 3 };
const backoff = { baseMs: 10, maxMs: 50 };

test('an open breaker takes no jobs, says so everywhere, and closes by itself when the dependency is back', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(2_000);
  const beats: Heartbeat[] = [];
  queue.connection.subscribe(heartbeatSubject(queue.stream, queue.consumer), {
    callback: (_error, message) => void beats.push(heartbeatSchema.parse(message.json())),
  });
  await queue.connection.flush();
  let works = false;
  let running = 0;
  let most = 0;
  const http = { host: '127.0.0.1', port: 0 };
  await using worker = await startWorker(
    queue.options({ slots: 16, prefetch: 32, maxAttempts: 50, backoff, breaker, http }),
    async () => {
      running += 1;
      most = Math.max(most, running);
      await delay(5);
      running -= 1;
      if (!works) throw new Error('the dependency is down');
    },
  );
  const { counters } = worker.stats();
  await until(() => counters.breakerOpenings === 1);
  await until(() => running === 0);
  expect(worker.stats().buffered).toBe(0);
  const ready = await fetch(`http://127.0.0.1:${worker.metricsPort}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, 'the circuit breaker is open\n']);
  const metrics = await (await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`)).text();
  expect(metrics).toMatch(/penstock_worker_breaker_state\{.*\} 2/);

  // One opening after another: what failed meanwhile were probes.
  most = 0;
  const failedBefore = counters.failed;
  await until(() => counters.breakerOpenings === 4);
  expect(most).toBeLessThanOrEqual(breaker.probes);
  expect(counters.failed - failedBefore).toBeLessThanOrEqual(3 * breaker.probes + 1);

  works = true;
  await until(() => queue.isDone());
  expect(counters).toMatchObject({ succeeded: 2_000, deadLettered: 0 });
  expect(most).toBeGreaterThan(breaker.probes);
  const told = (): Set<string | undefined> => new Set(beats.map((beat) => beat.breaker));
  await until(() => told().isSupersetOf(new Set(['closed', 'open', 'half-open'])));
  expect((await fetch(`http://127.0.0.1:${worker.metricsPort}/readyz`)).status).toBe(200);
});

test('jobs that wait behind an open breaker go to a replica that fares better', async () => {
  await using queue = await Queue.create(server.url, { consumer: { ack_wait: 30_000 * 1e6 } });
  await queue.publish(400);
  const options = queue.options({ slots: 4, prefetch: 100, maxAttempts: 50, backoff });
  await using broken = await startWorker(
    { ...options, breaker: { ...breaker, openMs: 600_000 } },
    async () => {
      await delay(5);
      throw new Error('this replica cannot reach the dependency');
    },
  );
  await until(() => broken.stats().counters.breakerOpenings === 1);
  await using sound = await startWorker(options, () => undefined);
  await until(() => queue.isDone());
  expect(sound.stats().counters.succeeded).toBe(400);
  expect(broken.stats()).toMatchObject({ busy: 0, buffered: 0 });
});

test('a stop ends a worker whose breaker is open', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(100);
  await using worker = await startWorker(
    queue.options({ slots: 4, backoff, breaker: { ...breaker, openMs: 600_000 } }),
    () => {
      throw new Error('down');
    },
  );
  await until(() => worker.stats().counters.breakerOpenings === 1);
  worker.stop();
  expect(await worker.done).toMatchObject({ clean: true });
  expect((await queue.info()).num_pending + (await queue.info()).num_ack_pending).toBe(100);
});

test('slow jobs open it too', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(100);
  await using worker = await startWorker(
    queue.options({ slots: 4, breaker: { ...breaker, slowMs: 20, openMs: 50 } }),
    () => delay(40),
  );
  await until(() => worker.stats().counters.breakerOpenings >= 2);
  expect(worker.stats().counters.failed).toBe(0);
  await until(() => queue.isDone());
});
