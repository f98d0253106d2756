import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNatsServer } from '../../tools/natsServer.ts';
import { summarize } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { publishers } from './publishers.ts';
import type { PublisherName } from './publishers.ts';
import { runFixture } from './sample.ts';
import type { Sample } from './sample.ts';

const messages = 50_000;
const bytes = 128;
const window = 1_000;
const names = Object.keys(publishers) as readonly PublisherName[]; // The keys of a constant object.

export type PublishTask = {
  readonly peer: PublisherName;
  readonly url: string;
  readonly subject: string;
  readonly bytes: number;
  readonly messages: number;
  readonly window: number;
};

export const publisher: Bench = {
  name: 'publisher',
  describe: 'publish in a window: our publisher against js.publish() of the client',
  async run(io) {
    await using server = await startNatsServer();
    const connection = await connect({ servers: server.url });
    const jsm = await jetstreamManager(connection);
    const samples: Record<PublisherName, Sample[]> = {
      'js.publish()': [],
      'penstock send()': [],
      'penstock publish()': [],
      'penstock publishAll()': [],
    };
    for (let run = 0; run < io.runs; run += 1) {
      for (const [index, peer] of names.entries()) {
        const subject = `RUN_${run}_${index}`;
        await jsm.streams.add({ name: subject, subjects: [subject] });
        const task: PublishTask = { peer, url: server.url, subject, bytes, messages, window };
        const sample = await runFixture('publish.ts', task);
        samples[peer].push(sample);
        io.say(`${peer}: ${sample.messagesPerSecond.toFixed(0)}/s`);
        await jsm.streams.delete(subject);
      }
    }
    await connection.close();
    const ratio = (peer: PublisherName, aim: string) => ({
      name: `${peer} / js.publish()`,
      value: summarize(
        samples[peer].map(
          ({ messagesPerSecond }, run) =>
            messagesPerSecond / (samples['js.publish()'][run]?.messagesPerSecond ?? NaN),
        ),
      ),
      aim,
    });
    return {
      title: `${messages} messages of ${bytes} B, file store, at most ${window} unconfirmed`,
      columns: ['messages/s', 'CPU µs/message'],
      rows: names.map((name) => ({
        name,
        cells: [
          summarize(samples[name].map(({ messagesPerSecond }) => messagesPerSecond)),
          summarize(samples[name].map(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage)),
        ],
      })),
      ratios: [
        ratio('penstock send()', '>= 2.0'),
        ratio('penstock publish()', '>= 1.3'),
        ratio('penstock publishAll()', '>= 1.5'),
      ],
      notes: ['Client and nats-server share the machine: rates are for comparison within this run.'],
    };
  },
};
