import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Discard, runBatchWorker, runWorker } from '../../../worker/index.ts';
import type { BatchHandler, Job, WorkerOptions } from '../../../worker/index.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, until } from './harness.ts';
import type { DisposableWorker } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function startBatches(options: WorkerOptions, handler: BatchHandler): Promise<DisposableWorker> {
  const worker = await runBatchWorker(options, handler);
  await worker.ready;
  return Object.assign(worker, {
    async [Symbol.asyncDispose]() {
      worker.stopNow();
      await worker.done.catch(() => undefined);
    },
  });
}

const numbers = (jobs: readonly Job[]): number[] => jobs.map((job) => Number(job.json()));
const backoff = { baseMs: 10, maxMs: 20 };

describe('batches', () => {
  test('are full while there is a backlog, and no larger; at its end, the rest does not wait for more', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1_050);
    const sizes: number[] = [];
    let running = 0;
    let most = 0;
    await using worker = await startBatches(
      queue.options({ slots: 2, batch: { size: 100, waitMs: 200 } }),
      async (jobs) => {
        sizes.push(jobs.length);
        running += 1;
        most = Math.max(most, running);
        await delay(10);
        running -= 1;
      },
    );
    await until(() => queue.isDone());
    expect(Math.max(...sizes)).toBe(100);
    // A pause of this machine may cut one short.
    expect(sizes.filter((size) => size === 100).length).toBeGreaterThanOrEqual(8);
    expect(most).toBe(2);
    expect(worker.stats().counters).toMatchObject({ succeeded: 1_050, deliveries: 1_050 });
  });

  test('settle one by one: what failed comes again, what is hopeless does not', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(10);
    const deadLetter = { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` };
    const seen: number[][] = [];
    await using worker = await startBatches(
      queue.options({ batch: { size: 10, waitMs: 50 }, backoff, deadLetter }),
      (jobs, context) => {
        seen.push(numbers(jobs));
        for (const job of jobs) {
          if (job.json() === 3 && job.attempt < 3) context.fail(job, new Error('not yet'));
          if (job.json() === 7) context.fail(job, new Discard('never'));
        }
      },
    );
    await until(() => queue.isDone());
    expect(seen[0]).toHaveLength(10);
    expect(seen.slice(1)).toEqual([[3], [3]]);
    expect(worker.stats().counters).toMatchObject({ succeeded: 9, retried: 2, deadLettered: 1 });
  });

  test('fail fast: the first error aborts, the others are handed back and are no failures', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(5);
    let batches = 0;
    await using worker = await startBatches(
      queue.options({
        batch: { size: 5, waitMs: 100, errors: 'fail-fast' },
        backoff,
        forgivenStream: `FORGIVEN_${queue.stream}`,
        maxAttempts: 2,
      }),
      async (jobs, context) => {
        batches += 1;
        if (batches > 1) return;
        const [first, second] = jobs;
        if (first !== undefined) context.done(first);
        if (second !== undefined) context.fail(second, new Error('broken'));
        await delay(60_000, undefined, { signal: context.signal }).catch(() => undefined);
      },
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 5, failed: 1, retried: 1, handedBack: 3 });
  });

  test('collect: nothing is acked unless all went well', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(4);
    const seen: number[] = [];
    await using worker = await startBatches(
      queue.options({ batch: { size: 4, waitMs: 50, errors: 'collect' }, backoff }),
      (jobs, context) => {
        seen.push(jobs.length);
        for (const job of jobs.slice(0, 2)) {
          if (job.attempt === 1) context.fail(job, new Error('no'));
          else context.done(job);
        }
      },
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 4, failed: 4, retried: 4 });
    expect(seen.reduce((sum, size) => sum + size, 0)).toBe(8);
  });

  test('keep the order of keys: no batch has two of one key', async () => {
    await using queue = await Queue.create(server.url);
    for (let n = 0; n < 20; n += 1) {
      for (const key of ['a', 'b', 'c']) await queue.js.publish(`${queue.stream}.${key}`, `${n}`);
    }
    const ran = new Map<string, number[]>();
    let doubles = 0;
    await using _ = await startBatches(
      queue.options({
        ...{ key: 'subject:2', ordered: true, slots: 2 },
        batch: { size: 10, waitMs: 5, errors: 'fail-fast' },
        backoff,
      }),
      async (jobs, context) => {
        if (new Set(jobs.map(({ subject }) => subject)).size < jobs.length) doubles += 1;
        for (const job of jobs) {
          if (context.signal.aborted) return;
          await delay(1);
          if (job.attempt === 1 && Number(job.json()) % 7 === 3) {
            context.fail(job, new Error('again'));
            continue;
          }
          context.done(job);
          ran.set(job.subject, [...(ran.get(job.subject) ?? []), Number(job.json())]);
        }
      },
    );
    await until(() => queue.isDone());
    for (const [key, order] of ran) expect(order, key).toEqual(Array.from({ length: 20 }, (__, n) => n));
    expect([ran.size, doubles]).toEqual([3, 0]);
  });

  test('a batch that passes its time limit is aborted, and its jobs come again', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(3);
    const reasons: string[] = [];
    await using worker = await startBatches(
      queue.options({ batch: { size: 3, waitMs: 50 }, jobTimeoutMs: 300, backoff }),
      async (jobs, { signal }) => {
        if (jobs.some(({ attempt }) => attempt > 1)) return;
        await delay(60_000, undefined, { signal }).catch((error: unknown) => {
          reasons.push((signal.reason as Error).name);
          throw error;
        });
      },
    );
    await until(() => queue.isDone());
    expect(reasons).toEqual(['TimeoutError']);
    expect(worker.stats().counters).toMatchObject({ succeeded: 3, retried: 3, timedOut: 3 });
  });

  test('a stop starts what is being filled, waits for it, and loses nothing', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(30);
    const sizes: number[] = [];
    await using worker = await startBatches(
      queue.options({ batch: { size: 1_000, waitMs: 60_000 } }),
      async (jobs) => {
        sizes.push(jobs.length);
        await delay(100);
      },
    );
    await until(() => worker.stats().busy === 30);
    expect(sizes).toEqual([]);
    worker.stop();
    expect(await worker.done).toMatchObject({ succeeded: 30, handedBack: 0, clean: true });
    expect(sizes).toEqual([30]);
    await until(() => queue.isDone());
  });

  test('a module exports batch', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(12);
    await using worker = spawnWorker(queue, 'batch.ts', {
      PENSTOCK_BATCH_SIZE: '12',
      PENSTOCK_BATCH_WAIT_SECONDS: '5',
    });
    await until(() => worker.lines.includes('batch of 12'));
    await until(() => queue.isDone());
    worker.child.kill('SIGTERM');
    expect(await worker.exit).toMatchObject({ code: 0 });

    await using wrong = spawnWorker(queue, 'batch.ts');
    expect(await wrong.exit).toMatchObject({ code: 2 });
    expect(wrong.stderr()).toMatch(/has no default export; export default a function/);
  });

  test('wrong settings say what to do', async () => {
    await using queue = await Queue.create(server.url);
    await expect(runWorker(queue.options({ batch: { size: 5 } }), () => undefined)).rejects.toThrow(
      /use runBatchWorker/,
    );
    await expect(
      runBatchWorker(queue.options({ weight: 'header:Cost', batch: {} }), () => undefined),
    ).rejects.toThrow(/leave out weight or batch/);
    await expect(runBatchWorker(queue.options({ batch: { size: 0 } }), () => undefined)).rejects.toThrow(
      /batch\.size is 0: must be a whole number, at least 1/,
    );
  });
});
