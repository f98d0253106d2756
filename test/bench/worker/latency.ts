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
const tickMs = 5;
const names = ['penstock', 'bare loop', 'consume()'] as const satisfies readonly JobPeerName[];
type Name = (typeof names)[number];

type Sample = { readonly p50Ms: number; readonly p99Ms: number; readonly share: number };

export const workerLatency: Bench = {
  name: 'worker-latency',
  describe:
    'how long jobs wait for a slot at 80 % load, and what share of the ideal throughput a backlog gets',
  async run(io) {
    await using server = await startNatsServer();
    const samples: Record<Name, Sample[]> = { penstock: [], 'bare loop': [], 'consume()': [] };
    for (let run = 0; run < io.runs; run += 1) {
      for (const name of names) {
        const { p50Ms, p99Ms } = await measureWait(server.url, name);
        const share = (await measureThroughput(server.url, name)) / idealPerSecond;
        samples[name].push({ p50Ms, p99Ms, share });
        io.say(`${name}: p99 ${p99Ms.toFixed(1)} ms, ${(100 * share).toFixed(0)} % of the ideal throughput`);
      }
    }
    const over = (name: Name, pick: (sample: Sample) => number): Measured =>
      summarize(samples[name].map(pick));
    const p99Ratios = samples.penstock.map(
      ({ p99Ms }, run) => p99Ms / (samples['consume()'][run]?.p99Ms ?? NaN),
    );
    return {
      title: `${slots} slots, jobs of ${jobMs} ms: waiting at ${100 * load} % of ${idealPerSecond} jobs/s, and the throughput of a backlog`,
      columns: ['wait p50 ms', 'wait p99 ms', 'throughput / ideal'],
      rows: names.map((name) => ({
        name,
        cells: [
          over(name, ({ p50Ms }) => p50Ms),
          over(name, ({ p99Ms }) => p99Ms),
          over(name, ({ share }) => share),
        ],
      })),
      ratios: [
        { name: 'p99 wait, penstock / consume()', value: summarize(p99Ratios), aim: '<= 0.5' },
        {
          name: 'throughput, penstock / ideal',
          value: over('penstock', ({ share }) => share),
          aim: '>= 0.95',
        },
      ],
      notes: [
        'The wait is from the call of publish to the start of the handler. Timers of Node are late by up to 1 ms each.',
      ],
    };
  },
};

async function measureWait(url: string, name: Name): Promise<{ p50Ms: number; p99Ms: number }> {
  await using queue = await JobQueue.create(url);
  const waits: number[] = [];
  const run = async (payload: Uint8Array): Promise<void> => {
    waits.push(performance.now() - Number(new TextDecoder().decode(payload)));
    await delay(jobMs);
  };
  const peer = await jobPeers[name]({ url, stream: queue.stream, consumer: queue.consumer, slots, run });
  const total = load * idealPerSecond * seconds;
  const startMs = performance.now();
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) / 1_000) * load * idealPerSecond));
    for (; sent < due; sent += 1) queue.connection.publish(queue.stream, `${performance.now()}`);
    await delay(tickMs);
  }
  while (waits.length < total) await delay(tickMs);
  await peer.stop();
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
