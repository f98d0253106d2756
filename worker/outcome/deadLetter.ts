import type { NatsConnection } from '@nats-io/transport-node';
import { PenstockError, describeError } from '#common/errors.ts';
import { parseAckSubject } from '../consume/ackSubject.ts';
import { DeliveredJob } from '../consume/job.ts';
import type { Delivery } from '../consume/job.ts';
import { composeHeaders } from '../deadLetters/compose.ts';
import type { Death, Deceased } from '../deadLetters/compose.ts';
import type { WantedStream } from '../jetstream/ensureStream.ts';
import { readAck } from '../produce/wire.ts';

const subjectPrefix = 'dead-letter';

export type DeadLetterSettings = {
  readonly stream: string;
  /** Where dead letters are published; the stream must listen there. */
  readonly subject: string;
  /** Whether to create the stream when it is missing. */
  readonly create: boolean;
};

export function defaultDeadLetterSubject(stream: string, consumer: string): string {
  return `${subjectPrefix}.${stream}.${consumer}`;
}

/** Stores jobs that were given up, with what is needed to understand them and to send them back. */
export class DeadLetters {
  readonly #connection: NatsConnection;
  readonly #settings: DeadLetterSettings;
  readonly #timeoutMs: number;

  /** @param timeoutMs time that storing may take; keep it below `ack_wait`. */
  constructor(connection: NatsConnection, settings: DeadLetterSettings, timeoutMs: number) {
    this.#connection = connection;
    this.#settings = settings;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves once the stream has confirmed the dead letter. Storing the same delivery twice within the stream's
   * duplicate window leaves one.
   *
   * @throws PenstockError `DeadLetterFailed`, retryable.
   */
  async store(delivery: Delivery, death: Death): Promise<void> {
    const { stream, subject } = this.#settings;
    try {
      const reply = await this.#connection.request(subject, delivery.message.data, {
        timeout: this.#timeoutMs,
        headers: composeHeaders(deceased(delivery), death, stream),
      });
      const ack = readAck(reply.data);
      if (typeof ack === 'string') throw new Error(ack);
    } catch (error) {
      throw new PenstockError(
        'DeadLetterFailed',
        `storing a dead letter in stream ${stream} on ${subject} failed: ${describeError(error)}`,
        { retryable: true, cause: error },
      );
    }
  }
}

export function deadLetterStream({ stream, subject, create }: DeadLetterSettings): WantedStream {
  return {
    name: stream,
    holds: 'dead letters',
    create,
    config: {
      subjects: [subject.startsWith(`${subjectPrefix}.`) ? `${subjectPrefix}.>` : subject],
      retention: 'limits',
      storage: 'file',
    },
  };
}

function deceased(delivery: Delivery): Deceased {
  const { message, attempt } = delivery;
  const facts = parseAckSubject(delivery.ackSubject);
  return {
    stream: facts?.stream ?? '',
    consumer: facts?.consumer ?? '',
    sequence: facts?.streamSequence ?? 0,
    subject: message.subject,
    publishedAtMs: facts?.publishedAtMs ?? 0,
    attempts: attempt,
    idempotencyKey: new DeliveredJob(delivery).idempotencyKey,
    headers: () => message.headers ?? [],
  };
}
