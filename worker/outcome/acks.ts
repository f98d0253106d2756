import { createInbox } from '@nats-io/transport-node';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { msToNanos } from '#common/units.ts';
import type { Delivery } from '../consume/job.ts';
import type { Leases } from '../consume/lease.ts';

const encoder = new TextEncoder();
const ackPayload = encoder.encode('+ACK');
const nakPayload = encoder.encode('-NAK');
const extendPayload = encoder.encode('+WPI');
/** An ack that the server has not confirmed by then is sent again. */
const resendAfterMs = 1_000;
const maxTermReasonChars = 200;

type Unconfirmed = {
  readonly delivery: Delivery;
  sentMs: number;
  /** Undefined for an extension of the lease. */
  readonly onAcked: ((confirmed: boolean) => void) | undefined;
};

/**
 * Everything that this process says about its deliveries. The callers hold the lease; see consume/lease.ts.
 *
 * Confirmations come back over one subscription for all, so that asking for them costs a map entry and no timer.
 */
export class Acks {
  readonly #connection: NatsConnection;
  readonly #leases: Leases;
  readonly #inbox: string;
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  #sequence = 0;

  constructor(connection: NatsConnection, inboxPrefix: string, leases: Leases) {
    this.#connection = connection;
    this.#leases = leases;
    this.#inbox = createInbox(inboxPrefix);
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
  }

  /** Done; nobody waits for the server's answer. */
  ack(delivery: Delivery): void {
    this.#publish(delivery, ackPayload);
  }

  /** Done; `onAcked` learns whether the server confirmed it before the lease ended. */
  ackConfirmed(delivery: Delivery, nowMs: number, onAcked: (confirmed: boolean) => void): void {
    this.#ask({ delivery, sentMs: nowMs, onAcked }, ackPayload);
  }

  /** To be delivered again after the delay. */
  retry(delivery: Delivery, delayMs: number): void {
    this.#publish(delivery, encoder.encode(`-NAK {"delay":${msToNanos(delayMs)}}`));
  }

  /** To be delivered again at once, to whoever asks next. */
  handBack(delivery: Delivery): void {
    this.#publish(delivery, nakPayload);
  }

  /** Never to be delivered again. */
  terminate(delivery: Delivery, reason: string): void {
    this.#publish(delivery, encoder.encode(`+TERM ${reason.slice(0, maxTermReasonChars)}`));
  }

  extend(delivery: Delivery, nowMs: number): void {
    delivery.extensionAskedMs = nowMs;
    this.#ask({ delivery, sentMs: nowMs, onAcked: undefined }, extendPayload);
  }

  /** Repeats acks that got lost, and forgets what can no longer be confirmed. */
  sweep(nowMs: number, connected: boolean): void {
    for (const [token, entry] of this.#unconfirmed) {
      if (!this.#leases.isHeld(entry.delivery, nowMs)) {
        this.#unconfirmed.delete(token);
        entry.onAcked?.(false);
      } else if (entry.onAcked !== undefined && connected && nowMs - entry.sentMs >= resendAfterMs) {
        this.#unconfirmed.delete(token);
        entry.sentMs = nowMs;
        this.#ask(entry, ackPayload);
      }
    }
  }

  #ask(entry: Unconfirmed, payload: Uint8Array): void {
    this.#sequence += 1;
    const token = this.#sequence.toString(36);
    this.#unconfirmed.set(token, entry);
    this.#publish(entry.delivery, payload, `${this.#inbox}.${token}`);
  }

  #receive(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const entry = this.#unconfirmed.get(token);
    if (entry === undefined) return;
    this.#unconfirmed.delete(token);
    // An accepted ack is answered by an empty message, a lost consumer by a status in the headers.
    const confirmed = message.headers === undefined;
    if (entry.onAcked !== undefined) entry.onAcked(confirmed);
    else if (confirmed) this.#leases.extended(entry.delivery, entry.sentMs);
  }

  #publish(delivery: Delivery, payload: Uint8Array, reply?: string): void {
    try {
      this.#connection.publish(delivery.ackSubject, payload, reply === undefined ? undefined : { reply });
    } catch {
      // The connection is closed, or closing: the server delivers the message again after ack_wait.
    }
  }
}
