import { headers } from '@nats-io/transport-node';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { PenstockError, describeError } from '#common/errors.ts';
import { parseAckSubject } from '../consume/ackSubject.ts';
import { DeliveredJob } from '../consume/job.ts';
import type { Delivery } from '../consume/job.ts';
import { idempotencyKeyHeader, letterHeaders } from '../deadLetters/headers.ts';
import type { WantedStream } from '../jetstream/ensureStream.ts';
import type { DeadLetterReason } from './verdict.ts';

const maxErrorChars = 1_024;
/** Headers of the original are carried along up to this size, so that a dead letter can be sent back as it was. */
const maxCopiedHeaderBytes = 4_096;
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

export type Death = {
  readonly reason: DeadLetterReason;
  readonly error: Error;
  /** Milliseconds since 1970. */
  readonly atMs: number;
};

const publishReplySchema = z.object({
  stream: z.string().optional(),
  error: z.object({ description: z.string() }).optional(),
});

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
      const message = await this.#connection.request(subject, delivery.message.data, {
        timeout: this.#timeoutMs,
        headers: deadLetterHeaders(delivery, death, stream),
      });
      const reply = publishReplySchema.parse(message.json());
      if (reply.error !== undefined) throw new Error(reply.error.description);
      if (reply.stream === undefined) throw new Error('the reply names no stream');
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

/** The headers of a dead letter: docs/worker.md lists them. */
function deadLetterHeaders(delivery: Delivery, death: Death, stream: string): MsgHdrs {
  const facts = parseAckSubject(delivery.ackSubject);
  const hdrs = copyHeaders(delivery.message);
  const set = (name: string, value: string | number): void => hdrs.set(name, singleLine(`${value}`));
  set('Nats-Expected-Stream', stream);
  set('Nats-Msg-Id', `${facts?.stream}:${facts?.streamSequence}:${facts?.consumer}`);
  set(idempotencyKeyHeader, new DeliveredJob(delivery).idempotencyKey);
  set(letterHeaders.reason, death.reason);
  set(letterHeaders.error, death.error.message);
  set(letterHeaders.attempts, delivery.attempt);
  set(letterHeaders.originStream, facts?.stream ?? '');
  set(letterHeaders.originConsumer, facts?.consumer ?? '');
  set(letterHeaders.originSequence, facts?.streamSequence ?? 0);
  set(letterHeaders.originSubject, delivery.message.subject);
  set(letterHeaders.publishedAt, new Date(facts?.publishedAtMs ?? 0).toISOString());
  set(letterHeaders.failedAt, new Date(death.atMs).toISOString());
  return hdrs;
}

function copyHeaders(message: Msg): MsgHdrs {
  const copy = headers();
  let bytes = 0;
  try {
    for (const [name, values] of message.headers ?? []) {
      // Those of NATS itself are instructions to the server (dedupe, expectations, TTL) for the original only.
      if (/^(?:nats|penstock)-/i.test(name)) continue;
      for (const value of values) {
        bytes += name.length + value.length;
        if (bytes > maxCopiedHeaderBytes) return copy;
        copy.append(name, singleLine(value));
      }
    }
  } catch {
    // A header block that the client cannot read is left behind; what was read so far stays.
  }
  return copy;
}

function singleLine(text: string): string {
  return text
    .slice(0, maxErrorChars)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}
