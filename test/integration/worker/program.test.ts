import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import { freePort } from '../../tools/serverProcess.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnProgram, spawnWorker, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const names = { PENSTOCK_STREAM: 'S', PENSTOCK_CONSUMER: 'C', PENSTOCK_HTTP_PORT: 'off' };

describe('the worker program says in one line what is wrong, and fails', () => {
  const cases: Record<
    string,
    { file: string; environment: Record<string, string>; code: number; line: RegExp }
  > = {
    'no handler there': {
      file: '/nowhere/handler.ts',
      environment: names,
      code: 2,
      line: /^penstock worker: HandlerNotFound: no handler module at \/nowhere\/handler\.ts/,
    },
    'a handler that throws at load': {
      file: fixture('throwsAtLoad.ts'),
      environment: names,
      code: 1,
      line: /^penstock worker: HandlerFailedToLoad: loading .*throwsAtLoad\.ts failed: no database configured\n$/,
    },
    'a module without a default export': {
      file: fixture('noDefault.ts'),
      environment: names,
      code: 2,
      line: /^penstock worker: HandlerNotAFunction: .*noDefault\.ts has no default export/,
    },
    'settings that do not fit': {
      file: fixture('record.ts'),
      environment: { ...names, PENSTOCK_SLOTS: '-1' },
      code: 2,
      line: /^penstock worker: InvalidConfiguration: invalid settings\n {2}PENSTOCK_SLOTS=-1: must be a whole number/,
    },
    'no settings at all': {
      file: fixture('record.ts'),
      environment: {},
      code: 2,
      line: /^penstock worker: InvalidConfiguration: invalid settings\n {2}PENSTOCK_STREAM: is required\n/,
    },
    'settings that contradict each other': {
      file: fixture('record.ts'),
      environment: { ...names, PENSTOCK_DEAD_LETTER_STREAM: 'S' },
      code: 2,
      line: /^penstock worker: InvalidOptions: deadLetter\.stream is "S"/,
    },
  };
  for (const [name, { file, environment, code, line }] of Object.entries(cases)) {
    test(name, async () => {
      await using program = spawnProgram(file, environment);
      expect(await program.exit).toEqual({ code, signal: null });
      expect(program.stderr()).toMatch(line);
    });
  }

  test('a port in use', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const address = occupant.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await using program = spawnProgram(fixture('record.ts'), {
      ...names,
      PENSTOCK_HTTP_PORT: `${port}`,
      PENSTOCK_HTTP_HOST: '127.0.0.1',
    });
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toMatch(new RegExp(`^penstock worker: PortInUse: port ${port}`));
    occupant.close();
  });

  test('a consumer that does not fit', async () => {
    await using queue = await Queue.create(server.url, { consumer: { deliver_subject: 'elsewhere' } });
    await using program = spawnWorker(queue, 'record.ts');
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toMatch(
      /^penstock worker: ConsumerUnfit: consumer work of stream \w+ does not fit: .*push/,
    );
  });
});

