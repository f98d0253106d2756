import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Publisher } from '../../../worker/index.ts';
import type { OutgoingMessage, PublisherOptions } from '../../../worker/index.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const numbered = (queue: Queue, n: number): OutgoingMessage => ({
  subject: `${queue.stream}.job`,
  data: `${n}`,
  id: `id-${n}`,
});

/** A subject where somebody listens and never answers, so that messages stay under way. */
async function silence(queue: Queue): Promise<string> {
  const subject = `silent.${queue.stream}`;
  queue.connection.subscribe(subject, { callback: () => undefined });
  await queue.connection.flush();
  return subject;
}

describe('a publisher', () => {
  test('stores what is sent, in order, never more under way than allowed', async () => {
    await using queue = await Queue.create(server.url);
    await using publisher = new Publisher(queue.connection, { maxInFlight: 50 });
    let most = 0;
    for (let n = 0; n < 2_000; n += 1) {
      await publisher.send(numbered(queue, n));
      most = Math.max(most, publisher.stats().inFlight);
    }
    await publisher.flush();
    expect(most).toBe(50);
    expect(publisher.stats()).toEqual({ inFlight: 0, waiting: 0, stored: 2_000, failed: 0, dropped: 0 });
    expect(await queue.messages()).toBe(2_000);
    const last = await queue.jsm.streams.getMessage(queue.stream, { seq: 2_000 });
    expect(last?.string()).toBe('1999');
  });

  test('lets those who do not wait queue up, and serves them in order', async () => {
    await using queue = await Queue.create(server.url);
    await using publisher = new Publisher(queue.connection, { maxInFlight: 2 });
    const all = Array.from({ length: 100 }, (_, n) => publisher.publish(numbered(queue, n)));
    expect(publisher.stats()).toMatchObject({ inFlight: 2, waiting: 98 });
    const sequences = (await Promise.all(all)).map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  });

  test('tells where a message lies, and that it was there already', async () => {
    await using queue = await Queue.create(server.url);
    await using publisher = new Publisher(queue.connection);
    const message = { ...numbered(queue, 1), headers: { Trace: 'abc' } };
    const { stream } = queue;
    expect(await publisher.publish(message)).toEqual({ stream, sequence: 1, duplicate: false });
    expect(await publisher.publish(message)).toEqual({ stream, sequence: 1, duplicate: true });
    const stored = await queue.jsm.streams.getMessage(stream, { seq: 1 });
    expect(stored?.header.get('Trace')).toBe('abc');
  });

  test('refuses or drops what is too much, if told so', async () => {
    await using queue = await Queue.create(server.url);
    const subject = await silence(queue);
    const options: PublisherOptions = { maxInFlight: 3, timeoutMs: 200 };
    await using rejecting = new Publisher(queue.connection, { ...options, whenFull: 'reject' });
    await using dropping = new Publisher(queue.connection, { ...options, whenFull: 'drop' });
    for (let n = 0; n < 3; n += 1) {
      void rejecting.send({ subject, data: '' });
      void dropping.send({ subject, data: '' });
    }
    expect(() => rejecting.send({ subject, data: '' })).toThrow(/3 messages wait .* raise maxInFlight/);
    await expect(rejecting.publish({ subject, data: '' })).rejects.toMatchObject({ code: 'PublisherFull' });
    void dropping.send({ subject, data: '' });
    await expect(dropping.publish({ subject, data: '' })).rejects.toMatchObject({ code: 'PublisherFull' });
    expect(dropping.stats()).toMatchObject({ inFlight: 3, dropped: 1 });
  });

  const failures: Record<string, { why: RegExp; subject: (queue: Queue) => Promise<string> | string }> = {
    'nobody stores': { why: /no stream listens there/, subject: ({ stream }) => `nowhere.${stream}` },
    'nobody answers': { why: /no confirmation within 200 ms/, subject: silence },
    'the client refuses': { why: /failed: /, subject: () => '' },
    'the stream refuses': {
      why: /maximum messages/,
      async subject(queue) {
        const name = `FULL_${queue.stream}`;
        const limits = { max_msgs: 1, discard: 'new' } as const;
        await queue.jsm.streams.add({ name, subjects: [name], ...limits });
        await queue.js.publish(name, 'the first');
        return name;
      },
    },
  };
  test.each(Object.entries(failures))('says so when %s', async (_, { why, subject: find }) => {
    await using queue = await Queue.create(server.url);
    const told: [string, string][] = [];
    await using publisher = new Publisher(queue.connection, {
      timeoutMs: 200,
      onFailure: ({ id = '' }, error) => told.push([id, error.message]),
    });
    const message = { ...numbered(queue, 7), subject: await find(queue) };
    void publisher.send(message);
    await expect(publisher.flush()).rejects.toMatchObject({
      code: 'PublishFailed',
      retryable: true,
      message: expect.stringMatching(why) as string,
    });
    expect(told).toEqual([['id-7', expect.stringMatching(why)]]);
    await publisher.flush();
    await expect(publisher.publish(message)).rejects.toThrow(why);
    expect(publisher.stats()).toMatchObject({ inFlight: 0, stored: 0, failed: 2 });
  });

  test('with ids, loses and doubles nothing when its caller sends failures again and the server dies', async () => {
    await using own = await startNatsServer();
    await using queue = await Queue.create(own.url);
    const again: OutgoingMessage[] = [];
    await using publisher = new Publisher(queue.connection, {
      timeoutMs: 500,
      maxInFlight: 100,
      onFailure: (message) => again.push(message),
    });
    for (let n = 0; n < 3_000; n += 1) {
      await publisher.send(numbered(queue, n));
      if (n === 1_500) {
        await own.signal('SIGKILL');
        await own.start();
      }
    }
    await publisher.flush().catch(() => undefined);
    await until(async () => {
      for (const message of again.splice(0)) await publisher.send(message);
      await publisher.flush().catch(() => undefined);
      return again.length === 0;
    });
    expect(await queue.messages()).toBe(3_000);
  });

  test('takes nothing more once it is closed, and ends what is under way', async () => {
    await using queue = await Queue.create(server.url);
    const publisher = new Publisher(queue.connection);
    for (let n = 0; n < 100; n += 1) void publisher.send(numbered(queue, n));
    await publisher[Symbol.asyncDispose]();
    expect(await queue.messages()).toBe(100);
    expect(() => publisher.send(numbered(queue, 1))).toThrow(/closed/);
  });

  test.each([{ maxInFlight: 0 }, { maxInFlight: 1.5 }, { timeoutMs: 0 }])('refuses %o', async (options) => {
    await using queue = await Queue.create(server.url);
    expect(() => new Publisher(queue.connection, options)).toThrow(/must be a whole number, at least 1/);
  });
});
