import { toError } from '#common/errors.ts';
import { backoffMs } from './backoff.ts';
import type { BackoffPolicy } from './backoff.ts';

/** Thrown by a handler: this job can never succeed. It goes to the dead letters at once, with this reason. */
export class Discard extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'Discard';
  }
}

/** Thrown by a handler: not now. Counts as an attempt like any other failure. */
export class RetryLater extends Error {
  /** Milliseconds until the next attempt; undefined leaves it to the worker's backoff. */
  readonly delayMs: number | undefined;

  constructor(delayMs?: number, message = 'retry later', options?: ErrorOptions) {
    super(message, options);
    this.name = 'RetryLater';
    this.delayMs = delayMs;
  }
}

/** Thrown by `job.json()`: the payload is no JSON, which no further attempt will change. */
export class MalformedPayload extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MalformedPayload';
  }
}

/** The job has not run, for a reason that is not its own: it is handed back, and that is no failure. */
export class NotStarted extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotStarted';
  }
}

/** A job that did not return. */
export type Failure = {
  /** Whatever was thrown. */
  readonly error: unknown;
  /** The attempt that ended, from 1. */
  readonly attempt: number;
  /** Whether the worker had asked the handler to stop for a shutdown. */
  readonly interrupted: boolean;
};

/** What becomes of the message. */
export type Verdict =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly error: Error }
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason; readonly error: Error }
  | { readonly kind: 'handBack' };

export type DeadLetterReason =
  | 'Discarded'
  | 'MalformedPayload'
  | 'AttemptsExhausted'
  | 'Expired'
  /** Given up by the server, at the consumer's `max_deliver`, and found by the sweeper. */
  | 'DeliveriesExhausted';

export type RetryPolicy = {
  /** Attempts that a job gets in all. */
  readonly maxAttempts: number;
  readonly backoff: BackoffPolicy;
};

/** The longest delay that a handler may ask for; beyond it the server's own bookkeeping becomes the risk. */
const maxRetryDelayMs = 24 * 3_600_000;

/**
 * The rule for a job that did not return. An interruption is no failure, whatever the handler threw then, unless it
 * gave the job up for good. Errors are told apart by name, not by class, since a bundled handler may carry its own
 * copy of the classes.
 *
 * @param random uniform in [0, 1), for the backoff.
 */
export function judge(failure: Failure, policy: RetryPolicy, random: number): Verdict {
  const error = toError(failure.error);
  if (error.name === 'Discard') return { kind: 'deadLetter', reason: 'Discarded', error };
  if (error.name === 'MalformedPayload') return { kind: 'deadLetter', reason: 'MalformedPayload', error };
  if (failure.interrupted || error.name === 'NotStarted') return { kind: 'handBack' };
  if (failure.attempt >= policy.maxAttempts)
    return { kind: 'deadLetter', reason: 'AttemptsExhausted', error };
  const delayMs = askedDelayMs(error) ?? backoffMs(policy.backoff, failure.attempt, random);
  return { kind: 'retry', delayMs, error };
}

function askedDelayMs(error: Error): number | undefined {
  if (error.name !== 'RetryLater' || !('delayMs' in error)) return undefined;
  const { delayMs } = error;
  if (typeof delayMs !== 'number' || !Number.isFinite(delayMs) || delayMs < 0) return undefined;
  return Math.min(delayMs, maxRetryDelayMs);
}

/**
 * Whether a message is to be given up before it runs: its earlier attempts ended without any word, as they do when a
 * job takes its process down. Hand-backs at a shutdown count as deliveries too, hence the double allowance.
 */
export function isWornOut(deliveries: number, maxAttempts: number): boolean {
  return deliveries > 2 * maxAttempts;
}
