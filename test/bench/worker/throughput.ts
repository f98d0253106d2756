import { AckPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, BenchIo, BenchRatio, BenchRow } from '../bench.ts';
import { fill } from './fill.ts';
import { openBullMq, openGraphileWorker } from './otherQueues.ts';
import type { OtherQueue } from './otherQueues.ts';
import { natsPeers } from './peers/peers.ts';
import type { NatsPeerName, PeerName } from './peers/peers.ts';
import { takeSample } from './sample.ts';
import type { Sample } from './sample.ts';

const messages = 200_000;
const slots = 256;
/** What `prefetch: auto` comes to with an empty handler: two more per slot. */
const window = 3 * slots;
const payloadSizes = [128, 1_024] as const;
const names = Object.keys(natsPeers) as readonly NatsPeerName[]; // The keys of a constant object.

/** On stores of their own, with fewer jobs, as they take longer. `option` is what `--without` calls them. */
const others = [
  { option: 'bullmq', open: openBullMq, jobs: 20_000, aim: '>= 5', names: ['BullMQ'] },
  {
    option: 'graphile',
    open: openGraphileWorker,
    jobs: 10_000,
    aim: '>= 10',
    names: ['Graphile Worker', 'Graphile Worker, batching'],
  },
] as const;

export const workerThroughput: Bench = {
  name: 'worker-throughput',
  describe:
    'work off a backlog: our worker, a bare pull loop, the client’s consume(), BullMQ, Graphile Worker',
  async run(io) {
    await using server = await startNatsServer();
    await using opened = new AsyncDisposableStack();
    const queues: OpenedQueue[] = [];
    for (const other of others) {
      if (!io.without.has(other.option)) queues.push({ ...other, queue: opened.use(await other.open()) });
    }
    const rows: BenchRow[] = [];
    const ratios: BenchRatio[] = [];
    for (const bytes of payloadSizes) {
      const samples = await measurePeers(server.url, queues, bytes, io);
      const measured = [...names, ...queues.flatMap((other) => other.names)];
      for (const name of measured) rows.push(toRow(`${name}, ${bytes} B`, samples[name]));
      ratios.push(
        toRatio(bytes, 'bare loop', samples, '>= 0.90'),
        toRatio(bytes, 'consume() callback', samples, '>= 1.0'),
        toRatio(bytes, 'consume() iterator', samples, '>= 1.3'),
        ...queues.flatMap(({ aim, names: theirs }) =>
          theirs.map((name) => toRatio(bytes, name, samples, aim)),
        ),
      );
    }
    return {
      title: `${messages} messages, file store, explicit ack, empty handler, window ${window}`,
      columns: ['messages/s', 'CPU µs/message'],
      rows,
      ratios,
      notes: [
        'Client and server share the machine: rates are for comparison within this run.',
        'Acknowledged before it is flushed to disk by all: JetStream by default, Redis by appendfsync everysec, PostgreSQL by synchronous_commit off.',
        ...others
          .filter(({ option }) => io.without.has(option))
          .map((other) => `peer not run: ${other.names.join(', ')} (--without ${other.option})`),
      ],
    };
  },
};

type OpenedQueue = Omit<(typeof others)[number], 'open'> & { readonly queue: OtherQueue };
type Samples = Readonly<Record<PeerName, readonly Sample[]>>;

/** Each peer in turn, `runs` times over, each time with a new consumer over the same stored messages. */
async function measurePeers(
  url: string,
  queues: readonly OpenedQueue[],
  bytes: number,
  io: BenchIo,
): Promise<Samples> {
  const connection = await connect({ servers: url });
  const jsm = await jetstreamManager(connection);
  const stream = `BYTES_${bytes}`;
  await jsm.streams.add({ name: stream, subjects: [stream] });
  io.say(`storing ${messages} messages of ${bytes} B`);
  await fill(connection, stream, bytes, messages);
  const samples: Record<PeerName, Sample[]> = {
    'bare loop': [],
    'consume() callback': [],
    'consume() iterator': [],
    penstock: [],
    'penstock, async handler': [],
    BullMQ: [],
    'Graphile Worker': [],
    'Graphile Worker, batching': [],
  };
  for (let run = 0; run < io.runs; run += 1) {
    for (const [index, peer] of names.entries()) {
      const consumer = `run-${run}-peer-${index}`;
      await jsm.consumers.add(stream, {
        durable_name: consumer,
        ack_policy: AckPolicy.Explicit,
        max_ack_pending: 10_000,
      });
      const sample = await takeSample({ peer, url, stream, consumer, slots, window, messages });
      samples[peer].push(sample);
      io.say(`${bytes} B, ${peer}: ${sample.messagesPerSecond.toFixed(0)}/s`);
      await jsm.consumers.delete(stream, consumer);
    }
    for (const { names: theirs, jobs, queue } of queues) {
      for (const [index, peer] of theirs.entries()) {
        const name = `bytes-${bytes}-run-${run}-peer-${index}`;
        await queue.fill(name, bytes, jobs);
        const task = { peer, url: queue.url, stream: name, consumer: name, slots, window, messages: jobs };
        const sample = await takeSample(task);
        samples[peer].push(sample);
        io.say(`${bytes} B, ${peer}: ${sample.messagesPerSecond.toFixed(0)}/s`);
      }
    }
  }
  await connection.close();
  return samples;
}

function toRow(name: string, samples: readonly Sample[]): BenchRow {
  return {
    name,
    cells: [
      summarize(samples.map(({ messagesPerSecond }) => messagesPerSecond)),
      summarize(samples.map(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage)),
    ],
  };
}

/** Run by run, as neighbours in time share the machine's mood. */
function toRatio(bytes: number, peer: PeerName, samples: Samples, aim: string): BenchRatio {
  const quotients = samples.penstock.map(
    ({ messagesPerSecond }, run) => messagesPerSecond / (samples[peer][run]?.messagesPerSecond ?? NaN),
  );
  return { name: `penstock / ${peer}, ${bytes} B`, value: summarize(quotients), aim };
}
