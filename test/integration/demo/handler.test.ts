import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openBroker } from '../../../demo/broker.ts';
import { followJobLog } from '../../../demo/jobLog.ts';
import { startNatsServer } from '../../tools/natsServer.ts';

const queue = {
  stream: 'TOKENS',
  consumer: 'generate-tokens',
  deadLetterStream: 'TOKENS_DEAD',
  maxReplicas: 1,
  slots: 4,
};

test('the handler notes what it runs, and gives up what is no request', async () => {
  await using server = await startNatsServer();
  await using broker = await openBroker(server.url, queue);
  await using folder = await temporaryFolder();
  await using _worker = startWorker(server.url, folder.path);
  await broker.publish('good', '{"id":"good","serviceMs":30}');
  await broker.publish('bad', '{"id":"bad","serviceMs":"long"}');
  const log = followJobLog(folder.path);
  while ((await broker.unresolvedJobs()) > 0) await sleep(20);
  await log.readNew();
  expect(log.records).toMatchObject([
    { event: 'start', id: 'good', attempt: 1 },
    { event: 'end', id: 'good', attempt: 1 },
  ]);
  expect(await broker.deadLetters()).toEqual(new Set(['bad']));
});

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'penstock-handler-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

function startWorker(url: string, logFolder: string): AsyncDisposable {
  const worker = spawn(process.execPath, ['cli/main.ts', 'worker', 'examples/handlers/generate-tokens.ts'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      NATS_URL: url,
      PENSTOCK_STREAM: queue.stream,
      PENSTOCK_CONSUMER: queue.consumer,
      PENSTOCK_DEAD_LETTER_STREAM: queue.deadLetterStream,
      PENSTOCK_DEMO_LOG: logFolder,
      PENSTOCK_HTTP_PORT: '0',
    },
  });
  const exited = once(worker, 'exit');
  return {
    async [Symbol.asyncDispose]() {
      worker.kill('SIGTERM');
      await exited;
    },
  };
}
