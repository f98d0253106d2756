import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openBroker } from '../../demo/broker.ts';
import { startNatsServer } from '../tools/natsServer.ts';
import { freePort } from '../tools/serverProcess.ts';
import { summarize } from './bench.ts';
import type { Bench, BenchRow, Measured } from './bench.ts';

const commandLine = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const workerProgram = fileURLToPath(new URL('../../worker/main.ts', import.meta.url));
const bundler = fileURLToPath(new URL('../../build/bundle.ts', import.meta.url));
const handler = fileURLToPath(new URL('./fixtures/noteStart.ts', import.meta.url));
const queue = {
  stream: 'STARTUP',
  consumer: 'startup',
  deadLetterStream: 'STARTUP_DEAD',
  maxReplicas: 1,
  slots: 16,
};
const leastRuns = 5;
const readyDeadlineMs = 30_000;
/** Long enough for the memory of the start to be collected or not, as an idle worker will. */
const idleMs = 3_000;

type Start = { readonly readyMs: number; readonly residentMb: number };
type Variant = { readonly name: string; readonly args: readonly string[]; readonly cache: boolean };

const sources: readonly Variant[] = [
  { name: 'penstock worker, no compile cache', args: [commandLine, 'worker', handler], cache: false },
  { name: 'penstock worker', args: [commandLine, 'worker', handler], cache: true },
  { name: 'worker/main.ts', args: [workerProgram, handler], cache: true },
];

/** A worker process from nothing to ready, beside an empty Node program: what of it is ours. */
export const startup: Bench = {
  name: 'startup',
  describe: 'worker process start until /readyz answers 200, and its idle memory; peer: an empty program',
  async run({ say, runs }) {
    await using server = await startNatsServer();
    const broker = await openBroker(server.url, queue); // It creates the queue; nothing is published.
    await broker[Symbol.asyncDispose]();
    const cacheFolder = await mkdtemp(join(tmpdir(), 'penstock-compiled-'));
    const emptyMs: number[] = [];
    const bundled = await bundleWorker(cacheFolder);
    const variants: readonly Variant[] = [
      ...sources,
      { name: 'bundled worker, no compile cache', args: bundled, cache: false },
      { name: 'bundled worker', args: bundled, cache: true },
    ];
    const measured = variants.map((variant) => ({ variant, starts: new Array<Start>() }));
    try {
      for (const variant of variants) await measureWorker(server.url, variant, cacheFolder); // Fills the cache.
      for (let run = 1; run <= Math.max(leastRuns, runs); run += 1) {
        emptyMs.push(await measureEmptyProgram());
        for (const { variant, starts } of measured) {
          const start = await measureWorker(server.url, variant, cacheFolder);
          starts.push(start);
          say(`run ${run}: ${variant.name} ready after ${start.readyMs.toFixed(0)} ms`);
        }
      }
    } finally {
      await rm(cacheFolder, { recursive: true, force: true });
    }
    return {
      title: 'startup: process start until ready',
      columns: ['ready ms', 'idle RSS MB'],
      rows: [
        { name: 'empty program', cells: [summarize(emptyMs), null] },
        ...measured.map(({ variant, starts }) => toRow(variant.name, starts)),
      ],
      ratios: measured.map(({ variant, starts }) => ({
        name: `${variant.name} / empty program`,
        value: compare(starts, emptyMs),
        aim: 'low',
      })),
      notes: [
        'Aim: worker ready <= 300 ms and <= 70 MB.',
        'Run from source: without the cache, stripping the types is part of it. An empty program is measured to its exit.',
      ],
    };
  },
};

/** What an image runs, with a handler that needs no types stripped; the arguments that start it. */
async function bundleWorker(folder: string): Promise<string[]> {
  await promisify(execFile)(process.execPath, [bundler, join(folder, 'bundle')]);
  const plainHandler = join(folder, 'handler.mjs');
  await writeFile(plainHandler, 'export default () => {};\n');
  return [join(folder, 'bundle', 'worker', 'main.mjs'), plainHandler];
}

const toRow = (name: string, starts: readonly Start[]): BenchRow => ({
  name,
  cells: [
    summarize(starts.map((start) => start.readyMs)),
    summarize(starts.map((start) => start.residentMb)),
  ],
});

const compare = (starts: readonly Start[], emptyMs: readonly number[]): Measured =>
  summarize(starts.map(({ readyMs }, run) => readyMs / (emptyMs[run] ?? Number.NaN)));

async function measureEmptyProgram(): Promise<number> {
  const startedAtMs = performance.now();
  await once(spawn(process.execPath, ['-e', ''], { stdio: 'ignore' }), 'exit');
  return performance.now() - startedAtMs;
}

async function measureWorker(url: string, { args, cache }: Variant, cacheFolder: string): Promise<Start> {
  const port = await freePort();
  const startedAtMs = performance.now();
  const worker = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      NATS_URL: url,
      PENSTOCK_STREAM: queue.stream,
      PENSTOCK_CONSUMER: queue.consumer,
      PENSTOCK_SLOTS: `${queue.slots}`,
      PENSTOCK_HTTP_PORT: `${port}`,
      ...(cache ? { NODE_COMPILE_CACHE: cacheFolder } : { NODE_DISABLE_COMPILE_CACHE: '1' }),
    },
  });
  const exited = once(worker, 'exit');
  try {
    await untilReady(worker, port);
    const readyMs = performance.now() - startedAtMs;
    await sleep(idleMs);
    return { readyMs, residentMb: await readResidentMb(worker) };
  } finally {
    worker.kill('SIGTERM');
    await exited;
  }
}

async function untilReady(worker: ChildProcess, port: number): Promise<void> {
  const giveUpAtMs = performance.now() + readyDeadlineMs;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (response?.ok === true) return;
    if (worker.exitCode !== null) throw new Error(`the worker ended with ${worker.exitCode}`);
    if (performance.now() > giveUpAtMs) throw new Error(`not ready within ${readyDeadlineMs / 1_000} s`);
    await sleep(5);
  }
}

async function readResidentMb(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/${child.pid}/status has no VmRSS`);
  return Number(kilobytes) / 1_024;
}
