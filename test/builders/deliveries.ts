import type { Msg } from '@nats-io/transport-node';
import { headers } from '@nats-io/transport-node';
import { Delivery } from '../../worker/consume/job.ts';

/** What a test wants to be true of a delivery. */
export type DeliveryFacts = {
  readonly key?: string;
  readonly sequence?: number;
  readonly subject?: string;
  readonly publishedAtMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A delivery as the pull loop would hand it on; the parts of a message that nobody reads here are left out. */
export function delivery(facts: DeliveryFacts = {}): Delivery {
  const { key, sequence = 1, subject = 'S.job', publishedAtMs = 0 } = facts;
  const hdrs = headers();
  for (const [name, value] of Object.entries(facts.headers ?? {})) hdrs.set(name, value);
  const message = { subject, data: new Uint8Array(), headers: hdrs } as unknown as Msg;
  const made = new Delivery(
    message,
    `$JS.ACK.S.work.1.${sequence}.${sequence}.${publishedAtMs * 1e6}.0`,
    1,
    0,
  );
  made.key = key;
  return made;
}
