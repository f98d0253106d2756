import { setTimeout as delay } from 'node:timers/promises';
import { startNatsCluster } from '../../tools/natsServer.ts';
import type { NatsCluster, NatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, BenchRow } from '../bench.ts';
import { jobPeers } from './jobPeers.ts';
import type { JobPeerName } from './jobPeers.ts';
import { JobQueue } from './jobQueue.ts';

const slots = 8;
const publishEveryMs = 10;
/** Silence beyond this is cut off, and shown as this. */
const longestMs = 60_000;
const names = ['penstock', 'consume()'] as const satisfies readonly JobPeerName[];
type Name = (typeof names)[number];

type Fault = {
  /** Seconds that we want it to stay below. */
  readonly aim: string;
  /** Returns how to undo it, once the silence is over. */
  readonly strike: (queue: JobQueue, cluster: NatsCluster) => Promise<() => Promise<void>>;
};

const nothingToUndo = (): Promise<void> => Promise.resolve();

const faults: Readonly<Record<string, Fault>> = {
  'leader of the consumer steps down': {
    aim: '<= 0.2',
    strike: async ({ connection, stream, consumer }) => {
      await connection.request(`$JS.API.CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`, '', {
        timeout: 5_000,
      });
      return nothingToUndo;
    },
  },
  'server of the consumer is killed': {
    aim: '<= 8',
    strike: async (queue, cluster) => {
      const server = await leaderOf(queue, cluster);
      await server.signal('SIGKILL');
      return () => server.start();
    },
  },
  'consumer deleted, made again 0.5 s later': {
    aim: '<= 2',
    strike: async (queue) => {
      await queue.jsm.consumers.delete(queue.stream, queue.consumer);
      await delay(500);
      await queue.addConsumer();
      return nothingToUndo;
    },
  },
  'all servers restarted, 1 s down': {
    aim: 'as fast as they elect',
    strike: async (_queue, { servers }) => {
      await Promise.all(servers.map((server) => server.signal('SIGTERM')));
      await delay(1_000);
      await Promise.all(servers.map((server) => server.start()));
      return nothingToUndo;
    },
  },
};

export const recovery: Bench = {
  name: 'recovery',
  describe: 'how long the handler hears nothing after a fault of the servers, jobs coming all the time',
  async run(io) {
    await using cluster = await startNatsCluster();
    const rows: BenchRow[] = [];
    const ratios = [];
    for (const [fault, { aim, strike }] of Object.entries(faults)) {
      const silences: Record<Name, number[]> = { penstock: [], 'consume()': [] };
      for (let run = 0; run < io.runs; run += 1) {
        for (const name of names) {
          const seconds = (await measure(cluster, name, strike)) / 1_000;
          silences[name].push(seconds);
          io.say(`${fault}, ${name}: ${seconds.toFixed(2)} s`);
        }
      }
      for (const name of names) rows.push({ name: `${fault}: ${name}`, cells: [summarize(silences[name])] });
      ratios.push({ name: `${fault}: penstock, s`, value: summarize(silences.penstock), aim });
    }
    return {
      title: 'longest silence after a fault, three servers, three replicas',
      columns: ['silence s'],
      rows,
      ratios,
      notes: [`Cut off at ${longestMs / 1_000} s. The election of a new leader is part of the second.`],
    };
  },
};

async function measure(cluster: NatsCluster, name: JobPeerName, strike: Fault['strike']): Promise<number> {
  await using queue = await JobQueue.create(cluster.url, { replicas: 3 });
  let lastMs = Infinity;
  let longest = 0;
  let handled = 0;
  const run = async (): Promise<void> => {
    const nowMs = performance.now();
    longest = Math.max(longest, nowMs - lastMs);
    lastMs = nowMs;
    handled += 1;
    await delay(1);
  };
  const { url } = cluster;
  const peer = await jobPeers[name]({ url, stream: queue.stream, consumer: queue.consumer, slots, run });
  const publishing = setInterval(() => void queue.publish('x').catch(() => undefined), publishEveryMs);
  while (handled < 200) await delay(10);
  longest = 0;
  const faultMs = performance.now();
  const undo = await strike(queue, cluster);
  const before = handled;
  // Over when jobs have come steadily for two seconds after the fault.
  while (performance.now() - faultMs < longestMs) {
    await delay(50);
    const isSteady = performance.now() - lastMs < 500 && handled > before + 100;
    if (isSteady && performance.now() - faultMs > 2_000 + longest) break;
  }
  clearInterval(publishing);
  const silence = Math.min(longestMs, Math.max(longest, performance.now() - lastMs));
  await undo();
  await Promise.race([peer.stop(), delay(5_000)]);
  return silence;
}

async function leaderOf(queue: JobQueue, cluster: NatsCluster): Promise<NatsServer> {
  const leader = (await queue.info()).cluster?.leader;
  const server = cluster.servers.find((candidate) => candidate.name === leader);
  if (server === undefined) throw new Error(`no server is called ${leader ?? '(nobody leads)'}`);
  return server;
}
