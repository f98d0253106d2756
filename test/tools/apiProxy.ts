import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as forward } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { ApiServer } from './apiServer.ts';

/** Answers instead of the API server, or returns false to let the request pass. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export type ApiProxy = AsyncDisposable &
  Pick<ApiServer, 'url' | 'certificate' | 'tokens'> & {
    /** Takes the place of the fault before; none at first. */
    setFault: (fault: Fault) => void;
  };

/** Stands before an API server, without TLS, and can answer in its place. */
export async function startApiProxy(api: ApiServer): Promise<ApiProxy> {
  const ca = await api.certificate();
  let isFaulty: Fault = () => false;
  const server = createServer((request, response) => {
    if (isFaulty(request, response)) return void request.resume();
    const { method = 'GET', headers, url = '/' } = request;
    const upstream = forward(new URL(url, api.url), { method, headers, ca }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      // A watch without news must be open all the same.
      response.flushHeaders();
      pipeline(answer, response, () => undefined);
    });
    upstream.on('error', () => response.destroy());
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // A TCP server that listens has one.
    certificate: api.certificate,
    tokens: api.tokens,
    setFault(fault) {
      isFaulty = fault;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
