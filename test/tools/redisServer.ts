/** A real Redis on loopback, for peers of benchmarks; gone after disposal. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, packagedPath, serverProcess } from './serverProcess.ts';

export type DatabaseServer = AsyncDisposable & { readonly url: string };

export async function startRedisServer(): Promise<DatabaseServer> {
  const program = packagedPath('PENSTOCK_REDIS_SERVER', 'redis-server');
  const folder = await mkdtemp(join(tmpdir(), 'penstock-redis-'));
  const port = await freePort();
  const server = serverProcess({
    name: 'redis-server',
    program,
    // Like JetStream's file store: on disk at once, flushed by and by.
    args: [
      ...['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder],
      ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'],
    ],
    isReady: () => answersPing(port),
  });
  const dispose = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await server.start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, [Symbol.asyncDispose]: dispose };
}

async function answersPing(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString().startsWith('+PONG');
  } finally {
    socket.destroy();
  }
}
