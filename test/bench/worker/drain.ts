import { setTimeout as delay } from 'node:timers/promises';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, BenchRow } from '../bench.ts';
import { jobPeers } from './jobPeers.ts';
import type { JobPeerName } from './jobPeers.ts';
import { JobQueue } from './jobQueue.ts';

const jobs = 40_000;
const slots = 16;
const runTimesMs = [0, 20, 2_000] as const;
const names = ['penstock', 'consume()', 'consume(), nc.drain()'] as const satisfies readonly JobPeerName[];
type Name = (typeof names)[number];
/** Acks that are on their way when the process could exit have arrived by then. */
const settleMs = 200;

type Sample = {
  /** From the request to stop until the process could exit. */
  readonly stopMs: number;
  /** Delivered and unresolved: nobody gets these jobs before ack_wait is over. */
  readonly stranded: number;
  /** Run to their end, and not acked: they will run again. */
  readonly repeated: number;
};

export const drain: Bench = {
  name: 'drain',
  describe:
    'a stop in the middle of a backlog: how long it takes, and which jobs wait for ack_wait or run again',
  async run(io) {
    await using server = await startNatsServer();
    const rows: BenchRow[] = [];
    const spared: number[] = [];
    for (const runMs of runTimesMs) {
      const samples: Record<Name, Sample[]> = { penstock: [], 'consume()': [], 'consume(), nc.drain()': [] };
      for (let run = 0; run < io.runs; run += 1) {
        for (const name of names) {
          const sample = await measure(server.url, name, runMs);
          samples[name].push(sample);
          const { stopMs, stranded, repeated } = sample;
          io.say(`${runMs} ms, ${name}: ${stopMs.toFixed(0)} ms, ${stranded} stranded, ${repeated} repeated`);
        }
      }
      for (const name of names) {
        const over = (pick: (sample: Sample) => number) => summarize(samples[name].map(pick));
        rows.push({
          name: `${name}, jobs of ${runMs} ms`,
          cells: [over((s) => s.stopMs), over((s) => s.stranded), over((s) => s.repeated)],
        });
      }
      spared.push(...samples.penstock.map(({ stranded, repeated }) => stranded + repeated));
    }
    return {
      title: `stop in the middle of ${jobs} jobs, ${slots} slots`,
      columns: ['stop took ms', 'jobs left to ack_wait', 'done jobs that run again'],
      rows,
      ratios: [{ name: 'penstock: left to ack_wait or repeated', value: summarize(spared), aim: '0' }],
      notes: ['A stop should take no longer than the longest running job and 0.5 s.'],
    };
  },
};

async function measure(url: string, name: JobPeerName, runMs: number): Promise<Sample> {
  await using queue = await JobQueue.create(url);
  await queue.fill(jobs, String);
  const busy = Promise.withResolvers<undefined>();
  const warm = runMs >= 1_000 ? slots : 1_000;
  let started = 0;
  let done = 0;
  const run = async (): Promise<void> => {
    started += 1;
    if (started === warm) busy.resolve(undefined);
    if (runMs > 0) await delay(runMs);
    done += 1;
  };
  const peer = await jobPeers[name]({ url, stream: queue.stream, consumer: queue.consumer, slots, run });
  await busy.promise;
  const stopAtMs = performance.now();
  await peer.stop();
  const stopMs = performance.now() - stopAtMs;
  const doneAtExit = done;
  await delay(settleMs);
  const { num_ack_pending: stranded } = await queue.info();
  const { state } = await queue.jsm.streams.info(queue.stream);
  return { stopMs, stranded, repeated: Math.max(0, doneAtExit - (jobs - state.messages)) };
}
