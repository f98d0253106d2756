import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import { freePort } from '../../tools/serverProcess.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, beginWorker, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

describe('a graceful stop', () => {
  for (const [name, handler] of Object.entries({
    'empty jobs': (): void => undefined,
    'jobs of some milliseconds': (): Promise<void> => delay(3),
  })) {
    test(`under load causes no redelivery: ${name}, 20 stops`, async () => {
      await using queue = await Queue.create(server.url);
      await queue.publish(4_000);
      const ran: number[] = [];
      let redelivered = 0;
      for (let stops = 1; stops <= 20; stops += 1) {
        const before = ran.length;
        await using worker = await startWorker(queue.options({ slots: 16, prefetch: 16 }), (job) => {
          ran.push(job.sequence);
          return handler();
        });
        await until(() => ran.length > before + 100);
        worker.stop();
        const { clean, handedBack } = await worker.done;
        expect({ clean, handedBack }).toEqual({ clean: true, handedBack: 0 });
        const { deliveries, firstDeliveries } = worker.stats().counters;
        redelivered += deliveries - firstDeliveries;
        if (ran.length > 3_000) await queue.publish(4_000, stops * 4_000);
      }
      // What a stop strands comes back after ack_wait as a second delivery, here or in the last worker.
      await using last = await startWorker(
        queue.options({ slots: 16 }),
        (job) => void ran.push(job.sequence),
      );
      await until(() => queue.isDone());
      const { deliveries, firstDeliveries } = last.stats().counters;
      expect(redelivered + deliveries - firstDeliveries).toBe(0);
      expect(new Set(ran).size).toBe(ran.length);
    });
  }

  test('lets the running job end and gives the buffered ones to a peer at once', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(5);
    const finish = Promise.withResolvers<undefined>();
    const ran: string[] = [];
    await using first = await startWorker(queue.options({ prefetch: 4 }), async (job) => {
      await finish.promise;
      ran.push(`first ${job.sequence}`);
    });
    await until(() => first.stats().busy === 1 && first.stats().buffered === 4);
    await using second = await startWorker(queue.options(), (job) => {
      ran.push(`second ${job.sequence}`);
    });
    first.stop();
    await until(() => ran.length === 4);
    finish.resolve(undefined);
    expect(await first.done).toMatchObject({ succeeded: 1, handedBack: 4, clean: true });
    await until(() => queue.isDone());
    expect(ran.toSorted()).toEqual(['first 1', 'second 2', 'second 3', 'second 4', 'second 5']);
    expect(second.stats().counters.leaseLost).toBe(0);
  });

  test('aborts what outlasts the grace, and hands it back before it ends', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2);
    const reasons: string[] = [];
    await using worker = await startWorker(
      queue.options({ slots: 2, graceMs: 400 }),
      async (job, { signal }) => {
        if (job.sequence === 1) await new Promise(() => undefined);
        await delay(60_000, undefined, { signal }).catch((error: unknown) => {
          reasons.push((signal.reason as Error).name);
          throw error;
        });
      },
    );
    await until(() => worker.stats().busy === 2);
    worker.stop();
    expect(await worker.done).toMatchObject({ succeeded: 0, handedBack: 2, clean: true });
    expect(reasons).toEqual(['ShutdownError']);
    const seen: number[] = [];
    await using _ = await startWorker(queue.options(), (job) => {
      seen.push(job.attempt);
    });
    await until(() => queue.isDone());
    expect(seen).toEqual([2, 2]);
  });

  test('keeps the lease of the job that it waits for', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 300 * 1e6 } });
    await queue.publish(1);
    const runs: number[] = [];
    await using first = await startWorker(queue.options(), async (job) => {
      runs.push(job.attempt);
      await delay(1_500);
    });
    await until(() => first.stats().busy === 1);
    await using _ = await startWorker(queue.options(), (job) => {
      runs.push(job.attempt);
    });
    first.stop();
    expect(await first.done).toMatchObject({ succeeded: 1, handedBack: 0 });
    await until(() => queue.isDone());
    expect(runs).toEqual([1]);
  });
});

describe('a stop at once', () => {
  test('hands everything back without waiting', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(3);
    await using worker = await startWorker(
      queue.options({ prefetch: 2 }),
      () => new Promise(() => undefined),
    );
    await until(() => worker.stats().busy === 1 && worker.stats().buffered === 2);
    worker.stop();
    worker.stopNow();
    expect(await worker.done).toMatchObject({ handedBack: 3, clean: true });
    await using _ = await startWorker(queue.options(), () => undefined);
    await until(() => queue.isDone());
  });
});

describe('a stop before NATS is there', () => {
  test('ends the wait', async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    const http = { host: '127.0.0.1', port: 0 };
    await using queue = await Queue.create(server.url);
    await using worker = await beginWorker(
      queue.options({ nats: { servers: [url] }, http }),
      () => undefined,
    );
    const ready = await fetch(`http://127.0.0.1:${worker.metricsPort}/readyz`);
    expect({ status: ready.status, body: await ready.text() }).toEqual({ status: 503, body: 'starting\n' });
    worker.stop();
    expect(await worker.done).toMatchObject({ succeeded: 0, handedBack: 0, clean: true });
  });

  test('or while the consumer is missing ends that wait too', async () => {
    await using queue = await Queue.create(server.url, { consumer: null });
    await using worker = await beginWorker(queue.options(), () => undefined);
    await delay(50);
    worker.stop();
    expect(await worker.done).toMatchObject({ clean: true });
  });
});
