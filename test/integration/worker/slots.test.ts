import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Serves `cap` calls at once, each for `ms`; the others queue. */
class Dependency {
  readonly #cap: number;
  readonly #ms: number;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(cap: number, ms: number) {
    this.#cap = cap;
    this.#ms = ms;
  }

  async call(): Promise<void> {
    if (this.#running >= this.#cap) await new Promise<void>((resolve) => void this.#queue.push(resolve));
    else this.#running += 1;
    await delay(this.#ms);
    const next = this.#queue.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

test('adaptive slots grow to what a capped dependency serves, and not far beyond', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(6_000);
  const dependency = new Dependency(8, 10);
  const slots: number[] = [];
  await using worker = await startWorker(queue.options({ slots: 2, maxSlots: 200 }), async () => {
    slots.push(worker.stats().slots);
    await dependency.call();
  });
  await until(() => queue.isDone());
  expect(worker.stats().counters.succeeded).toBe(6_000);
  const late = slots.slice(3_000);
  const mean = late.reduce((sum, value) => sum + value, 0) / late.length;
  expect(mean).toBeGreaterThanOrEqual(6);
  expect(mean).toBeLessThan(60);
});

test('the number of slots changes while the worker runs', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(60);
  const gates: (() => void)[] = [];
  await using worker = await startWorker(
    queue.options({ slots: 2, prefetch: 20 }),
    () => new Promise<void>((resolve) => void gates.push(resolve)),
  );
  await until(() => worker.stats().busy === 2);
  worker.resize(6);
  await until(() => worker.stats().busy === 6);
  worker.resize(1);
  for (const open of gates.splice(0, 5)) open();
  await until(() => worker.stats().busy === 1);
  await delay(50);
  expect(worker.stats()).toMatchObject({ busy: 1, slots: 1 });
  expect(() => worker.resize(0)).toThrow(/slots is 0: must be a whole number, at least 1/);
  worker.resize(60);
  await until(() => {
    for (const open of gates.splice(0)) open();
    return worker.stats().counters.succeeded === 60;
  });
});

test('a named limit holds across the slots, and is given back by the end of a job', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(40);
  let inside = 0;
  let most = 0;
  const http = { host: '127.0.0.1', port: 0 };
  await using limited = await startWorker(
    queue.options({
      slots: 16,
      limits: { database: 3 },
      http,
      backoff: { baseMs: 1, maxMs: 2 },
      maxAttempts: 99,
    }),
    async (job, context) => {
      await context.limit('database', job.sequence % 10 === 0 ? 3 : 1);
      inside += job.sequence % 10 === 0 ? 3 : 1;
      most = Math.max(most, inside);
      await delay(3);
      inside -= job.sequence % 10 === 0 ? 3 : 1;
      if (Math.random() < 0.3) throw new Error('the permit is not disposed of by hand');
    },
  );
  await until(() => queue.isDone());
  expect(most).toBe(3);
  const metrics = await (await fetch(`http://127.0.0.1:${limited.metricsPort}/metrics`)).text();
  expect(metrics).toMatch(/penstock_worker_limit_used\{limit="database",.*\} 0/);
  expect(metrics).toMatch(/penstock_worker_limit_capacity\{limit="database",.*\} 3/);
  expect(metrics).toContain('# TYPE penstock_worker_limit_wait_seconds_total counter');
  expect(metrics).toMatch(/penstock_worker_limit_wait_seconds_total\{limit="database",.*\} \d*\.?\d*[1-9]/);
});

test('a permit that comes after the end of its job is given back', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(2);
  const late: unknown[] = [];
  await using worker = await startWorker(queue.options({ limits: { database: 1 } }), async (_, context) => {
    await context.limit('database');
    context.limit('database').catch((error: unknown) => void late.push(error));
  });
  await until(() => queue.isDone());
  expect(worker.stats().counters.succeeded).toBe(2);
  expect(late).toMatchObject([{ code: 'JobEnded' }, { code: 'JobEnded' }]);
});

test('a slot keeps its state from job to job, and releases it when idle and at the end', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(20);
  const states: unknown[] = [];
  const released: unknown[] = [];
  let built = 0;
  const slotState = {
    build: () => `connection ${(built += 1)}`,
    release: (state: unknown) => void released.push(state),
    idleMs: 300,
  };
  await using worker = await startWorker(queue.options({ slots: 2, slotState }), async (_, context) => {
    states.push(await context.slotState());
    await delay(5);
  });
  await until(() => queue.isDone());
  expect(new Set(states).size).toBeLessThanOrEqual(2);
  await until(() => released.length === built);
  await queue.publish(1, 50);
  await until(() => queue.isDone());
  expect(states.at(-1)).toBe(`connection ${built}`);
  worker.stop();
  await worker.done;
  expect(released).toHaveLength(built);
});

test('a module brings the state of its slots along', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(3);
  await using worker = spawnWorker(queue, 'slotState.ts');
  await until(() => queue.isDone());
  worker.child.kill('SIGTERM');
  expect(await worker.exit).toMatchObject({ code: 0 });
  const said = worker.lines.filter((line) => !line.startsWith('{'));
  expect(said).toEqual(['with state 1', 'with state 1', 'with state 1', 'released 1']);
});
