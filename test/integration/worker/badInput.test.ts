import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { headers } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Discard } from '../../../worker/index.ts';
import type { Job } from '../../../worker/index.ts';
import type { JobsPage } from '../../../worker/report/jobSights.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const quickBackoff = { baseMs: 1, maxMs: 5 };

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const poison = (property: string, target: object = {}): object =>
  Object.defineProperty(target, property, {
    get: () => {
      throw new Error(`poisoned ${property}`);
    },
  });

describe('a handler that returns', () => {
  type Callback = (value?: unknown) => void;
  const circle: { self?: object } = {};
  circle.self = circle;
  const values: Record<string, { value: () => unknown; becomes: 'acked' | 'retried' }> = {
    null: { value: () => null, becomes: 'acked' },
    'a symbol': { value: () => Symbol('done'), becomes: 'acked' },
    false: { value: () => false, becomes: 'acked' },
    'a circle': { value: () => circle, becomes: 'acked' },
    'an error': { value: () => new Error('returned, not thrown'), becomes: 'acked' },
    'a function': { value: () => () => 'later', becomes: 'acked' },
    'an object whose then throws': { value: () => poison('then'), becomes: 'retried' },
    'a proxy that was revoked': { value: revoked, becomes: 'retried' },
    'a thenable that resolves, then rejects': {
      value: () => ({
        then: (resolve: Callback, reject: Callback) => {
          resolve();
          reject(new Error('too late'));
        },
      }),
      becomes: 'acked',
    },
    'a promise that rejects twice': {
      value: () =>
        new Promise((_resolve, reject) => {
          reject(new Error('once'));
          reject(new Error('twice'));
        }),
      becomes: 'retried',
    },
    'a thenable that rejects and throws': {
      value: () => ({
        then: (_resolve: Callback, reject: Callback) => {
          reject(new Error('once'));
          throw new Error('twice');
        },
      }),
      becomes: 'retried',
    },
  };

  for (const [name, { value, becomes }] of Object.entries(values)) {
    test(`${name}: the job is ${becomes}, and the next one runs`, async () => {
      await using queue = await Queue.create(server.url);
      await queue.publish(2);
      await using worker = await startWorker(queue.options({ backoff: quickBackoff }), (job) =>
        job.attempt === 1 && job.sequence === 1 ? value() : undefined,
      );
      await until(() => queue.isDone());
      const retried = becomes === 'retried' ? 1 : 0;
      expect(worker.stats()).toMatchObject({ busy: 0, stuck: 0, counters: { succeeded: 2, retried } });
    });
  }
});

describe('a handler that throws', () => {
  const thrown: Record<string, () => unknown> = {
    undefined: () => undefined,
    'a symbol': () => Symbol('no'),
    'a proxy that was revoked': revoked,
    'an error whose name throws': () => poison('name', new Error('x')),
    'an error whose message throws': () => poison('message', new Error('x')),
    'an error whose message is a symbol': () => Object.assign(new Error('x'), { message: Symbol('no') }),
    'an error whose stack throws': () => poison('stack', new Error('x')),
    'an error that causes itself': () => {
      const error = new Error('x');
      error.cause = error;
      return error;
    },
    'an error of 10 MB': () => new Error('x'.repeat(10_000_000)),
  };

  for (const [name, what] of Object.entries(thrown)) {
    test(`${name}: the job is dead-lettered after its attempts, and the next one runs`, async () => {
      await using queue = await Queue.create(server.url);
      await queue.publish(2);
      const stream = `DEAD_${queue.stream}`;
      const options = queue.options({
        maxAttempts: 2,
        backoff: quickBackoff,
        deadLetter: { stream, subject: `dead.${queue.stream}` },
      });
      await using worker = await startWorker(options, (job) => {
        if (job.sequence === 1) throw what();
      });
      await until(() => queue.isDone());
      expect(worker.stats().counters).toMatchObject({ succeeded: 1, deadLettered: 1, retried: 1 });
      expect((await queue.jsm.streams.info(stream)).state.messages).toBe(1);
    });
  }
});

test('a handler that ends its process by exit() costs its job one delivery', async () => {
  await using queue = await Queue.create(server.url, { consumer: { ack_wait: 500 * 1e6 } });
  await queue.publish(1);
  await using first = spawnWorker(queue, 'exitPolitely.ts');
  expect(await first.exit).toEqual({ code: 0, signal: null });
  expect(await queue.messages()).toBe(1);
  await using _ = spawnWorker(queue, 'exitPolitely.ts');
  await until(async () => (await queue.messages()) === 0);
});

