import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { parseAckSubject } from '../consume/ackSubject.ts';
import type { Delivery } from '../consume/job.ts';
import type { Leases } from '../consume/lease.ts';
import type { Window } from '../consume/window.ts';
import type { Counters } from '../report/counters.ts';
import type { Acks } from './acks.ts';
import { backoffMs } from './backoff.ts';
import type { DeadLetters } from './deadLetter.ts';
import { judge } from './verdict.ts';
import type { DeadLetterReason, Failure, RetryPolicy } from './verdict.ts';

/** Failures beyond this number per sweep are counted and not logged: a dead dependency must not drown the log. */
const loggedFailuresPerSweep = 5;

export type SettlerParts = {
  readonly acks: Acks;
  readonly leases: Leases;
  readonly window: Window;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly policy: RetryPolicy;
  readonly confirmAcks: boolean;
  /** Undefined: jobs that are given up are terminated and only logged. */
  readonly deadLetters: DeadLetters | undefined;
  /** A job that was on its way to being settled has arrived there. */
  readonly onSettled: () => void;
};

/**
 * Carries verdicts out. A delivery whose lease is over is left alone: it belongs to somebody else, and whatever is said
 * about it now would be taken for the word of the new holder.
 */
export class Settler {
  readonly #parts: SettlerParts;
  #failuresLogged = 0;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
  }

  succeed(delivery: Delivery, nowMs: number, serviceMs: number): void {
    const { acks, counters, window, onSettled, confirmAcks } = this.#parts;
    if (!this.#holds(delivery, nowMs)) return;
    if (!confirmAcks) {
      acks.ack(delivery);
      counters.succeeded += 1;
      counters.served(serviceMs);
      return;
    }
    window.settling += 1;
    acks.ackConfirmed(delivery, nowMs, (confirmed) => {
      window.settling -= 1;
      if (confirmed) {
        counters.succeeded += 1;
        counters.served(serviceMs);
      } else {
        counters.unconfirmedAcks += 1;
      }
      onSettled();
    });
  }

  fail(delivery: Delivery, nowMs: number, failure: Failure): void {
    if (!this.#holds(delivery, nowMs)) return;
    const { policy, random, counters, acks } = this.#parts;
    const verdict = judge(failure, policy, random());
    switch (verdict.kind) {
      case 'handBack':
        this.#handBack(delivery);
        return;
      case 'retry':
        acks.retry(delivery, verdict.delayMs);
        counters.retried += 1;
        this.#logFailure(delivery, verdict.error, verdict.delayMs);
        return;
      case 'deadLetter':
        this.bury(delivery, nowMs, verdict.reason, verdict.error);
    }
  }

  /** Gives a job up: first the dead letter is safe, then the message is terminated. */
  bury(delivery: Delivery, nowMs: number, reason: DeadLetterReason, error: Error): void {
    if (!this.#holds(delivery, nowMs)) return;
    const { deadLetters, window, clock, log, onSettled } = this.#parts;
    if (deadLetters === undefined) {
      log.error(
        { ...describeJob(delivery), reason, err: error },
        'job given up; no dead-letter stream is set',
      );
      this.#terminate(delivery, reason);
      return;
    }
    window.settling += 1;
    deadLetters
      .store(delivery, { reason, error, atMs: clock.wallMs() })
      .then(
        () => {
          log.warn({ ...describeJob(delivery), reason, error: error.message }, 'job dead-lettered');
          if (this.#holds(delivery, clock.monotonicMs())) this.#terminate(delivery, reason);
        },
        (failure: unknown) => this.#keepForLater(delivery, failure),
      )
      .finally(() => {
        window.settling -= 1;
        onSettled();
      });
  }

  /** Returns a job that has not run, or not to its end, so that another replica gets it at once. */
  handBack(delivery: Delivery, nowMs: number): void {
    if (this.#holds(delivery, nowMs)) this.#handBack(delivery);
  }

  sweep(): void {
    this.#failuresLogged = 0;
  }

  #holds(delivery: Delivery, nowMs: number): boolean {
    if (this.#parts.leases.isHeld(delivery, nowMs)) return true;
    this.#parts.counters.leaseLost += 1;
    return false;
  }

  #handBack(delivery: Delivery): void {
    this.#parts.acks.handBack(delivery);
    this.#parts.counters.handedBack += 1;
  }

  #terminate(delivery: Delivery, reason: string): void {
    this.#parts.acks.terminate(delivery, reason);
    this.#parts.counters.deadLettered += 1;
  }

  #keepForLater(delivery: Delivery, failure: unknown): void {
    const { clock, policy, random, counters, acks, log } = this.#parts;
    counters.deadLetterFailures += 1;
    log.error(
      { ...describeJob(delivery), error: describeError(failure) },
      'job kept: no dead letter was stored',
    );
    if (!this.#holds(delivery, clock.monotonicMs())) return;
    acks.retry(delivery, backoffMs(policy.backoff, delivery.attempt, random()));
    counters.retried += 1;
  }

  #logFailure(delivery: Delivery, error: Error, delayMs: number): void {
    if (this.#failuresLogged >= loggedFailuresPerSweep) return;
    this.#failuresLogged += 1;
    this.#parts.log.warn({ ...describeJob(delivery), delayMs, err: error }, 'job failed; it will be retried');
  }
}

function describeJob(delivery: Delivery): { subject: string; sequence: number; attempt: number } {
  return {
    subject: delivery.message.subject,
    sequence: parseAckSubject(delivery.ackSubject)?.streamSequence ?? 0,
    attempt: delivery.attempt,
  };
}
