import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveOrigin } from '../../builders/origin.ts';
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
const fleet = (queue: Queue): { bucket: string; lockMs: number } => ({
  bucket: `FLIGHT_${queue.stream}`,
  lockMs: 1_000,
});

describe('in one worker', () => {
  test('jobs that need the same at the same time call for it once', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(40);
    let calls = 0;
    const results: string[] = [];
    const arrived = Promise.withResolvers<undefined>();
    let waiting = 0;
    await using worker = await startWorker(queue.options({ slots: 20 }), async (_job, context) => {
      waiting += 1;
      if (waiting === 20) arrived.resolve(undefined);
      results.push(
        await context.singleFlight('key', async () => {
          await arrived.promise;
          calls += 1;
          return `call ${calls}`;
        }),
      );
    });
    await until(() => queue.isDone());
    expect(results.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 'call 1'));
    // Nothing is remembered: those who came later called again.
    expect(calls).toBeGreaterThan(1);
    expect(worker.stats().counters.flightsLed).toBe(calls);
    expect(worker.stats().counters.flightsShared).toBe(40 - calls);
  });

  test('a failure reaches those who wait for it, and the next who ask call again', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(10);
    let calls = 0;
    let failures = 0;
    const everybody = Promise.withResolvers<undefined>();
    let waiting = 0;
    await using worker = await startWorker(
      queue.options({ slots: 10, backoff: quickBackoff }),
      async (_job, context) => {
        waiting += 1;
        if (waiting === 10) everybody.resolve(undefined);
        try {
          await context.singleFlight('key', async () => {
            await everybody.promise;
            calls += 1;
            if (calls === 1) throw new Error('the origin is down');
          });
        } catch (error) {
          failures += 1;
          throw error;
        }
      },
    );
    await until(() => queue.isDone());
    expect(failures).toBe(10);
    expect(worker.stats().counters).toMatchObject({ failed: 10, succeeded: 10 });
  });

  test('the abort of the job that leads does not fail those who wait', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    const leaders: number[] = [];
    const failed: number[] = [];
    await using worker = await startWorker(
      queue.options({ slots: 3, jobTimeoutMs: 1_000, abortGraceMs: 5_000, backoff: quickBackoff }),
      async (job, context) => {
        await context
          .singleFlight('key', async () => {
            leaders.push(job.sequence);
            // Uses its own job's signal, and not that of the flight.
            if (leaders.length === 1) await delay(60_000, undefined, { signal: context.signal });
          })
          .catch((error: unknown) => {
            failed.push(job.sequence);
            throw error;
          });
      },
    );
    await until(() => leaders.length === 1);
    // The time of the first is over long before that of the others.
    await delay(500);
    await queue.publish(2, 1);
    await until(() => queue.isDone());
    expect(failed).toEqual([1]);
    expect(leaders[0]).toBe(1);
    expect(worker.stats().counters).toMatchObject({ failed: 1, succeeded: 3 });
  });

  test('work that nobody wants any more is told so', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2);
    let aborted = 0;
    await using _ = await startWorker(
      queue.options({ slots: 2, jobTimeoutMs: 100, backoff: quickBackoff }),
      async (job, context) => {
        if (job.attempt > 1) return;
        await context.singleFlight('key', async (signal) => {
          await delay(60_000, undefined, { signal }).catch((error: unknown) => {
            aborted += 1;
            throw error;
          });
        });
      },
    );
    await until(() => queue.isDone());
    expect(aborted).toBe(1);
  });
});

describe('in a fleet', () => {
  test('500 jobs on one cold key over four workers call the origin once', async () => {
    await using queue = await Queue.create(server.url);
    const { bucket } = fleet(queue);
    const workers: WorkerProcess[] = [];
    await using stack = new AsyncDisposableStack();
    const ran = (): string[] =>
      workers.flatMap(({ lines }) => lines.filter((line) => line.startsWith('RUN')));
    // The origin answers once every worker holds jobs.
    const isRush = async (): Promise<boolean> => (await queue.info()).num_ack_pending >= 4 * 16;
    await using cold = stack.use(await serveOrigin(() => until(isRush)));
    for (let n = 0; n < 4; n += 1) {
      workers.push(
        stack.use(
          spawnWorker(queue, 'stampede.ts', {
            PENSTOCK_SLOTS: '16',
            PENSTOCK_PREFETCH: '0',
            PENSTOCK_SINGLE_FLIGHT_BUCKET: bucket,
            ORIGIN: cold.url,
          }),
        ),
      );
    }
    await until(() => workers.every(({ lines }) => lines.some((line) => line.includes('"running"'))));
    await queue.publish(500);
    await until(() => queue.isDone());
    await until(() => ran().length === 500);
    expect(cold.calls()).toBe(1);
    expect(ran().every((line) => line.endsWith(' the page'))).toBe(true);
    // All of them took part.
    expect(workers.every(({ lines }) => lines.some((line) => line.startsWith('RUN')))).toBe(true);
  });

  test('without a shared result, one worker after the other calls', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(12);
    let flying = 0;
    let most = 0;
    let calls = 0;
    const work = async (): Promise<void> => {
      flying += 1;
      calls += 1;
      most = Math.max(most, flying);
      await delay(20);
      flying -= 1;
    };
    const options = queue.options({ slots: 2, prefetch: 0, singleFlight: fleet(queue) });
    await using _a = await startWorker(options, (_job, context) => context.singleFlight('key', work));
    await using _b = await startWorker(options, (_job, context) => context.singleFlight('key', work));
    await until(() => queue.isDone());
    expect(most).toBe(1);
    expect(calls).toBeGreaterThan(1);
  });

  test('the lock of a worker that was killed ends by itself', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 500 * 1e6 } });
    await queue.publish(1);
    const never = Promise.withResolvers<undefined>();
    let isHanging = true;
    await using cold = await serveOrigin(async () => {
      if (isHanging) await never.promise;
    });
    const environment = {
      PENSTOCK_SINGLE_FLIGHT_BUCKET: fleet(queue).bucket,
      PENSTOCK_SINGLE_FLIGHT_LOCK_SECONDS: '1',
      ORIGIN: cold.url,
    };
    await using victim = spawnWorker(queue, 'stampede.ts', environment);
    await until(() => cold.calls() === 1);
    // Renewed beyond its time: the lock is held as long as the work goes on.
    await delay(2_500);
    await using heir = spawnWorker(queue, 'stampede.ts', environment);
    await queue.publish(1, 1);
    await until(async () => (await queue.info()).num_ack_pending === 2);
    await delay(500);
    expect(cold.calls()).toBe(1);
    isHanging = false;
    victim.child.kill('SIGKILL');
    await until(() => queue.isDone());
    expect(cold.calls()).toBe(2);
    expect(heir.lines.filter((line) => line.startsWith('RUN'))).toHaveLength(2);
    never.resolve(undefined);
  });

  test('a bucket that is missing leaves each worker single for itself', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2);
    const singleFlight = { ...fleet(queue), create: false };
    await using worker = await startWorker(queue.options({ singleFlight }), (_job, context) =>
      context.singleFlight('key', () => 1),
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 2, flightsUnguarded: 2, failed: 0 });
  });

  test('a result that is no JSON reaches who called for it, and is not shared', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2);
    const results: unknown[] = [];
    const singleFlight = fleet(queue);
    await using _ = await startWorker(queue.options({ singleFlight }), async (_job, context) => {
      results.push(await context.singleFlight('key', () => 10n, { shareMs: 60_000 }));
    });
    await until(() => queue.isDone());
    expect(results).toEqual([10n, 10n]);
  });
});
