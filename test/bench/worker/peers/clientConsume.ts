import { jetstream } from '@nats-io/jetstream';
import type { ConsumerMessages } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Peer, PeerTask } from './peer.ts';

/** The JetStream client's consume() with a callback: its faster form, without backpressure. */
export const consumeCallback: Peer = async (task) => {
  const { connection, consumer } = await open(task);
  const messages = await consumer.consume({
    max_messages: task.window,
    callback: (message) => {
      task.handle();
      message.ack();
    },
  });
  return { stop: () => close(connection, messages) };
};

/** The JetStream client's consume() as an iterator, as its documentation shows it. */
export const consumeIterator: Peer = async (task) => {
  const { connection, consumer } = await open(task);
  const messages = await consumer.consume({ max_messages: task.window });
  const loop = (async () => {
    for await (const message of messages) {
      task.handle();
      message.ack();
    }
  })();
  return {
    async stop() {
      await close(connection, messages);
      await loop;
    },
  };
};

async function open({ url, stream, consumer }: PeerTask) {
  const connection = await connect({ servers: url });
  return { connection, consumer: await jetstream(connection).consumers.get(stream, consumer) };
}

async function close(connection: NatsConnection, messages: ConsumerMessages): Promise<void> {
  await messages.close();
  await connection.drain();
}
