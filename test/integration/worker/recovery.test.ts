import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Job } from '../../../worker/index.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import { freePort } from '../../tools/serverProcess.ts';
import { Queue, beginWorker, spawnWorker, startWorker, until } from './harness.ts';

describe('a worker', () => {
  test('starts before NATS does', async () => {
    const port = await freePort();
    const nats = { servers: [`nats://127.0.0.1:${port}`] };
    const options = { stream: 'LATE', consumer: 'work', nats, createConsumer: {} };
    let runs = 0;
    await using elsewhere = await startNatsServer();
    await using template = await Queue.create(elsewhere.url);
    await using worker = await beginWorker(template.options(options), () => {
      runs += 1;
    });
    await delay(100);
    await using server = await startNatsServer({ port });
    await using queue = await Queue.create(server.url);
    await queue.jsm.streams.add({ name: 'LATE', subjects: ['late'] });
    await queue.js.publish('late', '1');
    await worker.ready;
    await until(() => runs === 1);
  });

  test('loses no job when nats-server is killed and restarted under load', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 2_000 * 1e6 } });
    await queue.publish(3_000);
    const seen = new Set<string>();
    await using worker = await startWorker(queue.options({ slots: 32 }), async (job) => {
      await delay(2);
      seen.add(new TextDecoder().decode(job.data));
    });
    await until(() => seen.size > 200);
    await server.signal('SIGKILL');
    const before = seen.size;
    await server.start();
    await until(async () => seen.size === 3_000 && (await queue.isDone().catch(() => false)));
    expect(before).toBeLessThan(3_000);
    expect(worker.stats().counters.reconnects).toBe(1);
    expect(await queue.messages()).toBe(0);
  });

  test('with confirmed acks repeats only jobs that were in flight when nats-server was killed', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url);
    await queue.publish(3_000);
    const slots = 32;
    const runs = new Map<string, number>();
    const options = queue.options({ slots, prefetch: 0, confirmAcks: true });
    await using worker = await startWorker(options, async (job) => {
      const id = new TextDecoder().decode(job.data);
      runs.set(id, (runs.get(id) ?? 0) + 1);
      await delay(2);
    });
    await until(() => runs.size > 200);
    await server.signal('SIGKILL');
    await server.start();
    await until(async () => runs.size === 3_000 && (await queue.isDone().catch(() => false)));
    const repeated = [...runs.values()].filter((count) => count > 1).length;
    expect(repeated).toBeLessThanOrEqual(slots);
    expect(worker.stats().counters.reconnects).toBe(1);
  });

  test('asks again when nats-server freezes and comes back, and loses no job', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url);
    const seen = new Set<number>();
    await using worker = await startWorker(queue.options({ slots: 4 }), (job) => {
      seen.add(job.sequence);
    });
    await queue.publish(10);
    await until(() => seen.size === 10);
    await server.signal('SIGSTOP');
    await until(() => worker.stats().counters.watchdogRepulls > 0);
    await server.signal('SIGCONT');
    await queue.publish(10, 10);
    await until(async () => seen.size === 20 && (await queue.isDone()));
    expect(worker.stats().counters.reconnects).toBe(0);
  });

  test('pulls on when its consumer was deleted and recreated', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url);
    const seen: number[] = [];
    await using worker = await startWorker(queue.options(), (job) => {
      seen.push(job.sequence);
    });
    await queue.publish(1);
    // With the ack under way, the new consumer would deliver it once more.
    await until(async () => seen.length === 1 && (await queue.isDone()));
    await queue.jsm.consumers.delete(queue.stream, queue.consumer);
    await queue.publish(1, 1);
    await delay(100);
    await queue.addConsumer();
    await until(() => seen.length === 2);
    expect(worker.stats().counters.watchdogRepulls).toBe(0);
  });

  test('recreates its consumer itself when told to create it', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url, { consumer: null });
    const seen: number[] = [];
    await using worker = await startWorker(queue.options({ createConsumer: {} }), (job) => {
      seen.push(job.sequence);
    });
    await queue.jsm.consumers.delete(queue.stream, queue.consumer);
    await queue.publish(1);
    await until(() => seen.length === 1);
    expect(worker.stats().state).toBe('running');
  });

  test('that was killed loses no job: its peer gets them', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 1_000 * 1e6 } });
    for (let n = 0; n < 300; n += 1) await queue.js.publish(`${queue.stream}.job`, '10');
    const settings = { PENSTOCK_SLOTS: '8', PENSTOCK_PREFETCH: '8' };
    await using victim = spawnWorker(queue, 'record.ts', settings);
    await until(() => victim.lines.filter((line) => line.startsWith('RUN end')).length > 30);
    victim.child.kill('SIGKILL');
    await using peer = spawnWorker(queue, 'record.ts', settings);
    await until(() => queue.isDone());
    const ended = (): Set<string | undefined> =>
      new Set(
        [...victim.lines, ...peer.lines]
          .filter((line) => line.startsWith('RUN end'))
          .map((line) => line.split(' ')[2]),
      );
    await until(() => ended().size === 300);
    expect(await queue.messages()).toBe(0);
  });
});

describe('two workers with long jobs and a deep prefetch', () => {
  test('never run a job twice, and none waits for ack_wait', async () => {
    await using server = await startNatsServer();
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 1_000 * 1e6 } });
    await queue.publish(8);
    const runs: number[] = [];
    const handler = async (job: Job): Promise<void> => {
      runs.push(job.sequence);
      expect(job.attempt).toBe(1);
      await delay(700);
    };
    await using _a = await startWorker(queue.options({ prefetch: 5 }), handler);
    await using _b = await startWorker(queue.options({ prefetch: 5 }), handler);
    await until(() => queue.isDone());
    expect(runs.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
