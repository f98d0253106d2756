import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCommandHandler } from '../../../../worker/handle/command/command.ts';
import type { HandlerHost } from '../../../../worker/index.ts';
import { penstock } from '../../../builders/program.ts';
import { startNatsServer } from '../../../tools/natsServer.ts';
import type { NatsServer } from '../../../tools/natsServer.ts';
import { Queue, startWorker, until } from '../harness.ts';

let nats: NatsServer;
let folder: string;
beforeAll(async () => {
  nats = await startNatsServer();
  folder = await mkdtemp(join(tmpdir(), 'penstock-command-'));
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const backoff = { baseMs: 1, maxMs: 5 };

const shell = (script: string, killGraceMs = 200): Promise<HandlerHost> =>
  openCommandHandler({
    program: 'sh',
    args: ['-c', script],
    environment: { PATH: process.env['PATH'], FOLDER: folder },
    killGraceMs,
  });

const read = (file: string): Promise<string> => readFile(join(folder, file), 'utf8').catch(() => '');

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a job goes to a command', () => {
  test('with its payload on stdin and its metadata in the environment', async () => {
    await using queue = await Queue.create(nats.url);
    const own = headers();
    own.set('X-Tenant', 'a "quoted" name');
    own.set('Nats-Msg-Id', 'first');
    const payload = 'x'.repeat(1_000_000);
    await queue.js.publish(`${queue.stream}.job`, payload, { headers: own });
    await using _ = await startWorker(
      queue.options(),
      await shell('wc -c > $FOLDER/size && env | grep ^PENSTOCK_JOB > $FOLDER/environment'),
    );
    await until(() => queue.isDone());
    expect((await read('size')).trim()).toBe('1000000');
    const variables = await read('environment');
    expect(variables).toContain(`PENSTOCK_JOB_SUBJECT=${queue.stream}.job\n`);
    expect(variables).toContain('PENSTOCK_JOB_KEY=first\n');
    expect(variables).toContain('"x-tenant":"a \\"quoted\\" name"');
    expect(variables).toMatch(/PENSTOCK_JOB_ATTEMPT=1\n/);
  });

  test('and its exit code says what becomes of it', async () => {
    await using queue = await Queue.create(nats.url);
    for (const code of [0, 65, 75, 1]) await queue.js.publish(`${queue.stream}.job`, `${code}`);
    const dead = { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` };
    await using worker = await startWorker(
      queue.options({ backoff, deadLetter: dead }),
      await shell('test $PENSTOCK_JOB_ATTEMPT = 1 || exit 0; echo the reason >&2; exit $(cat)'),
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 3, retried: 2, deadLettered: 1 });
    const letter = await queue.jsm.streams.getMessage(dead.stream, { seq: 1 });
    expect(letter?.header.get('Penstock-Error')).toMatch(/\/sh ended with exit code 65: the reason$/);
  });
});

describe('a command that misbehaves', () => {
  test('by dying of a signal fails its attempt', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    await using worker = await startWorker(
      queue.options({ backoff }),
      await shell('test $PENSTOCK_JOB_ATTEMPT = 1 || exit 0; kill -SEGV $$'),
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 1, retried: 1 });
  });

  test('by not reading its job has not failed', async () => {
    await using queue = await Queue.create(nats.url);
    for (let n = 0; n < 5; n += 1) await queue.js.publish(`${queue.stream}.job`, 'x'.repeat(500_000));
    await using worker = await startWorker(queue.options({ slots: 2 }), await shell('exec <&-; exit 0'));
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 5, retried: 0 });
  });

  test('by writing without end leaves only the end of it in the error', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    const dead = { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` };
    await using _ = await startWorker(
      queue.options({ deadLetter: dead }),
      await shell('i=0; while [ $i -lt 2000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 65'),
    );
    await until(() => queue.isDone());
    const error = (await queue.jsm.streams.getMessage(dead.stream, { seq: 1 }))?.header.get('Penstock-Error');
    expect(error).toMatch(/line 1999$/);
    expect(error).not.toContain('line 0\n');
  });

  test('by ignoring SIGTERM at its time limit is killed with all that it started', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    await using worker = await startWorker(
      queue.options({ jobTimeoutMs: 1_500, maxAttempts: 1 }),
      await shell(`trap 'echo term > $FOLDER/term' TERM; sleep 100 & echo $$ $! > $FOLDER/pids
                   while :; do sleep 1; done`),
    );
    await until(() => worker.stats().counters.deadLettered === 1);
    const pids = (await read('pids')).trim().split(' ').map(Number);
    expect(pids).toHaveLength(2);
    await until(() => !pids.some(isAlive));
    expect(await read('term')).toBe('term\n');
    expect(worker.stats()).toMatchObject({ stuck: 0, counters: { timedOut: 1 } });
  });

  test('by leaving a child behind has it taken away', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    // The child holds stderr open.
    await using _ = await startWorker(queue.options(), await shell('sleep 100 & echo $! > $FOLDER/child'));
    await until(() => queue.isDone());
    const pid = Number(await read('child'));
    expect(pid).toBeGreaterThan(1);
    await until(() => !isAlive(pid));
  });

  test('by going on at the end of the worker is killed, and its job handed back', async () => {
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    const worker = await startWorker(
      queue.options({ graceMs: 1_000 }),
      await shell(`trap '' TERM; echo $$ > $FOLDER/stubborn; while :; do sleep 1; done`, 60_000),
    );
    await until(async () => (await read('stubborn')) !== '');
    worker.stop();
    expect(await worker.done).toMatchObject({ handedBack: 1 });
    const pid = Number(await read('stubborn'));
    await until(() => !isAlive(pid));
  });
});

test('the command line takes a program with its options', async () => {
  await using queue = await Queue.create(nats.url);
  await queue.publish(2);
  await using worker = penstock(
    ['worker', 'exec:sh', '-c', 'test "$0" = --fast && cat > $FOLDER/cli', '--fast'],
    {
      NATS_URL: nats.url,
      FOLDER: folder,
      PENSTOCK_STREAM: queue.stream,
      PENSTOCK_CONSUMER: queue.consumer,
      PENSTOCK_HTTP_PORT: 'off',
    },
  );
  await until(() => queue.isDone());
  expect(await read('cli')).toBe('1');
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
});

test('arguments for what takes none are refused', async () => {
  await using worker = penstock(['worker', 'https://host/', '--fast'], {
    PENSTOCK_STREAM: 'S',
    PENSTOCK_CONSUMER: 'C',
  });
  expect(await worker.ended).toBe(2);
  expect(worker.stderr()).toMatch(/InvalidHandler: https:\/\/host\/ takes no arguments \(given: --fast\)/);
});

test('threads for what is no module are refused', async () => {
  await using worker = penstock(['worker', 'exec:cat'], {
    PENSTOCK_STREAM: 'S',
    PENSTOCK_CONSUMER: 'C',
    PENSTOCK_HANDLER_THREADS: 'true',
  });
  expect(await worker.ended).toBe(2);
  expect(worker.stderr()).toContain('only a module runs in threads; leave it out for exec:cat');
});

test('a program that is not there is named before the worker starts', async () => {
  const settings = { args: [], environment: { PATH: '/usr/bin:/bin' }, killGraceMs: 1 };
  await expect(openCommandHandler({ program: 'no-such-program', ...settings })).rejects.toThrow(
    'no program "no-such-program" on PATH (/usr/bin:/bin)',
  );
  const plain = join(folder, 'plain.txt');
  await writeFile(plain, 'not a program');
  await expect(openCommandHandler({ program: plain, ...settings })).rejects.toThrow(
    /check the path and its mode/,
  );
});
