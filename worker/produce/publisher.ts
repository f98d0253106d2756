import { createInbox } from '@nats-io/transport-node';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import { systemClock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import { PublishBatch } from './publishBatch.ts';
import type { PublishResult } from './publishBatch.ts';
import { buildHeaders, isPlainAck, readAck } from './wire.ts';
import type { OutgoingMessage, Settle, Stored } from './wire.ts';

const defaultMaxInFlight = 1_000;
const defaultTimeoutMs = 5_000;
const sweepsPerTimeout = 10;

export type PublisherOptions = {
  /** Messages that the server has not confirmed yet, at most. Default 1,000. */
  readonly maxInFlight?: number;
  /**
   * What becomes of a message when that many are under way: `wait` (default) for room, `reject` it with
   * `PublisherFull`, or `drop` it and count it.
   */
  readonly whenFull?: 'wait' | 'reject' | 'drop';
  /** How long the server may take to confirm a message. Default 5,000. */
  readonly timeoutMs?: number;
  /** Prefix of the subject for confirmations. Default `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Learns of each message of `send` that was not stored, so that it can be sent again with its id. Must not throw. */
  readonly onFailure?: (message: OutgoingMessage, error: PenstockError) => void;
};

export type PublisherStats = {
  readonly inFlight: number;
  readonly waiting: number;
  readonly stored: number;
  readonly failed: number;
  readonly dropped: number;
};

type InFlight = {
  readonly message: OutgoingMessage;
  readonly sentMs: number;
  /** Undefined for `send`, whose failures go to `onFailure` and `flush`. */
  readonly settle: Settle | undefined;
};

type Waiting = {
  readonly message: OutgoingMessage;
  readonly settle: Settle | undefined;
  readonly sent: () => void;
};

/**
 * Publishes to JetStream with a bounded number of unconfirmed messages. All confirmations come back over one
 * subscription and one timer looks after all of them, so that a message of `send` costs a map entry: no promise, no
 * timer, no subject of its own.
 */
export class Publisher implements AsyncDisposable {
  readonly #connection: NatsConnection;
  readonly #maxInFlight: number;
  readonly #whenFull: 'wait' | 'reject' | 'drop';
  readonly #timeoutMs: number;
  readonly #onFailure: (message: OutgoingMessage, error: PenstockError) => void;
  readonly #clock: Clock = systemClock;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  /** By token, oldest first. */
  readonly #inFlight = new Map<string, InFlight>();
  readonly #waiting: Waiting[] = [];
  readonly #flushes: (() => void)[] = [];
  #tokens = 0;
  #stored = 0;
  #failed = 0;
  #dropped = 0;
  #unreported: { count: number; first: PenstockError } | undefined;
  #closed = false;

  /** @throws PenstockError `InvalidOptions` */
  constructor(connection: NatsConnection, options: PublisherOptions = {}) {
    const { maxInFlight = defaultMaxInFlight, timeoutMs = defaultTimeoutMs, whenFull = 'wait' } = options;
    this.#connection = connection;
    this.#maxInFlight = requireWhole('maxInFlight', maxInFlight);
    this.#timeoutMs = requireWhole('timeoutMs', timeoutMs);
    this.#whenFull = whenFull;
    this.#onFailure = options.onFailure ?? ((): void => undefined);
    this.#inbox = createInbox(options.inboxPrefix);
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, reply) => {
        if (error === null) this.#receive(reply);
      },
    });
    this.#timer = setInterval(() => this.#sweep(), this.#timeoutMs / sweepsPerTimeout);
  }

  /**
   * Sends a message without waiting for its confirmation: the fast way, for many. Failures reach `onFailure` and the
   * next `flush`.
   *
   * @param settle learns of this message instead of them, unless it is dropped; one may serve many messages.
   * @returns undefined when it is under way, or dropped; a promise for that when it has to wait for room.
   * @throws PenstockError `PublisherFull`, with `whenFull: 'reject'`; `PublisherClosed`.
   */
  send(message: OutgoingMessage, settle?: Settle): Promise<void> | undefined {
    if (this.#admits()) {
      this.#transmit(message, settle);
      return undefined;
    }
    if (this.#whenFull === 'drop') {
      this.#dropped += 1;
      return undefined;
    }
    if (this.#whenFull === 'reject') throw this.#full();
    return new Promise((sent) => this.#waiting.push({ message, settle, sent }));
  }

  /**
   * Publishes a message and waits until the stream has stored it.
   *
   * @throws PenstockError `PublishFailed`, retryable with the same id; `PublisherFull`, unless it may wait;
   *   `PublisherClosed`.
   */
  async publish(message: OutgoingMessage): Promise<Stored> {
    const admitted = this.#admits();
    if (!admitted && this.#whenFull !== 'wait') throw this.#full();
    return new Promise((stored, failed) => {
      const settle = { stored, failed };
      if (admitted) this.#transmit(message, settle);
      else this.#waiting.push({ message, settle, sent: () => undefined });
    });
  }

  /**
   * Publishes many messages in their order and waits for what became of each: no promise per message. They are taken
   * one by one as there is room; with `whenFull` `reject` or `drop`, those that find none fail with `PublisherFull`.
   * Failures do not reach `onFailure` and `flush`.
   *
   * @returns one result per message, in the same order.
   * @throws PenstockError `PublisherClosed`, when nothing is sent; what `messages` throws, after which those that it
   *   gave before are still stored.
   */
  async publishAll(messages: Iterable<OutgoingMessage>): Promise<readonly PublishResult[]> {
    if (this.#closed) throw closed();
    const batch = new PublishBatch();
    const rest = messages[Symbol.iterator]();
    const goOn = (): void => {
      try {
        for (let next = rest.next(); next.done !== true; next = rest.next()) {
          const settle = batch.add();
          if (this.#closed) settle.failed(closed());
          else if (this.#admits()) this.#transmit(next.value, settle);
          else if (this.#whenFull === 'wait') {
            this.#waiting.push({ message: next.value, settle, sent: goOn });
            return;
          } else {
            if (this.#whenFull === 'drop') this.#dropped += 1;
            settle.failed(this.#full());
          }
        }
        batch.end();
      } catch (error) {
        batch.abandon(error);
      }
    };
    goOn();
    return batch.results;
  }

  /**
   * Resolves when nothing is under way.
   *
   * @throws PenstockError `PublishFailed` when messages of `send` have failed since the last flush.
   */
  async flush(): Promise<void> {
    if (this.#inFlight.size > 0) {
      await new Promise<void>((resolve) => this.#flushes.push(resolve));
    }
    const unreported = this.#unreported;
    this.#unreported = undefined;
    if (unreported === undefined) return;
    const { count, first } = unreported;
    throw new PenstockError(
      'PublishFailed',
      `${count} messages were not stored; the first: ${first.message}`,
      {
        retryable: true,
        cause: first,
      },
    );
  }

  stats(): PublisherStats {
    return {
      inFlight: this.#inFlight.size,
      waiting: this.#waiting.length,
      stored: this.#stored,
      failed: this.#failed,
      dropped: this.#dropped,
    };
  }

  /** Takes no more messages, and waits for those under way; their failures have reached `onFailure`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.flush().catch(() => undefined);
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }

  #admits(): boolean {
    if (this.#closed) throw closed();
    return this.#inFlight.size < this.#maxInFlight && this.#waiting.length === 0;
  }

  #full(): PenstockError {
    return new PenstockError(
      'PublisherFull',
      `${this.#inFlight.size} messages wait for their confirmation; slow down, or raise maxInFlight`,
      { retryable: true },
    );
  }

  #transmit(message: OutgoingMessage, settle: Settle | undefined): void {
    this.#tokens += 1;
    const token = this.#tokens.toString(36);
    const reply = `${this.#inbox}.${token}`;
    const entry = { message, sentMs: this.#clock.monotonicMs(), settle };
    this.#inFlight.set(token, entry);
    try {
      const hdrs = buildHeaders(message);
      this.#connection.publish(
        message.subject,
        message.data,
        hdrs === undefined ? { reply } : { reply, headers: hdrs },
      );
    } catch (error) {
      // After this call has returned: whoever sends must not be told within its own call.
      queueMicrotask(() => this.#fail(token, entry, describeError(error), error));
    }
  }

  #receive(reply: Msg): void {
    const token = reply.subject.slice(this.#inbox.length + 1);
    const entry = this.#inFlight.get(token);
    // Late: it has been given up.
    if (entry === undefined) return;
    if (entry.settle === undefined && isPlainAck(reply.data)) {
      this.#stored += 1;
      this.#leave(token);
      return;
    }
    const ack = readAck(reply.data);
    if (typeof ack === 'string') {
      this.#fail(token, entry, ack);
      return;
    }
    this.#stored += 1;
    entry.settle?.stored(ack);
    this.#leave(token);
  }

  #fail(token: string, { message, settle }: InFlight, why: string, cause?: unknown): void {
    const error = new PenstockError('PublishFailed', `publishing on ${message.subject} failed: ${why}`, {
      retryable: true,
      cause,
    });
    this.#failed += 1;
    if (settle === undefined) {
      this.#unreported = {
        count: (this.#unreported?.count ?? 0) + 1,
        first: this.#unreported?.first ?? error,
      };
      this.#onFailure(message, error);
    } else {
      settle.failed(error);
    }
    this.#leave(token);
  }

  /** Makes room for whoever waits longest. */
  #leave(token: string): void {
    this.#inFlight.delete(token);
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#transmit(next.message, next.settle);
      next.sent();
    } else if (this.#inFlight.size === 0) {
      for (const resolve of this.#flushes.splice(0)) resolve();
    }
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [token, entry] of this.#inFlight) {
      if (nowMs - entry.sentMs < this.#timeoutMs) return;
      this.#fail(token, entry, `no confirmation within ${this.#timeoutMs} ms; it may be stored all the same`);
    }
  }
}

const closed = (): PenstockError =>
  new PenstockError('PublisherClosed', 'the publisher is closed; open another for more messages');

function requireWhole(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new PenstockError('InvalidOptions', `${option} is ${value}: must be a whole number, at least 1`);
}