test('headers that claim to know better are no more than headers', async () => {
  await using queue = await Queue.create(server.url);
  const forged = headers();
  for (const name of ['Penstock-Attempts', 'Nats-Num-Delivered', 'Penstock-Origin-Sequence']) {
    forged.set(name, '999');
  }
  forged.set('Penstock-Reason', 'Discarded');
  forged.set('__proto__', 'polluted');
  await queue.js.publish(`${queue.stream}.job`, '', { headers: forged });
  const stream = `DEAD_${queue.stream}`;
  const attempts: number[] = [];
  await using _ = await startWorker(
    queue.options({
      maxAttempts: 2,
      backoff: quickBackoff,
      deadLetter: { stream, subject: `dead.${queue.stream}` },
    }),
    (job) => {
      attempts.push(job.attempt);
      throw new Error('no');
    },
  );
  await until(() => queue.isDone());
  expect(attempts).toEqual([1, 2]);
  const letter = await queue.jsm.streams.getMessage(stream, { seq: 1 });
  expect(letter?.header.values('Penstock-Attempts')).toEqual(['2']);
  expect(letter?.header.values('Penstock-Reason')).toEqual(['AttemptsExhausted']);
  expect(letter?.header.values('Penstock-Origin-Sequence')).toEqual(['1']);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

describe('dead letters', () => {
  test('that find their stream full leave the jobs in the queue, until there is room', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(2);
    const deadLetter = { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` };
    await queue.jsm.streams.add({
      name: deadLetter.stream,
      subjects: [deadLetter.subject],
      max_msgs: 1,
      discard: 'new',
    });
    await using worker = await startWorker(queue.options({ deadLetter, backoff: quickBackoff }), () => {
      throw new Discard('hopeless');
    });
    await until(() => worker.stats().counters.deadLetterFailures >= 3);
    expect(worker.stats().counters.deadLettered).toBe(1);
    expect(await queue.messages()).toBe(1);
    await queue.jsm.streams.purge(deadLetter.stream);
    await until(() => queue.isDone());
    expect(await queue.messages()).toBe(0);
  });

  test('whose subjects another stream has already: the log names the remedy', async () => {
    await using queue = await Queue.create(server.url);
    const subject = `dead.${queue.stream}`;
    await queue.jsm.streams.add({ name: `GRAVES_${queue.stream}`, subjects: [subject] });
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
    const deadLetter = { stream: `DEAD_${queue.stream}`, subject };
    await using _ = await startWorker(queue.options({ deadLetter, logger }), () => undefined);
    await until(() => lines.length > 0);
    expect(lines.join('')).toContain('name the stream that has these subjects already');
  });

  test('that this user may not write leave the jobs in the queue', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'penstock-rights-'));
    const config = join(folder, 'nats.conf');
    await writeFile(
      config,
      `authorization { users: [
        { user: all, password: all }
        { user: worker, password: worker, permissions: { publish: { deny: ["dead.>"] } } }
      ] }
      no_auth_user: all`,
    );
    await using own = await startNatsServer({ args: ['-c', config] });
    await using queue = await Queue.create(own.url, { consumer: { ack_wait: 1_000 * 1e6 } });
    await queue.publish(1);
    const options = {
      ...queue.options({
        deadLetter: { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` },
        backoff: quickBackoff,
      }),
      nats: { servers: [own.url], user: 'worker', password: 'worker' },
    };
    await using worker = await startWorker(options, () => {
      throw new Discard('hopeless');
    });
    await until(() => worker.stats().counters.deadLetterFailures >= 2);
    expect(worker.stats().counters.deadLettered).toBe(0);
    expect(await queue.messages()).toBe(1);
    await rm(folder, { recursive: true });
  });
});

describe('a consumer that is edited while a worker runs', () => {
  test('with a shorter ack_wait: leases follow it, and no job runs twice after that', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 120_000 * 1e6 } });
    await queue.publish(1);
    const runs: number[] = [];
    const finish = Promise.withResolvers<undefined>();
    const handler = async (job: Job): Promise<void> => {
      runs.push(job.attempt);
      await finish.promise;
    };
    const http = { host: '127.0.0.1', port: 0 };
    await using worker = await startWorker(queue.options({ http }), handler);
    await using _peer = await startWorker(queue.options(), handler);
    await until(() => runs.length === 1);
    await queue.jsm.consumers.update(queue.stream, queue.consumer, { ack_wait: 15_000 * 1e6 });
    const leases = async (): Promise<number[]> => {
      const reply = await fetch(`http://127.0.0.1:${worker.metricsPort}/debug/jobs`);
      return ((await reply.json()) as JobsPage).jobs.map(({ leaseSeconds }) => leaseSeconds);
    };
    // Either of the two has the job; both look at the consumer every ten seconds.
    await delay(11_000);
    expect((await leases()).every((seconds) => seconds <= 15)).toBe(true);
    await delay(6_000);
    expect(runs).toEqual([1]);
    finish.resolve(undefined);
    await until(() => queue.isDone());
    expect(runs).toEqual([1]);
  });

  test('with fewer acks pending, or paused for a moment: nothing is lost', async () => {
    await using queue = await Queue.create(server.url);
    let runs = 0;
    await using worker = await startWorker(queue.options({ slots: 8 }), async () => {
      await delay(1);
      runs += 1;
    });
    await queue.publish(500);
    await queue.jsm.consumers.update(queue.stream, queue.consumer, { max_ack_pending: 2 });
    await queue.jsm.consumers.pause(queue.stream, queue.consumer, new Date(Date.now() + 1_000));
    await until(async () => (await queue.info()).paused !== true);
    await queue.jsm.consumers.update(queue.stream, queue.consumer, { max_ack_pending: 1_000 });
    await until(() => queue.isDone());
    expect(runs).toBe(500);
    expect(worker.stats().counters).toMatchObject({ succeeded: 500, leaseLost: 0 });
  });
});
