import type { Msg } from '@nats-io/transport-node';
import { describeError } from '#common/errors.ts';
import { idempotencyKeyHeader } from '../deadLetters/headers.ts';
import { MalformedPayload } from '../outcome/verdict.ts';
import { parseAckSubject } from './ackSubject.ts';
import type { AckFacts } from './ackSubject.ts';

/** What a handler gets to work on. */
export type Job = {
  /** The payload: a copy, which the handler may change. */
  readonly data: Uint8Array<ArrayBuffer>;
  /**
   * The payload as JSON.
   *
   * @throws MalformedPayload when it is none. Uncaught, it dead-letters the job: no retry would change the payload.
   */
  json(): unknown;
  /** Headers by lower-case name; only the last value of a repeated one. Invalid ones are left out. */
  readonly headers: ReadonlyMap<string, string>;
  readonly subject: string;
  readonly stream: string;
  /** Sequence number of the message in its stream. */
  readonly sequence: number;
  /** 1 for the first run. */
  readonly attempt: number;
  /**
   * How often the server has delivered it: with stream and sequence a fencing token. Of two holders of a job, the later
   * has the higher number; retries that the worker made by itself, as for ordered keys, do not count.
   */
  readonly deliveries: number;
  /** When the stream stored the message. */
  readonly publishedAt: Date;
  /**
   * The publisher's `Nats-Msg-Id`, or `stream:sequence`: equal for every attempt at the same job, also when it was sent
   * back from the dead letters.
   */
  readonly idempotencyKey: string;
};

/** One delivery, from its arrival until it is settled. */
export class Delivery {
  readonly message: Msg;
  readonly ackSubject: string;
  /** How often the server has delivered this message, this time included. */
  readonly deliveries: number;
  /** Deliveries, and retries that were made without one. */
  attempt: number;
  /** Monotonic time, milliseconds, since which it is ours for `ack_wait`. */
  leasedSinceMs: number;
  /** When an extension of the lease was last asked for, monotonic milliseconds. */
  extensionAskedMs: number;
  /** Came often, but its attempts were counted and there are some left. */
  isReprieved = false;
  /** Undefined: its order does not matter, and no limit per key holds for it. */
  key: string | undefined = undefined;
  /** What it takes of the slots. */
  weight = 1;
  /** When the message was stored, milliseconds since 1970; undefined for repeated deliveries, whose wait is not told. */
  publishedAtMs: number | undefined = undefined;

  constructor(message: Msg, ackSubject: string, deliveries: number, leasedSinceMs: number) {
    this.message = message;
    this.ackSubject = ackSubject;
    this.deliveries = deliveries;
    this.attempt = deliveries;
    this.leasedSinceMs = leasedSinceMs;
    this.extensionAskedMs = leasedSinceMs;
  }
}

const keyHeader = idempotencyKeyHeader.toLowerCase();
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws MalformedPayload, naming the job. */
export function parseJson(job: Pick<Job, 'stream' | 'sequence'>, payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(payload));
  } catch (error) {
    throw new MalformedPayload(
      `the payload of ${job.stream}:${job.sequence} (${payload.length} bytes) is not JSON: ${describeError(error)}`,
      { cause: error },
    );
  }
}

const noFacts: AckFacts = { stream: '', consumer: '', deliveries: 0, streamSequence: 0, publishedAtMs: 0 };

/** A job as a view of its delivery: everything that costs something is computed when it is first asked for. */
export class DeliveredJob implements Job {
  readonly #delivery: Delivery;
  #data: Uint8Array<ArrayBuffer> | undefined;
  #facts: AckFacts | undefined;
  #headers: ReadonlyMap<string, string> | undefined;

  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  get data(): Uint8Array<ArrayBuffer> {
    // Not slice(): of the client's Buffers, that is a view, and the handler would write into the connection's memory.
    return (this.#data ??= new Uint8Array(this.#delivery.message.data));
  }

  json(): unknown {
    return parseJson(this, this.#delivery.message.data);
  }

  get headers(): ReadonlyMap<string, string> {
    return (this.#headers ??= readHeaders(this.#delivery.message));
  }

  get subject(): string {
    return this.#delivery.message.subject;
  }

  get stream(): string {
    return this.#ackFacts.stream;
  }

  get sequence(): number {
    return this.#ackFacts.streamSequence;
  }

  get attempt(): number {
    return this.#delivery.attempt;
  }

  get deliveries(): number {
    return this.#delivery.deliveries;
  }

  get publishedAt(): Date {
    return new Date(this.#ackFacts.publishedAtMs);
  }

  get idempotencyKey(): string {
    const id = this.headers.get(keyHeader) ?? this.headers.get('nats-msg-id');
    return id === undefined || id === '' ? `${this.stream}:${this.sequence}` : id;
  }

  get #ackFacts(): AckFacts {
    return (this.#facts ??= parseAckSubject(this.#delivery.ackSubject) ?? noFacts);
  }
}

function readHeaders(message: Msg): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  try {
    for (const [name, values] of message.headers ?? []) map.set(name.toLowerCase(), values.at(-1) ?? '');
  } catch {
    // The client refuses a header block with an impossible name as a whole; the job is still a job.
  }
  return map;
}
