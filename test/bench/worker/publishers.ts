import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Publisher } from '../../../worker/index.ts';

/** Publishes `messages` payloads on the subject, `window` of them unconfirmed at most, until all are stored. */
type PublishAll = (
  connection: NatsConnection,
  task: {
    readonly subject: string;
    readonly payload: Uint8Array;
    readonly messages: number;
    readonly window: number;
  },
) => Promise<void>;

/** The JetStream client: one request with its promise and timer per message. */
const clientPublish: PublishAll = async (connection, { subject, payload, messages, window }) => {
  const js = jetstream(connection);
  let sent = 0;
  // As many loops as messages may be under way: none ever waits for the slowest of a batch.
  const lane = async (): Promise<void> => {
    while (sent < messages) {
      sent += 1;
      await js.publish(subject, payload);
    }
  };
  await Promise.all(Array.from({ length: window }, lane));
};

const publisherSend: PublishAll = async (connection, { subject, payload: data, messages, window }) => {
  await using publisher = new Publisher(connection, { maxInFlight: window });
  for (let sent = 0; sent < messages; sent += 1) {
    const room = publisher.send({ subject, data });
    if (room !== undefined) await room;
  }
  await publisher.flush();
};

const publisherPublish: PublishAll = async (connection, { subject, payload: data, messages, window }) => {
  await using publisher = new Publisher(connection, { maxInFlight: window });
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < messages) {
      sent += 1;
      await publisher.publish({ subject, data });
    }
  };
  await Promise.all(Array.from({ length: window }, lane));
};

const publisherPublishAll: PublishAll = async (connection, { subject, payload: data, messages, window }) => {
  await using publisher = new Publisher(connection, { maxInFlight: window });
  const results = await publisher.publishAll(Array.from({ length: messages }, () => ({ subject, data })));
  const failed = results.find((result) => result.kind === 'failed');
  if (failed !== undefined) throw failed.error;
};

export const publishers = {
  'js.publish()': clientPublish,
  'penstock send()': publisherSend,
  'penstock publish()': publisherPublish,
  'penstock publishAll()': publisherPublishAll,
} as const satisfies Record<string, PublishAll>;

export type PublisherName = keyof typeof publishers;
