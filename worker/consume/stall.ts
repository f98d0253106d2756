import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { Counters } from '../report/counters.ts';
import { readConsumerInfo } from './consumer.ts';
import type { PullLoop } from './pull.ts';

/** Pulls have been open for so long without a message: worth one question to the server. */
const suspiciousQuietMs = 30_000;

export type StallParts = {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly consumer: string;
  readonly pull: PullLoop;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
};

/**
 * Tells an empty queue from a server that sits on messages it should deliver (nats-server#7680 left 972 of them): then
 * the subscription and its pulls are set up anew.
 */
export class StallWatch {
  readonly #parts: StallParts;
  #investigating = false;

  constructor(parts: StallParts) {
    this.#parts = parts;
  }

  sweep(nowMs: number): void {
    if (this.#investigating || this.#parts.pull.quietMs(nowMs) <= suspiciousQuietMs) return;
    this.#investigating = true;
    void this.#investigate().finally(() => {
      this.#investigating = false;
    });
  }

  async #investigate(): Promise<void> {
    const { pull, counters, clock, log } = this.#parts;
    const waiting = await this.#countDeliverable();
    const nowMs = clock.monotonicMs();
    // A message may have come while we asked.
    if (waiting > 0 && pull.quietMs(nowMs) > suspiciousQuietMs) {
      counters.stalls += 1;
      log.warn({ waiting }, 'messages wait and none is delivered; subscribing anew');
      pull.rebuild();
    } else {
      pull.excuseQuiet(nowMs);
    }
  }

  /** Messages that the server has no reason to hold back; 0 when it cannot be asked. */
  async #countDeliverable(): Promise<number> {
    const { connection, log } = this.#parts;
    try {
      const info = await readConsumerInfo(connection, this.#parts);
      const { max_ack_pending: maxAckPending } = info.config;
      const isFull = maxAckPending > 0 && info.num_ack_pending >= maxAckPending;
      return info.paused || isFull ? 0 : info.num_pending;
    } catch (error) {
      log.debug({ error: describeError(error) }, 'could not look into the silence');
      return 0;
    }
  }
}
