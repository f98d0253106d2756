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
import type { Breaker } from './breaker.ts';
import type { RetryBudget } from './budget.ts';
import type { DeadLetters } from './deadLetter.ts';
import type { Forgiven } from './forgiven.ts';
import { isWornOut, judge } from './verdict.ts';
import type { DeadLetterReason, Failure, RetryPolicy, Verdict } from './verdict.ts';

/** Failures beyond this number per sweep are counted and not logged: a dead dependency must not drown the log. */
const loggedFailuresPerSweep = 5;

/** Until when a job that is to run again waits. */
export type Wait = {
  readonly nowMs: number;
  readonly delayMs: number;
  /** Whether what came before counts as an attempt. */
  readonly isAttempt: boolean;
};

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
  /** Undefined: retries are not limited. */
  readonly budget: RetryBudget | undefined;
  /** Undefined: failures never keep the worker from taking jobs. */
  readonly breaker: Breaker | undefined;
  /** Undefined: every delivery is an attempt. */
  readonly forgiven: Forgiven | undefined;
  /** Undefined: jobs that are given up are terminated and only logged. */
  readonly deadLetters: DeadLetters | undefined;
  /** Keeps a job for its next attempt; false: the server is to deliver it again. Undefined: always that. */
  readonly keep: ((delivery: Delivery, wait: Wait) => boolean) | undefined;
  /** All has been said about a delivery: it is settled, given back or lost. */
  readonly onGone: ((delivery: Delivery) => void) | undefined;
  /** A job that was on its way to being settled has arrived there. */
  readonly onSettled: () => void;
};

/**
 * Carries verdicts out. A delivery whose lease is over is left alone: it belongs to somebody else, and whatever is said
 * about it now would be taken for the word of the new holder.
 */
