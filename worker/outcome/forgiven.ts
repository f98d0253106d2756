import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { parseAckSubject } from '../consume/ackSubject.ts';
import type { Delivery } from '../consume/job.ts';
import { requestApi } from '../jetstream/api.ts';
import type { WantedStream } from '../jetstream/ensureStream.ts';

const subjectPrefix = 'penstock.forgiven';
/** Longer than any job is retried. */
const maxAgeNanos = 30 * 86_400 * 1e9;
/** About 100 MB; the oldest go first. */
const maxRecords = 1_000_000;

/** Why a delivery was no attempt: the worker gave the job back by itself, or lost its lease while it was alive. */
export type Excuse = 'hand-back' | 'lost-lease';

const infoSchema = z.object({
  state: z.object({ subjects: z.record(z.string(), z.number()).default({}) }),
});

/** The stream that remembers which deliveries were no attempts: one empty message each, on a subject of its own. */
export function forgivenStream(name: string): WantedStream {
  return {
    name,
    holds: 'forgiven deliveries',
    create: true,
    config: {
      subjects: [`${subjectPrefix}.>`],
      retention: 'limits',
      storage: 'file',
      max_msgs_per_subject: 1,
      max_age: maxAgeNanos,
      max_msgs: maxRecords,
      discard: 'old',
    },
  };
}

/**
 * JetStream counts deliveries, and workers of a fleet cannot count attempts together but through the server. So the
 * exception is written down, not the rule: a delivery that was no attempt leaves a record, and records are read only
 * when a job has had as many deliveries as it may have attempts. Whatever succeeds, or fails for a reason of its own,
 * costs nothing; docs/adr/0011-attempts-are-deliveries-less-the-forgiven.md.
 */
export class Forgiven {
  readonly #connection: NatsConnection;
  readonly #stream: string;
  readonly #maxAttempts: number;

  constructor(connection: NatsConnection, stream: string, maxAttempts: number) {
    this.#connection = connection;
    this.#stream = stream;
    this.#maxAttempts = maxAttempts;
  }

  /** Nobody waits for it: a record that gets lost makes a delivery count that should not. */
  forgive(delivery: Delivery, excuse: Excuse): void {
    const subject = recordsOf(delivery);
    if (subject === undefined) return;
    try {
      this.#connection.publish(`${subject}.${delivery.deliveries}.${excuse}`);
    } catch {
      // Closed, or closing.
    }
  }

  /**
   * Attempts at a job: its deliveries less the forgiven ones. Of lost leases, no more than the attempts that a job may
   * have are forgiven, since a job that blocks its worker loses its lease by its own fault, each time.
   *
   * @throws PenstockError as `requestApi` does: then the number is unknown.
   */
  async countAttempts(delivery: Delivery): Promise<number> {
    const subject = recordsOf(delivery);
    if (subject === undefined) return delivery.attempt;
    const request = { subjects_filter: `${subject}.*.*` };
    const info = infoSchema.parse(await requestApi(this.#connection, `STREAM.INFO.${this.#stream}`, request));
    const records = Object.keys(info.state.subjects).map((record) => record.split('.').slice(-2));
    const earlier = records.filter(([number]) => Number(number) < delivery.deliveries);
    const lost = earlier.filter(([, excuse]) => excuse === 'lost-lease').length;
    return delivery.attempt - (earlier.length - lost) - Math.min(lost, this.#maxAttempts);
  }
}

function recordsOf({ ackSubject }: Delivery): string | undefined {
  const facts = parseAckSubject(ackSubject);
  return facts && `${subjectPrefix}.${facts.stream}.${facts.consumer}.${facts.streamSequence}`;
}
