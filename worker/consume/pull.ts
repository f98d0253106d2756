import { createInbox } from '@nats-io/transport-node';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { msToNanos } from '#common/units.ts';
import { within } from '../lifecycle/within.ts';
import type { Counters } from '../report/counters.ts';
import { reactTo } from './status.ts';
import type { Reaction, RecheckReason, RepullReason } from './status.ts';
import type { Credits } from './window.ts';

/** How long the server keeps a pull open. */
const expiresMs = 30_000;
/** How often the server says that an idle pull is still open; two of them missed, and the pull is given up. */
const idleHeartbeatMs = 1_000;
/**
 * With a backlog, the server serves open pulls in no time. Waiting for that spares messages that it is just sending
 * when the subscription ends: it would deliver them elsewhere at once, but count a delivery that never happened.
 */
const runOutMs = 100;
/** Enough for a new leader to be ready (measured: 71–80 ms of silence in all), spread over the fleet. */
const repullDelayMs: Record<RepullReason, { readonly atLeast: number; readonly spread: number }> = {
  LeadershipChanged: { atLeast: 50, spread: 50 },
  ServerShutdown: { atLeast: 50, spread: 50 },
  NoResponders: { atLeast: 50, spread: 50 },
  TooManyPulls: { atLeast: 1_000, spread: 1_000 },
};
/** So many pulls in a row without a leader, and the consumer itself is in question. */
const refusalsBeforeRecheck = 20;

export type PullLimits = {
  /** Most messages that one pull may ask for. */
  readonly maxBatch: number;
  /** Longest time that a pull may stay open, milliseconds. */
  readonly maxExpiresMs: number;
};

export type PullParts = {
  readonly connection: NatsConnection;
  readonly inboxPrefix: string;
  readonly stream: string;
  readonly consumer: string;
  readonly credits: Credits;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Must not throw. */
  readonly onMessage: (message: Msg, ackSubject: string) => void;
  /** The loop rests; `start` makes it pull again once the consumer has been looked at. */
  readonly onRecheck: (reason: RecheckReason) => void;
};

/**
 * The pull loop. It keeps as many messages on their way as the window allows, over one subscription.
 *
 * - resting: nothing is asked for: before the start, while the consumer is looked for, while disconnected.
 * - pulling: every message and every freed slot may lead to the next pull.
 * - ended: nothing more is asked for; the subscription is running out or gone.
 *
 * Data messages cannot be matched to a pull, so what is outstanding is counted over all of them. Statuses can: each
 * pull replies to a token of its own, which starts with the epoch. An epoch ends when all open pulls are void; what
 * the server still says about an older one is ignored, messages excepted.
 */
export class PullLoop {
  readonly #parts: PullParts;
  readonly #nextSubject: string;
  #phase: 'resting' | 'pulling' | 'ended' = 'resting';
  #limits: PullLimits = { maxBatch: 0, maxExpiresMs: 0 };
  #inbox = '';
  #subscription: Subscription | undefined;
  #epoch = 0;
  #pulls = 0;
  #delay: NodeJS.Timeout | undefined;
  readonly #ranOut = Promise.withResolvers<undefined>();
  #refusals = 0;
  #heard = false;
  #lastHeardMs = 0;
  #quietSinceMs = 0;
  #messages = 0;
  #messagesSeen = 0;

  constructor(parts: PullParts) {
    this.#parts = parts;
    this.#nextSubject = `$JS.API.CONSUMER.MSG.NEXT.${parts.stream}.${parts.consumer}`;
  }

  get isPulling(): boolean {
    return this.#phase === 'pulling';
  }

  /** For how long pulls have been open and no message has come, milliseconds; 0 while nothing is asked for. */
  quietMs(nowMs: number): number {
    return this.#phase === 'pulling' && this.#parts.credits.outstanding > 0 ? nowMs - this.#quietSinceMs : 0;
  }

  /** The silence has been explained: there is no work. */
  excuseQuiet(nowMs: number): void {
    this.#quietSinceMs = nowMs;
  }

