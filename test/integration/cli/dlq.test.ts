import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Discard } from '../../../worker/index.ts';
import { penstock } from '../../builders/program.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from '../worker/harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A queue whose first `jobs` jobs have been discarded. */
async function deadQueue(jobs: number): Promise<{ queue: Queue; dead: string } & AsyncDisposable> {
  const queue = await Queue.create(server.url);
  const dead = `DEAD_${queue.stream}`;
  const deadLetter = { stream: dead, subject: `dead.${queue.stream}` };
  const custom = headers();
  custom.set('Trace', 'abc');
  for (let n = 0; n < jobs; n += 1) {
    await queue.js.publish(`${queue.stream}.job.${n % 2}`, `payload ${n}`, {
      msgID: `key-${n}`,
      headers: custom,
    });
  }
  await using worker = await startWorker(queue.options({ deadLetter }), (job) => {
    throw new Discard(`no use for ${job.subject}`);
  });
  await until(() => worker.stats().counters.deadLettered === jobs);
  await until(() => queue.isDone());
  return { queue, dead, [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose]() };
}

async function dlq(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  await using program = penstock(['dlq', ...args], { NATS_URL: server.url });
  const code = await program.ended;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

const count = async ({ jsm }: Queue, stream: string): Promise<number> =>
  (await jsm.streams.info(stream)).state.messages;

describe('penstock dlq', () => {
  test('lists and shows what was given up', async () => {
    await using place = await deadQueue(3);
    const { queue, dead } = place;
    const list = await dlq('list', dead);
    expect(list.code).toBe(0);
    expect(list.stdout.split('\n').filter((line) => line.includes('Discarded'))).toHaveLength(3);
    expect(list.stderr).toContain('3 dead letters');

    const json = await dlq('list', dead, '--json', '--limit', '1', '--stream', queue.stream);
    expect(JSON.parse(json.stdout)).toMatchObject({
      sequence: 1,
      reason: 'Discarded',
      error: `no use for ${queue.stream}.job.0`,
      idempotencyKey: 'key-0',
      origin: { stream: queue.stream, consumer: 'work', sequence: 1, subject: `${queue.stream}.job.0` },
      headers: { Trace: ['abc'] },
    });
    expect(json.stderr).toContain('more than 1');

    const show = await dlq('show', dead, '2');
    expect(show.stdout).toMatch(/key-1[^]*\n\npayload 1\n$/);
    const none = await dlq('list', dead, '--reason', 'AttemptsExhausted', '--json');
    expect(none).toMatchObject({ code: 0, stdout: '' });
  });

  test('sends jobs back as they were, with the idempotency key of their first life', async () => {
    await using place = await deadQueue(4);
    const { queue, dead } = place;
    const dry = await dlq('redrive', dead, '--dry-run', '--json');
    expect(JSON.parse(dry.stdout)).toMatchObject({ dryRun: true, matched: 4, redriven: 0 });
    expect([await count(queue, dead), await queue.messages()]).toEqual([4, 0]);

    const one = await dlq('redrive', dead, '--sequence', '3');
    expect(one).toMatchObject({ code: 0, stdout: '1 redriven\n' });
    const rest = await dlq('redrive', dead, '--json');
    expect(JSON.parse(rest.stdout)).toEqual({
      dryRun: false,
      matched: 3,
      redriven: 3,
      refused: 0,
      interrupted: false,
    });
    expect(await count(queue, dead)).toBe(0);

    const seen: string[] = [];
    await using _ = await startWorker(queue.options(), (job) => {
      const payload = new TextDecoder().decode(job.data);
      seen.push([payload, job.subject, job.idempotencyKey, job.headers.get('trace')].join(' '));
    });
    await until(() => queue.isDone());
    const expected = [0, 1, 2, 3].map((n) => `payload ${n} ${queue.stream}.job.${n % 2} key-${n} abc`);
    expect(seen.sort()).toEqual(expected);
  });

  test('loses nothing and doubles nothing when it is killed in the middle', async () => {
    await using place = await deadQueue(60);
    const { queue, dead } = place;
    {
      await using killed = penstock(['dlq', 'redrive', dead, '--rate', '200'], { NATS_URL: server.url });
      await until(async () => (await count(queue, dead)) < 40);
      killed.child.kill('SIGKILL');
      expect(await killed.ended).toBe('SIGKILL');
    }
    expect(await count(queue, dead)).toBeGreaterThan(0);
    // What a kill between the two steps leaves behind: the job is stored, its letter still there.
    const next = await queue.jsm.streams.getMessage(dead, {
      seq: (await queue.jsm.streams.info(dead)).state.first_seq,
    });
    await queue.js.publish(`${queue.stream}.job.0`, 'stored before', {
      msgID: `redrive:${dead}:${next?.seq}:${next?.time.getTime()}`,
    });
    const { code } = await dlq('redrive', dead, '--rate', '10000');
    expect(code).toBe(0);
    expect(await count(queue, dead)).toBe(0);
    expect(await queue.messages()).toBe(60);
  });

  test('ends in order on a signal, and says that it was interrupted', async () => {
    await using place = await deadQueue(5);
    const { queue, dead } = place;
    await using program = penstock(['dlq', 'redrive', dead, '--rate', '0.1'], { NATS_URL: server.url });
    await until(async () => (await count(queue, dead)) === 4);
    program.child.kill('SIGINT');
    expect(await program.ended).toBe(1);
    expect(program.stdout()).toBe('1 redriven; interrupted: the others are untouched\n');
    expect([await count(queue, dead), await queue.messages()]).toEqual([4, 1]);
  });

  test('purges what the filter names, and all only when told so', async () => {
    await using place = await deadQueue(3);
    const { queue, dead } = place;
    const careless = await dlq('purge', dead);
    expect(careless).toMatchObject({ code: 2 });
    expect(careless.stderr).toContain('--all');
    expect(await dlq('purge', dead, '--older-than', '1d')).toMatchObject({ code: 0, stdout: '0 purged\n' });
    expect(await dlq('purge', dead, '--sequence', '1')).toMatchObject({ code: 0, stdout: '1 purged\n' });
    expect(await dlq('purge', dead, '--all', '--dry-run')).toMatchObject({ stdout: '2 would be purged\n' });
    expect(await dlq('purge', dead, '--all')).toMatchObject({ code: 0, stdout: '2 purged\n' });
    expect(await count(queue, dead)).toBe(0);
  });

  test('refuses letters that cannot go back, keeps them, and goes on', async () => {
    await using place = await deadQueue(1);
    const { queue, dead } = place;
    const forged = headers();
    forged.set('Penstock-Origin-Stream', queue.stream);
    forged.set('Penstock-Origin-Consumer', 'work');
    forged.set('Penstock-Origin-Sequence', '1');
    for (const subject of [
      `$JS.API.STREAM.DELETE.${queue.stream}`,
      'nobody.listens',
      `dead.${queue.stream}`,
    ]) {
      forged.set('Penstock-Origin-Subject', subject);
      await queue.js.publish(`dead.${queue.stream}`, 'forged', { headers: forged });
    }
    await queue.js.publish(`dead.${queue.stream}`, 'foreign');
    const { code, stdout, stderr } = await dlq('redrive', dead);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '1 redriven, 4 refused and kept\n' });
    expect(stderr).toMatch(/where no job can come from[^]*no stream listens there[^]*expected stream/);
    expect(stderr).toContain('no worker wrote it');
    expect(await count(queue, dead)).toBe(4);
    expect(await queue.messages()).toBe(1);
  });

  const wrong: Record<string, { args: string[]; code: number; says: RegExp }> = {
    'a stream that is not there': {
      args: ['list', 'NOPE'],
      code: 1,
      says: /NoDeadLetterStream: there is no stream NOPE; .*PENSTOCK_DEAD_LETTER_STREAM/,
    },
    'a stream name that is none': {
      args: ['list', 'a.>'],
      code: 2,
      says: /"a\.>" is not a name without blanks, dots, wildcards and slashes/,
    },
    'an age that is none': {
      args: ['list', 'X', '--older-than', 'long'],
      code: 2,
      says: /"long" is not an age/,
    },
    'a number that is none': { args: ['show', 'X', 'last'], code: 2, says: /"last" is not a whole number/ },
    'a rate that is none': {
      args: ['redrive', 'X', '--rate', '0'],
      code: 2,
      says: /"0" is not a number a second/,
    },
  };
  test.each(Object.entries(wrong))('says what is wrong with %s', async (_, { args, code, says }) => {
    const result = await dlq(...args);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(says);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test('says so when a letter is not there', async () => {
    await using place = await deadQueue(1);
    const { code, stderr } = await dlq('show', place.dead, '9');
    expect(code).toBe(1);
    expect(stderr).toContain(`NoSuchLetter: stream ${place.dead} has no message 9`);
  });
});
