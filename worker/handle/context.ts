import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Job } from '../consume/job.ts';

/** What a handler gets beside its job. */
export type JobContext = {
  /**
   * Aborted when the result is no longer wanted: time limit passed, worker shutting down, or lease lost. Its reason is
   * an Error whose name says which: `TimeoutError`, `ShutdownError`, `LeaseLostError`.
   */
  readonly signal: AbortSignal;
  /** Writes the job's sequence and attempt with each line. */
  readonly logger: Logger;
  /** When the time limit passes. */
  readonly deadline: Date;
};

/**
 * One function per worker. Returning acks the job; throwing retries it (`RetryLater` names the delay, `Discard` gives
 * it up).
 */
export type Handler = (job: Job, context: JobContext) => unknown;

/** The signal and the logger are made when they are first asked for: most short jobs never do. */
export class HandlerContext implements JobContext {
  readonly #job: Job;
  readonly #parentLogger: Logger;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  #controller: AbortController | undefined;
  #logger: Logger | undefined;
  #abortReason: Error | undefined;

  /** @param deadlineMs monotonic time of the time limit. */
  constructor(job: Job, parentLogger: Logger, clock: Clock, deadlineMs: number) {
    this.#job = job;
    this.#parentLogger = parentLogger;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get logger(): Logger {
    return (this.#logger ??= this.#parentLogger.child({
      sequence: this.#job.sequence,
      attempt: this.#job.attempt,
    }));
  }

  get deadline(): Date {
    return new Date(this.#clock.wallMs() + this.#deadlineMs - this.#clock.monotonicMs());
  }

  get abortReason(): Error | undefined {
    return this.#abortReason;
  }

  /** Only the first reason counts. Listeners of the handler that throw are reported by Node, not here. */
  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}

export function abortReason(
  name: 'TimeoutError' | 'ShutdownError' | 'LeaseLostError',
  message: string,
): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