  start(limits: PullLimits): void {
    if (this.#phase === 'ended') return;
    this.#limits = limits;
    this.#phase = 'pulling';
    this.#subscription ??= this.#subscribe();
    this.#void();
    this.refill();
  }

  /** Forgets the open pulls and asks for nothing until the next start. */
  rest(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'resting';
    this.#void();
  }

  /**
   * Rests, and takes the open pulls back from the server, which would go on serving them: it notices that their
   * replies have no subscriber.
   */
  withdraw(): void {
    if (this.#phase === 'ended') return;
    this.rest();
    this.#subscription?.drain().catch(() => undefined);
    this.#subscription = undefined;
  }

  /** Leaves the subscription to what it still delivers and starts over with a new one. */
  rebuild(): void {
    if (this.#phase !== 'pulling') return;
    this.#subscription?.drain().catch(() => undefined);
    this.#subscription = this.#subscribe();
    this.#void();
    this.refill();
  }

  /** Called whenever room may have appeared: cheap when there is none. */
  refill(): void {
    if (this.#phase !== 'pulling' || this.#delay !== undefined) return;
    const { credits } = this.#parts;
    for (let wanted = credits.credits; wanted > 0; wanted = credits.credits) {
      this.#pull(Math.min(wanted, this.#limits.maxBatch));
    }
  }

  /**
   * The watchdog. Call it regularly, but not right after the event loop was blocked: what the server said meanwhile
   * is still unread then.
   */
  watch(nowMs: number): void {
    if (this.#messagesSeen !== this.#messages) {
      this.#messagesSeen = this.#messages;
      this.#quietSinceMs = nowMs;
    }
    if (this.#heard) {
      this.#heard = false;
      this.#lastHeardMs = nowMs;
      return;
    }
    const { credits, counters, log } = this.#parts;
    if (this.#phase !== 'pulling' || credits.outstanding === 0) return;
    if (nowMs - this.#lastHeardMs <= 2 * idleHeartbeatMs) return;
    counters.watchdogRepulls += 1;
    log.warn({ silentMs: Math.round(nowMs - this.#lastHeardMs) }, 'the server fell silent; pulling again');
    this.#void();
    this.refill();
  }

  /**
   * Ends the loop without stranding a message: lets the open pulls run out for a moment, unsubscribes, then accepts
   * whatever the server had already sent. Resolves when the last of them has been handed to `onMessage`; never rejects.
   */
  async drain(): Promise<void> {
    this.#phase = 'ended';
    clearTimeout(this.#delay);
    if (this.#parts.credits.outstanding > 0) await within(runOutMs, this.#ranOut.promise);
    this.#void();
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await subscription?.drain().catch(() => undefined);
  }

  #subscribe(): Subscription {
    const { connection, inboxPrefix } = this.#parts;
    this.#inbox = createInbox(inboxPrefix);
    return connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => this.#receive(error, message),
    });
  }

  #pull(batch: number): void {
    const { connection, credits, counters, clock, log } = this.#parts;
    if (credits.outstanding === 0) {
      this.#lastHeardMs = clock.monotonicMs();
      this.#quietSinceMs = this.#lastHeardMs;
    }
    this.#pulls += 1;
    const expires = Math.min(expiresMs, this.#limits.maxExpiresMs);
    const request = JSON.stringify({
      batch,
      expires: msToNanos(expires),
      // The server refuses a heartbeat longer than half of the expiry.
      idle_heartbeat: msToNanos(Math.min(idleHeartbeatMs, expires / 2)),
    });
    credits.asked(batch);
    counters.pulls += 1;
    try {
      connection.publish(this.#nextSubject, request, {
        reply: `${this.#inbox}.${this.#epoch}-${this.#pulls}`,
      });
    } catch (error) {
      // The connection is closing: whoever closes it ends this loop too.
      log.debug({ error: describeError(error) }, 'pull not sent');
    }
  }

  #receive(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#parts.log.error({ error: describeError(error) }, 'the server refused the subscription for pulls');
      this.#subscription = undefined;
      this.#recheck('RequestRefused');
      return;
    }
    this.#heard = true;
    const ackSubject = message.reply;
    if (ackSubject === undefined || ackSubject === '') {
      this.#receiveStatus(message);
      return;
    }
    this.#refusals = 0;
    this.#messages += 1;
    this.#parts.credits.arrived();
    this.#parts.onMessage(message, ackSubject);
    if (this.#phase === 'ended' && this.#parts.credits.outstanding === 0) this.#ranOut.resolve(undefined);
    else this.refill();
  }

  #receiveStatus(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    if (this.#phase !== 'pulling' || !token.startsWith(`${this.#epoch}-`)) return;
    const reaction = readReaction(message);
    this.#parts.log.trace({ reaction }, 'pull status');
    switch (reaction.kind) {
      case 'alive':
        this.#refusals = 0;
        return;
      case 'returned':
        this.#refusals = 0;
        this.#parts.credits.returned(reaction.messages ?? Infinity);
        this.refill();
        return;
      case 'repull':
        this.#repullSoon(reaction.reason);
        return;
      case 'recheck':
        this.#recheck(reaction.reason);
    }
  }

  #repullSoon(reason: RepullReason): void {
    const { counters, random, log } = this.#parts;
    counters.voidedPulls += 1;
    this.#refusals += 1;
    if (this.#refusals >= refusalsBeforeRecheck) {
      this.#recheck('NoResponders');
      return;
    }
    if (this.#refusals === 1) log.info({ reason }, 'open pulls are void; pulling again');
    this.#void();
    const { atLeast, spread } = repullDelayMs[reason];
    this.#delay = setTimeout(
      () => {
        this.#delay = undefined;
        this.refill();
      },
      atLeast + random() * spread,
    );
  }

  #recheck(reason: RecheckReason): void {
    this.rest();
    this.#parts.onRecheck(reason);
  }

  #void(): void {
    this.#epoch += 1;
    this.#refusals = this.#phase === 'pulling' ? this.#refusals : 0;
    clearTimeout(this.#delay);
    this.#delay = undefined;
    this.#parts.credits.voided();
  }
}

/** The client throws on a header block that it cannot read. */
function readReaction(message: Msg): Reaction {
  try {
    const { headers } = message;
    if (headers === undefined) return { kind: 'recheck', reason: 'UnknownStatus' };
    return reactTo(headers.code, headers.description, headers.get('Nats-Pending-Messages'));
  } catch {
    return { kind: 'recheck', reason: 'UnknownStatus' };
  }
}
