import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { headers } from '@nats-io/transport-node';
import { Client } from 'pg';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromRoot, penstock } from '../../builders/program.ts';
import type { Program } from '../../builders/program.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { startPostgresServer } from '../../tools/postgresServer.ts';
import { freePort } from '../../tools/serverProcess.ts';
import { Queue, until } from '../worker/harness.ts';

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(() => nats[Symbol.asyncDispose]());

const dead = (queue: Queue): string => `DEAD_${queue.stream}`;

/** `penstock worker` with a handler of examples/handlers, or any other. */
function work(queue: Queue, handler: string, environment: Record<string, string> = {}): Program {
  return penstock(['worker', handler.includes(':') ? handler : fromRoot(`examples/handlers/${handler}`)], {
    NATS_URL: nats.url,
    PENSTOCK_STREAM: queue.stream,
    PENSTOCK_CONSUMER: queue.consumer,
    PENSTOCK_DEAD_LETTER_STREAM: dead(queue),
    PENSTOCK_DEAD_LETTER_SUBJECT: `dead.${queue.stream}`,
    PENSTOCK_BACKOFF_BASE_SECONDS: '0.05',
    PENSTOCK_HTTP_PORT: 'off',
    ...environment,
  });
}

async function deadLetters(queue: Queue): Promise<number> {
  return (await queue.jsm.streams.info(dead(queue))).state.messages;
}

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // It listens on TCP.
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('the fetcher asks each host no more often than it may, comes back when told, and gives up what is gone', async () => {
  const asked: { host: string; path: string; atMs: number }[] = [];
  await using site = await serve((request, response) => {
    const { host = '', ...rest } = request.headers;
    const path = request.url ?? '';
    asked.push({ host, path, atMs: performance.now() });
    expect(rest['user-agent']).toBe('penstock-example');
    const isFirst = asked.filter((earlier) => earlier.path === path).length === 1;
    if (path === '/gone') response.writeHead(410).end();
    else if (path === '/busy' && isFirst) response.writeHead(429, { 'retry-after': '0' }).end();
    else response.end(`page ${path}`);
  });
  await using queue = await Queue.create(nats.url);
  await using pages = await Queue.create(nats.url);
  const hosts = [`127.0.0.1:${site.port}`, `localhost:${site.port}`];
  for (const path of ['/1', '/2', '/3', '/4', '/busy', '/gone']) {
    for (const host of path.length === 2 ? hosts : hosts.slice(0, 1)) {
      const own = headers();
      own.set('host', host);
      await queue.js.publish(`${queue.stream}.job`, JSON.stringify({ url: `http://${host}${path}` }), {
        headers: own,
      });
    }
  }
  await queue.js.publish(`${queue.stream}.job`, JSON.stringify({ url: 'ftp://elsewhere/x' }));
  await using worker = work(queue, 'fetch.ts', {
    FETCH_TO: `${pages.stream}.new`,
    PENSTOCK_SLOTS: '8',
    PENSTOCK_KEY: 'header:host',
    PENSTOCK_KEY_RATE_PER_SECOND: '5',
  });
  await until(() => queue.isDone());
  expect(await pages.messages()).toBe(9);
  expect(await deadLetters(queue)).toBe(2);
  for (const host of hosts) {
    const times = asked.filter((request) => request.host === host).map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThanOrEqual(4);
    // Started each 200 ms; half of that leaves room for a first one that is slow to arrive, and none for no limit.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan((times.length - 1) * 100);
  }
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
});

