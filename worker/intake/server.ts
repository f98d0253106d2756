import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PenstockError, toError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { Stored } from '../produce/wire.ts';
import { Refusal } from './refusal.ts';

// Importing node:http evaluates its lazy exports, among them a whole WebSocket client: 12 MB and 50 ms.
const { createServer } = process.getBuiltinModule('node:http');

/** A sender that is slower than that is cut off: it holds a place. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
/** Connections wait for nothing and cost little, but not nothing. */
const connectionsPerPlace = 20;

export type Answered = { readonly status: number; readonly ms: number };

export type IntakeServer = {
  readonly port: number;
  /** Accepts no more, and resolves when all that is under way has been answered. */
  drain(): Promise<void>;
  /** Cuts off what is still under way. */
  close(): void;
};

/**
 * The HTTP side: every request gets exactly one answer, JSON with what was stored or why not.
 *
 * @throws PenstockError `PortInUse`, or `HttpListenFailed`.
 */
export async function serveIntake(
  { host, port, maxInFlight }: { readonly host: string; readonly port: number; readonly maxInFlight: number },
  take: (request: IncomingMessage) => Promise<Stored>,
  onAnswer: (answered: Answered) => void,
  log: Logger,
): Promise<IntakeServer> {
  const server = createServer((request, response) => {
    const startMs = performance.now();
    const answered = (status: number): void => onAnswer({ status, ms: performance.now() - startMs });
    // A connection that is used all the time is never idle, and would outlast the drain.
    const sayGoodbye = (): void => {
      if (!server.listening) response.setHeader('connection', 'close');
    };
    take(request)
      .finally(sayGoodbye)
      .then(
        (stored) => answered(send(response, 202, stored)),
        (error: unknown) => answered(refuse(request, response, error, log)),
      );
  });
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = requestTimeoutMs;
  server.maxConnections = connectionsPerPlace * maxInFlight;
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port, // A TCP server that listens has one.
    async drain() {
      const closed = once(server, 'close');
      // Idle ones are closed by this, and the others after their answer.
      server.close();
      await closed;
    },
    close: () => server.closeAllConnections(),
  };
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown, log: Logger): number {
  if (!(error instanceof Refusal)) {
    log.error({ err: error }, 'a request failed');
    return send(response, 500, { error: 'the intake failed; its log says how' });
  }
  const { status, message, retryAfterSeconds } = error;
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', `${retryAfterSeconds}`);
  if (status === 405) response.setHeader('allow', 'POST');
  // What is left of the body will not be read.
  if (!request.complete) response.setHeader('connection', 'close');
  return send(response, status, { error: message });
}

function send(response: ServerResponse, status: number, body: object): number {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
  return status;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'; // All that listen() rejects with.
    throw new PenstockError(
      inUse ? 'PortInUse' : 'HttpListenFailed',
      inUse
        ? `port ${port} on ${host} is in use; free it, or set PENSTOCK_INTAKE_PORT to another (0 takes a free one)`
        : `listening on ${host}:${port} failed: ${toError(error).message}`,
      { cause: error },
    );
  }
}
