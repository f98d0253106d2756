import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Discard, RetryLater } from '../../../worker/index.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const lanes = { key: 'subject:2', ordered: true } as const;

/** Jobs on STREAM.KEY, whose payload is their number within the key. */
async function publishKeyed(queue: Queue, keys: number, each: number): Promise<void> {
  for (let n = 0; n < each; n += 1) {
    await Promise.all(
      Array.from({ length: keys }, (_, key) => queue.js.publish(`${queue.stream}.${key}`, `${n}`)),
    );
  }
}

/** What ran of each key, in the order of the starts, and whether two of one key ever ran at once. */
class Ledger {
  readonly ran = new Map<string, number[]>();
  readonly running = new Set<string>();
  overlaps = 0;
  jobs = 0;

  start(subject: string, number: number): void {
    if (this.running.has(subject)) this.overlaps += 1;
    this.running.add(subject);
    const seen = this.ran.get(subject) ?? [];
    // A further attempt of the same job is no further job.
    if (seen.at(-1) !== number) seen.push(number);
    this.ran.set(subject, seen);
  }

  end(subject: string): void {
    this.running.delete(subject);
    this.jobs += 1;
  }

  expectOrder(keys: number, each: number): void {
    const numbers = Array.from({ length: each }, (_, n) => n);
    expect(this.ran.size).toBe(keys);
    for (const [subject, seen] of this.ran) expect(seen, subject).toEqual(numbers);
    expect(this.overlaps).toBe(0);
  }
}

describe('keyed lanes', () => {
  test('run the jobs of a key one at a time and in order, retries included, and other keys beside them', async () => {
    await using queue = await Queue.create(server.url);
    await publishKeyed(queue, 50, 20);
    const ledger = new Ledger();
    let most = 0;
    await using worker = await startWorker(
      queue.options({ ...lanes, slots: 16, maxAttempts: 50, backoff: { baseMs: 5, maxMs: 20 } }),
      async (job) => {
        ledger.start(job.subject, Number(job.json()));
        most = Math.max(most, ledger.running.size);
        await delay(Math.random() * 4);
        ledger.running.delete(job.subject);
        if (Math.random() < 0.2) throw new RetryLater();
        ledger.end(job.subject);
      },
    );
    await until(() => queue.isDone());
    ledger.expectOrder(50, 20);
    expect(ledger.jobs).toBe(1_000);
    expect(most).toBeGreaterThan(8);
    const { counters } = worker.stats();
    expect(counters.retriedInPlace).toBe(counters.retried);
    expect(counters.retried).toBeGreaterThan(100);
    expect(counters.deliveries).toBe(1_000);
  });

  test('a job that waits long for its retry holds up its own key and no other', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 400 * 1e6 } });
    await publishKeyed(queue, 3, 30);
    const ran: string[] = [];
    let isBack = false;
    await using worker = await startWorker(queue.options({ ...lanes, slots: 1 }), (job) => {
      if (job.subject.endsWith('.0') && !isBack) throw new RetryLater(1_500);
      ran.push(job.subject.slice(-1));
    });
    await until(() => ran.length === 60);
    expect(new Set(ran)).toEqual(new Set(['1', '2']));
    isBack = true;
    await until(() => queue.isDone());
    expect(ran.slice(60)).toEqual(Array<string>(30).fill('0'));
    // The lease of what waited was kept: a second delivery would show here.
    expect(worker.stats().counters).toMatchObject({ deliveries: 90, leaseLost: 0 });
  });

  test('a job that is given up frees its key once the dead letter is stored', async () => {
    await using queue = await Queue.create(server.url);
    const dead = `DEAD_${queue.stream}`;
    await publishKeyed(queue, 2, 3);
    const ran: string[] = [];
    await using worker = await startWorker(
      queue.options({ ...lanes, slots: 4, deadLetter: { stream: dead, subject: `dead.${queue.stream}` } }),
      (job) => {
        ran.push(`${job.subject.slice(-1)}:${job.json() as number}`);
        if (job.json() === 1) throw new Discard('no');
      },
    );
    await until(() => queue.isDone());
    for (const key of ['0', '1']) {
      expect(ran.filter((job) => job.startsWith(key))).toEqual([`${key}:0`, `${key}:1`, `${key}:2`]);
    }
    expect(worker.stats().counters).toMatchObject({ succeeded: 4, deadLettered: 2 });
  });

  test('a hot key does not keep the worker from the keys behind it, and the wait for it is bounded', async () => {
    await using queue = await Queue.create(server.url);
    for (let n = 0; n < 40; n += 1) await queue.js.publish(`${queue.stream}.hot`, `${n}`);
    await queue.js.publish(`${queue.stream}.cold`, '0');
    const opened = Promise.withResolvers<undefined>();
    const ran: string[] = [];
    const handler = async (job: { subject: string }): Promise<void> => {
      ran.push(job.subject);
      if (job.subject.endsWith('hot')) await opened.promise;
    };
    await using worker = await startWorker(
      queue.options({ ...lanes, slots: 2, prefetch: 0, maxWaiting: 100 }),
      handler,
    );
    await until(() => ran.length === 2);
    expect(ran.map((subject) => subject.split('.')[1])).toEqual(['hot', 'cold']);
    await until(() => worker.stats().waiting === 39);

    await using other = await Queue.create(server.url);
    for (let n = 0; n < 40; n += 1) await other.js.publish(`${other.stream}.hot`, `${n}`);
    await using bounded = await startWorker(
      other.options({ ...lanes, slots: 2, prefetch: 0, maxWaiting: 5 }),
      handler,
    );
    await until(() => bounded.stats().waiting >= 5);
    await delay(200);
    // One pull may have been on its way.
    expect(bounded.stats().waiting).toBeLessThanOrEqual(5 + 2);
    opened.resolve(undefined);
    await until(async () => (await queue.isDone()) && (await other.isDone()));
    expect(bounded.stats().waiting).toBe(0);
  });

  test('a stop hands back all who wait, and the next worker still runs no two of a key at once', async () => {
    await using queue = await Queue.create(server.url);
    await publishKeyed(queue, 4, 10);
    const ledger = new Ledger();
    const handler = async (job: { subject: string; json(): unknown }): Promise<void> => {
      ledger.start(job.subject, Number(job.json()));
      await delay(80);
      ledger.end(job.subject);
    };
    await using first = await startWorker(queue.options({ ...lanes, slots: 2, prefetch: 16 }), handler);
    await until(() => ledger.jobs > 2 && first.stats().waiting > 5);
    first.stop();
    const { handedBack, clean } = await first.done;
    expect(clean).toBe(true);
    expect(handedBack).toBeGreaterThan(0);
    await using _ = await startWorker(queue.options({ ...lanes, slots: 2 }), handler);
    await until(() => queue.isDone());
    // Not in order: the server may put what it could not deliver at once behind what came back later.
    for (const [subject, seen] of ledger.ran) expect(new Set(seen).size, subject).toBe(10);
    expect([ledger.jobs, ledger.overlaps]).toEqual([40, 0]);
  });

  test('a key function that throws fails its job and no other', async () => {
    await using queue = await Queue.create(server.url);
    const deadLetter = { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` };
    await queue.publish(10);
    await using worker = await startWorker(
      queue.options({
        deadLetter,
        ordered: true,
        maxAttempts: 2,
        backoff: { baseMs: 1, maxMs: 1 },
        key: (job) => {
          if (job.sequence === 3) throw new Error('no key');
          return 'one';
        },
      }),
      () => undefined,
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 9, deadLettered: 1 });
  });
});
