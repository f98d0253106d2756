import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { heartbeatMaxBytes, heartbeatSubject } from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import { createLogger } from '#common/log.ts';
import { Connections } from '../../../operator/observe/connections.ts';
import { HeartbeatListener } from '../../../operator/observe/heartbeats.ts';
import { StreamReader } from '../../../operator/observe/streamReader.ts';
import type { ConsumerFacts, Seen } from '../../../operator/observe/observation.ts';
import { heartbeat } from '../../builders/heartbeat.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

let server: NatsServer;
let connection: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
});
afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
});

const observe = (
  over: NatsConnection,
  { stream, consumer }: { stream: string; consumer: string },
): Promise<Seen<ConsumerFacts>> => new StreamReader(over, systemClock).read(stream, consumer);

async function createConsumer(stream: string, filter?: string): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  await manager.consumers.add(stream, {
    durable_name: 'work',
    ack_policy: 'explicit',
    max_ack_pending: 123,
    ack_wait: 7_000_000_000,
    max_deliver: 4,
    ...(filter === undefined ? {} : { filter_subject: filter }),
  });
}

describe('the facts of a consumer', () => {
  test('say what waits, what is held, and how it is configured', async () => {
    await createConsumer('FACTS');
    const js = jetstream(connection);
    for (let i = 0; i < 5; i += 1) await js.publish('FACTS.job', `${i}`);
    const consumer = await js.consumers.get('FACTS', 'work');
    const held = await consumer.fetch({ max_messages: 2 });
    for await (const message of held) if (message.seq === 1) message.ack();
    await connection.flush();

    const seen = await observe(connection, { stream: 'FACTS', consumer: 'work' });
    expect(seen).toMatchObject({
      kind: 'seen',
      value: {
        pending: 3,
        ackPending: 1,
        redelivered: 0,
        deliveredConsumerSeq: 2,
        deliveredStreamSeq: 2,
        ackFloorStreamSeq: 1,
        filtered: false,
        paused: false,
        maxAckPending: 123,
        ackWaitMs: 7_000,
        maxDeliver: 4,
        stream: { firstSeq: 1, lastSeq: 5, messages: 5 },
      },
    });
    if (seen.kind !== 'seen') throw new Error('not seen');
    expect(Math.abs(seen.value.serverTimeMs - Date.now())).toBeLessThan(60_000);
    expect(seen.value.createdMs).toBeLessThanOrEqual(seen.value.serverTimeMs);
  });

  test('tell a filtered consumer from one that sees its whole stream', async () => {
    await createConsumer('FILTERED', 'FILTERED.some.*');
    const seen = await observe(connection, { stream: 'FILTERED', consumer: 'work' });
    expect(seen).toMatchObject({ kind: 'seen', value: { filtered: true } });
  });

  test('are absent when consumer or stream does not exist', async () => {
    await createConsumer('THERE');
    for (const source of [
      { stream: 'THERE', consumer: 'elsewhere' },
      { stream: 'NOWHERE', consumer: 'work' },
    ]) {
      expect(await observe(connection, source)).toMatchObject({
        kind: 'absent',
        message: expect.stringContaining('not found') as string,
      });
    }
  });
});

describe('a consumer that replicas cannot work on', () => {
  const useless: Record<string, { config: Record<string, string>; message: RegExp }> = {
    'pushes its messages': {
      config: { deliver_subject: 'elsewhere' },
      message: /push consumer.*make a pull consumer/,
    },
    'knows no acks': { config: { ack_policy: 'none' }, message: /ack policy is "none".*explicit/ },
  };
  test.each(Object.entries(useless))(
    'because it %s is unseen, with what to do',
    async (name, { config, message }) => {
      const stream = `USELESS-${Object.keys(useless).indexOf(name)}`;
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
      await manager.consumers.add(stream, { durable_name: 'work', ack_policy: 'explicit', ...config });
      expect(await observe(connection, { stream, consumer: 'work' })).toMatchObject({
        kind: 'unseen',
        message: expect.stringMatching(message) as string,
      });
    },
  );
});

