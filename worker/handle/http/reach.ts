import { connect } from 'node:net';

/**
 * Tries whether a server accepts connections; no request is sent, which might mean something to it.
 *
 * @returns undefined when it does, else why not.
 */
export function explainUnreachable(url: URL, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    // A URL spells IPv6 addresses in brackets.
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (why: string | undefined): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end(`no connection within ${timeoutMs} ms`));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
