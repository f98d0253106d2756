import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { PenstockError } from '#common/errors.ts';

const pollMs = 10;
const startTimeoutMs = 30_000;
const stderrTailChars = 2_000;

export type NatsServerOptions = {
  /** Path of nats-server, 2.12.3 or later. Default: the one on PATH. */
  readonly program?: string;
};

export type TestNatsServer = AsyncDisposable & {
  /** For `nats: { servers: [url] }`. */
  readonly url: string;
};

const portsSchema = z.object({ nats: z.array(z.string()).min(1) });

/**
 * Starts a nats-server with JetStream on a free port of the loopback, with a store of its own. It is gone after
 * disposal, and with this process.
 *
 *   await using nats = await startNatsServer();
 *
 * @throws PenstockError `NatsServerNotFound`, `NatsServerFailed`.
 */
export async function startNatsServer({
  program = 'nats-server',
}: NatsServerOptions = {}): Promise<TestNatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-nats-'));
  const child = spawn(
    program,
    ['-a', '127.0.0.1', '-p', '-1', '-js', '-sd', folder, '--ports_file_dir', folder],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const dispose = async (): Promise<void> => {
    process.off('exit', endWithUs);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    return { url: await readUrl(child, program, folder), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The server writes the file once it listens. */
async function readUrl(child: ChildProcess, program: string, folder: string): Promise<string> {
  const failed = watchFailure(child, program);
  const endMs = performance.now() + startTimeoutMs;
  while (performance.now() < endMs) {
    const text = await Promise.race([
      failed,
      readFile(join(folder, `nats-server_${child.pid ?? 0}.ports`), 'utf8').catch(() => ''),
    ]);
    // It may be half written.
    if (text.trimEnd().endsWith('}')) return portsSchema.parse(JSON.parse(text)).nats[0] ?? '';
    await delay(pollMs);
  }
  throw new PenstockError('NatsServerFailed', `${program} was not ready within ${startTimeoutMs} ms`);
}

function watchFailure(child: ChildProcess, program: string): Promise<never> {
  let tail = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-stderrTailChars);
  });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) =>
      reject(
        new PenstockError(
          'NatsServerNotFound',
          `${program} cannot be started: install nats-server 2.12.3 or later, or name one by \`program\``,
          { cause },
        ),
      ),
    );
    child.once('exit', (code) =>
      reject(new PenstockError('NatsServerFailed', `${program} ended with ${code ?? 'a signal'}:\n${tail}`)),
    );
  });
  failed.catch(() => undefined);
  return failed;
}
