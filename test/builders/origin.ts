import { once } from 'node:events';
import { createServer } from 'node:http';

export type Origin = AsyncDisposable & { readonly url: string; calls(): number };

/** An HTTP server that counts its calls, and answers `the page` when it is let. */
export async function serveOrigin(answer: () => Promise<void>): Promise<Origin> {
  let calls = 0;
  const http = createServer((_request, response) => {
    calls += 1;
    void answer().then(() => response.end('the page'));
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((closed) => http.close(closed));
    },
  };
}
