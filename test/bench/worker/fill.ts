import { createInbox } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';

const unackedPublishes = 1_000;

/** Stores messages of equal size on a subject. */
export async function fill(
  connection: NatsConnection,
  subject: string,
  bytes: number,
  messages: number,
): Promise<void> {
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
