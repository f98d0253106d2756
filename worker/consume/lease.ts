import type { Delivery } from './job.ts';

const sweepsPerAckWait = 12;
const shortestSweepMs = 25;
const longestSweepMs = 250;

/** How often leases, time limits and watchdogs are looked at, milliseconds: one timer for the whole process. */
export function sweepPeriodMs(ackWaitMs: number): number {
  return Math.min(longestSweepMs, Math.max(shortestSweepMs, ackWaitMs / sweepsPerAckWait));
}

/**
 * Until when a delivery is ours alone, on our own monotonic clock.
 *
 * The server gives a message to somebody else once `ack_wait` has passed since it sent it, or since it last accepted
 * an extension, and it does not refuse the ack of a holder whose time is over. So the holder must know it itself, and
 * must never believe in more time than the server grants:
 *
 * - A new message counts from the last sweep but one before it was read: while the event loop was blocked (or the
 *   process stopped), messages lay in the socket with their time running, and nothing tells for how long.
 * - An extension counts from the moment it was sent, and only once the server has confirmed it.
 */
export class Leases {
  ackWaitMs: number;
  #lastSweepMs: number;
  #sweepBeforeMs: number;

  constructor(ackWaitMs: number, nowMs: number) {
    this.ackWaitMs = ackWaitMs;
    this.#lastSweepMs = nowMs;
    this.#sweepBeforeMs = nowMs;
  }

  /** From when the lease of a message that is read now counts. */
  get leasedSinceMs(): number {
    return this.#sweepBeforeMs;
  }

  /** @returns whether the event loop was blocked since the last sweep, so that silence proves nothing. */
  swept(nowMs: number): boolean {
    const blocked = nowMs - this.#lastSweepMs > 3 * sweepPeriodMs(this.ackWaitMs);
    this.#sweepBeforeMs = this.#lastSweepMs;
    this.#lastSweepMs = nowMs;
    return blocked;
  }

  /** Until another worker may get it, by the `ack_wait` of now: the server, too, measures what it has sent by that. */
  remainingMs(delivery: Delivery, nowMs: number): number {
    return delivery.leasedSinceMs + this.ackWaitMs - nowMs;
  }

  isHeld(delivery: Delivery, nowMs: number): boolean {
    return this.remainingMs(delivery, nowMs) > 0;
  }

  /** With a look at each sweep, extensions go out at a third of `ack_wait` at the latest. */
  isExtensionDue(delivery: Delivery, nowMs: number): boolean {
    return nowMs - delivery.extensionAskedMs >= this.ackWaitMs / 4;
  }

  /** The server confirmed an extension that was sent then. */
  extended(delivery: Delivery, sentMs: number): void {
    delivery.leasedSinceMs = Math.max(delivery.leasedSinceMs, sentMs);
  }
}
