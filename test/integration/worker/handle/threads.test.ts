import { fileURLToPath } from 'node:url';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openThreadHandler } from '../../../../worker/handle/threads/threads.ts';
import { startNatsServer } from '../../../tools/natsServer.ts';
import type { NatsServer } from '../../../tools/natsServer.ts';
import type { Counters } from '../../../../worker/report/counters.ts';
import type { HandlerHost } from '../../../../worker/index.ts';
import { Queue, beginWorker, spawnWorker, startWorker, until } from '../harness.ts';

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(() => nats[Symbol.asyncDispose]());

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const threads = (handler: string, count = 1): HandlerHost =>
  openThreadHandler({
    handlerPath: fixture(handler),
    threads: count,
    memoryMb: 64,
    killGraceMs: 100,
    logLevel: 'silent',
  });

describe('a job in a thread', () => {
  const cases: Record<string, { mood: string; jobTimeoutMs?: number; counters: Partial<Counters> }> = {
    'that returns is acked': { mood: 'fine', counters: { succeeded: 1, retried: 0 } },
    'that returns what cannot cross threads is acked': {
      mood: 'garbage',
      counters: { succeeded: 1, retried: 0 },
    },
    'that is given up is a dead letter': { mood: 'discard', counters: { deadLettered: 1 } },
    'that reads JSON where there is none is a dead letter': { mood: 'json', counters: { deadLettered: 1 } },
    'that asks for a delay is tried again': { mood: 'later', counters: { succeeded: 1, retried: 1 } },
    'that throws text is tried again': { mood: 'throwsText', counters: { succeeded: 1, retried: 1 } },
    'that leaves a rejected promise is acked': { mood: 'stray', counters: { succeeded: 1, retried: 0 } },
    'that exits fails its attempt': { mood: 'exit', counters: { succeeded: 1, retried: 1 } },
    'that throws where nobody catches fails its attempt': {
      mood: 'timer',
      counters: { succeeded: 1, retried: 1 },
    },
    'that needs too much memory fails its attempt': {
      mood: 'hoard',
      counters: { succeeded: 1, retried: 1, timedOut: 0 },
    },
    'that heeds the abort ends by itself': {
      mood: 'polite',
      jobTimeoutMs: 4_000,
      counters: { succeeded: 1, retried: 1, timedOut: 1 },
    },
    'that blocks its thread beyond its time limit is killed': {
      mood: 'block',
      jobTimeoutMs: 4_000,
      counters: { succeeded: 1, retried: 1, timedOut: 1 },
    },
  };
  test.each(Object.entries(cases))('%s', async (_, { mood, jobTimeoutMs = 60_000, counters }) => {
    await using queue = await Queue.create(nats.url);
    await queue.js.publish(`${queue.stream}.job`, mood);
    await using worker = await startWorker(
      queue.options({ jobTimeoutMs, backoff: { baseMs: 1, maxMs: 5 } }),
      threads('threads/moody.ts'),
    );
    await until(() => queue.isDone());
    expect(worker.stats()).toMatchObject({ stuck: 0, counters });
  });
});

describe('threads', () => {
  test('are replaced when they are killed, and leave the other jobs and leases alone', async () => {
    await using queue = await Queue.create(nats.url, { consumer: { ack_wait: 1_000 * 1e6 } });
    for (const mood of ['block', 'exit', 'hoard', 'block', ...Array<string>(40).fill('fine')]) {
      await queue.js.publish(`${queue.stream}.job`, mood);
    }
    const host = threads('threads/moody.ts', 3);
    const http = { host: '127.0.0.1', port: 0 };
    await using worker = await startWorker(
      queue.options({ slots: 3, jobTimeoutMs: 3_000, backoff: { baseMs: 1, maxMs: 5 }, http }),
      host,
    );
    await until(() => queue.isDone());
    expect(worker.stats()).toMatchObject({ stuck: 0, counters: { succeeded: 44, leaseLost: 0 } });
    const { retried } = worker.stats().counters;
    expect(retried).toBeGreaterThanOrEqual(4);
    const { lost = 0 } = host.threads ?? {};
    expect(lost).toBeGreaterThanOrEqual(4);
    expect(lost).toBeLessThanOrEqual(retried);
    const metrics = await (await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`)).text();
    expect(metrics).toMatch(/^penstock_worker_threads\{.*\} [123]$/m);
    expect(metrics).toMatch(new RegExp(`^penstock_worker_threads_lost_total\\{.*\\} ${lost}$`, 'm'));
  });

  test('load the handler once each, and get payload and headers whole', async () => {
    await using queue = await Queue.create(nats.url);
    const own = headers();
    own.set('X-Tenant', 'acme');
    for (const size of [5, 1_000, 900_000]) {
      await queue.js.publish(`${queue.stream}.job`, 'fine'.padEnd(size), { headers: own });
    }
    await using program = spawnWorker(queue, 'threads/moody.ts', {
      PENSTOCK_HANDLER_THREADS: 'true',
      PENSTOCK_SLOTS: '2',
    });
    await until(() => queue.isDone());
    const runs = program.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === 'runs');
    expect(runs.map(({ bytes }) => bytes).sort()).toEqual([1_000, 5, 900_000]);
    for (const run of runs) expect(run).toMatchObject({ tenant: 'acme', attempt: 1 });
    expect(runs.every(({ thread }) => Number(thread) > 0)).toBe(true);
    program.child.kill('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
  });

  test('publish by the worker, before the job is acked, and fail the job if that fails', async () => {
    await using queue = await Queue.create(nats.url);
    await using next = await Queue.create(nats.url);
    await queue.js.publish(`${queue.stream}.job`, `publish ${next.stream}.job`);
    await queue.js.publish(`${queue.stream}.job`, 'publish nowhere.at.all');
    await using worker = await startWorker(
      queue.options({ backoff: { baseMs: 1, maxMs: 5 } }),
      threads('threads/moody.ts'),
    );
    await until(() => queue.isDone());
    expect(await next.messages()).toBe(3);
    expect(worker.stats().counters).toMatchObject({ succeeded: 2, retried: 1 });
  });

  test.each([
    ['/nowhere.ts', 'HandlerNotFound'],
    ['throwsAtLoad.ts', 'HandlerFailedToLoad'],
    ['noDefault.ts', 'HandlerNotAFunction'],
  ])('that cannot load %s end the worker with %s', async (file, code) => {
    await using queue = await Queue.create(nats.url);
    await using worker = await beginWorker(queue.options(), threads(file));
    await expect(worker.done).rejects.toMatchObject({ code });
  });
});
