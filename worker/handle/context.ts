import type { Logger } from '#common/log.ts';
import type { Job } from '../consume/job.ts';
import type { OutgoingMessage } from '../produce/wire.ts';
import { Outbox } from './outbox.ts';
import type { FlightOptions, FlightWork } from './flight.ts';
import type { JobTools } from './tools.ts';

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
  /**
   * Publishes to another stream. The job is acked only once all that it published is stored; what cannot be stored
   * fails the job. Run again, a job that publishes in the same order stores nothing twice within the duplicate window
   * of that stream (2 minutes unless set): each message has an id that is made of the job and its number, unless it
   * brings its own.
   *
   * @returns undefined when it is under way; a promise for that when it has to wait for room: await it.
   * @throws the signal's reason, once that is aborted: the job's result is no longer wanted.
   */
  publish(message: OutgoingMessage): Promise<void> | undefined;
  /**
   * Resolves when all that this job has published is stored. The worker does it before the ack.
   *
   * @throws PenstockError `PublishFailed`
   */
  flush(): Promise<void>;
  /**
   * Calls `work` once for all jobs that ask for the same key at the same time, in this worker, and in all workers that
   * share the bucket of `singleFlight` in their options. Nothing is remembered but what `shareMs` asks for.
   *
   * @throws what the work throws, to all who waited for it; or the reason of this job's signal.
   */
  singleFlight<T>(key: string, work: FlightWork<T>, options?: FlightOptions): Promise<T>;
};

/**
 * One function per worker. Returning acks the job; throwing retries it (`RetryLater` names the delay, `Discard` gives
 * it up).
 */
export type Handler = (job: Job, context: JobContext) => unknown;

/** The signal, the logger and the rest are made when they are first asked for: most short jobs never do. */
export class HandlerContext implements JobContext {
  readonly #job: Job;
  readonly #tools: JobTools;
  readonly #deadlineMs: number;
  #controller: AbortController | undefined;
  #logger: Logger | undefined;
  #outbox: Outbox | undefined;
  #abortReason: Error | undefined;

  /** @param deadlineMs monotonic time of the time limit. */
  constructor(job: Job, tools: JobTools, deadlineMs: number) {
    this.#job = job;
    this.#tools = tools;
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
    return (this.#logger ??= this.#tools.log.child({
      sequence: this.#job.sequence,
      attempt: this.#job.attempt,
    }));
  }

  get deadline(): Date {
    const { clock } = this.#tools;
    return new Date(clock.wallMs() + this.#deadlineMs - clock.monotonicMs());
  }

  publish(message: OutgoingMessage): Promise<void> | undefined {
    if (this.#abortReason !== undefined) throw this.#abortReason;
    const { publisher, consumer } = this.#tools;
    return (this.#outbox ??= new Outbox(publisher, this.#job, consumer)).publish(message);
  }

  async flush(): Promise<void> {
    await this.unstored();
  }

  async singleFlight<T>(key: string, work: FlightWork<T>, options: FlightOptions = {}): Promise<T> {
    return this.#tools.flights.fly(key, work, this.signal, options);
  }

  /** As `flush`, but undefined when there is nothing to wait for. */
  unstored(): Promise<undefined> | undefined {
    return this.#outbox?.flush();
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

export type AbortName = 'TimeoutError' | 'ShutdownError' | 'LeaseLostError';

export function abortReason(name: AbortName, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
