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

  describe('with all of many messages', () => {
    const storedAt = (queue: Queue, sequence: number, duplicate = false) => ({
      ...{ kind: 'stored', stream: queue.stream, sequence, duplicate },
    });

    test('has a result for each in order, and never more under way than allowed', async () => {
      await using queue = await Queue.create(server.url);
      await using publisher = new Publisher(queue.connection, { maxInFlight: 50 });
      let most = 0;
      let taken = 0;
      function* messages(): Generator<OutgoingMessage> {
        for (let n = 0; n < 2_000; n += 1) {
          taken += 1;
          // Taken from here as there is room, not all at once.
          most = Math.max(most, taken - publisher.stats().stored);
          yield numbered(queue, n);
        }
      }
      const all = publisher.publishAll(messages());
      expect(publisher.stats()).toMatchObject({ inFlight: 50, waiting: 1 });
      const beside = publisher.publish({ subject: `${queue.stream}.beside`, data: '' });
      const results = await all;
      // Those that publish beside it get their turn.
      expect((await beside).sequence).toBe(52);
      expect(most).toBeLessThanOrEqual(52);
      const sequences = results.map((result) => (result.kind === 'stored' ? result.sequence : 0));
      expect(sequences).toHaveLength(2_000);
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
      expect(publisher.stats()).toEqual({ inFlight: 0, waiting: 0, stored: 2_001, failed: 0, dropped: 0 });
      const last = await queue.jsm.streams.getMessage(queue.stream, { seq: sequences[1_999] ?? 0 });
      expect(last?.string()).toBe('1999');
      expect(await publisher.publishAll([])).toEqual([]);
    });

    test('tells which of them are stored, were there before, and were not stored and why', async () => {
      await using queue = await Queue.create(server.url);
      const told: OutgoingMessage[] = [];
      await using publisher = new Publisher(queue.connection, {
        onFailure: (message) => void told.push(message),
      });
      const results = await publisher.publishAll([
        numbered(queue, 1),
        { subject: `nowhere.${queue.stream}`, data: '' },
        numbered(queue, 1),
        { subject: '', data: '' },
        numbered(queue, 2),
      ]);
      const failed = (why: RegExp) => ({
        kind: 'failed',
        error: expect.objectContaining({
          code: 'PublishFailed',
          message: expect.stringMatching(why) as string,
        }) as Error,
      });
      expect(results).toEqual([
        storedAt(queue, 1),
        failed(/no stream listens there/),
        storedAt(queue, 1, true),
        failed(/failed: /),
        storedAt(queue, 2),
      ]);
      // They have their results, and nobody else is told.
      expect(told).toEqual([]);
      await publisher.flush();
    });

    test.each(['reject', 'drop'] as const)(
      'with %s, those without room fail, each for itself',
      async (whenFull) => {
        await using queue = await Queue.create(server.url);
        await using publisher = new Publisher(queue.connection, { maxInFlight: 2, whenFull });
        const results = await publisher.publishAll([1, 2, 3, 4].map((n) => numbered(queue, n)));
        const full = { kind: 'failed', error: expect.objectContaining({ code: 'PublisherFull' }) as Error };
        expect(results).toEqual([storedAt(queue, 1), storedAt(queue, 2), full, full]);
        expect(publisher.stats()).toMatchObject({
          stored: 2,
          failed: 0,
          dropped: whenFull === 'drop' ? 2 : 0,
        });
      },
    );

    test('loses and doubles nothing when what failed is sent again, and the server dies in the middle', async () => {
      await using own = await startNatsServer();
      await using queue = await Queue.create(own.url);
      await using publisher = new Publisher(queue.connection, { timeoutMs: 500, maxInFlight: 100 });
      const kill = async (): Promise<void> => {
        await until(() => publisher.stats().stored > 500);
        await own.signal('SIGKILL');
        await until(() => publisher.stats().failed > 0);
        await own.start();
      };
      let missing = Array.from({ length: 30_000 }, (_, n) => numbered(queue, n));
      const killed = kill();
      let rounds = 0;
      for (; missing.length > 0; rounds += 1) {
        const results = await publisher.publishAll(missing);
        expect(results).toHaveLength(missing.length);
        missing = missing.filter((_, index) => results[index]?.kind === 'failed');
      }
      await killed;
      expect(rounds).toBeGreaterThan(1);
      expect(await queue.messages()).toBe(30_000);
    });

    test('ends with what is under way when it is closed, and says so of the rest', async () => {
      await using queue = await Queue.create(server.url);
      const publisher = new Publisher(queue.connection, { maxInFlight: 2 });
      const all = publisher.publishAll([1, 2, 3, 4, 5].map((n) => numbered(queue, n)));
      await publisher[Symbol.asyncDispose]();
      const closed = { kind: 'failed', error: expect.objectContaining({ code: 'PublisherClosed' }) as Error };
      const stored = [1, 2, 3].map((n) => storedAt(queue, n));
      expect(await all).toEqual([...stored, closed, closed]);
      await expect(publisher.publishAll([])).rejects.toMatchObject({ code: 'PublisherClosed' });
    });

    test('throws what its source throws, at its start and in the middle, and goes on with others', async () => {
      await using queue = await Queue.create(server.url);
      await using publisher = new Publisher(queue.connection, { maxInFlight: 2 });
      function* broken(count: number): Generator<OutgoingMessage> {
        for (let n = 0; n < count; n += 1) yield { subject: `${queue.stream}.job`, data: '' };
        throw new Error('the file ends early');
      }
      await expect(publisher.publishAll(broken(0))).rejects.toThrow('the file ends early');
      await expect(publisher.publishAll(broken(5))).rejects.toThrow('the file ends early');
      await publisher.flush();
      expect(await queue.messages()).toBe(5);
      expect(await publisher.publishAll([numbered(queue, 1)])).toEqual([storedAt(queue, 6)]);
    });
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
