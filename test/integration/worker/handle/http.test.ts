import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openHttpHandler } from '../../../../worker/handle/http/http.ts';
import { startNatsServer } from '../../../tools/natsServer.ts';
import type { NatsServer } from '../../../tools/natsServer.ts';
import { freePort } from '../../../tools/serverProcess.ts';
import { Queue, beginWorker, startWorker, until } from '../harness.ts';

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(() => nats[Symbol.asyncDispose]());

type Sidecar = AsyncDisposable & { readonly url: string; readonly sockets: ReadonlySet<Socket> };

async function listening(server: Server, port = 0): Promise<Sidecar> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jobs`, // It listens on TCP.
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const serving = (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Sidecar> =>
  listening(createHttpServer(answer));

const backoff = { baseMs: 1, maxMs: 5 };

describe('a job goes to an HTTP handler', () => {
  test('with payload and metadata, over few connections', async () => {
    const seen: { body: string; headers: IncomingMessage['headers']; method: string; url: string }[] = [];
    let connections = 0;
    const server = createHttpServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        const { headers: given, method = '', url = '' } = request;
        seen.push({ body, headers: given, method, url });
        response.end('thank you');
      });
    });
    server.on('connection', () => (connections += 1));
    await using sidecar = await listening(server);
    await using queue = await Queue.create(nats.url);
    const own = headers();
    own.set('X-Tenant', 'acme');
    own.set('Nats-Msg-Id', 'first');
    await queue.js.publish(`${queue.stream}.job`, 'hello', { headers: own });
    await queue.publish(50, 100);
    await using _ = await startWorker(queue.options({ slots: 4 }), openHttpHandler(`${sidecar.url}?v=2`));
    await until(() => queue.isDone());
    expect(seen).toHaveLength(51);
    expect(seen.find(({ body }) => body === 'hello')).toMatchObject({
      method: 'POST',
      url: '/jobs?v=2',
      headers: {
        'idempotency-key': 'first',
        'penstock-header-x-tenant': 'acme',
        'penstock-sequence': '1',
        'penstock-attempt': '1',
        'penstock-subject': `${queue.stream}.job`,
      },
    });
    // Kept from job to job: about one a slot, not one a job.
    expect(connections).toBeLessThan(20);
  });

  test('and its status says what becomes of it', async () => {
    const statuses = [204, 422, 500, 429, 404];
    const attempts: number[] = [0, 0, 0, 0, 0];
    await using sidecar = await serving((request, response) => {
      const index = Number(request.headers['penstock-sequence']) - 1;
      const attempt = (attempts[index] ?? 0) + 1;
      attempts[index] = attempt;
      response.writeHead(attempt === 1 ? (statuses[index] ?? 0) : 200, { 'retry-after': '0' });
      response.end(`answer to ${index}`);
    });
    await using queue = await Queue.create(nats.url);
    await queue.publish(5);
    const dead = { stream: `DEAD_${queue.stream}`, subject: `dead.${queue.stream}` };
    await using worker = await startWorker(
      queue.options({ backoff, deadLetter: dead }),
      openHttpHandler(sidecar.url),
    );
    await until(() => queue.isDone());
    expect(attempts).toEqual([1, 1, 2, 2, 2]);
    expect(worker.stats().counters).toMatchObject({ succeeded: 4, retried: 3, deadLettered: 1 });
    const letter = await queue.jsm.streams.getMessage(dead.stream, { seq: 1 });
    expect(letter?.header.get('Penstock-Error')).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+ answered 422: answer to 1$/,
    );
  });
});

describe('an HTTP handler that misbehaves costs attempts, and nothing else', () => {
  const garbage: Record<string, (socket: Socket) => void> = {
    'answers in no protocol': (socket) => void socket.end('this is not HTTP\r\n\r\n'),
    'closes without a word': (socket) => void socket.destroy(),
    'breaks off in its headers': (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-le'),
    'sends headers without end': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const line = `x-filler: ${'y'.repeat(1_000)}\r\n`;
      const pump = (): void => {
        while (!socket.destroyed && socket.write(line));
      };
      socket.on('drain', pump);
      pump();
    },
    'breaks off in its refusal': (socket) =>
      void socket.end('HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nhalf'),
    'explains its failure without end': (socket) => {
      socket.write('HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n');
      const chunk = `3e8\r\n${'z'.repeat(1_000)}\r\n`;
      const pump = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pump);
      pump();
    },
  };
  test.each(Object.entries(garbage))('%s', async (_, answer) => {
    let requests = 0;
    await using sidecar = await listening(
      createServer((socket) => {
        socket.once('data', () => {
          requests += 1;
          if (requests <= 2) answer(socket);
          else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
        });
      }),
    );
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    await using worker = await startWorker(queue.options({ backoff }), openHttpHandler(sidecar.url));
    await until(() => queue.isDone());
    expect(requests).toBe(3);
    expect(worker.stats().counters).toMatchObject({ succeeded: 1, retried: 2 });
  });

  test('that says yes and never ends its answer has said yes', async () => {
    await using sidecar = await serving((_request, response) => {
      response.writeHead(200);
      const pump = (): void => {
        while (!response.destroyed && response.write('y'.repeat(10_000)));
      };
      response.on('drain', pump);
      pump();
    });
    await using queue = await Queue.create(nats.url);
    await queue.publish(3);
    await using worker = await startWorker(queue.options(), openHttpHandler(sidecar.url));
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ succeeded: 3, retried: 0 });
    await until(() => sidecar.sockets.size === 0);
  });

  test('that never answers loses its request at the time limit', async () => {
    await using sidecar = await serving(() => undefined);
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    await using worker = await startWorker(
      queue.options({ jobTimeoutMs: 300, maxAttempts: 1 }),
      openHttpHandler(sidecar.url),
    );
    await until(() => sidecar.sockets.size === 1);
    await until(() => worker.stats().counters.deadLettered === 1);
    await until(() => sidecar.sockets.size === 0);
    expect(worker.stats()).toMatchObject({ stuck: 0, counters: { timedOut: 1 } });
  });
});

describe('an HTTP handler that is not there', () => {
  test('is waited for before the first job is asked for', async () => {
    const port = await freePort();
    await using queue = await Queue.create(nats.url);
    await queue.publish(1);
    await using worker = await beginWorker(queue.options(), openHttpHandler(`http://127.0.0.1:${port}/jobs`));
    // Heartbeats of a worker that waits say so.
    await until(() => worker.stats().state === 'starting');
    expect((await queue.info()).delivered.consumer_seq).toBe(0);
    await using _ = await listening(
      createHttpServer((_request, response) => void response.end()),
      port,
    );
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ deliveries: 1, succeeded: 1 });
  });

  test('does not keep the worker from stopping', async () => {
    await using queue = await Queue.create(nats.url);
    const host = openHttpHandler(`http://127.0.0.1:${await freePort()}`);
    const waiting = Promise.withResolvers<undefined>();
    await using worker = await beginWorker(queue.options(), {
      ...host,
      prepare: (...args) => {
        waiting.resolve(undefined);
        return host.prepare(...args);
      },
    });
    await waiting.promise;
    worker.stop();
    expect(await worker.done).toMatchObject({ clean: true });
  });

  test('for a moment, as when it restarts, costs no attempt', async () => {
    await using queue = await Queue.create(nats.url);
    const answer = (_request: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(200, { connection: 'close' }).end();
    };
    const first = await serving(answer);
    const port = Number(new URL(first.url).port);
    await using worker = await startWorker(queue.options({ slots: 2 }), openHttpHandler(first.url));
    await queue.publish(4);
    await until(() => queue.isDone());
    await first[Symbol.asyncDispose]();
    await queue.publish(2, 10);
    await until(() => worker.stats().busy === 2);
    await using _ = await listening(createHttpServer(answer), port);
    await until(() => queue.isDone());
    expect(worker.stats().counters).toMatchObject({ deliveries: 6, succeeded: 6, retried: 0 });
  });
});

test.each(['http://', 'http://user:secret@host/', 'https://host/#part'])('%s is refused', (address) => {
  expect(() => openHttpHandler(address)).toThrow(/must look like http:\/\/HOST:PORT\/PATH/);
});
