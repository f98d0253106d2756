import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import type { NatsConnection } from '#common/nats.ts';
import { writeAckPending } from '../../../operator/act/ackPending.ts';
import type { AckPendingOutcome } from '../../../operator/decide/ackPendingState.ts';
import { StreamReader } from '../../../operator/observe/streamReader.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

let folder: string;
let server: NatsServer;
let admin: NatsConnection;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-ack-pending-'));
  const config = join(folder, 'nats.conf');
  await writeFile(
    config,
    `authorization { users = [
      { user: admin, password: admin },
      { user: reader, password: reader, permissions: {
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

async function prepare(stream: string, metadata: Record<string, string> = {}): Promise<void> {
  const manager = await jetstreamManager(admin);
  await manager.streams.add({ name: stream, subjects: [`${stream}.*`] });
  await manager.consumers.add(stream, {
    durable_name: 'work',
    description: 'stays as it is',
    ack_policy: 'explicit',
    filter_subject: `${stream}.job`,
    max_ack_pending: 5,
    max_deliver: 7,
    ack_wait: 45_000_000_000,
    max_waiting: 77,
    metadata,
  });
}

async function write(
  stream: string,
  { from, to }: { from: number; to: number },
  connection = admin,
): Promise<AckPendingOutcome | undefined> {
  const reach = () => ({ connection, stream, consumer: 'work' });
  return (await writeAckPending([{ source: 0, from, to }], reach))[0];
}

const configOf = async (stream: string) =>
  (await (await jetstreamManager(admin)).consumers.info(stream, 'work')).config;

test('raising it live delivers more at once, and changes nothing else', async () => {
  await prepare('RAISED');
  const before = await configOf('RAISED');
  const js = jetstream(admin);
  for (let job = 0; job < 20; job += 1) await js.publish('RAISED.job');
  const received: string[] = [];
  const inbox = admin.subscribe('_INBOX.raised', {
    callback: (_, { subject }) => void received.push(subject),
  });
  const pull = JSON.stringify({ batch: 20, expires: 60_000_000_000 });
  admin.publish('$JS.API.CONSUMER.MSG.NEXT.RAISED.work', pull, { reply: '_INBOX.raised' });
  await until('five messages', () => received.length === 5);
  expect((await (await jetstreamManager(admin)).consumers.info('RAISED', 'work')).num_ack_pending).toBe(5);

  expect(await write('RAISED', { from: 5, to: 12 })).toMatchObject({ kind: 'written' });
  await until('seven more, without another pull', () => received.length === 12);
  expect(await configOf('RAISED')).toEqual({ ...before, max_ack_pending: 12 });
  inbox.unsubscribe();
});

test('a limit that is no longer what was decided on is not written', async () => {
  await prepare('MOVED');
  expect(await write('MOVED', { from: 6, to: 12 })).toMatchObject({ kind: 'conflict' });
  expect((await configOf('MOVED')).max_ack_pending).toBe(5);
});

test('a right that is missing is an outcome that says what to allow', async () => {
  await prepare('REFUSED');
  const reader = await connect({ servers: server.url, user: 'reader', pass: 'reader' });
  try {
    const outcome = await write('REFUSED', { from: 5, to: 12 }, reader);
    expect(outcome).toMatchObject({
      kind: 'failed',
      reason: 'WriteForbidden',
      message: expect.stringContaining(
        'allow the operator to publish to $JS.API.CONSUMER.CREATE.REFUSED.work',
      ) as string,
    });
    expect((await configOf('REFUSED')).max_ack_pending).toBe(5);
  } finally {
    await reader.close();
  }
});

test('a consumer that is gone is an outcome, too', async () => {
  await prepare('GONE');
  await (await jetstreamManager(admin)).consumers.delete('GONE', 'work');
  expect(await write('GONE', { from: 5, to: 12 })).toMatchObject({ kind: 'failed', reason: 'WriteFailed' });
});

const owners: Record<string, { metadata: Record<string, string>; owner: string | undefined }> = {
  'nobody, by the metadata that the server adds': { metadata: {}, owner: undefined },
  'whoever has left a mark': { metadata: { 'nack/owner': 'jobs' }, owner: 'nack/owner' },
  'nobody, where we are told to': {
    metadata: { 'nack/owner': 'jobs', 'penstock.dev/ack-pending': 'managed' },
    owner: undefined,
  },
};
test.each(Object.entries(owners))('a consumer is owned by %s', async (name, { metadata, owner }) => {
  const stream = `OWNED-${Object.keys(owners).indexOf(name)}`;
  await prepare(stream, metadata);
  const seen = await new StreamReader(admin, systemClock).read(stream, 'work');
  expect(seen.kind === 'seen' && seen.value.owner).toBe(owner);
});
