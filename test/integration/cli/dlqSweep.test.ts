import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { penstock } from '../../builders/program.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, until } from '../worker/harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const advisories = 'PENSTOCK_ADVISORIES';

type Place = AsyncDisposable & {
  readonly queue: Queue;
  readonly dead: string;
  readonly sweep: (...more: string[]) => Promise<{ code: unknown; stdout: string; stderr: string }>;
  readonly letters: () => Promise<number>;
  readonly heard: () => Promise<number>;
};

/** A queue whose messages are given up after one delivery, and a sweeper that listens. */
async function place(url: string, environment: Record<string, string> = {}): Promise<Place> {
  const queue = await Queue.create(url, { consumer: { ack_wait: 200 * 1e6, max_deliver: 1 } });
  const dead = `DEAD_${queue.stream}`;
  await queue.jsm.streams.add({ name: dead, subjects: [`dead-letter.${queue.stream}.>`] });
  const args = ['dlq', 'sweep', queue.stream, queue.consumer, '--into', dead];
  const sweep: Place['sweep'] = async (...more) => {
    await using program = penstock([...args, ...more], { NATS_URL: url, ...environment });
    const code = await program.ended;
    return { code, stdout: program.stdout(), stderr: program.stderr() };
  };
  const count = async (stream: string): Promise<number> =>
    (await queue.jsm.streams.info(stream)).state.messages;
  const about = `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${queue.stream}.>`;
  const heard = async (): Promise<number> => {
    const { state } = await queue.jsm.streams.info(advisories, { subjects_filter: about });
    return Object.values(state.subjects ?? {}).reduce((sum, messages) => sum + messages, 0);
  };
  expect(await sweep('--create')).toMatchObject({ code: 0, stdout: '' });
  return {
    queue,
    dead,
    sweep,
    letters: () => count(dead),
    heard,
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  };
}

/** Takes messages, never says a word, and asks on until the server has given up as many. */
async function giveUp({ queue, heard }: Place, messages = 1): Promise<void> {
  await takeSilently(queue, async () => (await heard()) === messages);
}

async function takeSilently(queue: Queue, isOver: () => Promise<boolean>): Promise<void> {
  const consumer = await queue.js.consumers.get(queue.stream, queue.consumer);
  await until(async () => {
    await consumer.next({ expires: 1_000 });
    return isOver();
  });
}

