import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import type { NatsConnection } from '#common/nats.ts';
import { StreamReader } from '../../../operator/observe/streamReader.ts';
import { until } from '../../builders/until.ts';
import { startNatsCluster, startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

let folder: string;
let server: NatsServer;
let admin: NatsConnection;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-reader-'));
  const config = join(folder, 'nats.conf');
  await writeFile(
    config,
    `authorization { users = [
      { user: admin, password: admin },
      { user: narrow, password: narrow, permissions: {
        publish: { allow: ["$JS.API.CONSUMER.INFO.>", "$JS.API.STREAM.INFO.>"] }, subscribe: "_INBOX.>" } }
    ] }`,
  );
  server = await startNatsServer({ args: ['-c', config] });
  admin = await connect({ servers: server.url, user: 'admin', pass: 'admin' });
});
afterAll(async () => {
  await admin.close();
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A stream with filtered consumers c-0, c-1, …; a message waits for each with an odd number. */
async function prepare(
  over: NatsConnection,
  stream: string,
  consumers: number,
  replicas = 1,
): Promise<string[]> {
  // A cluster may still have to agree on who leads.
  const manager = await until('JetStream', () => jetstreamManager(over));
  await manager.streams.add({ name: stream, subjects: [`${stream}.*`], num_replicas: replicas });
  const names = Array.from({ length: consumers }, (_, index) => `c-${index}`);
  await Promise.all(
    names.map((name) =>
      manager.consumers.add(stream, {
        durable_name: name,
        ack_policy: 'explicit',
        filter_subject: `${stream}.${name}`,
      }),
    ),
  );
  const js = jetstream(over);
  await Promise.all(
    names.filter((_, index) => index % 2 === 1).map((name) => js.publish(`${stream}.${name}`)),
  );
  return names;
}

async function apiRequests(): Promise<number> {
  const answer = (await (await fetch(`${server.monitorUrl}/jsz`)).json()) as { api: { total: number } };
  return answer.api.total;
}

const pendingOf = (reader: StreamReader, stream: string, name: string): number | string => {
  const seen = reader.latest(stream, name);
  return seen.kind === 'seen' ? seen.value.pending : seen.kind;
};

test('consumers of one stream are listed, page by page, and the stream is read once', async () => {
  const names = await prepare(admin, 'MANY', 300);
  const reader = new StreamReader(admin, systemClock);
  const before = await apiRequests();
  // As pools do that are looked at in the same round.
  const seen = await Promise.all(names.map((name) => reader.read('MANY', name)));
  expect((await apiRequests()) - before).toBe(3);
  expect(seen.map((one) => (one.kind === 'seen' ? one.value.pending : one.kind))).toEqual(
    names.map((_, index) => index % 2),
  );
  expect(seen[7]).toMatchObject({ value: { filtered: true, stream: { lastSeq: 150 } } });
});

test('a consumer that does not exist is absent, also beside a list', async () => {
  const names = await prepare(admin, 'GAPS', 6);
  const reader = new StreamReader(admin, systemClock);
  await reader.refresh('GAPS', [...names, 'nobody']);
  expect(pendingOf(reader, 'GAPS', 'c-1')).toBe(1);
  expect(reader.latest('GAPS', 'nobody')).toMatchObject({ kind: 'absent' });
});

test('few of many consumers are asked for one by one, once it is known how many there are', async () => {
  const names = await prepare(admin, 'FEW', 40);
  const reader = new StreamReader(admin, systemClock);
  await reader.refresh('FEW', names.slice(0, 5));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = await apiRequests();
  await reader.refresh('FEW', names.slice(0, 5));
  expect((await apiRequests()) - before).toBe(6);
  expect(pendingOf(reader, 'FEW', 'c-3')).toBe(1);
});

test('without the right to list all are seen, and the list is not tried again soon', async () => {
  const names = await prepare(admin, 'NARROW', 8);
  const narrow = await connect({ servers: server.url, user: 'narrow', pass: 'narrow' });
  const refused: string[] = [];
  void (async () => {
    for await (const status of narrow.status())
      if (status.type === 'error') refused.push(status.error.message);
  })();
  try {
    const reader = new StreamReader(narrow, systemClock);
    for (let round = 0; round < 3; round += 1) {
      await reader.refresh('NARROW', names);
      expect(names.map((name) => pendingOf(reader, 'NARROW', name))).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(refused.filter((message) => message.includes('CONSUMER.LIST'))).toHaveLength(1);
  } finally {
    await narrow.close();
  }
});

test('in a cluster a listed consumer tells what its leader knows', async () => {
  await using cluster = await startNatsCluster();
  const over = await connect({ servers: cluster.url.split(',') });
  try {
    const names = await prepare(over, 'SPREAD', 12, 3);
    const reader = new StreamReader(over, systemClock);
    await reader.refresh('SPREAD', names);
    const manager = await jetstreamManager(over);
    for (const name of names) {
      const { cluster: group, num_pending } = await manager.consumers.info('SPREAD', name);
      expect(reader.latest('SPREAD', name)).toMatchObject({
        value: { leader: group?.leader, pending: num_pending },
      });
    }
  } finally {
    await over.close();
  }
});
