import { connect, createInbox } from '@nats-io/transport-node';
import type { Peer } from './peer.ts';

const ackPayload = new TextEncoder().encode('+ACK');
const expiresNanos = 30e9;

/**
 * The floor: what the core client and an ack per message cost when nothing else is done. It pulls when half of its
 * window is used up, and knows no failure: no leases, limits, counters, watchdogs or drain.
 */
export const bareLoop: Peer = async ({ url, stream, consumer, window, handle }) => {
  const connection = await connect({ servers: url });
  const inbox = createInbox();
  let outstanding = 0;

  const pull = (): void => {
    const batch = window - outstanding;
    outstanding += batch;
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      JSON.stringify({ batch, expires: expiresNanos }),
      { reply: inbox },
    );
  };

  const subscription = connection.subscribe(inbox, {
    callback: (_error, message) => {
      const { reply } = message;
      // A status ends a pull; the benchmark is over long before.
      if (reply === undefined || reply === '') return;
      outstanding -= 1;
      handle();
      connection.publish(reply, ackPayload);
      if (outstanding <= window / 2) pull();
    },
  });
  pull();

  return {
    async stop() {
      await subscription.drain();
      await connection.drain();
    },
  };
};
