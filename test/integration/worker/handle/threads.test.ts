import { fileURLToPath } from 'node:url';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openThreadHandler } from '../../../../worker/handle/threads/threads.ts';
import { serveOrigin } from '../../../builders/origin.ts';
import { startNatsServer } from '../../../tools/natsServer.ts';
import type { NatsServer } from '../../../tools/natsServer.ts';
import type { Counters } from '../../../../worker/report/counters.ts';
import type { HandlerHost } from '../../../../worker/index.ts';
import type { Errand } from '../fixtures/threads/sharing.ts';
import { Queue, beginWorker, spawnWorker, startWorker, until } from '../harness.ts';

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(() => nats[Symbol.asyncDispose]());

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const threads = (handler: string, count = 1, killGraceMs = 100): HandlerHost =>
  openThreadHandler({
    handlerPath: fixture(handler),
    threads: count,
    memoryMb: 64,
    killGraceMs,
    logLevel: 'silent',
  });

/** A job for fixtures/threads/sharing.ts, which writes into the stream of `journal`. */
async function ask(queue: Queue, what: string, journal?: Queue, url?: string): Promise<void> {
  const errand: Errand = {
    what,
    ...(journal !== undefined && { journal: `${journal.stream}.note` }),
    ...(url !== undefined && { url }),
  };
  await queue.js.publish(`${queue.stream}.job`, JSON.stringify(errand));
}

/** What was written down, in order. */
async function entries({ jsm, stream }: Queue): Promise<string[]> {
  const { state } = await jsm.streams.info(stream);
  const texts: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    texts.push((await jsm.streams.getMessage(stream, { seq }))?.string() ?? '');
  }
  return texts;
}

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

  test('share the limits of their worker', async () => {
    await using queue = await Queue.create(nats.url);
    await using journal = await Queue.create(nats.url);
    for (let n = 0; n < 9; n += 1) await ask(queue, 'limited', journal);
    await using worker = await startWorker(
      queue.options({ slots: 3, limits: { database: 1 } }),
      threads('threads/sharing.ts', 3),
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 9, retried: 0 });
    // Each of them twice, and none beside another.
    expect(await entries(journal)).toEqual(Array.from({ length: 18 }, () => ['in', 'out']).flat());
  });

  test.each(['blocks', 'exits'])('that die give back the permits they held: one that %s', async (how) => {
    await using queue = await Queue.create(nats.url);
    await using journal = await Queue.create(nats.url);
    await ask(queue, `${how}Holding`, journal);
    const host = threads('threads/sharing.ts', 2);
    await using worker = await startWorker(
      queue.options({
        slots: 2,
        limits: { database: 1 },
        jobTimeoutMs: 4_000,
        backoff: { baseMs: 1, maxMs: 5 },
      }),
      host,
    );
    await until(() => host.threads?.lost !== 0);
    expect(await entries(journal)).toEqual(['in']);
    await ask(queue, 'limited', journal);
    await until(() => queue.isDone());
    expect(worker.stats()).toMatchObject({ stuck: 0, counters: { succeeded: 2, retried: 1 } });
  });

  test('stop waiting for a limit at the abort, without being killed', async () => {
    await using queue = await Queue.create(nats.url);
    await ask(queue, 'greedy');
    // Long, so that only waiting on would cost the thread.
    const graces = { killGraceMs: 30_000, abortGraceMs: 60_000 };
    const host = threads('threads/sharing.ts', 1, graces.killGraceMs);
    await using worker = await startWorker(
      queue.options({
        limits: { database: 1 },
        jobTimeoutMs: 4_000,
        abortGraceMs: graces.abortGraceMs,
        backoff: { baseMs: 1, maxMs: 5 },
      }),
      host,
    );
    await until(() => queue.isDone());
    expect(worker.stats()).toMatchObject({ stuck: 0, counters: { succeeded: 1, retried: 1, timedOut: 1 } });
    expect(host.threads?.lost).toBe(0);
  });

  test('call once for what several need at the same time', async () => {
    await using queue = await Queue.create(nats.url);
    await using journal = await Queue.create(nats.url);
    const haveAsked = async (): Promise<boolean> => (await journal.messages()) === 3;
    await using origin = await serveOrigin(() => until(haveAsked));
    for (let n = 0; n < 3; n += 1) await ask(queue, 'flies', journal, origin.url);
    await using worker = await startWorker(queue.options({ slots: 3 }), threads('threads/sharing.ts', 3));
    await until(() => queue.isDone());
    expect(origin.calls()).toBe(1);
    expect((await entries(journal)).slice(3)).toEqual(['the page', 'the page', 'the page']);
    expect(worker.stats().counters).toMatchObject({ succeeded: 3, flightsLed: 1, flightsShared: 2 });
  });

  test('that die in a single flight fail it for those who wait for it', async () => {
    await using queue = await Queue.create(nats.url);
    await using journal = await Queue.create(nats.url);
    const haveAsked = async (): Promise<boolean> => (await journal.messages()) === 2;
    await using origin = await serveOrigin(() => until(haveAsked));
    for (let n = 0; n < 2; n += 1) await ask(queue, 'fliesAndExits', journal, origin.url);
    await using worker = await startWorker(
      queue.options({ slots: 2, jobTimeoutMs: 60_000, backoff: { baseMs: 1, maxMs: 5 } }),
      threads('threads/sharing.ts', 2),
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 2, retried: 2, timedOut: 0, flightsLed: 1 });
  });

  test('say so when the result of a single flight cannot leave them', async () => {
    await using queue = await Queue.create(nats.url);
    const stream = `DEAD_${queue.stream}`;
    await ask(queue, 'fliesWithAFunction');
    await using _ = await startWorker(
      queue.options({ maxAttempts: 1, deadLetter: { stream, subject: `dead.${queue.stream}` } }),
      threads('threads/sharing.ts'),
    );
    await until(() => queue.isDone());
    const letter = await queue.jsm.streams.getMessage(stream, { seq: 1 });
    expect(letter?.header.get('Penstock-Error')).toMatch(
      /the result of single flight "key" cannot leave its thread \(.*could not be cloned.*\); return plain data/,
    );
  });

  test.each([
    ['/nowhere.ts', 'HandlerNotFound'],
    ['throwsAtLoad.ts', 'HandlerFailedToLoad'],
    ['noDefault.ts', 'HandlerNotAFunction'],
    ['slotState.ts', 'InvalidHandler'],
  ])('that cannot load %s end the worker with %s', async (file, code) => {
    await using queue = await Queue.create(nats.url);
    await using worker = await beginWorker(queue.options(), threads(file));
    await expect(worker.done).rejects.toMatchObject({ code });
  });
});
