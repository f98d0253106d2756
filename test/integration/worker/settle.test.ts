import { setTimeout as delay } from 'node:timers/promises';
import { headers } from '@nats-io/transport-node';
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

const quickBackoff = { baseMs: 1, maxMs: 5 };

/** A stream of dead letters for one queue. */
function graveyard(queue: Queue) {
  const stream = `DEAD_${queue.stream}`;
  const deadLetter = { stream, subject: `dead.${queue.stream}`, create: true };
  return {
    deadLetter,
    count: async (): Promise<number> => {
      const names = await queue.jsm.streams.names(deadLetter.subject).next();
      return names.length === 0 ? 0 : (await queue.jsm.streams.info(stream)).state.messages;
    },
    get: async (seq: number) => {
      const message = await queue.jsm.streams.getMessage(stream, { seq });
      if (message === null) throw new Error(`no dead letter ${seq}`);
      const header = Object.fromEntries([...message.header].map(([name, values]) => [name, values[0]]));
      return { header, payload: new TextDecoder().decode(message.data) };
    },
  };
}

describe('a job that fails', () => {
  test('is tried again with a growing attempt number, and the others go on', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(20);
    const attempts = new Map<number, number[]>();
    await using worker = await startWorker(
      queue.options({ slots: 4, backoff: quickBackoff }),
      async (job) => {
        attempts.set(job.sequence, [...(attempts.get(job.sequence) ?? []), job.attempt]);
        if (job.attempt === 1 && job.sequence % 2 === 0) throw new Error('synchronously');
        await delay(1);
        if (job.attempt < 3 && job.sequence % 2 === 0) throw new Error('late');
      },
    );
    await until(() => queue.isDone());
    expect(attempts.get(1)).toEqual([1]);
    expect(attempts.get(2)).toEqual([1, 2, 3]);
    expect(worker.stats().counters).toMatchObject({ succeeded: 20, retried: 20, deadLettered: 0 });
  });

  test('with RetryLater comes back after the delay that it named', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    const times: number[] = [];
    await using _ = await startWorker(queue.options(), (job) => {
      times.push(performance.now());
      if (job.attempt === 1) throw new RetryLater(300);
    });
    await until(() => queue.isDone());
    expect(times).toHaveLength(2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(295);
  });

  test('for the last time is dead-lettered with its history, and is gone from the queue', async () => {
    await using queue = await Queue.create(server.url);
    const { deadLetter, count, get } = graveyard(queue);
    const custom = headers();
    custom.set('Trace', 'abc');
    await queue.js.publish(`${queue.stream}.job`, 'payload', { msgID: 'id-1', headers: custom });
    await using worker = await startWorker(
      queue.options({ maxAttempts: 2, backoff: quickBackoff, deadLetter }),
      () => {
        throw new Error('no\r\nway');
      },
    );
    await until(async () => (await count()) === 1 && (await queue.isDone()));
    expect(await queue.messages()).toBe(0);
    expect(worker.stats().counters).toMatchObject({ retried: 1, deadLettered: 1 });
    const { header, payload } = await get(1);
    expect(payload).toBe('payload');
    expect(header).toMatchObject({
      'Nats-Msg-Id': `${queue.stream}:1:${queue.consumer}`,
      'Penstock-Reason': 'AttemptsExhausted',
      'Penstock-Error': 'no way',
      'Penstock-Stack': expect.stringMatching(/^at \S.*settle\.test\.ts:\d+:\d+/) as unknown,
      'Penstock-Attempts': '2',
      'Penstock-Origin-Stream': queue.stream,
      'Penstock-Origin-Sequence': '1',
      'Penstock-Origin-Subject': `${queue.stream}.job`,
      Trace: 'abc',
    });
  });

  test('by Discard or with a payload that is no JSON is dead-lettered at once', async () => {
    await using queue = await Queue.create(server.url);
    const { deadLetter, count, get } = graveyard(queue);
    await queue.js.publish(`${queue.stream}.job`, '{"broken":');
    await queue.js.publish(`${queue.stream}.job`, new Uint8Array([0xff, 0xfe]));
    await queue.js.publish(`${queue.stream}.job`, '{"user":7}');
    await using worker = await startWorker(queue.options({ deadLetter }), (job) => {
      throw new Discard(`no such user: ${JSON.stringify(job.json())}`);
    });
    await until(async () => (await count()) === 3 && (await queue.isDone()));
    const reasons = [await get(1), await get(2), await get(3)].map(({ header }) => header['Penstock-Reason']);
    expect(reasons.sort()).toEqual(['Discarded', 'MalformedPayload', 'MalformedPayload']);
    expect(worker.stats().counters).toMatchObject({ retried: 0, deadLettered: 3 });
  });

  test('stays in the queue as long as its dead letter cannot be stored', async () => {
    await using queue = await Queue.create(server.url);
    const { deadLetter, count } = graveyard(queue);
    await queue.publish(1);
    const options = queue.options({ deadLetter: { ...deadLetter, create: false }, backoff: quickBackoff });
    await using worker = await startWorker(options, () => {
      throw new Discard('hopeless');
    });
    await until(() => worker.stats().counters.deadLetterFailures >= 2);
    expect(await queue.messages()).toBe(1);
    await queue.jsm.streams.add({ name: deadLetter.stream, subjects: [deadLetter.subject] });
    await until(async () => (await count()) === 1 && (await queue.isDone()));
    expect(await queue.messages()).toBe(0);
  });

  test('without a stream for dead letters is terminated', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    await using worker = await startWorker(queue.options(), () => {
      throw new Discard('hopeless');
    });
    await until(() => worker.stats().counters.deadLettered === 1);
    await until(async () => (await queue.messages()) === 0);
  });

  test('without ever saying a word, as when it takes its process down, is given up in the end', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 100 * 1e6 } });
    await queue.publish(1);
    const consumer = await queue.js.consumers.get(queue.stream, queue.consumer);
    // A holder that never answers, three deliveries long.
    for (let n = 0; n < 3; n += 1) await consumer.next({ expires: 2_000 });
    let runs = 0;
    await using worker = await startWorker(queue.options({ maxAttempts: 1 }), () => {
      runs += 1;
    });
    await until(() => worker.stats().counters.deadLettered === 1);
    expect(runs).toBe(0);
  });
});