describe('heartbeats', () => {
  type Listening = { readonly heard: HeartbeatListener; readonly say: (payload: string) => Promise<void> };
  const listen = async (stream: string): Promise<Listening> => {
    const heard = new HeartbeatListener(connection, systemClock);
    heard.latest(stream, 'work');
    await connection.flush();
    return {
      heard,
      say: async (payload) => {
        connection.publish(heartbeatSubject(stream, 'work'), payload);
        await connection.flush();
        await connection.flush();
      },
    };
  };
  const said = (stream: string, overrides: Partial<Heartbeat> = {}): string =>
    JSON.stringify(heartbeat({ stream, consumer: 'work', ...overrides }));

  test('the latest of each worker counts', async () => {
    const { heard, say } = await listen('H1');
    await say(said('H1', { worker: 'a', sequence: 1, busy: 1 }));
    await say(said('H1', { worker: 'b', sequence: 1, busy: 2 }));
    await say(said('H1', { worker: 'a', sequence: 2, busy: 3 }));
    const busy = heard.latest('H1', 'work').map(({ heartbeat: { worker, busy: jobs } }) => [worker, jobs]);
    expect(busy.sort()).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
    expect(heard.dropped).toBe(0);
  });

  const bad: Record<string, (stream: string) => string> = {
    'that are not JSON': () => '}{',
    'that are empty': () => '',
    'with a negative count': (stream) => said(stream, { busy: -1 }),
    'with a number that is no number': (stream) => said(stream).replace('"slots":4', '"slots":"4"'),
    'of another version': (stream) => said(stream).replace('"version":1', '"version":2'),
    'for another consumer': () => said('ELSEWHERE'),
    'that are too long': (stream) => said(stream).padEnd(heartbeatMaxBytes + 1),
    'nested without end': () => '['.repeat(5_000),
    'that would reach into prototypes': () => '{"__proto__":{"version":1}}',
  };
  test.each(Object.entries(bad))('%s are dropped and counted', async (_, payload) => {
    const { heard, say } = await listen('H2');
    await say(payload('H2'));
    await until('it to be counted', () => heard.dropped === 1);
    expect(heard.latest('H2', 'work')).toEqual([]);
  });

  test('an older one of the same process changes nothing, a restarted process begins anew', async () => {
    const { heard, say } = await listen('H3');
    await say(said('H3', { sequence: 9, busy: 3 }));
    await say(said('H3', { sequence: 8, busy: 1 }));
    expect(heard.latest('H3', 'work')[0]?.heartbeat.busy).toBe(3);
    await say(said('H3', { startedAtMs: 99, sequence: 1, busy: 2 }));
    expect(heard.latest('H3', 'work')[0]?.heartbeat.busy).toBe(2);
  });
});

describe('connections', () => {
  const log = createLogger('test', 'silent');
  const settings = (url: string): { servers: string[]; inboxPrefix: string } => ({
    servers: [url],
    inboxPrefix: '_INBOX',
  });

  test('asking never waits: down with a reason first, up when the server answers', async () => {
    await using connections = new Connections(systemClock, log);
    expect(connections.get(settings(server.url)).kind).toBe('down');
    await until('up', () => connections.get(settings(server.url)).kind === 'up');
  });

  test('a server that is down is named, and found when it comes', async () => {
    await using late = await startNatsServer();
    await late.signal('SIGKILL');
    await using connections = new Connections(systemClock, log);
    const message = await until('the reason', () => {
      const state = connections.get(settings(late.url));
      return state.kind === 'down' && state.message.includes('failed') && state.message;
    });
    expect(message).toContain(late.url);
    await late.start();
    await until('up', () => connections.get(settings(late.url)).kind === 'up');
  });

  test('a server that goes away is down at once, and up again after it is back', async () => {
    await using fragile = await startNatsServer();
    await using connections = new Connections(systemClock, log);
    await connections.settled([settings(fragile.url)], 10_000);
    await fragile.signal('SIGKILL');
    await until('down', () => connections.get(settings(fragile.url)).kind === 'down');
    await fragile.start();
    await until('up', () => connections.get(settings(fragile.url)).kind === 'up');
  });

  const rude: Record<string, (server: Server) => void> = {
    'that says nothing': () => undefined,
    'that talks garbage': (tcp) =>
      tcp.on('connection', (socket) => socket.write('\0\xff garbage\r\n'.repeat(9))),
    'that greets and falls silent': (tcp) =>
      tcp.on('connection', (socket) =>
        socket.write('INFO {"server_id":"x","version":"2.12.0","max_payload":1}\r\n'),
      ),
  };
  test.each(Object.entries(rude))('a server %s holds up nobody else', async (_, behave) => {
    const tcp = createServer((socket) => socket.on('error', () => undefined));
    behave(tcp);
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const url = `nats://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
    {
      await using connections = new Connections(systemClock, log);
      expect(connections.get(settings(url)).kind).toBe('down');
      await connections.settled([settings(server.url)], 10_000);
      expect(connections.get(settings(server.url)).kind).toBe('up');
      expect(connections.get(settings(url)).kind).toBe('down');
    }
    tcp.close();
  });
});