describe('the worker program', () => {
  test('finishes its jobs at SIGTERM and exits 0', async () => {
    await using queue = await Queue.create(server.url);
    for (let n = 0; n < 4; n += 1) await queue.js.publish(`${queue.stream}.job`, '300');
    await using program = spawnWorker(queue, 'record.ts', { PENSTOCK_SLOTS: '4' });
    await until(() => program.lines.filter((line) => line.startsWith('RUN start')).length === 4);
    program.child.kill('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.lines.filter((line) => line.startsWith('RUN end'))).toHaveLength(4);
    expect(await queue.isDone()).toBe(true);
  });

  test('hands its jobs back at the second signal and exits 0', async () => {
    await using queue = await Queue.create(server.url);
    await queue.js.publish(`${queue.stream}.job`, '60000');
    await using program = spawnWorker(queue, 'record.ts');
    await until(() => program.lines.some((line) => line.startsWith('RUN start')));
    program.child.kill('SIGTERM');
    await until(() => program.lines.some((line) => line.includes('"draining"')));
    program.child.kill('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    await using peer = spawnWorker(queue, 'record.ts');
    await until(() => peer.lines.some((line) => line.startsWith('RUN start 1 2')));
  });

  test('exits 0 at SIGTERM while NATS is not there', async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    await using program = spawnProgram(fixture('record.ts'), { ...names, NATS_URL: url });
    await until(() => program.lines.some((line) => line.includes('NATS is not there yet')));
    program.child.kill('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
  });

  test('lives on when a handler leaves a promise rejected', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(3);
    await using program = spawnWorker(queue, 'stray.ts');
    await until(() => program.lines.filter((line) => line.includes('StrayRejection')).length === 3);
    await until(() => queue.isDone());
    program.child.kill('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
  });

  test('gives its jobs back and ends when a handler throws where nobody catches', async () => {
    await using queue = await Queue.create(server.url);
    await queue.publish(1);
    await using program = spawnWorker(queue, 'throwsInTimer.ts', { PENSTOCK_GRACE_SECONDS: '0.5' });
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(program.lines.some((line) => line.includes('StrayException'))).toBe(true);
    expect(await queue.messages()).toBe(1);
    await using _ = await startWorker(queue.options(), () => undefined);
    await until(() => queue.isDone());
  });

  test('that a job takes down loses no job', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 500 * 1e6 } });
    await queue.publish(1);
    await using first = spawnWorker(queue, 'exit.ts');
    expect(await first.exit).toEqual({ code: null, signal: 'SIGKILL' });
    await using second = spawnWorker(queue, 'exit.ts');
    await until(() => queue.isDone());
    expect(await queue.messages()).toBe(0);
    second.child.kill('SIGTERM');
    await second.exit;
    expect(second.lines.filter((line) => line.startsWith('RUN'))).toEqual(['RUN start 1 2']);
  });

  test('leaves a job alone whose lease ended while the process was stopped', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 600 * 1e6 } });
    for (const ms of ['300', '300']) await queue.js.publish(`${queue.stream}.job`, ms);
    await using frozen = spawnWorker(queue, 'record.ts', { PENSTOCK_PREFETCH: '1', PENSTOCK_HTTP_PORT: '0' });
    await until(() => frozen.lines.some((line) => line.startsWith('RUN start 1 1')));
    frozen.child.kill('SIGSTOP');
    await using peer = spawnWorker(queue, 'record.ts');
    await until(async () => (await queue.messages()) === 0 && (await queue.isDone()));
    await until(() => peer.lines.filter((line) => line.startsWith('RUN end')).length === 2);
    frozen.child.kill('SIGCONT');
    await until(() => frozen.lines.some((line) => /RUN (end|aborted) 1 1/.test(line)));
    frozen.child.kill('SIGTERM');
    expect(await frozen.exit).toEqual({ code: 0, signal: null });
    // The buffered one has not even started, and nothing was said about either.
    expect(frozen.lines.filter((line) => line.startsWith('RUN start'))).toHaveLength(1);
    expect(frozen.lines.at(-1)).toContain('"succeeded":0,"handedBack":0');
  });

  test('survives a handler that blocks its event loop beyond ack_wait', async () => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 400 * 1e6 } });
    await queue.js.publish(`${queue.stream}.job`, '1200');
    await using blocked = spawnWorker(queue, 'block.ts');
    await until(() => blocked.lines.some((line) => line.startsWith('RUN start 1 1')));
    await using peer = spawnWorker(queue, 'block.ts');
    // Its first run was not acked, so whoever is first runs it again; a delivery that reached the blocked worker was
    // over before it was read, and does not count.
    await until(() =>
      [...blocked.lines, ...peer.lines].some((line) => /^RUN start 1 ([2-9]|\d\d)/.test(line)),
    );
    await until(() => queue.isDone());
    blocked.child.kill('SIGTERM');
    expect(await blocked.exit).toEqual({ code: 0, signal: null });
  });
});
