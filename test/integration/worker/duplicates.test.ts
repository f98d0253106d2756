import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runBatchWorker } from '../../../worker/index.ts';
import type { WorkerOptions } from '../../../worker/index.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const quickBackoff = { baseMs: 1, maxMs: 5 };
const dedupe = (queue: Queue): { bucket: string } => ({ bucket: `DONE_${queue.stream}` });

/** A job with a key of its own, and without a message id that the stream itself would refuse to store twice. */
async function publishKeyed(queue: Queue, key: string, payload = ''): Promise<void> {
  const hdrs = headers();
  hdrs.set('Penstock-Idempotency-Key', key);
  await queue.js.publish(`${queue.stream}.job`, payload, { headers: hdrs });
}

test('a job that was done is acked without running, whichever worker gets it', async () => {
  await using queue = await Queue.create(server.url);
  const options = queue.options({ dedupe: dedupe(queue) });
  const ran: string[] = [];
  const run = async (): Promise<number> => {
    await publishKeyed(queue, 'pay invoice 7');
    await using worker = await startWorker(options, (job) => void ran.push(job.idempotencyKey));
    await until(() => queue.isDone());
    return worker.stats().counters.duplicatesSkipped;
  };
  expect([await run(), await run(), await run()]).toEqual([0, 1, 1]);
  expect(ran).toEqual(['pay invoice 7']);
  expect(await queue.messages()).toBe(0);
});

test('keys of any length and any characters are told apart', async () => {
  await using queue = await Queue.create(server.url);
  const keys = ['a.b', 'a b', 'a*', '>', '$JS.API.>', 'ä', 'x'.repeat(60_000), `${'x'.repeat(60_000)}y`];
  for (const key of [...keys, ...keys]) await publishKeyed(queue, key);
  const ran: string[] = [];
  await using worker = await startWorker(
    queue.options({ dedupe: dedupe(queue) }),
    (job) => void ran.push(job.idempotencyKey),
  );
  await until(() => queue.isDone());
  expect(ran).toEqual(keys);
  expect(worker.stats().counters.duplicatesSkipped).toBe(keys.length);
});

test('a job that failed is not done', async () => {
  await using queue = await Queue.create(server.url);
  await queue.publish(1);
  const attempts: number[] = [];
  await using _ = await startWorker(
    queue.options({ dedupe: dedupe(queue), backoff: quickBackoff }),
    (job) => {
      attempts.push(job.attempt);
      if (job.attempt < 3) throw new Error('not yet');
    },
  );
  await until(() => queue.isDone());
  expect(attempts).toEqual([1, 2, 3]);
});

test('a job is not done before what it published is stored', async () => {
  await using queue = await Queue.create(server.url);
  await using next = await Queue.create(server.url);
  await queue.publish(1);
  await using worker = await startWorker(
    queue.options({ dedupe: dedupe(queue), backoff: quickBackoff }),
    (job, context) =>
      context.publish({
        subject: job.attempt === 1 ? 'no.stream.listens.here' : `${next.stream}.job`,
        data: 'x',
      }),
  );
  await until(() => queue.isDone());
  expect(worker.stats().counters).toMatchObject({ succeeded: 1, retried: 1, duplicatesSkipped: 0 });
  expect(await next.messages()).toBe(1);
});

test('what one consumer has done, another has not', async () => {
  await using queue = await Queue.create(server.url, { consumer: null });
  await queue.jsm.streams.delete(queue.stream);
  await queue.jsm.streams.add({ name: queue.stream, subjects: [`${queue.stream}.>`] });
  await publishKeyed(queue, 'the same job');
  const ran: string[] = [];
  for (const consumer of ['mail', 'bill', 'mail']) {
    if (ran.length === 2) await queue.jsm.consumers.delete(queue.stream, consumer);
    const options = { ...queue.options({ dedupe: dedupe(queue) }), consumer, createConsumer: {} };
    await using worker = await startWorker(options, () => void ran.push(consumer));
    await until(() => worker.stats().counters.succeeded === 1);
  }
  // The third is the first again, made anew: the server delivers what it had forgotten.
  expect(ran).toEqual(['mail', 'bill']);
});

