import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, startWorker, until } from './harness.ts';
import type { WorkerProcess } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const quickBackoff = { baseMs: 1, maxMs: 5 };

describe('a job that publishes', () => {
  test('is acked only once all that it published is stored', async () => {
    await using queue = await Queue.create(server.url);
    await using output = await Queue.create(server.url);
    await queue.publish(1);
    let whileHeld: number | undefined;
    // Somebody listens where the job publishes, and answers late.
    const slow = `slow.${queue.stream}`;
    queue.connection.subscribe(slow, {
      callback: (_error, message) => {
        void delay(100).then(async () => {
          whileHeld = await queue.messages();
          message.respond(JSON.stringify({ stream: 'SLOW', seq: 1 }));
        });
      },
    });
    await queue.connection.flush();
    await using worker = await startWorker(queue.options(), async (_job, context) => {
      await context.publish({ subject: `${output.stream}.job`, data: 'result' });
      await context.publish({ subject: slow, data: 'result' });
    });
    await until(() => queue.isDone());
    expect(whileHeld).toBe(1);
    expect(await output.messages()).toBe(1);
    expect(worker.stats().counters.succeeded).toBe(1);
  });

  test('fails when a message cannot be stored, and stores nothing twice when it runs again', async () => {
    await using queue = await Queue.create(server.url);
    await using output = await Queue.create(server.url);
    await queue.publish(1);
    const nowhere = `nowhere.${queue.stream}`;
    const attempts: number[] = [];
    await using worker = await startWorker(queue.options({ backoff: quickBackoff }), async (job, context) => {
      attempts.push(job.attempt);
      for (let n = 0; n < 10; n += 1) {
        await context.publish({ subject: `${output.stream}.job`, data: `${n}` });
      }
      if (job.attempt < 3) void context.publish({ subject: nowhere, data: 'lost' });
    });
    await until(() => queue.isDone());
    expect(attempts).toEqual([1, 2, 3]);
    expect(await output.messages()).toBe(10);
    expect(worker.stats().counters).toMatchObject({ failed: 2, succeeded: 1 });
  });

  test('gives each message an id of its own, or the one that it is told', async () => {
    await using queue = await Queue.create(server.url);
    await using output = await Queue.create(server.url);
    await queue.publish(2);
    await using _ = await startWorker(queue.options(), async (_job, context) => {
      await context.publish({ subject: `${output.stream}.job`, data: 'a' });
      await context.publish({ subject: `${output.stream}.job`, data: 'b' });
      await context.publish({ subject: `${output.stream}.job`, data: 'c', id: 'the same for both' });
    });
    await until(() => queue.isDone());
    expect(await output.messages()).toBe(5);
  });

  test('publishes nothing more once its result is no longer wanted', async () => {
    await using queue = await Queue.create(server.url);
    await using output = await Queue.create(server.url);
    await queue.publish(1);
    const refused: string[] = [];
    await using _ = await startWorker(
      queue.options({ jobTimeoutMs: 50, backoff: quickBackoff }),
      async (job, context) => {
        if (job.attempt > 1) return;
        await delay(60_000, undefined, { signal: context.signal }).catch(() => undefined);
        try {
          await context.publish({ subject: `${output.stream}.job`, data: 'too late' });
        } catch (error) {
          refused.push((error as Error).name);
          throw error;
        }
      },
    );
    await until(() => queue.isDone());
    expect(refused).toEqual(['TimeoutError']);
    expect(await output.messages()).toBe(0);
  });
});

test('three stages whose workers are killed give one output for each input', async () => {
  await using fetched = await Queue.create(server.url, { consumer: { ack_wait: 1_000 * 1e6 } });
  await using resized = await Queue.create(server.url, { consumer: { ack_wait: 1_000 * 1e6 } });
  await using stored = await Queue.create(server.url, { consumer: { ack_wait: 1_000 * 1e6 } });
  await using output = await Queue.create(server.url);
  const jobs = 300;
  await fetched.publish(jobs);
  const stages = [
    [fetched, resized],
    [resized, stored],
    [stored, output],
  ] as const;
  const start = ([from, to]: (typeof stages)[number]): WorkerProcess =>
    spawnWorker(from, 'stage.ts', { PENSTOCK_SLOTS: '8', STAGE_TO: `${to.stream}.job` });
  let kills = 0;
  let runs = 0;
  const countRuns = (worker: WorkerProcess): number =>
    worker.lines.filter((line) => line.startsWith('RUN')).length;
  const isAllDone = async (): Promise<boolean> =>
    (await output.messages()) === jobs &&
    (await fetched.isDone()) &&
    (await resized.isDone()) &&
    (await stored.isDone());
  const everyStage = stages.map(async (stage) => {
    for (let round = 0; ; round += 1) {
      await using worker = start(stage);
      // Each stage is killed twice in the middle of its work, and then left alone.
      await until(async () => (round < 2 ? countRuns(worker) > 60 : await isAllDone()));
      runs += countRuns(worker);
      if (round === 2) return;
      worker.child.kill('SIGKILL');
      kills += 1;
    }
  });
  await Promise.all(everyStage);
  expect(kills).toBe(6);
  // Some ran twice: the kills hit.
  expect(runs).toBeGreaterThan(3 * jobs);
  expect(await output.messages()).toBe(jobs);
  const payloads = new Set<string>();
  for (let seq = 1; seq <= jobs; seq += 1) {
    payloads.add((await output.jsm.streams.getMessage(output.stream, { seq }))?.string() ?? '');
  }
  expect(payloads.size).toBe(jobs);
});
