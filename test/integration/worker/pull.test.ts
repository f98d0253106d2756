import type { Msg } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { PullLoop } from '../../../worker/consume/pull.ts';
import { Window } from '../../../worker/consume/window.ts';
import { Counters } from '../../../worker/report/counters.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A loop that acks what comes, with a window of ten. */
function startLoop(queue: Queue) {
  const received: string[] = [];
  const rechecks: string[] = [];
  const window = new Window(10, 0);
  const counters = new Counters();
  const loop = new PullLoop({
    connection: queue.connection,
    inboxPrefix: '_INBOX',
    stream: queue.stream,
    consumer: queue.consumer,
    credits: window,
    counters,
    clock: systemClock,
    random: () => 0,
    log: createLogger('test', 'silent'),
    onMessage: (message: Msg) => {
      received.push(message.string());
      message.respond('+ACK');
    },
    onRecheck: (reason) => void rechecks.push(reason),
  });
  const limits = { maxBatch: Number.MAX_SAFE_INTEGER, maxExpiresMs: Number.MAX_SAFE_INTEGER };
  loop.start(limits);
  return { loop, window, counters, received, rechecks, limits };
}

describe('the pull loop', () => {
  test('keeps at least half of its window asked for', async () => {
    await using queue = await Queue.create(server.url);
    const { loop, window, received } = startLoop(queue);
    expect(window.outstanding).toBe(10);
    await queue.publish(1_000);
    await until(() => received.length === 1_000);
    expect(window.outstanding).toBeGreaterThan(5);
    expect(window.outstanding).toBeLessThanOrEqual(10);
    await loop.drain();
    expect(window.outstanding).toBe(0);
  });

  test('leaves nothing stranded when it subscribes anew under load', async () => {
    await using queue = await Queue.create(server.url);
    const { loop, received } = startLoop(queue);
    const published = queue.publish(2_000);
    for (let target = 200; target < 2_000; target += 300) {
      await until(() => received.length > target);
      loop.rebuild();
    }
    await published;
    await until(() => queue.isDone());
    await loop.drain();
    expect(new Set(received).size).toBe(2_000);
    expect(received).toHaveLength(2_000);
  });

  test('asks for no more at once than the consumer allows', async () => {
    await using queue = await Queue.create(server.url, { consumer: { max_batch: 3 } });
    const { loop, window, received, rechecks, limits } = startLoop(queue);
    await until(() => rechecks.length > 0);
    expect(rechecks).toEqual(['RequestRefused']);
    expect(window.outstanding).toBe(0);
    loop.start({ ...limits, maxBatch: 3 });
    await queue.publish(50);
    await until(() => received.length === 50);
    expect(rechecks).toHaveLength(1);
    await loop.drain();
  });

  test('rests when told to, and does not count what the server says about old pulls', async () => {
    await using queue = await Queue.create(server.url);
    const { loop, window, rechecks, limits } = startLoop(queue);
    loop.rest();
    expect({ isPulling: loop.isPulling, outstanding: window.outstanding }).toEqual({
      isPulling: false,
      outstanding: 0,
    });
    loop.refill();
    expect(window.outstanding).toBe(0);
    loop.start(limits);
    expect(window.outstanding).toBe(10);
    // The old pull and the new one: both are told, and only the new one counts.
    await until(async () => (await queue.info()).num_waiting === 2);
    await queue.jsm.consumers.delete(queue.stream, queue.consumer);
    await until(() => !loop.isPulling);
    expect({ outstanding: window.outstanding, rechecks }).toEqual({
      outstanding: 0,
      rechecks: ['ConsumerDeleted'],
    });
    await loop.drain();
  });
});