test('the jobs of a batch are asked for one by one: those that are done do not reach the handler', async () => {
  await using queue = await Queue.create(server.url);
  const handled: string[] = [];
  for (const keys of [
    ['a', 'b', 'c'],
    ['a', 'b', 'c', 'd', 'e'],
  ]) {
    for (const key of keys) await publishKeyed(queue, key);
    const worker = await runBatchWorker(
      queue.options({ dedupe: dedupe(queue), batch: { size: 3, waitMs: 50 } }),
      (jobs) => void handled.push(...jobs.map(({ idempotencyKey }) => idempotencyKey)),
    );
    await until(() => queue.isDone());
    worker.stop();
    await worker.done;
  }
  expect(handled.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a job whose ack never arrived is not run again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-rights-'));
  const config = join(folder, 'nats.conf');
  await writeFile(
    config,
    `authorization { users: [
      { user: all, password: all }
      { user: mute, password: mute, permissions: { publish: { deny: ["$JS.ACK.>"] } } }
    ] }
    no_auth_user: all`,
  );
  await using own = await startNatsServer({ args: ['-c', config] });
  await using queue = await Queue.create(own.url, { consumer: { ack_wait: 500 * 1e6 } });
  await queue.publish(1);
  const ran: number[] = [];
  const options = (user: string): WorkerOptions => ({
    ...queue.options({ dedupe: dedupe(queue) }),
    nats: { servers: [own.url], user, password: user },
  });
  {
    await using mute = await startWorker(options('mute'), (job) => void ran.push(job.attempt));
    await until(() => mute.stats().counters.succeeded === 1);
  }
  await using worker = await startWorker(options('all'), (job) => void ran.push(job.attempt));
  await until(() => queue.isDone());
  expect(ran).toEqual([1]);
  expect(worker.stats().counters).toMatchObject({ duplicatesSkipped: 1, succeeded: 1 });
  await rm(folder, { recursive: true });
});

describe('while the bucket is missing', () => {
  test('jobs wait and use up no attempts, and run as soon as it is there', async () => {
    await using queue = await Queue.create(server.url);
    const { bucket } = dedupe(queue);
    await queue.publish(3);
    const attempts: number[] = [];
    const options = queue.options({ slots: 3, maxAttempts: 1, dedupe: { bucket, create: false } });
    await using worker = await startWorker(options, (job) => void attempts.push(job.attempt));
    await until(() => worker.stats().counters.duplicatesUnknown >= 6);
    expect(attempts).toEqual([]);
    await queue.jsm.streams.add({
      name: `KV_${bucket}`,
      subjects: [`$KV.${bucket}.>`],
      max_msgs_per_subject: 1,
      allow_direct: true,
    });
    await until(() => queue.isDone());
    expect(attempts).toEqual([1, 1, 1]);
    expect(worker.stats().counters).toMatchObject({ succeeded: 3, failed: 0, duplicatesUnrecorded: 0 });
  });

  test('a stop hands the jobs back that wait for it', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    let runs = 0;
    const options = queue.options({ graceMs: 200, dedupe: { ...dedupe(queue), create: false } });
    await using worker = await startWorker(options, () => void (runs += 1));
    await until(() => worker.stats().counters.duplicatesUnknown >= 1);
    worker.stop();
    expect(await worker.done).toMatchObject({ handedBack: 1, succeeded: 0, clean: true });
    expect(runs).toBe(0);
    expect(await queue.messages()).toBe(1);
  });

  test('jobs run all the same when told so, and what cannot be recorded is counted', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2);
    const options = queue.options({ dedupe: { ...dedupe(queue), create: false, whenUnknown: 'run' } });
    await using worker = await startWorker(options, () => undefined);
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({
      succeeded: 2,
      duplicatesUnknown: 2,
      duplicatesUnrecorded: 2,
    });
  });
});
