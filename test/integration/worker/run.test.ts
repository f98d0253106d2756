import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { heartbeatSchema, heartbeatSubject } from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, beginWorker, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

describe('a worker', () => {
  test('runs every job once and acks it', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2_000);
    const seen: string[] = [];
    await using worker = await startWorker(queue.options({ slots: 16 }), async (job) => {
      seen.push(new TextDecoder().decode(job.data));
      if (job.sequence % 7 === 0) await delay(1);
    });
    await until(() => queue.isDone());
    expect(new Set(seen).size).toBe(2_000);
    expect(seen).toHaveLength(2_000);
    expect(await queue.messages()).toBe(0);
    expect(worker.stats().counters).toMatchObject({
      deliveries: 2_000,
      succeeded: 2_000,
      retried: 0,
      leaseLost: 0,
    });
  });

  test('gives each handler a payload of its own, to be changed as it likes', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(200);
    const seen: string[] = [];
    await using _ = await startWorker(queue.options({ slots: 8 }), async (job) => {
      seen.push(new TextDecoder().decode(job.data));
      expect(job.data.buffer.byteLength).toBe(job.data.length);
      job.data.fill(0);
      await delay(1);
    });
    await until(() => queue.isDone());
    expect(seen.sort()).toEqual(Array.from({ length: 200 }, (_, n) => `${n}`).sort());
  });

  test('describes the job to its handler', async () => {
    await using queue = await Queue.create(server.url);
    await queue.js.publish(`${queue.stream}.a`, '{"n":1}', { msgID: 'key-1' });
    await queue.js.publish(`${queue.stream}.b`, '{"n":2}');
    const seen: unknown[] = [];
    await using _ = await startWorker(queue.options(), (job, { signal, deadline }) => {
      const { subject, stream, sequence, attempt, idempotencyKey, publishedAt } = job;
      seen.push({ subject, stream, sequence, attempt, idempotencyKey, json: job.json() });
      expect(Math.abs(publishedAt.getTime() - Date.now())).toBeLessThan(60_000);
      expect(deadline.getTime()).toBeGreaterThan(publishedAt.getTime());
      expect(signal.aborted).toBe(false);
    });
    await until(() => seen.length === 2);
    const { stream } = queue;
    expect(seen).toEqual([
      { subject: `${stream}.a`, stream, sequence: 1, attempt: 1, idempotencyKey: 'key-1', json: { n: 1 } },
      {
        subject: `${stream}.b`,
        stream,
        sequence: 2,
        attempt: 1,
        idempotencyKey: `${stream}:2`,
        json: { n: 2 },
      },
    ]);
  });

  test('never runs more jobs at once than it has slots', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(100);
    let running = 0;
    let most = 0;
    await using _ = await startWorker(queue.options({ slots: 5, prefetch: 20 }), async () => {
      running += 1;
      most = Math.max(most, running);
      await delay(3);
      running -= 1;
    });
    await until(() => queue.isDone());
    expect(most).toBe(5);
  });

  test('publishes heartbeats that its schema accepts, the last one stopped', async () => {
    await using queue = await Queue.create(server.url);
    const beats: Heartbeat[] = [];
    queue.connection.subscribe(heartbeatSubject(queue.stream, queue.consumer), {
      callback: (_error, message) => void beats.push(heartbeatSchema.parse(message.json())),
    });
    await queue.connection.flush();
    await using worker = await startWorker(queue.options({ slots: 3, replica: 'r-1' }), () => delay(5));
    await queue.publish(10);
    await until(() => beats.some((beat) => beat.totals.succeeded === 10));
    worker.stop();
    await worker.done;
    await until(() => beats.at(-1)?.state === 'stopped');
    expect(beats.map((beat) => beat.sequence)).toEqual(beats.map((_, index) => index + 1));
    expect([...new Set(beats.map((beat) => beat.state))]).toEqual([
      'starting',
      'running',
      'draining',
      'stopped',
    ]);
    expect(beats.at(-1)).toMatchObject({
      replica: 'r-1',
      slots: 3,
      busy: 0,
      totals: { deliveries: 10, firstDeliveries: 10, succeeded: 10, retried: 0 },
      service: { count: 10 },
    });
    const { busySlotMs, slotMs } = beats.at(-1)?.totals ?? { busySlotMs: 0, slotMs: 0 };
    expect(busySlotMs).toBeGreaterThan(0);
    expect(slotMs).toBeGreaterThan(busySlotMs);
  });

  test('serves metrics and probes', async () => {
    await using queue = await Queue.create(server.url);
    await using worker = await startWorker(
      queue.options({ http: { host: '127.0.0.1', port: 0 } }),
      () => undefined,
    );
    const get = async (path: string): Promise<{ status: number; body: string }> => {
      const reply = await fetch(`http://127.0.0.1:${worker.metricsPort}${path}`);
      return { status: reply.status, body: await reply.text() };
    };
    await queue.publish(3);
    await until(() => queue.isDone());
    expect(await get('/healthz')).toMatchObject({ status: 200 });
    expect(await get('/readyz')).toMatchObject({ status: 200 });
    const { body } = await get('/metrics');
    const labels = `{stream="${queue.stream}",consumer="${queue.consumer}"}`;
    expect(body).toContain(`penstock_worker_jobs_succeeded_total${labels} 3`);
    expect(body).toContain(`penstock_worker_service_seconds_count${labels} 3`);
    expect(body).toMatch(
      /penstock_worker_service_seconds_bucket\{le="\+Inf",stream="\w+",consumer="work"\} 3/,
    );
  });

  test('confirms acks when asked to', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(500);
    await using worker = await startWorker(queue.options({ slots: 32, confirmAcks: true }), () => undefined);
    await until(() => worker.stats().counters.succeeded === 500);
    expect(await queue.isDone()).toBe(true);
    expect(worker.stats().counters.unconfirmedAcks).toBe(0);
  });

  test('creates the consumer when told to', async () => {
    await using queue = await Queue.create(server.url, { consumer: null });
    await queue.publish(5);
    const createConsumer = { ackWaitMs: 7_000, maxAckPending: 55 };
    await using _ = await startWorker(queue.options({ createConsumer }), () => undefined);
    await until(() => queue.isDone());
    expect((await queue.info()).config).toMatchObject({
      ack_policy: 'explicit',
      ack_wait: 7_000 * 1e6,
      max_ack_pending: 55,
      max_deliver: -1,
    });
  });

  test('waits for a consumer that others create', async () => {
    await using queue = await Queue.create(server.url, { consumer: null });
    await using worker = await beginWorker(queue.options(), () => undefined);
    await queue.publish(5);
    await queue.addConsumer();
    await worker.ready;
    await until(() => queue.isDone());
  });

  test('refuses a consumer that it cannot serve, and says why', async () => {
    await using queue = await Queue.create(server.url, { consumer: { deliver_subject: 'elsewhere' } });
    await using worker = await beginWorker(queue.options(), () => undefined);
    await expect(worker.done).rejects.toMatchObject({
      code: 'ConsumerUnfit',
      message: expect.stringContaining('push consumer') as string,
    });
    expect(worker.stats().state).toBe('stopped');
  });
});
