import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { Queue, spawnWorker, until } from './harness.ts';
import type { WorkerProcess } from './harness.ts';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const faults = 100;
const fleet = 4;
const longestJobMs = 60;

/** Mulberry32 (T. Ettinger, public domain): the same seed, the same faults. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Run = { readonly pid: number; readonly startMs: number; endMs?: number; lostLease: boolean };

/** The runs of each job, by its id, in the order of their starts. */
async function readJournal(file: string): Promise<ReadonlyMap<string, Run[]>> {
  const jobs = new Map<string, Run[]>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const [event, id = '', pidText, , at] = line.split(' ');
    if (event === undefined || event === '') continue;
    const runs = jobs.get(id) ?? [];
    jobs.set(id, runs);
    const pid = Number(pidText);
    if (event === 'start') runs.push({ pid, startMs: Number(at), lostLease: false });
    const run = runs.findLast((candidate) => candidate.pid === pid);
    if (run === undefined) throw new Error(`no start before: ${line}`);
    if (event === 'end') run.endMs = Number(at);
    if (event === 'LeaseLostError') run.lostLease = true;
  }
  return jobs;
}

const isRunning = ({ lines }: WorkerProcess): boolean => lines.some((line) => line.includes('"running"'));

type Fault = { readonly worker: WorkerProcess; readonly signal: 'SIGTERM' | 'SIGKILL' };

test('100 random SIGTERMs and SIGKILLs under load lose nothing, and planned stops repeat nothing', async () => {
  const seed = Number(process.env['PENSTOCK_TEST_SEED'] ?? Date.now() % 1_000_000);
  console.log(`PENSTOCK_TEST_SEED=${seed}`);
  const random = seeded(seed);
  const folder = await mkdtemp(join(tmpdir(), 'penstock-journal-'));
  const journal = join(folder, 'journal');
  await using queue = await Queue.create(server.url, { consumer: { ack_wait: 3_000 * 1e6 } });
  await using stack = new AsyncDisposableStack();
  const start = (): WorkerProcess =>
    stack.use(
      spawnWorker(queue, 'journal.ts', {
        JOURNAL: journal,
        PENSTOCK_SLOTS: '4',
        PENSTOCK_PREFETCH: '4',
        PENSTOCK_MAX_ATTEMPTS: '50',
      }),
    );

  let published = 0;
  const keepBusy = async (): Promise<void> => {
    if ((await queue.info()).num_pending > 400) return;
    const batch = Array.from({ length: 400 }, () => {
      published += 1;
      const ms = Math.ceil(random() * longestJobMs);
      return queue.js.publish(`${queue.stream}.job`, `job-${published} ${ms}`);
    });
    await Promise.all(batch);
  };

  await keepBusy();
  const workers = Array.from({ length: fleet }, start);
  const done: Fault[] = [];
  while (done.length < faults) {
    await keepBusy();
    await delay(200 * random());
    // One in ten hits whoever it may be, the others somebody who works.
    const isBlind = random() < 0.1;
    await until(() => isBlind || workers.some(isRunning));
    const choice = workers.filter((worker) => isBlind || isRunning(worker));
    const worker = choice[Math.floor(random() * choice.length)];
    if (worker === undefined) throw new RangeError('nobody to hit');
    const signal = random() < 0.5 ? 'SIGTERM' : 'SIGKILL';
    worker.child.kill(signal);
    done.push({ worker, signal });
    workers[workers.indexOf(worker)] = start();
  }
  await until(() => queue.isDone());
  for (const worker of workers) worker.child.kill('SIGTERM');
  const ended = await Promise.all([...done.map(({ worker }) => worker), ...workers].map(({ exit }) => exit));

  const jobs = await readJournal(journal);
  const killed = new Set(
    done.filter(({ signal }) => signal === 'SIGKILL').map(({ worker }) => worker.child.pid),
  );
  const terminated = done.filter(({ signal }) => signal === 'SIGTERM');
  const runs = [...jobs.values()];

  // The faults have hit: both kinds, in the middle of work, and kills were felt.
  expect(killed.size).toBeGreaterThan(20);
  expect(terminated.length).toBeGreaterThan(20);
  const unfinished = runs.flat().filter(({ endMs }) => endMs === undefined);
  expect(unfinished.length).toBeGreaterThan(0);
  expect(runs.some((ofJob) => ofJob.length > 1)).toBe(true);

  // Nothing is lost.
  expect(await queue.messages()).toBe(0);
  expect(jobs.size).toBe(published);
  const lost = [...jobs].filter(([, ofJob]) => ofJob.every(({ endMs }) => endMs === undefined));
  expect(lost).toEqual([]);

  // Only what was killed, or has lost its lease, is run again: planned stops repeat nothing.
  const excused = (run: Run): boolean => killed.has(run.pid) || run.lostLease;
  expect(unfinished.filter((run) => !excused(run))).toEqual([]);
  const repeated = [...jobs].filter(([, ofJob]) => !ofJob.slice(0, -1).every(excused));
  expect(repeated).toEqual([]);

  // Nobody runs beside another, but for one that has lost its lease.
  const overlapping = [...jobs].filter(([, ofJob]) =>
    ofJob.some((run, n) => {
      const next = ofJob[n + 1];
      return next !== undefined && run.endMs !== undefined && !run.lostLease && next.startMs < run.endMs;
    }),
  );
  expect(overlapping).toEqual([]);

  // Whoever was asked to end did so in order; a signal before the program listened for it ends it as well.
  const exits = ended.map(({ code, signal }) => signal ?? code);
  expect(exits.filter((exit) => exit !== 0 && exit !== 'SIGKILL' && exit !== 'SIGTERM')).toEqual([]);
  const early = terminated.filter(({ worker }) => worker.child.signalCode === 'SIGTERM');
  expect(early.some(({ worker }) => isRunning(worker))).toBe(false);
  expect(terminated.length - early.length).toBeGreaterThan(20);
  console.log(
    `${published} jobs, ${killed.size} kills, ${terminated.length} stops (${early.length} while starting), ` +
      `${unfinished.length} runs cut short, ${runs.filter((ofJob) => ofJob.length > 1).length} jobs run again`,
  );
  await rm(folder, { recursive: true });
});
