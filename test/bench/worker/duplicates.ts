import { setTimeout as delay } from 'node:timers/promises';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, Measured } from '../bench.ts';
import { jobPeers } from './jobPeers.ts';
import type { JobPeerName } from './jobPeers.ts';
import { JobQueue } from './jobQueue.ts';

const jobs = 10;
const workers = 2;
const ackWaitMs = 1_000;
const shortest = 0.5;
const longest = 3;
/** Between the shortest and the longest, evenly; every second from the upper half, so that two neighbours differ. */
const runMsOf = (n: number): number => {
  const step = ((n * 3) % jobs) / (jobs - 1);
  return ackWaitMs * (shortest + step * (longest - shortest));
};
const idealMs = Array.from({ length: jobs }, (_, n) => runMsOf(n)).reduce((sum, ms) => sum + ms, 0) / workers;
const limitMs = 60_000;
const names = ['penstock', 'bare loop', 'consume()'] as const satisfies readonly JobPeerName[];
type Name = (typeof names)[number];

type Sample = { readonly runs: number; readonly overlapping: number; readonly doneMs: number };

export const duplicates: Bench = {
  name: 'duplicates',
  describe: 'jobs of 0.5 to 3 × ack_wait in two workers that live: how many run twice, and at the same time',
  async run(io) {
    await using server = await startNatsServer();
    const samples: Record<Name, Sample[]> = { penstock: [], 'bare loop': [], 'consume()': [] };
    for (let run = 0; run < io.runs; run += 1) {
      for (const name of names) {
        const sample = await measure(server.url, name);
        samples[name].push(sample);
        io.say(`${name}: ${sample.runs} runs of ${jobs} jobs, ${sample.overlapping} overlapping`);
      }
    }
    const over = (name: Name, pick: (sample: Sample) => number): Measured =>
      summarize(samples[name].map(pick));
    return {
      title: `${jobs} jobs of ${shortest} to ${longest} × ack_wait (${ackWaitMs} ms), ${workers} workers × 1 slot; ideal ${idealMs.toFixed(0)} ms`,
      columns: ['runs', 'runs beside another of the same job', 'all acked after ms'],
      rows: names.map((name) => ({
        name,
        cells: [
          over(name, ({ runs }) => runs),
          over(name, ({ overlapping }) => overlapping),
          over(name, ({ doneMs }) => doneMs),
        ],
      })),
      ratios: [
        {
          name: 'overlapping runs, penstock',
          value: over('penstock', ({ overlapping }) => overlapping),
          aim: '0',
        },
        { name: 'runs / jobs, penstock', value: over('penstock', ({ runs }) => runs / jobs), aim: '1' },
      ],
      notes: ['The peers extend no lease by themselves: that is left to whoever uses them.'],
    };
  },
};

async function measure(url: string, name: JobPeerName): Promise<Sample> {
  await using queue = await JobQueue.create(url, { ackWaitMs });
  await queue.fill(jobs, String);
  const runningOf = new Map<string, number>();
  let runs = 0;
  let overlapping = 0;
  const run = async (payload: Uint8Array): Promise<void> => {
    const id = new TextDecoder().decode(payload);
    runs += 1;
    const beside = runningOf.get(id) ?? 0;
    if (beside > 0) overlapping += 1;
    runningOf.set(id, beside + 1);
    await delay(runMsOf(Number(id)));
    runningOf.set(id, (runningOf.get(id) ?? 1) - 1);
  };
  const task = { url, stream: queue.stream, consumer: queue.consumer, slots: 1, run };
  const startMs = performance.now();
  const peers = [await jobPeers[name](task), await jobPeers[name](task)];
  const isDone = async (): Promise<boolean> =>
    (await queue.jsm.streams.info(queue.stream)).state.messages === 0;
  while (!(await isDone()) && performance.now() - startMs < limitMs) await delay(20);
  const doneMs = performance.now() - startMs;
  await Promise.all(peers.map((peer) => peer.stop()));
  return { runs, overlapping, doneMs };
}
