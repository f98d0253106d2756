import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RetryLater } from '../../../worker/index.ts';
import { penstock } from '../../builders/program.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from '../worker/harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function partitions(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  await using program = penstock(['partitions', ...args], { NATS_URL: server.url });
  const code = await program.ended;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

const apply = (queue: Queue, count: number, ...more: string[]): ReturnType<typeof partitions> =>
  partitions(
    'apply',
    queue.stream,
    'part',
    '--subjects',
    `${queue.stream}.*`,
    '--count',
    `${count}`,
    ...more,
  );

const names = (count: number): string[] => Array.from({ length: count }, (_, p) => `part-${p}`);

/** What ran: for each key its numbers in the order in which they were done, and whether two ever ran at once. */
class Ledger {
  readonly done = new Map<string, number[]>();
  readonly running = new Set<string>();
  overlaps = 0;
  jobs = 0;

  async run(key: string, number: number): Promise<void> {
    if (this.running.has(key)) this.overlaps += 1;
    this.running.add(key);
    await delay(Math.random() * 2);
    this.running.delete(key);
    if (Math.random() < 0.02) throw new RetryLater(5);
    const seen = this.done.get(key) ?? [];
    seen.push(number);
    this.done.set(key, seen);
    this.jobs += 1;
  }
}

async function publish(queue: Queue, keys: number, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    await Promise.all(
      Array.from({ length: keys }, (_, key) => queue.js.publish(`${queue.stream}.${key}`, `${n}`)),
    );
  }
}

describe('penstock partitions', () => {
  test('1,000 keys over 4 workers stay in order, while workers come, go and die', async () => {
    await using queue = await Queue.create(server.url, { consumer: null });
    expect((await apply(queue, 8)).code).toBe(0);
    await publish(queue, 1_000, 0, 5);
    const ledger = new Ledger();
    const start = (): ReturnType<typeof startWorker> =>
      startWorker(queue.options({ consumer: names(8), slots: 8, maxAttempts: 50 }), (job) =>
        ledger.run(job.subject.split('.').at(-1) ?? '', Number(job.json())),
      );
    await using first = await start();
    await using second = await start();
    await using _ = await start();
    await using __ = await start();
    await until(() => ledger.jobs > 1_000);
    first.stop();
    await first.done;
    await using ___ = await start();
    await until(() => ledger.jobs > 2_000);
    second.stopNow();
    await second.done;
    await until(() => ledger.jobs >= 5_000);
    await until(async () => (await queue.messages()) === 0);
    expect(ledger.done.size).toBe(1_000);
    for (const [key, numbers] of ledger.done) {
      // What was interrupted by the stop at once runs again: the same number twice, never a later one before.
      expect([...new Set(numbers)], key).toEqual([0, 1, 2, 3, 4]);
      expect(numbers, key).toEqual(numbers.toSorted((a, b) => a - b));
    }
    expect(ledger.overlaps).toBeLessThanOrEqual(8);
  });

  test('the number is changed under load without a loss, and order is kept', async () => {
    await using queue = await Queue.create(server.url, { consumer: null });
    await apply(queue, 2);
    const ledger = new Ledger();
    await using old = await startWorker(queue.options({ consumer: names(2), slots: 2 }), (job) =>
      ledger.run(job.subject.split('.').at(-1) ?? '', Number(job.json())),
    );
    await publish(queue, 20, 0, 20);
    const published = publish(queue, 20, 20, 60);
    const resized = await apply(queue, 5);
    expect(resized.code).toBe(0);
    expect(resized.stderr).toMatch(/part-\d: \d+ to deliver, \d unresolved/);
    old.stop();
    await old.done;
    await using _ = await startWorker(queue.options({ consumer: names(5), slots: 5 }), (job) =>
      ledger.run(job.subject.split('.').at(-1) ?? '', Number(job.json())),
    );
    await published;
    await until(async () => (await queue.messages()) === 0);
    const numbers = Array.from({ length: 60 }, (__, n) => n);
    expect(ledger.done.size).toBe(20);
    for (const [key, seen] of ledger.done) expect(seen, key).toEqual(numbers);
    expect(ledger.overlaps).toBe(0);
  });

  test('says what it would do, does it, and then has nothing to do', async () => {
    await using queue = await Queue.create(server.url, { consumer: null });
    const dry = await apply(queue, 2, '--dry-run');
    expect(dry.stdout).toMatch(/would store S\w+\.\* as part\.1\.\{\{partition\(2,1\)\}\}/);
    expect((await queue.jsm.streams.info(queue.stream)).config.subject_transform).toBeUndefined();
    const done = JSON.parse((await apply(queue, 2, '--json')).stdout) as object;
    expect(done).toMatchObject({ dryRun: false, generation: 1, consumers: ['part-0', 'part-1'] });
    expect(JSON.parse((await apply(queue, 2, '--json')).stdout)).toMatchObject({ steps: [] });
    expect((await apply(queue, 2)).stdout).toContain(
      'nothing to change\nworkers: PENSTOCK_CONSUMER=part-0,part-1 PENSTOCK_SLOTS=2\n',
    );
    await publish(queue, 10, 0, 1);
    const shown = (await partitions('show', queue.stream, 'part', '--json')).stdout.trim().split('\n');
    const counts = shown.map((line) => (JSON.parse(line) as { pending: number }).pending);
    expect(counts).toHaveLength(2);
    expect(counts.reduce((sum, pending) => sum + pending, 0)).toBe(10);
    for (const pending of counts) expect(pending).toBeGreaterThan(0);
    expect((await partitions('show', queue.stream, 'part')).stdout).toMatch(/part-0 {2}part\.1\.0\.> {2}\d/);
  });

  const refused: Record<string, { args: (queue: Queue) => string[]; stderr: RegExp }> = {
    'arguments that do not say where to cut': {
      args: (queue) => ['apply', queue.stream, 'part'],
      stderr: /give --subjects and --count, or --filters/,
    },
    'a key that the subjects do not have': {
      args: (queue) => ['apply', queue.stream, 'part', '--subjects', 'a.*', '--key', '2', '--count', '2'],
      stderr: /--key names wildcard 2, but a\.\* has 1/,
    },
    'a consumer of before that takes everything': {
      args: (queue) => [
        ...['apply', queue.stream, 'part', '--subjects', `${queue.stream}.*`, '--count', '2'],
        ...['--after', 'work'],
      ],
      stderr: /PartitionsRefused: consumer work has no filter/,
    },
  };
  test.each(Object.entries(refused))('refuses %s', async (_, { args, stderr }) => {
    await using queue = await Queue.create(server.url);
    const result = await partitions(...args(queue));
    expect(result.stderr).toMatch(stderr);
    expect(result.code).toBe(2);
  });
});
