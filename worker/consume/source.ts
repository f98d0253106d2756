import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import type { Counters } from '../report/counters.ts';
import { awaitConsumer, readConsumerInfo } from './consumer.ts';
import type { Consumer, ConsumerSettings } from './consumer.ts';
import { ackWaitMs } from './fit.ts';
import { PullLoop } from './pull.ts';
import { StallWatch } from './stall.ts';
import type { Credits } from './window.ts';

/** A server that refuses pulls although its consumer looks fine is not asked faster than this. */
const recheckPeriodMs = 1_000;
/** How long an edit of the consumer may go unnoticed: nobody tells those who pull of it. */
const editCheckPeriodMs = 10_000;

export type SourceParts = {
  readonly connection: NatsConnection;
  readonly inboxPrefix: string;
  readonly settings: ConsumerSettings;
  readonly consumer: Consumer;
  readonly credits: Credits;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Aborted when the worker asks for nothing more. */
  readonly ended: AbortSignal;
  /** Whether jobs are wanted at all now: connected, and not held off by a breaker. */
  readonly isWanted: () => boolean;
  /** Must not throw. */
  readonly onMessage: (message: Msg, ackSubject: string) => void;
  /** The consumer is another one than before. */
  readonly onAdopted: () => void;
};

/** One consumer that a worker pulls from: the loop, the watch over its silence, and the way back when it was gone. */
export class Source {
  readonly #parts: SourceParts;
  readonly #pull: PullLoop;
  readonly #stallWatch: StallWatch;
  #consumer: Consumer;
  #rechecking = false;
  #lastRecheckMs = -Infinity;
  #lookedForEditsMs: number;

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#consumer = parts.consumer;
    this.#lookedForEditsMs = parts.clock.monotonicMs();
    const { settings, ...rest } = parts;
    const { stream, consumer } = settings;
    this.#pull = new PullLoop({
      ...rest,
      stream,
      consumer,
      onRecheck: (reason) => void this.#recheck(reason),
    });
    this.#stallWatch = new StallWatch({ ...rest, stream, consumer, pull: this.#pull });
  }

  get ackWaitMs(): number {
    return this.#consumer.ackWaitMs;
  }

  get isPulling(): boolean {
    return this.#pull.isPulling;
  }

  /** Pulls, if jobs are wanted; asking for the consumer first would only cost a round trip. */
  start(): void {
    if (!this.#rechecking && this.#parts.isWanted()) this.#pull.start(this.#consumer);
  }

  rest(): void {
    this.#pull.rest();
  }

  withdraw(): void {
    this.#pull.withdraw();
  }

  refill(): void {
    this.#pull.refill();
  }

  /** @param blocked whether the event loop was, so that silence proves nothing. */
  sweep(nowMs: number, blocked: boolean): void {
    if (!blocked) this.#pull.watch(nowMs);
    this.#stallWatch.sweep(nowMs);
    if (nowMs - this.#lookedForEditsMs < editCheckPeriodMs || !this.isPulling) return;
    this.#lookedForEditsMs = nowMs;
    void this.#lookForEdits();
  }

  async drain(): Promise<void> {
    await this.#pull.drain();
  }

  async #recheck(reason: string): Promise<void> {
    const { connection, settings, clock, log, ended } = this.#parts;
    if (this.#rechecking || ended.aborted) return;
    this.#rechecking = true;
    log.warn({ reason, from: settings.consumer }, 'looking at the consumer again before pulling on');
    try {
      const dueMs = this.#lastRecheckMs + recheckPeriodMs;
      if (dueMs > clock.monotonicMs()) await sleep(dueMs - clock.monotonicMs(), ended);
      this.#lastRecheckMs = clock.monotonicMs();
      const consumer = await awaitConsumer(connection, settings, { mustFit: false, signal: ended, log });
      this.#rechecking = false;
      if (consumer !== undefined) this.#adopt(consumer);
    } finally {
      this.#rechecking = false;
    }
  }

  /** A shorter `ack_wait` must be known before leases are lost by it. A consumer that does not answer is another's task. */
  async #lookForEdits(): Promise<void> {
    const { connection, settings, log, onAdopted, ended } = this.#parts;
    try {
      const { config } = await readConsumerInfo(connection, settings);
      const now = ackWaitMs(config);
      if (ended.aborted || now === this.#consumer.ackWaitMs) return;
      log.warn(
        { from: settings.consumer, ackWaitMs: now },
        'the consumer was edited: it has another ack_wait',
      );
      this.#consumer = { ...this.#consumer, ackWaitMs: now };
      onAdopted();
    } catch (error) {
      log.debug({ from: settings.consumer, error: describeError(error) }, 'could not look for edits');
    }
  }

  #adopt(consumer: Consumer): void {
    const { log, settings, onAdopted } = this.#parts;
    this.#consumer = consumer;
    onAdopted();
    log.info({ from: settings.consumer }, 'the consumer is there; pulling');
    this.start();
  }
}