describe('penstock dlq sweep', () => {
  test('buries a job that took its worker down, as the worker would have done', async () => {
    await using at = await place(server.url);
    const { queue, dead, sweep, letters } = at;
    const custom = headers();
    custom.set('Trace', 'abc');
    await queue.js.publish(`${queue.stream}.job`, 'payload', { msgID: 'key-1', headers: custom });
    await using victim = spawnWorker(queue, 'exit.ts');
    expect(await victim.exit).toEqual({ code: null, signal: 'SIGKILL' });
    await using peer = spawnWorker(queue, 'exit.ts');
    await until(async () => (await at.heard()) > 0);
    // The server has forgotten it, and nobody else ever will see it.
    expect(await queue.isDone()).toBe(true);
    expect(await queue.messages()).toBe(1);

    const swept = await sweep('--json');
    expect(swept.code).toBe(0);
    expect(JSON.parse(swept.stdout)).toMatchObject({ stream: queue.stream, sequence: 1, fate: 'buried' });
    expect([await queue.messages(), await letters()]).toEqual([0, 1]);
    const letter = await queue.jsm.streams.getMessage(dead, { seq: 1 });
    expect(letter?.string()).toBe('payload');
    expect(
      Object.fromEntries([...(letter?.header ?? [])].map(([name, [value]]) => [name, value])),
    ).toMatchObject({
      'Nats-Msg-Id': `${queue.stream}:1:${queue.consumer}`,
      'Penstock-Reason': 'DeliveriesExhausted',
      'Penstock-Origin-Subject': `${queue.stream}.job`,
      'Penstock-Idempotency-Key': 'key-1',
      Trace: 'abc',
    });
    expect(await sweep()).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'penstock: 0 buried, 0 gone already\n',
    });
    expect(peer.lines.some((line) => line.startsWith('RUN'))).toBe(false);
  });

  test('leaves the job where it is while its dead letter cannot be stored', async () => {
    await using at = await place(server.url);
    const { queue, dead, sweep, letters } = at;
    await queue.publish(1);
    await giveUp(at);
    const { config } = await queue.jsm.streams.info(dead);
    await queue.jsm.streams.delete(dead);
    const refused = await sweep();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/SweepFailed: storing a dead letter on dead-letter\./);
    expect(await queue.messages()).toBe(1);
    await queue.jsm.streams.add({ name: dead, subjects: config.subjects });
    expect(await sweep()).toMatchObject({ code: 0, stderr: 'penstock: 1 buried, 0 gone already\n' });
    expect([await queue.messages(), await letters()]).toEqual([0, 1]);
  });

  test('writes no second letter beside that of a worker, and none for what is gone', async () => {
    await using at = await place(server.url);
    const { queue, sweep, letters } = at;
    await queue.publish(2);
    await giveUp(at, 2);
    const subject = `dead-letter.${queue.stream}.${queue.consumer}`;
    await queue.js.publish(subject, '0', { msgID: `${queue.stream}:1:${queue.consumer}` });
    await queue.jsm.streams.deleteMessage(queue.stream, 2);
    const swept = await sweep();
    expect(swept.stderr).toBe('penstock: 1 buried, 1 gone already\n');
    expect([await queue.messages(), await letters()]).toEqual([0, 1]);
  });

  test('removes nothing from a stream that is no work queue', async () => {
    await using at = await place(server.url);
    const { queue, sweep, letters } = at;
    await queue.jsm.streams.delete(queue.stream);
    await queue.jsm.streams.add({ name: queue.stream, subjects: [`${queue.stream}.>`] });
    await queue.addConsumer({ ack_wait: 200 * 1e6, max_deliver: 1 });
    await queue.publish(1);
    await giveUp(at);
    expect((await sweep()).stderr).toBe('penstock: 1 buried, 0 gone already\n');
    expect([await queue.messages(), await letters()]).toEqual([1, 1]);
    expect((await sweep()).stderr).toBe('penstock: 0 buried, 0 gone already\n');
  });

  test('is not led astray by what others write as advisories', async () => {
    await using at = await place(server.url);
    const { queue, sweep, letters } = at;
    await queue.publish(1);
    const subject = `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${queue.stream}.${queue.consumer}`;
    const { consumer } = queue;
    const forged = [
      'no JSON',
      '{}',
      JSON.stringify({ stream: 'OTHER', consumer, stream_seq: 1, deliveries: 1 }),
      JSON.stringify({ stream: queue.stream, consumer, stream_seq: '1', deliveries: 1 }),
      JSON.stringify({ stream: queue.stream, consumer, stream_seq: 2 ** 60, deliveries: 1 }),
    ];
    for (const text of forged) queue.connection.publish(subject, text);
    await queue.connection.flush();
    await until(async () => (await at.heard()) >= forged.length);
    expect(await sweep()).toMatchObject({ code: 0, stdout: '' });
    expect([await queue.messages(), await letters()]).toEqual([1, 0]);
  });

  test('goes on until it is told to stop', async () => {
    await using at = await place(server.url);
    const { queue, dead, letters } = at;
    const args = ['dlq', 'sweep', queue.stream, queue.consumer, '--into', dead, '--every', '0.1'];
    await using program = penstock(args, { NATS_URL: server.url });
    await queue.publish(2);
    await takeSilently(queue, async () => (await letters()) === 2);
    await until(() => program.stdout().split('\n').length === 3);
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });
});

test('the rights that the docs list are enough', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-rights-'));
  const config = join(folder, 'nats.conf');
  // The names of streams are random: what differs from the docs are the wildcards in the place of the stream.
  await writeFile(
    config,
    `authorization { users: [
      { user: all, password: all }
      { user: sweeper, password: sweeper, permissions: {
        publish: { allow: [
          "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.${advisories}",
          "$JS.API.STREAM.MSG.GET.*", "$JS.API.STREAM.MSG.DELETE.*", "dead-letter.>"
        ] }
        subscribe: { allow: ["_INBOX.>"] }
      } }
    ] }
    no_auth_user: all`,
  );
  await using own = await startNatsServer({ args: ['-c', config] });
  await using at = await place(own.url, { NATS_USER: 'sweeper', NATS_PASSWORD: 'sweeper' });
  await at.queue.publish(1);
  await giveUp(at);
  expect((await at.sweep()).stderr).toBe('penstock: 1 buried, 0 gone already\n');
  expect([await at.queue.messages(), await at.letters()]).toEqual([0, 1]);
  await rm(folder, { recursive: true });
});