test('thumbnails are made in threads, and what is no image is given up', async () => {
  await using queue = await Queue.create(nats.url);
  await using thumbnails = await Queue.create(nats.url);
  const image = new PNG({ width: 256, height: 128 });
  for (let at = 0; at < image.data.length; at += 4) {
    const isLeft = (at / 4) % 256 < 128;
    image.data.set(isLeft ? [255, 0, 0, 255] : [0, 0, 255, 255], at);
  }
  for (let n = 0; n < 10; n += 1) await queue.js.publish(`${queue.stream}.job`, PNG.sync.write(image));
  await queue.js.publish(`${queue.stream}.job`, 'no image');
  await using worker = work(queue, 'thumbnail.ts', {
    THUMBNAIL_TO: `${thumbnails.stream}.new`,
    PENSTOCK_HANDLER_THREADS: 'true',
    PENSTOCK_SLOTS: '2',
  });
  await until(() => queue.isDone());
  expect(await deadLetters(queue)).toBe(1);
  expect(await thumbnails.messages()).toBe(10);
  const message = await thumbnails.jsm.streams.getMessage(thumbnails.stream, { seq: 10 });
  const small = PNG.sync.read(Buffer.from(message?.data ?? []));
  expect([small.width, small.height]).toEqual([64, 32]);
  expect([...small.data.subarray(0, 4)]).toEqual([255, 0, 0, 255]);
  expect([...small.data.subarray(-4)]).toEqual([0, 0, 255, 255]);
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
});

test('rows reach the database many at a time, each once, and a wrong one fails alone', async () => {
  await using postgres = await startPostgresServer();
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(
    'create table measurements (key text primary key, sensor text, value float8, at timestamptz)',
  );
  await using queue = await Queue.create(nats.url);
  const row = (n: number): string => JSON.stringify({ sensor: 's', value: n, at: '2026-01-01T00:00:00Z' });
  await Promise.all(
    Array.from({ length: 3_000 }, (_, n) =>
      queue.js.publish(`${queue.stream}.job`, row(n), { msgID: `m${n}` }),
    ),
  );
  await queue.js.publish(`${queue.stream}.job`, '{"sensor":"s","value":"high"}');
  await queue.js.publish(`${queue.stream}.job`, 'no JSON');
  // One of them was written before, by a run that died before its ack.
  await client.query("insert into measurements values ('m7', 's', 7, '2026-01-01T00:00:00Z')");
  const before = await transactions(client);
  await using worker = work(queue, 'write-rows.ts', {
    DATABASE_URL: postgres.url,
    PENSTOCK_BATCH_SIZE: '1000',
    PENSTOCK_BATCH_WAIT_SECONDS: '0.1',
  });
  await until(() => queue.isDone());
  const { rows } = await client.query<{ count: string; sum: number }>(
    'select count(*), sum(value) from measurements',
  );
  expect(rows[0]).toEqual({ count: '3000', sum: (2_999 * 3_000) / 2 });
  expect(await deadLetters(queue)).toBe(2);
  // Far fewer transactions than rows.
  expect((await transactions(client)) - before).toBeLessThan(300);
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
  await client.end();
});

/** Transactions of the database so far, those of this client among them. */
async function transactions(client: Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    'select xact_commit as count from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.count);
}

test('a handler in Python counts words', async () => {
  await expect(
    promisify(execFile)('python3', ['--version']),
    'python3 is needed: install it',
  ).resolves.toBeDefined();
  const port = await freePort();
  const python = spawn('python3', [fromRoot('examples/handlers/count_words.py'), `${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let printed = '';
    python.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    await using queue = await Queue.create(nats.url);
    await queue.js.publish(`${queue.stream}.job`, 'three short words', { msgID: 'a' });
    await queue.js.publish(`${queue.stream}.job`, new Uint8Array([0xff, 0xfe]), { msgID: 'b' });
    await using worker = work(queue, `http://127.0.0.1:${port}/count`, { PENSTOCK_SLOTS: '2' });
    await until(() => queue.isDone());
    expect(await deadLetters(queue)).toBe(1);
    expect(printed).toBe('{"key": "a", "words": 3}\n');
    worker.child.kill('SIGTERM');
    expect(await worker.ended, worker.stderr()).toBe(0);
    python.kill('SIGTERM');
    expect(await once(python, 'exit')).toEqual([0, null]);
  } finally {
    python.kill('SIGKILL');
  }
});
