import { JetStreamApiCodes, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { PenstockError, describeError } from '#common/errors.ts';
import type { WantedStream } from '../jetstream/ensureStream.ts';
import { readAck } from '../produce/wire.ts';
import { composeHeaders } from './compose.ts';
import type { Deceased } from './compose.ts';
import { idempotencyKeyHeader } from './headers.ts';

const advisoryPrefix = '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES';
const requestTimeoutMs = 5_000;
const maxAgeNanos = 30 * 86_400 * 1e9;
/** About 500 MB; the oldest go first. */
const maxAdvisories = 1_000_000;
/** Error code of nats-server (server/errors.json) for a sequence that is not in the stream. */
const sequenceNotFound = 10043;

/**
 * The stream that keeps the server's word that it gave a message up: without one, nobody hears it. One for all queues
 * of an account.
 */
export function advisoryStream(name: string): WantedStream {
  return {
    name,
    holds: 'advisories of messages that the server gave up',
    create: true,
    config: {
      subjects: [`${advisoryPrefix}.>`],
      retention: 'limits',
      storage: 'file',
      max_age: maxAgeNanos,
      max_msgs: maxAdvisories,
      discard: 'old',
    },
  };
}

export type SweeperParts = {
  readonly connection: NatsConnection;
  /** The queue that is swept. */
  readonly stream: string;
  readonly consumer: string;
  readonly advisories: string;
  readonly letters: { readonly stream: string; readonly subject: string };
};

/** What became of one message that the server gave up. */
export type Swept = {
  readonly sequence: number;
  readonly deliveries: number;
  /** `buried`: it is a dead letter now. `gone`: it was acked or removed after all. */
  readonly fate: 'buried' | 'gone';
};

const advisorySchema = z.object({
  stream: z.string(),
  consumer: z.string(),
  stream_seq: z.int().positive(),
  deliveries: z.int().nonnegative(),
});

/**
 * Buries what nobody else can: messages that used up the `max_deliver` of their consumer, as those do that take their
 * workers down. They leave all counts of the consumer and stay in the stream for ever.
 *
 * For each advisory: get the message → store the dead letter, with the message id that a worker would give it → remove
 * the message, if the stream is a work queue → remove the advisory. Interrupted anywhere, the next sweep goes on.
 */
export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #jsm: JetStreamManager;

  private constructor(parts: SweeperParts, jsm: JetStreamManager) {
    this.#parts = parts;
    this.#jsm = jsm;
  }

  static async open(parts: SweeperParts): Promise<Sweeper> {
    return new Sweeper(parts, await jetstreamManager(parts.connection, { checkAPI: false }));
  }

  /**
   * Goes through the advisories that there are, oldest first.
   *
   * @throws PenstockError `SweepFailed`, retryable: the message that it was at, and those after it, are left for later.
   */
  async *sweep(): AsyncGenerator<Swept> {
    const { stream, consumer, advisories } = this.#parts;
    const retention = await this.#ask(`stream ${stream}`, async () => {
      const { config } = await this.#jsm.streams.info(stream);
      return config.retention;
    });
    // Other consumers may still want what is in a stream with another retention.
    const isQueue = retention === 'workqueue';
    const subject = `${advisoryPrefix}.${stream}.${consumer}`;
    for (let next = 1; ;) {
      const advisory = await this.#get(advisories, { seq: next, next_by_subj: subject });
      if (advisory === undefined) return;
      next = advisory.seq + 1;
      const swept = await this.#bury(advisory, isQueue);
      await this.#remove(advisories, advisory.seq);
      if (swept !== undefined) yield swept;
    }
  }

  /** Undefined for what is no advisory about this queue: anybody may have written it. */
  async #bury(advisory: StoredMsg, isQueue: boolean): Promise<Swept | undefined> {
    const { stream, consumer } = this.#parts;
    const said = readAdvisory(advisory);
    if (said?.stream !== stream || said.consumer !== consumer) return undefined;
    const { stream_seq: sequence, deliveries } = said;
    const message = await this.#get(stream, { seq: sequence });
    if (message === undefined) return { sequence, deliveries, fate: 'gone' };
    await this.#store(message, deliveries, advisory.time.getTime());
    if (isQueue) await this.#remove(stream, sequence);
    return { sequence, deliveries, fate: 'buried' };
  }

  async #store(message: StoredMsg, deliveries: number, atMs: number): Promise<void> {
    const { connection, stream, consumer, letters } = this.#parts;
    const header = readableHeaders(message);
    const job: Deceased = {
      stream,
      consumer,
      sequence: message.seq,
      subject: message.subject,
      publishedAtMs: message.time.getTime(),
      attempts: deliveries,
      idempotencyKey:
        header.get(idempotencyKeyHeader)?.at(-1) ??
        header.get('Nats-Msg-Id')?.at(-1) ??
        `${stream}:${message.seq}`,
      headers: () => header,
    };
    const error = new Error(
      `the server gave it up after ${deliveries} deliveries that ended without a result`,
    );
    const headers = composeHeaders(job, { reason: 'DeliveriesExhausted', error, atMs }, letters.stream);
    await this.#ask(`storing a dead letter on ${letters.subject}`, async () => {
      const timeout = requestTimeoutMs;
      const reply = await connection.request(letters.subject, message.data, { timeout, headers });
      const ack = readAck(reply.data);
      if (typeof ack === 'string') throw new Error(ack);
    });
  }

  async #get(stream: string, query: { seq: number; next_by_subj?: string }): Promise<StoredMsg | undefined> {
    return this.#ask(`stream ${stream}`, async () => {
      try {
        return (await this.#jsm.streams.getMessage(stream, query)) ?? undefined;
      } catch (error) {
        if (isGone(error)) return undefined;
        throw error;
      }
    });
  }

  async #remove(stream: string, sequence: number): Promise<void> {
    await this.#ask(`stream ${stream}`, async () => {
      try {
        await this.#jsm.streams.deleteMessage(stream, sequence, false);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    });
  }

  async #ask<T>(what: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw new PenstockError(
        'SweepFailed',
        `${what}: ${describeError(error)}; does it exist, and has this user the rights that docs/worker.md lists?`,
        { retryable: true, cause: error },
      );
    }
  }
}

function readAdvisory(message: StoredMsg): z.infer<typeof advisorySchema> | undefined {
  try {
    return advisorySchema.parse(message.json());
  } catch {
    return undefined;
  }
}

function readableHeaders({ header }: StoredMsg): ReadonlyMap<string, readonly string[]> {
  try {
    return new Map(header);
  } catch {
    // The client cannot read the block; the job is buried without.
    return new Map();
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.NoMessageFound || error.code === sequenceNotFound)
  );
}
