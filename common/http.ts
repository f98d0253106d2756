import type { AddressInfo } from 'node:net';
import { PenstockError, toError } from './errors.ts';

// Importing node:http evaluates its lazy exports, among them a whole WebSocket client: 12 MB and 50 ms.
const { createServer } = process.getBuiltinModule('node:http');
const { pipeline } = process.getBuiltinModule('node:stream/promises');

export type Reply = { readonly status: number; readonly contentType: string; readonly body: string };
/** One that is long: its pieces are made as fast as they are read. */
export type LongReply = Omit<Reply, 'body'> & { readonly pieces: AsyncIterable<string> };
/** GET handlers by exact path, or by all paths below one (`/pools/*`): these get the rest of the path. */
export type Routes = Readonly<Record<string, (rest: string) => Reply | LongReply | Promise<Reply>>>;
export type HttpServer = AsyncDisposable & { readonly port: number };

/**
 * The small server behind /metrics and the probes: GET only, no request body is read.
 *
 * @param port 0 takes a free one.
 * @throws PenstockError `PortInUse`, or `HttpListenFailed`.
 */
export async function serveHttp(host: string, port: number, routes: Routes): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const found = request.method === 'GET' ? find(routes, path) : undefined;
    const answer = async (reply: Reply | LongReply): Promise<void> => {
      response.writeHead(reply.status, { 'content-type': reply.contentType });
      if ('body' in reply) response.end(reply.body);
      // Whoever asked has gone, or the rest cannot be made: either way the answer ends unfinished.
      else await pipeline(reply.pieces, response).catch(() => response.destroy());
    };
    if (found === undefined) {
      void answer(text(404, `nothing at ${path}; try ${Object.keys(routes).join(', ')}\n`));
      return;
    }
    void Promise.resolve()
      .then(() => found.route(found.rest))
      .then(answer, (error: unknown) => answer(text(500, `${toError(error).message}\n`)));
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      reject(
        new PenstockError(
          inUse ? 'PortInUse' : 'HttpListenFailed',
          inUse
            ? `port ${port} on ${host} is in use; free it, or set another port (0 takes a free one)`
            : `listening on ${host}:${port} failed: ${error.message}`,
          { cause: error },
        ),
      );
    });
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo; // A TCP server that listens has one.
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function find(
  routes: Routes,
  path: string,
): { readonly route: Routes[string]; readonly rest: string } | undefined {
  const exact = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (exact !== undefined) return { route: exact, rest: '' };
  const below = Object.entries(routes).find(
    ([key]) => key.endsWith('/*') && path.startsWith(key.slice(0, -1)),
  );
  return below === undefined ? undefined : { route: below[1], rest: path.slice(below[0].length - 1) };
}

export const json = (status: number, body: unknown): Reply => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(body)}\n`,
});

export const text = (status: number, body: string): Reply => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body,
});
