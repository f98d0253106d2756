import { AckPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect, createInbox } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, BenchIo, BenchRatio, BenchRow } from '../bench.ts';
import { peers } from './peers/peers.ts';
import type { PeerName } from './peers/peers.ts';
import { takeSample } from './sample.ts';
import type { Sample } from './sample.ts';

const messages = 200_000;
const slots = 256;
/** What `prefetch: auto` comes to with an empty handler: two more per slot. */
const window = 3 * slots;
const payloadSizes = [128, 1_024] as const;
const names = Object.keys(peers) as readonly PeerName[]; // The keys of a constant object.

export const workerThroughput: Bench = {
  name: 'worker-throughput',
  describe: 'consume and ack a backlog: our worker against a bare pull loop and the client’s consume()',
  async run(io) {
    await using server = await startNatsServer();
    const rows: BenchRow[] = [];
    const ratios: BenchRatio[] = [];
    for (const bytes of payloadSizes) {
      const samples = await measurePeers(server.url, bytes, io);
      for (const name of names) rows.push(toRow(`${name}, ${bytes} B`, samples[name]));
      ratios.push(
        toRatio(bytes, 'bare loop', samples, '>= 0.90'),
        toRatio(bytes, 'consume() callback', samples, '>= 1.0'),
        toRatio(bytes, 'consume() iterator', samples, '>= 1.3'),
      );
    }
    return {
      title: `${messages} messages, file store, explicit ack, empty handler, window ${window}`,
      columns: ['messages/s', 'CPU µs/message'],
      rows,
      ratios,
      notes: ['Client and nats-server share the machine: rates are for comparison within this run.'],
    };
  },
};

type Samples = Readonly<Record<PeerName, readonly Sample[]>>;

/** Each peer in turn, `runs` times over, each time with a new consumer over the same stored messages. */
async function measurePeers(url: string, bytes: number, io: BenchIo): Promise<Samples> {
  const connection = await connect({ servers: url });
  const jsm = await jetstreamManager(connection);
  const stream = `BYTES_${bytes}`;
  await jsm.streams.add({ name: stream, subjects: [stream] });
  io.say(`storing ${messages} messages of ${bytes} B`);
  await fill(connection, stream, bytes);
  const samples: Record<PeerName, Sample[]> = {
    'bare loop': [],
    'consume() callback': [],
    'consume() iterator': [],
    penstock: [],
    'penstock, async handler': [],
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
  }
  await connection.close();
  return samples;
}

const unackedPublishes = 1_000;

async function fill(connection: NatsConnection, subject: string, bytes: number): Promise<void> {
  const payload = new Uint8Array(bytes).fill(120);
  const inbox = createInbox();
  const filled = Promise.withResolvers<undefined>();
  let sent = 0;
  let stored = 0;
  const publish = (): void => {
    while (sent < messages && sent - stored < unackedPublishes) {
      sent += 1;
      connection.publish(subject, payload, { reply: inbox });
    }
  };
  connection.subscribe(inbox, {
    callback: () => {
      stored += 1;
      publish();
      if (stored === messages) filled.resolve(undefined);
    },
  });
  publish();
  await filled.promise;
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
