import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../../../demo/quantile.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, Measured } from '../bench.ts';
import { jobPeers } from './jobPeers.ts';
import type { JobPeerName } from './jobPeers.ts';
import { JobQueue } from './jobQueue.ts';

const slots = 64;
const jobMs = 20;
const idealPerSecond = (slots * 1_000) / jobMs;
const load = 0.8;
const seconds = 4;
const tickMs = 1;
const poolSize = 4;
const names = ['penstock', 'bare loop', 'consume()'] as const satisfies readonly JobPeerName[];
type Name = (typeof names)[number];

type Wait = { readonly p50Ms: number; readonly p99Ms: number };
type Sample = { readonly alone: Wait; readonly pool: Wait; readonly share: number };
type Arrival = { readonly atMs: number; readonly runMs: number };

export const workerLatency: Bench = {
  name: 'worker-latency',
  describe:
    'how long jobs wait for a slot at 80 % load, in one worker and in four, and what share of the ideal throughput a backlog gets',
  async run(io) {
    await using server = await startNatsServer();
    const samples: Record<Name, Sample[]> = { penstock: [], 'bare loop': [], 'consume()': [] };
    const ways: Wait[] = [];
    for (let run = 0; run < io.runs; run += 1) {
      const arrivals = planArrivals();
      ways.push(await measureWait(server.url, arrivals, { name: 'bare loop', workers: 1, slots: 1_000 }));
      for (const name of names) {
        const alone = await measureWait(server.url, arrivals, { name, workers: 1, slots });
        const pool = await measureWait(server.url, arrivals, {
          name,
          workers: poolSize,
          slots: slots / poolSize,
        });
        const share = (await measureThroughput(server.url, name)) / idealPerSecond;
        samples[name].push({ alone, pool, share });
        io.say(
          `${name}: p99 ${alone.p99Ms.toFixed(1)} ms alone, ${pool.p99Ms.toFixed(1)} ms as a pool, ${(100 * share).toFixed(0)} % of the ideal throughput`,
        );
      }
    }
    const over = (name: Name, pick: (sample: Sample) => number): Measured =>
      summarize(samples[name].map(pick));
    const p99Ratios = (pick: (sample: Sample) => Wait): Measured =>
      summarize(
        samples.penstock.map((sample, run) => {
          const peer = samples['consume()'][run];
          return peer === undefined ? NaN : pick(sample).p99Ms / pick(peer).p99Ms;
        }),
      );
    return {
      title: `${slots} slots, jobs of ${jobMs} ms: waiting at ${100 * load} % of ${idealPerSecond} jobs/s, and the throughput of a backlog`,
      columns: ['wait p50 ms', 'wait p99 ms', 'pool, p50 ms', 'pool, p99 ms', 'throughput / ideal'],
      rows: [
        ...names.map((name) => ({
          name,
          cells: [
            over(name, ({ alone }) => alone.p50Ms),
            over(name, ({ alone }) => alone.p99Ms),
            over(name, ({ pool }) => pool.p50Ms),
            over(name, ({ pool }) => pool.p99Ms),
            over(name, ({ share }) => share),
          ],
        })),
        {
          name: 'the way alone: no limit of slots',
          cells: [
            summarize(ways.map(({ p50Ms }) => p50Ms)),
            summarize(ways.map(({ p99Ms }) => p99Ms)),
            null,
            null,
            null,
          ],
        },
      ],
      ratios: [
        {
          name: 'p99 wait, one worker, penstock / consume()',
          value: p99Ratios(({ alone }) => alone),
          aim: '<= 0.5',
        },
        {
          name: `p99 wait, pool of ${poolSize}, penstock / consume()`,
          value: p99Ratios(({ pool }) => pool),
          aim: '<= 0.5',
        },
        {
          name: 'throughput, penstock / ideal',
          value: over('penstock', ({ share }) => share),
          aim: '>= 0.95',
        },
      ],
      notes: [
        'Arrivals are a Poisson process, run times exponential with that mean while the wait is measured; all peers of a run get the same ones.',
        `A pool is ${poolSize} workers that share the ${slots} slots and the process.`,
        'The wait is from the call of publish to the start of the handler. Timers of Node are late by up to 1 ms each.',
      ],
    };
  },
};

function planArrivals(): Arrival[] {
  const perMs = (load * idealPerSecond) / 1_000;
  const exponential = (mean: number): number => -Math.log(1 - Math.random()) * mean;
  let atMs = 0;
  return Array.from({ length: load * idealPerSecond * seconds }, () => {
    atMs += exponential(1 / perMs);
    return { atMs, runMs: exponential(jobMs) };
  });
}

type Crew = { readonly name: Name; readonly workers: number; readonly slots: number };

async function measureWait(url: string, arrivals: readonly Arrival[], crew: Crew): Promise<Wait> {
  await using queue = await JobQueue.create(url);
  const { stream, consumer, connection } = queue;
  const waits: number[] = [];
  const run = async (payload: Uint8Array): Promise<void> => {
    const [sentMs, runMs] = new TextDecoder().decode(payload).split(' ').map(Number);
    waits.push(performance.now() - (sentMs ?? NaN));
    await delay(runMs);
  };
  const workers = await Promise.all(
    Array.from({ length: crew.workers }, () =>
      jobPeers[crew.name]({ url, stream, consumer, slots: crew.slots, run }),
    ),
  );
  const startMs = performance.now();
  for (const { atMs, runMs } of arrivals) {
    while (performance.now() - startMs < atMs) await delay(tickMs);
    connection.publish(stream, `${performance.now()} ${runMs}`);
  }
  while (waits.length < arrivals.length) await delay(tickMs);
  await Promise.all(workers.map((worker) => worker.stop()));
  return { p50Ms: quantile(waits, 0.5) ?? NaN, p99Ms: quantile(waits, 0.99) ?? NaN };
}

async function measureThroughput(url: string, name: Name): Promise<number> {
  await using queue = await JobQueue.create(url);
  const jobs = idealPerSecond * 2;
  await queue.fill(jobs, String);
  const all = Promise.withResolvers<undefined>();
  let done = 0;
  let startMs: number | undefined;
  const run = async (): Promise<void> => {
    startMs ??= performance.now();
    await delay(jobMs);
    done += 1;
    if (done === jobs) all.resolve(undefined);
  };
  const peer = await jobPeers[name]({ url, stream: queue.stream, consumer: queue.consumer, slots, run });
  await all.promise;
  const perSecond = jobs / ((performance.now() - (startMs ?? NaN)) / 1_000);
  await peer.stop();
  return perSecond;
}
