import { AckPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench, BenchIo } from '../bench.ts';
import { fill } from './fill.ts';
import { featurePeers, targetOf } from './peers/features.ts';
import type { FeatureName } from './peers/features.ts';
import { takeSample } from './sample.ts';
import type { Sample } from './sample.ts';

const messages = 100_000;
const bytes = 128;
const slots = 256;
const stream = 'FEATURES';
const names = Object.keys(featurePeers) as readonly FeatureName[]; // The keys of a constant object.
/** Of these, the handler is asynchronous by nature. */
const asyncNames: readonly FeatureName[] = [
  'a named limit',
  'state of slots',
  'single flight, a key for each job',
  'single flight, one key',
  'a message published for each job',
  'the set of done jobs',
  'batches of 100',
  'batches of 1,000',
];

/** CPU time as a multiple of the plain handler. Those that ask the server for each job have requests to pay for. */
const usualAim = '<= 2';
const aims: Partial<Record<FeatureName, string>> = {
  'a message published for each job': '<= 5',
  'the set of done jobs': '<= 20',
};

/** What each feature of the worker costs when it is on and holds nothing back. */
export const workerFeatures: Bench = {
  name: 'worker-features',
  describe: 'each feature of the worker alone, against a worker with all of them off',
  async run(io) {
    await using server = await startNatsServer();
    const samples = await measure(server.url, io);
    return {
      title: `${messages} messages of ${bytes} B, empty handler, ${slots} slots: each feature alone`,
      columns: ['messages/s', 'CPU µs/message'],
      rows: names.map((name) => ({
        name,
        cells: [
          summarize(samplesOf(samples, name).map(({ messagesPerSecond }) => messagesPerSecond)),
          summarize(samplesOf(samples, name).map(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage)),
        ],
      })),
      ratios: names.slice(1).map((name) => ratioOf(samples, name)),
      notes: ['CPU per message says more than the rate: client and server share the machine.'],
    };
  },
};

type Samples = ReadonlyMap<FeatureName, Sample[]>;

async function measure(url: string, io: BenchIo): Promise<Samples> {
  const connection = await connect({ servers: url });
  const jsm = await jetstreamManager(connection);
  for (const name of [stream, targetOf(stream)]) await jsm.streams.add({ name, subjects: [name] });
  io.say(`storing ${messages} messages`);
  await fill(connection, stream, bytes, messages);
  const samples = new Map<FeatureName, Sample[]>(names.map((name) => [name, []]));
  for (let run = 0; run < io.runs; run += 1) {
    for (const [index, peer] of names.entries()) {
      const consumer = `run-${run}-feature-${index}`;
      const config = { durable_name: consumer, ack_policy: AckPolicy.Explicit, max_ack_pending: 10_000 };
      await jsm.consumers.add(stream, config);
      const sample = await takeSample({ peer, url, stream, consumer, slots, window: 3 * slots, messages });
      samplesOf(samples, peer).push(sample);
      io.say(`${peer}: ${sample.cpuMicrosPerMessage.toFixed(2)} µs`);
      await jsm.consumers.delete(stream, consumer);
      await jsm.streams.purge(targetOf(stream));
    }
  }
  await connection.close();
  return samples;
}

/** CPU time against that of the same kind of handler without the feature, run by run. */
function ratioOf(
  samples: Samples,
  name: FeatureName,
): { name: string; value: ReturnType<typeof summarize>; aim: string } {
  const base: FeatureName = asyncNames.includes(name) ? 'async handler' : 'all features off';
  const quotients = samplesOf(samples, name).map(
    ({ cpuMicrosPerMessage }, run) =>
      cpuMicrosPerMessage / (samplesOf(samples, base)[run]?.cpuMicrosPerMessage ?? NaN),
  );
  return { name: `CPU of ${name} / ${base}`, value: summarize(quotients), aim: aims[name] ?? usualAim };
}

function samplesOf(samples: Samples, name: FeatureName): Sample[] {
  return samples.get(name) ?? [];
}
