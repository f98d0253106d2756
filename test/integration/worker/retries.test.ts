import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const quickBackoff = { baseMs: 10, maxMs: 100 };

test('a dependency that fails for 30 s under full load gets few retries, and recovery needs nobody', async () => {
  await using queue = await Queue.create(server.url, { consumer: { max_ack_pending: 50_000 } });
  let works = true;
  let published = 0;
  // Longer than the outage, so that what fails in it comes back after it.
  const retryBudget = { ratio: 0.1, minPerSecond: 5, delayMs: 40_000 };
  await using worker = await startWorker(
    queue.options({ slots: 8, backoff: quickBackoff, maxAttempts: 20, retryBudget }),
    async () => {
      await delay(10);
      if (!works) throw new Error('the dependency is down');
    },
  );
  const { counters } = worker.stats();
  const keepBusy = async (): Promise<void> => {
    if ((await queue.info()).num_pending > 2_000) return;
    await queue.publish(2_000, published);
    published += 2_000;
  };
  await until(async () => {
    await keepBusy();
    return counters.succeeded > 1_000;
  });
  const before = { all: counters.deliveries, first: counters.firstDeliveries };
  works = false;
  const endMs = performance.now() + 30_000;
  while (performance.now() < endMs) {
    await keepBusy();
    await delay(100);
  }
  const deliveries = counters.deliveries - before.all;
  const firstDeliveries = counters.firstDeliveries - before.first;
  works = true;
  expect(firstDeliveries).toBeGreaterThan(5_000);
  expect(deliveries / firstDeliveries).toBeLessThanOrEqual(1.3);
  expect(counters.retriesDelayed).toBeGreaterThan(5_000);
  await until(() => queue.isDone());
  expect(counters).toMatchObject({ succeeded: published, deadLettered: 0 });
});

describe('with a stream of forgiven deliveries', () => {
  /** Starts the only job of the queue, and gives it back unfinished. */
  async function handBack(queue: Queue, forgivenStream: string): Promise<void> {
    const started = Promise.withResolvers<undefined>();
    await using worker = await startWorker(
      queue.options({ forgivenStream, maxAttempts: 2 }),
      async (_, job) => {
        started.resolve(undefined);
        await delay(60_000, undefined, { signal: job.signal });
      },
    );
    await started.promise;
    worker.stopNow();
    await worker.done;
  }

  test.each([1, 6])('what %i workers gave back is no attempt', async (times) => {
    await using queue = await Queue.create(server.url);
    const forgivenStream = 'FORGIVEN';
    await queue.publish(1);
    for (let n = 0; n < times; n += 1) await handBack(queue, forgivenStream);
    let runs = 0;
    await using worker = await startWorker(
      queue.options({ forgivenStream, maxAttempts: 2, backoff: quickBackoff }),
      () => {
        runs += 1;
        throw new Error('no');
      },
    );
    await until(() => worker.stats().counters.deadLettered === 1);
    expect(runs).toBe(2);
    await until(() => queue.isDone());
  });

  test('lost leases are forgiven as often as a job may be tried, and no more', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 200 * 1e6 } });
    await queue.publish(1);
    let runs = 0;
    await using worker = await startWorker(
      queue.options({ forgivenStream: 'FORGIVEN', maxAttempts: 2, backoff: quickBackoff }),
      () => {
        runs += 1;
        const endMs = performance.now() + 500;
        while (performance.now() < endMs);
        throw new Error('the lease is over by now');
      },
    );
    await until(() => worker.stats().counters.deadLettered === 1);
    // Worn out at more than twice the attempts, plus those that were forgiven.
    expect(runs).toBeGreaterThan(2);
    expect(runs).toBeLessThanOrEqual(6);
  });

  test('a job is kept while its attempts cannot be counted', async () => {
    await using queue = await Queue.create(server.url);
    const forgivenStream = `FORGIVEN_${queue.stream}`;
    // It cannot be created: its subjects belong to the other tests' stream, or to a plain one of this name.
    await queue.jsm.streams.add({ name: forgivenStream, subjects: [`elsewhere.${queue.stream}`] });
    await queue.publish(1);
    await using worker = await startWorker(
      queue.options({ forgivenStream, maxAttempts: 1, backoff: quickBackoff }),
      async () => {
        await queue.jsm.streams.delete(forgivenStream).catch(() => undefined);
        throw new Error('no');
      },
    );
    await until(() => worker.stats().counters.retried >= 2);
    expect(worker.stats().counters.deadLettered).toBe(0);
    expect(await queue.messages()).toBe(1);
  });
});
