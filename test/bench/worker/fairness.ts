import { setTimeout as delay } from 'node:timers/promises';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { jobPeers } from './jobPeers.ts';
import type { JobPeerName, JobPeerRun } from './jobPeers.ts';
import { JobQueue } from './jobQueue.ts';

const jobs = 1_000;
const jobMs = 10;
const workers = 4;
const slots = 5;
const joinEveryMs = 50;
const names = ['penstock', 'bare loop', 'consume()'] as const satisfies readonly JobPeerName[];

type Sample = {
  readonly makespanMs: number;
  /** With all slots busy from the moment when their worker has joined, jobs running as long as they did. */
  readonly idealMs: number;
  readonly least: number;
  readonly most: number;
};

export const workerFairness: Bench = {
  name: 'worker-fairness',
  describe: '1,000 jobs of 10 ms over four workers that join one after another: is any of them left out',
  async run(io) {
    await using server = await startNatsServer();
    const samples: Record<(typeof names)[number], Sample[]> = {
      penstock: [],
      'bare loop': [],
      'consume()': [],
    };
    for (let run = 0; run < io.runs; run += 1) {
      for (const name of names) {
        const sample = await measure(server.url, name);
        samples[name].push(sample);
        io.say(
          `${name}: ${sample.makespanMs.toFixed(0)} ms, ${sample.least} to ${sample.most} jobs per worker`,
        );
      }
    }
    const over = (name: (typeof names)[number], pick: (sample: Sample) => number) =>
      summarize(samples[name].map(pick));
    return {
      title: `${jobs} jobs of ${jobMs} ms, ${workers} workers × ${slots} slots, one joins every ${joinEveryMs} ms`,
      columns: ['all done after ms', 'jobs of the laziest worker', 'jobs of the busiest'],
      rows: names.map((name) => ({
        name,
        cells: [
          over(name, ({ makespanMs }) => makespanMs),
          over(name, ({ least }) => least),
          over(name, ({ most }) => most),
        ],
      })),
      ratios: names.map((name) => ({
        name: `${name} / ideal`,
        value: over(name, ({ makespanMs, idealMs }) => makespanMs / idealMs),
        aim: name === 'penstock' ? '<= 1.1' : 'beside it',
      })),
      notes: [
        'consume() at its defaults holds up to 100 messages per worker; the bare loop none beyond its slots.',
      ],
    };
  },
};

async function measure(url: string, name: JobPeerName): Promise<Sample> {
  await using queue = await JobQueue.create(url);
  await queue.fill(jobs, String);
  const counts = Array.from({ length: workers }, () => 0);
  const all = Promise.withResolvers<undefined>();
  let done = 0;
  let startMs: number | undefined;
  let ranMs = 0;
  let joinedMs = 0;
  const running: JobPeerRun[] = [];
  for (let worker = 0; worker < workers; worker += 1) {
    const run = async (): Promise<void> => {
      const startedMs = performance.now();
      startMs ??= startedMs;
      await delay(jobMs);
      ranMs += performance.now() - startedMs;
      counts[worker] = (counts[worker] ?? 0) + 1;
      done += 1;
      if (done === jobs) all.resolve(undefined);
    };
    running.push(await jobPeers[name]({ url, stream: queue.stream, consumer: queue.consumer, slots, run }));
    joinedMs += performance.now() - (startMs ?? performance.now());
    await delay(joinEveryMs);
  }
  await all.promise;
  const makespanMs = performance.now() - (startMs ?? NaN);
  await Promise.all(running.map((peer) => peer.stop()));
  const idealMs = (ranMs / slots + joinedMs) / workers;
  return { makespanMs, idealMs, least: Math.min(...counts), most: Math.max(...counts) };
}
