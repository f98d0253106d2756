import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RetryLater } from '../../../worker/index.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const withBackoff = (backoffMs: readonly number[]): Promise<Queue> =>
  Queue.create(server.url, { consumer: { backoff: backoffMs.map((ms) => ms * 1e6) } });

/** The server measures the n-th delivery by the n-th entry, so both orders have a delivery with the short one. */
describe.each([{ backoffMs: [400, 1_600] }, { backoffMs: [1_600, 400] }])(
  'on a consumer with backoff $backoffMs',
  ({ backoffMs }) => {
    const shortestMs = Math.min(...backoffMs);
    const longJobMs = 2_000;

    test('leases follow the shortest entry, and nothing is delivered again while it runs', async () => {
      await using queue = await withBackoff(backoffMs);
      await queue.publish(4);
      const runs: string[] = [];
      const running = new Set<number>();
      let overlaps = 0;
      const handler = async ({ sequence, attempt }: { sequence: number; attempt: number }): Promise<void> => {
        runs.push(`${sequence}, attempt ${attempt}`);
        if (running.has(sequence)) overlaps += 1;
        running.add(sequence);
        await delay(longJobMs);
        running.delete(sequence);
        // The second attempt is as long, and measured by the second entry.
        if (attempt === 1) throw new Error('once more');
      };
      const options = queue.options({
        slots: 4,
        http: { host: '127.0.0.1', port: 0 },
        backoff: { baseMs: 1, maxMs: 2 },
      });
      await using worker = await startWorker(options, handler);
      await using other = await startWorker(options, handler);
      await until(() => running.size === 4);
      const leases = await Promise.all([worker, other].map(async ({ metricsPort }) => jobsOf(metricsPort)));
      await until(() => queue.isDone());
      const jobs = leases.flatMap((page) => page.jobs);
      expect(jobs).toHaveLength(4);
      for (const { leaseSeconds } of jobs) {
        expect(leaseSeconds).toBeGreaterThan(0);
        expect(leaseSeconds).toBeLessThanOrEqual(shortestMs / 1_000);
      }
      expect(overlaps).toBe(0);
      expect(runs.toSorted()).toEqual([1, 2, 3, 4].flatMap((n) => [`${n}, attempt 1`, `${n}, attempt 2`]));
      for (const { counters } of [worker.stats(), other.stats()]) expect(counters.leaseLost).toBe(0);
    });

    test('attempts are counted, and the last one is dead-lettered', async () => {
      await using queue = await withBackoff(backoffMs);
      await queue.publish(3);
      const attempts = new Map<number, string[]>();
      await using worker = await startWorker(
        queue.options({ slots: 3, maxAttempts: 3, backoff: { baseMs: 1, maxMs: 2 } }),
        ({ sequence, attempt, deliveries }) => {
          attempts.set(sequence, [...(attempts.get(sequence) ?? []), `${attempt} of ${deliveries}`]);
          throw new Error('no');
        },
      );
      await until(() => queue.isDone());
      const each = ['1 of 1', '2 of 2', '3 of 3'];
      expect([...attempts.values()]).toEqual([each, each, each]);
      expect(worker.stats().counters).toMatchObject({
        deliveries: 9,
        firstDeliveries: 3,
        retried: 6,
        deadLettered: 3,
        leaseLost: 0,
      });
    });
  },
);

test('the server adds to a retry what the entry of its delivery is longer than the first', async () => {
  await using queue = await withBackoff([300, 1_200]);
  await queue.publish(1);
  const starts: number[] = [];
  await using _ = await startWorker(queue.options({ maxAttempts: 9 }), () => {
    starts.push(performance.now());
    if (starts.length <= 2) throw new RetryLater(200);
  });
  await until(() => queue.isDone());
  const [first = 0, second = 0, third = 0] = starts;
  expect(second - first).toBeGreaterThanOrEqual(200);
  expect(third - second).toBeGreaterThanOrEqual(200 + 1_200 - 300);
  expect(starts).toHaveLength(3);
});

test('what a stop hands back is delivered at once, whatever the backoff says', async () => {
  await using queue = await withBackoff([60_000, 120_000]);
  await queue.publish(1);
  const started = Promise.withResolvers<undefined>();
  await using first = await startWorker(queue.options(), async (_, { signal }) => {
    started.resolve(undefined);
    await delay(60_000, undefined, { signal });
  });
  await started.promise;
  first.stopNow();
  await first.done;
  const attempts: number[] = [];
  await using second = await startWorker(queue.options(), ({ attempt }) => void attempts.push(attempt));
  await until(() => queue.isDone());
  expect(attempts).toEqual([2]);
  expect(second.stats().counters.succeeded).toBe(1);
});

type Page = { readonly jobs: readonly { readonly leaseSeconds: number }[] };

async function jobsOf(port: number | undefined): Promise<Page> {
  const page = await fetch(`http://127.0.0.1:${port}/debug/jobs`);
  return (await page.json()) as Page; // As docs/worker.md describes it.
}