describe('a job past its time limit', () => {
  test('that obeys the abort is retried, and its slot goes on', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    const reasons: unknown[] = [];
    await using worker = await startWorker(
      queue.options({ jobTimeoutMs: 50, backoff: quickBackoff }),
      async (job, { signal }) => {
        if (job.attempt > 1) return;
        await delay(60_000, undefined, { signal }).catch(() => {
          reasons.push((signal.reason as Error).name);
          throw new Error('gave up');
        });
      },
    );
    await until(() => queue.isDone());
    expect(reasons).toEqual(['TimeoutError']);
    expect(worker.stats()).toMatchObject({ stuck: 0, counters: { timedOut: 1, retried: 1, succeeded: 1 } });
  });

  test('that ignores the abort is counted out, until it settles after all', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    const late = Promise.withResolvers<undefined>();
    const seen: number[] = [];
    await using worker = await startWorker(
      queue.options({ slots: 2, jobTimeoutMs: 50, abortGraceMs: 50, backoff: quickBackoff }),
      async (job) => {
        seen.push(job.attempt);
        if (job.attempt === 1) await late.promise;
      },
    );
    await until(() => worker.stats().stuck === 1);
    await until(() => queue.isDone());
    expect(seen).toEqual([1, 2]);
    expect(worker.stats().counters).toMatchObject({ timedOut: 1, succeeded: 1 });
    late.resolve(undefined);
    await until(() => worker.stats().stuck === 0);
    await queue.publish(4, 10);
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ timedOut: 1, succeeded: 5 });
  });

  test('in every slot makes the health probe fail', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    const never = new Promise(() => undefined);
    const http = { host: '127.0.0.1', port: 0 };
    await using worker = await startWorker(
      queue.options({ jobTimeoutMs: 20, abortGraceMs: 20, http }),
      () => never,
    );
    await until(() => worker.stats().stuck === 1);
    const reply = await fetch(`http://127.0.0.1:${worker.metricsPort}/healthz`);
    expect(reply.status).toBe(503);
    expect(await reply.text()).toContain('all 1 slots');
  });
});

describe('a message', () => {
  test('of 1 MB arrives whole, and the handler may change its copy', async () => {
    await using queue = await Queue.create(server.url);
    const payload = new Uint8Array(1_048_576).map((_, index) => index % 251);
    await queue.js.publish(`${queue.stream}.job`, payload);
    let equal = false;
    await using _ = await startWorker(queue.options(), (job) => {
      equal = Buffer.compare(job.data, payload) === 0;
      job.data.fill(0);
    });
    await until(() => queue.isDone());
    expect(equal).toBe(true);
  });

  test('with headers that cannot be read is still a job', async () => {
    await using queue = await Queue.create(server.url);
    const { deadLetter, count } = graveyard(queue);
    await publishRaw(server.port, `${queue.stream}.job`, 'NATS/1.0\r\nb\u0001d name: x\r\n\r\n', 'payload');
    const seen: number[] = [];
    await using _ = await startWorker(queue.options({ deadLetter }), (job) => {
      seen.push(job.headers.size, job.data.length);
      throw new Discard(job.idempotencyKey);
    });
    await until(async () => (await count()) === 1 && (await queue.isDone()));
    expect(seen).toEqual([0, 7]);
  });

  test('without payload is a job', async () => {
    await using queue = await Queue.create(server.url);
    await queue.js.publish(`${queue.stream}.job`);
    let bytes = -1;
    await using _ = await startWorker(queue.options(), (job) => {
      bytes = job.data.length;
    });
    await until(() => queue.isDone());
    expect(bytes).toBe(0);
  });
});

/** The client refuses to send such headers, so this speaks the protocol itself. */
async function publishRaw(port: number, subject: string, header: string, payload: string): Promise<void> {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  const total = header.length + payload.length;
  socket.write('CONNECT {"headers":true,"no_responders":true,"verbose":false}\r\n');
  socket.write(`HPUB ${subject} ${header.length} ${total}\r\n${header}${payload}\r\nPING\r\n`);
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('PONG')) resolve();
    });
  });
  socket.destroy();
}
