import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobsPage } from '../../../worker/report/jobSights.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, startWorker, until } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test('a worker whose memory passes the ceiling drains, exits 3, and loses no job', async () => {
  await using queue = await Queue.create(server.url);
  for (let n = 0; n < 40; n += 1) await queue.js.publish(`${queue.stream}.job`, '16');
  await using hoarder = spawnWorker(queue, 'hoard.ts', { PENSTOCK_MAX_MEMORY_MIB: '250' });
  expect(await hoarder.exit).toEqual({ code: 3, signal: null });
  const log = hoarder.lines.find((line) => line.includes('the memory passed its ceiling'));
  expect(JSON.parse(log ?? '{}')).toMatchObject({ maxMemoryMiB: 250 });
  await using next = await startWorker(queue.options(), () => undefined);
  await until(() => queue.isDone());
  const stopped = hoarder.lines.find((line) => line.includes('worker stopped'));
  const summary = JSON.parse(stopped ?? '{}') as { succeeded: number; cause: string; clean: boolean };
  expect(summary).toMatchObject({ cause: 'memory', clean: true });
  expect(summary.succeeded + next.stats().counters.succeeded).toBe(40);
});

test('SIGUSR2 writes a heap snapshot, of which three are kept', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-heap-'));
  await using queue = await Queue.create(server.url);
  await using worker = spawnWorker(queue, 'record.ts', { PENSTOCK_HEAP_SNAPSHOT_FOLDER: folder });
  await until(() => worker.lines.some((line) => line.includes('"running"')));
  const written = (): string[] => worker.lines.filter((line) => line.includes('wrote a heap snapshot'));
  for (let n = 1; n <= 4; n += 1) {
    worker.child.kill('SIGUSR2');
    await until(() => written().length === n);
  }
  const files = await readdir(folder);
  expect(files).toHaveLength(3);
  for (const file of files) {
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    const snapshot: unknown = JSON.parse(await readFile(join(folder, file), 'utf8'));
    expect(snapshot).toHaveProperty('snapshot.meta');
  }
  await queue.js.publish(`${queue.stream}.job`, '1');
  await until(() => worker.lines.some((line) => line.startsWith('RUN end')));
  await rm(folder, { recursive: true });
});

test('a folder that is not there is an error in the log, and nothing else', async () => {
  await using queue = await Queue.create(server.url);
  await using worker = spawnWorker(queue, 'record.ts', { PENSTOCK_HEAP_SNAPSHOT_FOLDER: '/nowhere/heap' });
  await until(() => worker.lines.some((line) => line.includes('"running"')));
  worker.child.kill('SIGUSR2');
  await until(() => worker.lines.some((line) => line.includes('no heap snapshot was written')));
  worker.child.kill('SIGTERM');
  expect(await worker.exit).toEqual({ code: 0, signal: null });
});

test('the metrics tell how busy the event loop is, its lag, and what is open', async () => {
  await using queue = await Queue.create(server.url);
  await using worker = await startWorker(
    queue.options({ http: { host: '127.0.0.1', port: 0 } }),
    () => undefined,
  );
  const scrape = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`)).text();
  const active = async (): Promise<number> =>
    Number(/^penstock_worker_event_loop_active_seconds_total (\S+)$/m.exec(await scrape())?.[1]);
  const before = await active();
  const endMs = performance.now() + 200;
  while (performance.now() < endMs);
  expect((await active()) - before).toBeGreaterThan(0.15);
  const body = await scrape();
  expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds \S+$/m);
  expect(body).toMatch(/^nodejs_active_resources\{type="TCPSocketWrap"\} [1-9]/m);
});

test('/debug/jobs shows what the worker holds, without payload, the longest running first', async () => {
  await using queue = await Queue.create(server.url);
  for (let n = 0; n < 3; n += 1) await queue.js.publish(`${queue.stream}.job`, 'a secret');
  const http = { host: '127.0.0.1', port: 0 };
  await using worker = await startWorker(
    queue.options({ slots: 2, prefetch: 1, jobTimeoutMs: 1_000, abortGraceMs: 1_000, http }),
    (job) => (job.attempt === 1 ? new Promise(() => undefined) : undefined),
  );
  const look = async (): Promise<JobsPage> => {
    const reply = await fetch(`http://127.0.0.1:${worker.metricsPort}/debug/jobs`);
    const text = await reply.text();
    expect(text).not.toContain('secret');
    return JSON.parse(text) as JobsPage;
  };
  const phases = async (): Promise<string> =>
    (await look()).jobs.map(({ sequence, phase }) => `${sequence} ${phase}`).join(', ');
  await until(async () => (await phases()) === '1 running, 2 running, 3 waiting');
  const { held, jobs } = await look();
  expect(held).toBe(3);
  expect(jobs[0]).toMatchObject({ subject: `${queue.stream}.job`, attempt: 1 });
  expect(jobs[0]?.runningSeconds).toBeGreaterThanOrEqual(jobs[1]?.runningSeconds ?? Infinity);
  expect(jobs.every(({ leaseSeconds }) => leaseSeconds > 0 && leaseSeconds <= 5)).toBe(true);
  await until(async () => (await phases()) === '1 aborted, 2 aborted, 3 waiting');
  expect((await look()).jobs[0]).toMatchObject({ abortReason: 'TimeoutError' });
  await until(async () => (await phases()).startsWith('1 stuck, 2 stuck'));
});

describe('an event loop that stands still for longer than ack_wait is reported', () => {
  const report = async (handler: string): Promise<Record<string, unknown>> => {
    await using queue = await Queue.create(server.url, { consumer: { ack_wait: 400 * 1e6 } });
    await queue.js.publish(`${queue.stream}.job`, '1000');
    await using worker = spawnWorker(queue, handler);
    const find = (): string | undefined => worker.lines.find((line) => line.includes('stood still'));
    await until(() => find() !== undefined);
    return JSON.parse(find() ?? '{}') as Record<string, unknown>;
  };

  test('with the job whose handler did not return', async () => {
    const { ackWaitMs, stoodStillMs, job, jobMs } = await report('block.ts');
    expect(ackWaitMs).toBe(400);
    expect(stoodStillMs).toBeGreaterThan(900);
    expect(job).toMatchObject({ sequence: 1, attempt: 1 });
    expect(jobMs).toBeGreaterThan(900);
  });

  test('with the jobs that ran, when one of them blocked it later', async () => {
    const { suspects } = await report('blockLater.ts');
    expect(suspects).toMatchObject([{ sequence: 1, attempt: 1 }]);
  });
});