export class Settler {
  readonly #parts: SettlerParts;
  readonly #slowMs: number;
  #failuresLogged = 0;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
    this.#slowMs = parts.breaker?.policy.slowMs ?? Infinity;
  }

  succeed(delivery: Delivery, nowMs: number, serviceMs: number): void {
    const { acks, counters, window, onSettled, confirmAcks } = this.#parts;
    if (!this.#holds(delivery, nowMs)) return;
    if (!confirmAcks) {
      acks.ack(delivery);
      this.#countSuccess(serviceMs);
      this.#parts.onGone?.(delivery);
      return;
    }
    window.settling += 1;
    acks.ackConfirmed(delivery, nowMs, (confirmed) => {
      window.settling -= 1;
      if (confirmed) {
        this.#countSuccess(serviceMs);
      } else {
        counters.unconfirmedAcks += 1;
      }
      this.#parts.onGone?.(delivery);
      onSettled();
    });
  }

  fail(delivery: Delivery, nowMs: number, failure: Failure): void {
    if (!this.#holds(delivery, nowMs)) return;
    const verdict = judge(failure, this.#parts.policy, this.#parts.random());
    const exhausted = verdict.kind === 'deadLetter' && verdict.reason === 'AttemptsExhausted';
    if (exhausted || verdict.kind === 'retry') {
      this.#parts.counters.failed += 1;
      this.#parts.breaker?.look(nowMs);
    }
    if (!exhausted || this.#parts.forgiven === undefined) {
      this.#carryOut(verdict, delivery, nowMs);
      return;
    }
    this.#recount(delivery, this.#parts.forgiven, (attempt, laterMs) => {
      const second = judge({ ...failure, attempt }, this.#parts.policy, this.#parts.random());
      if (second.kind === 'retry') this.#parts.counters.reprieved += 1;
      this.#carryOut(second, delivery, laterMs);
    });
  }

  /**
   * A delivery that has not run, of a job that came too often.
   *
   * @param run called when there are attempts left after all; the lease is held then.
   */
  exhaust(delivery: Delivery, nowMs: number, run: () => void): void {
    const { forgiven, policy, counters } = this.#parts;
    const error = new Error(`${delivery.attempt - 1} deliveries ended without a result`);
    if (forgiven === undefined) {
      this.bury(delivery, nowMs, 'AttemptsExhausted', error);
      return;
    }
    this.#recount(delivery, forgiven, (attempt, laterMs) => {
      if (isWornOut(attempt, policy.maxAttempts)) {
        this.bury(delivery, laterMs, 'AttemptsExhausted', error);
      } else {
        counters.reprieved += 1;
        run();
      }
    });
  }

  /** A delivery that has not run, and is no longer worth it. */
  expire(delivery: Delivery, nowMs: number, why: string): void {
    this.#parts.counters.expired += 1;
    this.bury(delivery, nowMs, 'Expired', new Error(why));
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
        (failure: unknown) => {
          this.#parts.counters.deadLetterFailures += 1;
          this.#keepForLater(delivery, failure, 'job kept: no dead letter was stored');
        },
      )
      .finally(() => {
        window.settling -= 1;
        onSettled();
      });
  }

  /** Returns a job that is not to run before the delay is over. */
  defer(delivery: Delivery, nowMs: number, delayMs: number): void {
    if (!this.#holds(delivery, nowMs)) return;
    this.#parts.acks.retry(delivery, delayMs);
    this.#parts.onGone?.(delivery);
  }

  /** The same without having run: no attempt, if that is told apart. */
  reject(delivery: Delivery, nowMs: number, delayMs: number): void {
    this.#parts.counters.rejected += 1;
    this.#parts.forgiven?.forgive(delivery, 'hand-back');
    this.defer(delivery, nowMs, delayMs);
  }

  /** Returns a job that has not run, or not to its end, so that another replica gets it at once. */
  handBack(delivery: Delivery, nowMs: number): void {
    if (this.#holds(delivery, nowMs)) this.#handBack(delivery);
  }

  /** The lease ended first: whatever became of the job, it is no longer ours to say. */
  lost(delivery: Delivery): void {
    this.#parts.counters.leaseLost += 1;
    this.#parts.forgiven?.forgive(delivery, 'lost-lease');
    this.#parts.onGone?.(delivery);
  }

  sweep(nowMs: number): void {
    this.#failuresLogged = 0;
    this.#parts.budget?.remaining(nowMs);
    this.#parts.breaker?.look(nowMs);
  }

  #countSuccess(serviceMs: number): void {
    const { counters } = this.#parts;
    counters.succeeded += 1;
    counters.served(serviceMs);
    if (serviceMs > this.#slowMs) counters.slow += 1;
  }

  #carryOut(verdict: Verdict, delivery: Delivery, nowMs: number): void {
    const { budget, random } = this.#parts;
    switch (verdict.kind) {
      case 'handBack':
        if (this.#parts.keep?.(delivery, { nowMs, delayMs: 0, isAttempt: false }) === true) return;
        this.#handBack(delivery);
        return;
      case 'retry': {
        const delayMs = budget?.delayMs(nowMs, verdict.delayMs, random()) ?? verdict.delayMs;
        this.#logFailure(delivery, verdict.error, delayMs);
        this.#retry(delivery, delayMs, nowMs);
        return;
      }
      case 'deadLetter':
        this.bury(delivery, nowMs, verdict.reason, verdict.error);
    }
  }

  /** Asks how many of the deliveries were attempts. While that is unknown, the job is kept for later. */
  #recount(delivery: Delivery, forgiven: Forgiven, decide: (attempt: number, nowMs: number) => void): void {
    const { window, clock, onSettled } = this.#parts;
    window.settling += 1;
    forgiven
      .countAttempts(delivery)
      .then(
        (attempt) => {
          const nowMs = clock.monotonicMs();
          if (this.#holds(delivery, nowMs)) decide(attempt, nowMs);
        },
        (failure: unknown) => {
          this.#keepForLater(delivery, failure, 'job kept: its attempts could not be counted');
        },
      )
      .finally(() => {
        window.settling -= 1;
        onSettled();
      });
  }

  #holds(delivery: Delivery, nowMs: number): boolean {
    if (this.#parts.leases.isHeld(delivery, nowMs)) return true;
    this.lost(delivery);
    return false;
  }

  #handBack(delivery: Delivery): void {
    this.#parts.forgiven?.forgive(delivery, 'hand-back');
    this.#parts.acks.handBack(delivery);
    this.#parts.counters.handedBack += 1;
    this.#parts.onGone?.(delivery);
  }

  #terminate(delivery: Delivery, reason: string): void {
    this.#parts.acks.terminate(delivery, reason);
    this.#parts.counters.deadLettered += 1;
    this.#parts.onGone?.(delivery);
  }

  #keepForLater(delivery: Delivery, failure: unknown, message: string): void {
    const { clock, policy, random, log } = this.#parts;
    log.error({ ...describeJob(delivery), error: describeError(failure) }, message);
    const nowMs = clock.monotonicMs();
    if (!this.#holds(delivery, nowMs)) return;
    this.#retry(delivery, backoffMs(policy.backoff, delivery.attempt, random()), nowMs);
  }

  #retry(delivery: Delivery, delayMs: number, nowMs: number): void {
    const { acks, counters, keep, onGone } = this.#parts;
    counters.retried += 1;
    if (keep?.(delivery, { nowMs, delayMs, isAttempt: true }) === true) return;
    acks.retry(delivery, delayMs);
    onGone?.(delivery);
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
